package epoch

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"tombolo/cmd/internal/folder"
	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/hub/evaluator"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
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
	opens := time.Now().Truncate(time.Second)
	late, closes := opens.Add(24*time.Second), opens.Add(30*time.Second)
	for _, from := range []time.Time{opens, opens, late} { // two of the same people, and a short one
		w.at(w.path("casa"), "census", "open", "--opens", stamp(from), "--closes", stamp(closes), "--audit", stamp(closes.Add(time.Hour)),
			"--beacon", beacon, "--auditor", "journalist="+key)
	}
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
	w.evaluator.stop(15)
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
				at := time.Now()
				if !w.unit(name).tap(r) {
					t.Errorf("%s does not open for %d", name, r.number)
				}
				mu.Lock()
				out[name] = append(out[name], tapped{r.number, at})
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return out
}

// adversary is what he has.
type adversary struct {
	w         *world
	spy       *wiretap
	auditor   string
	community ledger.CharterID
	epochs    []folder.Epoch // by number
	roster    []uint64
	reports   map[ledger.Origin]map[ledger.EpochID][]byte // the hub's database: tags of each reporter
	written   []time.Time                                 // entries of report ledgers
	opened    []*ledger.Opened
	secrets   [][]byte // which must not have left a node; see needles
}

func (w *world) adversary(t *testing.T, spy *wiretap, auditor string) *adversary {
	a := &adversary{w: w, spy: spy, auditor: auditor}
	for _, r := range w.residents {
		a.roster = append(a.roster, r.number)
	}
	f := must(folder.Open(w.path("hub"), false))
	defer f.Close()
	a.community = must(f.CommunityID())
	a.epochs = must(f.Epochs())
	slices.SortFunc(a.epochs, func(x, y folder.Epoch) int { return int(x.Opened.Number) - int(y.Opened.Number) })
	if len(a.epochs) != 3 {
		t.Fatalf("%d epochs", len(a.epochs))
	}
	a.read(t)
	return a
}

// read reads the hub's database.
func (a *adversary) read(t *testing.T) {
	t.Helper()
	s := must(store.Open(a.w.path("hub", "ledgers.db")))
	defer s.Close()
	a.reports, a.opened, a.written = map[ledger.Origin]map[ledger.EpochID][]byte{}, nil, nil
	for _, i := range must(s.Ledgers()) {
		if i.Origin.Kind == ledger.DoorLog || i.Origin.Kind == ledger.NodeLog {
			t.Errorf("the hub has %v", i.Origin)
		}
		if i.Origin.Kind != ledger.ReportLog {
			continue
		}
		a.reports[i.Origin] = map[ledger.EpochID][]byte{}
		index := int64(0)
		for e, err := range s.Entries(i, 0, i.Size) {
			if err != nil {
				t.Fatal(err)
			}
			_, body, err := e.Open(ledger.ReportLog, index)
			if err != nil {
				t.Fatal(err)
			}
			switch b := body.(type) {
			case *ledger.CensusTags:
				a.reports[i.Origin][b.Epoch] = append(a.reports[i.Origin][b.Epoch], b.Tags...)
			case *ledger.Opened:
				a.opened = append(a.opened, b)
			}
			if index > 0 { // behind Begin
				a.written = append(a.written, time.UnixMilli(e.Time))
			}
			index++
		}
	}
}

// tags is how many an epoch's reports have.
func (a *adversary) tags(n int) (sum int) {
	for _, r := range a.reports {
		sum += len(r[a.epochs[n].ID]) / ledger.TagSize
	}
	return sum
}

// entries are all that were reported in an epoch.
func (a *adversary) entries(n int) (out []census.Entry) {
	for _, o := range slices.SortedFunc(maps.Keys(a.reports), ledger.Origin.Compare) {
		l := must(census.NewList(a.reports[o][a.epochs[n].ID]))
		for i := range l.Len() {
			out = append(out, l.At(i))
		}
	}
	return out
}

// keys reads the evaluator's keys, which the adversary has not.
func (w *world) keys(t *testing.T, epochs []folder.Epoch) map[ledger.EpochID]census.Key {
	t.Helper()
	out := map[ledger.EpochID]census.Key{}
	secret := regexp.MustCompile(`(?m)^secret ([0-9a-f]{64})$`)
	err := filepath.WalkDir(w.path("evaluator"), func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".key" {
			return err
		}
		if m := secret.FindSubmatch(must(os.ReadFile(path))); m != nil {
			key := must(census.ParseKey(must(hex.DecodeString(string(m[1])))))
			for _, e := range epochs {
				if key.Public() == e.Opened.Key {
					out[e.ID] = key
				}
			}
		}
		return nil
	})
	if err != nil || len(out) != len(epochs) {
		t.Fatalf("%d of %d keys, %v", len(out), len(epochs), err)
	}
	return out
}

