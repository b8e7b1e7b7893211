package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/gateway"
	"tombolo/sync/ledger"
)

// TestPolicyRefused: a policy that leaves the gateway none of its doors is not
// taken, the one before it stays in force, and the log says so.
func TestPolicyRefused(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	r := h.run()
	elsewhere := strings.Replace(fmt.Sprintf(policyText, 2), `gateway = "gw1"`, `gateway = "gw9"`, 1)
	h.write(ledger.NodeLog, &ledger.Policy{Version: 2, File: []byte(elsewhere)})
	h.carry()
	tried := await(r, "that the policy was tried", every[*ledger.PolicyTried])
	if tried.OK || tried.Version != 2 || !strings.Contains(tried.Why, "none of the doors that are wired here") {
		t.Errorf("%+v", tried)
	}
	if d := r.tap(h.phone); !d.Granted {
		t.Errorf("under the policy before it: %+v", d)
	}
	if s := r.StatusNow(); s.Policy != 1 || s.Trial || !strings.Contains(strings.Join(s.Problems, "\n"), "version 2 cannot be used") {
		t.Errorf("%+v", s)
	}
}

// TestPolicyKept: a policy that the gateway has lived with for a while is kept, and
// the log says so.
func TestPolicyKept(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	r := h.runWith(func(g *gateway.Gateway) { g.SetTrialTime(500 * time.Millisecond) })
	h.write(ledger.NodeLog, &ledger.Policy{Version: 2, File: fmt.Appendf(nil, policyText, 2)})
	h.carry()
	tried := await(r, "that the policy was tried", every[*ledger.PolicyTried])
	if !tried.OK || tried.Version != 2 {
		t.Errorf("%+v", tried)
	}
	if s := r.StatusNow(); s.Policy != 2 || s.Trial {
		t.Errorf("%+v", s)
	}
}

// TestPolicyKills: a policy under which the process dies twice before it is kept is
// refused by the third, and the one before it is in force again.
func TestPolicyKills(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	h.run().stop()
	h.write(ledger.NodeLog, &ledger.Policy{Version: 2, File: fmt.Appendf(nil, policyText, 2)})
	h.carry()
	for n := range 2 {
		g, err := gateway.Open(h.config(h.wiring("")))
		if err != nil {
			t.Fatal(err)
		}
		if s := g.StatusNow(); s.Policy != 2 || !s.Trial {
			t.Fatalf("start %d: %+v", n+1, s)
		}
		if err := g.Close(); err != nil { // without Run, so without a good end: as a crash
			t.Fatal(err)
		}
	}
	r := h.run()
	if s := r.StatusNow(); s.Policy != 1 || s.Trial || !strings.Contains(strings.Join(s.Problems, "\n"), "version 2 is refused: 2 times the gateway stopped") {
		t.Errorf("%+v", s)
	}
	if d := r.tap(h.phone); !d.Granted {
		t.Errorf("%+v", d)
	}
	r.stop()

	// A higher version is another matter.
	h.write(ledger.NodeLog, &ledger.Policy{Version: 3, File: fmt.Appendf(nil, policyText, 3)})
	h.carry()
	again := h.run()
	if s := again.StatusNow(); s.Policy != 3 || !s.Trial {
		t.Errorf("%+v", s)
	}
}

// TestRetention: bodies of the door log that are older than the wiring says go, the
// log still verifies, and it says what went.
func TestRetention(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	r := h.run()
	r.tap(h.phone)
	r.stop()
	h.inputs = "[retention]\ndoor_log = \"1d\""
	later := time.Now().Add(30 * time.Hour)
	h.now = func() time.Time { return later }
	again := h.runWith(func(*gateway.Gateway) {})
	again.tap(h.phone)
	eventually(t, func() error {
		if log := h.log.String(); !strings.Contains(log, "let go of") {
			return fmt.Errorf("the log says\n%s", log)
		}
		return nil
	})
	again.stop()
	report, bodies := h.doorLog()
	if report.Kinds[ledger.KindDropped] == 0 {
		t.Errorf("%+v of %d bodies", report, len(bodies))
	}

	// Who reads all of it again misses nothing that it should have.
	if err := os.RemoveAll(filepath.Join(h.dir, gateway.PresenceFile)); err != nil {
		t.Fatal(err)
	}
	last := h.run()
	if d := last.tap(h.phone); d.Reason != "passport-expired" {
		t.Errorf("%+v", d)
	}
	last.stop()
	if log := h.log.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log says\n%s", log)
	}
}

func eventually(t *testing.T, check func() error) {
	t.Helper()
	var err error
	for begun := time.Now(); time.Since(begun) < 20*time.Second; time.Sleep(10 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatal(err)
}
