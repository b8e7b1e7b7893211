package access_test

import (
	"encoding/binary"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/edge/access"
	"tombolo/passport"
)

const length = 20

// code is valid from 20 s before its start until 40 s after, as it lies to now.
func code(nonce int, start int64) passport.Window {
	w := passport.Window{Passport: 7, Start: uint32(now.Unix() + start), Length: length}
	binary.BigEndian.PutUint64(w.Nonce[:], uint64(nonce))
	return w
}

func at(seconds float64) time.Time { return now.Add(time.Duration(seconds * float64(time.Second))) }

// present is what the panel does with a code that everything else lets in.
func present(c *access.Codes, now time.Time, up time.Duration, w passport.Window) access.Reason {
	r := c.Check(now, up, w)
	if r == access.None {
		c.Use(w)
	}
	return r
}

const long = 24 * time.Hour // up for so long that no start matters

func TestCodes(t *testing.T) {
	t.Parallel()
	type use struct {
		at   float64
		up   time.Duration
		w    passport.Window
		want access.Reason
	}
	other := code(1, 0)
	other.Passport = 8
	resigned := code(1, 0)
	resigned.Sig[0] = 1
	moved := code(1, 20)
	for _, tt := range []struct {
		name    string
		reached time.Time
		uses    []use
	}{
		{"once", time.Time{}, []use{{0, long, code(1, 0), access.None}, {1, long, code(1, 0), access.CodeReplayed}}},
		{"another nonce", time.Time{}, []use{{0, long, code(1, 0), access.None}, {0, long, code(2, 0), access.None}}},
		{"another passport's nonce", time.Time{}, []use{{0, long, other, access.None}, {0, long, code(1, 0), access.None}}},
		{"an altered signature", time.Time{}, []use{{0, long, code(1, 0), access.None}, {0, long, resigned, access.CodeReplayed}}},
		{"the nonce in another window", time.Time{}, []use{{0, long, code(1, 0), access.None}, {0, long, moved, access.CodeReplayed}}},
		{"at its last second", time.Time{}, []use{{0, long, code(1, 0), access.None}, {39, long, code(1, 0), access.CodeReplayed}}},
		{"forgotten, and over for good", time.Time{}, []use{{0, long, code(1, 0), access.None}, {40, long, code(1, 0), access.CodeExpired}}},
		{"clock set forward and back", time.Time{}, []use{
			{0, long, code(1, 0), access.None}, {3600, long, code(2, 3600), access.None},
			{10, long, code(1, 0), access.CodeExpired},
			{10, long, code(3, 0), access.CodeExpired}, // may have been forgotten with the rest
			{10, long, code(4, 20), access.None}}},
		{"clock set back", time.Time{}, []use{
			{0, long, code(1, 0), access.None}, {-3600, long, code(2, -3600), access.None}, {0, long, code(1, 0), access.CodeReplayed}}},

		// Up for 10 s: windows that began before the start, and one window after it.
		{"began long before the start", time.Time{}, []use{{0, 10 * time.Second, code(1, -20), access.CodeBeforeStart}}},
		{"began with the start", time.Time{}, []use{{0, 10 * time.Second, code(1, -10), access.CodeBeforeStart}}},
		{"began one window after it", time.Time{}, []use{{0, 10 * time.Second, code(1, 10), access.CodeBeforeStart}}},
		{"began a second later", time.Time{}, []use{{0, 10 * time.Second, code(1, 11), access.None}}},
		{"the start's fraction of a second", time.Time{}, []use{
			{0.9, 10 * time.Second, code(1, 10), access.CodeBeforeStart}, {0.9, 10 * time.Second, code(2, 11), access.None}}},
		{"the clock is set forward: the start moves with it", time.Time{}, []use{
			{1e6, 10 * time.Second, code(1, 1e6), access.CodeBeforeStart}, {1e6, 10 * time.Second, code(1, 1e6+11), access.None}}},

		// Set back while the gateway did not run: what the log shows counts.
		{"a code of before the log's end", at(100), []use{{50, 30 * time.Second, code(1, 70), access.CodeBeforeStart}}},
		{"one window after the log's end", at(100), []use{{100, 80 * time.Second, code(1, 120), access.CodeBeforeStart}}},
		{"a second later, again", at(100), []use{{101, 81 * time.Second, code(1, 121), access.None}}},
		{"a log of long ago", at(-1e6), []use{{0, 10 * time.Second, code(1, 11), access.None}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := access.NewCodes(tt.reached)
			for i, u := range tt.uses {
				if got := present(c, at(u.at), u.up, u.w); got != u.want {
					t.Errorf("use %d: %v, want %v", i, got, u.want)
				}
			}
		})
	}
}

