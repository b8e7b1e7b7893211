package epoch

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// crowd is more than one part of a report holds.
const crowd = ledger.MaxTags + 76

// TestGatewayKilled kills a gateway's daemon at each thing that it does for the census:
// while it asks the evaluator, records attendances, has reported and opens what was
// drawn. What comes of it is one report, each attendance once, and every opening.
func TestGatewayKilled(t *testing.T) {
	w := newWorld(t)
	w.admit(crowd)
	u := w.unit("mare1")
	auditor := w.auditor("auditor")
	wiring := fmt.Sprintf(gatewayWiring, "", w.broker, u.name) + "[census]\ngrace = \"1s\"\npatience = \"1s\"\n"
	if err := os.WriteFile(filepath.Join(u.dir, "gateway.toml"), []byte(wiring), 0o600); err != nil {
		t.Fatal(err)
	}
	u.process = w.daemon("tombolod", "run", "--config", filepath.Join(u.dir, "gateway.toml"))
	u.start("msg=ready") // it takes its enrolment in
	u.stop(syscall.SIGTERM)
	opens := time.Now()
	w.visits(u, opens.Add(time.Second))
	closes := time.Now().Add(12 * time.Second)
	w.at(w.path("casa"), "census", "open", "--opens", stamp(opens), "--closes", stamp(closes), "--audit", stamp(closes.Add(time.Hour)),
		"--beacon", beacon, "--auditor", "journalist="+auditor)
	w.until(20*time.Second, "the hub knows of the epoch", func() bool { return len(w.epochs()) == 1 })
	u.start("msg=ready") // it hears who lives here
	everybody := w.written(ledger.CommunityLog)
	w.until(20*time.Second, "the gateway knows everybody", func() bool {
		s, err := gateway.AskStatus(context.Background(), u.dir)
		for origin, size := range everybody {
			if err != nil || s.Projected[origin] < size {
				return false
			}
		}
		return true
	})
	u.stop(syscall.SIGTERM)
	w.evaluator.stop(syscall.SIGTERM)
	f := must(folder.Open(u.dir, false))
	defer f.Close()
	written := func(kind ledger.Kind) int { return len(u.written(t, f, kind)) }
	epoch := func() (e gateway.CensusEpoch) {
		if s, err := gateway.AskCensus(context.Background(), u.dir); err == nil && len(s.Epochs) == 1 {
			e = s.Epochs[0]
		}
		return e
	}
	kills := 0
	kill := func(what string, when func() bool) {
		t.Helper()
		if u.Daemon == nil {
			u.start("msg=ready")
		}
		for end := time.Now().Add(60 * time.Second); !when(); time.Sleep(2 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("it never came to be that %s: %+v", what, epoch())
			}
		}
		u.stop(syscall.SIGKILL)
		kills++
	}
	for _, after := range []time.Duration{0, 50, 150} {
		u.start("msg=ready")
		time.Sleep(time.Until(closes.Add(time.Second + after*time.Millisecond)))
		kill("it began", func() bool { return true })
	}
	kill("presences are found", func() bool { return epoch().Present > 0 })
	kill("nobody answers", func() bool { return epoch().State == "asking the evaluator" })
	w.evaluator.start("link up")
	for _, tags := range []int64{1, crowd / 3, crowd * 9 / 10} {
		kill(fmt.Sprintf("%d are tagged", tags), func() bool { return epoch().Tagged >= tags })
	}
	for _, some := range []int{1, 65, crowd / 2, crowd - 1} {
		kill(fmt.Sprintf("%d attendances stand", some), func() bool { return written(ledger.KindAttendance) >= some })
	}
	kill("it is reported", func() bool { return written(ledger.KindReported) > 0 })
	u.start("msg=ready")
	w.until(60*time.Second, "the hub has the report", func() bool { return w.epochs()[0].Reports.In == 1 })
	w.at(w.path("hub"), "census", "close")
	w.at(w.path("hub"), "census", "draw", "--seed", seed)
	for _, some := range []int{1, 2, 100} {
		kill(fmt.Sprintf("%d openings are written", some), func() bool { return written(ledger.KindOpened) >= some })
	}
	u.start("msg=ready")
	w.until(90*time.Second, "all openings are there", func() bool { return epoch().Opened })
	w.until(90*time.Second, "the auditor has them", func() bool {
		time.Sleep(time.Second)
		return w.audit(t, "auditor").Result.Unanswered == 0
	})
	r := w.audit(t, "auditor")
	t.Logf("%d kills; %d of %d drawn are good", kills, r.Result.Good, r.Result.Drawn)
	if r.Size != crowd || r.Result.Bad != 0 || r.Result.Good != r.Result.Drawn || r.Result.Drawn < 100 {
		t.Errorf("%d passports; %+v", r.Size, r.Result)
	}

	reports := u.written(t, f, ledger.KindReported)
	if len(reports) != 1 || reports[0].(*ledger.Reported).Count != crowd || len(u.written(t, f, ledger.KindCensusTags)) != 2 {
		t.Fatalf("%d reports of %d parts", len(reports), len(u.written(t, f, ledger.KindCensusTags)))
	}
	of := map[uint64]int{}
	for _, b := range u.written(t, f, ledger.KindAttendance) {
		of[b.(*ledger.Attendance).Passport]++
	}
	anew := u.anew(f) // in a new incarnation all are written again
	for who, n := range of {
		if n != 1 && !anew {
			t.Errorf("%d attendances of %d", n, who)
		}
	}
	if len(of) != crowd {
		t.Errorf("attendances of %d passports", len(of))
	}
	opened := map[[32]byte]int{}
	for _, b := range u.written(t, f, ledger.KindOpened) {
		opened[b.(*ledger.Opened).Tag]++
	}
	for tag, n := range opened {
		if n != 1 {
			t.Errorf("%x was opened %d times", tag, n)
		}
	}
}

