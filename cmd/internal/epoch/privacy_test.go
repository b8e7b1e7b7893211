package epoch

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// TestPrivacy has an adversary who has the hub's database, all that is published, the
// full roster, the times of all taps at one door, and, as he runs the hub's broker,
// each byte that gateways send over it or get. What he lacks is the evaluator's key:
// with it, each of his attacks succeeds, as the test shows.
func TestPrivacy(t *testing.T) {
	w := newWorld(t)
	spy := w.tapHub()
	w.admit(24)
	w.open()
	key := w.auditor("journalist")
	opens := time.Now().Truncate(time.Second).Add(15 * time.Second)
	late, closes := opens.Add(20*time.Second), opens.Add(25*time.Second)
	for _, from := range []time.Time{opens, opens, late} { // two of the same people, and a short one
		w.at(w.path("casa"), "census", "open", "--opens", stamp(from), "--closes", stamp(closes), "--audit", stamp(closes.Add(time.Hour)),
			"--beacon", beacon, "--auditor", "journalist="+key)
	}
	w.until(time.Until(opens), "all gateways know of three epochs", func() bool {
		return !slices.ContainsFunc([]string{"casa1", "casa2", "mare1", "monte1"}, func(name string) bool {
			f := must(folder.Open(w.unit(name).dir, false))
			defer f.Close()
			return len(must(f.Epochs())) < 3
		})
	})
	time.Sleep(time.Until(opens))
	began := time.Now()
	taps := w.come(t)
	if time.Now().After(late) {
		t.Fatal("the taps took longer than they may")
	}
	time.Sleep(time.Until(late))
	for _, r := range w.residents[:3] { // fewer than may be said
		w.unit("mare1").tap(r)
	}
	w.until(60*time.Second, "three nodes have reported three epochs", func() bool {
		in := 0
		for _, e := range w.epochs() {
			in += e.Reports.In
		}
		return in == 9
	})
	for n := 1; n <= 3; n++ {
		w.at(w.path("hub"), "census", "close", "--epoch", fmt.Sprint(n))
	}
	w.at(w.path("hub"), "census", "draw", "--epoch", "1", "--seed", strings.Repeat("5e", 32), "--source", beacon)
	a := w.adversary(t, spy, key)
	w.until(40*time.Second, "all that was drawn is opened", func() bool {
		a.read(t)
		return len(a.opened) == a.tags(0)
	})
	t.Cleanup(func() {
		if t.Failed() {
			spy.tell(t, began)
		}
	})
	w.evaluator.stop(syscall.SIGTERM)
	keys := w.keys(t, a.epochs)

	t.Run("whose tag", func(t *testing.T) { a.whose(t, keys) })
	t.Run("two epochs", func(t *testing.T) { a.link(t, keys) })
	t.Run("order", func(t *testing.T) { a.order(t, keys, taps["casa1"]) })
	t.Run("times", func(t *testing.T) { a.times(t, began, closes, taps["casa1"]) })
	t.Run("bytes", func(t *testing.T) { a.bytes(t) })
	t.Run("sizes", func(t *testing.T) { a.sizes(t) })
	t.Run("published", func(t *testing.T) { a.published(t) })
	t.Run("quota", func(t *testing.T) { w.overQuota(t, a.epochs[0]) })
}

// tapped is who tapped when, at a door.
type tapped struct {
	who uint64
	at  time.Time
}

