package panel_test

import (
	"slices"

	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// simTruth is who passed which door last, by a time that nobody sets, that runs on
// while the gateway is off, and that no door log is asked for. By it nobody goes
// into a hard anti-passback zone whom it has inside, unless it is for longer than
// the zone remembers or somebody was forgiven since.
//
// What this run has seen is held to that to the millisecond. How long ago an
// earlier run saw something only the clock can say: by as much as a clock that was
// believed has gained on the true time since it was behind, the zone may forgive
// early. A clock that nobody believes earns no such grace: only what it shows at
// the decision.
type simTruth struct {
	run     int
	runs    int64 // Unix ms: the true time when up was 0
	pending map[uint64]*simPassed
	lapsed  map[uint64]*simPassed // in this run
	last    map[passport.ID]*simPassed
}

type simPassed struct {
	who      passport.ID
	door     string
	exit     bool
	decision *ledger.Decision
	passage  *ledger.Passage
	run      int
	at       int64 // the true time, Unix ms
	lead     int64 // of the clock before the true time: the least since this was an earlier run's
}

func newSimTruth(at int64) *simTruth {
	return &simTruth{runs: at, pending: map[uint64]*simPassed{}, lapsed: map[uint64]*simPassed{}, last: map[passport.ID]*simPassed{}}
}

func (y *simTruth) now(w *simWorld) int64 { return y.runs + w.up.Milliseconds() }

// lead is by how much the clock is ahead of the true time.
func (y *simTruth) lead(w *simWorld) int64 { return w.began - y.runs }

// step takes what was recorded.
func (y *simTruth) step(w *simWorld, actions []panel.Action) {
	for _, a := range actions {
		switch b := a.Body.(type) {
		case *ledger.Decision:
			who := passport.ID(b.Passport)
			delete(y.pending, b.Seq)
			if !b.Granted || who == 0 {
				break
			}
			if !b.Exit && b.Reason != access.Home.String() {
				y.mayEnter(w, who, b.Door)
			}
			y.pending[b.Seq] = &simPassed{who: who, door: b.Door, exit: b.Exit, decision: b, run: y.run, at: y.now(w)}
		case *ledger.Passage:
			if s := y.pending[b.Seq]; s != nil {
				s.passage = b
				if b.Entered {
					s.at = y.now(w)
					y.last[s.who] = s
				} else {
					y.lapsed[b.Seq] = s
				}
			}
			delete(y.pending, b.Seq)
		case *ledger.Forgiven:
			if b.Passport == 0 {
				clear(y.last)
			}
			delete(y.last, passport.ID(b.Passport))
		}
	}
	if w.trust > access.TrustUnknown {
		for _, s := range y.last {
			if s.run < y.run {
				s.lead = min(s.lead, y.lead(w))
			}
		}
	}
}

// mayEnter: no zone that a door leads into has somebody inside.
func (y *simTruth) mayEnter(w *simWorld, who passport.ID, by string) {
	s, p := y.last[who], w.basis.Policy
	if s == nil || p == nil || p.Doors[by] == nil || p.Doors[s.door] == nil {
		return
	}
	to, in := p.Doors[by], p.Doors[s.door].To
	if s.exit {
		in = p.Doors[s.door].From
	}
	age := y.now(w) - s.at
	if s.run < y.run {
		age += max(0, y.lead(w)-s.lead)
	}
	for _, z := range p.Zones {
		if z.Antipassback == policy.AntipassbackHard && within(p, to.To, z.Name) && !within(p, to.From, z.Name) && within(p, in, z.Name) {
			w.model.require(z.Forgive > 0 && age >= z.Forgive.Milliseconds(),
				"passport %d goes into %s by %s, and has been inside since %s of %d ms ago (as the clock has it %d)", who, z.Name, by, s.door, y.now(w)-s.at, age)
			w.tally.forgotten++
		}
	}
}

// crash: what the journal has lost nobody can know. Who was let in and not seen
// passing when it broke off has gone in, or else nobody knows where they are.
func (y *simTruth) crash(w *simWorld, lost []panel.Logged) {
	gone, lead := map[ledger.Body]bool{}, y.lead(w)
	for _, e := range lost {
		gone[e.Body] = true
		if step, ok := e.Body.(*ledger.ClockStep); ok { // nobody knows that what was before goes by another time
			lead -= step.To - step.From
		}
	}
	for who, s := range y.last {
		if gone[s.decision] || s.exit && gone[s.passage] {
			delete(y.last, who)
		} else if s.run == y.run {
			s.lead = lead
		}
	}
	for seq, s := range y.lapsed {
		if gone[s.passage] {
			y.pending[seq] = s
		}
	}
	latest := map[passport.ID]uint64{}
	for seq, s := range y.pending {
		if !s.exit && !gone[s.decision] && slices.ContainsFunc(w.model.log, func(e panel.Logged) bool { return e.Body == s.decision }) {
			latest[s.who] = max(latest[s.who], seq)
		}
	}
	for who := passport.ID(1); who <= simPassports; who++ {
		switch s := y.pending[latest[who]]; {
		case s == nil:
		case w.in(2):
			delete(y.last, who)
		default:
			s.lead = lead
			y.last[who] = s
		}
	}
	clear(y.pending)
	clear(y.lapsed)
}

// restart begins another run, after the gateway was off for so long.
func (y *simTruth) restart(w *simWorld, off int64) {
	y.runs = y.now(w) + off
	y.run++
}
