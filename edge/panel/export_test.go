package panel

import (
	"iter"

	"tombolo/sync/ledger"
)

// ReplayUnproved is Replay without a look at signatures, for which a simulation
// has no time.
func ReplayUnproved(cfg Config, w World, log iter.Seq2[Logged, error]) iter.Seq2[Outcome, error] {
	none := func(*Presented, *ledger.Decision) error { return nil }
	return again(&replay{cfg: cfg, world: w, proves: none}, log)
}
