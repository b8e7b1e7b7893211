package replica_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

const (
	simHealing = 30 * time.Minute // within which all are equal once nothing is broken
	simIdle    = time.Hour
)

// heal mends everything and waits until all are equal.
func (w *simWorld) heal() {
	w.note("everything is mended")
	w.weather, w.hostile = simWeather{}, false
	for _, h := range w.hosts {
		h.failing, h.armed = false, simNoCrash
		h.jump(-h.skew)
		for _, l := range h.links {
			l.wanted = true
		}
	}
	for _, b := range w.brokers {
		b.start()
	}
	for _, h := range w.hosts {
		if !h.up {
			h.start()
		}
		for _, l := range h.links {
			l.mend()
			l.lost() // what was lost of a session that stands is not sent again
			l.connect()
		}
	}
	before := w.messages
	until := w.now + simHealing
	for what := w.unequal(); what != ""; what = w.unequal() {
		w.require(w.now < until, "%v after everything was mended: %s", simHealing, what)
		w.run(w.now + 10*time.Second)
	}
	w.healed = w.now - (until - simHealing)
	w.require(w.messages-before < 40_000, "it took %d messages to heal", w.messages-before)
	w.checkAll()
	w.projectAll()

	// Nothing happens any more, so next to nothing is said.
	w.run(w.now + 10*time.Minute)
	before = w.messages
	w.run(w.now + simIdle)
	w.idle = w.messages - before
	what := w.unequal()
	w.require(what == "", "equal for a while only: %s", what)
	w.quick()
}

// quick: where nothing is broken, what an author writes is with everybody in one
// message, and acknowledged.
func (w *simWorld) quick() {
	for _, by := range []struct {
		h    *simHost
		kind ledger.LogKind
		body ledger.Body
	}{
		{w.role(simIssuerRole)[0], ledger.CommunityLog, &ledger.Suspend{Passport: 5}},
		{w.role(simStewardRole)[0], ledger.NodeLog, &ledger.Bar{Passport: 5, Ends: 1}},
		{w.role(simGatewayRole)[0], ledger.DoorLog, &ledger.Passage{Seq: 1, Door: "front"}},
		{w.role(simGatewayRole)[0], ledger.ReportLog, &ledger.Occupancy{Zone: "house", Sure: 20, Most: 21}},
	} {
		if w.cloned[by.h.id] || by.h.stopped(by.kind) {
			continue
		}
		if w.anyFork() && !slices.Contains(by.h.rights.Authors[by.h.id].Kinds, by.kind) {
			continue // its steward was convicted before it had its own enrolment back: another has to name it
		}
		w.require(by.h.write(by.kind, by.body), "%s cannot write", by.h.name)
		o := by.h.authors[by.kind].origin()
		for range 12 { // of a new incarnation all have to ask
			if w.run(w.now + 5*time.Second); w.unequalLedger(o) == "" {
				break
			}
		}
		wants := w.wants[o]
		w.require(by.h.write(by.kind, by.body), "%s cannot write", by.h.name)
		w.run(w.now + time.Second)
		for _, h := range w.hosts {
			if a := h.rights.Authors[o.Author]; h.maySee(o) && slices.Contains(a.Kinds, o.Kind) && !w.removed[h.id] && !a.Retired {
				l, _ := h.disk.ledger(o)
				w.require(l.head.Size == by.h.mine[o].size(), "%s did not hear within a second what %s wrote", h.name, by.h.name)
			}
		}
		w.require(w.wants[o] == wants, "%s had to be asked for what a tail carries", by.h.name)
		w.run(w.now + 5*time.Second)
		what := w.unequalLedger(o)
		w.require(what == "", "not acknowledged: %s", what)
	}
}

// unequal says what is not yet as it has to be in the end.
func (w *simWorld) unequal() string {
	for _, h := range w.hosts {
		if !h.up {
			return h.name + " is down"
		}
		if n := h.disk.charters(w.cast.community.ID()).Len(); n < w.newestCharter() && !w.removed[h.id] {
			return h.name + " lacks a charter"
		}
	}
	for _, o := range slices.SortedFunc(maps.Keys(w.truth.logs), simCompareOrigins) {
		if what := w.unequalLedger(o); what != "" {
			return what
		}
	}
	return ""
}

