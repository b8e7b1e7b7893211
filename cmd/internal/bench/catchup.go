package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

const (
	catchUpPatience = 30 * time.Minute
	bulkRows        = 4096 // of a commit of the bare insert
)

// catchUp measures how long a new gateway takes to the whole community's ledger,
// over a broker and a link until it is durable and whole; beside a bare bulk insert
// of the same rows, with the same pragmas, and the hashes that the same entries
// need: of each its commitment and its leaf's place in the tree.
func catchUp(b *report, dir string, people int) error {
	i, desk, a, err := newDeskIsle(dir)
	if err != nil {
		return err
	}
	defer i.close()
	defer desk.stop()
	progress("a ledger of %d passports", people)
	if err := admit(a, 1, people); err != nil {
		return err
	}
	o, size := a.Head().Origin, a.Head().Size
	s, err := i.open(gatewayName(0))
	if err != nil {
		return err
	}
	defer s.Close()
	progress("a new gateway catches up on it")
	began := time.Now()
	gw, err := i.run(gatewayName(0), s, 1, nil)
	if err != nil {
		return err
	}
	defer gw.stop()
	if err := gw.holds(o, size, catchUpPatience); err != nil {
		return err
	}
	took := time.Since(began)
	progress("the bare insert of the same rows")
	bare, err := bulkInsert(filepath.Join(dir, "bare.db"), desk.store, o)
	if err != nil {
		return err
	}
	b.most("sync-catchup-ratio", took.Seconds()/bare.Seconds(), 1.5)
	fmt.Printf("# catching up on %d passports: %.1f s, the bare insert and hashes %.1f s\n", people, took.Seconds(), bare.Seconds())
	return nil
}

// bulkInsert inserts and hashes a ledger's entries, and counts only that: not how
// they are read.
func bulkInsert(path string, from *store.Store, o ledger.Origin) (took time.Duration, err error) {
	db, err := store.Database(path, 1)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.Exec("CREATE TABLE entry (ledger INTEGER NOT NULL, idx INTEGER NOT NULL, leaf BLOB NOT NULL, salt BLOB, time INTEGER, body BLOB, PRIMARY KEY (ledger, idx)) STRICT, WITHOUT ROWID"); err != nil {
		return 0, err
	}
	i, err := from.Ledger(o)
	if err != nil {
		return 0, err
	}
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	var tree ledger.Tree
	err = conn.Raw(func(c any) error {
		for at := int64(0); at < i.Size; at += bulkRows {
			var some []ledger.Entry
			for e, err := range from.Entries(i, at, min(i.Size, at+bulkRows)) {
				if err != nil {
					return err
				}
				some = append(some, e)
			}
			began := time.Now()
			for n, e := range some {
				if _, err := e.Check(at + int64(n)); err != nil {
					return err
				}
				tree.Append(e.Leaf, nil)
			}
			if err := insertEntries(ctx, c.(rawConn), at, some); err != nil {
				return err
			}
			took += time.Since(began)
		}
		return nil
	})
	if err == nil && tree.Root() != i.Root {
		err = errors.New("the bare program's tree is another")
	}
	return took, err
}

// insertEntries inserts rows in one transaction, straight through the driver.
func insertEntries(ctx context.Context, c rawConn, index int64, entries []ledger.Entry) error {
	tx, err := c.BeginTx(ctx, driver.TxOptions{})
	if err != nil {
		return err
	}
	insert := func() error {
		for many := range slices.Chunk(entries, bareRows) {
			prepared, err := c.PrepareContext(ctx, "INSERT INTO entry VALUES "+strings.Repeat("(?, ?, ?, ?, ?, ?), ", len(many)-1)+"(?, ?, ?, ?, ?, ?)")
			if err != nil {
				return err
			}
			var args []driver.NamedValue
			for _, e := range many {
				for _, v := range []driver.Value{int64(1), index, e.Leaf, e.Salt[:], e.Time, e.Body} {
					args = append(args, driver.NamedValue{Ordinal: len(args) + 1, Value: v})
				}
				index++
			}
			_, err = prepared.(driver.StmtExecContext).ExecContext(ctx, args)
			if err := errors.Join(err, prepared.Close()); err != nil {
				return err
			}
		}
		return nil
	}
	if err := insert(); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
