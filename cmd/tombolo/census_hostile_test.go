package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// TestClaimedGateways: nodes that publish each other's gateways as their own rob
// nobody: of which node a gateway is, it says in its report.
func TestClaimedGateways(t *testing.T) {
	w := twoIslands(t)
	for i, n := range w.islands {
		keys := must(w.islands[1-i].gateway.GatewayKeys())
		w.writeAt(n.steward, ledger.DirectoryLog, w.now.AddDate(-1, 0, 0), &ledger.DirectoryKeys{Gateway: "mine", Keys: keys})
	}
	h := w.collect(w.islands...)
	w.close(h)
	w.answer(h, w.draw(h, worldSeed), w.islands...)
	if r := w.audits(h, w.auditors[0], auditFlags{receipts: []string{w.receipt(w.islands[0], 7, true)}, beacon: worldSeed}); r.Result.Good != 30 {
		t.Errorf("%+v", r.Result)
	}
}

// TestStolenGateway: a gateway that its node withdrew before the epoch began is nobody's.
func TestStolenGateway(t *testing.T) {
	w := twoIslands(t)
	n := w.islands[1]
	w.writeAt(n.steward, ledger.DirectoryLog, unix(w.opened.Opens).AddDate(0, 0, -1), &ledger.DirectoryGone{Gateway: "gw1", Signing: n.self})
	h := w.collect(w.islands...)
	w.close(h)
	w.answer(h, w.draw(h, worldSeed), w.islands...)
	r := w.audits(h, w.auditors[0], auditFlags{beacon: worldSeed}, census.CheckedAll, census.CheckedEvidence)
	wants(t, details(r, census.CheckedAll), "nobody who may report")
}

// floodingHub sends openings without end: of every tag, and junk before the good ones.
type floodingHub struct {
	*toldHub
	junk int
}

func (h *floodingHub) Openings(ctx context.Context, id ledger.EpochID, auditor [32]byte, each func(sealedOpening)) error {
	for i := range h.junk {
		for at := 0; at < len(h.list); at += ledger.TagSize {
			each(sealedOpening{h.seed, census.Tag(h.list[at:]), bytes.Repeat([]byte{byte(i)}, 100)})
		}
	}
	return h.toldHub.Openings(ctx, id, auditor, each)
}

// TestFlood: an auditor keeps one opening of each drawn tag, a good one if it was among
// as many as there are gateways to open it.
func TestFlood(t *testing.T) {
	const sample = 10
	w := newCensusWorld(t)
	w.admit(numbers(1, 24)...)
	w.openEpoch(sample, w.auditors...)
	w.visit(w.islands[0], numbers(1, 20)...)
	w.visit(w.islands[1], numbers(15, 24)...)
	for _, n := range w.islands {
		w.report(n)
	}
	h := w.collect(w.islands...)
	w.close(h)
	w.answer(h, w.draw(h, worldSeed), w.islands...)
	for junk, want := range map[int]int{0: sample, 1: sample, 2: 0, 100: 0} {
		var out, errs bytes.Buffer
		e := &env{Now: func() time.Time { return w.now }, Sleep: sleep, In: strings.NewReader(""), Out: &out, Err: &errs, dir: w.auditors[0].dir, ctx: t.Context()}
		err := e.gather(t.Context(), &floodingHub{h, junk}, &auditSource{community: w.chain.ID().String()}, func(g *gathering) error {
			if err := g.fetch(t.Context(), func(string) bool { return true }); err != nil {
				return err
			}
			good := 0
			for tag, all := range g.answers {
				if len(all) != 1 {
					t.Errorf("%d junk: %d answers for %x", junk, len(all), tag)
				} else if all[0].Err == nil {
					good++
				}
			}
			if len(g.answers) != sample || good != want {
				t.Errorf("%d junk: %d answers, %d of them good, want %d and %d", junk, len(g.answers), good, sample, want)
			}
			return nil
		})
		if err != nil {
			t.Errorf("%v\n%s", err, errs.String())
		}
	}
}
