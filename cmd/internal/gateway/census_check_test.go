package gateway

import (
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/ledger"
)

// TestCheckRetention: whoever keeps less than an epoch needs is told so.
func TestCheckRetention(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	begun := time.Unix(1_900_000_000, 0)
	e := []folder.Epoch{{Opened: &ledger.EpochOpened{Number: 3, Opens: begun.Unix(), Closes: begun.Add(30 * day).Unix(), Audit: begun.Add(90 * day).Unix()}}}
	for _, c := range []struct {
		keep  time.Duration
		after time.Duration
		want  string
	}{
		{0, day, ""}, {90 * day, day, ""}, {60 * day, day, ""},
		{60*day - time.Second, day, "note epoch 3 is audited for 1440h0m0s"},
		{30 * day, day, "fault whoever was here early"},
		{30*day + 10*time.Minute, day, "note epoch 3 is audited"},
		{30 * day, -day, "fault whoever was here early"},
		{7 * day, 31 * day, "note what is drawn late"},
		{7 * day, 90 * day, ""},
	} {
		var f findings
		f.census(&wiring.Wiring{Retention: wiring.Retention{DoorLog: c.keep}}, e, begun.Add(c.after))
		level, text, _ := strings.Cut(c.want, " ")
		switch {
		case c.want == "" && len(f) != 0, c.want != "" && len(f) != 1:
			t.Errorf("kept for %v, looked at after %v: %v", c.keep, c.after, f)
		case c.want != "" && (string(f[0].Level) != level || !strings.Contains(f[0].What, text)):
			t.Errorf("kept for %v, looked at after %v: %+v, want %s", c.keep, c.after, f[0], c.want)
		}
	}
}
