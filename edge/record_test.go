package edge_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestRecordFirst: where the policy says so the door waits for the disk, stays
// shut when that fails, and holds nobody in.
func TestRecordFirst(t *testing.T) {
	t.Parallel()
	bubble(t, []string{policyDoor("front", "record_first = true"), policyDoor("back", "")}, func(r *rig) {
		gate := make(chan struct{})
		r.journal.gate = gate
		r.journal.take()
		if err := r.Code(r.ctx, "front", false, r.code()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		r.recorded("while the disk is busy", "")
		if r.unlocked("front") {
			t.Error("opened before the record")
		}
		r.expect("another door meanwhile", r.show("back", false, r.code()), true, access.Granted)
		r.journal.take()
		close(gate)
		r.recorded("once it is durable", "granted 1 granted, opening 1, unlocked")
		if !r.unlocked("front") {
			t.Error("not opened after the record")
		}
		time.Sleep(10 * time.Second)

		r.journal.mu.Lock()
		r.journal.err = errors.New("disk full")
		r.journal.mu.Unlock()
		d := r.show("front", false, r.code())
		r.expect("the disk fails", d, false, access.NotRecorded)
		if r.unlocked("front") || d.Passport != 7 {
			t.Errorf("opened without a record, or %+v", d)
		}
		r.expect("on the way out", r.show("front", true, r.code()), true, access.Exit)
		if !r.unlocked("front") {
			t.Error("held in")
		}
		time.Sleep(10 * time.Second)

		r.journal.mu.Lock()
		r.journal.err, r.journal.gate = nil, make(chan struct{})
		r.journal.mu.Unlock()
		r.journal.take()
		_ = r.Code(r.ctx, "front", false, r.code())
		time.Sleep(6 * time.Second)
		r.recorded("nobody stands there for ever", "denied 5 not-recorded")
		_ = r.Code(r.ctx, "front", false, r.code())
		synctest.Wait()
		r.stop()
		if r.unlocked("front") || !strings.Contains(r.log.String(), "came too late") {
			t.Error("stopped while the record was under way")
		}
	})
}

// TestRulesChangeBeforeTheRecord: what was granted before the ledgers moved does
// not open after it.
func TestRulesChangeBeforeTheRecord(t *testing.T) {
	t.Parallel()
	bubble(t, []string{policyDoor("front", "record_first = true")}, func(r *rig) {
		gate := make(chan struct{})
		r.journal.gate = gate
		r.journal.take()
		if err := r.Code(r.ctx, "front", false, r.code()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.people.change(func() {
			r.people.holders[r.phone.Key().ID()] = changed(r, func(h *access.Holder) { h.Revoked = true })
		})
		time.Sleep(1500 * time.Millisecond)
		close(gate)
		r.recorded("revoked meanwhile", "basis ntp, granted 1 granted, denied 1 revoked")
		if r.unlocked("front") {
			t.Error("a revoked key opened")
		}
	})
}

// TestGuest: an entry of a counted pass is spent before the door opens, is given
// back if that was refused in the end, and is not spent twice.
func TestGuest(t *testing.T) {
	t.Parallel()
	bubble(t, bothDoors, func(r *rig) {
		pass := access.Pass{ID: ledger.PassID{1}, Levels: []string{"all"}, NotAfter: 1 << 40, Uses: 2}
		r.people.change(func() {
			r.people.view.Passes = map[passport.ID][]access.Pass{7: {pass}}
			r.people.holders[r.phone.Key().ID()] = changed(r, func(h *access.Holder) { h.Class = "stranger" })
		})
		gate := make(chan struct{})
		r.journal.gate = gate
		if err := r.Refresh(r.ctx); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		r.journal.take()
		if err := r.Code(r.ctx, "front", false, r.code()); err != nil {
			t.Fatal(err)
		}
		r.recorded("while the disk is busy", "pass used 1")
		if r.unlocked("front") {
			t.Error("opened before the record")
		}
		close(gate)
		r.recorded("once it is durable", "granted 1 guest, opening 1, unlocked")
		if !r.unlocked("front") {
			t.Error("not opened after the record")
		}
		r.journal.mu.Lock()
		r.journal.gate, r.journal.err = nil, errors.New("disk full")
		r.journal.mu.Unlock()
		r.journal.take()
		if err := r.Code(r.ctx, "back", false, r.code()); err != nil {
			t.Fatal(err)
		}
		r.recorded("the disk fails", "pass used 2, denied 2 not-recorded")
		r.journal.mu.Lock()
		r.journal.err = nil
		r.journal.mu.Unlock()
		r.expect("what did not open is not spent", r.show("back", false, r.code()), true, access.Guest)
		r.expect("and no entry is left", r.show("back", false, r.code()), false, access.PassUsedUp)
	})
}

// TestFirstInWaitsForThePassage: the door's hours begin when somebody has come
// in, not with a grant that waits for its record, or that nobody used.
func TestFirstInWaitsForThePassage(t *testing.T) {
	t.Parallel()
	bubble(t, []string{policyDoor("front", "unlock = \"always\"\nfirst_in = true\nrecord_first = true")}, func(r *rig) {
		gate := make(chan struct{})
		r.journal.gate = gate
		r.journal.take()
		if err := r.Code(r.ctx, "front", false, r.code()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if r.unlocked("front") {
			t.Error("opened before the record")
		}
		close(gate)
		time.Sleep(10 * time.Second)
		r.recorded("nobody goes in", "granted 1 granted, opening 1, unlocked, locked, lapsed 1")
		r.show("front", false, r.code())
		r.input("front", panel.Contact, door.LineActive)
		r.input("front", panel.Contact, door.LineNormal)
		time.Sleep(time.Minute)
		r.recorded("somebody does", "granted 2 granted, opening 2, unlocked, front contact active, entered 2, open, free, front contact normal")
		if !r.unlocked("front") {
			t.Error("the hours have not begun")
		}
	})
}
