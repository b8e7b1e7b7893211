package gateway_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/ledger"
)

// check has a gateway checked and returns its findings by part, one line each.
func (h *house) check(w *wiring.Wiring, now time.Time) map[string]string {
	h.t.Helper()
	out := map[string]string{}
	for _, f := range gateway.Check(w, now) {
		if strings.Contains(f.What, "\n") || f.What == "" || f.Part == "" {
			h.t.Errorf("no line: %+v", f)
		}
		out[f.Part] += fmt.Sprintf("%s: %s\n", f.Level, f.What)
	}
	return out
}

func faults(got map[string]string) (parts []string) {
	for part, text := range got {
		if strings.Contains("\n"+text, "\nfault: ") {
			parts = append(parts, part)
		}
	}
	slices.Sort(parts)
	return parts
}

// TestCheck finds what is wrong before anything moves, and moves nothing.
func TestCheck(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	check := func(now time.Time) map[string]string {
		t.Helper()
		return h.check(h.wiring(""), now)
	}
	want := func(what string, got map[string]string, part, text string) {
		t.Helper()
		if !strings.Contains(got[part], text) {
			t.Errorf("%s: of %s it says %q, not %q", what, part, got[part], text)
		}
	}
	want("no folder", check(time.Now()), "enrolment", "fault: no Tombolo folder")
	request := h.init()
	got := check(time.Now())
	want("not approved", got, "enrolment", "fault: this gateway is not enrolled: take ")
	want("not approved", got, "enrolment", filepath.Join(h.dir, gateway.ApprovalFile))

	// The approval lies there, and nothing has run yet.
	h.approve(request)
	got = check(time.Now())
	want("approved", got, "enrolment", `ok: enrolled just now as "gw1"`)
	want("approved", got, "policy", "ok: version 1 is in force")
	want("approved", got, "roster", "ok: the issuers were last heard ")
	want("approved", got, "wiring", "note: door front: a home's people are promised entry by tap")
	want("approved", got, "door/front/reader/1", "ok: door front: a device is at "+h.port)
	if f := faults(got); f != nil {
		t.Errorf("faults of a gateway that is as it should be: %v in %v", f, got)
	}
	if n := len(h.board.Transitions()); n != 0 {
		t.Errorf("%d transitions", n)
	}
	r := h.run()
	if d := r.tap(h.phone); !d.Granted {
		t.Errorf("after a check it runs otherwise: %+v", d)
	}
	if got = check(time.Now()); got["enrolment"] != "ok: enrolled as \"gw1\"\n" || faults(got) != nil {
		t.Errorf("while it runs: %v", got)
	}
	r.stop()
	moved := len(h.board.Transitions())

	want("a dead battery", check(time.Unix(1000, 0)), "clock", "fault: 1970-01-01")
	got = h.check(h.wiring(`name = "gw2"`), time.Now())
	want("another's file", got, "wiring", "fault: this file is for gateway gw2")
	h.write(ledger.NodeLog, &ledger.Policy{Version: 2, File: []byte("version = 2\n")}, &ledger.GatewayRemoved{Gateway: "gw1", Signing: request.Keys.Signing, Why: "stolen"})
	h.carry()
	got = check(time.Now())
	want("a policy that cannot be read", got, "policy", "fault: version 2 cannot be used")
	want("removed", got, "enrolment", "fault: a steward removed this gateway")
	if n := strings.Count(got["enrolment"], "removed"); n != 1 {
		t.Errorf("that it was removed is said %d times: %q", n, got["enrolment"])
	}
	if n := len(h.board.Transitions()); n != moved {
		t.Errorf("%d transitions, %d before the checks", n, moved)
	}
}

// TestCheckRefusesAnApproval that is another's as the daemon does, and says so.
func TestCheckRefusesAnApproval(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.init()
	approval := filepath.Join(h.dir, gateway.ApprovalFile)
	if err := os.WriteFile(approval, h.export().Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first look has not enrolled it
		got := h.check(h.wiring(""), time.Now())
		if e := got["enrolment"]; !strings.HasPrefix(e, "fault: "+approval) || !strings.Contains(e, "no steward enrolled the signing key") || got["policy"] != "" {
			t.Errorf("%v", got)
		}
	}
}

