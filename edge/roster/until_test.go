package roster_test

import (
	"bytes"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

func sizes(v *roster.View) map[string]int64 {
	out := map[string]int64{}
	for _, s := range v.Sources {
		out[s.Origin] = s.Size
	}
	return out
}

// TestUntil: at any moment of any history a roster that is made later, of what
// its ledgers hold by then, finds what the gateway's had found; at once but for
// what ran from when the gateway saw something, and all of it where it follows
// the gateway's own steps.
func TestUntil(t *testing.T) {
	t.Parallel()
	vocabulary := newVocabulary(t)
	w := newWorld(t)
	src := &current{w}
	var late, step swapped
	original := newReused(t, w, src)
	atOnce, inSteps := newReused(t, w, &late), newReused(t, w, &step)
	rapid.Check(t, func(rt *rapid.T) {
		w := newWorld(t)
		src.world = w
		for _, r := range []reused{original, atOnce, inSteps} {
			r.empty(t)
		}
		w.recharter(func(c *ledger.Charter) {
			c.Authors = append(c.Authors, ledger.Author{Role: ledger.Issuer, Key: public(key("issuer 2"))})
		})
		w.node = w.sign(w.node, func() ledger.Charter {
			c := w.node.Next()
			c.Authors = authors(append(c.Authors, ledger.Author{Role: ledger.Steward, Key: public(key("steward 2"))})...)
			return c
		}())
		vocabulary.write(rt, w)
		if rapid.IntRange(0, 3).Draw(rt, "newer software") == 0 {
			l := rapid.SampledFrom(w.logs).Draw(rt, "whose")
			l.raw(999, true, []byte{0x80})
		}

		// The gateway's steps, up to the moment. The store holds all that arrives.
		shown := map[string]int64{}
		step.Source = roster.Until(src, shown)
		inSteps.projectAt(rt, w.now)
		for range rapid.IntRange(1, 8).Draw(rt, "steps") {
			w.now = w.now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(rt, "seconds")) * time.Second)
			l := rapid.SampledFrom(w.logs).Draw(rt, "ledger")
			if l.arrived < l.size() {
				l.arrive(rapid.Int64Range(max(1, l.arrived), l.size()).Draw(rt, "size"))
			}
			if l.arrived > 0 && rapid.IntRange(0, 9).Draw(rt, "convicted") == 0 {
				l.forked = true
			}
			maps.Copy(shown, sizes(original.projectAt(rt, w.now)))
			inSteps.projectAt(rt, w.now)
		}
		moment := w.now

		// What came later.
		w.now = w.now.Add(30 * day)
		for _, l := range w.logs {
			l.arrive(l.size())
			l.forked = l.forked || rapid.IntRange(0, 3).Draw(rt, "convicted later") == 0
		}
		switch rapid.IntRange(0, 2).Draw(rt, "charter") {
		case 1: // a thief's from the start: now nothing of it counts
			w.recharter(func(c *ledger.Charter) { charterAuthor(c, key("issuer 2")).Retired = true })
		case 2: // it ended where it stands
			w.recharter(func(c *ledger.Charter) {
				a := charterAuthor(c, key("issuer 2"))
				a.Retired = true
				for _, l := range w.logs {
					if l.origin.Author == ledger.KeyIDOf(a.Key[:]) {
						a.Counted = append(a.Counted, ledger.Counted{Incarnation: l.origin.Incarnation, Size: l.size(), Root: l.root(l.size())})
					}
				}
				slices.SortFunc(a.Counted, func(x, y ledger.Counted) int { return bytes.Compare(x.Incarnation[:], y.Incarnation[:]) })
			})
		}
		late.Source = roster.Until(src, sizes(original.View()))
		atOnce.projectAt(rt, moment)
		inSteps.projectAt(rt, moment)

		sameLookups(rt, vocabulary, original.Roster, inSteps.Roster)
		samePolicy(rt, original.View(), inSteps.View())
		floor := max(original.View().Floor, atOnce.View().Floor, inSteps.View().Floor)
		if x, y := decisive(original.View(), floor), decisive(inSteps.View(), floor); !reflect.DeepEqual(x, y) {
			rt.Fatalf("then     %+v\nin steps %+v", x, y)
		}
		sameLookups(rt, vocabulary, original.Roster, atOnce.Roster)
		samePolicy(rt, original.View(), atOnce.View())
		x, y := decisive(original.View(), floor), decisive(atOnce.View(), floor)
		for door, all := range x.Homes {
			if len(y.Homes[door]) != len(all) {
				rt.Fatalf("homes then %v\nat once %v", x.Homes, y.Homes)
			}
			for who, ends := range all {
				// A notice runs from when its end was written, if nobody knows when it was seen.
				if got, ok := y.Homes[door][who]; !ok || got > ends || (got == access.Forever) != (ends == access.Forever) {
					rt.Fatalf("the home of %v ended at %d, at once at %d, %v", who, ends, got, ok)
				}
			}
		}
		if x.Homes, y.Homes = nil, nil; !reflect.DeepEqual(x, y) {
			rt.Fatalf("then    %+v\nat once %+v", x, y)
		}
	})
}

