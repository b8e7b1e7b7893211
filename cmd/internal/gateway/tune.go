package gateway

import "runtime/debug"

// Tune sets the collector for a process that is a gateway. Its heap is a few
// megabytes, so that by Go's own setting it would be collected all the time, at
// the cost of taps and of the journal; it may grow to five times of that, and no
// further than a small board bears.
func Tune() {
	debug.SetGCPercent(400)
	debug.SetMemoryLimit(64 << 20)
}