// come has everybody tap, each at one door or at two.
func (w *world) come(t *testing.T) map[string][]tapped {
	t.Helper()
	var mu sync.Mutex
	out := map[string][]tapped{}
	var all sync.WaitGroup
	for _, name := range []string{"casa1", "casa2", "mare1", "monte1"} {
		all.Go(func() {
			for i, r := range w.residents {
				if !slices.Contains([][]string{{"casa1"}, {"casa2"}, {"mare1", "casa1"}, {"monte1"}}[i%4], name) {
					continue
				}
				if !w.unit(name).tap(r) {
					t.Errorf("%s does not open for %d", name, r.number)
				}
				mu.Lock()
				out[name] = append(out[name], tapped{r.number, time.Now()})
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return out
}

// whose: he searches all passports with all that was ever evaluated, and with keys
// of his own.
func (a *adversary) whose(t *testing.T, keys map[ledger.EpochID]census.Key) {
	for n, e := range a.epochs[:2] {
		if found := a.find(n, a.overheard(t)); len(found) > 0 {
			t.Errorf("epoch %d: by what was overheard he knows %d of %d", n+1, len(found), len(a.roster))
		}
		if found := a.find(n, withKey(keys[a.epochs[1-n].ID])); len(found) > 0 {
			t.Errorf("epoch %d: by another epoch's key he knows %d of %d", n+1, len(found), len(a.roster))
		}
		if found := a.find(n, withKey(keys[e.ID])); len(found) != len(a.roster) {
			t.Errorf("epoch %d: with the key he knows %d of %d: the attack is none", n+1, len(found), len(a.roster))
		}
	}
}

// link: he lays two epochs of the same people, at the same taps, side by side.
func (a *adversary) link(t *testing.T, keys map[ledger.EpochID]census.Key) {
	first, second := a.find(0, withKey(keys[a.epochs[0].ID])), a.find(1, withKey(keys[a.epochs[1].ID]))
	seen := map[string]bool{}
	for _, e := range a.entries(0) {
		for _, b := range [][]byte{e.Tag[:], e.Commitment[:]} {
			for i := range len(b) - 5 { // six bytes that come twice by chance: once in 10⁸
				seen[string(b[i:i+6])] = true
			}
		}
	}
	same := 0
	for _, e := range a.entries(1) {
		for _, b := range [][]byte{e.Tag[:], e.Commitment[:]} {
			for i := range len(b) - 5 {
				if seen[string(b[i:i+6])] {
					same++
				}
			}
		}
	}
	if same > 0 {
		t.Errorf("%d pieces of two epochs' lines are the same", same)
	}
	// By place: of each gateway's report the line that stands where the other stood.
	pairs := func(reorder func(l []census.Tag, of map[census.Tag]uint64)) (hits, all int) {
		for _, r := range a.reports {
			var places [2][]census.Tag
			for n, of := range []map[census.Tag]uint64{first, second} {
				l := must(census.NewList(r[a.epochs[n].ID]))
				for i := range l.Len() {
					places[n] = append(places[n], l.At(i).Tag)
				}
				reorder(places[n], of)
			}
			for i := range min(len(places[0]), len(places[1])) {
				if all++; first[places[0][i]] == second[places[1][i]] {
					hits++
				}
			}
		}
		return hits, all
	}
	// One in each report is expected; 15 in three come once in 10⁶ runs.
	if hits, all := pairs(func([]census.Tag, map[census.Tag]uint64) {}); hits > 14 {
		t.Errorf("by their places he links %d of %d", hits, all)
	}
	if hits, all := pairs(func(l []census.Tag, of map[census.Tag]uint64) {
		slices.SortFunc(l, func(x, y census.Tag) int { return int(of[x]) - int(of[y]) })
	}); hits != all || all != a.tags(0) {
		t.Errorf("with the keys he links %d of %d: the attack is none", hits, all)
	}
}

// spearman is the correlation of two orders of the same things.
func spearman[T comparable](x, y []T) float64 {
	at := map[T]int{}
	for i, v := range y {
		at[v] = i
	}
	sum, n := 0.0, float64(len(x))
	for i, v := range x {
		d := float64(i - at[v])
		sum += d * d
	}
	return 1 - 6*sum/(n*(n*n-1))
}

// unordered is more than chance gives two orders of a dozen, but once in 10⁵ runs.
const unordered = 0.97

// order: he lays orders in which things stand beside those of the taps that he saw.
func (a *adversary) order(t *testing.T, keys map[ledger.EpochID]census.Key, taps []tapped) {
	key := withKey(keys[a.epochs[0].ID])
	whose := a.find(0, key)
	came := map[uint64]bool{}
	var seen []uint64
	for _, p := range taps {
		came[p.who] = true
		seen = append(seen, p.who)
	}
	only := func(all []uint64) []uint64 {
		return slices.DeleteFunc(slices.Clone(all), func(who uint64) bool { return !came[who] })
	}
	orders := map[string][]uint64{}
	for o, r := range a.reports {
		l := must(census.NewList(r[a.epochs[0].ID]))
		var all []uint64
		for i := range l.Len() {
			all = append(all, whose[l.At(i).Tag])
		}
		if len(only(all)) == len(seen) {
			orders["the report in "+o.Author.String()] = only(all)
		}
	}
	var drawn []uint64
	for _, b := range a.opened {
		if who := whose[b.Tag]; !slices.Contains(drawn, who) {
			drawn = append(drawn, who)
		}
	}
	orders["the openings"] = only(drawn)
	// Not even who has the door log, and lays the Attendances beside the report, reads
	// off whose tag is whose.
	decisions, attendances := a.w.doorLog(t, []string{"casa1", "casa2"}, a.epochs[0].ID)
	orders["the attendances"] = only(attendances)
	for name, got := range orders {
		if len(got) != len(seen) {
			t.Errorf("%s: %d of %d who were seen", name, len(got), len(seen))
		} else if r := spearman(got, seen); math.Abs(r) > unordered {
			t.Errorf("%s stand in the taps' order: %.2f", name, r)
		}
	}
	var tags []census.Tag
	for tag := range whose {
		tags = append(tags, tag)
	}
	slices.SortFunc(tags, func(x, y census.Tag) int { return bytes.Compare(x[:], y[:]) })
	var byTag []uint64
	for _, tag := range tags {
		if slices.Contains(attendances, whose[tag]) {
			byTag = append(byTag, whose[tag])
		}
	}
	if r := spearman(attendances, byTag); math.Abs(r) > unordered || len(byTag) != len(attendances) {
		t.Errorf("the attendances of the door log stand in their tags' order: %.2f", r)
	}
	if r := spearman(only(decisions), seen); r != 1 {
		t.Errorf("not even the decisions stand in the taps' order: %.2f: the attack is none", r)
	}
}

// follows is the part of the taps that something comes with or soon after.
func follows(taps []tapped, all []time.Time) float64 {
	n := 0
	for _, p := range taps {
		if slices.ContainsFunc(all, func(at time.Time) bool { return at.Sub(p.at).Abs() < 250*time.Millisecond }) {
			n++
		}
	}
	return float64(n) / float64(len(taps))
}

// times: he lays the times of what left the gateway beside those of the taps.
func (a *adversary) times(t *testing.T, began, closes time.Time, taps []tapped) {
	var sent, logged []time.Time
	for _, p := range a.spy.sent() {
		if p.at.Before(began) || p.at.After(closes) {
			continue
		}
		if strings.HasPrefix(p.kind(), "hub/") {
			t.Errorf("%s sends %s %v before the close", p.unit, p.kind(), closes.Sub(p.at))
		}
		if p.unit == "casa1" { // its births are left, some random time after its link came up
			sent = append(sent, p.at)
		}
	}
	if part := follows(taps, sent); part > 0.25 {
		t.Errorf("of %d messages in the epoch one follows %.0f %% of the taps", len(sent), 100*part)
	}
	for _, at := range a.written {
		if at.Before(closes) {
			t.Errorf("something is reported %v before the close", closes.Sub(at))
		}
	}
	a.w.eachEntry(t, []string{"casa1"}, func(e ledger.Entry, body ledger.Body) {
		if _, ok := body.(*ledger.Decision); ok {
			logged = append(logged, time.UnixMilli(e.Time))
		}
	})
	if part := follows(taps, logged); part < 0.95 {
		t.Errorf("the door log itself follows %.0f %% of the taps: the attack is none", 100*part)
	}
}
