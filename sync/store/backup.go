package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Backup writes the store as it is at one moment to a new SQLite file, which [Open]
// opens and [Restore] reads, while others go on writing. It is whole and durable
// when the call returns, or not there. Leases are not in it. Errors: fs.ErrExist
// for a path that is taken.
func (s *Store) Backup(ctx context.Context, path string) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("back up %s: %w", s.Path(), err)
		}
	}()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		if err == nil {
			err = fmt.Errorf("%s: %w", path, fs.ErrExist)
		}
		return err
	}
	part, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part") // nobody else's to read
	if err != nil {
		return err
	}
	name := part.Name()
	defer func() {
		err = errors.Join(err, part.Close())
		for _, left := range []string{"", "-wal", "-shm"} {
			if e := os.Remove(name + left); !errors.Is(e, fs.ErrNotExist) {
				err = errors.Join(err, e)
			}
		}
	}()
	if s.disk != nil {
		_, err = s.read.ExecContext(ctx, "VACUUM INTO ?", name)
	} else {
		err = s.export(ctx, name)
	}
	if err == nil {
		err = part.Sync()
	}
	if err == nil {
		err = os.Rename(name, path)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// export copies a database, as it is at one moment, to a file.
func (s *Store) export(ctx context.Context, path string) (err error) {
	from, err := s.read.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead, ReadOnly: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Rollback()) }()
	to, err := Open(path)
	if err != nil {
		return err
	}
	err = to.inTx(func(tx txn) error { return copyAll(ctx, from, tx) })
	return errors.Join(err, to.Close())
}

// ErrNotEmpty says that a store holds something.
var ErrNotEmpty = errors.New("it holds something already; a backup is restored into an empty one")

// Restore fills an empty store, of either kind, from the file that [Store.Backup]
// wrote of either kind, also by an earlier version: all of it or nothing. An author
// that signed more since, or that nobody can say it of, begins a new incarnation in
// what was restored (see [Store.OpenAuthor], [Store.Restored]). Errors: ErrNotEmpty, ErrNewer.
func Restore(ctx context.Context, path string, into *Store) error {
	from, err := openBackup(path)
	if err != nil {
		return fmt.Errorf("restore %s: %w", path, err)
	}
	err = into.inTx(func(tx txn) error {
		for _, t := range tables {
			var some bool
			if err := tx.QueryRow("SELECT EXISTS (SELECT 1 FROM " + t.name + ")").Scan(&some); err != nil {
				return err
			}
			if some {
				return fmt.Errorf("%s: %w", into.Path(), ErrNotEmpty)
			}
		}
		if err := copyAll(ctx, from.db, tx); err != nil {
			return err
		}
		return pin(tx, RestoredPin, []byte(restored))
	}, charterLineage)
	if err = errors.Join(err, from.close()); err != nil {
		return fmt.Errorf("restore %s: %w", path, err)
	}
	return nil
}

// backupFile is a file that nobody writes to.
type backupFile struct {
	db  *sql.DB
	dir string // of a copy that was brought up to date
}

func openBackup(path string) (*backupFile, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	if nonEmpty(path + "-wal") {
		return nil, errors.New("it is a file in use and not a backup")
	}
	db, err := sql.Open("sqlite3", dsn(path, url.Values{"mode": {"ro"}, "immutable": {"1"}}))
	if err != nil {
		return nil, err
	}
	b := &backupFile{db: db}
	var version int
	err = db.QueryRow("PRAGMA user_version").Scan(&version)
	switch {
	case err == nil && (version <= 0 || version > schemaVersion):
		err = fmt.Errorf("%w: schema %d, this version knows %d: update this program", ErrNewer, version, schemaVersion)
	case err == nil && version < schemaVersion:
		err = b.update(path)
	}
	if err != nil {
		return nil, errors.Join(err, b.close())
	}
	return b, nil
}

