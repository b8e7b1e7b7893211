package hub

import (
	"context"
	"testing"
	"time"
)

// TestCloseIsOfTheLook: what the hub acknowledges while it sorts cannot be in the
// list, and a receipt for it accuses nobody: the close is dated by when it looked.
func TestCloseIsOfTheLook(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	e := w.opened()
	w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 40, 0), 7)...)
	looked := w.now()
	if _, err := w.hub.Close(context.Background(), e.ID(), func(stage string, done, total int64) {
		if stage == StageWrite && done == 0 {
			w.mu.Lock()
			w.at = w.at.Add(time.Hour)
			w.mu.Unlock()
		}
	}); err != nil {
		t.Fatal(err)
	}
	v, err := w.hub.freshView(nil)
	w.ok(err)
	if at := v.byID[e.ID()].Closed[0].Time; at.Sub(looked) > 30*time.Minute {
		t.Errorf("looked at %v and closed at %v", looked, at)
	}
}
