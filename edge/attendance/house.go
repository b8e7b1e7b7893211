package attendance

import (
	"maps"
	"slices"

	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// House follows who may be where in a node, by the door logs of its gateways, each
// of which speaks for its own doors alone. Logs may come in any order to each
// other, and each in its own. It has one owner; make it with NewHouse.
type House struct {
	policy   *policy.Policy
	people   map[passport.ID]person
	gateways map[string]*gateway
	doors    map[string]*doorway
	unnamed  []unnamed // in the order in which they were heard
	since    int64     // of what is older not all is remembered, Unix ms
}

// person is where somebody was seen last.
type person struct {
	zone  string
	at    int64 // Unix ms
	sure  bool
	maybe []stay // where they may be instead
}

type stay struct {
	zone string
	at   int64
}

// unnamed is a passage of somebody whom nobody named, or one that may have been.
type unnamed struct {
	from, to string
	at       int64
	known    bool // it turned out whose it was
}

// gateway is what is known of one's clock and of the grants that it waits by.
type gateway struct {
	clock  bool
	last   int64 // time of its newest entry with a clock
	booted int64 // of its latest start: who came before may have left unseen
	due    map[uint64]comer
}

// comer was let through and has not passed yet.
type comer struct {
	who    passport.ID // 0: nobody knows
	door   string
	exit   bool
	vague  bool // a passage by this grant will be an assumption
	opened bool // the door has opened for it
}

// doorway is one door.
type doorway struct {
	found   bool // its contact was heard of since the gateway's start
	contact bool // it tells
	open    bool
	rex     int64 // when somebody wanted out last
	free    bool  // unlocked for anybody
	freed   int64 // until then it was
}

// Bounds of what is remembered. Beyond them the eldest is forgotten, and what
// hangs on it is not known any more.
const (
	maxPeople  = 1 << 16
	maxUnnamed = 1 << 14
	maxMaybe   = 8
	// keep is the longest time that a policy may take to forgive.
	keep = 7 * 24 * 60 * 60 * 1000
)

// NewHouse has seen nobody. What was written before a time, in Unix milliseconds,
// it is not going to be told.
func NewHouse(since int64) *House {
	return &House{people: map[passport.ID]person{}, gateways: map[string]*gateway{}, doors: map[string]*doorway{}, since: since}
}

// Without says that what was written before a time, in Unix milliseconds, is not
// told after all: a log was longer than anybody reads.
func (h *House) Without(before int64) { h.since = max(h.since, before) }

// Follows reports whether Apply takes entries of a kind.
func Follows(k ledger.Kind) bool {
	switch k {
	case ledger.KindBoot, ledger.KindBasis, ledger.KindClockStep, ledger.KindDecision, ledger.KindPassage,
		ledger.KindLine, ledger.KindDoorState, ledger.KindForgiven:
		return true
	}
	return false
}

// Under sets the policy by which doors lead somewhere; what was seen before was
// seen under the one before.
func (h *House) Under(p *policy.Policy) { h.policy = p }

// Apply takes the next entry of the door log of a gateway, by its name, written at
// a time in Unix milliseconds.
func (h *House) Apply(name string, at int64, body ledger.Body) {
	g := h.gateways[name]
	if g == nil {
		g = &gateway{clock: true, booted: h.since, due: map[uint64]comer{}}
		h.gateways[name] = g
	}
	switch b := body.(type) {
	case *ledger.Boot:
		h.boot(name, g, at, b.Clock != "unknown")
		return
	case *ledger.Basis:
		g.clock = b.Clock != "unknown"
	case *ledger.ClockStep:
		h.clockSet(g, b.To)
		return
	}
	if g.clock {
		g.last = max(g.last, at)
	}
	at = g.last // without a clock: no earlier than what came before it
	switch b := body.(type) {
	case *ledger.Decision:
		h.decision(name, g, b)
	case *ledger.Passage:
		c, ok := g.due[b.Seq]
		delete(g.due, b.Seq)
		if !b.Entered || !h.speaks(name, b.Door) {
			return
		}
		if !ok {
			c = comer{door: b.Door, exit: b.Exit, vague: true}
		}
		h.pass(c, at, !c.vague && c.opened && g.clock)
	case *ledger.Line:
		if h.speaks(name, b.Door) {
			h.line(g, at, b)
		}
	case *ledger.DoorState:
		if h.speaks(name, b.Door) {
			h.state(at, b)
		}
	case *ledger.Forgiven:
		h.forgive(passport.ID(b.Passport), b.Before)
	}
}

// speaks reports whether a gateway's word on a door counts.
func (h *House) speaks(name, door string) bool {
	if h.policy == nil {
		return false
	}
	d := h.policy.Doors[door]
	return d != nil && d.Gateway == name
}

func (h *House) door(name string) *doorway {
	d := h.doors[name]
	if d == nil {
		d = &doorway{}
		h.doors[name] = d
	}
	return d
}

// boot begins another run: whoever was let through may have passed.
func (h *House) boot(name string, g *gateway, at int64, clock bool) {
	if g.clock = clock; clock {
		g.last = max(g.last, at)
	}
	for _, seq := range slices.Sorted(maps.Keys(g.due)) {
		h.pass(g.due[seq], g.last, false)
	}
	clear(g.due)
	g.booted = g.last
	for door, d := range h.doors {
		if h.speaks(name, door) {
			freed := d.freed
			if d.free {
				freed = g.last
			}
			*d = doorway{freed: freed}
		}
	}
}

// clockSet takes a clock that was set. How the times before compare with those that
// follow is not known well enough for anybody to be sure.
func (h *House) clockSet(g *gateway, to int64) {
	g.last, g.booted = to, to
	for who, p := range h.people {
		p.at = min(p.at, to)
		for i := range p.maybe {
			p.maybe[i].at = min(p.maybe[i].at, to)
		}
		h.people[who] = p
	}
	for i := range h.unnamed {
		h.unnamed[i].at = min(h.unnamed[i].at, to)
	}
}

func (h *House) decision(name string, g *gateway, b *ledger.Decision) {
	delete(g.due, b.Seq) // a second decision of one number takes the first back
	if !b.Granted || len(g.due) >= maxDue || !h.speaks(name, b.Door) {
		return
	}
	d := h.door(b.Door)
	g.due[b.Seq] = comer{who: passport.ID(b.Passport), door: b.Door, exit: b.Exit, vague: !d.found || !d.contact || d.open || d.free}
}

// line takes an input. What is told first after a start was found so.
func (h *House) line(g *gateway, at int64, b *ledger.Line) {
	d := h.door(b.Door)
	switch {
	case b.Input == "rex" && b.State == "active":
		d.rex = at
	case b.Input != "contact":
	case !d.found || b.State != "normal" && b.State != "active":
		d.found, d.contact, d.open = true, b.State == "normal" || b.State == "active", b.State == "active"
	case b.State == "normal":
		d.contact, d.open = true, false
	case !d.open:
		d.contact, d.open = true, true
		h.opens(g, d, at, b.Door)
	}
}

// opens: a door opens, for whoever was let through, or for somebody whom nobody
// knows.
func (h *House) opens(g *gateway, d *doorway, at int64, door string) {
	waiting := 0
	for _, c := range g.due {
		if c.door == door {
			waiting++
		}
	}
	for seq, c := range g.due {
		if c.door == door {
			c.opened, c.vague = true, c.vague || waiting > 1
			g.due[seq] = c
		}
	}
	if waiting > 0 || d.free {
		return
	}
	p := h.policy.Doors[door]
	h.nobody(unnamed{from: p.To, to: p.From, at: at})
	if d.rex == 0 || at-d.rex > p.ExtendedStrike.Milliseconds() {
		h.nobody(unnamed{from: p.From, to: p.To, at: at}) // out by the handle, or in by force
	}
	d.rex = 0
}

func (h *House) state(at int64, b *ledger.DoorState) {
	d := h.door(b.Door)
	free := b.State == "free" || b.State == "released"
	if d.free && !free {
		d.freed = at
	}
	d.free = free
}

// pass: somebody goes through, or is taken to.
func (h *House) pass(c comer, at int64, sure bool) {
	d := h.policy.Doors[c.door]
	if d == nil {
		return
	}
	from, to := d.From, d.To
	if c.exit {
		from, to = to, from
	}
	if c.who == 0 {
		h.nobody(unnamed{from: from, to: to, at: at})
		return
	}
	old, seen := h.people[c.who]
	switch {
	case seen && old.at > at: // another gateway, whose clock is ahead, or whose log came first
		old.sure = false
		old.maybe = stays(old.maybe, stay{to, at}, stay{from, at})
		h.people[c.who] = old
		return
	case sure:
		if seen && old.sure {
			h.recognise(old, from)
		}
		h.place(c.who, person{zone: to, at: at, sure: true})
	case seen:
		h.place(c.who, person{zone: to, at: at, maybe: stays(old.maybe, stay{old.zone, old.at}, stay{from, at})})
	default:
		h.place(c.who, person{zone: to, at: at, maybe: []stay{{from, at}}})
	}
}

// stays adds to where somebody may be; of more than fit the oldest are let go, as
// they are forgiven first.
func stays(all []stay, more ...stay) []stay {
	out := make([]stay, 0, len(all)+len(more))
	for _, s := range append(all[:len(all):len(all)], more...) {
		fresh := true
		for i := range out {
			if out[i].zone == s.zone {
				out[i].at, fresh = max(out[i].at, s.at), false
			}
		}
		if fresh {
			out = append(out, s)
		}
	}
	return out[max(0, len(out)-maxMaybe):]
}

// recognise: somebody who was in a zone comes from another without having been seen
// to leave: one of those whom nobody named was this one. Of several the earliest is
// taken, which leaves those that may have been most others. Where it may have been
// none of them, as a door stood free or a gateway did not run, none is.
func (h *House) recognise(p person, from string) {
	if p.zone == from || p.at < h.since {
		return
	}
	for _, g := range h.gateways {
		if g.booted > p.at {
			return
		}
	}
	for _, d := range h.doors {
		if d.free || d.freed > p.at {
			return
		}
	}
	for i, u := range h.unnamed {
		if !u.known && u.at >= p.at && u.from == p.zone && u.to == from {
			h.unnamed[i].known = true
			return
		}
	}
}

func (h *House) place(who passport.ID, p person) {
	if _, seen := h.people[who]; !seen && len(h.people) >= maxPeople {
		h.thin(p.at)
	}
	h.people[who] = p
}

func (h *House) nobody(u unnamed) {
	if len(h.unnamed) >= maxUnnamed {
		h.thin(u.at)
	}
	if len(h.unnamed) >= maxUnnamed {
		half := len(h.unnamed) / 2
		for _, u := range h.unnamed[:half] {
			h.since = max(h.since, u.at+1)
		}
		h.unnamed = append([]unnamed(nil), h.unnamed[half:]...)
	}
	h.unnamed = append(h.unnamed, u)
}

// thin forgets what no policy remembers any more, and if that is not enough half of
// what is left.
func (h *House) thin(now int64) {
	over := now - keep
	last := over
	for {
		for who, p := range h.people {
			if p.at < over {
				delete(h.people, who)
			}
		}
		if len(h.people) < maxPeople {
			break
		}
		var sum int64
		for _, p := range h.people {
			sum += p.at - last
		}
		over = last + sum/int64(len(h.people)) + 1 // later than their mean time
		h.since = max(h.since, over)
	}
	kept := h.unnamed[:0]
	for _, u := range h.unnamed {
		if u.at >= now-keep {
			kept = append(kept, u)
		}
	}
	h.unnamed = kept
}

// forgive forgets where somebody was up to a time, or everybody with 0.
func (h *House) forgive(who passport.ID, before int64) {
	for id, p := range h.people {
		if (who == 0 || who == id) && p.at <= before {
			delete(h.people, id)
		}
	}
	if who != 0 {
		return
	}
	kept := h.unnamed[:0]
	for _, u := range h.unnamed {
		if u.at > before {
			kept = append(kept, u)
		}
	}
	h.unnamed = kept
}
