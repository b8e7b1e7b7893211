package census_test

import (
	"errors"
	"strings"
	"testing"

	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

func summon(t *testing.T, w *world, tag census.Tag) (c passport.Challenge, auditor [32]byte) {
	t.Helper()
	_, s := auditorKey(t, w, tag)
	c, err := census.NewSummons(w.rnd, w.community, w.opened.ID(), tag, s.Auditor, closes+9000)
	if err != nil {
		t.Fatal(err)
	}
	return c, s.Auditor
}

func tapped(t *testing.T, key *passport.SoftKey, c passport.Challenge) passport.Tap {
	t.Helper()
	tap, err := passport.ParseTap(answer(t, key, c))
	if err != nil {
		t.Fatal(err)
	}
	return tap
}

func TestSummons(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		play func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (tap passport.Tap, others [][]byte)
		want error
		says string
	}{
		{name: "came", play: nil},
		{name: "came with another key", play: func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (passport.Tap, [][]byte) {
			key, _ := passport.GenerateSoftKey(passport.KindHalo, w.rnd)
			return tapped(t, key, *c), [][]byte{w.delegate(t, v.who, key, passport.ModeTap)}
		}},
		{name: "somebody else's key", want: census.ErrSummons, says: "not delegated", play: func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (passport.Tap, [][]byte) {
			return tapped(t, w.people[2].key, *c), [][]byte{w.people[2].delegation}
		}},
		{name: "a key that another wallet delegated", want: census.ErrSummons, says: "not delegated", play: func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (passport.Tap, [][]byte) {
			key, _ := passport.GenerateSoftKey(passport.KindHalo, w.rnd)
			thief := *w.people[2]
			thief.id = v.who.id
			return tapped(t, key, *c), [][]byte{w.delegate(t, &thief, key, passport.ModeTap)}
		}},
		{name: "a key for codes alone", want: census.ErrSummons, says: "not delegated", play: func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (passport.Tap, [][]byte) {
			key, _ := passport.GenerateSoftKey(passport.KindPhone, w.rnd)
			return tapped(t, key, *c), [][]byte{w.delegate(t, v.who, key, passport.ModeWindow)}
		}},
		{name: "a delegation that is none", want: census.ErrSummons, says: "length", play: func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (passport.Tap, [][]byte) {
			return tapped(t, w.people[2].key, *c), [][]byte{{1}}
		}},
		{name: "an old answer", want: census.ErrSummons, says: "another challenge", play: func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (passport.Tap, [][]byte) {
			old := *c
			old.Nonce[0] ^= 1
			return tapped(t, v.who.key, old), nil
		}},
		{name: "an answer of another time", want: census.ErrSummons, says: "another challenge", play: func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (passport.Tap, [][]byte) {
			tap := tapped(t, v.who.key, *c)
			tap.Time++
			return tap, nil
		}},
		{name: "a tap at a door", want: census.ErrSummons, says: "signature", play: func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (passport.Tap, [][]byte) {
			door := *c
			door.Place = passport.TapPlace([32]byte{1}, passport.DoorTarget(passport.NodeID(w.node), "front"))
			return tapped(t, v.who.key, door), nil
		}},
		{name: "a challenge that names a door", want: census.ErrSummons, says: "another's", play: func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (passport.Tap, [][]byte) {
			c.Place = passport.TapPlace([32]byte{1}, passport.DoorTarget(passport.NodeID(w.node), "front"))
			return tapped(t, v.who.key, *c), nil
		}},
		{name: "another auditor's challenge", want: census.ErrSummons, says: "another's", play: func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (passport.Tap, [][]byte) {
			auditor[0] ^= 1
			return tapped(t, v.who.key, *c), nil
		}},
		{name: "another community's challenge", want: census.ErrSummons, says: "another's", play: func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (passport.Tap, [][]byte) {
			c.Community[0] ^= 1
			return tapped(t, v.who.key, *c), nil
		}},
		{name: "a bad opening", want: census.ErrReported, play: func(t *testing.T, w *world, v *visit, o *census.Opening, e *census.Entry, c *passport.Challenge, auditor *[32]byte) (passport.Tap, [][]byte) {
			o.Salt[0] ^= 1
			return tapped(t, v.who.key, *c), nil
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, plain)
			v := w.visit(t, w.admitOne(t, passport.KindHalo, passport.ModeTap), 0, "front", opens+100, false)
			w.visit(t, w.admitOne(t, passport.KindPhone, passport.ModeTap|passport.ModeWindow), 0, "front", opens+200, true)
			w.admitOne(t, passport.KindHalo, passport.ModeTap)
			w.report(t)
			o, e := w.open(t, v, false), w.listed(t, v)
			c, auditor := summon(t, w, v.tag)
			var tap passport.Tap
			var others [][]byte
			if tt.play == nil {
				tap = tapped(t, v.who.key, c)
			} else {
				tap, others = tt.play(t, w, v, &o, &e, &c, &auditor)
			}
			err := census.CheckSummons(w.rules(), e, o, auditor, c, tap, others...)
			if !errors.Is(err, tt.want) || tt.want != nil && !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %v (%s)", err, tt.want, tt.says)
			}
		})
	}
}

// TestSummonsOpensNoDoor: its place is none that a gateway gives, and differs by
// epoch, tag and auditor.
func TestSummonsOpensNoDoor(t *testing.T) {
	t.Parallel()
	seen := map[passport.Target]bool{}
	for _, epoch := range []ledger.EpochID{{1}, {2}} {
		for _, tag := range []census.Tag{{1}, {2}} {
			for _, auditor := range [][32]byte{{1}, {2}} {
				seen[census.SummonsPlace(epoch, tag, auditor)] = true
				seen[passport.TapPlace(auditor, passport.Target(tag))] = true
			}
		}
	}
	if len(seen) != 8+4 {
		t.Errorf("%d places", len(seen))
	}
	if _, err := census.NewSummons(strings.NewReader("short"), ledger.CharterID{}, ledger.EpochID{}, census.Tag{}, [32]byte{}, 1); err == nil {
		t.Error("a challenge without randomness")
	}
}

func TestCanTap(t *testing.T) {
	t.Parallel()
	w := newWorld(t, plain)
	for mode, want := range map[passport.Mode]bool{passport.ModeTap: true, passport.ModeWindow: false, passport.ModeTap | passport.ModeWindow: true} {
		o := census.Opening{Delegation: w.admitOne(t, passport.KindPhone, mode).delegation}
		if can, err := o.CanTap(); err != nil || can != want {
			t.Errorf("%v: %v, %v", mode, can, err)
		}
	}
	if _, err := (census.Opening{}).CanTap(); !errors.Is(err, census.ErrDelegation) {
		t.Errorf("%v", err)
	}
}

// TestCame: the record names neither key nor nonce.
func TestCame(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	v := w.visits[0]
	c, _ := summon(t, w, v.tag)
	a, b := census.Came(4, v.tag, tapped(t, v.who.key, c)), census.Absent(4, v.tag, closes+9000)
	if !a.Came || len(a.Proof) != 64 || b.Came || b.Proof != "" || a.Time != b.Time || a.Tag != b.Tag {
		t.Errorf("%+v, %+v", a, b)
	}
	c.Nonce[0] ^= 1
	if again := census.Came(4, v.tag, tapped(t, v.who.key, c)); again.Proof == a.Proof {
		t.Error("two taps have one proof")
	}
}
