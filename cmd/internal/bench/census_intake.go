package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // "pgx", to count by

	"tombolo/sync/hub"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/replica"
	"tombolo/sync/store"
	"tombolo/sync/store/pg"
)

const (
	intakeRounds   = 5
	intakeTogether = 256 // ledgers in a bare transaction, 17 MB: more are no quicker, and a participant stores fewer at once
	intakePatience = 10 * time.Minute
)

// intake measures how fast the real hub takes in the whole report ledgers of all
// gateways: a day's figures and the tags of each. They are given by a played broker
// over a connection on this machine, in which everything happens that happens to a
// report: its head is announced, wanted, verified, given, proved, stored, made
// durable and acknowledged, and read by the hub. Beside it the same rows are
// inserted in an empty store by the quickest means that the database has, in large
// transactions: many rows a statement, or COPY. The two take turns.
func intake(b *report, dir string, s sea) error {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	hub.Tune()
	progress("%d gateways that report %d passports each", s.Gateways, s.Tags)
	text, err := json.Marshal(order{Sea: s, What: "gateways"})
	if err != nil {
		return err
	}
	gateways, err := startChild("--census", string(text))
	if err != nil {
		return err
	}
	defer gateways.end()
	address, err := gateways.line()
	if err != nil {
		return err
	}
	t := intakeTest{sea: s, dir: dir, gateways: gateways, address: address}
	if err := t.on(b, "sqlite", func(n int) (string, error) { return filepath.Join(dir, fmt.Sprint(n), "ledgers.db"), nil }); err != nil {
		return err
	}
	server, stop, err := startPostgres()
	if errors.Is(err, errNoPostgres) {
		fmt.Println("# census intake:", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer stop()
	return t.on(b, "postgres", func(int) (string, error) { return server() })
}

type intakeTest struct {
	sea
	dir      string
	gateways *childProcess
	address  string
}

// on measures with one kind of store, of which place makes a new one.
func (t intakeTest) on(b *report, name string, place func(n int) (string, error)) error {
	var ratios, ours, theirs []float64
	for n := range intakeRounds {
		var took [2]time.Duration
		for i, do := range []func(dir, place string) (time.Duration, error){t.bare, t.reported} {
			progress("intake on %s, round %d of %d: %s", name, n+1, intakeRounds, []string{"the bare insert of the rows", "the hub"}[i])
			at, err := place(2*n + i)
			if err != nil {
				return err
			}
			dir := filepath.Join(t.dir, fmt.Sprint(2*n+i))
			if err := os.Mkdir(dir, 0o700); err != nil {
				return err
			}
			took[i], err = do(dir, at)
			if err := errors.Join(err, os.RemoveAll(dir)); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
		rows := float64(t.Gateways * (t.entries() + 1))
		ratios, ours, theirs = append(ratios, took[0].Seconds()/took[1].Seconds()), append(ours, rows/took[1].Seconds()), append(theirs, rows/took[0].Seconds())
	}
	b.least("census-intake-"+name, median(ratios), 0.5)
	fmt.Printf("# intake on %s: %.0f rows a second of %d gateways' reports (%.0f gateways, %.1f MB), %.0f bare\n",
		name, median(ours), t.Gateways, median(ours)/float64(t.entries()+1), median(ours)/float64(t.entries()+1)*float64(t.Tags*ledger.TagSize)/1e6, median(theirs))
	return nil
}

func openStore(place string) (*store.Store, error) {
	if strings.Contains(place, "://") {
		return pg.Open(context.Background(), place)
	}
	return store.Open(place)
}

// reported has the hub take it all in.
func (t intakeTest) reported(dir, place string) (took time.Duration, err error) {
	on, err := openStore(place)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, on.Close()) }()
	if err := t.found(on, dir); err != nil {
		return 0, err
	}
	cfg := t.hub(on, dir)
	cfg.Links = []link.Config{{Name: "sea", Broker: "tcp://" + t.address, Community: t.id(), Scopes: []replica.Scope{replica.All}, SelfName: "hub", Software: "bench"}}
	h, err := hub.New(cfg)
	if err != nil {
		return 0, err
	}
	stop := runBoth(h.Run, func(ctx context.Context) error { <-ctx.Done(); return nil })
	defer func() { err = errors.Join(err, stop()) }()
	if line, err := t.gateways.line(); err != nil || line != "subscribed" {
		return 0, fmt.Errorf("the played broker said %q: %w", line, err)
	}
	if err := eventually("the hub's link came up", time.Minute, func() bool { return h.Peer().Status().Links[0].Up }); err != nil {
		return 0, err
	}
	count, done, err := counter(place, t.entries(), t.Gateways)
	if err != nil {
		return 0, err
	}
	defer done()
	began := time.Now()
	if _, err := io.WriteString(t.gateways.in, "report\n"); err != nil {
		return 0, err
	}
	for {
		time.Sleep(50 * time.Millisecond)
		n, err := count()
		if err != nil || n == t.Gateways {
			return time.Since(began), err
		}
		if time.Since(began) > intakePatience {
			return 0, fmt.Errorf("%d of %d reports were taken in after %v", n, t.Gateways, intakePatience)
		}
	}
}

// counter counts ledgers of so many entries, once there are at least so many ledgers.
func counter(place string, entries, least int) (count func() (int, error), done func() error, err error) {
	var db *sql.DB
	if strings.Contains(place, "://") {
		db, err = sql.Open("pgx", place)
	} else {
		db, err = store.Database(place, 1)
	}
	if err != nil {
		return nil, nil, err
	}
	query := fmt.Sprintf("SELECT count(*) FROM ledger WHERE size = %d AND origin LIKE '%%/report/%%'", entries)
	return func() (n int, err error) {
		// The newest row is had for nothing, so that looking does not slow what is looked at.
		if err := db.QueryRow("SELECT coalesce(max(id), 0) FROM ledger").Scan(&n); err != nil || n < least {
			return 0, err
		}
		return n, db.QueryRow(query).Scan(&n)
	}, db.Close, nil
}

// bare inserts the rows that the hub leaves behind.
func (t intakeTest) bare(_, place string) (took time.Duration, err error) {
	on, err := openStore(place) // which makes the tables
	if err != nil {
		return 0, err
	}
	if err := on.Close(); err != nil {
		return 0, err
	}
	into, end, err := bareInto(place)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, end()) }()
	id := t.epoch().ID()
	var ledgers, entries [][]any
	for n := range t.Gateways {
		head, stretch, err := t.report(n, id)
		if err != nil {
			return 0, err
		}
		x, err := ledger.CheckStretch(ledger.Tree{}, head, stretch)
		if err != nil {
			return 0, err
		}
		tree := x.Tree()
		edge, err := tree.MarshalBinary()
		if err != nil {
			return 0, err
		}
		node := t.node(n)
		ledgers = append(ledgers, []any{int64(n) + 1, head.Origin.String(), []byte(head.Author), node[:], int64(0), head.Size, edge, head.Note, int64(head.Time), time.Now().Unix()})
		for i, e := range stretch.Entries {
			entries = append(entries, []any{int64(n) + 1, int64(i), e.Leaf, e.Salt[:], e.Time, e.Body})
		}
		if len(ledgers) == intakeTogether || n == t.Gateways-1 {
			began := time.Now()
			if err := into(ledgers, entries); err != nil {
				return 0, err
			}
			took += time.Since(began)
			ledgers, entries = ledgers[:0], entries[:0]
		}
	}
	count, done, err := counter(place, t.entries(), t.Gateways)
	if err != nil {
		return 0, err
	}
	defer done()
	if n, err := count(); err != nil || n != t.Gateways {
		return 0, errors.Join(err, fmt.Errorf("the bare program stored %d of %d", n, t.Gateways))
	}
	return took, nil
}

