package roster_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// ordered is an entry by one of two stewards, at an hour of that one's clock.
type ordered struct {
	steward int // 0 or 1
	hour    int
	body    ledger.Body
}

// order lets both stewards write, and has all of it arrive at hour 100, the
// ledgers in both orders.
func order(t *testing.T, entries []ordered, look func(t *testing.T, w *world, v *access.Basis)) {
	for _, reversed := range []bool{false, true} {
		t.Run(fmt.Sprint("reversed ", reversed), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.node = w.sign(w.node, func() ledger.Charter {
				c := w.node.Next()
				c.Authors = authors(append(c.Authors, ledger.Author{Role: ledger.Steward, Key: public(key("steward 2"))})...)
				return c
			}())
			stewards := []*log{w.steward(), w.begin(ledger.NodeLog, key("steward 2"), nil)}
			stewards[0].write(policyEntry(1, ""))
			for _, e := range entries {
				w.now = hour(e.hour)
				stewards[e.steward].write(e.body)
			}
			w.now = hour(100)
			if reversed {
				slices.Reverse(stewards)
			}
			r := w.open()
			for _, l := range stewards {
				l.arrive(l.size())
				w.project(r)
			}
			if p := r.View().Problems; len(p) != 1 { // no issuer was ever heard
				t.Errorf("problems: %v", p)
			}
			look(t, w, &r.View().Basis)
		})
	}
}

func hour(n int) time.Time { return t0.Add(time.Duration(n) * time.Hour) }

// TestLockdowns: lockdowns of some doors or of all, and their liftings, in the
// order of their authors' clocks; ends is by door, in hours.
func TestLockdowns(t *testing.T) {
	t.Parallel()
	lock := func(steward, at, ends int, doors ...string) ordered {
		return ordered{steward, at, &ledger.Lockdown{Doors: doors, Ends: hour(ends).Unix()}}
	}
	lift := func(steward, at int, doors ...string) ordered {
		return ordered{steward, at, &ledger.LockdownLifted{Doors: doors}}
	}
	for _, tt := range []struct {
		name    string
		entries []ordered
		ends    map[string]int
	}{
		{"none", nil, map[string]int{}},
		{"one door", []ordered{lock(0, 1, 200, "front")}, map[string]int{"front": 200}},
		{"all doors", []ordered{lock(0, 1, 200)}, map[string]int{"front": 200, "back": 200}},
		{"a door of no policy", []ordered{lock(0, 1, 200, "gate")}, map[string]int{}},
		{"a door and one of no policy", []ordered{lock(0, 1, 200, "back", "gate")}, map[string]int{"back": 200}},
		{"a longer one lengthens", []ordered{lock(0, 1, 200), lock(1, 2, 300, "front")}, map[string]int{"front": 300, "back": 200}},
		{"a shorter one shortens nothing", []ordered{lock(0, 1, 300), lock(1, 2, 200)}, map[string]int{"front": 300, "back": 300}},
		{"lifted", []ordered{lock(0, 1, 200), lift(0, 2)}, map[string]int{}},
		{"lifted by another steward", []ordered{lock(0, 1, 200), lift(1, 2)}, map[string]int{}},
		{"lifted at one door", []ordered{lock(0, 1, 200), lift(1, 2, "front")}, map[string]int{"back": 200}},
		{"of one door, lifted at all", []ordered{lock(0, 1, 200, "back"), lift(1, 2)}, map[string]int{}},
		{"lifted where it never was", []ordered{lock(0, 1, 200, "back"), lift(1, 2, "front", "gate")}, map[string]int{"back": 200}},
		{"lifted before it was imposed", []ordered{lift(1, 1), lock(0, 2, 200)}, map[string]int{"front": 200, "back": 200}},
		{"imposed anew", []ordered{lock(0, 1, 300), lift(1, 2), lock(0, 3, 200, "front")}, map[string]int{"front": 200}},
		{"lifted twice", []ordered{lock(0, 1, 300), lift(1, 2, "front"), lift(0, 3, "back")}, map[string]int{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			order(t, tt.entries, func(t *testing.T, w *world, v *access.Basis) {
				want := map[string]int64{}
				for door, ends := range tt.ends {
					want[door] = hour(ends).Unix()
				}
				if !maps.Equal(v.Lockdowns, want) {
					t.Errorf("got %v, want %v", v.Lockdowns, want)
				}
				for door, ends := range want {
					end := time.Unix(ends, 0)
					if !v.LockedDown(door, known(end.Add(-time.Second))) || v.LockedDown(door, known(end)) || !v.LockedDown(door, access.Clock{Now: end}) {
						t.Errorf("%s: not until its end, or not as long as no clock is known", door)
					}
				}
			})
		})
	}
}

