package gateway_test

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/cmd/internal/gateway"
	"tombolo/sync/ledger"
)

// TestWatchFails: a store that cannot be watched is one fault, and no end: taps
// are decided meanwhile, and what came meanwhile is taken in afterwards.
func TestWatchFails(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	var broken atomic.Bool
	var failed atomic.Int32
	r := h.runWith(func(g *gateway.Gateway) {
		g.Watch(func(changed func() (bool, error)) func() (bool, error) {
			dead := false // a watch that has failed stays so, as a lost connection does
			return func() (bool, error) {
				if dead = dead || broken.Load(); dead {
					failed.Add(1)
					return false, errors.New("disk I/O error")
				}
				return changed()
			}
		})
	})
	roster := func(f *ledger.Fault) bool { return f.Part == "roster" }
	broken.Store(true)
	if f := await(r, "the fault", roster); f.Cleared || !strings.Contains(f.What, "disk I/O error") {
		t.Errorf("%+v", f)
	}
	h.write(ledger.CommunityLog, &ledger.Suspend{Passport: 7, Why: "a dispute"})
	h.carry()
	for now := failed.Load(); failed.Load() < now+2; time.Sleep(20 * time.Millisecond) {
	}
	if d := r.tap(h.phone); !d.Granted {
		t.Errorf("while the store cannot be watched: %+v", d)
	}
	was := r.Generation()
	broken.Store(false)
	if f := await(r, "its end", roster); !f.Cleared {
		t.Errorf("told a second time: %+v", f)
	}
	for end := time.Now().Add(20 * time.Second); r.Generation() == was; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("what came meanwhile is not taken in")
		}
	}
	if d := r.tap(h.phone); d.Reason != "suspended" {
		t.Errorf("afterwards: %+v", d)
	}
	r.stop()
	if !strings.Contains(h.log.String(), fmt.Sprintf("msg=roster generation=%d policy=1", r.Generation())) {
		t.Errorf("the log does not show the roster that is in force:\n%s", h.log.String())
	}
	h.board.Check(t)
}

// TestWiringFaults: what the policy and the wiring do not agree on is a fault
// for as long as it is so; what only deserves a word is logged.
func TestWiringFaults(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	r := h.run()
	yard := "[doors.yard]\ngateway = \"gw1\"\nfrom = \"street\"\nto = \"house\"\nmechanical_exit = true\n"
	h.write(ledger.NodeLog, &ledger.Policy{Version: 2, File: []byte(fmt.Sprintf(policyText, 2) + yard)})
	h.carry()
	wiring := func(f *ledger.Fault) bool { return f.Part == "wiring" }
	if f := await(r, "the fault", wiring); f.Cleared || !strings.HasPrefix(f.What, "door yard: the policy gives it to this gateway, and it is not wired") {
		t.Errorf("%+v", f)
	}
	h.write(ledger.NodeLog, &ledger.Policy{Version: 3, File: fmt.Appendf(nil, policyText, 3)})
	h.carry()
	if f := await(r, "its end", wiring); !f.Cleared || !strings.HasPrefix(f.What, "door yard: ") {
		t.Errorf("%+v", f)
	}
	r.stop()
	if n := strings.Count(h.log.String(), "a home's people are promised entry by tap"); n != 1 {
		t.Errorf("the note was logged %d times:\n%s", n, h.log.String())
	}
	if report, _ := h.doorLog(); report.Kinds[ledger.KindFault] != 2 {
		t.Errorf("%+v", report)
	}
}
