package edge_test

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/edge"
	"tombolo/edge/access"
	"tombolo/passport"
)

// pins is a Pins that notes what it was asked.
type pins struct {
	mu    sync.Mutex
	asked []string
	err   error
	gate  chan struct{} // Check waits for it, if it is not nil
}

func (p *pins) Check(who passport.ID, typed string) (access.Pin, error) {
	p.mu.Lock()
	p.asked = append(p.asked, typed)
	gate, err := p.gate, p.err
	p.mu.Unlock()
	if gate != nil {
		<-gate
	}
	if err != nil {
		return access.PinNotAsked, err
	}
	result, ok := map[string]access.Pin{"1234": access.PinRight, "4321": access.PinDuress}[typed]
	switch {
	case who != 7:
		return access.PinMissing, nil
	case !ok:
		return access.PinWrong, nil
	}
	return result, nil
}

// were is what Check was asked since.
func (p *pins) were() string {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	out := strings.Join(p.asked, ", ")
	p.asked = nil
	return out
}

// keypads is a bubble whose front door asks for a PIN.
func keypads(t *testing.T, f func(*rig, *pins)) {
	t.Helper()
	p := &pins{}
	bubble(t, []string{policyDoor("front", `pin = "always"`), policyDoor("back", ""), "[lockout]\nafter = 3\nfor = \"1m\"\n"}, func(r *rig) {
		r.journal.take()
		f(r, p)
	}, func(_ *rig, cfg *edge.Config) { cfg.Pins = p })
}

func (r *rig) keys(name string, exit bool, keys string) {
	r.t.Helper()
	for _, k := range []byte(keys) {
		if err := r.Key(r.ctx, name, exit, k); err != nil {
			r.t.Fatal(err)
		}
	}
	synctest.Wait()
}

// TestPin: a card and then the PIN open, and the record says so.
func TestPin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, keys, asked string
		want              access.Reason
		mode, shown       string
	}{
		{"right", "1234#", "1234", access.Granted, "tap+pin", "key, key, key, key, key, granted, none…"},
		{"under duress: it shows as any other", "4321#", "4321", access.Duress, "tap+duress", "key, key, key, key, key, granted, none…"},
		{"wrong", "1111#", "1111", access.WrongPin, "tap+wrong-pin", "key, key, key, key, key, denied, none…"},
		{"nothing typed", "#", "", access.WrongPin, "tap+wrong-pin", "key, denied, none…"},
		{"cleared and typed again", "99*1234#", "1234", access.Granted, "tap+pin", "key, key, key, key, key, key, key, key, granted, none…"},
		{"keys that are none", "1a2\x003\xff4#", "1234", access.Granted, "tap+pin", "key, key, key, key, key, key, key, key, granted, none…"},
		{"the longest", "1234567890123456#", "1234567890123456", access.WrongPin, "tap+wrong-pin", strings.Repeat("key, ", 17) + "denied, none…"},
		{"too long: no beginning of it counts", strings.Repeat("1", 40) + "#", strings.Repeat("1", 17), access.WrongPin, "tap+wrong-pin", strings.Repeat("key, ", 41) + "denied, none…"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			keypads(t, func(r *rig, p *pins) {
				r.present("front", "front", r.card)
				r.expectShown("a card", "front/in", "wait…")
				r.recorded("a card", "")
				r.keys("front", false, tt.keys)
				if asked := p.were(); asked != tt.asked {
					t.Errorf("asked about %q, want %q", asked, tt.asked)
				}
				d := r.decision()
				r.expect(tt.name, d, tt.want.Grants(), tt.want)
				if d.Mode != tt.mode || d.Passport != 7 || len(d.Presentation) == 0 {
					t.Errorf("the record: %+v", d)
				}
				if r.unlocked("front") != tt.want.Grants() {
					t.Error("the lock does not follow the decision")
				}
				r.expectShown(tt.name, "front/in", tt.shown)
				if shown := r.showed("front/out") + r.showed("back/in"); shown != "" {
					t.Errorf("other readers showed %q", shown)
				}
			})
		})
	}
}

