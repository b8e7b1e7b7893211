package epoch

import (
	"slices"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
)

// TestTold: what an issuer writes at a desk that has no link but the one to the hub's
// broker is at the gateways at once, those of its own node, who say so, and the others;
// and what travels over no link is not called missing.
func TestTold(t *testing.T) {
	w := newWorld(t)
	w.open()
	for n := range 3 {
		began := time.Now()
		stamp := func(in time.Duration) string { return began.Add(in).UTC().Format(time.RFC3339) }
		out := w.at(w.path("casa"), "census", "open", "--opens", stamp(time.Hour), "--closes", stamp(2*time.Hour), "--beacon", beacon, "--json")
		all := lines[struct {
			Reached, Missing, Kept []string
			Seconds                float64
		}](t, out)
		got := all[len(all)-1]
		slices.Sort(got.Kept)
		if !slices.Equal(got.Reached, []string{"casa1", "casa2"}) || len(got.Missing) > 0 || !slices.Equal(got.Kept, got.Reached) {
			t.Errorf("%+v", got)
		}
		if got.Seconds > 2 { // 0.2 s, or the second that lies between two acknowledgements; a question in vain takes 5
			t.Errorf("the gateways were told in %.2f s", got.Seconds)
		}
		t.Logf("%+v", got)
		for _, name := range []string{"mare1", "monte1"} {
			f := must(folder.Open(w.unit(name).dir, false))
			w.until(2*time.Second, name+" has heard of it", func() bool { return len(must(f.Epochs())) == n+1 })
			f.Close()
			t.Logf("%s: %v", name, time.Since(began))
		}
	}
}
