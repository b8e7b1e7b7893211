package replica_test

import (
	"fmt"
	"time"

	"tombolo/sync/ledger"
)

// chainOf is the chain that a host's ledger of a kind belongs to.
func (h *simHost) chainOf(kind ledger.LogKind) ledger.CharterID {
	if kind == ledger.CommunityLog || kind == ledger.CensusLog {
		return h.w.cast.community.ID()
	}
	return h.w.cast.nodes[h.node].ID()
}

// write appends to an own ledger, if the host may by now: an author whose guard
// is lost waits until its replica has caught up with what peers hold of its own
// ledgers, or has waited long enough.
func (h *simHost) write(kind ledger.LogKind, bodies ...ledger.Body) bool {
	return h.signs(kind, func(a simAuthor) error { return a.append(h.clock(), bodies...) })
}

// drop lets go of the bodies of an own ledger's entries.
func (h *simHost) drop(kind ledger.LogKind, first, last int64) bool {
	return h.signs(kind, func(a simAuthor) error { return a.drop(h.clock(), first, last) })
}

func (h *simHost) signs(kind ledger.LogKind, do func(simAuthor) error) bool {
	w := h.w
	if !h.up || h.stopped(kind) {
		return false
	}
	a := h.authors[kind]
	if a == nil {
		if !h.mayBegin(kind) {
			w.count("waits for its own ledger")
			return false
		}
		var err error
		a, err = h.disk.author(simAuthorConfig{
			key: h.key, community: w.cast.community.ID(), kind: kind, charter: h.chainOf(kind), guard: &h.guard, random: w.random,
			now: h.clock,
		})
		w.require(err == nil, "%s cannot write: %v", h.name, err)
		h.authors[kind] = a
	}
	if h.failing {
		return false
	}
	if err := do(a); err != nil {
		w.note("%s cannot write: %v", h.name, err)
		w.count("not written")
		delete(h.authors, kind)
		return false
	}
	o := a.origin()
	l, ok := h.disk.ledger(o)
	w.require(ok, "%s wrote nothing", h.name)
	history := h.mine[o]
	if history == nil {
		w.require(len(w.truth.logs[o]) == 0, "%s begins %v, which there is", h.name, o)
		history = w.truth.begin(o)
		h.mine[o] = history
		w.count("incarnation")
	}
	from := history.size()
	w.require(w.truth.wrote(history, from, h.disk.entries(o, from, l.head.Size), l.head),
		"%s signs a second history of %v: %d entries were signed, now it has %d", h.name, o, from, l.head.Size)
	h.guard.signed[o] = l.head.Checkpoint
	w.note("%s writes %v up to %d", h.name, o, l.head.Size)
	h.checkLedger(o)
	if h.armed == simAfterAppend {
		w.count("crash, persisted but not told")
		h.crash(w.percent(15))
		return true
	}
	h.stored(o)
	return true
}

// stopped reports whether the author was convicted: it does not go on.
func (h *simHost) stopped(kind ledger.LogKind) bool {
	for _, f := range h.disk.forks() {
		if a, _, err := f.Heads(); err == nil && a.Origin.Author == h.id && a.Origin.Kind == kind {
			return true
		}
	}
	return false
}

// mayBegin reports whether an author may be opened.
func (h *simHost) mayBegin(kind ledger.LogKind) bool {
	if h.guarded(kind) {
		return true
	}
	if h.w.now-h.began > time.Minute {
		return true
	}
	for _, l := range h.links {
		if l.up && h.w.now-h.began > 10*time.Second {
			return h.r.Status().Behind() == 0
		}
	}
	return false
}

// guarded reports whether the guard knows the newest incarnation here to be as
// far as its author signed.
func (h *simHost) guarded(kind ledger.LogKind) bool {
	var last *simHeld
	for _, l := range h.disk.held() {
		o := l.head.Origin
		if o.Author == h.id && o.Kind == kind && (last == nil || l.generation > last.generation || l.generation == last.generation && l.head.Size > last.head.Size) {
			last = &l
		}
	}
	return last != nil && h.guard.signed[last.head.Origin] == last.head.Checkpoint
}

// issuerWrites is what an issuer does in a day.
func (w *simWorld) issuerWrites() {
	h := pick(w, w.role(simIssuerRole))
	person := pick(w, w.cast.people)
	key := pick(w, person.keys[:])
	number := uint64(person.number)
	var bodies []ledger.Body
	switch w.IntN(16) {
	case 0, 1, 2, 3:
		bodies = []ledger.Body{&ledger.Suspend{Passport: number, Why: "a complaint"}}
	case 4, 5, 6:
		bodies = []ledger.Body{&ledger.Reinstate{Passport: number, Why: "heard"}}
	case 7:
		bodies = []ledger.Body{person.admit}
	case 8:
		bodies = []ledger.Body{key.added}
	case 9:
		if person.number == 6 {
			bodies = []ledger.Body{&ledger.Expel{Passport: number}}
		}
	case 10:
		if person.number >= 4 {
			bodies = []ledger.Body{key.revoked}
		} else if key.id == person.keys[1].id {
			bodies = []ledger.Body{key.byOwner}
		}
	case 11: // the head is signed anew, and nothing is written
		w.write(h, ledger.CommunityLog)
		return
	case 12:
		if h.key.Equal(w.cast.issuers[1]) {
			break // what is dropped behind the end that a charter sets is not excused by it
		}
		w.dropFillers(h)
	default:
		for range 1 + w.IntN(8) {
			bodies = append(bodies, w.filler())
		}
	}
	if len(bodies) > 0 {
		w.write(h, ledger.CommunityLog, bodies...)
	}
}

