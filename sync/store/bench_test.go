package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// Durable appends against what SQLite itself does with rows of the same size
// and as many in a commit. The ratio of the two is what the log costs.
func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 64, 1024} {
		b.Run(fmt.Sprintf("author/%d", batch), func(b *testing.B) {
			cfg := testConfig(b)
			cfg.Rand, cfg.Now = rand.Reader, time.Now
			a := author(b, open(b), cfg)
			drafts := make([]Draft, batch)
			n := 0
			for b.Loop() {
				for i := range drafts {
					drafts[i] = passage(n)
					n++
				}
				if _, err := a.Append(drafts...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
		})
		b.Run(fmt.Sprintf("bare/%d", batch), func(b *testing.B) {
			db := bare(b)
			n := 0
			for b.Loop() {
				if err := bareCommit(db, n, batch); err != nil {
					b.Fatal(err)
				}
				n += batch
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

// Records by the journal, as fast as it takes them, in its groups of 50 ms.
func BenchmarkJournal(b *testing.B) {
	cfg := testConfig(b)
	cfg.Rand, cfg.Now = rand.Reader, time.Now
	j := NewJournal(JournalConfig{Author: author(b, open(b), cfg), Delay: 50 * time.Millisecond, Queue: 4 * maxBatch, Trouble: func(err error) { b.Error(err) }})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- j.Run(ctx) }()
	n := 0
	for b.Loop() {
		for j.Record(passage(n)) != nil { // full
			time.Sleep(time.Millisecond)
		}
		n++
	}
	cancel()
	if err := <-done; err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
}

func BenchmarkIngest(b *testing.B) {
	from, a := filled(b, 10_000)
	for b.Loop() {
		to := open(b)
		if in, err := give(b, from, to, a.Head().Origin); err != nil || in.Added != 10_000 {
			b.Fatal(in, err)
		}
	}
	b.ReportMetric(float64(b.N)*10_000/b.Elapsed().Seconds(), "entries/s")
}

// Catching up: stretches of 256 entries as they come over a wire, checked and stored
// some of them at a time, against what SQLite itself does with the same rows in as
// many commits and the hashes that the same entries need, of each its commitment and
// its place in the tree. Admit is what most of a community's ledger is.
func BenchmarkExtend(b *testing.B) {
	const size, wide = 100_000, ledger.ChunkSize
	from := open(b)
	a := issuer(b, from)
	for n := uint64(1); n < size; n += 1000 {
		drafts := make([]Draft, 1000)
		for i := range drafts {
			drafts[i] = Draft{&ledger.Admit{Passport: n + uint64(i), Owner: [20]byte{1}, Class: "resident", NotAfter: 1 << 40}, time.Unix(testTime, 0)}
		}
		if _, err := a.Append(drafts...); err != nil {
			b.Fatal(err)
		}
	}
	i := held(b, from, a.Head().Origin)
	entries, err := page(from.read, i.id, 0, i.Size)
	if err != nil {
		b.Fatal(err)
	}
	var all []ledger.Stretch
	for at := int64(0); at < i.Size; at += wide {
		end := min(i.Size, at+wide)
		proof, err := ledger.ProveStretch(from.nearReader(i), end, i.Size)
		if err != nil {
			b.Fatal(err)
		}
		all = append(all, ledger.Stretch{From: at, Entries: entries[at:end], Proof: proof})
	}
	for _, together := range []int{1, 4, 16} {
		b.Run(fmt.Sprintf("extend/%d", together), func(b *testing.B) {
			for b.Loop() {
				to, tree := open(b), ledger.Tree{}
				for some := range slices.Chunk(all, together) {
					var xs []ledger.Extension
					for _, s := range some {
						x, err := ledger.CheckStretch(tree, i.Head, s)
						if err != nil {
							b.Fatal(err)
						}
						xs, tree = append(xs, x), x.Tree()
					}
					if _, err := to.Extend(testTime, xs...); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.N)*size/b.Elapsed().Seconds(), "entries/s")
		})
		b.Run(fmt.Sprintf("bare/%d", together), func(b *testing.B) {
			for b.Loop() {
				db, tree := bare(b), ledger.Tree{}
				for at := 0; at < len(entries); at += together * wide {
					some := entries[at:min(len(entries), at+together*wide)]
					for n, e := range some {
						if _, err := e.Check(int64(at + n)); err != nil {
							b.Fatal(err)
						}
						tree.Append(e.Leaf, nil)
					}
					if err := bareRows(db, at, some); err != nil {
						b.Fatal(err)
					}
				}
			}
			b.ReportMetric(float64(b.N)*size/b.Elapsed().Seconds(), "entries/s")
		})
	}
}

func BenchmarkStretch(b *testing.B) {
	s, a := filled(b, 200_000)
	i := held(b, s, a.Head().Origin)
	n := 0
	for b.Loop() {
		st, err := s.Stretch(i, int64(n)%i.Size, 120_000)
		if err != nil {
			b.Fatal(err)
		}
		n += len(st.Entries)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "entries/s")
}

// bare is SQLite as this house opens it, with a table of rows as an entry's.
func bare(b *testing.B) *sql.DB {
	b.Helper()
	db, err := Database(filepath.Join(b.TempDir(), "bare.db"), 1)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { db.Close() })
	if _, err := db.Exec("CREATE TABLE entry (ledger INTEGER, idx INTEGER, leaf BLOB, salt BLOB, time INTEGER, body BLOB, PRIMARY KEY (ledger, idx)) STRICT, WITHOUT ROWID"); err != nil {
		b.Fatal(err)
	}
	return db
}

func bareRows(db *sql.DB, first int, entries []ledger.Entry) error {
	return inTx(db, func(tx *sql.Tx) error {
		insert, err := tx.Prepare("INSERT INTO entry VALUES (1, ?, ?, ?, ?, ?)")
		if err != nil {
			return err
		}
		for i, e := range entries {
			if _, err := insert.Exec(first+i, e.Leaf, e.Salt[:], e.Time, e.Body); err != nil {
				return err
			}
		}
		return insert.Close()
	})
}

func bareCommit(db *sql.DB, first, n int) error {
	leaf, salt := make([]byte, 39), make([]byte, 16)
	body, err := ledger.MarshalBody(passage(first).Body)
	if err != nil {
		return err
	}
	return inTx(db, func(tx *sql.Tx) error {
		insert, err := tx.Prepare("INSERT INTO entry VALUES (1, ?, ?, ?, ?, ?)")
		if err != nil {
			return err
		}
		for i := range n {
			if _, err := insert.Exec(first+i, leaf, salt, testTime, body); err != nil {
				return err
			}
		}
		return insert.Close()
	})
}
