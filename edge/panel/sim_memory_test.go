package panel_test

import (
	"slices"
	"strings"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// simMemory is what a door log says of people, kept as plainly as can be.
type simMemory struct {
	last    map[passport.ID]simSeen
	entries map[passport.ID][]simSeen // the latest by each door, in the log's order
	wrong   map[passport.ID][]int64   // wrong PINs in a row, Unix ms
	spent   map[ledger.PassID]uint32
	came    map[string]int64 // door → last entry, Unix ms
	due     map[uint64]simSeen
	takes   map[uint64]ledger.PassID // entries of guest passes that may yet be given back
}

// simSeen is somebody who passed a door, or was let pass.
type simSeen struct {
	who  passport.ID
	door string
	exit bool
	at   int64
}

func newSimMemory() *simMemory {
	return &simMemory{
		map[passport.ID]simSeen{}, map[passport.ID][]simSeen{}, map[passport.ID][]int64{},
		map[ledger.PassID]uint32{}, map[string]int64{}, map[uint64]simSeen{}, map[uint64]ledger.PassID{},
	}
}

func (y *simMemory) apply(at int64, body ledger.Body) {
	switch b := body.(type) {
	case *ledger.Boot:
		clear(y.due)
		clear(y.takes)
	case *ledger.Decision:
		who := passport.ID(b.Passport)
		delete(y.due, b.Seq)
		if pass, ok := y.takes[b.Seq]; ok && !b.Granted { // the entry was not used
			y.spent[pass]--
			delete(y.takes, b.Seq)
		}
		_, typed, _ := strings.Cut(b.Mode, "+")
		switch {
		case b.Reason == "wrong-pin":
			y.wrong[who] = append(y.wrong[who], at)
		case (typed == "pin" || typed == "duress") && !strings.HasPrefix(b.Reason, "locked-out"):
			delete(y.wrong, who)
		}
		if b.Granted && who != 0 {
			y.due[b.Seq] = simSeen{who, b.Door, b.Exit, at}
		}
	case *ledger.Passage:
		s, ok := y.due[b.Seq]
		delete(y.due, b.Seq)
		delete(y.takes, b.Seq)
		if !ok || !b.Entered {
			return
		}
		s.at = at
		y.last[s.who] = s
		if !s.exit {
			y.came[s.door] = at
			y.entries[s.who] = append(slices.DeleteFunc(y.entries[s.who], func(e simSeen) bool { return e.door == s.door }), s)
		}
	case *ledger.PassUsed:
		y.spent[b.Pass]++
		y.takes[b.Seq] = b.Pass
	case *ledger.ClockStep: // nothing of what was is to come
		for who, s := range y.last {
			s.at = min(s.at, b.To)
			y.last[who] = s
		}
		for _, entries := range y.entries {
			for i := range entries {
				entries[i].at = min(entries[i].at, b.To)
			}
		}
		for _, times := range y.wrong {
			for i := range times {
				times[i] = min(times[i], b.To)
			}
		}
		for door := range y.came {
			y.came[door] = min(y.came[door], b.To)
		}
	}
}

// within tells whether a zone is another, or a part of it.
func within(p *policy.Policy, place, zone string) bool {
	for place != "" {
		if place == zone {
			return true
		}
		place = p.Zones[place].Within
	}
	return false
}

// leads is where somebody is who passed a door, or "".
func (s simSeen) leads(p *policy.Policy) string {
	switch d := p.Doors[s.door]; {
	case d == nil:
		return ""
	case s.exit:
		return d.From
	default:
		return d.To
	}
}

// leaves is where they were before.
func (s simSeen) leaves(p *policy.Policy) string {
	return simSeen{door: s.door, exit: !s.exit}.leads(p)
}

// isIn tells whether somebody was seen going into a zone, and that still counts.
func (y *simMemory) isIn(b *access.Basis, p *policy.Policy, z *policy.Zone, who passport.ID, now int64) bool {
	s, ok := y.last[who]
	return ok && within(p, s.leads(p), z.Name) && s.at > b.Forgiven[who] && s.at > b.Forgiven[0] &&
		(z.Forgive == 0 || now-s.at < z.Forgive.Milliseconds())
}

// coming tells whether somebody has been let into a zone by another door, and
// may still pass it.
func (y *simMemory) coming(p *policy.Policy, z *policy.Zone, who passport.ID, but string) bool {
	for _, s := range y.due {
		if s.who == who && s.door != but && within(p, s.leads(p), z.Name) {
			return true
		}
	}
	return false
}

// entered is when somebody last entered a zone, in ms ago; −1 if never.
func (y *simMemory) entered(b *access.Basis, p *policy.Policy, z *policy.Zone, who passport.ID, now int64) int64 {
	for _, s := range slices.Backward(y.entries[who]) {
		if within(p, s.leads(p), z.Name) && s.at > b.Forgiven[who] && s.at > b.Forgiven[0] {
			return max(0, now-s.at)
		}
	}
	return -1
}

// crowd is who is in a zone, or will be once they have passed.
func (y *simMemory) crowd(b *access.Basis, p *policy.Policy, z *policy.Zone, now int64) map[passport.ID]bool {
	in := map[passport.ID]bool{}
	for who := range y.last {
		if y.isIn(b, p, z, who, now) {
			in[who] = true
		}
	}
	for _, s := range y.due {
		if within(p, s.leads(p), z.Name) && !within(p, s.leaves(p), z.Name) {
			in[s.who] = true
		}
	}
	return in
}

func (y *simMemory) lockedOut(b *access.Basis, l policy.Lockout, who passport.ID, now int64) bool {
	all, n := y.wrong[who], 0
	for _, at := range all {
		if at > b.Forgiven[who] && at > b.Forgiven[0] {
			n++
		}
	}
	return n >= l.After && now-all[len(all)-1] < l.For.Milliseconds()
}