// TestLockdownFollowsPolicy: what holds for all doors holds for those that a later
// policy adds.
func TestLockdownFollowsPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steward, r := w.steward(), w.open()
	steward.write(&ledger.Lockdown{Ends: hour(9).Unix()})
	w.arriveAll()
	if v := w.project(r); len(v.Lockdowns) != 0 {
		t.Errorf("without a policy there is no door: %v", v.Lockdowns)
	}
	steward.write(policyEntry(1, ""))
	w.arriveAll()
	if v := w.project(r); len(v.Lockdowns) != 2 {
		t.Errorf("got %v", v.Lockdowns)
	}
	// It ends without a clock when an author has signed something later.
	w.now = hour(10)
	w.arriveAll()
	if v := w.project(r); v.LockedDown("front", access.Clock{}) {
		t.Error("over, and it holds")
	}
}

// TestBars: the last one counts, whoever wrote it.
func TestBars(t *testing.T) {
	t.Parallel()
	bar := func(steward, at, ends int) ordered {
		return ordered{steward, at, &ledger.Bar{Passport: 7, Ends: hour(ends).Unix()}}
	}
	for _, tt := range []struct {
		name    string
		entries []ordered
		ends    int // 0: not barred at hour 100
	}{
		{"none", nil, 0},
		{"one", []ordered{bar(0, 1, 200)}, 200},
		{"a shorter one later", []ordered{bar(0, 1, 300), bar(1, 2, 200)}, 200},
		{"a longer one later", []ordered{bar(1, 1, 200), bar(0, 2, 300)}, 300},
		{"lifted", []ordered{bar(0, 1, 200), {1, 2, &ledger.Bar{Passport: 7}}}, 0},
		{"lifted, and again", []ordered{bar(0, 1, 200), {1, 2, &ledger.Bar{Passport: 7}}, bar(1, 3, 150)}, 150},
		{"over", []ordered{bar(0, 1, 99)}, 0},
		{"another passport's", []ordered{{0, 1, &ledger.Bar{Passport: 8, Ends: hour(200).Unix()}}}, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			order(t, tt.entries, func(t *testing.T, w *world, v *access.Basis) {
				if got := v.Barred(7, known(w.now)); got != (tt.ends != 0) {
					t.Fatalf("barred: %v, %v", got, v.Bars)
				}
				if tt.ends != 0 && (!v.Barred(7, known(hour(tt.ends).Add(-time.Second))) || v.Barred(7, known(hour(tt.ends)))) {
					t.Errorf("not until hour %d: %v", tt.ends, v.Bars)
				}
			})
		})
	}
}

