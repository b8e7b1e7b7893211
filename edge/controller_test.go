package edge_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/edge"
	"tombolo/edge/access"
	"tombolo/hw/sim"
	"tombolo/sync/ledger"
)

var bothDoors = []string{policyDoor("front", ""), policyDoor("back", "")}

// TestGrant: the relay moves in the instant of the code and goes back when the
// strike time is over; the record comes after it.
func TestGrant(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.recorded("at the start", "Boot")
		for _, door := range []string{"front", "back"} {
			start := time.Now()
			d := r.show(door, false, r.code())
			r.expect(door, d, true, access.Granted)
			if d.Passport != 7 || len(d.Key) != 32 || len(d.Presentation) != 118 || d.Mode != "window" || d.Policy != 4 || d.RosterAge != -1 || d.Door != door {
				t.Errorf("the record: %+v", d)
			}
			if !r.unlocked(door) {
				t.Fatal("not unlocked at once")
			}
			time.Sleep(5*time.Second - 1)
			synctest.Wait()
			if !r.unlocked(door) {
				t.Error("locked before the strike time was over")
			}
			time.Sleep(time.Nanosecond)
			synctest.Wait()
			if r.unlocked(door) {
				t.Error("unlocked after the strike time")
			}
			moved := r.board.Transitions()
			last := moved[len(moved)-2:]
			if last[0].Relay != door || !last[0].At.Equal(start) || last[1].At.Sub(start) != 5*time.Second {
				t.Errorf("moved %v", last)
			}
		}
		if n := len(r.board.Transitions()); n != 5 { // the fail-safe lock is energised at the start
			t.Errorf("%d transitions", n)
		}
	})
}

// TestRecords: what becomes of a grant is recorded under its number, and forced
// and held open are told.
func TestRecords(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		contact := func(door string, open bool) {
			t.Helper()
			if err := r.Contact(r.ctx, door, open, false); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			time.Sleep(time.Second)
		}
		r.journal.take()
		r.show("front", false, r.code())
		r.show("back", false, r.code())
		r.journal.take()
		contact("back", true)
		r.recorded("the second goes in at the back", "contact true, entered 2, open")
		contact("front", true)
		r.recorded("the first at the front", "contact true, entered 1, open")
		contact("front", false)
		contact("back", false)
		r.recorded("both close", "contact false, unlocked, contact false, unlocked")
		time.Sleep(10 * time.Second)
		r.recorded("relocked", "locked, locked")
		r.show("front", false, r.code())
		time.Sleep(10 * time.Second)
		r.recorded("nobody goes in", "granted 3 granted, unlocked, lapsed 3, locked")
		contact("front", true)
		contact("front", false)
		r.recorded("forced", "contact true, forced-open, contact false, locked")
		r.show("front", false, r.code())
		contact("front", true)
		time.Sleep(40 * time.Second)
		contact("front", false)
		r.recorded("held open", "granted 4 granted, unlocked, contact true, entered 4, open, held-open, contact false, locked")
		r.show("front", true, []byte("anything"))
		contact("front", true)
		for _, rec := range r.journal.take() {
			if p, ok := rec.body.(*ledger.Passage); ok && (!p.Exit || p.Seq != 5) {
				t.Errorf("a passage out: %+v", p)
			}
		}
	})
}

