package pg

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"tombolo/sync/store"
	"tombolo/sync/store/pgtest"
)

// Several processes that start at once make the tables once.
func TestOpenTogether(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).URL(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			s, err := Open(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			if err := errors.Join(s.Pin("node", []byte{1}), s.Close()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := query[int](t, url, "SELECT count(*) FROM schema_version"); n != 1 {
		t.Errorf("%d versions", n)
	}
}

func TestOpenNewer(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).URL(t)
	open(t, url).Close()
	for _, version := range []string{"2", "99", "-1"} {
		do(t, url, "UPDATE schema_version SET version = "+version)
		if _, err := Open(t.Context(), url); !errors.Is(err, store.ErrNewer) {
			t.Errorf("%s: %v", version, err)
		}
	}
	do(t, url, "UPDATE schema_version SET version = 1")
	open(t, url)
}

// A schema that somebody else's tables stand in is left as it is.
func TestOpenTaken(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).URL(t)
	do(t, url, "CREATE TABLE node (x int)")
	if _, err := Open(t.Context(), url); err == nil || !strings.Contains(err.Error(), `"node" already exists`) {
		t.Fatalf("%v", err)
	}
	if n := query[int](t, url, "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"); n != 1 {
		t.Errorf("%d tables", n)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).URL(t)
	for name, c := range map[string]struct{ url, says string }{
		"no URL":           {"a://b:c:d", "URL"},
		"no such schema":   {url + "nowhere", "search_path"},
		"no such database": {strings.Replace(url, "/postgres?", "/nowhere?", 1), "nowhere"},
		"no connections":   {url + "&pool_max_conns=1", "pool_max_conns"},
		"no number":        {url + "&pool_max_conns=x", "pool_max_conns"},
		"no such setting":  {url + "&tombola=1", "tombola"},
		"TLS of who has none": {strings.Replace(url, "sslmode=disable", "sslmode=require", 1),
			"TLS"},
	} {
		s, err := Open(t.Context(), c.url)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if _, err := Open(ended, url); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}

// The name that stands in messages holds no secret.
func TestName(t *testing.T) {
	t.Parallel()
	url := strings.Replace(pgtest.Start(t).URL(t), "tombolo@", "tombolo:hush@", 1)
	s := open(t, url)
	if p := s.Path(); strings.Contains(p, "hush") || !strings.HasPrefix(p, "postgres://tombolo@127.0.0.1:") {
		t.Errorf("%s", p)
	}
	if err := s.Trouble(); err != nil {
		t.Error(err)
	}
}

// What is acknowledged is on the disk, whatever the role's setting says, and who may
// not make tables uses those that are there.
func TestSession(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).Database(t)
	open(t, url)
	do(t, url, `DO $$ BEGIN
		CREATE ROLE poor LOGIN; ALTER ROLE poor SET synchronous_commit = off; ALTER ROLE poor SET default_transaction_isolation = 'serializable';
		GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO poor; END $$`)
	s := open(t, strings.Replace(url, "tombolo@", "poor@", 1))
	a := must(s.OpenAuthor(config("gateway")))
	if _, err := a.Append(occupancy(1)); err != nil {
		t.Fatal(err)
	}
	poor := newTestConn(t, strings.Replace(url, "tombolo@", "poor@", 1))
	for setting, want := range map[string]string{"synchronous_commit": "on", "transaction_isolation": "read committed", "application_name": "tombolo"} {
		tx := must(poor.BeginTx(t.Context(), nil))
		var got string
		if err := tx.QueryRow("SELECT current_setting('" + setting + "')").Scan(&got); err != nil || got != want {
			t.Errorf("%s is %s, %v", setting, got, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// A statement that the server refuses fails the transaction, whenever it is sent,
// and the connection is of use afterwards.
func TestQueuedStatementFails(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).URL(t)
	open(t, url)
	db := newTestConn(t, url)
	for name, then := range map[string]func(tx *sql.Tx, ask error) error{
		"at the commit":  func(tx *sql.Tx, _ error) error { return tx.Commit() },
		"when asked":     func(tx *sql.Tx, ask error) error { return errors.Join(ask, tx.Rollback()) },
		"asked, and yet": func(tx *sql.Tx, _ error) error { return tx.Commit() },
	} {
		tx := must(db.BeginTx(t.Context(), nil))
		for _, query := range []string{"INSERT INTO pin VALUES (?, ?)", "INSERT INTO pin VALUES (?, ?)", "INSERT INTO pin VALUES (? || 'x', ?)"} {
			if _, err := tx.Exec(query, name, []byte{1}); err != nil {
				t.Fatal(err)
			}
		}
		var asked error
		if name != "at the commit" {
			var n int
			asked = tx.QueryRow("SELECT count(*) FROM pin").Scan(&n)
		}
		err := then(tx, asked)
		if e, ok := errors.AsType[*pgconn.PgError](err); !ok || e.Code != "23505" || again(err) {
			t.Errorf("%s: %v", name, err)
		}
		if n := query[int](t, url, "SELECT count(*) FROM pin"); n != 0 {
			t.Errorf("%s: %d rows stayed", name, n)
		}
	}
}

// What is wrong with a URL is told without its password, wherever that stands.
func TestOpenTellsNoPassword(t *testing.T) {
	t.Parallel()
	for url, want := range map[string]string{
		"postgres://u:geheim@h/db?sslmode=bogus":             "sslmode is invalid",
		"postgres://u@h/db?password=geheim&sslmode=bogus":    "sslmode is invalid",
		"postgres://u:geheim geheim@h/db":                    "invalid",
		"postgres://u:geheim@h/%zz":                          "",
		"postgres://u@h:99999/db?password=geheim":            "value out of range",
		"postgres://u@h/db?password=geheim&pool_max_conns=x": "pool_max_conns",
		"host=h password=geheim sslmode=bogus":               "sslmode is invalid",
		"password=geheim '":                                  "",
		"postgres://u:geheim@127.0.0.1:1/db?password=geheim": "postgres://u@127.0.0.1:1/db",
	} {
		_, err := Open(t.Context(), url)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