// oracle evaluates an element, if it can.
type oracle func(census.Element) (census.Evaluation, bool)

// overheard is all that the evaluator answered over the broker: whoever asks it for
// what a gateway asked gets that answer.
func (a *adversary) overheard(t *testing.T) oracle {
	t.Helper()
	asked, known := map[uint64][]census.Element{}, map[census.Element]census.Evaluation{}
	for _, p := range a.spy.sent() {
		if id, body, ok := exchanged(p); ok {
			for _, e := range a.epochs {
				if _, ask, err := census.OpenAsk(a.community, e.Opened.Evaluator, body); err == nil {
					if m, err := census.ParseAsk(ask); err == nil {
						asked[id] = m.(census.EvaluateAsk).Elements
					}
				}
			}
		}
	}
	for _, p := range a.spy.heard() {
		if id, body, ok := exchanged(p); ok && asked[id] != nil {
			if m, err := census.ParseEvaluateAnswer(body); err == nil {
				for i, ev := range m.Evaluations {
					known[asked[id][i]] = ev
				}
			}
		}
	}
	if len(known) < 9*census.BatchSize { // three gateways, three epochs
		t.Fatalf("%d elements were overheard", len(known))
	}
	return func(e census.Element) (census.Evaluation, bool) { ev, ok := known[e]; return ev, ok }
}

// exchanged reads an Ask or an Answer.
func exchanged(p published) (id uint64, body []byte, ok bool) {
	var m struct {
		_             struct{} `cbor:",toarray"`
		Version, Type uint
		ID            uint64
		Body          []byte
	}
	return m.ID, m.Body, p.kind() == "hub/to" && cbor.Unmarshal(p.payload, &m) == nil && len(m.Body) > 0
}

// guess computes a passport's tag by an oracle: blinded with what he knows or may
// assume that a careless gateway took.
func (a *adversary) guess(e folder.Epoch, who uint64, ask oracle, blinds []census.Blind) (out []census.Tag) {
	input := census.Input(a.community, e.ID, who)
	for _, b := range blinds {
		element, err := b.Element(input)
		if err != nil {
			continue
		}
		if ev, ok := ask(element); ok {
			if tag, err := census.Finish(e.Opened.Key, input, b, ev); err == nil {
				out = append(out, tag)
			}
		}
	}
	return out
}

// blinds are those that he tries: 1, 2, … and every 32 bytes that are known of the
// reports and the asks.
func (a *adversary) blinds(n int) (out []census.Blind) {
	for i := range 16 {
		out = append(out, census.Blind{0: byte(i + 1)})
	}
	for _, e := range a.entries(n)[:4] {
		out = append(out, census.Blind(e.Tag), census.Blind(e.Commitment))
	}
	return append(out, census.Blind(a.epochs[n].Opened.Key), census.Blind(a.epochs[n].ID))
}

// find is how many tags of an epoch he gives the right passport, or any.
func (a *adversary) find(n int, ask oracle) map[census.Tag]uint64 {
	e, out := a.epochs[n], map[census.Tag]uint64{}
	listed := map[census.Tag]bool{}
	for _, l := range a.entries(n) {
		listed[l.Tag] = true
	}
	for _, who := range a.roster {
		for _, tag := range a.guess(e, who, ask, a.blinds(n)) {
			if listed[tag] {
				out[tag] = who
			}
		}
	}
	return out
}

