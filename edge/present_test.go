package edge_test

import (
	"context"
	"errors"
	"math/big"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/edge"
	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
)

// TestCodeReasons is every reason that a presentation meets before the rules of
// package access, and who is named in the record.
func TestCodeReasons(t *testing.T) {
	t.Parallel()
	sign := func(r *rig, k *passport.SoftKey, change func(*passport.WindowStatement)) passport.Window {
		s := r.statement(passport.NodeTarget(node))
		change(&s)
		sig, err := k.Sign(s.Sum())
		if err != nil {
			r.t.Fatal(err)
		}
		return s.Window(k.Key().ID(), sig)
	}
	same := func(*passport.WindowStatement) {}
	for _, tt := range []struct {
		name  string
		frame func(*rig) []byte
		want  access.Reason
		named bool
	}{
		{"a code", func(r *rig) []byte { return r.code() }, access.Granted, true},
		{"nothing", func(*rig) []byte { return nil }, access.Unreadable, false},
		{"the code on a packet", func(*rig) []byte { return []byte("4006381333931") }, access.Unreadable, false},
		{"not base45", func(*rig) []byte { return []byte("ünicode") }, access.Unreadable, false},
		{"a character too few", func(r *rig) []byte { c := r.code(); return c[:len(c)-1] }, access.Unreadable, false},
		{"a character too many", func(r *rig) []byte { return append(r.code(), '0') }, access.Unreadable, false},
		{"zeros", func(*rig) []byte { return []byte(strings.Repeat("0", 177)) }, access.Unreadable, false},
		{"the longest frame", func(*rig) []byte { return []byte(strings.Repeat("A", 4296)) }, access.Unreadable, false},
		{"another community's", func(r *rig) []byte {
			return r.frame(sign(r, r.phone, func(s *passport.WindowStatement) { s.Community[0]++ }))
		}, access.OtherCommunity, false},
		{"its short id alone is ours", func(r *rig) []byte {
			return r.frame(sign(r, r.phone, func(s *passport.WindowStatement) { s.Community[31]++ }))
		}, access.BadSignature, false},
		{"another node's", func(r *rig) []byte {
			return r.frame(sign(r, r.phone, func(s *passport.WindowStatement) { s.Target = passport.NodeTarget(passport.NodeID{9}) }))
		}, access.OutOfScope, false},
		{"another door's", func(r *rig) []byte {
			return r.frame(sign(r, r.phone, func(s *passport.WindowStatement) { s.Target = passport.DoorTarget(node, "back") }))
		}, access.OutOfScope, false},
		{"this door's", func(r *rig) []byte {
			return r.frame(sign(r, r.phone, func(s *passport.WindowStatement) { s.Target = passport.DoorTarget(node, "front") }))
		}, access.Granted, true},
		{"an unknown key", func(r *rig) []byte { return r.frame(sign(r, softKey(r.t, passport.KindPhone, 9), same)) }, access.UnknownKey, false},
		{"another passport's number", func(r *rig) []byte {
			return r.frame(sign(r, r.phone, func(s *passport.WindowStatement) { s.Passport = 8 }))
		}, access.UnknownKey, false},
		{"a changed start", func(r *rig) []byte { w := sign(r, r.phone, same); w.Start++; return r.frame(w) }, access.BadSignature, false},
		{"a changed nonce", func(r *rig) []byte { w := sign(r, r.phone, same); w.Nonce[0]++; return r.frame(w) }, access.BadSignature, false},
		{"a card's", func(r *rig) []byte { return r.frame(sign(r, r.card, same)) }, access.WrongMode, false},
		{"too early", func(r *rig) []byte {
			return r.frame(sign(r, r.phone, func(s *passport.WindowStatement) { s.Start += 60 }))
		}, access.CodeEarly, true},
		{"too late", func(r *rig) []byte {
			return r.frame(sign(r, r.phone, func(s *passport.WindowStatement) { s.Start -= 60 }))
		}, access.CodeExpired, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			bubble(t, bothDoors, func(r *rig) {
				d := r.show("front", false, tt.frame(r))
				r.expect(tt.name, d, tt.want == access.Granted, tt.want)
				if named := d.Passport != 0 && len(d.Key) > 0 && len(d.Presentation) > 0; named != tt.named || (d.Passport != 0) != tt.named {
					t.Errorf("a person named in the record: %+v", d)
				}
				if r.unlocked("front") != (tt.want == access.Granted) {
					t.Error("the lock does not follow the decision")
				}
				// At an exit reader the same frame lets out.
				r.expect("on the way out", r.show("back", true, tt.frame(r)), true, access.Exit)
				if !r.unlocked("back") {
					t.Error("not let out")
				}
			})
		})
	}
}

