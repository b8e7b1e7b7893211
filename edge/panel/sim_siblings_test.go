package panel_test

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// simNeighbour is the gateway that has the doors which a policy does not give to
// this one. It tells what it likes: of its own doors and others', by a clock that
// may be wrong, in pieces, twice, or not at all for a while.
type simNeighbour struct {
	simDice
	log   ledger.Origin
	seq   uint64
	ahead int64 // of its clock, ms
	told  int64 // in this run so many of its entries
}

var simNeighbourLog = ledger.Origin{Kind: ledger.DoorLog, Author: ledger.KeyID{2}}

func newSimNeighbour(seed uint64) *simNeighbour {
	n := &simNeighbour{simDice: simDice{rand.New(rand.NewPCG(seed, 7))}, log: simNeighbourLog}
	if n.in(3) {
		n.ahead = n.Int64N(4*3600_000) - 2*3600_000
	}
	return n
}

// neighbour lets the other gateway live, too.
func (w *simWorld) neighbour() {
	n := w.other
	if n.in(6) {
		for range 1 + n.IntN(4) {
			n.write(w)
		}
	}
	switch all := int64(len(w.ledgers.siblings[n.log])); {
	case n.in(8) && all > 0:
		from, size := n.told, n.told+n.Int64N(all-n.told+1)
		switch {
		case n.in(8):
			from = n.Int64N(from + 1) // once more
		case n.in(20):
			from = min(from+1, size) // with a hole
		}
		w.step(panel.Told{Log: n.log, From: from, Size: size, Entries: slices.Clone(w.ledgers.siblings[n.log][from:size])})
		if from <= n.told {
			n.told = max(n.told, size)
		}
	case n.in(60):
		var missing []string
		if n.in(2) {
			missing = []string{"gw2"}
		}
		w.step(panel.Reach{Missing: missing})
	}
}

// write adds an entry to the log.
func (n *simNeighbour) write(w *simWorld) {
	all := w.ledgers.siblings[n.log]
	name := w.names[len(w.names)-1] // its own, if it has one
	if n.in(5) {
		name = w.names[n.IntN(len(w.names))]
	}
	var b ledger.Body
	switch n.IntN(20) {
	case 0:
		b, n.seq = &ledger.Boot{Software: "simulation", Clock: "ntp"}, 0
	case 1, 2, 3, 4, 5, 6, 7:
		b = &ledger.Passage{Seq: n.seq - uint64(n.IntN(2)), Door: name, Entered: !n.in(4)}
	default:
		n.seq++
		d := &ledger.Decision{Seq: n.seq, Door: name, Exit: n.in(3), Mode: "tap", Granted: !n.in(5), Reason: "granted", Passport: uint64(1 + n.IntN(simPassports))}
		if k := len(w.codes); k > 0 && n.in(3) {
			c := w.codes[max(0, k-1-n.IntN(3))]
			d.Mode, d.Presentation, d.Passport = "window", c.Raw, uint64(c.Window.Passport)
		}
		b = d
	}
	at := w.moment().MS() + n.ahead
	w.ledgers.siblings[n.log] = append(all, panel.Logged{Index: int64(len(all)), Time: at, Body: b})
}

// simTold is what the model knows of the other gateway.
type simTold struct {
	begun         bool // it was told of
	named         bool // a Siblings entry of this run names it
	told, folded  int64
	news          []panel.Logged
	missing, said []string // gateways that are missing, and those that the log says are
	memory        *simMemory
	used          map[[16]byte]bool   // codes that opened there
	ours          map[[16]byte]string // codes for the node that opened here → by which door
	perhaps       map[[16]byte]bool   // of ours those that a clock which was set back may have had forgotten before they led out
	allowed       []string            // faults that may follow
}

func newSimTold() simTold {
	return simTold{memory: newSimMemory(), used: map[[16]byte]bool{}, ours: map[[16]byte]string{}, perhaps: map[[16]byte]bool{}}
}

