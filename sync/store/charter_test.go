package store

import (
	"errors"
	"slices"
	"testing"

	"tombolo/sync/ledger"
)

func firstCharter(slug string) ledger.Charter {
	return ledger.Charter{
		Format: 1, Kind: ledger.CommunityCharter, Version: 1, Slug: slug, ChainID: 100, Registry: [20]byte{1},
		Keys: [][32]byte{[32]byte(public(testKey("charter 1")))}, Threshold: 1,
	}
}

func signCharter(t *testing.T, c ledger.Charter, keys ...string) ledger.SignedCharter {
	t.Helper()
	b, err := c.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	s := ledger.SignedCharter{Charter: b}
	for _, k := range keys {
		if err := s.Merge(ledger.SignCharter(b, testKey(k))); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestCharters(t *testing.T) { both(t, testCharters) }

func testCharters(t *testing.T) {
	t.Parallel()
	s := open(t)
	var ids []ledger.CharterID
	var chain ledger.Charters
	for _, slug := range []string{"azul", "verde"} { // two chains whose versions are told apart by what they follow
		first := signCharter(t, firstCharter(slug), "charter 1")
		id, added, err := s.AddCharter(first)
		if err != nil || !added || id != first.Hash() {
			t.Fatal(id, added, err)
		}
		if again, added, err := s.AddCharter(first); err != nil || added || again != id {
			t.Error(again, added, err)
		}
		ids = append(ids, id)
		for v := 2; v <= 4; v++ {
			if chain, err = s.Charters(id); err != nil || chain.Len() != v-1 {
				t.Fatal(chain.Len(), err)
			}
			next := chain.Next()
			next.ChainID++
			if got, added, err := s.AddCharter(signCharter(t, next, "charter 1")); err != nil || !added || got != id {
				t.Fatal(got, added, err)
			}
		}
	}
	slices.SortFunc(ids, func(a, b ledger.CharterID) int { return slices.Compare(a[:], b[:]) })
	if got, err := s.CharterIDs(); err != nil || !slices.Equal(got, ids) {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := s.Charters(ledger.CharterID{1}); !errors.Is(err, ErrNotFound) {
		t.Errorf("%v", err)
	}
	// chain is now verde's, without its fourth.
	verde := chain.ID()
	second, _ := chain.Version(2)
	another := second
	another.Registry[0]++
	tooFar := chain.Next()
	tooFar.Version++
	for name, c := range map[string]struct {
		signed ledger.SignedCharter
		is     error
	}{
		"a second one of a version":    {signCharter(t, another, "charter 1"), ErrOtherCharter},
		"a forged one of a version":    {signCharter(t, another, "a thief"), ledger.ErrThreshold},
		"an unsigned one of a version": {signCharter(t, another), ledger.ErrThreshold},
		"an unsigned first one":        {signCharter(t, firstCharter("rojo")), ledger.ErrThreshold},
		"one left out":                 {signCharter(t, tooFar, "charter 1"), ledger.ErrCharterChain},
		"none":                         {ledger.SignedCharter{}, ledger.ErrCharter},
	} {
		if _, added, err := s.AddCharter(c.signed); added || !errors.Is(err, c.is) {
			t.Errorf("%s: %v, %v", name, added, err)
		}
	}
	if chain, err := s.Charters(verde); err != nil || chain.Len() != 4 || chain.Latest().ChainID != 103 {
		t.Errorf("%d, %v", chain.Len(), err)
	}
	// What stands in the file is verified each time.
	change(t, s, "UPDATE charter SET signed = (SELECT signed FROM charter c WHERE c.chain <> charter.chain AND c.version = 2) WHERE version = 2 AND chain = ?", verde[:])
	if _, err := s.Charters(verde); !errors.Is(err, ledger.ErrCharterChain) {
		t.Errorf("%v", err)
	}
	change(t, s, "DELETE FROM charter WHERE version = 1 AND chain = ?", verde[:])
	if _, err := s.Charters(verde); !errors.Is(err, ledger.ErrCharterChain) {
		t.Errorf("%v", err)
	}
	change(t, s, "UPDATE charter SET chain = x'01' WHERE chain = ?", verde[:])
	if _, err := s.CharterIDs(); !errors.Is(err, ErrDamaged) {
		t.Errorf("%v", err)
	}
}
