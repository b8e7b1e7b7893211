package gateway

import (
	"sync"

	"tombolo/sync/ledger"
)

// figures counts what is recorded, for [Gateway] as a prometheus.Collector. It
// keeps no passport, key or name of a person: what it counts by are doors, parts
// of the hardware and outcomes, all of which policy, wiring and program name.
type figures struct {
	mu        sync.Mutex
	decisions map[decided]uint64 // under mu
	passages  map[string]uint64  // under mu, by door
	alarms    map[alarm]uint64   // under mu
	open      map[string]bool    // under mu, by door: its contact says so
	down      map[string]bool    // under mu, by door: locked down
	faults    map[string]bool    // under mu, by part: it does not work now
	lost      uint64             // under mu: records that the journal did not take
}

type decided struct {
	door    string
	granted bool
}

type alarm struct{ door, what string }

func newFigures() *figures {
	return &figures{
		decisions: map[decided]uint64{}, passages: map[string]uint64{}, alarms: map[alarm]uint64{},
		open: map[string]bool{}, down: map[string]bool{}, faults: map[string]bool{},
	}
}

// count counts a record; err is the journal's.
func (f *figures) count(b ledger.Body, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.lost++
	}
	switch b := b.(type) {
	case *ledger.Decision:
		f.decisions[decided{b.Door, b.Granted}]++
	case *ledger.Passage:
		if b.Entered {
			f.passages[b.Door]++
		}
	case *ledger.DoorState:
		switch b.State {
		case "held-open", "forced-open":
			f.alarms[alarm{b.Door, b.State}]++
		case "lockdown", "lockdown-over":
			f.down[b.Door] = b.State == "lockdown"
		}
	case *ledger.Line:
		if b.Door != "" && b.Input == "contact" {
			f.open[b.Door] = b.State == "active"
		}
	case *ledger.Fault:
		if b.Cleared {
			delete(f.faults, b.Part)
		} else {
			f.faults[b.Part] = true
		}
	}
}
