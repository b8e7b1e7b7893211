package access

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Siblings is what the door logs of a node's other gateways say of people: who
// passed which of their doors last, and which codes opened them. Each log is
// folded by itself, so that what is known is the same in whatever order they
// arrive. It has one owner; make it with NewSiblings.
//
// A sibling speaks for its own doors alone, as the policy has them, and only
// while the roster has it among the node's gateways; its word counts only where a
// zone's doors hang on several gateways. It spends no guest pass and locks nobody
// out. Its clock may be wrong: nothing happened later than it was heard.
type Siblings struct {
	node passport.Target // what codes name that open any door of the node
	logs []*sibling      // by origin
	ours map[code]Used
	turn []code // of ours, in their order: the next to be forgotten is at next
	next int
}

// sibling is one door log.
type sibling struct {
	origin  ledger.Origin
	name    string // the origin as text
	last    map[passport.ID]trace
	entries map[passport.ID][]trace
	at      map[Side]map[passport.ID]struct{}
	due     map[uint64]comer // the latest boot's grants that nobody has passed by yet, by decision
	codes   map[code]int64   // that opened there → when they are over, Unix seconds
}

// trace is somebody at a door, at a time in Unix milliseconds.
type trace struct {
	Side
	at int64
}

type comer struct {
	who passport.ID
	trace
}

// Used is a decision by which a code has opened a door.
type Used struct {
	Seq  uint64
	Door string
}

// Bounds of what is taken from siblings.
const (
	MaxSiblings = 128 // door logs; more are not listened to

	maxTraces     = 1 << 14 // passports of one log; of more the half seen longest ago is forgotten
	maxComers     = 256
	maxTheirCodes = 1 << 10 // of one log
	maxOurCodes   = 1 << 12 // of which it is told that they opened a sibling's door, too
	// comes is how long a sibling's grant without a passage is waited for, in
	// milliseconds: its end may have been lost.
	comes = 10 * 60 * 1000
)

// NewSiblings has heard of nobody.
func NewSiblings(node passport.NodeID) *Siblings {
	return &Siblings{node: passport.NodeTarget(node), ours: map[code]Used{}}
}

// Heard reports whether Siblings takes entries of a kind.
func Heard(k ledger.Kind) bool {
	return k == ledger.KindBoot || k == ledger.KindDecision || k == ledger.KindPassage
}

func (s *Siblings) find(o ledger.Origin) (int, bool) {
	return slices.BinarySearchFunc(s.logs, o.String(), func(l *sibling, name string) int { return cmp.Compare(l.name, name) })
}

// Begin begins to listen to a door log; false if there is no room for it.
func (s *Siblings) Begin(o ledger.Origin) bool {
	i, ok := s.find(o)
	if ok || len(s.logs) == MaxSiblings {
		return ok
	}
	s.logs = slices.Insert(s.logs, i, &sibling{
		origin: o, name: o.String(), last: map[passport.ID]trace{}, entries: map[passport.ID][]trace{},
		at: map[Side]map[passport.ID]struct{}{}, due: map[uint64]comer{}, codes: map[code]int64{},
	})
	return true
}

// Double is a code that has opened a door of this gateway and one of a sibling's.
type Double struct {
	Passport   passport.ID
	Here       Used
	There      Used
	ThereSince ledger.Origin // the log that has There
}

// Apply takes the next entry of a door log that Begin named. at is its time; no
// later than now, Unix milliseconds, unless now is 0, as this gateway has no clock.
// twice is a code that has opened a door here, too, or nil.
func (s *Siblings) Apply(o ledger.Origin, now, at int64, body ledger.Body) (twice *Double) {
	i, ok := s.find(o)
	if !ok {
		return nil
	}
	if now != 0 {
		at = min(at, now)
	}
	l := s.logs[i]
	switch b := body.(type) {
	case *ledger.Boot:
		// As Presence has it: who was let in may have gone in.
		for _, seq := range slices.Sorted(maps.Keys(l.due)) {
			if d := l.due[seq]; !d.Exit {
				l.move(d.who, d.trace)
			}
		}
		clear(l.due)
	case *ledger.Decision:
		delete(l.due, b.Seq) // a second decision of one number takes the first back
		if !b.Granted || b.Passport == 0 {
			return nil
		}
		if len(l.due) < maxComers {
			l.due[b.Seq] = comer{passport.ID(b.Passport), trace{Side{b.Door, b.Exit}, at}}
		}
		return s.opened(l, now, b)
	case *ledger.Passage:
		d, ok := l.due[b.Seq]
		delete(l.due, b.Seq)
		if ok && b.Entered {
			d.at = at
			l.move(d.who, d.trace)
		}
	}
	return nil
}

