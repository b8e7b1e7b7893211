package main

import (
	"bytes"
	"context"
	"crypto/ecdh"
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
	r := w.audits(two, w.auditors[1], auditFlags{checks: checks, heads: paths[:1]}, census.CheckedConsistent)
	wants(t, details(r, census.CheckedConsistent), "another auditor's report: the epoch was closed with 29 tags", "and with 30")
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

// TestCheatRefused: the hub keeps the reports from an auditor whom the epoch names,
// closes twice, or says a size that is none. Nothing of it passes for an audit.
func TestCheatRefused(t *testing.T) {
	w := twoIslands(t)
	audit := func(h hubSource, checks ...string) (string, error) {
		var out bytes.Buffer
		e := &env{Now: func() time.Time { return w.now }, Sleep: sleep, In: strings.NewReader(""), Out: &out, Err: io.Discard, dir: w.auditors[0].dir, ctx: t.Context()}
		err := e.audit(t.Context(), h, &auditFlags{auditSource: auditSource{community: w.chain.ID().String()}, checks: checks})
		return out.String(), err
	}
	h := w.collect(w.islands...)
	h.hub = w.folder("hub that keeps to itself")
	w.borrow(h.hub)
	w.close(h)
	if out, err := audit(h, census.CheckedAll); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	out, err := audit(refusing{h}, census.CheckedAll)
	if !errors.Is(err, errUnchecked) {
		t.Errorf("%v", err)
	}
	wants(t, out, "all         not done", "has something to hide")

	h.hub = w.folder("hub that closes twice")
	w.borrow(h.hub)
	again := w.close(h)
	again.Root[0] ^= 1
	w.write(h.hub, ledger.CensusLog, again)
	receipt := must(readCensusFile(w.receipt(w.islands[0], 7, false)))
	e := &env{Now: func() time.Time { return w.now }, Sleep: sleep, In: strings.NewReader(""), Out: io.Discard, Err: io.Discard, dir: w.auditors[0].dir, ctx: t.Context()}
	if err := e.redeem(t.Context(), h, &auditSource{community: w.chain.ID().String()}, receipt); !errors.Is(err, errAuditFailed) || !strings.Contains(err.Error(), "closed this epoch twice") {
		t.Errorf("a receipt against two closes: %v", err)
	}

	h.hub = w.folder("hub that boasts")
	w.borrow(h.hub)
	b := w.closeOf(h)
	b.Size = 1 << 63
	w.write(h.hub, ledger.CensusLog, b)
	if _, err := audit(h); err == nil || !strings.Contains(err.Error(), "9223372036854775808 passports, which no list can hold") {
		t.Errorf("%v", err)
	}
}

// refusing is a hub that gives an auditor nothing that is sealed to him.
type refusing struct{ *toldHub }

func (refusing) Reports(context.Context, ledger.EpochID, *ecdh.PrivateKey, func(census.Tagged, census.Shown) error) ([]census.Covered, error) {
	return nil, errNotServed
}
