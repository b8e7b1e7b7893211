package roster_test

import (
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestUnknownKinds: one that is critical stops its ledger there and lets its
// freshness stand still; another is passed by.
func TestUnknownKinds(t *testing.T) {
	t.Parallel()
	for _, critical := range []bool{true, false} {
		t.Run(fmt.Sprint(critical), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			issuer, steward, r := w.issuer(), w.steward(), w.open()
			p, phone := w.person(7), doorkey("phone", passport.KindPhone)
			steward.write(policyEntry(1, ""))
			issuer.write(p.admit(), p.adds(phone))
			w.arriveAll()
			w.project(r)
			w.now = w.now.Add(time.Hour)
			issuer.raw(999, critical, []byte{0x80})
			issuer.write(&ledger.Suspend{Passport: 7})
			w.arriveAll()
			v := w.project(r)
			h := holder(t, r, phone)
			if !critical {
				if !h.Suspended || v.Age(w.now) != 0 || len(v.Problems) != 0 {
					t.Errorf("%+v, age %v, %v", h, v.Age(w.now), v.Problems)
				}
				return
			}
			hasProblem(t, v, "entry 3: unknown kind of entry; newer software wrote it (kind 999)")
			if h.Suspended || v.Age(w.now) != time.Hour {
				t.Errorf("projected past it, or fresh: %+v, %v", h, v.Age(w.now))
			}
			w.now = w.now.Add(200 * day)
			w.arriveAll()
			if v = w.project(r); v.Age(w.now) != 200*day+time.Hour || w.verdict(r, phone) != access.KeyExpired {
				t.Errorf("age %v", v.Age(w.now))
			}
			// Other ledgers go on.
			steward.write(policyEntry(2, ""))
			w.arriveAll()
			if v = w.project(r); v.Policy.Version != 2 {
				t.Error("the steward's ledger stopped too")
			}
		})
	}
}

// TestWhatStops is every entry that a ledger's projection does not go past,
// and that its freshness stands still.
func TestWhatStops(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		spoil   func(l *log)
		problem string
	}{
		{"a malformed body", func(l *log) { l.raw(ledger.KindSuspend, true, []byte{0x80}) }, "entry 2: malformed body: Suspend"},
		{"a malformed body that is not critical", func(l *log) { l.raw(ledger.KindNodeRegistered, false, []byte{0x80}) }, "entry 2: malformed body"},
		{"a node's kind in a community's ledger", func(l *log) { l.write(policyEntry(9, "")) }, "entry 2: this kind does not belong in this ledger"},
		{"a second Begin", func(l *log) { l.write(&ledger.Begin{Charter: l.charter}) }, "entry 2: a ledger's first entry is Begin"},
		{"a body that is not the leaf's", func(l *log) {
			l.write(&ledger.Reinstate{Passport: 7})
			l.entries[2].Body = must(ledger.MarshalBody(&ledger.Reinstate{Passport: 8}))
		}, "entry 2: the leaf does not commit"},
		{"no leaf", func(l *log) {
			l.write(&ledger.Reinstate{Passport: 7})
			l.entries[2].Leaf = []byte{1, 2, 3}
		}, "entry 2: not a leaf"},
		{"a body withheld", func(l *log) {
			l.write(&ledger.Reinstate{Passport: 7})
			l.entries[2] = l.entries[2].Drop()
		}, "entry 2: the body is missing"},
		{"a drop that was recorded before", func(l *log) {
			l.write(&ledger.Dropped{First: 3, Last: 3, Why: "in advance"}, &ledger.Reinstate{Passport: 7})
			l.entries[3] = l.entries[3].Drop()
		}, "entry 2: malformed body"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			issuer, r := w.issuer(), w.open()
			issuer.write(w.person(7).admit())
			w.arriveAll()
			w.project(r)
			w.now = w.now.Add(time.Hour)
			tt.spoil(issuer)
			issuer.write(&ledger.Suspend{Passport: 7})
			w.arriveAll()
			for range 2 {
				v := w.project(r)
				hasProblem(t, v, tt.problem)
				if v.Age(w.now) != time.Hour || v.Policy != nil {
					t.Errorf("age %v", v.Age(w.now))
				}
			}
		})
	}
}

// TestRecordedDrops are passed over: by an entry that was read before it was
// dropped, and by one that was not.
func TestRecordedDrops(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, before, after := w.issuer(), w.open(), w.open()
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	issuer.write(p.admit(), admitted(p, func(a *ledger.Admit) { a.Class = "visitor" }), p.adds(phone))
	w.arriveAll()
	w.project(before)
	issuer.write(&ledger.Dropped{First: 1, Last: 1, Why: "superseded"})
	issuer.entries[1] = issuer.entries[1].Drop()
	w.arriveAll()
	for _, r := range []*roster.Roster{before, after} {
		v := w.project(r)
		if h := holder(t, r, phone); h.Class != "visitor" || len(v.Problems) != 0 || v.Age(w.now) != 0 {
			t.Errorf("%+v, %v", h, v.Problems)
		}
	}
	// Only what counts can record a drop: not what a stolen key wrote later.
	counted := *issuer
	w.retire("issuer", "next", &counted)
	w.begin(ledger.CommunityLog, key("next"), nil)
	issuer.write(&ledger.Dropped{First: 3, Last: 3, Why: "the thief's"})
	issuer.entries[3] = issuer.entries[3].Drop()
	w.arriveAll()
	hasProblem(t, w.project(w.open()), "entry 3: the body is missing")
}

