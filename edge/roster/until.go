package roster

import (
	"errors"
	"fmt"

	"tombolo/sync/ledger"
)

// Until is a source as it was when a roster had projected so many entries of
// each ledger, by origin, as its View.Sources said: for the replay of an
// incident. Ledgers that are not named are not shown. A roster of its own, made
// over it, finds the holders, homes, bars and all else that a decision reads as
// they were; but for what is not in the ledgers:
//
//   - Fresh, which a door log's decisions carry as the roster's age, and Floor,
//     which is the last shown entry's time where a later head is held: without a
//     clock, a lockdown may seem to hold on for longer than it did.
//   - When the end of a home, a Forgive, or an order dated ahead was first seen. What a roster finds at
//     its first Project is taken as seen when it was written. Whoever replays from
//     earlier raises sizes, and calls Project at each Basis of the door log with
//     the clock of that entry: what comes by that is seen then, as it was.
//   - The charters of that moment: the newest version is shown under which all of
//     sizes counts.
//   - Bodies that were dropped since, which are passed over.
//
// Sizes is read at each Project. They may grow, and must not shrink. A source is
// for one roster.
func Until(src Source, sizes map[string]int64) Source {
	return &until{Source: src, sizes: sizes}
}

type until struct {
	Source
	sizes   map[string]int64
	assumed map[string]int64 // what sizes said when the ledgers were first asked for
}

// cut is how much of a ledger is shown.
type cut struct {
	size    int64
	assumed int64 // of these entries nobody knows when they were first seen
}

func (u *until) Charters(id ledger.CharterID) (ledger.Charters, error) {
	all, err := u.Source.Charters(id)
	if err != nil {
		return all, err
	}
	for n := all.Len(); n > 0; n-- {
		some, err := firstCharters(all, n)
		if err != nil {
			return all, err
		}
		if u.counts(some) {
			return some, nil
		}
	}
	return all, nil
}

func firstCharters(all ledger.Charters, n int) (some ledger.Charters, err error) {
	if n == all.Len() {
		return all, nil
	}
	for v := 1; v <= n && err == nil; v++ {
		_, signed := all.Version(v)
		some, err = ledger.CheckCharter(some, signed)
	}
	return some, err
}

// counts reports whether a chain of charters counts all that is shown of its
// authors' ledgers.
func (u *until) counts(c ledger.Charters) bool {
	kind, role := ledger.CommunityLog, ledger.Issuer
	if c.Latest().Kind == ledger.NodeCharter {
		kind, role = ledger.NodeLog, ledger.Steward
	}
	for origin, size := range u.sizes {
		o, err := ledger.ParseOrigin(origin)
		if err != nil || o.Kind != kind || size == 0 {
			continue
		}
		if l, ok := c.Limit(role, o); !ok || l.Size < size {
			return false
		}
	}
	return true
}

func (u *until) Ledgers() ([]Ledger, error) {
	if u.assumed == nil {
		u.assumed = map[string]int64{}
		for origin, size := range u.sizes {
			u.assumed[origin] = size
		}
	}
	all, err := u.Source.Ledgers()
	errs := []error{err}
	have := map[string]int64{}
	var shown []Ledger
	for _, l := range all {
		origin := l.Head.Origin.String()
		have[origin] = l.Head.Size
		size, ok := u.sizes[origin]
		if !ok {
			continue
		}
		// What was projected before its author was convicted counts.
		l.Forked = false
		l.cut = &cut{size, u.assumed[origin]}
		shown = append(shown, l)
	}
	for origin, size := range u.sizes {
		if have[origin] < size {
			errs = append(errs, fmt.Errorf("%d entries of %s were projected, and %d are here; import them", size, origin, have[origin]))
		}
	}
	return shown, errors.Join(errs...)
}
