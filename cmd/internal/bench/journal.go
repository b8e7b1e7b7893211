package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

const (
	groupSize     = 256 // records in a commit
	journalGroups = 200 // commits in a round
	journalRounds = 7
	groupsAhead   = 16 // so many wait, so that the journal never runs dry
)

// journalRate measures how many records a second the journal makes durable when
// it is never idle, and how many rows bare SQLite does: on the same file system,
// with the same pragmas, as many rows of the same bytes in each transaction, in a
// table of the same shape. The journal's time has everything in it, from Record
// on: encoding, sealing, the tree, the signed head of each group; and both end
// with the file closed and SQLite's log copied into it. The two take turns, so
// that the disk's moods meet both, and the figures are those of the round with
// the median ratio.
func journalRate(dir string) (journal, bare float64, err error) {
	drafts, err := decisions(groupSize)
	if err != nil {
		return 0, 0, err
	}
	bodies := make([][]byte, groupSize)
	for i, d := range drafts {
		if bodies[i], err = ledger.MarshalBody(d.Body); err != nil {
			return 0, 0, err
		}
	}
	type rates struct{ journal, bare float64 }
	var rounds []rates
	for n := range journalRounds {
		var r rates
		if r.bare, err = rate(filepath.Join(dir, fmt.Sprint("bare", n)), func(dir string) (time.Duration, error) { return insertBare(dir, bodies) }); err != nil {
			return 0, 0, fmt.Errorf("bare SQLite: %w", err)
		}
		if r.journal, err = rate(filepath.Join(dir, fmt.Sprint("journal", n)), func(dir string) (time.Duration, error) { return recordAll(dir, drafts) }); err != nil {
			return 0, 0, fmt.Errorf("journal: %w", err)
		}
		rounds = append(rounds, r)
	}
	slices.SortFunc(rounds, func(a, b rates) int {
		if a.journal*b.bare < b.journal*a.bare {
			return -1
		}
		return 1
	})
	median := rounds[len(rounds)/2]
	return median.journal, median.bare, nil
}

// rate runs a round in a folder of its own.
func rate(dir string, run func(dir string) (time.Duration, error)) (perSecond float64, err error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return 0, err
	}
	took, err := run(dir)
	return journalGroups * groupSize / took.Seconds(), errors.Join(err, os.RemoveAll(dir))
}

// decisions are a busy door's records: each with its presentation, about 250
// bytes.
func decisions(n int) ([]store.Draft, error) {
	random := make([]byte, n*(32+165))
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	out := make([]store.Draft, n)
	for i := range out {
		b := random[i*(32+165):][:32+165]
		out[i] = store.Draft{Time: time.Now(), Body: &ledger.Decision{
			Seq: uint64(i + 1), Door: "front", Mode: "window", Granted: true, Reason: "granted",
			Passport: uint64(i % 1000), Key: b[:32], Presentation: b[32:], RosterAge: 3600, Policy: 7,
		}}
	}
	return out, nil
}

// recordAll gives the journal a group's drafts again and again, as fast as it
// takes them, until all of them are durable and the file is closed.
func recordAll(dir string, drafts []store.Draft) (took time.Duration, err error) {
	s, err := store.Open(filepath.Join(dir, "ledgers.db"))
	if err != nil {
		return 0, err
	}
	closed := sync.OnceValue(s.Close)
	defer func() { err = errors.Join(err, closed()) }()
	guard, err := store.DefaultGuard() // where a gateway has it
	if err != nil {
		return 0, err
	}
	guard.Dir = filepath.Join(guard.Dir, fmt.Sprint("bench-", os.Getpid()))
	defer os.RemoveAll(guard.Dir)
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return 0, err
	}
	author, err := s.OpenAuthor(store.AuthorConfig{
		Key: key, Community: ledger.CharterID{1}, Kind: ledger.DoorLog, Charter: ledger.CharterID{2},
		Guard: guard, Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		return 0, err
	}
	if err := author.Refresh(); err != nil { // the incarnation begins
		return 0, err
	}
	j := store.NewJournal(store.JournalConfig{Author: author, Queue: 2 * groupsAhead * groupSize, Group: groupSize, Trouble: func(error) {}})
	start := time.Now()
	if err := flood(j, drafts); err != nil {
		return 0, err
	}
	if err := closed(); err != nil {
		return 0, err
	}
	took = time.Since(start)
	if size := author.Head().Size; size != journalGroups*groupSize+1 {
		return 0, fmt.Errorf("%d entries of %d", size, journalGroups*groupSize+1)
	}
	return took, nil
}