// TestKeysAlike: nobody learns from a key whether a PIN is waited for.
func TestKeysAlike(t *testing.T) {
	t.Parallel()
	keypads(t, func(r *rig, p *pins) {
		const all = "0123456789*#A"
		r.keys("front", false, all)
		want := strings.TrimSuffix(strings.Repeat("key, ", len(all)), ", ")
		r.expectShown("nobody waits", "front/in", want)
		r.present("front", "front", r.card)
		r.expectShown("a card", "front/in", "wait…")
		r.keys("front", false, "0123456789*A")
		r.expectShown("somebody waits", "front/in", strings.TrimSuffix(want, ", key"))
		r.keys("front", true, "1234#")
		r.expectShown("on the other side", "front/out", "key, key, key, key, key")
		r.keys("back", false, "1234#")
		r.expectShown("at another door", "back/in", "key, key, key, key, key")
		r.keys("back", true, "1#") // has no reader
		r.keys("nowhere", false, "1#")
		if asked := p.were(); asked != "" {
			t.Errorf("asked about %q", asked)
		}
		r.recorded("so far", "")
		r.keys("front", false, "1234#")
		r.expect("and where it is asked for", r.decision(), true, access.Granted)
	})
}

// TestTypedByOthers: what somebody typed and left is no part of the next one's
// PIN, nor is what was typed before the card.
func TestTypedByOthers(t *testing.T) {
	t.Parallel()
	keypads(t, func(r *rig, p *pins) {
		r.keys("front", false, "99")
		r.present("front", "front", r.card)
		r.keys("front", false, "1234#")
		r.expect("typed before the card", r.decision(), true, access.Granted)
		time.Sleep(10 * time.Second)
		r.present("front", "front", r.card)
		r.keys("front", false, "12")
		time.Sleep(time.Minute)
		r.journal.take()
		r.present("front", "front", r.phone)
		r.keys("front", false, "1234#")
		r.expect("the one before gave up", r.decision(), true, access.Granted)
		time.Sleep(10 * time.Second)
		r.present("front", "front", r.card)
		r.keys("front", false, "12")
		r.journal.take()
		r.present("front", "front", r.card)
		r.keys("front", false, "1234#")
		r.recorded("presented again in the middle", "denied 4 pin-late, granted 5 granted, unlocked")
		if asked := p.were(); asked != "1234, 1234, 1234" {
			t.Errorf("asked about %q", asked)
		}
	})
}

// TestBusy: while a PIN is checked the door is not held up, further keys ask
// nothing, and the answer is for whom it was asked.
func TestBusy(t *testing.T) {
	t.Parallel()
	keypads(t, func(r *rig, p *pins) {
		other := softKey(t, passport.KindHalo, 9)
		r.people.change(func() { r.admit(other, 8, passport.ModeTap) })
		gate := make(chan struct{})
		p.gate = gate
		r.present("front", "front", r.card)
		r.keys("front", false, "1234#4321#")
		if asked := p.were(); asked != "1234" {
			t.Errorf("asked about %q while it was checked", asked)
		}
		r.expect("another door meanwhile", r.tap("back", "back", r.card), true, access.Granted)
		r.expect("and the way out", r.show("front", true, nil), true, access.Exit)
		time.Sleep(10 * time.Second)
		r.journal.take()
		close(gate)
		synctest.Wait()
		r.expect("checked", r.decision(), true, access.Granted)
		time.Sleep(10 * time.Second)

		gate = make(chan struct{})
		p.mu.Lock()
		p.gate = gate
		p.mu.Unlock()
		r.present("front", "front", r.card)
		r.keys("front", false, "1234#")
		r.present("front", "front", other)
		r.journal.take()
		close(gate)
		r.recorded("another one's card in between: the PIN is not theirs", "")
		if r.unlocked("front") {
			t.Error("opened by somebody else's PIN")
		}
		r.keys("front", false, "1234#")
		r.expect("who has none", r.decision(), false, access.NoPin)
	})
}

// TestPinLate: who types too late presents again, and a check that comes too
// late changes nothing.
func TestPinLate(t *testing.T) {
	t.Parallel()
	keypads(t, func(r *rig, p *pins) {
		r.present("front", "front", r.card)
		r.keys("front", false, "1234")
		time.Sleep(15*time.Second - time.Millisecond)
		r.recorded("before the time is over", "")
		r.showed("front/in")
		time.Sleep(2 * time.Millisecond)
		r.recorded("it is over", "denied 1 pin-late")
		r.expectShown("it is over", "front/in", "denied, none…")
		r.keys("front", false, "#")
		r.recorded("then nobody waits", "")
		r.present("front", "front", r.card)
		p.gate = make(chan struct{})
		r.keys("front", false, "1234#")
		time.Sleep(time.Minute)
		r.recorded("a check that takes for ever", "denied 2 pin-late")
		close(p.gate)
		r.recorded("and ends", "")
		if r.unlocked("front") {
			t.Error("opened too late")
		}
	})
}

