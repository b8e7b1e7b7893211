package panel_test

import (
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// still is a world in which nothing changes.
type still struct {
	basis  *access.Basis
	holder access.Holder
}

func (s still) Basis(*ledger.Basis, access.Clock) (*access.Basis, error) { return s.basis, nil }
func (s still) ByKey(passport.KeyID) (access.Holder, error)              { return s.holder, nil }

// TestReplayReached: who replays from a later start says what the log had reached
// before it, as codes of that time were refused then.
func TestReplayReached(t *testing.T) {
	t.Parallel()
	p, err := policy.Parse("policy", []byte(completed(1, "[doors.front]\n")))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	at := start.Add(10 * time.Minute)
	h := newHolder(7, "resident")
	code := passport.Window{Passport: 7, Key: h.KeyID.Short(), Target: passport.NodeTarget(casa).Short(), Start: uint32(at.Unix()), Length: 15, Sig: passport.Signature{0: 1, 63: 1}}
	raw, err := code.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		reached time.Time
		want    access.Reason
	}{
		{"nothing", time.Time{}, access.Granted},
		{"less", at.Add(-time.Minute), access.Granted},
		{"more: the clock was set back", at.Add(time.Hour), access.CodeBeforeStart},
		{"far more: that was the wrong clock", start.Add(25 * time.Hour), access.Granted},
	} {
		entries := []panel.Logged{
			{Index: 1, Time: start.UnixMilli(), Body: &ledger.Boot{Software: software, Clock: "ntp"}},
			{Index: 2, Time: start.UnixMilli(), Body: &ledger.Basis{Clock: "ntp", Policy: 1, Hash: make([]byte, 32)}},
			{Index: 3, Time: at.UnixMilli(), Body: &ledger.Decision{
				Seq: 1, Door: "front", Mode: "window", Granted: true, Reason: "granted", Passport: 7, Key: h.KeyID[:], Presentation: raw,
			}},
		}
		log := func(yield func(panel.Logged, error) bool) {
			for _, e := range entries {
				if !yield(e, nil) {
					return
				}
			}
		}
		cfg := panel.Config{Node: casa, Gateway: gateway, Doors: map[string]panel.Hardware{"front": {}}, Reached: c.reached}
		n := 0
		for o, err := range panel.Replay(cfg, still{&access.Basis{Generation: 1, Policy: p}, h}, log) {
			n++
			if err != nil || o.Again.Reason != c.want || o.Same != (c.want == access.Granted) {
				t.Errorf("%s: %v, %v, want %v", c.name, o.Again.Reason, err, c.want)
			}
		}
		if n != 1 {
			t.Errorf("%s: %d decisions", c.name, n)
		}
	}
}
