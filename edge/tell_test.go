package edge_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"tombolo/edge"
	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

var (
	gw2Log  = ledger.Origin{Kind: ledger.DoorLog, Author: ledger.KeyID{2}}
	deskLog = ledger.Origin{Kind: ledger.NodeLog, Author: ledger.KeyID{5}}
)

// sharing has the back door on another gateway, and a zone that counts people.
func sharing(t *testing.T) func(r *rig, _ *edge.Config) {
	return func(r *rig, _ *edge.Config) {
		text := policyHead + policyDoor("front", "") + strings.Replace(policyDoor("back", ""), "gw1", "gw2", 1)
		p, err := policy.Parse("policy.toml", []byte(strings.Replace(text, "[zones.house]\n", "[zones.house]\noccupancy = 1\n", 1)))
		if err != nil {
			t.Fatal(err)
		}
		r.people.view.Policy = p
		r.people.view.Siblings = map[ledger.KeyID]string{gw2Log.Author: "gw2"}
	}
}

// passes is somebody who goes in by the other gateway's door.
func passes(index int64, seq uint64, who passport.ID, at time.Time) []panel.Logged {
	return []panel.Logged{
		{Index: index, Time: at.UnixMilli(), Body: &ledger.Decision{Seq: seq, Door: "back", Mode: "tap", Granted: true, Reason: "granted", Passport: uint64(who)}},
		{Index: index + 1, Time: at.UnixMilli(), Body: &ledger.Passage{Seq: seq, Door: "back", Entered: true}},
	}
}

// TestTell: what siblings tell counts from the next decision, in the order of their
// logs and without holes, and who cannot be reached is said.
func TestTell(t *testing.T) {
	t.Parallel()
	bubble(t, []string{policyDoor("front", "")}, func(r *rig) {
		tell := func(what string, from, size int64, entries []panel.Logged, want error) {
			t.Helper()
			if err := r.Tell(r.ctx, gw2Log, from, size, entries); !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		heard := func(want int64) {
			t.Helper()
			if size, ok, err := r.Heard(r.ctx, gw2Log); err != nil || ok != (want >= 0) || ok && size != want {
				t.Errorf("heard up to %d, %v, %v; want %d", size, ok, err, want)
			}
		}
		heard(-1)
		tell("where it begins", 10, 10, nil, nil)
		heard(10)
		tell("a hole", 11, 13, passes(11, 1, 8, r.clock().Now), edge.ErrGap)
		heard(10)
		r.expect("nobody is in", r.tap("front", "front", r.phone), true, access.Granted)
		r.recorded("nothing was told", "granted 1 granted, unlocked")
		time.Sleep(10 * time.Second)
		tell("somebody else goes in there", 10, 13, passes(10, 1, 8, r.clock().Now), nil)
		heard(13)
		r.expect("it is full", r.tap("front", "front", r.phone), false, access.ZoneFull)
		r.recorded("as that was heard", "Siblings, Siblings, denied 2 zone-full")
		tell("again", 10, 13, passes(10, 1, 9, r.clock().Now), nil)
		if err := r.Reach(r.ctx, []string{"gw2"}); err != nil {
			t.Fatal(err)
		}
		r.expect("it is full", r.tap("front", "front", r.phone), false, access.ZoneFull)
		missing := r.journal.peek()[0].body.(*ledger.Siblings)
		if len(missing.Missing) != 1 || missing.Missing[0] != "gw2" || len(missing.Heard) != 0 {
			t.Errorf("%+v", missing)
		}
		r.recorded("without that gateway", "Siblings, denied 3 zone-full")
		var many []panel.Logged // in more than one turn, and more than waits
		for i := range int64(1000) {
			many = append(many, passes(13+2*i, uint64(2+i), 8, r.clock().Now)...)
		}
		many = append(many, panel.Logged{Index: 2013, Time: r.clock().Now.UnixMilli(), Body: &ledger.Boot{Software: "x", Clock: "ntp"}})
		tell("a thousand at once", 13, 2020, many, nil)
		heard(2020)
		if n := len(r.journal.take()); n != 3 {
			t.Errorf("%d records of what was told", n)
		}
		r.people.change(func() { r.people.view.Siblings = nil }) // it was removed
		r.expect("nobody's word", r.tap("front", "front", r.phone), true, access.Granted)
		r.stop()
		if err := r.Tell(r.t.Context(), gw2Log, 2020, 2021, nil); !errors.Is(err, edge.ErrStopped) {
			t.Errorf("after the stop: %v", err)
		}
	}, sharing(t))
}

// TestOpenFromAfar: an order is on disk before the lock moves, and answered once.
func TestOpenFromAfar(t *testing.T) {
	t.Parallel()
	bubble(t, []string{policyDoor("front", "")}, func(r *rig) {
		gate := make(chan struct{})
		r.journal.mu.Lock()
		r.journal.gate = gate
		r.journal.mu.Unlock()
		r.journal.take()
		order := func(late time.Duration) {
			t.Helper()
			r.people.change(func() {
				b := &r.people.view.Basis
				b.Opens = append(b.Opens[:len(b.Opens):len(b.Opens)], access.Order{
					Origin: deskLog.String(), Index: int64(1 + len(b.Opens)), At: r.clock().Now.Add(-late).UnixMilli(), Door: "front",
				})
			})
			if err := r.Refresh(r.ctx); err != nil {
				t.Fatal(err)
			}
		}
		order(0)
		r.recorded("while it waits", "basis ntp, Ordered")
		if r.unlocked("front") {
			t.Error("it is open before it is recorded")
		}
		close(gate)
		r.recorded("on disk", "granted 1 remote, opening 1, unlocked")
		if !r.unlocked("front") {
			t.Error("it is not open")
		}
		time.Sleep(6 * time.Second)
		r.journal.take()
		order(31 * time.Second)
		r.recorded("too late", "basis ntp, Ordered, denied 2 order-stale")
		r.people.change(func() {}) // the roster was made again
		if err := r.Refresh(r.ctx); err != nil {
			t.Fatal(err)
		}
		r.recorded("once each", "basis ntp")
		if r.unlocked("front") {
			t.Error("an order that is too late opens")
		}
	})
}

// TestOrdersAtTheStart: what the log answered before the start is answered.
func TestOrdersAtTheStart(t *testing.T) {
	t.Parallel()
	answered := access.NewPresence()
	answered.Apply(1, &ledger.Ordered{Origin: deskLog.String(), Index: 7, Seq: 3, Door: "front"})
	bubble(t, []string{policyDoor("front", "")}, func(r *rig) {
		orders, answers := 0, 0
		for _, e := range r.journal.take() {
			switch b := e.body.(type) {
			case *ledger.Ordered:
				orders++
				if b.Index != 8 || b.Seq != 1 {
					t.Errorf("%+v", b)
				}
			case *ledger.Decision:
				answers++
				if b.Reason != access.OrderStale.String() || b.Seq != 1 || b.Mode != "remote" {
					t.Errorf("%+v", b)
				}
			}
		}
		if orders != 1 || answers != 1 {
			t.Errorf("%d orders, %d answers", orders, answers)
		}
	}, func(r *rig, cfg *edge.Config) {
		cfg.Presence = answered
		view := *r.people.view
		for _, i := range []int64{6, 7, 8} {
			view.Opens = append(view.Opens, access.Order{Origin: deskLog.String(), Index: i, At: time.Now().Add(-time.Hour).UnixMilli(), Door: "front"})
		}
		r.people.view = &view
	})
}