// TestBounce: a contact that bounces as it closes is no door forced open, and a
// button that does lets out once.
func TestBounce(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.journal.take()
		bounce := func(f func(bool) error, end bool) {
			t.Helper()
			for _, level := range []bool{end, !end, end, !end, end} {
				if err := f(level); err != nil {
					t.Fatal(err)
				}
				time.Sleep(2 * time.Millisecond)
			}
			time.Sleep(time.Second)
		}
		contact := func(open bool) error { return r.Contact(r.ctx, "front", open, false) }
		rex := func(active bool) error { return r.Rex(r.ctx, "front", active) }
		start := time.Now()
		bounce(rex, true)
		if moved := r.board.Transitions(); !moved[len(moved)-1].At.Equal(start) {
			t.Error("the way out waited for the bounce")
		}
		bounce(rex, false)
		r.recorded("the button", "granted 1 exit, unlocked")
		bounce(contact, true)
		time.Sleep(10 * time.Second)
		bounce(contact, false)
		r.recorded("the door", "contact true, entered 1, open, contact false, locked")
		// Pressed again while the button still bounces from being let go.
		_ = rex(true)
		time.Sleep(time.Second)
		_ = rex(false)
		time.Sleep(10 * time.Millisecond)
		r.journal.take()
		_ = rex(true)
		time.Sleep(10 * time.Second)
		r.recorded("pressed again", "granted 3 exit, lapsed 2, lapsed 3, locked")
		// Open for a moment only: told at once, and closed when it has come to rest.
		_ = contact(true)
		_ = contact(false)
		time.Sleep(time.Second)
		r.recorded("a jerk", "contact true, forced-open, contact false, locked")
	})
}

// TestRex: the button lets out with or without a policy; one that need not
// unlock only keeps the opening from being reported as forced.
func TestRex(t *testing.T) {
	t.Parallel()
	bubble(t, []string{policyDoor("front", `rex = "shunt"`), policyDoor("back", "")}, func(r *rig) {
		r.journal.take()
		press := func(door string) {
			t.Helper()
			for _, active := range []bool{true, false} {
				if err := r.Rex(r.ctx, door, active); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Second)
			}
		}
		press("front")
		if r.unlocked("front") {
			t.Error("a shunt unlocked")
		}
		_ = r.Contact(r.ctx, "front", true, false)
		r.recorded("shunted", "rex true, contact true, open")
		press("back")
		if !r.unlocked("back") {
			t.Error("not let out")
		}
		r.recorded("let out", "granted 1 exit, unlocked")
		r.people.change(func() { r.people.view.Policy = nil })
		press("front")
		if !r.unlocked("front") {
			t.Error("not let out without a policy")
		}
	})
}

// TestContactAtStart: a door that is found open is not accused.
func TestContactAtStart(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.journal.take()
		_ = r.Contact(r.ctx, "front", true, true)
		_ = r.Contact(r.ctx, "back", false, true)
		r.recorded("found", "contact true, open, contact false")
		time.Sleep(time.Minute)
		r.recorded("and left", "held-open")
		_ = r.Contact(r.ctx, "nowhere", true, false)
		_ = r.Rex(r.ctx, "nowhere", true)
		_ = r.Code(r.ctx, "nowhere", false, r.code())
		r.recorded("a door that is not there", "")
	})
}

// TestRelayFault: a relay that cannot be driven is a fault, is tried again each
// second until it obeys, and keeps nobody's door open.
func TestRelayFault(t *testing.T) {
	t.Parallel()
	for _, moved := range []bool{false, true} {
		bubble(t, bothDoors, func(r *rig) {
			r.journal.take()
			r.board.FailSet("front", errors.New("short circuit"), moved)
			r.show("front", false, r.code())
			r.recorded("unlocking fails", "fault door/front/relay, granted 1 granted, unlocked")
			if r.unlocked("front") != moved {
				t.Fatal("the board does not do as it is told")
			}
			time.Sleep(2 * time.Second)
			r.recorded("it obeys again", "cleared door/front/relay")
			if !r.unlocked("front") {
				t.Error("still locked within the strike time")
			}
			r.board.FailSet("front", errors.New("stuck"), moved)
			time.Sleep(3 * time.Second)
			r.recorded("locking fails", "fault door/front/relay, lapsed 1, locked")
			if r.unlocked("front") != !moved {
				t.Fatal("the board does not do as it is told")
			}
			time.Sleep(2 * time.Second)
			r.recorded("and is tried again", "cleared door/front/relay")
			if r.unlocked("front") {
				t.Error("left unlocked")
			}
			// Stuck in the moment of the end: it is tried once more.
			r.show("front", false, r.code())
			time.Sleep(4900 * time.Millisecond)
			r.board.FailSet("front", errors.New("stuck"), false)
			time.Sleep(200 * time.Millisecond)
			r.stop()
			if r.unlocked("front") {
				t.Error("left unlocked at the end")
			}
		})
	}
}