// TestCodesFull: a gateway that cannot remember one more refuses it, forgets
// none, and takes codes again once the first are over.
func TestCodesFull(t *testing.T) {
	t.Parallel()
	c := access.NewCodes(time.Time{})
	for i := range access.MaxCodes {
		if r := present(c, now, long, code(i, int64(i%2))); r != access.None {
			t.Fatalf("code %d: %v", i, r)
		}
	}
	if r := present(c, now, long, code(access.MaxCodes, 0)); r != access.CodesFull {
		t.Errorf("one more: %v", r)
	}
	if r := present(c, now, long, code(17, 1)); r != access.CodeReplayed {
		t.Errorf("one that was used: %v", r)
	}
	if r := present(c, at(40), long, code(access.MaxCodes, 40)); r != access.None || c.Len() != access.MaxCodes/2+1 {
		t.Errorf("once half of them are over: %v, %d remembered", r, c.Len())
	}
}

// TestCheckUsesNothing: a code that was only asked for opens as before; one that
// was used twice is remembered once.
func TestCheckUsesNothing(t *testing.T) {
	t.Parallel()
	c := access.NewCodes(time.Time{})
	for range 3 {
		if r := c.Check(now, long, code(1, 0)); r != access.None || c.Len() != 0 {
			t.Fatalf("asked: %v, %d remembered", r, c.Len())
		}
	}
	c.Use(code(1, 0))
	c.Use(code(1, 0))
	if r := c.Check(now, long, code(1, 0)); r != access.CodeReplayed || c.Len() != 1 {
		t.Errorf("used: %v, %d remembered", r, c.Len())
	}
	if r := c.Check(at(40), long, code(2, 40)); r != access.None || c.Len() != 0 {
		t.Errorf("once it is over: %v, %d remembered", r, c.Len())
	}
}

// TestCodesOpenOnce: a code never opens twice, through any sequence of uses,
// clocks that run and are set, and restarts.
func TestCodesOpenOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		opened := map[[16]byte]bool{}
		var pool []passport.Window
		var reached time.Time // what the door log shows
		wall, up := now, time.Duration(0)
		c := access.NewCodes(reached)
		seconds := func(label string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least*1000, most*1000).Draw(t, label)) * time.Millisecond
		}
		show := func(w passport.Window) {
			if w.At(wall.Unix()) != passport.WindowOK || present(c, wall, up, w) != access.None {
				return
			}
			if opened[w.Nonce] {
				t.Fatalf("nonce %x opened twice", w.Nonce[:8])
			}
			opened[w.Nonce] = true
			if wall.After(reached) {
				reached = wall
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"fresh": func(*rapid.T) {
				w := code(len(pool), int64(wall.Sub(now)/time.Second)+int64(seconds("start", -45, 25)/time.Second))
				w.Length = uint8(rapid.IntRange(passport.MinWindow, passport.MaxWindow).Draw(t, "length"))
				pool = append(pool, w)
				show(w)
			},
			"again": func(*rapid.T) {
				if len(pool) > 0 {
					show(pool[rapid.IntRange(0, len(pool)-1).Draw(t, "which")])
				}
			},
			"wait": func(*rapid.T) {
				d := seconds("for", 0, 60)
				wall, up = wall.Add(d), up+d
			},
			"set": func(*rapid.T) { wall = wall.Add(seconds("by", -200, 200)) },
			"back to an old code": func(*rapid.T) {
				if len(pool) > 0 {
					w := pool[rapid.IntRange(0, len(pool)-1).Draw(t, "whose")]
					wall = time.Unix(int64(w.Start), 0)
				}
			},
			"restart": func(*rapid.T) { c, up = access.NewCodes(reached), 0 },
		})
	})
}
