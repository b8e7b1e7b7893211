package roster_test

import (
	"strings"
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// retire ends an issuer's ledgers at what each holds now.
func (w *world) retire(k string, successor string, logs ...*log) {
	w.t.Helper()
	w.recharter(func(c *ledger.Charter) {
		a := charterAuthor(c, key(k))
		a.Retired = true
		for _, l := range logs {
			a.Counted = append(a.Counted, ledger.Counted{Incarnation: l.origin.Incarnation, Size: l.size(), Root: l.root(l.size())})
		}
		if successor != "" {
			pub := public(key(successor))
			a.Successor = pub[:]
			c.Authors = append(c.Authors, ledger.Author{Role: ledger.Issuer, Key: pub})
		}
	})
}

// fork is a second history of a ledger, from a size on.
func (l *log) fork(size int64) *log {
	f := *l
	f.entries = append([]ledger.Entry(nil), l.entries[:size]...)
	f.salts = seeded("fork")
	return &f
}

// TestRetiredIssuer: what the charter counts goes on to count; what the key
// wrote later does not.
func TestRetiredIssuer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, steward, r := w.issuer(), w.steward(), w.open()
	steward.write(policyEntry(1, ""))
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	thief, his := w.person(8), doorkey("his", passport.KindPhone)
	issuer.write(p.admit(), p.adds(phone))
	w.retire("issuer", "next", issuer)
	issuer.write(thief.admit(), thief.adds(his), &ledger.Suspend{Passport: 7})
	next := w.begin(ledger.CommunityLog, key("next"), nil)
	next.write()
	w.arriveAll()
	w.project(r)
	if got := w.verdict(r, phone); got != access.Granted {
		t.Errorf("whom it admitted before: %v", got)
	}
	if h := holder(t, r, his); h.Known {
		t.Errorf("whom the key admitted after its end: %+v", h)
	}
}

// TestChartersTakeBack: what a stolen key wrote is taken back when the charter
// that ends it arrives, together with nothing else, and in one step.
func TestChartersTakeBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, steward, r := w.issuer(), w.steward(), w.open()
	steward.write(policyEntry(1, ""), w.person(7).home("front", 30*day))
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	thief, his := w.person(8), doorkey("his", passport.KindPhone)
	issuer.write(p.admit(), p.adds(phone))
	counted := *issuer
	issuer.write(thief.admit(), thief.adds(his), &ledger.Suspend{Passport: 7})
	w.arriveAll()
	was := w.project(r)
	if !holder(t, r, his).Known || !holder(t, r, phone).Suspended {
		t.Fatal("the charter has not ended the key yet")
	}
	w.retire("issuer", "next", &counted)
	v := w.project(r)
	if h := holder(t, r, his); h.Known {
		t.Errorf("the thief stays: %+v", h)
	}
	if h := holder(t, r, phone); !h.Admitted || h.Suspended || v.Generation == was.Generation || !lives(v, "front", 7, w.now, true) || v.Policy == nil {
		t.Errorf("the resident: %+v", h)
	}
}

// TestStolenKeysFork: of a second history that a stolen key signed nothing
// counts, whether it came before the charter or after it, and not a part of it
// that cannot be told from the true one.
func TestStolenKeysFork(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		entries int64 // of the fork that arrive
		problem string
	}{
		{"as long as what counts", 5, "not those that the charter counts"},
		{"a part", 4, "counts 5 entries of it and 4 are here"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			issuer, r := w.issuer(), w.open()
			p, phone := w.person(7), doorkey("phone", passport.KindPhone)
			thief, his := w.person(8), doorkey("his", passport.KindPhone)
			fork := issuer.fork(1)
			issuer.write(p.admit(), p.adds(phone), &ledger.Reinstate{Passport: 7}, &ledger.Reinstate{Passport: 7})
			fork.write(thief.admit(), thief.adds(his), &ledger.Reinstate{Passport: 8}, &ledger.Reinstate{Passport: 8})
			w.logs = []*log{fork}
			fork.arrive(tt.entries)
			w.project(r)
			if !holder(t, r, his).Known {
				t.Fatal("before the charter nobody can know")
			}
			w.retire("issuer", "next", issuer)
			v := w.project(r)
			if h := holder(t, r, his); h.Known {
				t.Errorf("the fork counts: %+v", h)
			}
			hasProblem(t, v, tt.problem)
			if v.Age(w.now) >= 0 {
				t.Errorf("the roster is %v old without what the charter counts", v.Age(w.now))
			}
			// The true one comes.
			w.logs = []*log{issuer, w.begin(ledger.CommunityLog, key("next"), nil)}
			w.arriveAll()
			v = w.project(r)
			if h := holder(t, r, phone); !h.Admitted || v.Age(w.now) != 0 || len(v.Problems) != 0 {
				t.Errorf("the true one: %+v, age %v, %v", h, v.Age(w.now), v.Problems)
			}
		})
	}
}