// filler says nothing about people, so its body may be dropped.
func (w *simWorld) filler() ledger.Body {
	return &ledger.NodeRegistered{Node: ledger.CharterID{1, byte(w.Uint32())}, Slug: fmt.Sprint("node-", w.IntN(1000)), Doors: w.Uint32() % 100}
}

// dropFillers lets go of a run of bodies that say nothing about people.
func (w *simWorld) dropFillers(h *simHost) {
	a := h.authors[ledger.CommunityLog]
	if !h.up || a == nil || h.mine[a.origin()] == nil {
		return
	}
	bodies := h.mine[a.origin()].bodies
	for range 8 {
		first := 1 + w.IntN(len(bodies))
		last := first
		for last < len(bodies) && bodies[last].Kind() == ledger.KindNodeRegistered {
			last++
		}
		if last > first {
			w.count("drop of bodies")
			h.drop(ledger.CommunityLog, int64(first), int64(last-1))
			return
		}
	}
}

// stewardWrites is what a steward does.
func (w *simWorld) stewardWrites() {
	h := pick(w, w.role(simStewardRole))
	person := pick(w, w.cast.people)
	now := h.clock()
	switch w.IntN(10) {
	case 0:
		w.write(h, ledger.NodeLog, pick(w, w.cast.policies[h.node]))
	case 1:
		w.write(h, ledger.NodeLog, &ledger.Home{Door: simHomes[h.node], Passport: uint64(person.number), Owner: person.wallet, Notice: 3600})
	case 2:
		if person.number >= 3 {
			w.write(h, ledger.NodeLog, &ledger.HomeEnded{Door: simHomes[h.node], Passport: uint64(person.number), Ends: now.Unix(), Why: "moves out"})
		}
	case 3:
		w.write(h, ledger.NodeLog, &ledger.Bar{Passport: uint64(person.number), Ends: now.Add(w.span(0, time.Hour)).Unix(), Why: "a quarrel"})
	case 4:
		w.write(h, ledger.NodeLog, &ledger.Lockdown{Ends: now.Add(w.span(time.Minute, time.Hour)).Unix(), Why: "a drill"})
	case 5:
		w.write(h, ledger.NodeLog, &ledger.LockdownLifted{Why: "over"})
	case 6:
		w.write(h, ledger.NodeLog)
	case 7, 8: // keys are published again
		g := pick(w, w.cast.gateways)
		if g.node == h.node && !w.removed[g.peer()] {
			w.write(h, ledger.DirectoryLog, &ledger.DirectoryKeys{Gateway: g.name, Keys: g.keys})
		}
	default:
		w.write(h, ledger.NodeLog, &ledger.Forgive{Passport: uint64(person.number)})
	}
}

// gatewayWrites is what happens at doors, and what is reported of it. Who was cloned
// reports no more: its hub is the only one to notice a second history, and is not
// heard of that by its author.
func (w *simWorld) gatewayWrites() {
	h := pick(w, w.role(simGatewayRole))
	if w.percent(25) {
		if h.name != simInland && !w.cloned[h.id] {
			w.count("report")
			w.write(h, ledger.ReportLog, &ledger.Occupancy{Zone: "house", Sure: 20, Most: 20 + w.Uint32()%100})
		}
		return
	}
	var bodies []ledger.Body
	for range 1 + w.IntN(6) {
		bodies = append(bodies, &ledger.Passage{Seq: w.Uint64() >> 40, Door: pick(w, h.doors), Entered: w.IntN(2) == 0, Exit: w.IntN(3) == 0})
	}
	w.write(h, ledger.DoorLog, bodies...)
}

// hubWrites is what the hub publishes.
func (w *simWorld) hubWrites() {
	w.count("census")
	w.write(w.role(simHubRole)[0], ledger.CensusLog, &ledger.EpochClosed{Epoch: ledger.EpochID{1, byte(w.Uint32())}, Size: 20, Rules: 1, Reports: 1})
}

func (w *simWorld) write(h *simHost, kind ledger.LogKind, bodies ...ledger.Body) {
	if h.write(kind, bodies...) {
		w.count("append")
	}
}

func (w *simWorld) role(r simRole) (all []*simHost) {
	for _, h := range w.hosts {
		if h.role == r {
			all = append(all, h)
		}
	}
	return all
}
