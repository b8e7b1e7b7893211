package store

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"database/sql"
	"errors"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("tombolo test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

var (
	testCommunity = ledger.CharterID(sha256.Sum256([]byte("a first charter")))
	testNode      = ledger.CharterID(sha256.Sum256([]byte("a first node charter")))
)

const testTime = 1767225600 // 2026-01-01, Unix seconds

// clock counts seconds, one for each time that it is asked.
type clock struct{ n atomic.Int64 }

func (c *clock) Now() time.Time { return time.Unix(testTime+c.n.Add(1), 0) }

// Databases is PostgreSQL: package store itself cannot import what imports it, see
// postgres_test.go.
var Databases struct {
	URL  func(testing.TB) string // of a fresh database
	Open func(url string) (*Store, error)
	Stop func()
}

const onPostgres = "postgres"

// both runs a test on a file and on a database; open tells by the test's name which.
func both(t *testing.T, f func(*testing.T)) {
	t.Run("sqlite", f)
	t.Run(onPostgres, f)
}

func isPostgres(tb testing.TB) bool {
	return slices.Contains(strings.Split(tb.Name(), "/"), onPostgres)
}

func open(tb testing.TB) *Store {
	tb.Helper()
	return openAt(tb, place(tb))
}

// place is where a fresh store will be: a path or a URL.
func place(tb testing.TB) string {
	tb.Helper()
	if isPostgres(tb) {
		return Databases.URL(tb)
	}
	return filepath.Join(tb.TempDir(), "ledgers.db")
}

// openAt opens what is at a place.
func openAt(tb testing.TB, place string) *Store {
	tb.Helper()
	s, err := openPlace(place)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func openPlace(place string) (*Store, error) {
	if !strings.HasPrefix(place, "postgres:") {
		return Open(place)
	}
	s, err := Databases.Open(place)
	if err == nil {
		places.Store(s, place)
	}
	return s, err
}

var places sync.Map // URLs of stores on PostgreSQL

// placeOf is where a store is.
func placeOf(s *Store) string {
	if url, ok := places.Load(s); ok {
		return url.(string)
	}
	return s.Path()
}

var salts atomic.Uint64 // tells the random sources of a run apart

func testConfig(tb testing.TB) AuthorConfig {
	tb.Helper()
	seed := [32]byte{byte(salts.Add(1)), byte(salts.Load() >> 8), byte(salts.Load() >> 16)}
	return AuthorConfig{
		Key: testKey("author"), Community: testCommunity, Kind: ledger.DoorLog, Charter: testNode,
		Guard: Guard{Dir: filepath.Join(tb.TempDir(), "guard"), Boot: "boot 1"},
		Now:   new(clock).Now, Rand: rand.NewChaCha8(seed),
	}
}

func author(tb testing.TB, s *Store, cfg AuthorConfig) *Author {
	tb.Helper()
	a, err := s.OpenAuthor(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

func passage(n int) Draft {
	return Draft{&ledger.Passage{Seq: uint64(n), Door: "front", Entered: true}, time.Unix(testTime+int64(n), 0)}
}

// fill appends passages up to a size.
func fill(tb testing.TB, a *Author, size int64) {
	tb.Helper()
	if a.Head().Size == 0 {
		if _, err := a.Append(); err != nil {
			tb.Fatal(err)
		}
	}
	for have := a.Head().Size; have < size; have = a.Head().Size {
		var drafts []Draft
		for n := have; n < min(size, have+1000); n++ {
			drafts = append(drafts, passage(int(n)))
		}
		if first, err := a.Append(drafts...); err != nil || first != have {
			tb.Fatal(first, err)
		}
	}
}

// filled is a store with one ledger.
func filled(tb testing.TB, size int64) (*Store, *Author) {
	tb.Helper()
	s := open(tb)
	a := author(tb, s, testConfig(tb))
	fill(tb, a, size)
	return s, a
}

func held(tb testing.TB, s *Store, o ledger.Origin) Info {
	tb.Helper()
	i, err := s.Ledger(o)
	if err != nil {
		tb.Fatal(err)
	}
	return i
}

// verify reads a ledger from the store as a verifier does.
func verify(s *Store, i Info) (ledger.Report, error) {
	v := ledger.NewVerifier(i.Head)
	for c, err := range s.Chunks(i, 0) {
		if err != nil {
			return ledger.Report{}, err
		}
		if err := v.Chunk(c); err != nil {
			return ledger.Report{}, err
		}
	}
	return v.Finish()
}

func verifies(tb testing.TB, s *Store, o ledger.Origin) ledger.Report {
	tb.Helper()
	r, err := verify(s, held(tb, s, o))
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

// give offers what one store holds of a ledger to another.
func give(tb testing.TB, from, to *Store, o ledger.Origin) (Ingested, error) {
	tb.Helper()
	i := held(tb, from, o)
	return to.Ingest(i.Head, testTime, from.Chunks(i, 0))
}

// backup writes the store as it is to a file.
func backup(tb testing.TB, s *Store) string {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), "backup.db")
	if err := s.Backup(tb.Context(), path); err != nil {
		tb.Fatal(err)
	}
	return path
}

func each(chunks ...ledger.Chunk) iter.Seq2[ledger.Chunk, error] {
	return func(yield func(ledger.Chunk, error) bool) {
		for _, c := range chunks {
			if !yield(c, nil) {
				return
			}
		}
	}
}

func chunks(tb testing.TB, s *Store, i Info) (all []ledger.Chunk) {
	tb.Helper()
	for c, err := range s.Chunks(i, 0) {
		if err != nil {
			tb.Fatal(err)
		}
		all = append(all, c)
	}
	return all
}

// behind is a connection behind the store's back.
func behind(tb testing.TB, s *Store) *sql.DB {
	tb.Helper()
	other, err := openPlace(placeOf(s))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { other.Close() })
	return other.write
}

// change changes the file behind the store's back.
func change(tb testing.TB, s *Store, query string, args ...any) {
	tb.Helper()
	var other *Store
	var err error
	if s.disk == nil {
		other, err = openPlace(placeOf(s))
	} else {
		other = newStore(s.Path()) // of whatever version it says it is
	}
	if err != nil {
		tb.Fatal(err)
	}
	err = other.inTx(func(tx txn) error {
		_, err := tx.Exec(query, args...)
		return err
	})
	if err := errors.Join(err, other.Close()); err != nil {
		tb.Fatal(err)
	}
}

// nextBoot makes a database forget its authors, as a new start does. A file's guard
// has its own.
func nextBoot(tb testing.TB, s *Store) {
	tb.Helper()
	if isPostgres(tb) {
		change(tb, s, "UPDATE guard SET era = era")
	}
}

// zeros is a literal of 32 bytes.
var zeros = "x'" + strings.Repeat("00", 32) + "'"

func refusedAt(tb testing.TB, err error, first, last int64, is error) {
	tb.Helper()
	at, ok := errors.AsType[*ledger.At](err)
	if !ok || at.First != first || at.Last != last || !errors.Is(err, is) {
		tb.Errorf("%v, want entries %d to %d: %v", err, first, last, is)
	}
}

// history is what was ever seen of ledgers, and finds a second history of one.
type history map[ledger.Origin][][]byte // leaves

// see notes every ledger of a store; its heads are signed and durable, so
// anybody may have them.
func (h history) see(tb testing.TB, s *Store) error {
	tb.Helper()
	all, err := s.Ledgers()
	if err != nil {
		return err
	}
	for _, i := range all {
		leaves, err := s.Reader(i).Leaves(0, i.Size)
		if err != nil {
			return err
		}
		known := h[i.Origin]
		n := min(len(known), len(leaves))
		if !slices.EqualFunc(known[:n], leaves[:n], bytes.Equal) {
			return &ForkError{Offered: i.Head}
		}
		if len(leaves) > len(known) {
			h[i.Origin] = leaves
		}
	}
	return nil
}
