package peer

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestWorkerOrder: what is urgent goes first, all else in its order, and what is
// slow one at a time; a queue that is full takes no more.
func TestWorkerOrder(t *testing.T) {
	t.Parallel()
	w := newWorker(3)
	for n := range 4 {
		if ok := w.add(second, fmt.Sprint("give ", n)); ok != (n < 3) {
			t.Errorf("give %d: %v", n, ok)
		}
	}
	for n := range 3 {
		w.add(first, fmt.Sprint("head ", n))
	}
	w.remove(func(j job) bool { return j == "give 1" || j == "head 1" })
	var got []string
	for jobs := w.take(); len(jobs) > 0; jobs = w.take() {
		got = append(got, fmt.Sprint(jobs))
		if len(got) == 1 {
			w.add(first, "head 3")
		}
	}
	want := []string{"[head 0 head 2]", "[head 3]", "[give 0]", "[give 2]"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestTroubles: one kind of trouble is logged once a minute, whatever the clock
// does.
func TestTroubles(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tr := newTroubles(func() time.Time { return now })
	var b strings.Builder
	log := slog.New(slog.NewTextHandler(&b, nil))
	for range 300 {
		now = now.Add(time.Second)
		tr.log(log, "one")
		tr.log(log, "another")
	}
	now = now.AddDate(-1, 0, 0)
	tr.log(log, "one")
	if n := strings.Count(b.String(), "msg=one"); n != 6 {
		t.Errorf("one was logged %d times", n)
	}
	if n := strings.Count(b.String(), "msg=another"); n != 5 {
		t.Errorf("another was logged %d times", n)
	}
}
