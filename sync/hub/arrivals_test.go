package hub

import (
	"log/slog"
	"strings"
	"testing"
)

// TestLogsReports: of each report that comes the log says whose it is, once, however
// often the store is looked through, and nothing again at the next start.
func TestLogsReports(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 2)
	e := w.opened()
	w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 40, 0), 7)...)
	var text safeBuffer
	cfg := w.config(w.store)
	cfg.Log = slog.New(slog.NewTextHandler(&text, nil))
	h := must(New(cfg))
	must(h.seats.look(t.Context())) // as Run does
	look := func(count int, want ...string) {
		t.Helper()
		for range 3 {
			w.ok(h.look(t.Context(), nil))
		}
		got := strings.Count(text.String(), "a report came")
		if got != count {
			t.Errorf("%d reports are told of, want %d:\n%s", got, count, text.String())
		}
		for _, s := range want {
			if !strings.Contains(text.String(), s) {
				t.Errorf("want %q in\n%s", s, text.String())
			}
		}
	}
	look(0) // it was there before
	w.append(w.reporter(1), w.reportOf(1, e.ID(), lines(30, 60, 1), 100)...)
	good := "level=INFO msg=\"a report came\" gateway=gw1 id=" + idOf("gw1").String()
	look(1, good, "epoch="+e.ID().String()+" tags=30 number=1\n")
	bad := w.reportOf(0, e.ID(), lines(0, 40, 0), 7)
	w.append(w.reporter(0), bad[1:]...) // without its first part
	look(2, good, "level=WARN msg=\"a report came\" gateway=gw0 ", `fault="`+string(FaultParts)+`"`)
}