// flood records beside the journal's commits and keeps it from running dry.
func flood(j *store.Journal, drafts []store.Draft) error {
	recorded, gone := make(chan error, 1), make(chan struct{})
	defer close(gone)
	queued := make(chan struct{}) // closed when there is one to commit and one to seal
	go func() {
		for i := range journalGroups {
			for _, d := range drafts {
				if err := j.Record(d); err != nil {
					recorded <- err
					return
				}
			}
			if i+1 == 2 {
				close(queued)
			}
			for int64(i+1-groupsAhead)*groupSize > j.Head().Size {
				select {
				case <-gone:
					return
				case <-time.After(100 * time.Microsecond):
				}
			}
		}
		recorded <- nil
	}()
	select {
	case <-queued:
	case err := <-recorded:
		return err
	}
	for {
		select {
		case err := <-recorded:
			return errors.Join(err, j.Flush())
		default:
		}
		if err := j.Flush(); err != nil {
			return err
		}
		time.Sleep(10 * time.Microsecond) // dry after all
	}
}

// bareRows is how many rows a statement of the bare program inserts: of 1, 4, 8,
// 16, 32, 64 and 128 none was quicker.
const bareRows = 32

// insertBare stores the bodies again and again, with as much beside them as an
// entry has, in the quickest way that was found: prepared, many rows at a time,
// in the driver's own connection; then it closes the file.
func insertBare(dir string, bodies [][]byte) (took time.Duration, err error) {
	path := filepath.Join(dir, "bare.db")
	db, err := store.Database(path, 1)
	if err != nil {
		return 0, err
	}
	closed := sync.OnceValue(db.Close)
	defer func() { err = errors.Join(err, closed()) }()
	if _, err := db.Exec("CREATE TABLE entry (ledger INTEGER NOT NULL, idx INTEGER NOT NULL, leaf BLOB NOT NULL, salt BLOB, time INTEGER, body BLOB, PRIMARY KEY (ledger, idx)) STRICT, WITHOUT ROWID"); err != nil {
		return 0, err
	}
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	start := time.Now()
	err = conn.Raw(func(c any) error { return insertGroups(ctx, c.(rawConn), bodies) })
	if err := errors.Join(err, conn.Close(), closed()); err != nil {
		return 0, err
	}
	took = time.Since(start)
	return took, count(path)
}

// count checks that the rows are there.
func count(path string) (err error) {
	db, err := store.Database(path, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	var rows int
	if err := db.QueryRow("SELECT count(*) FROM entry").Scan(&rows); err != nil {
		return err
	}
	if rows != journalGroups*groupSize {
		return fmt.Errorf("%d rows of %d", rows, journalGroups*groupSize)
	}
	return nil
}

type rawConn interface {
	driver.ConnPrepareContext
	driver.ConnBeginTx
}

func insertGroups(ctx context.Context, c rawConn, bodies [][]byte) (err error) {
	var insert strings.Builder
	insert.WriteString("INSERT INTO entry VALUES (?1, ?2, ?, ?, ?, ?)")
	for n := range bareRows - 1 {
		fmt.Fprintf(&insert, ", (?1, ?2 + %d, ?, ?, ?, ?)", n+1)
	}
	prepared, err := c.PrepareContext(ctx, insert.String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, prepared.Close()) }()
	leaf, salt, at := make([]byte, 39), make([]byte, 16), time.Now().UnixMilli()
	args := make([]driver.NamedValue, 0, 2+4*bareRows)
	add := func(v driver.Value) {
		args = append(args, driver.NamedValue{Ordinal: len(args) + 1, Value: v})
	}
	index := int64(1)
	for range journalGroups {
		tx, err := c.BeginTx(ctx, driver.TxOptions{})
		if err != nil {
			return err
		}
		for many := range slices.Chunk(bodies, bareRows) {
			args = args[:0]
			add(int64(1))
			add(index)
			for _, body := range many {
				add(leaf)
				add(salt)
				add(at)
				add(body)
			}
			index += int64(len(many))
			if _, err := prepared.(driver.StmtExecContext).ExecContext(ctx, args); err != nil {
				return errors.Join(err, tx.Rollback())
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}