// TestWithheldArrives: a body that was withheld and comes after all.
func TestWithheldArrives(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, r := w.issuer(), w.open()
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	issuer.write(p.admit(), p.adds(phone), p.revokes(phone))
	whole := issuer.entries[3]
	issuer.entries[3] = whole.Drop()
	w.arriveAll()
	if hasProblem(t, w.project(r), "entry 3"); holder(t, r, phone).Revoked {
		t.Error("revoked by a body that is not here")
	}
	issuer.entries[3] = whole
	if v := w.project(r); !holder(t, r, phone).Revoked || len(v.Problems) != 0 {
		t.Errorf("%v", v.Problems)
	}
}

// TestPredecessor: without all of the incarnation that it follows the roster is
// as old as can be.
func TestPredecessor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, r := w.issuer(), w.open()
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	first.write(p.admit(), p.adds(phone), &ledger.Suspend{Passport: 7})
	second := w.begin(ledger.CommunityLog, key("issuer"), first)
	second.write(&ledger.Reinstate{Passport: 7})
	second.arrive(second.size())
	v := w.project(r)
	hasProblem(t, v, "it follows 4 entries of "+first.origin.String()+", of which 0 are here")
	if v.Age(w.now) >= 0 {
		t.Errorf("age %v", v.Age(w.now))
	}
	first.arrive(3)
	if v = w.project(r); v.Age(w.now) >= 0 {
		t.Errorf("with a part of it, age %v", v.Age(w.now))
	}
	first.arrive(4)
	if v = w.project(r); v.Age(w.now) != 0 || len(v.Problems) != 0 || holder(t, r, phone).Suspended {
		t.Errorf("with all of it, age %v, %v", v.Age(w.now), v.Problems)
	}
}

// TestOneIncarnationStopped: an issuer is heard no later than the oldest of its
// ledgers that is not whole.
func TestOneIncarnationStopped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first, r := w.issuer(), w.open()
	second := w.begin(ledger.CommunityLog, key("issuer"), first)
	w.arriveAll()
	w.project(r)
	w.now = w.now.Add(time.Hour)
	first.raw(999, true, []byte{0x80})
	w.arriveAll()
	if v := w.project(r); v.Age(w.now) != time.Hour || second.arrived != 1 {
		t.Errorf("age %v", v.Age(w.now))
	}
}

// TestAge: by the issuer heard longest ago, and never by a time later than the
// head was first seen at.
func TestAge(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	beat := key("heartbeat")
	w.recharter(func(c *ledger.Charter) {
		c.Authors = append(c.Authors, ledger.Author{Role: ledger.Issuer, Key: public(key("issuer 2"))}, ledger.Author{Role: ledger.Heartbeat, Key: public(beat)})
	})
	r := w.open()
	age := func(what string, want time.Duration) {
		t.Helper()
		if got := w.project(r).Age(w.now); got != want {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	age("nothing was ever heard", -1)
	one, two := w.issuer(), w.begin(ledger.CommunityLog, key("issuer 2"), nil)
	w.steward().arrive(1)
	age("a steward is no issuer", -1)
	one.arrive(1)
	age("one was heard, the other may never have written", 0)
	hasProblem(t, r.View(), "named by the charter, never heard")
	two.arriveSigned(1, w.now.Add(-3*time.Hour), w.now)
	age("the other's head was signed three hours ago", 3*time.Hour)
	two.arriveSigned(1, w.now.Add(9*day), w.now)
	age("and one that is ahead of time", 0)
	w.now = w.now.Add(day)
	age("which is as old as its first sight", day)
	one.arrive(1)
	two.arriveSigned(1, w.now.Add(-12*time.Hour), w.now)
	age("half a day", 12*time.Hour)
	two.beat(beat, w.now.Add(-time.Hour))
	age("a heartbeat refreshes", time.Hour)
	two.arriveSigned(1, w.now.Add(-6*time.Hour), w.now)
	two.beat(key("somebody"), w.now)
	age("nobody else's signature does, and an older head takes nothing back", time.Hour)
	if v := r.View(); v.Age(w.now.Add(-7*time.Hour)) != 0 || v.Age(w.now.Add(-30*day)) >= 0 {
		t.Error("a time to come counts as now by a day, and as never by more")
	}
}

// TestFloor: a clock that shows less than an author last signed is wrong; an
// author moves that floor by no more than a day past the clock of the time.
func TestFloor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, r := w.issuer(), w.open()
	if v := r.View(); v.Believes(time.Unix(0, 0)) || !v.Believes(time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)) {
		t.Error("without a ledger nothing speaks against a clock that is set")
	}
	issuer.arrive(1)
	v := w.project(r)
	if !v.Believes(w.now) || !v.Believes(w.now.Add(-5*time.Minute)) || v.Believes(w.now.Add(-6*time.Minute)) {
		t.Errorf("floor %v", time.Unix(v.Floor, 0))
	}
	issuer.arriveSigned(1, w.now.Add(10*365*day), w.now)
	if v = w.project(r); v.Floor != w.now.Add(day).Unix() {
		t.Errorf("floor %v", time.Unix(v.Floor, 0))
	}
	issuer.arriveSigned(1, w.now, w.now)
	if v = w.project(r); v.Floor != w.now.Add(day).Unix() {
		t.Errorf("the floor sank to %v", time.Unix(v.Floor, 0))
	}
}