// tells takes what the other gateway told.
func (o *simTold) tells(e panel.Told) {
	if !o.begun {
		o.begun, o.told, o.folded = true, e.From, e.From
	}
	if e.From > o.told {
		return
	}
	for _, entry := range e.Entries {
		if entry.Index >= o.told {
			o.news = append(o.news, entry)
		}
	}
	o.told = max(o.told, e.Size)
}

// siblings takes an entry that says what was heard.
func (m *simModel) siblings(b *ledger.Siblings) {
	o := &m.told
	m.require(len(b.Heard) > 0 || !slices.Equal(b.Missing, o.said), "it says nothing new: %+v", b)
	m.require(slices.Equal(b.Missing, o.missing), "missing are %v, and not %v", o.missing, b.Missing)
	o.said = b.Missing
	for _, h := range b.Heard {
		m.require(h.Origin == simNeighbourLog.String() && o.begun && len(o.news) > 0, "%s was heard", h.Origin)
		if !o.named {
			m.require(h.Size == o.folded, "it was listened to from %d on, and not %d", o.folded, h.Size)
			o.named = true
			continue
		}
		m.require(h.Size > o.folded && h.Size <= o.told, "%d entries were heard, of %d that were told; %d before", h.Size, o.told, o.folded)
		o.folded = h.Size
		for len(o.news) > 0 && o.news[0].Index < h.Size {
			m.fold(o.news[0])
			o.news = o.news[1:]
		}
	}
}

func (m *simModel) fold(e panel.Logged) {
	o, at := &m.told, e.Time
	timed := m.trust != access.TrustUnknown
	if _, isNew := m.event.(panel.Changed); isNew {
		timed = m.m.Clock.Trust != access.TrustUnknown
	}
	if timed {
		at = min(at, m.m.MS())
	}
	switch b := e.Body.(type) {
	case *ledger.Boot:
		o.memory.apply(at, &ledger.Boot{Clock: "unknown"}) // its times are taken as they are
		return
	case *ledger.Decision:
		if b.Granted && len(b.Presentation) > 0 {
			w, err := passport.ParseWindow(b.Presentation)
			m.require(err == nil, "%v", err)
			node := passport.NodeTarget(simNode)
			if w.Target == node.Short() {
				if !timed || int64(w.Start)+2*int64(w.Length) > m.m.Clock.Now.Unix() {
					o.used[w.Nonce] = true
				}
				if door, here := o.ours[w.Nonce]; here && o.perhaps[w.Nonce] {
					o.allowed = append(o.allowed, "door/"+door+"/codefalse")
				} else if here {
					m.faults = append(m.faults, "door/"+door+"/codefalse")
					m.tally.doubles++
				}
			}
		}
	}
	o.memory.apply(at, e.Body)
}

// allows takes a fault that may follow and need not.
func (o *simTold) allows(b *ledger.Fault) bool {
	i := slices.Index(o.allowed, fmt.Sprint(b.Part, b.Cleared))
	if i >= 0 {
		o.allowed = slices.Delete(o.allowed, i, i+1)
	}
	return i >= 0
}

// opens: a code has opened a door here.
func (m *simModel) opens(d *simDoor, e *panel.Presented) {
	node := passport.NodeTarget(simNode)
	if e.Window.Target == node.Short() {
		m.told.ours[e.Window.Nonce] = d.name
		m.told.perhaps[e.Window.Nonce] = e.Exit && m.setBack
	}
}

// heard: before a decision that hangs on it all that was told is in the log.
func (m *simModel) heard(d *simDoor, e *panel.Presented) {
	if e.Raw == nil || e.Refused != access.None {
		return
	}
	code := e.Mode == "window" && !e.ForDoor
	crossing := d.policy != nil && !d.policy.Home && slices.ContainsFunc(slices.Collect(zonesOf(m.basis.Policy)), func(z *policy.Zone) bool {
		over := within(m.basis.Policy, d.policy.From, z.Name) != within(m.basis.Policy, d.policy.To, z.Name)
		return over && isShared(m.basis.Policy, z) && (z.Occupancy > 0 || z.Antipassback != policy.AntipassbackNone)
	})
	if code || crossing {
		m.require(len(m.told.news) == 0 && slices.Equal(m.told.missing, m.told.said), "%s is decided on, and the log does not say what was heard", d.name)
	}
}