// written is how long casa's ledgers of one kind are, by origin.
func (w *world) written(kind ledger.LogKind) map[string]int64 {
	w.t.Helper()
	f := must(folder.Open(w.path("casa"), false))
	defer f.Close()
	out := map[string]int64{}
	for _, i := range must(f.Store().Ledgers()) {
		if i.Origin.Kind == kind {
			out[i.Origin.String()] = i.Size
		}
	}
	if len(out) == 0 {
		w.t.Fatalf("casa has no %v ledger", kind)
	}
	return out
}

// visits writes into the door log of a gateway that does not run that everybody came
// at a time.
func (w *world) visits(u *unit, at time.Time) {
	w.t.Helper()
	os.Setenv("TOMBOLO_GUARD", w.path("guard"))
	f := must(folder.Open(u.dir, false))
	defer f.Close()
	a := must(f.Author(ledger.DoorLog))
	place := passport.TapPlace(must(f.Public(folder.SigningKey)), passport.DoorTarget(passport.NodeID(must(f.NodeID())), u.name))
	community := passport.CommunityID(must(f.CommunityID()))
	drafts := []store.Draft{{Time: at, Body: &ledger.Boot{Software: "test", Clock: "ntp"}}}
	for i, r := range w.residents {
		c := passport.Challenge{Community: community, Time: uint64(at.Unix()), Nonce: [32]byte{byte(i), byte(i >> 8), 1}, Place: place}
		tap := must(passport.NewTap(c, r.card.Key(), must(r.card.Sign(c.Sum()))))
		key := r.card.Key().ID()
		drafts = append(drafts,
			store.Draft{Time: at, Body: &ledger.Decision{Seq: uint64(i + 1), Door: u.name, Mode: "tap", Granted: true, Reason: "granted", Passport: r.number, Key: key[:], Presentation: must(tap.MarshalBinary()), Policy: 1}},
			store.Draft{Time: at, Body: &ledger.Passage{Seq: uint64(i + 1), Door: u.name, Entered: true}})
	}
	must(a.Append(drafts...))
}

// written are the entries of one kind in all of a gateway's own ledgers.
func (u *unit) written(t *testing.T, f *folder.Folder, kind ledger.Kind) (out []ledger.Body) {
	t.Helper()
	for _, l := range must(f.Store().Ledgers()) {
		if l.Origin.Kind != ledger.DoorLog && l.Origin.Kind != ledger.ReportLog {
			continue
		}
		index := int64(-1)
		for e, err := range f.Store().Entries(l, 0, l.Size) {
			index++
			if err != nil {
				t.Fatal(err)
			}
			if must(ledger.ParseLeaf(e.Leaf)).Kind != kind {
				continue
			}
			_, b, err := e.Open(l.Origin.Kind, index)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, b)
		}
	}
	return out
}

// anew tells whether a kill made the door log begin a new incarnation.
func (u *unit) anew(f *folder.Folder) bool {
	logs := 0
	for _, l := range must(f.Store().Ledgers()) {
		if l.Origin.Kind == ledger.DoorLog {
			logs++
		}
	}
	return logs > 1
}
