//go:build race

package panel_test

// The race detector makes everything some ten times slower, and one world has
// one goroutine.
const simWorlds = 16