// TestPinUnderChange: when the ledgers move while a PIN is typed or checked, who
// types it goes on, and is judged by what the ledgers say then.
func TestPinUnderChange(t *testing.T) {
	t.Parallel()
	keypads(t, func(r *rig, p *pins) {
		r.present("front", "front", r.card)
		r.keys("front", false, "12")
		r.people.change(func() {})
		time.Sleep(time.Second)
		r.recorded("while it is typed", "basis ntp")
		r.keys("front", false, "34#")
		r.recorded("nothing that concerns them", "granted 1 granted, unlocked")
		time.Sleep(10 * time.Second)
		r.recorded("nobody passes", "locked, lapsed 1")

		gate := make(chan struct{})
		p.gate = gate
		r.present("front", "front", r.card)
		r.keys("front", false, "1234#")
		r.people.change(func() {
			id := r.card.Key().ID()
			h := r.people.holders[id]
			h.Revoked = true
			r.people.holders[id] = h
		})
		close(gate)
		r.recorded("revoked while it is checked, and before anybody has looked", "basis ntp, denied 2 revoked")
		if r.unlocked("front") {
			t.Error("opened on what was so before")
		}
	})
}

// TestPinOfAnotherTap: what was typed for one presentation answers that one alone,
// though the next is of the same card.
func TestPinOfAnotherTap(t *testing.T) {
	t.Parallel()
	keypads(t, func(r *rig, p *pins) {
		gate := make(chan struct{})
		p.gate = gate
		r.present("front", "front", r.card)
		r.keys("front", false, "1234#")
		r.present("front", "front", r.card)
		r.recorded("it comes again while the PIN is checked", "denied 1 pin-late")
		close(gate)
		r.recorded("and the PIN was right", "")
		if r.unlocked("front") {
			t.Error("opened by what was typed before")
		}
		r.keys("front", false, "1234#")
		r.recorded("typed again", "granted 2 granted, unlocked")
	})
}

// TestNoPins: a gateway that cannot check a PIN lets nobody in by one.
func TestNoPins(t *testing.T) {
	t.Parallel()
	keypads(t, func(r *rig, p *pins) {
		p.err = errors.New("the box cannot be opened")
		r.present("front", "front", r.card)
		r.keys("front", false, "1234#")
		r.expect("an error", r.decision(), false, access.NoPin)
		if !strings.Contains(r.log.String(), "the box cannot be opened") {
			t.Error("nobody is told")
		}
	})
	bubble(t, []string{policyDoor("front", `pin = "always"`)}, func(r *rig) {
		r.present("front", "front", r.card)
		r.journal.take()
		r.keys("front", false, "1234#")
		r.expect("no PINs at all", r.decision(), false, access.NoPin)
	})
}

// TestLockout: after so many wrong PINs none counts, and nobody can tell that
// from a wrong one; an alarm is raised all the same.
func TestLockout(t *testing.T) {
	t.Parallel()
	keypads(t, func(r *rig, _ *pins) {
		try := func(typed string) *struct{ reason, shown string } {
			t.Helper()
			r.journal.take()
			r.showed("front/in")
			r.present("front", "front", r.card)
			r.keys("front", false, typed+"#")
			return &struct{ reason, shown string }{r.decision().Reason, r.showed("front/in")}
		}
		wrong := try("1111")
		for i, tt := range []struct{ typed, reason string }{
			{"1111", "wrong-pin"}, {"1111", "wrong-pin"}, {"1111", "locked-out"}, {"1234", "locked-out"}, {"4321", "locked-out-duress"},
		} {
			got := try(tt.typed)
			if got.reason != tt.reason || got.shown != wrong.shown {
				t.Errorf("try %d: %+v, want %s, shown as %s", i, got, tt.reason, wrong.shown)
			}
		}
		r.expect("a door that asks for none", r.tap("back", "back", r.card), true, access.Granted)
		time.Sleep(time.Minute)
		if got := try("1234"); got.reason != "granted" {
			t.Errorf("once the time is over: %+v", got)
		}
	})
}

// TestStopWhileChecked: the controller ends when the check has, and opens nothing.
func TestStopWhileChecked(t *testing.T) {
	t.Parallel()
	keypads(t, func(r *rig, p *pins) {
		gate := make(chan struct{})
		p.gate = gate
		r.present("front", "front", r.card)
		r.keys("front", false, "1234#")
		stopped := make(chan struct{})
		go func() {
			r.stop()
			close(stopped)
		}()
		time.Sleep(time.Second)
		select {
		case <-stopped:
			t.Error("ended while somebody still used the Pins")
		default:
		}
		close(gate)
		<-stopped
		if r.unlocked("front") || len(decisions(r.journal.take())) != 0 {
			t.Error("decided after the end")
		}
	})
}
