package epoch

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// routes are the doors that residents tap at, by turns: some are seen at two doors of
// one node, some at two nodes.
var routes = [][]string{{"casa1"}, {"casa2"}, {"mare1", "casa1"}, {"monte1"}, {"casa2", "monte1"}}

// TestEpoch plays a census from its opening to its audit.
func TestEpoch(t *testing.T) {
	w := newWorld(t)
	w.admit(50)
	w.open()
	auditor := strings.TrimSpace(w.at(w.path("auditor"), "ledger", "import", w.path("community.tombolo"), "--pin=community"))
	t.Log(auditor)
	out := w.at(w.path("auditor"), "census", "auditor-key", "--json")
	t.Log(out)
	key := lines[struct{ Key string }](t, out)[0].Key
	opens := time.Now()
	closes := opens.Add(40 * time.Second)
	stamp := func(at time.Time) string { return at.UTC().Format(time.RFC3339) }
	t.Log(w.at(w.path("casa"), "census", "open", "--opens", stamp(opens), "--closes", stamp(closes), "--audit", stamp(closes.Add(time.Hour)),
		"--beacon", beacon, "--auditor", "journalist="+key))
	var taps sync.WaitGroup
	for _, name := range []string{"casa1", "casa2", "mare1", "monte1"} {
		taps.Go(func() {
			for i, r := range w.residents {
				if slices.Contains(routes[i%len(routes)], name) && !w.unit(name).tap(r) {
					t.Errorf("%s does not open for %d", name, r.number)
				}
			}
		})
	}
	taps.Wait()
	t.Logf("%d taps in %v", 70, time.Since(opens).Round(time.Millisecond))
	if time.Now().After(closes) {
		t.Fatal("the taps took longer than the epoch")
	}
	w.until(60*time.Second, "three nodes have reported", func() bool { return w.epoch(t).Reports.In == 3 })
	t.Log(w.at(w.path("hub"), "census", "close"))
	t.Log(w.at(w.path("hub"), "census", "draw", "--seed", strings.Repeat("5e", 32), "--source", beacon))
	time.Sleep(20 * time.Second)
	out, err := w.try("tombolo", "--dir", w.path("auditor"), "census", "audit", "--hub", "http://"+w.web, "-o", w.path("report.json"))
	t.Log(out, err)
	status, body := w.get("/v1/epochs")
	fmt.Println(status, string(body))
}

// epochView is what the hub's API says of an epoch, as far as it is looked at.
type epochView struct {
	ID      string
	State   string
	Reports struct{ In, Faulty, Late int }
}

func (w *world) epoch(t *testing.T) epochView {
	t.Helper()
	var all struct{ Epochs []epochView }
	status, body := w.get("/v1/epochs")
	if status != 200 || json.Unmarshal(body, &all) != nil || len(all.Epochs) != 1 {
		t.Fatalf("%d %s", status, body)
	}
	return all.Epochs[0]
}
