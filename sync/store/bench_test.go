package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"fmt"
	"path/filepath"
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
