package hub

import (
	"testing"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// TestJunkOpeningsCost: a gateway of which no report is covered opens as many tags as are remembered: whoever
// asks for openings does not wait for that.
func TestJunkOpeningsCost(t *testing.T) {
	s := newSite(t, APILimits{})
	_, list := s.closeIt(s.epoch)
	seed := s.seedFor(list)
	must(s.hub.Draw(t.Context(), s.epoch.ID(), seed, s.epoch.Beacon))
	s.ok(s.hub.look(t.Context(), nil))
	v := s.hub.seen.Load()
	e := v.byID[s.epoch.ID()]
	closed := must(e.closed())
	h := s.hub
	h.covered.mu.Lock()
	c := h.covered.byHash[closed.Covers]
	for n := len(c.all); n < 10_000; n++ { // a town's
		o := census.Covered{}
		o.Origin.Author[0], o.Origin.Author[1] = byte(n), byte(n>>8)
		c.all = append(c.all, o)
	}
	h.covered.byHash[closed.Covers] = c
	h.covered.mu.Unlock()
	var junk []place
	for n := range maxOpened {
		p := place{index: int64(n)}
		p.tag[0], p.tag[1], p.origin.Author = byte(n), byte(n>>8), ledger.KeyID{255, 255, 255}
		junk = append(junk, p)
	}
	v.opened[openedKey{e.ID, s.auditor()}] = junk
	began := time.Now()
	out, err := h.openingsOf(t.Context(), v, e, s.auditor())
	if took := time.Since(began); err != nil || len(out) != 0 || took > time.Second {
		t.Errorf("%d openings, %v, in %v", len(out), err, took)
	}
}
