package gateway

import (
	"maps"
	"strings"
	"sync"

	"tombolo/edge/panel"
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
	twice     map[string]uint64  // under mu, by door: codes that opened one of a sibling's, too
	lost      uint64             // under mu: records that the journal did not take
	// faults are what does not work now, by part: a part may have several.
	faults map[string]map[string]bool // under mu
}

// maxFaults bounds the faults of one part that are told apart.
const maxFaults = 64

type decided struct {
	door    string
	granted bool
}

type alarm struct{ door, what string }

func newFigures() *figures {
	return &figures{
		decisions: map[decided]uint64{}, passages: map[string]uint64{}, alarms: map[alarm]uint64{},
		open: map[string]bool{}, down: map[string]bool{}, twice: map[string]uint64{}, faults: map[string]map[string]bool{},
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
		f.fault(b)
	}
}

// fault counts what happened, and notes what is so. What is over is one fault of
// the part if it says which, and otherwise all of them.
func (f *figures) fault(b *ledger.Fault) {
	all := f.faults[b.Part]
	door, twice := panel.CodeTwice(b.Part)
	switch {
	case twice:
		f.twice[door]++
	case b.Cleared && all[b.What]:
		if delete(all, b.What); len(all) == 0 {
			delete(f.faults, b.Part)
		}
	case b.Cleared:
		delete(f.faults, b.Part)
	case all == nil:
		f.faults[b.Part] = map[string]bool{b.What: true}
	case len(all) < maxFaults:
		all[b.What] = true
	}
}

// partLabel is how a part is shown: a ledger as its kind, whose name would hold its
// author's key, and an issuer as one.
func partLabel(part string) string {
	for _, of := range []string{string(ledger.CommunityLog) + "/", string(ledger.NodeLog) + "/", "issuer "} {
		if strings.HasPrefix(part, of) {
			return of[:len(of)-1]
		}
	}
	return part
}

// copy is a picture of now: whoever shows it keeps no door waiting.
func (f *figures) copy() figures {
	f.mu.Lock()
	defer f.mu.Unlock()
	faults := make(map[string]map[string]bool, len(f.faults))
	for part := range f.faults {
		faults[partLabel(part)] = nil
	}
	return figures{
		decisions: maps.Clone(f.decisions), passages: maps.Clone(f.passages), alarms: maps.Clone(f.alarms),
		open: maps.Clone(f.open), down: maps.Clone(f.down), twice: maps.Clone(f.twice), lost: f.lost, faults: faults,
	}
}
