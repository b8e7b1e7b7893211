// Package epoch holds the story of one census, played by the programs themselves:
// desks, gateways with simulated doors, the evaluator and the hub, each a process
// with its own folder. It has no code of its own.
package epoch
