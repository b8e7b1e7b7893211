package attendance_test

import (
	"crypto/rand"
	"errors"
	"testing"

	"tombolo/edge/attendance"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

var (
	span      = attendance.Span{Opens: 1000, Closes: 2000}
	community = passport.CommunityID{1}
	node      = passport.NodeID{2}
)

func key(t *testing.T) *passport.SoftKey {
	k, err := passport.GenerateSoftKey(passport.KindPhone, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// tap is a decision on an answer that was asked for at a time, seconds.
func tap(t *testing.T, k *passport.SoftKey, at uint64) *ledger.Decision {
	c := passport.Challenge{Community: community, Place: passport.TapPlace([32]byte{3}, passport.DoorTarget(node, "front")), Time: at, Nonce: [32]byte{4}}
	sig, err := k.Sign(c.Sum())
	if err != nil {
		t.Fatal(err)
	}
	p, err := passport.NewTap(c, k.Key(), sig)
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := p.MarshalBinary()
	id := k.Key().ID()
	return &ledger.Decision{Seq: 1, Door: "front", Mode: "tap", Granted: true, Reason: "granted", Passport: 7, Key: id[:], Presentation: raw}
}

func window(t *testing.T, k *passport.SoftKey, at uint32) *ledger.Decision {
	w, err := passport.SignWindow(k, passport.WindowStatement{Community: community, Passport: 7, Target: passport.NodeTarget(node), Start: at, Length: 15, Nonce: [16]byte{5}})
	if err != nil {
		t.Fatal(err)
	}
	raw, _ := w.MarshalBinary()
	id := k.Key().ID()
	return &ledger.Decision{Seq: 1, Door: "front", Mode: "window+pin", Granted: true, Reason: "granted", Passport: 7, Key: id[:], Presentation: raw}
}

var wentIn = &ledger.Passage{Seq: 1, Door: "front", Entered: true}

// TestPassed: which entries of a door log make a presence.
func TestPassed(t *testing.T) {
	t.Parallel()
	k := key(t)
	changed := func(d *ledger.Decision, change func(*ledger.Decision)) *ledger.Decision {
		change(d)
		return d
	}
	type entry struct {
		at   int64 // ms
		body ledger.Body
	}
	good := tap(t, k, 1500)
	for _, c := range []struct {
		what    string
		entries []entry
		want    int
	}{
		{"a tap and a passage", []entry{{1_500_000, good}, {1_503_000, wentIn}}, 1},
		{"a code and a passage", []entry{{1_500_000, window(t, k, 1500)}, {1_503_000, wentIn}}, 1},
		{"at the first moment", []entry{{1_000_000, tap(t, k, 1000)}, {1_000_000, wentIn}}, 1},
		{"at the last", []entry{{1_999_999, tap(t, k, 1999)}, {1_999_999, wentIn}}, 1},
		{"a decision before it opens", []entry{{999_999, tap(t, k, 1000)}, {1_000_000, wentIn}}, 0},
		{"signed before it opens", []entry{{1_000_000, tap(t, k, 999)}, {1_000_000, wentIn}}, 0},
		{"a passage after it closes", []entry{{1_999_000, tap(t, k, 1999)}, {2_000_000, wentIn}}, 0},
		{"signed without a clock", []entry{{1_500_000, tap(t, k, 0)}, {1_503_000, wentIn}}, 0},
		{"decided without a clock", []entry{{1_500_000, changed(tap(t, k, 1500), func(d *ledger.Decision) { d.RosterAge = -1 })}, {1_503_000, wentIn}}, 0},
		{"refused", []entry{{1_500_000, changed(tap(t, k, 1500), func(d *ledger.Decision) { d.Granted = false })}, {1_503_000, wentIn}}, 0},
		{"nobody's", []entry{{1_500_000, changed(tap(t, k, 1500), func(d *ledger.Decision) { d.Passport = 0 })}, {1_503_000, wentIn}}, 0},
		{"without a key", []entry{{1_500_000, changed(tap(t, k, 1500), func(d *ledger.Decision) { d.Key = nil })}, {1_503_000, wentIn}}, 0},
		{"without a presentation", []entry{{1_500_000, changed(tap(t, k, 1500), func(d *ledger.Decision) { d.Presentation = nil })}, {1_503_000, wentIn}}, 0},
		{"a presentation that is cut short", []entry{{1_500_000, changed(tap(t, k, 1500), func(d *ledger.Decision) { d.Presentation = d.Presentation[:138] })}, {1_503_000, wentIn}}, 0},
		{"a code that is called a tap", []entry{{1_500_000, changed(window(t, k, 1500), func(d *ledger.Decision) { d.Mode = "tap" })}, {1_503_000, wentIn}}, 0},
		{"from afar", []entry{{1_500_000, changed(tap(t, k, 1500), func(d *ledger.Decision) { d.Mode = "remote" })}, {1_503_000, wentIn}}, 0},
		{"the way out", []entry{{1_500_000, changed(tap(t, k, 1500), func(d *ledger.Decision) { d.Exit = true })}, {1_503_000, &ledger.Passage{Seq: 1, Door: "front", Exit: true, Entered: true}}}, 0},
		{"let in and not gone in", []entry{{1_500_000, good}, {1_503_000, &ledger.Passage{Seq: 1, Door: "front"}}}, 0},
		{"no passage", []entry{{1_500_000, good}}, 0},
		{"another's passage", []entry{{1_500_000, good}, {1_503_000, &ledger.Passage{Seq: 2, Door: "front", Entered: true}}}, 0},
		{"a passage by another door", []entry{{1_500_000, good}, {1_503_000, &ledger.Passage{Seq: 1, Door: "back", Entered: true}}}, 0},
		{"a passage of the next run", []entry{{1_500_000, good}, {1_501_000, &ledger.Boot{}}, {1_503_000, wentIn}}, 0},
		{"taken back", []entry{{1_500_000, good}, {1_501_000, changed(tap(t, k, 1500), func(d *ledger.Decision) { d.Granted = false })}, {1_503_000, wentIn}}, 0},
		{"two passages by one grant", []entry{{1_500_000, good}, {1_503_000, wentIn}, {1_504_000, wentIn}}, 1},
		{"twice", []entry{{1_500_000, good}, {1_503_000, wentIn}, {1_600_000, tap(t, k, 1600)}, {1_603_000, wentIn}}, 2},
	} {
		l := attendance.NewLog(span)
		n := 0
		for i, e := range c.entries {
			if p := l.Apply(e.at, attendance.Place{Index: int64(i), Leaf: [32]byte{byte(i)}}, e.body); p != nil {
				n++
				if p.Passport != 7 || p.Passage.Index != int64(i) || p.At.Index >= int64(i) || p.Signed < 1000 {
					t.Errorf("%s: %+v", c.what, p)
				}
			}
		}
		if n != c.want {
			t.Errorf("%s: %d presences, want %d", c.what, n, c.want)
		}
	}
}

// TestDueIsBounded: a log of grants without passages takes no more memory than a
// door has people before it.
func TestDueIsBounded(t *testing.T) {
	t.Parallel()
	l, d := attendance.NewLog(span), tap(t, key(t), 1500)
	for seq := range uint64(5000) {
		granted := *d
		granted.Seq = seq + 1
		l.Apply(1_500_000, attendance.Place{}, &granted)
	}
	if l.Apply(1_500_000, attendance.Place{}, &ledger.Passage{Seq: 4096, Door: "front", Entered: true}) == nil {
		t.Error("the 4096th grant is forgotten")
	}
	if l.Apply(1_500_000, attendance.Place{}, &ledger.Passage{Seq: 4098, Door: "front", Entered: true}) != nil {
		t.Error("more are remembered")
	}
}

func TestCovered(t *testing.T) {
	t.Parallel()
	k := key(t)
	d := tap(t, k, 1500)
	l := attendance.NewLog(span)
	l.Apply(1_500_000, attendance.Place{}, d)
	p := l.Apply(1_503_000, attendance.Place{Index: 1}, wentIn)
	good := passport.Delegation{Passport: 7, Key: k.Key(), NotBefore: 1500, NotAfter: 1501, Mode: passport.ModeTap, Scope: passport.DoorTarget(node, "front")}
	if err := p.Covered(good, node); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*passport.Delegation){
		"of another passport": func(d *passport.Delegation) { d.Passport = 8 },
		"of another key":      func(d *passport.Delegation) { d.Key = key(t).Key() },
		"later":               func(d *passport.Delegation) { d.NotBefore = 1501 },
		"earlier":             func(d *passport.Delegation) { d.NotAfter = 1500 },
		"for codes":           func(d *passport.Delegation) { d.Mode = passport.ModeWindow },
		"for another door":    func(d *passport.Delegation) { d.Scope = passport.DoorTarget(node, "back") },
		"for another node":    func(d *passport.Delegation) { d.Scope = passport.NodeTarget(passport.NodeID{9}) },
	} {
		bad := good
		change(&bad)
		if err := p.Covered(bad, node); !errors.Is(err, attendance.ErrDelegation) {
			t.Errorf("a delegation %s: %v", what, err)
		}
	}
}

// TestPick: which of several counts hangs on the salt and not on the order.
func TestPick(t *testing.T) {
	t.Parallel()
	a := &attendance.Passed{At: attendance.Place{Leaf: [32]byte{1}}}
	b := &attendance.Passed{At: attendance.Place{Leaf: [32]byte{2}}}
	first := 0
	for n := range 1000 {
		salt := [32]byte{byte(n), byte(n >> 8)}
		x, y := a.Pick(salt), b.Pick(salt)
		if x == y || x != a.Pick(salt) {
			t.Fatal("a pick is no function of salt and leaf")
		}
		if string(x[:]) < string(y[:]) {
			first++
		}
	}
	if first < 400 || first > 600 {
		t.Errorf("of 1000 salts %d choose the first", first)
	}
}
