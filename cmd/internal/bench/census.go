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

// censusPart is one of the things that an epoch costs: its evaluator, the hub's
// intake of reports, its close and audit.
func censusPart(part func(b *report, dir string, s sea) error) func(*report, options) error {
	return func(b *report, o options) error {
		dir, err := os.MkdirTemp(o.dir, "census-")
		if err != nil {
			return err
		}
		// None is tuned for a small board, as a gateway is.
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
		defer tombolod.Tune()
		return part(b, filepath.Join(dir, "part"), newSea(o.reporters, seaTags))
	}
}
