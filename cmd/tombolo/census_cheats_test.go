package main

import (
	"bytes"
	crand "crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
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
	wants(t, out.String(), "does not name this auditor", "auditor 1", "auditor 2", "What this does not prove", "Does a random sample of it stand")
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
		h.list = census.Merge(slices.Concat(w.islands[1].tags, w.islands[0].tags[:8*ledger.TagSize]), nil)
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

// TestCheatStanding: presences of passports and door keys that could let nobody in
// at the time. *evidence* catches each by the issuers' ledgers.
func TestCheatStanding(t *testing.T) {
	w := newCensusWorld(t)
	w.admit(numbers(1, 30)...)
	late := newPerson(t, 31, w.now)
	w.openEpoch(100, w.auditors...)
	before, after := unix(w.opened.Opens).Add(-time.Minute), unix(w.opened.Closes)
	w.people[31] = late
	w.writeAt(w.issuer, ledger.CommunityLog, before,
		&ledger.Expel{Passport: 1}, &ledger.DoorKeyRevoked{Passport: 2, Key: w.people[2].key.Key().ID()},
		&ledger.Admit{Passport: 32, Owner: crypto.PubkeyToAddress(newPerson(t, 32, w.now).wallet.PublicKey), Class: "resident", NotAfter: w.opened.Audit})
	late.admitted = w.writeAt(w.issuer, ledger.CommunityLog, after,
		&ledger.Admit{Passport: 31, Owner: crypto.PubkeyToAddress(late.wallet.PublicKey), Class: "resident", NotAfter: w.opened.Audit}, &ledger.DoorKeyAdded{Delegation: late.delegation})
	w.people[32] = newPerson(t, 32, w.now)
	w.people[32].admitted = late.admitted - 1
	w.writeAt(w.issuer, ledger.CommunityLog, after, &ledger.DoorKeyAdded{Delegation: w.people[32].delegation})
	w.visit(w.islands[0], numbers(1, 32)...)
	w.report(w.islands[0])
	h := w.collect(w.islands[0])
	w.close(h)
	w.answer(h, w.draw(h, worldSeed), w.islands[0])
	r := w.audits(h, w.auditors[0], auditFlags{}, census.CheckedEvidence)
	if got := strings.Count(details(r, census.CheckedEvidence), "is bad: standing"); got != 4 || r.Result.Good != 28 {
		t.Errorf("%d do not count; %+v", got, r.Result)
	}
	stand := must((&records{Folder: w.issuer}).standing(must(epochs(w.issuer))[0]))
	for number, says := range map[uint64]string{1: "expelled it", 2: "had been revoked", 31: "admitted it before", 32: "entered its door key", 3: ""} {
		if err := stand(number, w.people[number].key.Key().ID()); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("passport %d: %v, want %q", number, err, says)
		}
	}
}

// TestCheatWithdrawn: a gateway that its node had withdrawn before the epoch reports.
// *all* and *evidence* catch it by the node's directory.
func TestCheatWithdrawn(t *testing.T) {
	w := twoIslands(t)
	h := w.collect(w.islands...)
	w.close(h)
	w.answer(h, w.draw(h, worldSeed), w.islands...)
	n := w.islands[1]
	for _, tt := range []struct {
		at      time.Time
		failing []string
	}{
		{unix(w.opened.Opens), nil}, // it had gone when it reported, and those whom it let in were there
		{unix(w.opened.Opens).Add(-time.Second), []string{census.CheckedAll, census.CheckedEvidence}},
	} {
		w.writeAt(n.steward, ledger.DirectoryLog, tt.at, &ledger.DirectoryGone{Gateway: "gw1", Signing: n.self})
		r := w.audits(h, w.auditors[0], auditFlags{}, tt.failing...)
		if tt.failing != nil {
			wants(t, details(r, census.CheckedAll), "by nobody who may report")
			wants(t, details(r, census.CheckedEvidence), "is bad: report")
		}
	}
}