// TestStop locks at once whatever was unlocked, and takes no more events.
func TestStop(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.show("front", false, r.code())
		r.show("back", false, r.code())
		r.journal.take()
		code := r.code()
		at := time.Now()
		r.stop()
		if r.unlocked("front") || r.unlocked("back") || !time.Now().Equal(at) {
			t.Error("not locked at once")
		}
		r.recorded("the end", r.either("lapsed 1, locked, lapsed 2, locked", "lapsed 2, locked, lapsed 1, locked"))
		ctx := context.Background()
		for what, err := range map[string]error{
			"Code": r.Code(ctx, "front", false, code), "Contact": r.Contact(ctx, "front", true, false), "Rex": r.Rex(ctx, "front", true),
			"Fault": r.Fault(ctx, "part", "what", false), "Ping": r.Ping(ctx),
			"Tap": r.Tap(ctx, "front", false, r.Challenge("front", [32]byte{}), r.card.Key(), [64]byte{31: 1, 63: 1}),
		} {
			if !errors.Is(err, edge.ErrStopped) {
				t.Errorf("%s after the end: %v", what, err)
			}
		}
		r.recorded("after the end", "")
	})
}

// either is whichever of two was recorded: doors end in no order.
func (r *rig) either(a, b string) string {
	synctest.Wait()
	if words(r.journal.peek()) == b {
		return b
	}
	return a
}

// TestPing answers as long as the owner does, and not when it hangs.
func TestPing(t *testing.T) {
	t.Parallel()
	stuck := make(chan chan struct{}, 1)
	bubble(t, bothDoors, func(r *rig) {
		if err := r.Ping(r.ctx); err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		stuck <- release
		if err := r.Rex(r.ctx, "front", true); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
		defer cancel()
		if err := r.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the owner hangs, and Ping says %v", err)
		}
		close(release)
		if err := r.Ping(r.ctx); err != nil {
			t.Errorf("it goes on, and Ping says %v", err)
		}
	}, func(cfg *edge.Config) {
		d := cfg.Doors["front"]
		d.Relay = hanging{d.Relay, stuck}
		cfg.Doors["front"] = d
	})
}

// hanging is a relay whose driver hangs when a channel lies in stuck.
type hanging struct {
	edge.Relay
	stuck chan chan struct{}
}

func (h hanging) Set(energised bool) error {
	select {
	case release := <-h.stuck:
		<-release
	default:
	}
	return h.Relay.Set(energised)
}

// TestClockStep: a clock that is set is recorded, and lengthens no strike.
func TestClockStep(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.journal.take()
		r.show("front", false, r.code())
		r.journal.take()
		was := r.clock().Now
		r.set(func() { r.offset = -time.Hour })
		time.Sleep(2 * time.Second)
		steps := r.journal.take()
		if len(steps) != 1 {
			t.Fatalf("recorded %s", words(steps))
		}
		s := steps[0].body.(*ledger.ClockStep)
		if s.From-s.To != time.Hour.Milliseconds() || s.From < was.UnixMilli() || s.From > was.Add(time.Second).UnixMilli() {
			t.Errorf("%+v", s)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if r.unlocked("front") {
			t.Error("a clock that was set back lengthened the strike")
		}
		r.recorded("and the door", "lapsed 1, locked")
		r.set(func() { r.offset += time.Second })
		time.Sleep(5 * time.Second)
		r.recorded("a second is no step", "")
	})
}

// TestFault: texts from outside fit the log.
func TestFault(t *testing.T) {
	t.Parallel()
	bubble(t, nil, func(r *rig) {
		r.journal.take()
		long := strings.Repeat("ü\n\u202e", 400)
		if err := r.Fault(r.ctx, long, long, false); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		f := r.journal.take()[0].body.(*ledger.Fault)
		if strings.ContainsAny(f.What, "\n\u202e") || len([]rune(f.What)) != 400 || len([]rune(f.Part)) != 100 {
			t.Errorf("%q", f.What)
		}
	})
}

var _ edge.Relay = (*sim.Relay)(nil)
