package epoch

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tombolo/sync/census"
)

// routes are the doors that residents tap at, by turns: some are seen at two doors of
// one node, some at two nodes.
var routes = [][]string{{"casa1"}, {"casa2"}, {"mare1", "casa1"}, {"monte1"}, {"casa2", "monte1"}}

var seed = strings.Repeat("5e", 32)

// TestEpoch plays a census from its opening until its key is gone.
func TestEpoch(t *testing.T) {
	w := newWorld(t)
	w.admit(50)
	w.open()
	auditor := w.auditor("auditor")
	other := w.auditor("other")

	opens := time.Now().Add(time.Second)
	closes := opens.Add(35 * time.Second)
	w.at(w.path("casa"), "census", "open", "--opens", stamp(opens), "--closes", stamp(closes), "--audit", stamp(closes.Add(time.Hour)),
		"--beacon", beacon, "--auditor", "journalist="+auditor, "--auditor", "historian="+other)
	w.until(20*time.Second, "the hub knows of the epoch", func() bool { return len(w.epochs()) == 1 })
	time.Sleep(time.Until(opens))
	w.taps(t)
	t.Logf("70 taps in %v", time.Since(opens).Round(time.Millisecond))
	if time.Now().After(closes) {
		t.Fatal("the taps took longer than the epoch")
	}
	w.until(90*time.Second, "three nodes have reported", func() bool { return w.epochs()[0].Reports.In == 3 })
	t.Logf("three nodes had reported %v after the close", time.Since(closes).Round(time.Millisecond))

	if _, err := w.try("tombolo", "--dir", w.path("hub"), "census", "draw", "--seed", seed); err == nil {
		t.Error("drawn before the close")
	}
	w.at(w.path("hub"), "census", "close")
	w.at(w.path("hub"), "census", "draw", "--seed", seed)
	if out, err := w.try("tombolo", "--dir", w.path("hub"), "census", "draw", "--seed", strings.Repeat("5f", 32)); err == nil {
		t.Errorf("drawn twice: %s", out)
	}
	var e epochView
	w.until(10*time.Second, "the hub's daemon serves what the commands wrote", func() bool {
		e = w.epochs()[0]
		return e.Draw.Seed != ""
	})
	if e.Closed.Passports != 50 || e.Closed.Reports != 3 || e.Closed.Nodes != 3 || e.Closed.Doors != 4 || e.Closed.Floor != 600 || e.Draw.Seed != seed {
		t.Fatalf("the hub says %+v", e)
	}

	// The gateways open what was drawn by themselves.
	began := time.Now()
	var report census.Report
	w.until(90*time.Second, "all openings are there", func() bool {
		time.Sleep(time.Second)
		report = w.audit(t, "auditor")
		return report.Result.Unanswered == 0
	})
	t.Logf("50 tags opened within %v\n%s", time.Since(began).Round(time.Millisecond), report.Text())
	r := report.Result
	if report.Size != 50 || r.Drawn != 50 || r.Good != 50 || r.Bad != 0 || r.AtLeast != 50 {
		t.Errorf("%d passports; %+v", report.Size, r)
	}
	for _, c := range report.Checks {
		if !c.OK {
			t.Errorf("%s: %s %v", c.Name, c.What, c.Details)
		}
	}
	w.audit(t, "other")
	t.Log(w.at(w.path("auditor"), "census", "verify", w.path("auditor.json"), w.path("other.json")))

	w.receipts(t)
	w.summons(t, report)
	w.forget(t)
}

