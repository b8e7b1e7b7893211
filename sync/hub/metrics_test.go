package hub

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestMetrics: names and help are as Prometheus wants them, each is there from the
// start, and none tells who.
func TestMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	e := w.opened()
	w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 40, 0), 50)...)
	w.closeIt(e)
	families, err := w.hub.Registry().Gather()
	w.ok(err)
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	w.ok(err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	own := map[string]bool{}
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "tombolo_hub_") {
			continue
		}
		own[f.GetName()] = true
		for _, m := range f.GetMetric() {
			if len(m.GetLabel()) > 0 {
				t.Errorf("%s has labels: %v", f.GetName(), m.GetLabel())
			}
		}
	}
	for _, name := range strings.Fields("api_requests_total api_refused_total intake_commits_total close_seconds close_timestamp_seconds report_ledgers report_entries reports reports_faulty epochs_closed look_timestamp_seconds shards links_up") {
		if !own["tombolo_hub_"+name] {
			t.Errorf("there is no %s", name)
		}
	}
}
