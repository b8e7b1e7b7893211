package access

import (
	"math"
	"slices"
	"strings"

	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Presence is what a gateway remembers of people: who passed which door last,
// which guest passes were spent, whose PIN was typed wrongly. It is a projection
// of door logs and of nothing else: whoever applies the entries of one in their
// order has it, a gateway after a start as much as an auditor later. It has one
// owner; make it with NewPresence.
type Presence struct {
	last    map[passport.ID]seen
	at      map[Side]map[passport.ID]struct{} // last, by side
	entries map[passport.ID][]seen            // each one's latest entries, one a door, newest last
	spent   map[ledger.PassID]uint32
	wrong   map[passport.ID][]int64  // when each one's PIN was typed wrongly since it last was right, Unix ms, the latest last
	entered map[string]int64         // door → when somebody last came in by it, Unix ms
	due     map[uint64]passage       // this boot's grants that nobody has passed by yet, by decision
	takes   map[uint64]ledger.PassID // this boot's entries of guest passes that may yet be taken back, by decision
}

// Side is a direction through a door.
type Side struct {
	Door string `json:"door"`
	Exit bool   `json:"exit"`
}

type seen struct {
	Side
	At int64 `json:"at"` // Unix ms
}

type passage struct {
	Passport passport.ID `json:"passport"`
	Side
}

const (
	// maxSeen bounds the passports that are remembered; of more the one who was
	// seen longest ago is forgotten, as forgiven.
	maxSeen    = 1 << 18
	maxEntries = 16  // of one passport: doors of one gateway that one person goes in by
	maxWrong   = 100 // of one passport: no policy counts further
	maxDue     = 1 << 12
	// maxPasses bounds the guest passes of which it is known how often they were
	// used. One that is used first when there is no room counts as used up.
	maxPasses  = 1 << 18
	maxEntered = ledger.MaxDoors
)

// NewPresence has seen nobody.
func NewPresence() *Presence {
	return &Presence{
		last: map[passport.ID]seen{}, entries: map[passport.ID][]seen{}, at: map[Side]map[passport.ID]struct{}{}, spent: map[ledger.PassID]uint32{},
		wrong: map[passport.ID][]int64{}, entered: map[string]int64{}, due: map[uint64]passage{}, takes: map[uint64]ledger.PassID{},
	}
}

// Apply takes the next entry of a door log, with its time in Unix milliseconds.
func (p *Presence) Apply(at int64, body ledger.Body) {
	switch b := body.(type) {
	case *ledger.Boot:
		clear(p.due) // nobody passes by a grant of another run
		clear(p.takes)
	case *ledger.ClockStep:
		p.setBack(b.To)
	case *ledger.Decision:
		p.decision(at, b)
	case *ledger.Passage:
		due, ok := p.due[b.Seq]
		delete(p.due, b.Seq)
		delete(p.takes, b.Seq)
		if ok && b.Entered {
			p.move(due.Passport, seen{due.Side, at})
		}
	case *ledger.PassUsed:
		if used, known := p.spent[b.Pass]; known || len(p.spent) < maxPasses {
			p.spent[b.Pass] = max(used+1, used)
			if len(p.takes) < maxDue {
				p.takes[b.Seq] = b.Pass
			}
		}
	}
}

func (p *Presence) decision(at int64, b *ledger.Decision) {
	who := passport.ID(b.Passport)
	delete(p.due, b.Seq) // a second decision of one number takes the first back
	if pass, ok := p.takes[b.Seq]; ok && !b.Granted {
		delete(p.takes, b.Seq)
		if p.spent[pass]--; p.spent[pass] == 0 {
			delete(p.spent, pass)
		}
	}
	switch _, typed, _ := strings.Cut(b.Mode, "+"); {
	case b.Reason == WrongPin.String() && who != 0:
		p.typedWrong(who, at)
	case b.Reason == LockedOut.String(), b.Reason == LockedOutDuress.String(): // not even the right one counts
	case typed == "pin", typed == "duress":
		delete(p.wrong, who)
	}
	if b.Granted && who != 0 && len(p.due) < maxDue {
		p.due[b.Seq] = passage{who, Side{b.Door, b.Exit}}
	}
}

// setBack is a clock that shows now, Unix ms, from here on: what was before is not
// to come, or it would last for as long as the clock was ahead.
func (p *Presence) setBack(now int64) {
	for who, s := range p.last {
		s.At = min(s.At, now)
		p.last[who] = s
	}
	for _, entries := range p.entries {
		for i := range entries {
			entries[i].At = min(entries[i].At, now)
		}
	}
	for _, times := range p.wrong {
		for i := range times {
			times[i] = min(times[i], now)
		}
	}
	for door, at := range p.entered {
		p.entered[door] = min(at, now)
	}
}

func (p *Presence) typedWrong(who passport.ID, at int64) {
	times, known := p.wrong[who]
	if !known && len(p.wrong) >= maxSeen {
		delete(p.wrong, oldest(p.wrong, func(t []int64) int64 { return t[len(t)-1] }))
	}
	if len(times) == maxWrong {
		times = slices.Delete(times, 0, 1)
	}
	p.wrong[who] = append(times, at)
}

// oldest is whose value has the earliest time, of several the lowest number, so
// that everybody who folds a log forgets the same.
func oldest[V any](m map[passport.ID]V, at func(V) int64) (found passport.ID) {
	earliest, ok := int64(0), false
	for id, v := range m {
		if t := at(v); !ok || t < earliest || t == earliest && id < found {
			found, earliest, ok = id, t, true
		}
	}
	return found
}

func (p *Presence) move(who passport.ID, s seen) {
	p.forget(who)
	if len(p.last) >= maxSeen {
		gone := oldest(p.last, func(s seen) int64 { return s.At })
		p.forget(gone)
		delete(p.entries, gone)
	}
	p.place(who, s)
	if s.Exit {
		return
	}
	if _, known := p.entered[s.Door]; known || len(p.entered) < maxEntered {
		p.entered[s.Door] = s.At
	}
	entries := slices.DeleteFunc(p.entries[who], func(e seen) bool { return e.Door == s.Door })
	if len(entries) == maxEntries {
		entries = slices.Delete(entries, 0, 1)
	}
	p.entries[who] = append(entries, s)
}

func (p *Presence) place(who passport.ID, s seen) {
	p.last[who] = s
	if p.at[s.Side] == nil {
		p.at[s.Side] = map[passport.ID]struct{}{}
	}
	p.at[s.Side][who] = struct{}{}
}

func (p *Presence) forget(who passport.ID) {
	if l, ok := p.last[who]; ok {
		delete(p.at[l.Side], who)
		if len(p.at[l.Side]) == 0 {
			delete(p.at, l.Side)
		}
		delete(p.last, who)
	}
}

// leads is the zone that somebody is in who passed a side, or "" if the policy
// has no such door any more.
func leads(p *policy.Policy, s Side) string {
	d := p.Doors[s.Door]
	switch {
	case d == nil:
		return ""
	case s.Exit:
		return d.From
	}
	return d.To
}

// counts reports whether somebody who was seen is still taken to be where they
// went: nobody forgave it, and the zone's own time has not passed.
func counts(b *Basis, z *policy.Zone, who passport.ID, s seen, now int64) bool {
	return s.At > b.ForgivenAt(who) && (z.Forgive == 0 || now-s.At < z.Forgive.Milliseconds())
}

// Inside reports whether a passport is in a zone, or has been let into it by
// another door than this and not passed yet. now is in Unix milliseconds.
func (p *Presence) Inside(b *Basis, z *policy.Zone, by string, who passport.ID, now int64) bool {
	l, ok := p.last[who]
	return ok && b.Policy.Inside(z.Name, leads(b.Policy, l.Side)) && counts(b, z, who, l, now) ||
		p.comes(b, z, by, who)
}

// comes reports whether a passport has been let into a zone by another door.
func (p *Presence) comes(b *Basis, z *policy.Zone, by string, who passport.ID) bool {
	for _, d := range p.due {
		if d.Passport == who && d.Door != by && b.Policy.Inside(z.Name, leads(b.Policy, d.Side)) {
			return true
		}
	}
	return false
}

// Entered is how many milliseconds ago a passport last entered a zone, whether
// or not it has left since; −1 if that is not known.
func (p *Presence) Entered(b *Basis, z *policy.Zone, by string, who passport.ID, now int64) int64 {
	if p.comes(b, z, by, who) {
		return 0
	}
	for _, e := range slices.Backward(p.entries[who]) {
		if b.Policy.Inside(z.Name, leads(b.Policy, e.Side)) && e.At > b.ForgivenAt(who) {
			return max(0, now-e.At)
		}
	}
	return -1
}

// Count is the number of people in a zone but for some, those who were let in and
// have not passed yet among them.
func (p *Presence) Count(b *Basis, z *policy.Zone, now int64, but ...passport.ID) (n int) {
	for side, members := range p.at {
		if !b.Policy.Inside(z.Name, leads(b.Policy, side)) {
			continue
		}
		for who := range members {
			if !slices.Contains(but, who) && counts(b, z, who, p.last[who], now) {
				n++
			}
		}
	}
	for seq, d := range p.due {
		if !slices.Contains(but, d.Passport) && enters(b, z, d.Side) && !p.counted(b, z, seq, d.Passport, now) {
			n++
		}
	}
	return n
}

// enters reports whether a side leads into a zone from without.
func enters(b *Basis, z *policy.Zone, s Side) bool {
	return b.Policy.Inside(z.Name, leads(b.Policy, s)) && !b.Policy.Inside(z.Name, leads(b.Policy, Side{s.Door, !s.Exit}))
}

// counted reports whether whoever was let in by a decision is counted without
// it: is inside already, or has presented twice.
func (p *Presence) counted(b *Basis, z *policy.Zone, seq uint64, who passport.ID, now int64) bool {
	if l, ok := p.last[who]; ok && b.Policy.Inside(z.Name, leads(b.Policy, l.Side)) && counts(b, z, who, l, now) {
		return true
	}
	for other, d := range p.due {
		if other < seq && d.Passport == who && enters(b, z, d.Side) {
			return true
		}
	}
	return false
}

// Full reports whether a zone has no room for all of those who want in together.
func (p *Presence) Full(b *Basis, z *policy.Zone, now int64, who ...passport.ID) bool {
	return z.Occupancy > 0 && p.Count(b, z, now, who...)+len(who) > z.Occupancy
}

// Used is the number of entries that a guest pass was spent on.
func (p *Presence) Used(pass ledger.PassID) uint32 {
	used, known := p.spent[pass]
	if !known && len(p.spent) >= maxPasses {
		return math.MaxUint32
	}
	return used
}

// LockedOut reports whether a passport's PIN was typed wrongly so often since it
// was right or forgiven, and so lately, that none counts now.
func (p *Presence) LockedOut(b *Basis, who passport.ID, now int64) bool {
	times, lockout, forgiven := p.wrong[who], b.Policy.Lockout, b.ForgivenAt(who)
	n := 0
	for _, at := range times {
		if at > forgiven {
			n++
		}
	}
	return n > 0 && n >= lockout.After && now-times[len(times)-1] < lockout.For.Milliseconds()
}

// EnteredAt is when somebody last came in by a door, Unix milliseconds; 0 if
// nobody ever did.
func (p *Presence) EnteredAt(door string) int64 { return p.entered[door] }
