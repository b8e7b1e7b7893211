package main

import (
	"math"
	"os"
	"path/filepath"
	"runtime/debug"

	tombolod "tombolo/cmd/internal/gateway"
)

const (
	seaGateways = 10_000
	seaTags     = 1000 // of each: 10,000,000 in the list
)

// censusFigures measures what an epoch costs: its evaluator, the hub's intake of
// reports, its close and its audit.
func censusFigures(b *report, dir string, gateways int) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	// Neither is tuned for a small board, as a gateway is.
	debug.SetGCPercent(100)
	debug.SetMemoryLimit(math.MaxInt64)
	defer tombolod.Tune()
	s := newSea(gateways, seaTags)
	if err := evaluation(b, filepath.Join(dir, "evaluator"), s); err != nil {
		return err
	}
	if err := intake(b, filepath.Join(dir, "intake"), s); err != nil {
		return err
	}
	return closing(b, filepath.Join(dir, "close"), s)
}
