package roster_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestForked: behind the proof that its author signed two histories nothing more
// of a ledger counts, and what counted before goes on to, homes and revocations,
// however often the roster is made again. Other ledgers go on. What the charter
// counts in the end counts.
func TestForked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "roster.db")
	issuer, steward, r := w.issuer(), w.steward(), w.openAt(path)
	p, phone, lost := w.person(7), doorkey("phone", passport.KindPhone), doorkey("lost", passport.KindPhone)
	thief, his := w.person(8), doorkey("his", passport.KindPhone)
	issuer.write(p.admit(), p.adds(phone), p.adds(lost), p.revokes(lost))
	steward.write(policyEntry(1, ""), p.home("front", 30*day))
	w.arriveAll()
	if v := w.project(r); len(v.Problems) != 0 {
		t.Fatalf("%+v", v.Problems)
	}
	proved := w.now

	// What arrived before the proof, and was not projected by then, counts too.
	issuer.write(&ledger.Suspend{Passport: 7})
	counted := *issuer
	issuer.arrive(issuer.size())
	issuer.forked, steward.forked = true, true
	check := func(when string) {
		t.Helper()
		v := w.project(r)
		if h := holder(t, r, phone); !h.Admitted || !h.Suspended || h.Revoked {
			t.Errorf("%s: the resident: %+v", when, h)
		}
		if h := holder(t, r, lost); !h.Revoked {
			t.Errorf("%s: the lost key: %+v", when, h)
		}
		if h := holder(t, r, his); h.Known {
			t.Errorf("%s: whom the issuer admitted behind the proof: %+v", when, h)
		}
		if !lives(v, "front", 7, w.now, true) || v.Policy == nil || v.Policy.Version != 1 {
			t.Errorf("%s: the home is lost, or the policy is another", when)
		}
		if got := v.Age(w.now); got != w.now.Sub(proved) {
			t.Errorf("%s: the roster is %v old, and %v ago the author was convicted", when, got, w.now.Sub(proved))
		}
		if len(v.Problems) != 2 {
			t.Errorf("%s: %+v", when, v.Problems)
		}
		hasProblem(t, v, "nothing counts of it but the 6 entries that were here before")
		hasProblem(t, v, "nothing counts of it but the 3 entries that were here before")
	}
	check("when the proof arrives")
	was := r.View().Generation
	check("and nothing else")
	if r.View().Generation != was {
		t.Error("nothing changed, and the view did")
	}

	w.now = w.now.Add(day)
	issuer.write(&ledger.Reinstate{Passport: 7}, thief.admit(), thief.adds(his))
	steward.write(&ledger.HomeEnded{Door: "front", Passport: 7, Ends: 1}, policyEntry(2, ""))
	w.arriveAll()
	w.now = w.now.Add(day)
	check("when more arrives")
	next := w.begin(ledger.CommunityLog, key("issuer"), &counted)
	next.arrive(1)
	w.now = w.now.Add(time.Hour)
	w.project(r)
	if age := r.View().Age(w.now); age != w.now.Sub(proved) {
		t.Errorf("another incarnation of a convicted author makes the roster fresh: %v", age)
	}
	w.logs = w.logs[:2]

	w.recharter(func(c *ledger.Charter) { c.ChainID++ })
	// The other incarnation is forgotten with the rest: it is not here.
	check("when all is made again")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = w.openAt(path)
	check("after a restart")

	// Nobody but the charter says which history is the true one.
	w.retire("issuer", "next", &counted)
	successor := w.begin(ledger.CommunityLog, key("next"), nil)
	successor.write(&ledger.Reinstate{Passport: 7})
	w.arriveAll()
	v := w.project(r)
	if h := holder(t, r, phone); !h.Admitted || h.Suspended || v.Age(w.now) != 0 {
		t.Errorf("under the new charter: %+v, age %v", h, v.Age(w.now))
	}
	if holder(t, r, his).Known || !holder(t, r, lost).Revoked {
		t.Error("what the charter does not count counts, or a revoked key is back")
	}
	if len(v.Problems) != 1 || !strings.HasPrefix(v.Problems[0].Part, "node/") {
		t.Errorf("%+v", v.Problems)
	}
}

// TestCharterCountsMore: the charter counts entries behind the proof that a
// gateway does not hold yet; they count when they arrive.
func TestCharterCountsMore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, r := w.issuer(), w.open()
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	issuer.write(p.admit(), p.adds(phone))
	issuer.arrive(2)
	issuer.forked = true
	w.project(r)
	w.retire("issuer", "next", issuer)
	w.begin(ledger.CommunityLog, key("next"), nil).arrive(1)
	hasProblem(t, w.project(r), "the charter counts 3 entries of it and 2 are here")
	issuer.arrive(3)
	v := w.project(r)
	if h := holder(t, r, phone); !h.Admitted || len(v.Problems) != 0 || v.Age(w.now) != 0 {
		t.Errorf("%+v, %v", h, v.Problems)
	}
}

// TestRemovedGateway: a gateway learns that a steward removed it, and goes on.
func TestRemovedGateway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steward, r := w.steward(), w.open()
	w.issuer()
	steward.write(policyEntry(1, ""), &ledger.GatewayRemoved{Gateway: "gw2", Signing: public(key("another")), Why: "sold"})
	w.arriveAll()
	if v := w.project(r); len(v.Problems) != 0 {
		t.Errorf("another gateway was removed: %+v", v.Problems)
	}
	w.now = w.now.Add(day)
	steward.write(&ledger.GatewayRemoved{Gateway: "gw1", Signing: public(key("gateway")), Why: "stolen"})
	w.now = w.now.Add(day)
	steward.write(&ledger.GatewayRemoved{Gateway: "gw1", Signing: public(key("gateway")), Why: "again"})
	w.arriveAll()
	v := w.project(r)
	if len(v.Problems) != 1 || v.Problems[0].Part != "enrolment" || v.Policy == nil {
		t.Errorf("%+v", v.Problems)
	}
	hasProblem(t, v, "a steward removed this gateway on 2026-05-02 (stolen)")
	w.recharter(func(c *ledger.Charter) { c.ChainID++ })
	hasProblem(t, w.project(r), "(stolen)")
}