// broken is a source that fails in the middle of reading.
type broken struct {
	*world
	fail bool
}

func (b *broken) Ledgers() ([]roster.Ledger, error) {
	all, err := b.world.Ledgers()
	for i, l := range all {
		all[i].Entries = func(lo, hi int64) iter.Seq2[ledger.Entry, error] {
			return func(yield func(ledger.Entry, error) bool) {
				for e, err := range l.Entries(lo, hi) {
					if b.fail && lo == 2 {
						yield(ledger.Entry{}, errors.New("disk error"))
						return
					}
					if !yield(e, err) {
						return
					}
					lo++
				}
			}
		}
	}
	return all, err
}

// TestReadError stops where it is and goes on when reading works again.
func TestReadError(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer := w.issuer()
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	issuer.write(p.admit(), p.adds(phone))
	w.arriveAll()
	src := &broken{world: w, fail: true}
	r := must(roster.Open(roster.Config{Path: t.TempDir() + "/roster.db", Source: src, Community: w.community.ID(), Node: w.node.ID()}))
	defer r.Close()
	v := w.project(r)
	hasProblem(t, v, "entry 2: disk error")
	if v.Age(w.now) >= 0 || holder(t, r, phone).Known {
		t.Errorf("age %v", v.Age(w.now))
	}
	src.fail = false
	if v = w.project(r); v.Age(w.now) != 0 || !holder(t, r, phone).Admitted || len(v.Problems) != 0 {
		t.Errorf("age %v, %v", v.Age(w.now), v.Problems)
	}
	// Without charters nothing can be said, and the old view stays.
	w.community = ledger.Charters{}
	if again, err := r.Project(known(w.now)); err == nil || again != v {
		t.Errorf("got %v, %v", again, err)
	}
}

// TestRebuildIsOneStep: while everything is made again under a new charter,
// lookups never see a roster from which a revocation is missing.
func TestRebuildIsOneStep(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, r := w.issuer(), w.open()
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	issuer.write(p.admit(), p.adds(phone))
	for n := range 10_000 { // more than two batches
		issuer.write(&ledger.Suspend{Passport: uint64(n + 100)})
	}
	issuer.write(p.revokes(phone))
	w.arriveAll()
	w.project(r)
	stop, done := make(chan struct{}), make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				done <- n
				return
			default:
			}
			if h, err := r.ByKey(phone.Key().ID()); err != nil || !h.Revoked || !h.Admitted {
				t.Errorf("lookup %d: %+v, %v", n, h, err)
			}
		}
	}()
	for range 3 {
		w.recharter(func(*ledger.Charter) {})
		w.project(r)
	}
	close(stop)
	if n := <-done; n == 0 {
		t.Error("nobody looked")
	}
}

// TestSeenWithoutClock: a gateway that was enrolled with its clock at 1970 has
// not seen the issuers half a century ago.
func TestSeenWithoutClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, r := w.issuer(), w.open()
	issuer.arriveSigned(1, w.now.Add(-time.Hour), time.Unix(60, 0))
	if age := w.project(r).Age(w.now); age != time.Hour {
		t.Errorf("the roster is %v old", age)
	}
}

// TestSeenFromTheFuture: a head that a wrong clock dated far ahead, and that was
// seen without a clock, makes no roster fresh for ever.
func TestSeenFromTheFuture(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, r := w.issuer(), w.open()
	issuer.arriveSigned(1, w.now.Add(10*365*day), time.Unix(60, 0))
	if age := w.project(r).Age(w.now); age >= 0 {
		t.Errorf("dated ten years ahead: %v old", age)
	}
	issuer.arriveSigned(1, w.now.Add(-time.Hour), w.now)
	if age := w.project(r).Age(w.now); age != time.Hour {
		t.Errorf("after a true head: %v old", age)
	}
}

// TestProjectedElsewhere: what another process projected into the file counts
// here as well.
func TestProjectedElsewhere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, steward := w.issuer(), w.steward()
	path := filepath.Join(t.TempDir(), "roster.db")
	mine, check := w.openAt(path), w.openAt(path)
	w.project(mine)
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	issuer.write(p.admit(), p.adds(phone))
	steward.write(policyEntry(2, ""), p.home("front", day))
	w.arriveAll()
	w.project(check)
	if v := w.project(mine); v.Policy == nil || !lives(v, "front", 7, w.now, true) {
		t.Errorf("policy %v", v.Policy)
	}
}