// TestPasses: those that were not ended, oldest first; an id that two entries use
// is the first one's.
func TestPasses(t *testing.T) {
	t.Parallel()
	pass := func(id byte, number uint64, until int) *ledger.GuestPass {
		return &ledger.GuestPass{Pass: ledger.PassID{id}, Passport: number, Levels: []string{"house", "yard"}, NotBefore: t0.Unix(), NotAfter: hour(until).Unix(), Uses: uint32(id)}
	}
	ended := func(id byte) *ledger.GuestEnded { return &ledger.GuestEnded{Pass: ledger.PassID{id}} }
	for _, tt := range []struct {
		name    string
		entries []ordered
		want    []byte // ids of passport 7's
	}{
		{"none", nil, nil},
		{"two, of two stewards", []ordered{{0, 2, pass(1, 7, 200)}, {1, 1, pass(2, 7, 200)}}, []byte{2, 1}},
		{"another passport's", []ordered{{0, 1, pass(1, 8, 200)}}, nil},
		{"ended", []ordered{{0, 1, pass(1, 7, 200)}, {0, 2, pass(2, 7, 200)}, {0, 3, ended(1)}}, []byte{2}},
		{"ended by another steward, whose clock is late", []ordered{{0, 5, pass(1, 7, 200)}, {1, 1, ended(1)}}, nil},
		{"ended, and given again", []ordered{{0, 1, pass(1, 7, 200)}, {0, 2, ended(1)}, {0, 3, pass(1, 7, 200)}}, nil},
		{"an id used twice is the first's", []ordered{{1, 2, pass(1, 7, 200)}, {0, 1, pass(1, 8, 200)}}, nil},
		{"and stays the first's", []ordered{{0, 2, pass(1, 8, 200)}, {1, 1, pass(1, 7, 200)}}, []byte{1}},
		{"over is told from never", []ordered{{0, 1, pass(1, 7, 50)}}, []byte{1}},
		{"over for a month", []ordered{{0, -1000, pass(1, 7, 50-24*30)}, {0, 1, pass(2, 7, 101-24*30)}}, []byte{2}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			for i, e := range tt.entries {
				if p, ok := e.body.(*ledger.GuestPass); ok {
					p.NotBefore = min(p.NotBefore, p.NotAfter-1)
					tt.entries[i].body = p
				}
			}
			order(t, tt.entries, func(t *testing.T, w *world, v *access.Basis) {
				var got []byte
				for _, p := range v.Passes[7] {
					got = append(got, p.ID[0])
					if !slices.Equal(p.Levels, []string{"house", "yard"}) || p.Uses != uint32(p.ID[0]) {
						t.Errorf("%+v", p)
					}
				}
				if !slices.Equal(got, tt.want) {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		})
	}
}

// TestForgiven: the last one counts, one for everybody too, and none later than
// it was seen here.
func TestForgiven(t *testing.T) {
	t.Parallel()
	seen := hour(100).UnixMilli() + 999 // when it was seen is known to the second
	for _, tt := range []struct {
		name    string
		entries []ordered
		want    int64
	}{
		{"none", nil, 0},
		{"one", []ordered{{0, 5, &ledger.Forgive{Passport: 7}}}, hour(5).UnixMilli()},
		{"two", []ordered{{0, 5, &ledger.Forgive{Passport: 7}}, {1, 4, &ledger.Forgive{Passport: 7}}}, hour(5).UnixMilli()},
		{"another's", []ordered{{0, 5, &ledger.Forgive{Passport: 8}}}, 0},
		{"everybody", []ordered{{0, 5, &ledger.Forgive{Passport: 7}}, {1, 6, &ledger.Forgive{}}}, hour(6).UnixMilli()},
		{"everybody, before", []ordered{{0, 5, &ledger.Forgive{Passport: 7}}, {1, 4, &ledger.Forgive{}}}, hour(5).UnixMilli()},
		{"a clock that is ahead", []ordered{{0, 300, &ledger.Forgive{Passport: 7}}, {1, 4, &ledger.Forgive{}}}, seen},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			order(t, tt.entries, func(t *testing.T, w *world, v *access.Basis) {
				if got := max(v.Forgiven[7], v.Forgiven[0]); got != tt.want {
					t.Errorf("got %v, want %v", time.UnixMilli(got), time.UnixMilli(tt.want))
				}
			})
		})
	}
}