// TestUnread: what no reader could read opens the way out alone, and is recorded.
func TestUnread(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		for _, door := range []string{"front", "back"} {
			for _, exit := range []bool{false, true} {
				r.journal.take()
				if err := r.Unread(r.ctx, door, exit); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				want := access.Unreadable
				if exit {
					want = access.Exit
				}
				d := r.decision()
				r.expect(door, d, exit, want)
				if d.Mode != "unread" || d.Exit != exit || d.Passport != 0 || len(d.Presentation) != 0 {
					t.Errorf("recorded as %+v", d)
				}
				if r.unlocked(door) != exit {
					t.Errorf("%s, out %v: the lock does not follow the decision", door, exit)
				}
			}
		}
	})
}

// TestReplay: a code opens once for all doors of the gateway.
func TestReplay(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		code := r.code()
		r.expect("first", r.show("front", false, code), true, access.Granted)
		r.expect("again", r.show("front", false, code), false, access.CodeReplayed)
		r.expect("at another door", r.show("back", false, code), false, access.CodeReplayed)
		r.people.change(func() {
			r.people.holders[r.phone.Key().ID()] = changed(r, func(h *access.Holder) { h.Suspended = true })
		})
		denied := r.code()
		r.expect("a denial", r.show("front", false, denied), false, access.Suspended)
		r.people.change(func() {
			r.people.holders[r.phone.Key().ID()] = changed(r, func(h *access.Holder) { h.Suspended = false })
		})
		r.expect("uses no code up", r.show("front", false, denied), true, access.Granted)
	})
}

func changed(r *rig, change func(*access.Holder)) access.Holder {
	h := r.people.holders[r.phone.Key().ID()]
	change(&h)
	return h
}

// TestStart: codes that may have been used before the start are refused, by the
// clock and by what the door log shows.
func TestStart(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.expect("the log is ahead of the clock", r.show("front", false, r.code()), false, access.CodeBeforeStart)
		r.expect("a tap works", r.tap("front", "front", r.card), true, access.Granted)
		time.Sleep(time.Minute + 30*time.Second)
		r.expect("it has caught up", r.show("front", false, r.code()), true, access.Granted)
	}, func(_ *rig, cfg *edge.Config) { cfg.Reached = time.Now().Add(2 * time.Minute) })
}

// TestRevokedInBetween: a revocation that was projected after the signature was
// checked counts.
func TestRevokedInBetween(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*rig, *access.Holder)
		want   access.Reason
	}{
		{"nothing of this key", func(*rig, *access.Holder) {}, access.Granted},
		{"revoked", func(_ *rig, h *access.Holder) { h.Revoked = true }, access.Revoked},
		{"suspended", func(_ *rig, h *access.Holder) { h.Suspended = true }, access.Suspended},
		{"gone", func(_ *rig, h *access.Holder) { *h = access.Holder{} }, access.UnknownKey},
		{"claimed by another passport", func(_ *rig, h *access.Holder) { h.Delegation.Passport = 8 }, access.UnknownKey},
		{"delegated as another kind", func(r *rig, h *access.Holder) { h.Delegation.Key.Kind = passport.KindHalo }, access.UnknownKey},
		{"the roster fails", func(r *rig, _ *access.Holder) { r.people.err = errors.New("disk") }, access.Internal},
	} {
		bubble(t, bothDoors, func(r *rig) {
			code := r.code()
			r.people.after = func() {
				r.people.change(func() {
					id := r.phone.Key().ID()
					h := r.people.holders[id]
					tt.change(r, &h)
					delete(r.people.holders, id)
					r.people.holders[id] = h
				})
			}
			r.expect(tt.name, r.show("front", false, code), tt.want == access.Granted, tt.want)
		})
	}
}

// TestTap: an answer opens the door that the challenge was made for.
func TestTap(t *testing.T) {
	t.Parallel()
	bubble(t, []string{policyDoor("front", `codes = "none"`), policyDoor("back", "")}, func(r *rig) {
		d := r.tap("front", "front", r.card)
		r.expect("a card", d, true, access.Granted)
		if d.Mode != "tap" || d.Passport != 7 {
			t.Errorf("the record: %+v", d)
		}
		if tap, err := passport.ParseTap(d.Presentation); err != nil || tap.Time != uint64(r.clock().Now.Unix()) {
			t.Errorf("the presentation: %+v, %v", tap, err)
		}
		r.expect("a phone", r.tap("front", "front", r.phone), true, access.Granted)
		r.expect("a code", r.show("front", false, r.code()), false, access.NoCodes)
		r.expect("a challenge of another door", r.tap("front", "back", r.card), false, access.OutOfScope)
		r.expect("nobody's card", r.tap("front", "front", softKey(t, passport.KindHalo, 9)), false, access.UnknownKey)

		c := r.Challenge("front", [32]byte{7})
		other := c
		other.Nonce[0]++
		sig, _ := r.card.Sign(other.Sum())
		for what, tt := range map[string]struct {
			key  passport.Key
			sig  passport.Signature
			want access.Reason
		}{
			"an answer to another challenge": {r.card.Key(), sig, access.BadSignature},
			"no signature":                   {r.card.Key(), passport.Signature{}, access.Unreadable},
			"a key that is none":             {passport.Key{}, sig, access.Unreadable},
			"the key as another kind":        {passport.Key{Kind: passport.KindKeycard, Point: r.card.Key().Point}, sig, access.BadSignature},
		} {
			r.journal.take()
			if err := r.Tap(r.ctx, "front", false, c, tt.key, tt.sig); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			r.expect(what, r.decision(), false, tt.want)
		}
		// Cards emit either of the two signatures; one of them is kept.
		good := must(r.card.Sign(c.Sum()))
		s := new(big.Int).SetBytes(good[32:])
		new(big.Int).Sub(crypto.S256().Params().N, s).FillBytes(good[32:])
		r.journal.take()
		if err := r.Tap(r.ctx, "front", false, c, r.card.Key(), good); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		d = r.decision()
		r.expect("the other form of a signature", d, true, access.Granted)
		if _, err := passport.ParseTap(d.Presentation); err != nil {
			t.Errorf("kept in a form that cannot be read: %v", err)
		}
		r.set(func() { r.trust = access.TrustUnknown })
		if c := r.Challenge("front", [32]byte{8}); c.Time != 0 {
			t.Errorf("without a clock the challenge says %d", c.Time)
		}
		r.expect("without a clock", r.tap("front", "front", r.card), true, access.Granted)
		r.expect("a code without a clock", r.show("back", false, r.code()), false, access.ClockUnknown)
		r.people.err = errors.New("a damaged row")
		r.expect("the roster fails", r.tap("front", "front", r.card), false, access.Internal)
		r.expect("for codes too", r.show("front", false, r.code()), false, access.Internal)
		r.expect("and never on the way out", r.show("front", true, r.code()), true, access.Exit)
	})
}

