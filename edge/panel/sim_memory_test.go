package panel_test

import (
	"iter"
	"maps"
	"slices"
	"strings"

	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// simMemory is what a door log says of people, kept as plainly as can be.
type simMemory struct {
	run      int
	known    bool // the clock
	last     map[passport.ID]*simSeen
	entries  map[passport.ID][]*simSeen // the latest by each door, in the log's order
	wrong    map[passport.ID][]*simSeen // wrong PINs in a row
	spent    map[ledger.PassID]uint32
	came     map[string]*simSeen // door → last entry of somebody whom a level lets in
	due      map[uint64]*simSeen
	takes    map[uint64]ledger.PassID // entries of guest passes that may yet be given back
	forgiven map[passport.ID]int64
}

// simSeen is somebody who passed a door, was let pass, or typed a wrong PIN.
type simSeen struct {
	who   passport.ID
	door  string
	exit  bool
	at    int64 // Unix ms, by the clock as it is set now if it was in this run
	run   int
	level bool
}

func newSimMemory() *simMemory {
	return &simMemory{
		last: map[passport.ID]*simSeen{}, entries: map[passport.ID][]*simSeen{}, wrong: map[passport.ID][]*simSeen{},
		spent: map[ledger.PassID]uint32{}, came: map[string]*simSeen{}, due: map[uint64]*simSeen{}, takes: map[uint64]ledger.PassID{},
		forgiven: map[passport.ID]int64{},
	}
}

func (y *simMemory) apply(at int64, body ledger.Body) {
	switch b := body.(type) {
	case *ledger.Boot:
		for _, seq := range slices.Sorted(maps.Keys(y.due)) { // nobody can tell whether they went in: they did
			if s := y.due[seq]; !s.exit {
				y.pass(s, s.at)
			}
		}
		clear(y.due)
		clear(y.takes)
		y.run++
		y.known = false
		y.clock(at, b.Clock)
	case *ledger.Basis:
		y.clock(at, b.Clock)
	case *ledger.ClockStep:
		for s := range y.all() {
			switch {
			case s.run == y.run: // the time between does not change
				s.at += b.To - b.From
			case y.known: // nothing of what was is to come
				s.at = min(s.at, b.To)
			}
		}
	case *ledger.Forgiven:
		y.forgive(passport.ID(b.Passport), b.Before)
	case *ledger.Decision:
		y.decision(at, b)
	case *ledger.Passage:
		s, ok := y.due[b.Seq]
		delete(y.due, b.Seq)
		delete(y.takes, b.Seq)
		if ok && b.Entered {
			y.pass(s, at)
			if !s.exit && s.level {
				y.came[s.door] = &simSeen{at: at, run: y.run}
			}
		}
	case *ledger.PassUsed:
		y.spent[b.Pass]++
		y.takes[b.Seq] = b.Pass
	}
}

func (y *simMemory) decision(at int64, b *ledger.Decision) {
	who := passport.ID(b.Passport)
	_, again := y.due[b.Seq]
	delete(y.due, b.Seq)
	if pass, ok := y.takes[b.Seq]; ok && !b.Granted { // the entry was not used
		y.spent[pass]--
		delete(y.takes, b.Seq)
	}
	if _, typed, _ := strings.Cut(b.Mode, "+"); !again && !strings.HasPrefix(b.Reason, "locked-out") {
		switch {
		case typed == "wrong-pin":
			y.wrong[who] = append(y.wrong[who], &simSeen{at: at, run: y.run})
		case (typed == "pin" || typed == "duress") && (b.Granted || b.Reason == "awaits-second" || b.Reason == "awaits-escort"):
			delete(y.wrong, who)
		}
	}
	if b.Granted && who != 0 {
		y.due[b.Seq] = &simSeen{who, b.Door, b.Exit, at, y.run, b.Reason == "granted" || b.Reason == "passback-noted"}
	}
}

func (y *simMemory) pass(s *simSeen, at int64) {
	here := func() *simSeen { return &simSeen{who: s.who, door: s.door, exit: s.exit, at: at, run: s.run} }
	y.last[s.who] = here()
	if !s.exit {
		y.entries[s.who] = append(slices.DeleteFunc(y.entries[s.who], func(e *simSeen) bool { return e.door == s.door }), here())
	}
}

// clock: once there is one, nothing of what was is to come.
func (y *simMemory) clock(at int64, word string) {
	known := word != "unknown"
	if known && !y.known {
		for s := range y.all() {
			s.at = min(s.at, at)
		}
	}
	y.known = known
}

// all is everything that has a time.
func (y *simMemory) all() iter.Seq[*simSeen] {
	return func(yield func(*simSeen) bool) {
		for _, one := range []iter.Seq[*simSeen]{maps.Values(y.last), maps.Values(y.came), maps.Values(y.due)} {
			for s := range one {
				yield(s)
			}
		}
		for _, many := range []iter.Seq[[]*simSeen]{maps.Values(y.entries), maps.Values(y.wrong)} {
			for list := range many {
				for _, s := range list {
					yield(s)
				}
			}
		}
	}
}

// forgive forgets, for a Forgive that is newer than any before it, what was until
// its time, and what the log has before that.
func (y *simMemory) forgive(who passport.ID, before int64) {
	was, done := y.forgiven[who]
	y.forgiven[who] = before
	if done && before <= was {
		return
	}
	after := func(list []*simSeen) []*simSeen {
		for i, s := range slices.Backward(list) {
			if s.at <= before {
				return list[i+1:]
			}
		}
		return list
	}
	for p := passport.ID(1); p <= simPassports; p++ {
		if who != 0 && who != p {
			continue
		}
		if s := y.last[p]; s != nil && s.at <= before {
			delete(y.last, p)
			delete(y.entries, p)
		}
		y.entries[p], y.wrong[p] = after(y.entries[p]), after(y.wrong[p])
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
func (s *simSeen) leads(p *policy.Policy) string {
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
func (s *simSeen) leaves(p *policy.Policy) string {
	return (&simSeen{door: s.door, exit: !s.exit}).leads(p)
}

// isIn tells whether somebody was seen going into a zone, and that still counts.
func (y *simMemory) isIn(p *policy.Policy, z *policy.Zone, who passport.ID, now int64) bool {
	s, ok := y.last[who]
	return ok && within(p, s.leads(p), z.Name) && (z.Forgive == 0 || now-s.at < z.Forgive.Milliseconds())
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
func (y *simMemory) entered(p *policy.Policy, z *policy.Zone, who passport.ID, now int64) int64 {
	for _, s := range slices.Backward(y.entries[who]) {
		if within(p, s.leads(p), z.Name) {
			return max(0, now-s.at)
		}
	}
	return -1
}

// crowd is who is in a zone, or will be once they have passed.
func (y *simMemory) crowd(p *policy.Policy, z *policy.Zone, now int64) map[passport.ID]bool {
	in := map[passport.ID]bool{}
	for who := range y.last {
		if y.isIn(p, z, who, now) {
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

func (y *simMemory) lockedOut(l policy.Lockout, who passport.ID, now int64) bool {
	all := y.wrong[who]
	return len(all) >= l.After && now-all[len(all)-1].at < l.For.Milliseconds()
}