// TestCheckDamagedRoster: what is wrong with the roster is not put down to the
// enrolment.
func TestCheckDamagedRoster(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	if err := os.WriteFile(filepath.Join(h.dir, gateway.RosterFile), []byte(strings.Repeat("no database", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	got := h.check(h.wiring(""), time.Now())
	if !strings.HasPrefix(got["enrolment"], "ok: enrolled just now") || !strings.Contains(got["roster"], "move it away and it will be made again") || got["policy"] != "" {
		t.Errorf("%v", got)
	}
}

// TestCheckHardware: each port and each line that is not there is a finding of
// its own, which says at which door.
func TestCheckHardware(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	file := filepath.Join(h.dir, "no-device")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const text = `data = "."
[doors.front]
lock = "fail-secure"
relay = { chip = "no-such-chip", line = 1 }
contact = { chip = "no-such-chip", line = 2 }
[[doors.front.readers]]
kind = "scanner"
port = %q
[[doors.front.readers]]
kind = "scanner"
port = "unplugged"
[doors.yard]
lock = "fail-secure"
relay = { chip = "/dev/gpiochip999", line = 3 }
[[doors.yard.readers]]
kind = "scanner"
port = "no-device"
`
	w := must(wiring.Parse(filepath.Join(h.dir, "gateway.toml"), fmt.Appendf(nil, text, h.port)))
	got := h.check(w, time.Now())
	for part, want := range map[string]string{
		"door/front/reader/1": "ok: door front: a device is at " + h.port,
		"door/front/reader/2": "fault: door front: no reader at " + filepath.Join(h.dir, "unplugged"),
		"door/yard/reader/1":  "fault: door yard: " + file + " is no serial device",
	} {
		if !strings.HasPrefix(got[part], want) || strings.Count(got[part], "\n") != 1 {
			t.Errorf("%s: %q, want %q", part, got[part], want)
		}
	}
	gpio := strings.Split(strings.TrimSuffix(got["gpio"], "\n"), "\n")
	if len(gpio) != 3 {
		t.Fatalf("of the lines it says %q", gpio)
	}
	for i, line := range []string{"front/relay", "yard/relay", "front/contact"} {
		if !strings.HasPrefix(gpio[i], "fault: "+line+": board: no such GPIO chip") {
			t.Errorf("%s: %q", line, gpio[i])
		}
	}
	if got["kernel"] == "" {
		t.Error("nothing of the kernel's setting")
	}
	unlock, lockErr := folder.Lock(w.Data, folder.DaemonLock, false)
	if lockErr != nil {
		t.Fatal(lockErr)
	}
	if got := h.check(w, time.Now())["gpio"]; !strings.HasPrefix(got, "note: a tombolod runs here") {
		t.Errorf("beside a daemon: %q", got)
	}
	if lockErr = unlock(); lockErr != nil {
		t.Fatal(lockErr)
	}
	err := gateway.Safe(w)
	if err == nil {
		t.Fatal("relays that are not there are safe")
	}
	for _, line := range []string{"front/relay: ", "yard/relay: "} {
		if !strings.Contains(err.Error(), line) {
			t.Errorf("%v does not name %s", err, line)
		}
	}
	if _, err := gateway.Open(h.config(w)); err == nil || !strings.Contains(err.Error(), "yard/relay: ") {
		t.Errorf("Open: %v", err)
	}
}

// TestFindingJSON: the level is the word that people read.
func TestFindingJSON(t *testing.T) {
	t.Parallel()
	text := string(must(json.Marshal([]gateway.Finding{{gateway.OK, "a", "b"}, {gateway.Note, "a", "b"}, {gateway.Fault, "a", "b"}})))
	if text != `[{"level":"ok","part":"a","what":"b"},{"level":"note","part":"a","what":"b"},{"level":"fault","part":"a","what":"b"}]` {
		t.Error(text)
	}
}
