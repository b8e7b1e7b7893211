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
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/hw/sim"
	"tombolo/sync/ledger"
)

var bothDoors = []string{policyDoor("front", ""), policyDoor("back", "")}

// TestGrant: the relay moves in the instant of the code and goes back when the
// strike time is over; the record comes after it.
func TestGrant(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		r.recorded("at the start", "Boot, basis ntp, front contact normal, front rex normal, back contact normal, back rex normal")
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
			time.Sleep(late + time.Nanosecond)
			synctest.Wait()
			if r.unlocked(door) {
				t.Error("unlocked after the strike time")
			}
			moved := r.board.Transitions()
			last := moved[len(moved)-2:]
			if last[0].Relay != door || !last[0].At.Equal(start) || last[1].At.Sub(start) > 5*time.Second+late {
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
			r.input(door, panel.Contact, line(open))
			time.Sleep(time.Second)
		}
		r.journal.take()
		r.show("front", false, r.code())
		r.show("back", false, r.code())
		r.journal.take()
		contact("back", true)
		r.recorded("the second goes in at the back", "back contact active, entered 2, open")
		contact("front", true)
		r.recorded("the first at the front", "front contact active, entered 1, open")
		contact("front", false)
		contact("back", false)
		r.recorded("both close", "front contact normal, unlocked, back contact normal, unlocked")
		time.Sleep(10 * time.Second)
		r.recorded("relocked", "locked, locked")
		r.show("front", false, r.code())
		time.Sleep(10 * time.Second)
		r.recorded("nobody goes in", "granted 3 granted, unlocked, locked, lapsed 3")
		contact("front", true)
		contact("front", false)
		r.recorded("forced", "front contact active, forced-open, front contact normal, locked")
		r.show("front", false, r.code())
		contact("front", true)
		time.Sleep(40 * time.Second)
		contact("front", false)
		r.recorded("held open", "granted 4 granted, unlocked, front contact active, entered 4, open, held-open, front contact normal, locked")
		r.show("front", true, []byte("anything"))
		contact("front", true)
		passages := 0
		for _, rec := range r.journal.take() {
			if p, ok := rec.body.(*ledger.Passage); ok {
				passages++
				if !p.Exit || !p.Entered || p.Seq != 5 || p.Door != "front" {
					t.Errorf("a passage out: %+v", p)
				}
			}
		}
		if passages != 1 {
			t.Errorf("%d passages out", passages)
		}
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
			time.Sleep(3*time.Second + late + door.SettleTime)
			r.recorded("locking fails", "fault door/front/relay, locked, lapsed 1")
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
		// Stuck in the end itself: the same.
		bubble(t, bothDoors, func(r *rig) {
			r.show("front", false, r.code())
			r.journal.take()
			r.board.FailSet("front", errors.New("stuck"), moved)
			r.stop()
			if r.unlocked("front") {
				t.Error("left unlocked at the end")
			}
			r.recorded("the end", "fault door/front/relay, lapsed 1, locked, cleared door/front/relay")
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
		r.recorded("the end", "lapsed 2, locked, lapsed 1, locked")
		ctx := context.Background()
		for what, err := range map[string]error{
			"Code": r.Code(ctx, "front", false, code), "Input": r.Input(ctx, "front", panel.Contact, door.LineActive, false),
			"Key": r.Key(ctx, "front", false, '1'), "Refresh": r.Refresh(ctx),
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

// TestPing answers as long as the doors do, and not when one hangs.
func TestPing(t *testing.T) {
	t.Parallel()
	stuck := make(chan chan struct{}, 1)
	bubble(t, bothDoors, func(r *rig) {
		if err := r.Ping(r.ctx); err != nil {
			t.Fatal(err)
		}
		release := make(chan struct{})
		stuck <- release
		go func() {
			if err := r.Code(r.ctx, "front", true, nil); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(r.ctx, time.Minute)
		defer cancel()
		if err := r.Ping(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a relay hangs, and Ping says %v", err)
		}
		close(release)
		if err := r.Ping(r.ctx); err != nil {
			t.Errorf("it goes on, and Ping says %v", err)
		}
	}, func(_ *rig, cfg *edge.Config) {
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
