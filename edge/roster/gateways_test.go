package roster_test

import (
	"fmt"
	"iter"
	"testing"
	"time"

	"tombolo/edge/roster"
	"tombolo/sync/ledger"
)

func enrolled(name string) *ledger.GatewayEnrolled {
	return &ledger.GatewayEnrolled{Gateway: name, Keys: ledger.GatewayKeys{
		Signing: public(key(name)), Hold: public(key(name + " hold")), Witness: public(key(name + " witness")), Sealing: public(key(name + " sealing")), TLS: public(key(name + " tls")),
	}}
}

// TestGateways: who the node's gateways are does not depend on the order in which
// stewards' ledgers arrive, and a removal is for good.
func TestGateways(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issuer()
	steward := w.steward()
	r := w.open()
	own := enrolled("gateway") // as the world's roster has it
	steward.write(own, enrolled("gw2"), enrolled("gw3"), enrolled("gw4"))
	w.now = w.now.Add(time.Hour)
	late := enrolled("gw2")
	late.Gateway = "gw9" // the same keys once more: the first entry names it
	steward.write(late, &ledger.GatewayRemoved{Gateway: "gw3", Signing: enrolled("gw3").Keys.Signing}, enrolled("gw3"))
	w.arriveAll()
	check := func(what string, want ...string) {
		t.Helper()
		v := w.project(r)
		var names []string
		for _, g := range v.Gateways {
			names = append(names, g.Name)
			if g.Keys != enrolled(g.Name).Keys || !g.Enrolled.Equal(t0) {
				t.Errorf("%s: %+v", what, g)
			}
			id := ledger.KeyIDOf(g.Keys.Signing[:])
			if name, sibling := v.Siblings[id]; sibling != (g.Name != "gateway") || sibling && name != g.Name {
				t.Errorf("%s: sibling %q of %q: %v", what, name, g.Name, sibling)
			}
		}
		if fmt.Sprint(names) != fmt.Sprint(want) || len(v.Siblings) != len(want)-1 {
			t.Errorf("%s: gateways %v, siblings %v, want %v", what, names, v.Siblings, want)
		}
	}
	check("at first", "gateway", "gw2", "gw4")
	w.recharter(func(c *ledger.Charter) { c.ChainID++ })
	check("made again", "gateway", "gw2", "gw4")
	steward.write(&ledger.GatewayRemoved{Gateway: "gw2", Signing: enrolled("gw2").Keys.Signing})
	w.arriveAll()
	check("one was removed", "gateway", "gw4")
}

// TestOpens: remote openings of the last day, but none from before the gateway was
// enrolled, and never more than a few.
func TestOpens(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issuer()
	steward, r := w.steward(), w.open()
	steward.write(&ledger.Open{Door: "front", Why: "before"})
	w.now = w.now.Add(time.Second)
	steward.write(enrolled("gateway"), &ledger.Open{Door: "front"}, &ledger.Open{Door: "back"})
	w.arriveAll()
	check := func(what string, want ...int64) *roster.View {
		t.Helper()
		v := w.project(r)
		var got []int64
		for _, o := range v.Opens {
			got = append(got, o.Index)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
		return v
	}
	v := check("the first", 3, 4)
	if o := v.Opens[1]; o.Door != "back" || o.At != w.now.UnixMilli() || o.Origin != steward.origin.String() {
		t.Errorf("%+v", o)
	}
	w.recharter(func(c *ledger.Charter) { c.ChainID++ })
	check("made again they are the same", 3, 4)
	w.now = w.now.Add(day)
	steward.write(&ledger.Open{Door: "front"})
	w.arriveAll()
	check("a day later to the second", 3, 4, 5)
	w.now = w.now.Add(time.Second)
	steward.write(&ledger.Bar{Passport: 7, Ends: w.now.Unix() + 1})
	w.arriveAll()
	check("and later", 5)
	for range 300 {
		w.now = w.now.Add(time.Second)
		steward.write(&ledger.Open{Door: "front"})
	}
	w.arriveAll()
	if v := w.project(r); len(v.Opens) != 256 || v.Opens[0].Index != 7+300-256 || v.Opens[255].Index != 7+299 {
		t.Errorf("%d openings, from %d to %d", len(v.Opens), v.Opens[0].Index, v.Opens[255].Index)
	}
}

// shy is a source whose newest head stands there without its entries.
type shy struct {
	*world
	held int64 // entries of the issuer's ledger that there are
}

func (s *shy) Ledgers() ([]roster.Ledger, error) {
	all, err := s.world.Ledgers()
	for i, l := range all {
		if l.Head.Origin.Kind == ledger.CommunityLog {
			all[i].Entries = func(lo, hi int64) iter.Seq2[ledger.Entry, error] { return l.Entries(lo, min(hi, s.held)) }
		}
	}
	return all, err
}

// TestHeadWithoutEntries: a head that is signed now makes nothing fresh whose
// entries are withheld, nor does a heartbeat's signature under it.
func TestHeadWithoutEntries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer := w.issuer()
	s := &shy{world: w}
	r := w.openOver(s)
	issuer.write(w.person(7).admit())
	w.arriveAll()
	s.held = issuer.size()
	if v := w.project(r); v.Age(w.now) != 0 {
		t.Fatalf("age %v of what was heard just now", v.Age(w.now))
	}
	w.now = w.now.Add(5 * time.Hour)
	issuer.write(&ledger.Suspend{Passport: 7}) // and nobody hands it out
	w.arriveAll()
	for range 2 {
		v := w.project(r)
		if v.Age(w.now) != 5*time.Hour {
			t.Errorf("with a head alone the roster is %v old", v.Age(w.now))
		}
		hasProblem(t, v, "entry 2 is not readable")
	}
	w.now = w.now.Add(time.Hour)
	issuer.arriveSigned(issuer.size(), w.now, w.now) // signed once more
	if v := w.project(r); v.Age(w.now) != 6*time.Hour {
		t.Errorf("by a newer signature the roster is %v old", v.Age(w.now))
	}
	s.held = issuer.size()
	if v := w.project(r); v.Age(w.now) != 0 || len(v.Problems) != 0 {
		t.Errorf("with its entries the roster is %v old: %v", v.Age(w.now), v.Problems)
	}
}

// TestSnapshot: what a Snapshot lists may be missing, and nothing else.
func TestSnapshot(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, p := w.issuer(), w.person(7)
	visitor := p.admit()
	visitor.Class = "visitor"
	phone := doorkey("phone", 3)
	issuer.write(p.admit(), visitor, p.adds(phone), &ledger.Suspend{Passport: 7}, &ledger.Reinstate{Passport: 7})
	issuer.write(&ledger.Snapshot{Size: issuer.size(), Superseded: []byte{1, 1, 2, 1}}) // entries 1 and 4
	w.arriveAll()
	whole := w.open()
	w.project(whole)
	for _, i := range []int64{1, 4} {
		issuer.entries[i] = issuer.entries[i].Drop()
	}
	reduced := w.open()
	if v := w.project(reduced); len(v.Problems) != 0 || v.Age(w.now) != 0 {
		t.Errorf("%v", v.Problems)
	}
	if a, b := holder(t, whole, phone), holder(t, reduced, phone); a != b || a.Class != "visitor" || a.Suspended {
		t.Errorf("of all entries\n%+v\nof what is left\n%+v", a, b)
	}
	issuer.entries[5] = issuer.entries[5].Drop()
	hasProblem(t, w.project(w.open()), "entry 5: the body is missing")
}