// TestForgivenWithoutClock: it counts by its own time until a clock is known, and
// from then on no later than that.
func TestForgivenWithoutClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	steward, r := w.steward(), w.open()
	w.now = hour(300)
	steward.write(&ledger.Forgive{Passport: 7})
	w.now = hour(0)
	w.arriveAll()
	if v := w.projectAt(r, access.Clock{Now: time.Unix(60, 0)}); v.Forgiven[7] != hour(300).UnixMilli() {
		t.Errorf("without a clock: %v", time.UnixMilli(v.Forgiven[7]))
	}
	w.now = hour(2)
	want := hour(2).UnixMilli() + 999
	if v := w.project(r); v.Forgiven[7] != want {
		t.Errorf("once it is known: %v", time.UnixMilli(v.Forgiven[7]))
	}
	w.now = hour(500)
	w.recharter(func(*ledger.Charter) {})
	if v := w.project(r); v.Forgiven[7] != want {
		t.Errorf("made again: %v", time.UnixMilli(v.Forgiven[7]))
	}
}

// TestPin: the last one counts, and of it this gateway's box alone.
func TestPin(t *testing.T) {
	t.Parallel()
	others := pinSet(7, "")
	others.Boxes = slices.DeleteFunc(others.Boxes, func(b ledger.PinBox) bool { return len(b.Sealed) == 0 })
	for _, tt := range []struct {
		name  string
		write []ledger.Body
		want  string
	}{
		{"none", nil, ""},
		{"one", []ledger.Body{pinSet(7, "first")}, "first"},
		{"another passport's", []ledger.Body{pinSet(8, "first")}, ""},
		{"changed", []ledger.Body{pinSet(7, "first"), pinSet(7, "second")}, "second"},
		{"taken away", []ledger.Body{pinSet(7, "first"), &ledger.PinSet{Passport: 7}}, ""},
		{"for other gateways only", []ledger.Body{pinSet(7, "first"), others}, ""},
		{"given again", []ledger.Body{&ledger.PinSet{Passport: 7}, pinSet(7, "third")}, "third"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			steward, r := w.steward(), w.open()
			for _, b := range tt.write {
				w.now = w.now.Add(time.Second)
				steward.write(b)
			}
			w.arriveAll()
			w.project(r)
			box, ok, err := r.Pin(passport.ID(7))
			if string(box) != tt.want || ok != (tt.want != "") || err != nil {
				t.Errorf("got %q, %v, %v, want %q", box, ok, err, tt.want)
			}
		})
	}
}

// TestOrdersOfTheConvicted: what counted of a forked steward's ledger goes on to,
// and nothing more does.
func TestOrdersOfTheConvicted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.issuer()
	steward, r := w.steward(), w.open()
	steward.write(policyEntry(1, ""), &ledger.Lockdown{Ends: hour(50).Unix()}, &ledger.Bar{Passport: 7, Ends: hour(50).Unix()}, pinSet(7, "first"))
	w.arriveAll()
	w.project(r)
	steward.forked = true
	w.project(r)
	steward.write(&ledger.LockdownLifted{}, &ledger.Bar{Passport: 7}, &ledger.Forgive{}, pinSet(7, "second"),
		&ledger.GuestPass{Pass: ledger.PassID{1}, Passport: 7, Levels: []string{"house"}, NotAfter: 1})
	w.arriveAll()
	for range 2 {
		v := w.project(r)
		box, _, err := r.Pin(7)
		if len(v.Lockdowns) != 2 || !v.Barred(7, known(w.now)) || v.Forgiven[7] != 0 || len(v.Passes) != 0 || string(box) != "first" || err != nil {
			t.Errorf("%+v, PIN %q, %v", v.Basis, box, err)
		}
		w.recharter(func(c *ledger.Charter) { c.ChainID++ })
	}
}