// decisive is what decisions read of a view beside the policy, but for what no
// ledger holds, and for what was over by a floor.
func decisive(v *roster.View, floor int64) access.Basis {
	b := v.Basis
	b.Generation, b.Fresh, b.Floor, b.Policy = 0, 0, 0, nil
	b.Lockdowns, b.Bars = maps.Clone(b.Lockdowns), maps.Clone(b.Bars)
	maps.DeleteFunc(b.Lockdowns, func(_ string, ends int64) bool { return ends <= floor })
	maps.DeleteFunc(b.Bars, func(_ passport.ID, ends int64) bool { return ends <= floor })
	return b
}

// swapped is a source that is another for each history.
type swapped struct{ roster.Source }

func (r reused) projectAt(t *rapid.T, now time.Time) *roster.View {
	v, err := r.Project(known(now))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestUntilDropped: what was dropped since is passed over, and by an entry that is
// not shown.
func TestUntilDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer := w.issuer()
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	issuer.write(p.admit(), admitted(p, func(a *ledger.Admit) { a.Class = "visitor" }), p.adds(phone))
	w.arriveAll()
	then := sizes(w.project(w.open()))
	issuer.write(&ledger.Suspend{Passport: 7}, &ledger.Dropped{First: 1, Last: 1, Why: "superseded"})
	issuer.entries[1] = issuer.entries[1].Drop()
	w.arriveAll()
	r := w.openOver(roster.Until(w, then))
	v := w.project(r)
	if h := holder(t, r, phone); h.Class != "visitor" || h.Suspended || len(v.Problems) != 0 || !maps.Equal(sizes(v), then) {
		t.Errorf("%+v, %+v", h, v.Problems)
	}
}

// TestUntilMissing: a ledger that is not there any more, or not all of it, is told.
func TestUntilMissing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer, steward := w.issuer(), w.steward()
	issuer.write(w.person(7).admit())
	w.arriveAll()
	then := sizes(w.project(w.open()))
	issuer.arrive(1)
	steward.arrived = 0
	v := w.project(w.openOver(roster.Until(w, then)))
	hasProblem(t, v, "2 entries of "+issuer.origin.String()+" were projected, and 1 are here; import them")
	hasProblem(t, v, "1 entries of "+steward.origin.String()+" were projected, and 0 are here; import them")
	if !v.Unreadable {
		t.Error("as if all were there")
	}
}

// TestUntilFloor: a lockdown without a clock ends by what was signed then, and
// not by what came later.
func TestUntilFloor(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steward := w.steward()
	steward.write(policyEntry(1, ""), &ledger.Lockdown{Ends: hour(5).Unix()})
	w.now = hour(1)
	steward.write(&ledger.Forgive{Passport: 7})
	w.arriveAll()
	then := sizes(w.project(w.open()))
	w.now = hour(10)
	steward.write(&ledger.Forgive{Passport: 7})
	w.arriveAll()
	v := w.project(w.openOver(roster.Until(w, then)))
	if v.Floor != hour(1).Unix() || !v.LockedDown("front", access.Clock{}) {
		t.Errorf("floor %v", time.Unix(v.Floor, 0))
	}
	if v := w.project(w.open()); v.LockedDown("front", access.Clock{}) {
		t.Error("now it is over")
	}
}

// TestUntilForked: of an author who was convicted since, what was projected then
// counts as it did.
func TestUntilForked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	issuer := w.issuer()
	p, phone := w.person(7), doorkey("phone", passport.KindPhone)
	issuer.write(p.admit(), p.adds(phone))
	w.arriveAll()
	then := sizes(w.project(w.open()))
	issuer.write(p.revokes(phone))
	w.arriveAll()
	issuer.forked = true
	r := w.openOver(roster.Until(w, then))
	if v := w.project(r); len(v.Problems) != 0 || holder(t, r, phone).Revoked || !holder(t, r, phone).Admitted {
		t.Errorf("%+v", v.Problems)
	}
}