// update brings a copy of the file up to date and reads that instead.
func (b *backupFile) update(path string) (err error) {
	if b.dir, err = os.MkdirTemp("", "tombolo-restore-"); err != nil {
		return err
	}
	from, err := os.Open(path)
	if err != nil {
		return err
	}
	defer from.Close()
	copied := filepath.Join(b.dir, "backup.db")
	to, err := os.OpenFile(copied, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	s, err := Open(copied)
	if err != nil {
		return err
	}
	err = errors.Join(s.write.Close(), b.db.Close())
	b.db = s.read
	return err
}

func (b *backupFile) close() error {
	err := b.db.Close()
	if b.dir != "" {
		err = errors.Join(err, os.RemoveAll(b.dir))
	}
	return err
}

// tables are what a backup holds. The first column of those that are of a ledger is
// its number, which is another in each store.
var tables = []struct {
	name, columns, order string
	ofLedger             bool
}{
	{"charter", "chain, version, signed", "chain, version", false},
	{"fork", "origin, evidence, seen", "origin", false},
	{"pin", "name, value", "name", false},
	{"held", "origin, peer, role, size, time, seen, note", "origin, peer, role", false},
	{"expired", "origin, before", "origin", false},
	{"ledger", ledgerColumns, "id", false},
	{"entry", "ledger, idx, leaf, salt, time, body", "ledger, idx", true},
	{"node", "ledger, level, n, hash", "ledger, level, n", true},
	{"partial", "ledger, tree, missing", "ledger", true},
	{"due", "ledger, idx", "ledger, idx", true},
}

const ledgerColumns = "origin, author, charter, generation, size, tree, note, fresh, seen"

// copyAll copies the tables.
func copyAll(ctx context.Context, from querier, to txn) error {
	ids, err := copyLedgers(from, to)
	if err != nil {
		return err
	}
	for _, t := range tables {
		if t.name == "ledger" {
			continue
		}
		rows, err := from.Query("SELECT " + t.columns + " FROM " + t.name + " ORDER BY " + t.order)
		if err != nil {
			return err
		}
		in := inserting{tx: to, into: t.name + " (" + t.columns + ")", width: 1 + strings.Count(t.columns, ",")}
		for rows.Next() {
			row, err := scanAny(rows, in.width)
			if err == nil && t.ofLedger {
				old, _ := row[0].(int64)
				id, ok := ids[old]
				if !ok {
					err = fmt.Errorf("%w: %s of a ledger that is not there", ErrDamaged, t.name)
				}
				row[0] = id
			}
			if err == nil {
				err = in.add(row)
			}
			if err = errors.Join(err, ctx.Err()); err != nil {
				return errors.Join(err, rows.Close())
			}
		}
		if err := errors.Join(rows.Err(), rows.Close(), in.end()); err != nil {
			return err
		}
	}
	return nil
}

// copyLedgers copies the ledgers' rows and returns their new numbers by the old.
func copyLedgers(from querier, to txn) (ids map[int64]int64, err error) {
	rows, err := from.Query("SELECT id, " + ledgerColumns + " FROM ledger ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	ids = map[int64]int64{}
	for rows.Next() {
		row, err := scanAny(rows, 10)
		if err != nil {
			return nil, err
		}
		var id int64
		if err := to.QueryRow("INSERT INTO ledger ("+ledgerColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id", row[1:]...).Scan(&id); err != nil {
			return nil, err
		}
		ids[row[0].(int64)] = id
	}
	return ids, rows.Err()
}

// scanAny reads a row as the driver gives it.
func scanAny(rows *sql.Rows, width int) ([]any, error) {
	row, dest := make([]any, width), make([]any, width)
	for i := range row {
		dest[i] = &row[i]
	}
	err := rows.Scan(dest...)
	return row, err
}

// inserting gathers rows for statements of several.
type inserting struct {
	tx     txn
	into   string
	width  int
	values []driver.Value
}

func (in *inserting) add(row []any) error {
	for _, v := range row {
		in.values = append(in.values, v)
	}
	if len(in.values) < manyRows*in.width {
		return nil
	}
	return in.end()
}

// end inserts what is left.
func (in *inserting) end() error {
	n := len(in.values) / in.width
	if n == 0 {
		return nil
	}
	row := "(?" + strings.Repeat(", ?", in.width-1) + ")"
	_, err := in.tx.values("INSERT INTO "+in.into+" VALUES "+row+strings.Repeat(", "+row, n-1), in.values...)
	in.values = nil
	return err
}
