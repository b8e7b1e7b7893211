package main

import (
	crand "crypto/rand"
	"errors"
	"testing"

	"tombolo/passport"
	"tombolo/passport/card/soft"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// TestSummonsCard: a chip card answers a summons, with a nonce of its own; another
// person's does not.
func TestSummonsCard(t *testing.T) {
	w := twoIslands(t)
	n, auditor := w.islands[0], [32]byte(w.auditors[0].key.PublicKey().Bytes())
	tag := w.quickTag(3)
	o := w.opening(n, tag, false)
	listed := must(census.NewList(n.tags))
	at, _ := listed.Find(tag)
	rules := census.Rules{Community: w.chain.ID(), Opened: w.opened, Chain: w.chain, Gateways: map[ledger.KeyID]census.Gateway{ledger.KeyIDOf(n.self[:]): {Key: n.self[:], Node: n.node}}}
	asked := must(census.NewSummons(crand.Reader, w.chain.ID(), w.opened.ID(), tag, auditor, uint64(w.now.Unix())))
	for number, want := range map[uint64]error{3: nil, 4: census.ErrSummons} {
		key := w.people[number].key
		if key.Key().Kind != passport.KindHalo {
			t.Fatalf("passport %d has no chip card", number)
		}
		chip := soft.NewHalo(soft.HaloConfig{Key: key, Rand: crand.Reader})
		ch, tap, err := summonsCard(chip, asked, w.opened.ID(), tag, auditor)
		if err != nil {
			t.Fatal(err)
		}
		if ch.Nonce == asked.Nonce {
			t.Error("the card was asked twice with one nonce")
		}
		if err := census.CheckSummons(rules, listed.At(at), o, auditor, ch, tap); !errors.Is(err, want) {
			t.Errorf("passport %d: %v, want %v", number, err, want)
		}
	}
}