func withKey(k census.Key) oracle {
	return func(e census.Element) (census.Evaluation, bool) { ev, err := k.Evaluate(e); return ev, err == nil }
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
	// One in each report is expected; nine or more of three come once in 10⁴ runs or less.
	if hits, all := pairs(func([]census.Tag, map[census.Tag]uint64) {}); hits > 8 {
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

// unordered is above what chance gives orders of a dozen in 10⁵ runs.
const unordered = 0.93

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

// doorLog is who is named in the gateways' door logs, in their decisions and in an
// epoch's Attendances.
func (w *world) doorLog(t *testing.T, units []string, epoch ledger.EpochID) (decisions, attendances []uint64) {
	t.Helper()
	w.eachEntry(t, units, func(e ledger.Entry, body ledger.Body) {
		switch b := body.(type) {
		case *ledger.Decision:
			if b.Passport > 0 && !slices.Contains(decisions, b.Passport) {
				decisions = append(decisions, b.Passport)
			}
		case *ledger.Attendance:
			if b.Epoch == epoch {
				attendances = append(attendances, b.Passport)
			}
		}
	})
	return decisions, attendances
}

// eachEntry goes through gateways' own door logs.
func (w *world) eachEntry(t *testing.T, units []string, do func(ledger.Entry, ledger.Body)) {
	t.Helper()
	for _, name := range units {
		f := must(folder.Open(w.unit(name).dir, false))
		own := ledger.KeyIDOf(slices.Clone(func() []byte { k := must(f.Public(folder.SigningKey)); return k[:] }()))
		for _, i := range must(f.Store().Ledgers()) {
			if i.Origin.Kind != ledger.DoorLog || i.Origin.Author != own {
				continue
			}
			index := int64(0)
			for e, err := range f.Store().Entries(i, 0, i.Size) {
				if err != nil {
					t.Fatal(err)
				}
				_, body, err := e.Open(ledger.DoorLog, index)
				if err != nil {
					t.Fatal(err)
				}
				do(e, body)
				index++
			}
		}
		f.Close()
	}
}

// follows is the part of the taps that something comes soon after.
func follows(taps []tapped, all []time.Time) float64 {
	n := 0
	for _, p := range taps {
		if slices.ContainsFunc(all, func(at time.Time) bool { d := at.Sub(p.at); return d >= 0 && d < 800*time.Millisecond }) {
			n++
		}
	}
	return float64(n) / float64(len(taps))
}

// times: he lays the times of what left the gateway beside those of the taps.
func (a *adversary) times(t *testing.T, began, closes time.Time, taps []tapped) {
	var sent, logged []time.Time
	for _, p := range a.spy.sent() {
		id, _, ask := exchanged(p)
		_ = id
		if ask && p.at.Before(closes) {
			t.Errorf("%s asks %v before the close", p.unit, closes.Sub(p.at))
		}
		if p.unit == "casa1" && p.at.After(began) && p.at.Before(closes) && strings.HasPrefix(p.kind(), "hub/") {
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

// bytes: nothing of a door log, and none of the secrets by which a gateway asked, is
// in what it sent or in what the hub serves.
func (a *adversary) bytes(t *testing.T) {
	needles := map[string]string{}
	units := []string{"casa1", "casa2", "mare1", "monte1"}
	a.w.eachEntry(t, units, func(e ledger.Entry, body ledger.Body) {
		needles[string(e.Leaf)] = "a leaf"
		if len(e.Body) >= 16 {
			needles[string(e.Body)] = "an entry"
		}
		switch b := body.(type) {
		case *ledger.Decision:
			if tap, err := passport.ParseTap(b.Presentation); err == nil {
				needles[string(tap.Nonce[:])], needles[string(tap.Sig[:])] = "a nonce", "a signature"
			}
		case *ledger.Attendance:
			needles[string(b.Place[:])], needles[string(b.Time[:])] = "a place", "a time"
			needles[string(b.Seen[:])], needles[string(b.Signature[:])] = "a passage", "a signature"
		}
	})
	for _, name := range units {
		db := must(store.Database(a.w.unit(name).dir+"/census.db", 1))
		rows := must(db.Query("SELECT blind, secret FROM presence"))
		for rows.Next() {
			var blind, secret []byte
			if err := rows.Scan(&blind, &secret); err != nil {
				t.Fatal(err)
			}
			salt := census.Salt(secret).TagSalt()
			needles[string(blind)], needles[string(secret)], needles[string(salt[:])] = "a blind", "a secret", "a salt"
		}
		rows.Close()
		db.Close()
	}
	found := func(b []byte) (out []string) {
		for n, what := range needles {
			if bytes.Contains(b, []byte(n)) {
				out = append(out, what)
			}
		}
		return out
	}
	for _, p := range a.spy.sent() {
		if what := found(p.payload); len(what) > 0 {
			t.Errorf("%s sends %v in %s", p.unit, what, p.topic)
		}
		if f := strings.Split(p.topic, "/"); len(f) > 3 && f[3] != "hub" && f[3] != "all" {
			t.Errorf("%s sends in the place %s of %s", p.unit, f[3], p.topic)
		}
		if strings.Contains(p.topic, "/door/") {
			t.Errorf("%s sends %s", p.unit, p.topic)
		}
	}
	for _, file := range []string{"ledgers.db", "ledgers.db-wal"} {
		if what := found(must(os.ReadFile(a.w.path("hub", file)))); len(what) > 0 {
			t.Errorf("the hub's %s has %v", file, what)
		}
	}
	a.w.at(a.w.unit("casa1").dir, "ledger", "export", "--kind", "door", "--out", a.w.path("door.tombolo"))
	if got := found(must(os.ReadFile(a.w.path("door.tombolo")))); !slices.Contains(got, "a nonce") || !slices.Contains(got, "a place") || !slices.Contains(got, "a leaf") {
		t.Errorf("in a door log itself there is only %v: the search is none", got)
	}
}

// sizes: asks are as long as each other and openings, too, however many came.
func (a *adversary) sizes(t *testing.T) {
	asks := map[int]int{}
	for _, p := range a.spy.sent() {
		if _, body, ok := exchanged(p); ok && len(body) > 1024 { // to the evaluator
			asks[len(body)]++
		}
	}
	sealed := map[int]int{}
	for _, b := range a.opened {
		sealed[len(b.Sealed)]++
	}
	if len(asks) != 1 || len(sealed) != 1 {
		t.Errorf("asks of %v bytes, openings of %v", asks, sealed)
	}
}

// published: he crawls the hub's API for what says how many a node reported.
func (a *adversary) published(t *testing.T) {
	var sizes []int
	for n, e := range a.epochs {
		path := "/v1/epochs/" + e.ID.String()
		for _, part := range []struct {
			path, list string
			fields     []string
		}{{"/covers", "covers", []string{"ledger", "node", "root"}}, {"/reports", "reports", []string{"fault", "ledger", "node", "slug", "state"}}} {
			status, body := a.w.get(path + part.path)
			var answer map[string]json.RawMessage
			var all []map[string]any
			if status != 200 || json.Unmarshal(body, &answer) != nil || json.Unmarshal(answer[part.list], &all) != nil || len(all) == 0 {
				t.Fatalf("%s: %d %s", part.path, status, body)
			}
			for _, line := range all {
				for field := range line { // how long a report ledger is says how many were opened the last time
					if !slices.Contains(part.fields, field) {
						t.Errorf("%s says %s", part.path, field)
					}
				}
			}
		}
		status, body := a.w.get(path + "/reports/" + a.auditor)
		if status != 200 {
			t.Fatalf("%d %s", status, body)
		}
		sizes = append(sizes, len(body))
		status, body = a.w.get(path + "/list")
		if short := n == 2; short && status == 200 || !short && len(body) != 24*ledger.TagSize {
			t.Errorf("epoch %d: %d, a list of %d bytes", n+1, status, len(body))
		}
		status, body = a.w.get(path)
		var one struct{ Closed struct{ Passports *int } }
		if status != 200 || json.Unmarshal(body, &one) != nil || (one.Closed.Passports == nil) != (n == 2) {
			t.Errorf("epoch %d: %s", n+1, body)
		}
	}
	if sizes[0] != sizes[1] || sizes[1] != sizes[2] {
		t.Errorf("what is sealed of 24, 24 and 3 passports has %v bytes", sizes)
	}
	status, body := a.w.get("/metrics")
	if status != 200 {
		t.Fatalf("%d", status)
	}
	for _, line := range strings.Split(string(body), "\n") {
		if strings.HasPrefix(line, "tombolo_") && strings.Contains(line, "{") {
			t.Errorf("a figure of somebody's: %s", line)
		}
	}
}

// overQuota: the gateway's share of an epoch is what it is, whoever asks by its key.
func (w *world) overQuota(t *testing.T, e folder.Epoch) {
	f := must(folder.Open(w.path("evaluator"), false))
	defer f.Close()
	author, gateway := must(f.Key(folder.EvaluatorKey)), must(folder.Open(w.unit("mare1").dir, false))
	defer gateway.Close()
	signing, rights := must(gateway.Key(folder.SigningKey)), must(f.Rights())
	ev := must(evaluator.Open(evaluator.Config{
		Dir: w.path("evaluator", "epochs"), Community: must(f.CommunityID()), Author: author, Rights: f.Rights,
		Epochs: func() ([]ledger.EpochOpened, error) { return []ledger.EpochOpened{*e.Opened}, nil },
	}))
	defer ev.Close()
	ask := func() census.EvaluateAnswer {
		body := census.EvaluateAsk{Epoch: e.ID}
		for range census.BatchSize {
			body.Elements = append(body.Elements, must(census.Padding(rand.Reader)))
		}
		return must(census.ParseEvaluateAnswer(ev.Answer(t.Context(), ledger.KeyID{}, census.SignAsk(signing, rights.Community, e.Opened.Evaluator, body.Marshal()))))
	}
	batches := 1 // that it asked itself
	for ; ; batches++ {
		a := ask()
		if a.Refused == census.RefusedQuota && len(a.Evaluations) == 0 {
			break
		}
		if a.Refused != "" || batches > 1000 {
			t.Fatalf("%q after %d batches", a.Refused, batches)
		}
	}
	if most := int(e.Opened.Quota) / census.BatchSize; batches != most {
		t.Errorf("%d batches, and the quota is for %d", batches, most)
	}
}