const ledgerColumns = "id, origin, author, charter, generation, size, tree, note, fresh, seen"

// bareInto is a bare transaction of rows of ledgers and of entries.
func bareInto(place string) (into func(ledgers, entries [][]any) error, end func() error, err error) {
	ctx := context.Background()
	if strings.Contains(place, "://") {
		conn, err := pgx.Connect(ctx, place)
		if err != nil {
			return nil, nil, err
		}
		return func(ledgers, entries [][]any) error { return copyInto(ctx, conn, ledgers, entries) }, func() error { return conn.Close(ctx) }, nil
	}
	db, err := store.Database(place, 1)
	if err != nil {
		return nil, nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, nil, errors.Join(err, db.Close())
	}
	return func(ledgers, entries [][]any) error {
		return conn.Raw(func(c any) error {
			tx, err := c.(rawConn).BeginTx(ctx, driver.TxOptions{})
			if err != nil {
				return err
			}
			err = errors.Join(insertRows(ctx, c.(rawConn), "ledger ("+ledgerColumns+")", ledgers), insertRows(ctx, c.(rawConn), "entry", entries))
			if err != nil {
				return errors.Join(err, tx.Rollback())
			}
			return tx.Commit()
		})
	}, func() error { return errors.Join(conn.Close(), db.Close()) }, nil
}

// insertRows inserts bareRows at a time, by statements that the driver keeps.
func insertRows(ctx context.Context, c rawConn, into string, rows [][]any) error {
	one := "(?" + strings.Repeat(", ?", len(rows[0])-1) + ")"
	var args []driver.NamedValue
	for some := range slices.Chunk(rows, bareRows) {
		prepared, err := c.PrepareContext(ctx, "INSERT INTO "+into+" VALUES "+one+strings.Repeat(", "+one, len(some)-1))
		if err != nil {
			return err
		}
		args = args[:0]
		for _, row := range some {
			for _, v := range row {
				args = append(args, driver.NamedValue{Ordinal: len(args) + 1, Value: v})
			}
		}
		_, err = prepared.(driver.StmtExecContext).ExecContext(ctx, args)
		if err := errors.Join(err, prepared.Close()); err != nil {
			return err
		}
	}
	return nil
}

// copyInto inserts by COPY.
func copyInto(ctx context.Context, conn *pgx.Conn, ledgers, entries [][]any) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	for i, row := range ledgers {
		ledgers[i] = row[1:] // the database makes the ids, as it does for the hub
	}
	_, err = tx.CopyFrom(ctx, pgx.Identifier{"ledger"}, strings.Split(ledgerColumns, ", ")[1:], pgx.CopyFromRows(ledgers))
	if err == nil {
		_, err = tx.CopyFrom(ctx, pgx.Identifier{"entry"}, []string{"ledger", "idx", "leaf", "salt", "time", "body"}, pgx.CopyFromRows(entries))
	}
	if err != nil {
		return errors.Join(err, tx.Rollback(ctx))
	}
	return tx.Commit(ctx)
}
