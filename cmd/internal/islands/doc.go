// Package islands is nothing but tests: whole hosts, each in a network namespace
// of its own on one simulated switch, run both programs with the very files of
// testdata/deploy that the README shows, names and paths included. A cable is
// pulled by taking the switch's end of it down, so that nobody is told anything.
//
// It needs root, or sudo, as everything that makes network namespaces does.
package islands