// TestNoPolicy: exits open, and nothing else does; nor does a door that the
// policy gives to another gateway.
func TestNoPolicy(t *testing.T) {
	t.Parallel()
	for name, doors := range map[string][]string{
		"none":              nil,
		"without the door":  {policyDoor("side", "")},
		"another gateway's": {strings.ReplaceAll(policyDoor("front", ""), "gw1", "gw2")},
	} {
		bubble(t, doors, func(r *rig) {
			r.expect(name, r.show("front", false, r.code()), false, access.NoPolicy)
			r.expect(name+", garbage", r.show("front", false, []byte("garbage")), false, access.Unreadable)
			r.expect(name+", tap", r.tap("front", "front", r.card), false, access.NoPolicy)
			if r.unlocked("front") {
				t.Error("opened without a policy")
			}
			r.expect(name+", exit", r.show("front", true, r.code()), true, access.Exit)
			if !r.unlocked("front") {
				t.Error("not let out")
			}
		})
	}
}

// TestCallersContext: a reader that is cancelled withdraws nothing that the
// owner has.
func TestCallersContext(t *testing.T) {
	t.Parallel()
	bubble(t, []string{policyDoor("front", "record_first = true")}, func(r *rig) {
		r.journal.gate = make(chan struct{})
		ctx, cancel := context.WithCancel(r.ctx)
		if err := r.Code(ctx, "front", false, r.code()); err != nil {
			t.Fatal(err)
		}
		cancel()
		synctest.Wait()
		close(r.journal.gate)
		synctest.Wait()
		if !r.unlocked("front") {
			t.Error("the reader's end kept the door shut")
		}
		if err := r.Code(ctx, "front", false, r.code()); !errors.Is(err, context.Canceled) {
			t.Errorf("a reader that has ended: %v", err)
		}
	})
}

// TestPolicyChanges: a strike that runs keeps its time; the next has the new one.
func TestPolicyChanges(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.show("front", false, r.code())
		r.people.change(func() {
			r.people.view.Policy = must(policy.Parse("", []byte(policyHead+strings.ReplaceAll(policyDoor("front", ""), `"5s"`, `"20s"`))))
		})
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if r.unlocked("front") {
			t.Error("a policy lengthened a strike that ran")
		}
		r.show("front", false, r.code())
		time.Sleep(19 * time.Second)
		synctest.Wait()
		if !r.unlocked("front") {
			t.Error("the new policy does not count")
		}
	})
}

// TestFlood: readers that shout cost nothing that stays, and hold up no door.
// It counts goroutines, so it runs alone.
func TestFlood(t *testing.T) {
	bubble(t, bothDoors, func(r *rig) {
		before := runtime.NumGoroutine()
		const each, readers = 300, 8
		done := make(chan error, readers)
		good := r.code()
		for range readers {
			go func() {
				for range each {
					if err := r.Code(r.ctx, "front", false, []byte("garbage")); err != nil {
						done <- err
						return
					}
				}
				done <- nil
			}()
		}
		if err := r.Code(r.ctx, "back", false, good); err != nil {
			t.Fatal(err)
		}
		for range readers {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		seen := map[uint64]bool{}
		for _, d := range decisions(r.journal.take()) {
			if seen[d.Seq] {
				t.Errorf("two decisions have the number %d", d.Seq)
			}
			seen[d.Seq] = true
		}
		if len(seen) != each*readers+1 || !r.unlocked("back") || r.unlocked("front") {
			t.Errorf("%d decisions", len(seen))
		}
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%d goroutines, %d before", after, before)
		}
	})
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
