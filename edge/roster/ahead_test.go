package roster_test

import (
	"math"
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/sync/ledger"
)

// TestAheadIsReplaced: what a steward orders by a clock that is ahead counts from
// when it was seen here, and whatever comes later replaces it: the same steward's,
// even where the gateway hears of both at once, and another's.
func TestAheadIsReplaced(t *testing.T) {
	t.Parallel()
	impose := []ledger.Body{&ledger.Lockdown{Ends: math.MaxInt64}, &ledger.Bar{Passport: 7, Ends: math.MaxInt64}, pinSet(7, "ahead")}
	lift := []ledger.Body{&ledger.LockdownLifted{}, &ledger.Bar{Passport: 7}, pinSet(7, "later")}
	for _, tt := range []struct {
		name   string
		lifter int
		blind  bool // no clock is known when the first comes
		again  bool // everything is made again in between and at the end
		atOnce bool // both come together, and late
		first  int  // the hour at which the first comes
	}{
		{name: "the same steward", lifter: 0, first: 1},
		{name: "another steward", lifter: 1, first: 1},
		{name: "made again", lifter: 1, again: true, first: 1},
		{name: "the same steward, at once", lifter: 0, atOnce: true},
		{name: "the same steward, at once, without a clock", lifter: 0, atOnce: true, blind: true},
		{name: "without a clock at first", lifter: 1, blind: true, first: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.node = w.sign(w.node, func() ledger.Charter {
				c := w.node.Next()
				c.Authors = authors(append(c.Authors, ledger.Author{Role: ledger.Steward, Key: public(key("steward 2"))})...)
				return c
			}())
			stewards := []*log{w.steward(), w.begin(ledger.NodeLog, key("steward 2"), nil)}
			r := w.open()
			stewards[0].write(policyEntry(1, ""))
			// What was lifted before does not lift what comes.
			stewards[1].write(lift...)
			w.now = hour(87600)
			stewards[0].write(impose...)

			w.now = hour(1)
			if !tt.atOnce {
				w.arriveAll()
				if tt.blind {
					w.projectAt(r, access.Clock{})
					w.now = hour(2)
				}
				v := w.project(r)
				until := w.now.Unix() + 30*24*3600
				if v.Lockdowns["front"] != until || !v.Barred(7, known(w.now)) {
					t.Errorf("as it was imposed: %v, want until %d, %v", v.Lockdowns, until, v.Bars)
				}
				if box, _, err := r.Pin(7); string(box) != "ahead" || err != nil {
					t.Errorf("PIN %q, %v", box, err)
				}
			}
			if tt.again {
				w.recharter(func(*ledger.Charter) {})
				w.project(r)
			}
			w.now = hour(3)
			stewards[tt.lifter].write(lift...)
			w.arriveAll()
			if tt.atOnce && tt.blind {
				w.projectAt(r, access.Clock{})
			}
			for range 2 {
				w.now = w.now.Add(time.Hour)
				v := w.project(r)
				if v.LockedDown("front", known(w.now)) || v.Barred(7, known(w.now)) {
					t.Errorf("lifted: %v, %v", v.Lockdowns, v.Bars)
				}
				if box, _, err := r.Pin(7); string(box) != "later" || err != nil {
					t.Errorf("PIN %q, %v", box, err)
				}
				if tt.again {
					w.recharter(func(*ledger.Charter) {})
				}
			}
		})
	}
}

// TestSettledOnce: an order that is dated ahead makes one new view, not one at each
// Project.
func TestSettledOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steward, r := w.steward(), w.open()
	w.now = hour(300)
	steward.write(policyEntry(1, ""), &ledger.Bar{Passport: 7, Ends: hour(400).Unix()})
	w.now = hour(0)
	steward.arrive(steward.size())
	was := w.project(r)
	if v := w.project(r); v != was {
		t.Errorf("another view of the same: %d after %d", v.Generation, was.Generation)
	}
	if !was.Barred(7, known(w.now)) {
		t.Error("not barred")
	}
}

// TestOverIsForgotten: lockdowns and bars that are over by the floor, and lifted
// ones, are in no view.
func TestOverIsForgotten(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steward, r := w.steward(), w.open()
	steward.write(policyEntry(1, ""))
	for n := range uint64(50) {
		steward.write(&ledger.Bar{Passport: n + 1, Ends: hour(int(n)).Unix()}, &ledger.Lockdown{Doors: []string{"front"}, Ends: hour(int(n)).Unix()})
	}
	steward.write(&ledger.Bar{Passport: 50}, &ledger.Lockdown{Doors: []string{"back"}, Ends: hour(60).Unix()})
	w.now = hour(30)
	w.arriveAll()
	v := w.project(r)
	if len(v.Bars) != 18 || v.Bars[32] != hour(31).Unix() || v.Lockdowns["front"] != hour(49).Unix() || v.Lockdowns["back"] != hour(60).Unix() {
		t.Errorf("%v, %v", v.Bars, v.Lockdowns)
	}
	w.now = hour(70)
	w.arriveAll()
	if v := w.project(r); len(v.Bars) != 0 || len(v.Lockdowns) != 0 {
		t.Errorf("all over: %v, %v", v.Bars, v.Lockdowns)
	}
}