// newestCharter is the newest that anybody holds still.
func (w *simWorld) newestCharter() (n int) {
	for _, h := range w.hosts {
		n = max(n, h.disk.charters(w.cast.community.ID()).Len())
	}
	return n
}

func (w *simWorld) unequalLedger(o ledger.Origin) string {
	if w.removed[o.Author] {
		return ""
	}
	var entitled []*simHost
	most := int64(0)
	var limit int64 = -1
	for _, h := range w.hosts {
		if w.removed[h.id] || !h.maySee(o) {
			continue
		}
		a := h.rights.Authors[o.Author]
		if !slices.Contains(a.Kinds, o.Kind) && w.anyFork() {
			continue // a steward was convicted before it learnt of this one, who has to be named by another
		}
		if a.Retired {
			if limit = a.Counted[o.Incarnation]; limit == 0 {
				return "" // none of it counts
			}
		}
		entitled = append(entitled, h)
		if l, ok := h.disk.ledger(o); ok {
			most = max(most, l.head.Size)
		}
	}
	if limit >= 0 {
		most = min(most, limit)
	}
	forked := w.truth.forked(o) && limit < 0
	for _, h := range entitled {
		l, _ := h.disk.ledger(o)
		switch {
		case forked && !h.convicted(o):
			if w.bothHeld(o, entitled) {
				return h.name + " does not know of the fork of " + simShort(o)
			}
		case !forked && l.head.Size < most:
			return h.name + " lacks entries of " + simShort(o)
		}
	}
	if forked {
		return ""
	}
	author := w.byPeer(o.Author)
	if author == nil || w.cloned[o.Author] || limit >= 0 || author.removedFrom(w) {
		return ""
	}
	acks := author.disk.acks(o)
	for _, h := range entitled {
		known := len(author.rights.Authors[h.id].Hold) > 0 && slices.Contains(author.rights.Authors[o.Author].Kinds, o.Kind) || !w.anyFork()
		if h != author && h.holdKey != nil && known && w.share(h, author) && acks[h.id] < most {
			return fmt.Sprintf("%s has an acknowledgement of %d of %d entries of %s by %s", author.name, acks[h.id], most, simShort(o), h)
		}
	}
	return ""
}

// bothHeld reports whether somebody still holds each of two histories beyond
// where they part.
func (w *simWorld) bothHeld(o ledger.Origin, by []*simHost) bool {
	var held [2]bool
	a, b := w.truth.logs[o][0], w.truth.logs[o][1]
	for _, h := range by {
		l, ok := h.disk.ledger(o)
		if !ok {
			continue
		}
		size, root := l.head.Size, l.head.Root
		inA := size <= a.size() && a.roots[size] == root
		inB := size <= b.size() && b.roots[size] == root
		held[0] = held[0] || inA && !inB
		held[1] = held[1] || inB && !inA
	}
	return held[0] && held[1]
}

func (h *simHost) convicted(o ledger.Origin) bool {
	return slices.ContainsFunc(h.disk.forks(), func(f ledger.Fork) bool {
		a, _, err := f.Heads()
		return err == nil && a.Origin == o
	})
}

func (h *simHost) removedFrom(w *simWorld) bool { return w.removed[h.id] }

// share reports whether two hosts are on one broker.
func (w *simWorld) share(a, b *simHost) bool {
	for _, l := range a.links {
		for _, m := range b.links {
			if l.broker == m.broker {
				return true
			}
		}
	}
	return false
}

// checkAll looks at everything that is stored, and at how much the replicas
// remember.
func (w *simWorld) checkAll() {
	for _, h := range w.hosts {
		for _, l := range h.disk.held() {
			h.checkLedger(l.head.Origin)
		}
		h.checkCharters()
		if h.up {
			n := simWeigh(reflect.ValueOf(h.r), map[uintptr]bool{})
			w.heaviest = max(w.heaviest, n)
			w.require(n < simHeaviest, "%s remembers %d things", h.name, n)
		}
	}
}

// simHeaviest bounds what a replica remembers in these worlds, in elements of
// slices and maps: a few hundred for each ledger and each peer.
const simHeaviest = 100_000

