package main

import (
	"bytes"
	crand "crypto/rand"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

var worldSeed = [32]byte{1, 2, 3}

// twoIslands is an epoch of thirty people, of whom five were on both islands, with
// two auditors and honest reports.
func twoIslands(t *testing.T) *censusWorld {
	w := newCensusWorld(t)
	w.admit(numbers(1, 30)...)
	w.openEpoch(100, w.auditors...)
	w.visit(w.islands[0], numbers(1, 18)...)
	w.visit(w.islands[1], numbers(14, 30)...)
	for _, n := range w.islands {
		w.report(n)
	}
	return w
}

func TestHonestCensus(t *testing.T) {
	w := twoIslands(t)
	h := w.collect(w.islands...)
	w.close(h)
	d := w.draw(h, worldSeed)
	w.answer(h, d, w.islands...)
	receipt := w.receipt(w.islands[0], 7, true)
	r := w.audits(h, w.auditors[0], auditFlags{receipts: []string{receipt}, beacon: worldSeed})
	if r.Size != 30 || r.Result.Good != 30 || r.Result.Bound != 0 || r.Result.AtLeast != 30 || len(r.Checks) != 4 {
		t.Errorf("%+v", r.Result)
	}
	wants(t, details(r, census.CheckedMine), "counted")

	// Who is not named sees the list, and no evidence.
	var errs, out bytes.Buffer
	stranger := w.auditor("stranger")
	e := &env{Now: func() time.Time { return w.now }, Sleep: sleep, In: strings.NewReader(""), Out: &out, Err: &errs, dir: stranger.dir, ctx: t.Context()}
	if err := e.audit(t.Context(), h, &auditFlags{auditSource: auditSource{community: w.chain.ID().String()}}); !errors.Is(err, errUnchecked) || !strings.Contains(err.Error(), "evidence") {
		t.Errorf("%v", err)
	}
	wants(t, out.String(), "does not name this auditor", "auditor 1", "auditor 2", "What this does not prove", "What the checks ask")
	if err := e.audit(t.Context(), h, &auditFlags{auditSource: auditSource{community: w.chain.ID().String()}, checks: []string{census.CheckedAll, census.CheckedConsistent}}); err != nil {
		t.Error(err)
	}
}

// receipt writes a resident's receipt.
func (w *censusWorld) receipt(n *island, number uint64, full bool) string {
	w.t.Helper()
	tag, _, _ := w.tag(number)
	o := w.opening(n, tag, full)
	o.Report.Note = must(ledger.Cosign(o.Report.Note, ledger.RoleHold, must(w.hub.Key(folder.HubHoldKey)), uint64(w.now.Unix())-60))
	path := w.t.TempDir() + "/receipt"
	if err := folder.WriteFile(path, census.Receipt{Opening: o}.Marshal(), 0o600); err != nil {
		w.t.Fatal(err)
	}
	return path
}

// The cheats. Each test names the check that catches it.

// TestCheatLeftOut: a resident whose report the hub had is not in the list. *mine*
// catches it by his receipt, and *all* for the auditors whom the epoch names.
func TestCheatLeftOut(t *testing.T) {
	w := twoIslands(t)
	h := w.collect(w.islands...)
	tag, _, _ := w.tag(7)
	receipt := w.receipt(w.islands[0], 7, false)
	i, _ := must(census.NewList(h.list)).Find(tag)
	h.list = slices.Delete(slices.Clone(h.list), int(i)*ledger.TagSize, int(i+1)*ledger.TagSize)
	w.close(h)
	w.answer(h, w.draw(h, worldSeed), w.islands...)
	r := w.audits(h, w.auditors[0], auditFlags{receipts: []string{receipt}}, census.CheckedMine, census.CheckedAll)
	wants(t, details(r, census.CheckedMine), "left out", "held the report before it closed")
	wants(t, details(r, census.CheckedAll), "1 tags that node", "are not in the list")
}

// TestCheatTwice: one passport stands in the list twice, the second time in the
// place of nobody. *all* catches a line twice, and *all* and *evidence* one under
// an invented tag.
func TestCheatTwice(t *testing.T) {
	w := twoIslands(t)
	t.Run("same tag", func(t *testing.T) {
		h := w.collect(w.islands...)
		h.list = slices.Concat(h.list[:ledger.TagSize], h.list)
		h.hub = w.folder("hub that doubles")
		w.borrow(h.hub)
		w.close(h)
		var errs, out bytes.Buffer
		e := &env{Now: func() time.Time { return w.now }, Sleep: sleep, In: strings.NewReader(""), Out: &out, Err: &errs, dir: w.auditors[0].dir, ctx: t.Context()}
		err := e.audit(t.Context(), h, &auditFlags{auditSource: auditSource{community: w.chain.ID().String()}, checks: []string{census.CheckedAll}})
		if !errors.Is(err, errAuditFailed) {
			t.Fatal(err)
		}
		wants(t, out.String(), "all         FAILED", "not strictly sorted: somebody may be in it twice")
	})
	t.Run("another tag", func(t *testing.T) {
		h := w.collect(w.islands...)
		// The line of one passport again, under a tag that nobody has.
		line := slices.Clone(h.list[:ledger.TagSize])
		crand.Read(line[:32])
		h.list = census.Merge(append(slices.Clone(h.list), line...), nil)
		h.hub = w.folder("hub that invents")
		w.borrow(h.hub)
		w.close(h)
		d := w.draw(h, worldSeed)
		w.answer(h, d, w.islands...)
		// A gateway that plays along answers for it with what it has of the passport.
		tag := census.Tag(line[:32])
		o := w.opening(w.islandOf(h.list[32:64]), census.Tag(h.list[:32]), false)
		for _, a := range w.opened.Auditors {
			h.sealed[a.Sealing][tag] = must(census.Seal(census.Sealing{Community: w.chain.ID(), Epoch: w.opened.ID(), Draw: d.Seed, Tag: tag, Auditor: a.Sealing}, o))
		}
		r := w.audits(h, w.auditors[0], auditFlags{}, census.CheckedAll, census.CheckedEvidence)
		wants(t, details(r, census.CheckedAll), "1 lines of the list are in no report")
		wants(t, details(r, census.CheckedEvidence), "is bad: tag")
	})
}

// TestCheatSuppressed: the hub leaves a whole node's report out. A resident's
// receipt shows that it had it: *mine* and *all*. If it names the report and leaves
// its tags out, *all* catches it for the auditors whom the epoch names.
func TestCheatSuppressed(t *testing.T) {
	w := twoIslands(t)
	t.Run("not covered", func(t *testing.T) {
		h := w.collect(w.islands[0])
		h.list = append([]byte(nil), h.list...)
		for n := uint64(100); len(h.list) < ledger.Withheld*ledger.TagSize; n++ { // it fills the figure up, too
			tag, _, _ := w.tag(n)
			h.list = append(append(h.list, tag[:]...), make([]byte, 32)...)
		}
		h.list = census.Merge(h.list, nil)
		h.hub = w.folder("hub that suppresses")
		w.borrow(h.hub)
		w.close(h)
		r := w.audits(h, w.auditors[0], auditFlags{receipts: []string{w.receipt(w.islands[1], 25, false)}, checks: []string{census.CheckedMine, census.CheckedAll}}, census.CheckedMine, census.CheckedAll)
		wants(t, details(r, census.CheckedAll), "it was suppressed", "no report of node", "18 tags were reported, and the list has 20")
		wants(t, details(r, census.CheckedMine), "left out")
	})
	t.Run("covered, without its tags", func(t *testing.T) {
		h := w.collect(w.islands...)
		h.list = census.Merge(slices.Concat(w.islands[1].tags, w.islands[0].tags[:5*ledger.TagSize]), nil)
		h.hub = w.folder("hub that drops")
		w.borrow(h.hub)
		w.close(h)
		r := w.audits(h, w.auditors[0], auditFlags{checks: []string{census.CheckedAll}}, census.CheckedAll)
		wants(t, details(r, census.CheckedAll), "tags that node", "are not in the list")
	})
}

// TestCheatDoorLog: a gateway rewrites its door log after it has reported.
// *evidence* catches it as what it opens stands in no log that it reported, and
// *consistent* where somebody kept a head of the log as it was.
func TestCheatDoorLog(t *testing.T) {
	w := twoIslands(t)
	h := w.collect(w.islands...)
	w.close(h)
	d := w.draw(h, worldSeed)

	t.Run("evidence", func(t *testing.T) {
		n := *w.islands[0]
		rewritten := w.folder("north, rewritten")
		copyKeys(t, n.gateway.Dir(), rewritten.Dir(), folder.SigningKey, folder.HoldKey, folder.WitnessKey, folder.SealingKey, folder.TLSKey, folder.ReaderKey)
		w.t.(*testing.T).Setenv("TOMBOLO_GUARD", t.TempDir())
		var approval bytes.Buffer
		must(n.steward.Export(&approval, []ledger.LogKind{ledger.NodeLog}, nil))
		must(rewritten.Enrol(bytes.NewReader(approval.Bytes())))
		again := island{slug: n.slug, node: n.node, self: n.self, steward: n.steward, gateway: rewritten}
		w.visit(&again, numbers(1, 18)...)
		// It opens by the new log, under the report that it cannot take back.
		for tag, k := range again.cases {
			old := n.cases[tag]
			old.entry, old.at = k.entry, k.at
		}
		w.answer(h, d, w.islands...)
		r := w.audits(h, w.auditors[0], auditFlags{}, census.CheckedEvidence)
		wants(t, details(r, census.CheckedEvidence), "is bad: reported")
		if r.Result.Bad != 13 { // five of the eighteen were on the other island, too, whose evidence is as good
			t.Errorf("%d bad, %d good", r.Result.Bad, r.Result.Good)
		}
	})
	t.Run("consistent", func(t *testing.T) {
		n := w.islands[1]
		o := must(ledger.ParseOrigin(n.reported.Log.Origin))
		kept := must(ledger.Sign(ledger.Checkpoint{Origin: o, Size: n.reported.Log.Size, Root: [32]byte{7}}, must(n.gateway.Key(folder.SigningKey)), uint64(w.now.Unix())))
		path := t.TempDir() + "/head"
		if err := folder.WriteFile(path, kept, 0o600); err != nil {
			t.Fatal(err)
		}
		r := w.audits(h, w.auditors[0], auditFlags{heads: []string{path}, checks: []string{census.CheckedConsistent}}, census.CheckedConsistent)
		wants(t, details(r, census.CheckedConsistent), "it was rewritten")
	})
}

// TestCheatTwoRoots: the hub tells two auditors two lists. Each finds nothing, and
// *consistent* fails as soon as they hold their reports against each other, or one
// takes the other's into account.
func TestCheatTwoRoots(t *testing.T) {
	w := twoIslands(t)
	checks := []string{census.CheckedConsistent}
	one := w.collect(w.islands...)
	one.hub = w.folder("hub to the press")
	w.borrow(one.hub)
	w.close(one)
	two := w.collect(w.islands...)
	two.list = slices.Clone(two.list[ledger.TagSize:])
	two.hub = w.folder("hub to the university")
	w.borrow(two.hub)
	w.close(two)
	var paths []string
	for i, h := range []*toldHub{one, two} {
		r := w.audits(h, w.auditors[i], auditFlags{checks: checks})
		path := t.TempDir() + "/report.json"
		if err := folder.WriteFile(path, r.Marshal(), 0o600); err != nil {
			t.Fatal(err)
		}
		paths = append(paths, path)
	}
	out, errs, status := w.run(w.auditors[0].dir, "census", "verify", paths[0], paths[1])
	if status != 1 {
		t.Fatalf("exit status %d: %s%s", status, out, errs)
	}
	wants(t, out, "consistent  FAILED", "were not told the same", "closed with 30 tags", "and with 29")
	wants(t, errs, "the audit failed: consistent")
	if out, errs, status := w.run(w.auditors[0].dir, "census", "verify", paths[0], paths[0]); status != 0 {
		t.Errorf("a report and itself: exit status %d: %s%s", status, out, errs)
	}

	e := &env{Now: func() time.Time { return w.now }, Sleep: sleep, In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, dir: w.auditors[1].dir, ctx: t.Context()}
	err := e.audit(t.Context(), two, &auditFlags{auditSource: auditSource{community: w.chain.ID().String()}, checks: checks, heads: paths[:1]})
	if !errors.Is(err, errAuditFailed) || !strings.Contains(err.Error(), census.CheckedConsistent) {
		t.Errorf("with the other's report: %v", err)
	}
}

// TestCheatDraw: the hub draws until it likes what was drawn. *consistent* catches
// a second draw, and *evidence* and *consistent* a seed that is not the beacon's.
func TestCheatDraw(t *testing.T) {
	w := twoIslands(t)
	t.Run("twice", func(t *testing.T) {
		h := w.collect(w.islands...)
		h.hub = w.folder("hub that draws twice")
		w.borrow(h.hub)
		w.close(h)
		w.answer(h, w.draw(h, worldSeed), w.islands...)
		w.draw(h, [32]byte{9})
		r := w.audits(h, w.auditors[0], auditFlags{}, census.CheckedConsistent)
		wants(t, details(r, census.CheckedConsistent), "drawn from twice")
	})
	t.Run("not the beacon", func(t *testing.T) {
		h := w.collect(w.islands...)
		h.hub = w.folder("hub that chooses")
		w.borrow(h.hub)
		w.close(h)
		w.answer(h, w.draw(h, [32]byte{9}), w.islands...)
		r := w.audits(h, w.auditors[0], auditFlags{beacon: worldSeed}, census.CheckedEvidence, census.CheckedConsistent)
		wants(t, details(r, census.CheckedEvidence), "and the beacon says 010203")
		wants(t, details(r, census.CheckedConsistent), "and the beacon says 010203")
	})
	t.Run("before the close", func(t *testing.T) {
		h := w.collect(w.islands...)
		h.hub = w.folder("hub that hurries")
		w.borrow(h.hub)
		d := w.draw(h, worldSeed)
		w.close(h)
		w.answer(h, d, w.islands...)
		r := w.audits(h, w.auditors[0], auditFlags{}, census.CheckedEvidence, census.CheckedConsistent)
		wants(t, details(r, census.CheckedConsistent), "before the epoch was closed")
	})
}

// TestCheatInvented: one report of twenty thousand has one tag in fifty invented.
// *evidence* catches it by a draw of three hundred, unless the draw meets none.
func TestCheatInvented(t *testing.T) {
	const all, invented, sample = 20_000, 400, 300
	w := newCensusWorld(t)
	w.admit(numbers(1, all-invented)...)
	w.openEpoch(sample, w.auditors[0])
	n := w.islands[0]
	w.visit(n, numbers(1, all-invented)...)
	for range invented {
		line := make([]byte, ledger.TagSize)
		crand.Read(line)
		n.tags = append(n.tags, line...)
	}
	n.tags = census.Merge(n.tags, nil)
	w.report(n)
	h := w.collect(n)
	w.close(h)
	seed := worldSeed
	for list := must(census.NewList(h.list)); !meets(list, n, seed, sample); {
		t.Logf("the draw by %x meets none: another", seed[:4])
		seed[0]++
	}
	w.answer(h, w.draw(h, seed), n)
	w.now = unix(w.opened.Audit).Add(time.Hour)
	miss := census.MissProbability(all, invented, sample)
	t.Logf("a draw of %d misses all of %d invented among %d with a probability of %.2f %%", sample, invented, all, 100*miss)
	if miss > 0.0025 {
		t.Errorf("%v", miss)
	}
	r := w.audits(h, w.auditors[0], auditFlags{}, census.CheckedEvidence)
	t.Logf("%+v", r.Result)
	if x := r.Result; x.Drawn != sample || x.Good+x.Unanswered != sample || x.Unanswered == 0 || x.AtLeast >= all-invented/2 {
		t.Errorf("%+v", x)
	}
}

// borrow makes a folder the hub's as well: a second machine with its keys, so that
// each test has a hub of its own.
func (w *censusWorld) borrow(f *folder.Folder) {
	w.t.Helper()
	w.borrowKeys(f)
	_, signed := w.chain.Version(1)
	must(f.Found(signed))
}

func (w *censusWorld) borrowKeys(f *folder.Folder) {
	w.t.Helper()
	copyKeys(w.t, w.hub.Dir(), f.Dir(), folder.HubKey, folder.HubHoldKey, folder.HubWitnessKey)
	w.t.(*testing.T).Setenv("TOMBOLO_GUARD", w.t.TempDir())
}

// meets tells whether a draw meets a line that its gateway knows nothing of.
func meets(l *census.List, n *island, seed [32]byte, sample uint32) bool {
	for _, i := range census.Indices(seed, l.Root(nil), uint64(l.Len()), sample) {
		if n.cases[l.At(int64(i)).Tag] == nil {
			return true
		}
	}
	return false
}

// TestCheatForkedLedger: the hub signs two histories of one census ledger.
// *consistent* catches it as soon as an auditor is given the other's copy.
func TestCheatForkedLedger(t *testing.T) {
	w := twoIslands(t)
	checks := []string{census.CheckedConsistent}
	var told [2]*toldHub
	for i, name := range []string{"hub to the press", "hub to the university"} {
		h := w.collect(w.islands...)
		h.list = slices.Clone(h.list[i*ledger.TagSize:])
		h.hub = w.folder(name)
		w.borrow(h.hub)
		// One randomness, so that the two have one name.
		a := must(h.hub.Store().OpenAuthor(store.AuthorConfig{Key: must(h.hub.Key(folder.HubKey)), Community: w.chain.ID(), Kind: ledger.CensusLog, Charter: w.chain.ID(),
			Guard: store.Guard{Dir: t.TempDir(), Boot: "boot"}, Now: h.hub.Now, Rand: rand.NewChaCha8([32]byte{1})}))
		must(a.Append(store.Draft{Body: w.closeOf(h), Time: w.now}))
		told[i] = h
	}
	if a, b := w.own(told[0].hub, ledger.CensusLog), w.own(told[1].hub, ledger.CensusLog); a.Origin != b.Origin || a.Size != b.Size || a.Root == b.Root {
		t.Fatalf("no fork: %v and %v", a.Checkpoint, b.Checkpoint)
	}
	path := t.TempDir() + "/ledgers"
	f := must(os.Create(path))
	if err := errors.Join(exportHeld(f, told[1].hub), f.Close()); err != nil {
		t.Fatal(err)
	}
	w.audits(told[0], w.auditors[0], auditFlags{checks: checks})
	r := w.audits(told[0], w.auditors[0], auditFlags{checks: checks, heads: []string{path}}, census.CheckedConsistent)
	wants(t, details(r, census.CheckedConsistent), "signed two histories of its census ledger")
}
