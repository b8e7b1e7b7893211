package epoch

import (
	"encoding/hex"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

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
}

// adversary is who has all that once three epochs were reported and closed.
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
		key := must(f.Public(folder.SigningKey))
		own := ledger.KeyIDOf(key[:])
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