// TestCountedIsMissing: a suspension may stand in what the charter counts of a
// retired issuer, so without all of it no other issuer makes the roster fresh.
func TestCountedIsMissing(t *testing.T) {
	t.Parallel()
	for arrived := range int64(4) {
		w := newWorld(t)
		issuer, r := w.issuer(), w.open()
		p, phone := w.person(7), doorkey("phone", passport.KindPhone)
		issuer.write(&ledger.Suspend{Passport: 7}, &ledger.Reinstate{Passport: 8})
		w.retire("issuer", "next", issuer)
		next := w.begin(ledger.CommunityLog, key("next"), nil)
		next.write(p.admit(), p.adds(phone))
		next.arrive(next.size())
		if arrived > 0 {
			issuer.arrive(arrived)
		}
		v := w.project(r)
		if whole := arrived == issuer.size(); whole != (v.Age(w.now) == 0) || whole != holder(t, r, phone).Suspended {
			t.Errorf("%d of %d entries are here: age %v, %v", arrived, issuer.size(), v.Age(w.now), v.Problems)
		}
	}
}

// TestSuccessor: the key that follows a retired one speaks in its place;
// another issuer does not.
func TestSuccessor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, steward, r := w.issuer(), w.steward(), w.open()
	steward.write(policyEntry(1, ""))
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	issuer.write(p.admit(), p.adds(phone), &ledger.Suspend{Passport: 7})
	w.retire("issuer", "next", issuer)
	w.recharter(func(c *ledger.Charter) {
		c.Authors = append(c.Authors, ledger.Author{Role: ledger.Issuer, Key: public(key("other"))})
	})
	next, other := w.begin(ledger.CommunityLog, key("next"), nil), w.begin(ledger.CommunityLog, key("other"), nil)
	expect := func(what string, want access.Reason) {
		t.Helper()
		w.arriveAll()
		w.project(r)
		if got := w.verdict(r, phone); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	expect("suspended by the one that retired", access.Suspended)
	other.write(&ledger.Reinstate{Passport: 7})
	expect("another issuer reinstates", access.Suspended)
	next.write(&ledger.Reinstate{Passport: 7})
	expect("the successor reinstates", access.Granted)
	longer := admitted(p, func(a *ledger.Admit) { a.NotAfter += 1000; a.Class = "visitor" })
	next.write(longer)
	w.arriveAll()
	w.project(r)
	if h := holder(t, r, phone); h.Disputed || h.NotAfter != longer.NotAfter || h.Class != "visitor" {
		t.Errorf("the successor renews: %+v", h)
	}
	w.retire("next", "third", next)
	third := w.begin(ledger.CommunityLog, key("third"), nil)
	third.write(&ledger.Suspend{Passport: 7})
	expect("the successor's successor suspends", access.Suspended)
	third.write(&ledger.Reinstate{Passport: 7})
	expect("and reinstates", access.NoClass) // visitors have no level here
	third.write(p.admit())
	expect("and admits anew", access.Granted)
}