func zonesOf(p *policy.Policy) func(func(*policy.Zone) bool) {
	return func(yield func(*policy.Zone) bool) {
		for _, z := range p.Zones {
			if !yield(z) {
				return
			}
		}
	}
}

// isShared: doors of two gateways lead over the border of a zone.
func isShared(p *policy.Policy, z *policy.Zone) bool {
	first := ""
	for _, d := range p.Doors {
		if within(p, d.From, z.Name) == within(p, d.To, z.Name) {
			continue
		}
		if first != "" && d.Gateway != first {
			return true
		}
		first = d.Gateway
	}
	return false
}

// others: what the other gateway says counts at this door, for this zone.
func (a simAsk) others(z *policy.Zone) bool { return !a.door.Home && isShared(a.p, z) }

// theirs reports whether a door is the other gateway's.
func (a simAsk) theirs(door string) bool {
	d := a.p.Doors[door]
	return d != nil && d.Gateway == "gw2"
}

// seenLast is where somebody passed last, by both logs; nil if nowhere.
func (a simAsk) seenLast(who passport.ID) *simSeen {
	own, there, now := a.memory.last[who], a.told.memory.last[who], a.m.MS()
	if there == nil || !a.theirs(there.door) || there.at <= max(a.memory.forgiven[who], a.memory.forgiven[0]) {
		return own
	}
	if own == nil || min(there.at, now) > min(own.at, now) || min(there.at, now) == min(own.at, now) && there.at > own.at {
		return there
	}
	return own
}

// isIn is simMemory's, by both logs.
func (a simAsk) isIn(z *policy.Zone, who passport.ID) bool {
	s := a.seenLast(who)
	return s != nil && within(a.p, s.leads(a.p), z.Name) && (z.Forgive == 0 || a.m.MS()-s.at < z.Forgive.Milliseconds())
}

// comingThere are those whom the other gateway let in within ten minutes.
func (a simAsk) comingThere(f func(*simSeen)) {
	for _, s := range a.told.memory.due {
		if a.theirs(s.door) && a.m.MS()-s.at < 600_000 {
			f(s)
		}
	}
}

func (a simAsk) isComing(z *policy.Zone) bool {
	coming := a.memory.coming(a.p, z, a.who(), a.d.name)
	if a.others(z) {
		a.comingThere(func(s *simSeen) { coming = coming || s.who == a.who() && within(a.p, s.leads(a.p), z.Name) })
	}
	return coming
}

// cameIn is how long ago somebody entered a zone, by both logs.
func (a simAsk) cameIn(z *policy.Zone) int64 {
	since := a.memory.entered(a.p, z, a.who(), a.m.MS())
	if !a.others(z) {
		return since
	}
	for _, s := range a.told.memory.entries[a.who()] {
		if a.theirs(s.door) && s.at > max(a.memory.forgiven[a.who()], a.memory.forgiven[0]) && within(a.p, s.leads(a.p), z.Name) {
			if ago := max(0, a.m.MS()-s.at); since < 0 || ago < since {
				since = ago
			}
		}
	}
	return since
}

// people are those in a zone, or on their way in.
func (a simAsk) people(z *policy.Zone) map[passport.ID]bool {
	if !a.others(z) {
		return a.memory.crowd(a.p, z, a.m.MS())
	}
	in := map[passport.ID]bool{}
	for who := passport.ID(1); who <= simPassports; who++ {
		if a.isIn(z, who) {
			in[who] = true
		}
	}
	enters := func(s *simSeen) {
		if within(a.p, s.leads(a.p), z.Name) && !within(a.p, s.leaves(a.p), z.Name) {
			in[s.who] = true
		}
	}
	for _, s := range a.memory.due {
		enters(s)
	}
	a.comingThere(enters)
	return in
}