// opened remembers a code for the node that opened a sibling's door.
func (s *Siblings) opened(l *sibling, now int64, b *ledger.Decision) *Double {
	if mode, _, _ := strings.Cut(b.Mode, "+"); mode != "window" {
		return nil
	}
	w, err := passport.ParseWindow(b.Presentation)
	if err != nil || w.Target != s.node.Short() || w.Passport != passport.ID(b.Passport) {
		return nil
	}
	used := code{w.Passport, w.Nonce}
	if len(l.codes) >= maxTheirCodes {
		maps.DeleteFunc(l.codes, func(_ code, over int64) bool { return over*1000 <= now })
	}
	if over(w)*1000 > now && len(l.codes) < maxTheirCodes {
		l.codes[used] = over(w)
	}
	if here, ok := s.ours[used]; ok {
		return &Double{w.Passport, here, Used{b.Seq, b.Door}, l.origin}
	}
	return nil
}

// Open notes that a code has opened a door here. One that names the door opens no
// sibling's.
func (s *Siblings) Open(w passport.Window, by Used) {
	if w.Target != s.node.Short() {
		return
	}
	used := code{w.Passport, w.Nonce}
	if len(s.turn) < maxOurCodes {
		s.turn = append(s.turn, used)
	} else {
		delete(s.ours, s.turn[s.next])
		s.turn[s.next] = used
		s.next = (s.next + 1) % maxOurCodes
	}
	s.ours[used] = by
}

// Ours reports whether a code has opened a door here, as far as Open remembers.
func (s *Siblings) Ours(w passport.Window) bool {
	_, ok := s.ours[code{w.Passport, w.Nonce}]
	return ok
}

// UsedThere reports whether a code has opened a door of a sibling that the roster
// has.
func (s *Siblings) UsedThere(b *Basis, w passport.Window) bool {
	for _, l := range s.logs {
		if _, ok := l.codes[code{w.Passport, w.Nonce}]; ok && b.Siblings[l.origin.Author] != "" {
			return true
		}
	}
	return false
}

func (l *sibling) move(who passport.ID, t trace) {
	l.forget(who)
	if len(l.last) >= maxTraces {
		l.thin()
	}
	l.last[who] = t
	if l.at[t.Side] == nil {
		l.at[t.Side] = map[passport.ID]struct{}{}
	}
	l.at[t.Side][who] = struct{}{}
	if t.Exit {
		return
	}
	entries := slices.DeleteFunc(l.entries[who], func(e trace) bool { return e.Door == t.Door })
	if len(entries) == maxEntries {
		entries = slices.Delete(entries, 0, 1)
	}
	l.entries[who] = append(entries, t)
}

func (l *sibling) forget(who passport.ID) {
	if t, ok := l.last[who]; ok {
		delete(l.at[t.Side], who)
		if len(l.at[t.Side]) == 0 {
			delete(l.at, t.Side)
		}
		delete(l.last, who)
	}
}

// thin forgets half of all, so that no log makes every entry of it cost a search.
func (l *sibling) thin() {
	all := slices.SortedFunc(maps.Keys(l.last), func(a, b passport.ID) int {
		return cmp.Or(cmp.Compare(l.last[a].at, l.last[b].at), cmp.Compare(a, b))
	})
	for _, who := range all[:len(all)/2] {
		l.forget(who)
		delete(l.entries, who)
	}
}

// speaks reports whether a sibling's word on one of its sides counts: the roster
// has the gateway, and the policy gives it the door.
func (l *sibling) speaks(b *Basis, s Side) bool {
	name := b.Siblings[l.origin.Author]
	d := b.Policy.Doors[s.Door]
	return name != "" && d != nil && d.Gateway == name
}

// Backlog is how far back a sibling's door log still tells something, in
// milliseconds, by a policy that may be nil: a gateway that starts has siblings'
// entries of that time told to it, and later ones. It is at most a week.
func Backlog(p *policy.Policy) (ms int64) {
	if p == nil {
		return 0
	}
	for _, z := range p.Zones {
		if z.Shared && z.Counts() {
			ms = max(ms, z.Forgive.Milliseconds(), z.AntipassbackTime.Milliseconds())
		}
	}
	return min(ms, 7*24*60*60*1000)
}
