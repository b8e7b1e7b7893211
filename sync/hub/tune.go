package hub

import (
	"os"
	"runtime/debug"
)

// Tune sets the collector for a process that is a hub. Reports come in bursts and are
// garbage as soon as they are stored; the list of an epoch is hundreds of megabytes that
// live until it is written, of which there must not be a multiple. What GOGC and
// GOMEMLIMIT say goes before.
func Tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(300)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(3 << 29) // 1.5 GiB
	}
}