// simWeigh counts the elements of all slices and maps that can be reached.
func simWeigh(v reflect.Value, seen map[uintptr]bool) (n int) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || seen[v.Pointer()] {
			return 0
		}
		seen[v.Pointer()] = true
		return simWeigh(v.Elem(), seen)
	case reflect.Interface:
		return simWeigh(v.Elem(), seen)
	case reflect.Struct:
		for i := range v.NumField() {
			n += simWeigh(v.Field(i), seen)
		}
	case reflect.Slice:
		if k := v.Type().Elem().Kind(); k == reflect.Uint8 {
			return v.Len() / 64
		}
		n = v.Len()
		for i := range v.Len() {
			n += simWeigh(v.Index(i), seen)
		}
	case reflect.Map:
		n = v.Len()
		for it := v.MapRange(); it.Next(); {
			n += simWeigh(it.Value(), seen)
		}
	}
	return n
}

// projectAll: whatever the order of arrival, the roster is the same.
func (w *simWorld) projectAll() {
	var first *simHost
	for _, h := range w.role(simGatewayRole) {
		if w.removed[h.id] || h.roster == nil {
			continue
		}
		h.roster.dirty = true
		h.roster.project()
		h.roster.tap()
		if w.anyFork() {
			continue // where a ledger ends depends on when the proof came
		}
		if first == nil {
			first = h
			w.reproject(h)
			continue
		}
		if first.node == h.node {
			a, b := first.roster.r.View(), h.roster.r.View()
			w.require(reflect.DeepEqual(a.Sources, b.Sources), "%s and %s have other sources:\n%v\n%v", first.name, h.name, a.Sources, b.Sources)
			w.require(a.Policy.Hash() == b.Policy.Hash(), "%s and %s have another policy", first.name, h.name)
		}
		w.sameHolders(first.name+" and "+h.name, first.roster.r.Roster, h.roster.r.Roster, first.node == h.node)
		if first.node != h.node {
			w.reproject(h)
			first = h
		}
	}
}

func (w *simWorld) anyFork() bool {
	for o := range w.truth.logs {
		if w.truth.forked(o) {
			return true
		}
	}
	return false
}

func (w *simWorld) sameHolders(whose string, a, b *roster.Roster, oneNode bool) {
	for _, person := range w.cast.people {
		for _, key := range person.keys {
			x, y := simMust(a.ByKey(key.id)), simMust(b.ByKey(key.id))
			if !oneNode { // what is closed at home depends on whose home it is
				x.ClosedAtHome, y.ClosedAtHome = false, false
			}
			w.require(x == y, "%s: key of %d:\none   %+v\nother %+v", whose, person.number, x, y)
		}
	}
}

// reproject projects what a gateway holds once more, in pieces and in another
// order.
func (w *simWorld) reproject(h *simHost) {
	r := w.rosters.fresh[h.node]
	r.empty()
	upTo := map[ledger.Origin]ledger.Head{}
	src := simSource{h: h, upTo: upTo}
	r.src = src
	clock := access.Clock{Now: h.clock(), Trust: access.TrustNTP}
	held := h.disk.held()
	for range 3 {
		l := held[w.IntN(len(held))]
		if branch := h.seen.branch[l.head.Origin]; branch != nil && l.head.Origin.Kind != ledger.DoorLog {
			sizes := slices.Sorted(maps.Keys(branch.heads))
			if size := pick(w, sizes); size <= l.head.Size && size >= upTo[l.head.Origin].Size {
				upTo[l.head.Origin] = branch.heads[size]
				simMust(r.Project(clock))
			}
		}
	}
	w.Shuffle(len(held), func(i, j int) { held[i], held[j] = held[j], held[i] })
	for i, l := range held {
		upTo[l.head.Origin] = l.head
		if i == len(held)/2 {
			simMust(r.Project(clock))
		}
	}
	view, err := r.Project(clock)
	w.require(err == nil, "%v", err)
	w.sameHolders(h.name+" anew", h.roster.r.Roster, r.Roster, true)
	live := h.roster.r.View()
	w.require(reflect.DeepEqual(view.Sources, live.Sources), "%s projected anew has other sources", h.name)
	w.require(view.Policy.Hash() == live.Policy.Hash(), "%s projected anew has another policy", h.name)
	for door, homes := range live.Homes {
		for who := range homes {
			_, ok := view.Homes[door][who]
			w.require(ok, "%s projected anew lacks a home of %d", h.name, who.Passport)
		}
	}
}

var (
	_ = rand.Uint64
	_ = replica.All
)
