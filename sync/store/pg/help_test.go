package pg

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
	"tombolo/sync/store/pgtest"
)

func TestMain(m *testing.M) {
	code := m.Run()
	pgtest.Stop()
	os.Exit(code)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func open(t *testing.T, url string) *store.Store {
	t.Helper()
	s, err := Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var community = ledger.CharterID(sha256.Sum256([]byte("a first charter")))

func config(name string) store.AuthorConfig {
	seed := sha256.Sum256([]byte("tombolo test key " + name))
	return store.AuthorConfig{
		Key: ed25519.NewKeyFromSeed(seed[:]), Community: community, Kind: ledger.ReportLog, Charter: community, Now: time.Now, Rand: rand.Reader,
	}
}

// occupancy is an entry that is told from others by its number.
func occupancy(n int) store.Draft {
	return store.Draft{Body: &ledger.Occupancy{Zone: "casa", Sure: uint32(n), Most: uint32(n)}, Time: time.Now()}
}

// numbers are those of a ledger's entries, which has to verify.
func numbers(t *testing.T, s *store.Store, o ledger.Origin) (all []int) {
	t.Helper()
	i, err := s.Ledger(o)
	if err != nil {
		t.Fatal(err)
	}
	v := ledger.NewVerifier(i.Head)
	for c, err := range s.Chunks(i, 0) {
		if err == nil {
			err = v.Chunk(c)
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range c.Entries {
			if body, err := ledger.ParseBody(ledger.KindOccupancy, e.Body); err == nil {
				all = append(all, int(body.(*ledger.Occupancy).Sure))
			}
		}
	}
	if _, err := v.Finish(); err != nil {
		t.Fatal(err)
	}
	return all
}

// query asks the database for one value behind the store's back.
func query[T any](t *testing.T, url, text string) (v T) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if err := c.QueryRow(t.Context(), text).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func do(t *testing.T, url, text string) {
	t.Helper()
	c, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(context.Background())
	if _, err := c.Exec(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// newTestConn is the store's own connections, one at a time.
func newTestConn(t *testing.T, url string) *sql.DB {
	t.Helper()
	cfg, err := pgx.ParseConfig(url)
	if err == nil {
		_, err = prepare(cfg)
	}
	if err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(newConnector(cfg))
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}