func stamp(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// auditor makes an auditor's folder and gives the key that openings are sealed to.
func (w *world) auditor(name string) string {
	w.t.Helper()
	w.at(w.path(name), "ledger", "import", w.path("community.tombolo"), "--pin=community")
	return lines[struct{ Key string }](w.t, w.at(w.path(name), "census", "auditor-key", "--json"))[0].Key
}

// taps has the residents tap, at all doors at once.
func (w *world) taps(t *testing.T) {
	t.Helper()
	var all sync.WaitGroup
	for _, name := range []string{"casa1", "casa2", "mare1", "monte1"} {
		all.Go(func() {
			for i, r := range w.residents {
				if slices.Contains(routes[i%len(routes)], name) && !w.unit(name).tap(r) {
					t.Errorf("%s does not open for %d", name, r.number)
				}
			}
		})
	}
	all.Wait()
}

// audit has an auditor audit by what the hub serves, and gives the report.
func (w *world) audit(t *testing.T, name string) census.Report {
	t.Helper()
	file := w.path(name + ".json")
	os.Remove(file)
	out, err := w.try("tombolo", "--dir", w.path(name), "census", "audit", "--hub", "http://"+w.web, "--beacon", seed, "-o", file)
	data, bad := os.ReadFile(file)
	if bad != nil {
		t.Fatalf("%v\n%s%v", bad, out, err)
	}
	report, bad := census.ParseReport(data)
	if bad != nil {
		t.Fatal(bad)
	}
	undone := slices.ContainsFunc(report.Checks, func(c census.Check) bool { return c.Undone })
	if want := map[bool]int{true: 3, false: 0}[undone]; status(err) != want {
		t.Fatalf("the audit ended with %d, want %d:\n%s%v", status(err), want, out, err)
	}
	return report
}

// status is what a command ended with.
func status(err error) int {
	for err != nil {
		if exit, ok := err.(*exec.ExitError); ok {
			return exit.ExitCode()
		}
		if u, ok := err.(interface{ Unwrap() error }); ok {
			err = u.Unwrap()
			continue
		}
		return -1
	}
	return 0
}

// receipts: residents get a receipt at the gateway that reported for their node, and
// it redeems; nobody else gets one.
func (w *world) receipts(t *testing.T) {
	t.Helper()
	written := 0
	for _, r := range []*resident{w.residents[0], w.residents[1], w.residents[2]} {
		for _, u := range []string{"casa1", "casa2", "mare1", "monte1"} {
			file := w.path(fmt.Sprintf("%s-%d.receipt", u, r.number))
			if _, err := w.try("tombolo", "--dir", w.unit(u).dir, "census", "receipt", fmt.Sprint(r.number), "-o", file); err != nil {
				continue
			}
			written++
			t.Log(w.at(w.path("auditor"), "census", "verify", file, "--hub", "http://"+w.web))
		}
	}
	if written != 4 { // the third was seen at two nodes
		t.Errorf("%d receipts were written, want 4", written)
	}
	if out, err := w.try("tombolo", "--dir", w.unit("monte1").dir, "census", "receipt", "1"); err == nil {
		t.Errorf("a receipt for one who was not there: %s", out)
	}
}

// summons: the passport behind a drawn tag taps before the auditor, which counts;
// another's card does not answer; who does not come counts against.
func (w *world) summons(t *testing.T, report census.Report) {
	t.Helper()
	index := fmt.Sprint(report.Drawn[0].Index)
	args := []string{"--dir", w.path("auditor"), "census", "summon", "--hub", "http://" + w.web, "--report", w.path("auditor.json"), "--index", index}
	came := 0
	for _, r := range w.residents {
		key := w.path("summoned.key")
		if err := os.WriteFile(key, must(r.card.MarshalText()), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := w.try("tombolo", append(args, "--simulated", key)...); err == nil {
			came++
		} else if status(err) != 1 {
			t.Errorf("%d's card: status %d: %v", r.number, status(err), err)
		}
	}
	if came != 1 {
		t.Errorf("%d residents answered one summons", came)
	}
	w.at(w.path("auditor"), "census", "summon", "--report", w.path("auditor.json"), "--index", fmt.Sprint(report.Drawn[1].Index), "--absent")
	after := must(census.ParseReport(must(os.ReadFile(w.path("auditor.json")))))
	if x := after.Result; x.Summoned != 2 || x.Came != 1 || x.Good != 50 {
		t.Errorf("%+v", x)
	}
}

// forget: once the key is gone nothing of the epoch can be evaluated again, and what
// was shown stays provable.
func (w *world) forget(t *testing.T) {
	t.Helper()
	type row struct {
		Key  string
		Gone bool
	}
	keys := lines[row](t, w.run("tombolo-hub", "evaluator", "keys", "--data", w.path("evaluator"), "--json"))
	if len(keys) != 1 || keys[0].Gone {
		t.Fatalf("%+v", keys)
	}
	if code := w.evaluate(t); code != "" {
		t.Fatalf("before: %q", code)
	}
	w.run("tombolo-hub", "evaluator", "forget", keys[0].Key, "--yes", "--data", w.path("evaluator"))
	if keys = lines[row](t, w.run("tombolo-hub", "evaluator", "keys", "--data", w.path("evaluator"), "--json")); !keys[0].Gone {
		t.Errorf("%+v", keys)
	}
	if code := w.evaluate(t); code != census.RefusedOver {
		t.Errorf("after: %q, want %q", code, census.RefusedOver)
	}
	if left := must(filepath.Glob(w.path("evaluator", "epochs", "keys", "*"))); slices.ContainsFunc(left, func(f string) bool { return strings.HasSuffix(f, ".key") }) {
		t.Errorf("left: %v", left)
	}
	if r := w.audit(t, "auditor"); r.Result.Good != 50 {
		t.Errorf("%+v", r.Result)
	}
}

// epochView is what the hub's API says of an epoch, as far as it is looked at.
type epochView struct {
	ID      string
	State   string
	Reports struct{ In, Faulty, Late int }
	Closed  struct {
		Passports             uint64
		Reports, Nodes, Doors uint32
		Floor                 uint64
	}
	Draw struct{ Seed string }
}

func (w *world) epochs() []epochView {
	w.t.Helper()
	var all struct{ Epochs []epochView }
	status, body := w.get("/v1/epochs")
	if status != 200 || json.Unmarshal(body, &all) != nil {
		w.t.Fatalf("%d %s", status, body)
	}
	return all.Epochs
}
