package store

import (
	_ "embed"
	"errors"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"tombolo/sync/ledger"
)

// v1 is a file as the version before the second schema wrote it, as SQL: a door log
// of 301 entries of which it dropped 31, a community ledger of 3, two chains of
// charters, evidence of a fork, a pin.
//
//go:embed testdata/v1.sql
var v1 string

// A file of the first schema is brought up to date with all that it holds, and goes
// on from there.
func TestMigrateV1(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "v1.db")
	db, err := Database(path, 1)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.Exec(v1 + "PRAGMA user_version = 1;")
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, path)
	all, err := s.Ledgers()
	if err != nil || len(all) != 2 {
		t.Fatal(len(all), err)
	}
	cfg := testConfig(t)
	cfg.Rand = rand.NewChaCha8([32]byte{31: 1}) // no test's salts are those that the file was made with
	for _, i := range all {
		r := verifies(t, s, i.Origin)
		size, dropped := int64(301), int64(31)
		if i.Origin.Kind == ledger.CommunityLog {
			size, dropped = 3, 0
		}
		if r.Size != size || r.Dropped != dropped || edgeOf(t, s, i.Origin) != i.Tree {
			t.Errorf("%+v", r)
		}
		// Its author knows it, and does not trust a folder that its guard does not.
		cfg.Kind, cfg.Charter = i.Origin.Kind, i.Charter
		a := author(t, s, cfg)
		if _, err := a.Append(); err != nil || a.Head().Origin == i.Origin {
			t.Errorf("%v, %v", a.Head().Origin, err)
		}
		if held(t, s, a.Head().Origin).Generation != 1 {
			t.Error("the new incarnation does not follow the old one")
		}
	}
	for _, i := range all {
		// It goes on by stretches, and into another file.
		to := open(t)
		if err := extend(t, s, to, i.Origin, 4000); err != nil {
			t.Error(err)
		}
		verifies(t, to, i.Origin)
	}
	ids, err := s.CharterIDs()
	if err != nil || len(ids) != 2 {
		t.Error(ids, err)
	}
	for _, id := range ids {
		if _, err := s.Charters(id); err != nil {
			t.Error(err)
		}
	}
	if forks, err := s.Forks(); err != nil || len(forks) != 1 {
		t.Error(forks, err)
	}
	if pin, err := s.Pinned("node"); err != nil || len(pin) != 3 {
		t.Error(pin, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	openAt(t, path) // nothing is migrated twice
}
