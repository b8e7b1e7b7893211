package panel_test

import (
	"maps"

	"tombolo/edge/access"
	"tombolo/edge/panel"
)

// replay makes the decisions of the world's log again: under the policy of the
// time each is the same, and with one line changed each is as the model foretold.
func (w *simWorld) replay() {
	line := w.ledgers.changed
	for _, changed := range []bool{false, true} {
		w.ledgers.changed = nil
		if changed {
			w.ledgers.changed = line
		}
		w.replayed(changed)
	}
}

func (w *simWorld) replayed(changed bool) {
	m := w.model
	foretold := maps.Clone(m.foretold)
	log := func(yield func(panel.Logged, error) bool) {
		for _, e := range m.log {
			if !yield(e, nil) {
				return
			}
		}
	}
	cfg := panel.Config{Node: simNode, Gateway: "gw1", Doors: w.hardware, Software: "simulation"}
	for o, err := range panel.ReplayUnproved(cfg, w.ledgers, log) {
		m.require(err == nil, "replay: %v", err)
		want, ok := foretold[o.Index]
		delete(foretold, o.Index)
		logged, _ := access.ParseReason(o.Decision.Reason)
		switch {
		case !ok:
			cut := o.Decision.Mode == "rex" && o.Note != "" // a crash has taken the decision of a button
			m.require(o.Same && (logged == access.NotRecorded || cut), "replay: entry %d is %+v, and nobody decided it", o.Index, *o.Decision)
		case !changed:
			m.require(o.Same, "replay: entry %d was %v and is %v (%s): %+v", o.Index, logged, o.Again.Reason, o.Note, *o.Decision)
		case want == access.None:
		default:
			if want != logged {
				w.tally.others++
			}
			m.require(o.Again.Reason == want && o.Same == (want == logged), "replay with %v: entry %d was %v and is %v (same: %v, %s); it should be %v: %+v",
				w.change, o.Index, logged, o.Again.Reason, o.Same, o.Note, want, *o.Decision)
		}
	}
	m.require(len(foretold) == 0, "replay: the decisions %v were not made again", foretold)
}
