//go:build !race

package panel_test

// simWorlds is how many worlds TestSimulation lives.
const simWorlds = 280