// TestNewRegistry: a delegation under a registry that only a later charter
// names counts from then on, although its entry was read before.
func TestNewRegistry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, r := w.issuer(), w.open()
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	moved := passport.Domain{ChainID: 5, Registry: [20]byte{0xbb}}
	issuer.write(p.admit(), p.addsUnder(moved, phone))
	w.arriveAll()
	hasProblem(t, w.project(r), "1 entries were passed over; the last: entry 2: delegation is for another community's registry")
	if holder(t, r, phone).Known {
		t.Error("under a registry that nobody named")
	}
	w.recharter(func(c *ledger.Charter) { c.ChainID, c.Registry = moved.ChainID, moved.Registry })
	v := w.project(r)
	if h := holder(t, r, phone); !h.ByOwner || len(v.Problems) != 0 {
		t.Errorf("%+v, %v", h, v.Problems)
	}
	w.recharter(func(c *ledger.Charter) { c.ChainID, c.Registry = 9, [20]byte{0xcc} })
	w.project(r)
	if !holder(t, r, phone).ByOwner {
		t.Error("delegations stay valid under any registry that the charters have named")
	}
}

// TestNobodysLedgers: of authors whom the charters do not name, of another
// community, and of a steward's other node nothing is projected.
func TestNobodysLedgers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issuer()
	stranger := w.begin(ledger.CommunityLog, key("stranger"), nil)
	stranger.write(w.person(1).admit())
	foreign := w.begin(ledger.CommunityLog, key("issuer"), nil)
	foreign.origin.Community[0]++
	otherNode := w.begin(ledger.NodeLog, key("steward"), nil)
	otherNode.charter[0]++
	otherNode.write(policyEntry(9, ""))
	asSteward := w.begin(ledger.NodeLog, key("issuer"), nil)
	asSteward.write(policyEntry(8, ""))
	w.arriveAll()
	r := w.open()
	v := w.project(r)
	if v.Policy != nil || len(v.Problems) != 0 {
		t.Errorf("policy %v, problems %v", v.Policy, v.Problems)
	}
	// One that says it belongs here, and was begun under another charter, stops.
	w.logs = nil
	w.steward()
	w.issuer()
	liar := w.logs[0]
	body := must(ledger.MarshalBody(&ledger.Begin{Charter: ledger.CharterID{9}}))
	liar.entries = nil
	liar.raw(ledger.KindBegin, true, body)
	liar.write(policyEntry(9, ""))
	w.arriveAll()
	v = w.project(w.open())
	if v.Policy != nil {
		t.Error("a ledger under another charter counts")
	}
	hasProblem(t, v, "written under the charter")
}

// TestUnreadableLedger: what can be read is projected; the rest is a problem,
// and a new charter waits rather than have the roster made again without it.
func TestUnreadableLedger(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.recharter(func(c *ledger.Charter) {
		c.Authors = append(c.Authors, ledger.Author{Role: ledger.Issuer, Key: public(key("issuer 2"))})
	})
	one, two, r := w.issuer(), w.begin(ledger.CommunityLog, key("issuer 2"), nil), w.open()
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	one.write(p.admit(), p.adds(phone))
	two.write(&ledger.Suspend{Passport: 7})
	w.arriveAll()
	w.project(r)
	w.now = w.now.Add(time.Hour)
	one.arrive(one.size())
	two.arrived, w.unreadable = 0, ledger.ErrRoot
	v := w.project(r)
	hasProblem(t, v, ledger.ErrRoot.Error())
	if !holder(t, r, phone).Suspended || v.Age(w.now) != time.Hour {
		t.Errorf("age %v", v.Age(w.now))
	}
	w.recharter(func(*ledger.Charter) {})
	if v = w.project(r); !holder(t, r, phone).Suspended || v.Age(w.now) != time.Hour || !v.Unreadable {
		t.Errorf("made again without a ledger that cannot be read: age %v", v.Age(w.now))
	}
	w.unreadable = nil
	w.arriveAll()
	if v = w.project(r); !holder(t, r, phone).Suspended || v.Unreadable {
		t.Error("not made again once all can be read")
	}
}

func hasProblem(t testing.TB, v *roster.View, what string) {
	t.Helper()
	for _, p := range v.Problems {
		if strings.Contains(p.What, what) {
			return
		}
	}
	t.Errorf("no problem says %q: %+v", what, v.Problems)
}
