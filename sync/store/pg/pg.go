package pg

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"tombolo/sync/store"
)

//go:embed schema.sql
var schema1 string

// schemas are each on top of the one before.
var schemas = []string{schema1}

const (
	oldest       = 140000 // server_version_num that is enough: 14
	defaultConns = 8
	patience     = 10 * time.Second // with a server that does not answer
)

// Open opens the database at a URL, or by keywords and values, of the kind that
// libpq takes (https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING),
// TLS included, and makes its tables or brings them up to date: of several
// processes that start at once one does. Beyond libpq's there is pool_max_conns, how many
// connections there may be at a time, 8 if it is not given, and what package pgx
// takes. It returns store.ErrNewer for tables of a later version. ctx bounds this
// call alone.
func Open(ctx context.Context, at string) (*store.Store, error) {
	cfg, err := pgx.ParseConfig(at)
	if err != nil {
		return nil, &urlError{err}
	}
	conns, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("postgres://%s@%s/%s", cfg.User, net.JoinHostPort(cfg.Host, strconv.Itoa(int(cfg.Port))), cfg.Database)
	if err := migrate(ctx, cfg); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return store.OpenDialect(store.Dialect{
		Name: name, Connector: newConnector(cfg), Conns: conns,
		Lock:    "SELECT pg_advisory_xact_lock(hashtext('tombolo ' || current_schema()), key) FROM unnest(?::int[]) AS key",
		Again:   again,
		Changes: "SELECT sum(n)::bigint FROM change",
		Clock:   "(extract(epoch FROM clock_timestamp()) * 1000)::bigint",
		Mark:    "INSERT INTO guard VALUES (?, " + era("pg_current_xact_id()::xid") + ")",
		Marked:  "SELECT EXISTS (SELECT 1 FROM guard WHERE origin = ? AND era = " + era("guard.xmin") + ")",
	}), nil
}

// urlError tells what is wrong with a URL, and nothing of the URL: package pgx leaves
// out a password before the host, and not one among the parameters.
type urlError struct{ error }

func (e *urlError) Unwrap() error { return e.error }

// Error implements error.
func (e *urlError) Error() string {
	cause := errors.Unwrap(e.error)
	if u, ok := errors.AsType[*url.Error](cause); ok {
		cause = u.Err
	}
	if cause == nil {
		cause = errors.New("it cannot be read")
	}
	return fmt.Sprintf("the database's URL: %v", cause)
}

// era is when the server was started, which database it is, and the transaction
// that wrote a row.
func era(xid string) string {
	return "extract(epoch FROM pg_postmaster_start_time())::text || ' ' || (SELECT oid::text FROM pg_database WHERE datname = current_database()) || ' ' || (" + xid + ")::text"
}

// prepare sets what a URL did not, and takes out what is not for the server.
func prepare(cfg *pgx.ConnConfig) (conns int, err error) {
	conns = defaultConns
	if s, ok := cfg.RuntimeParams["pool_max_conns"]; ok {
		delete(cfg.RuntimeParams, "pool_max_conns")
		// One watches nothing and leases nothing while the other commits.
		if conns, err = strconv.Atoi(s); err != nil || conns < 2 || conns > 1000 {
			return 0, fmt.Errorf("the database's URL: pool_max_conns is %q, not a number from 2 to 1000", s)
		}
	}
	for param, value := range map[string]string{
		"application_name": "tombolo",
		// Who vanished without a word must not keep its locks for hours.
		"tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3",
		"idle_in_transaction_session_timeout": "60000",
	} {
		if _, ok := cfg.RuntimeParams[param]; !ok {
			cfg.RuntimeParams[param] = value
		}
	}
	if cfg.ConnectTimeout == 0 {
		cfg.ConnectTimeout = patience
	}
	dialer := &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 3}}
	cfg.DialFunc = dialer.DialContext
	return conns, nil
}

// begin readies a connection: what is acknowledged is on the disk, whatever the
// role's or the server's settings are.
func begin(ctx context.Context, c *pgx.Conn) error {
	var schema *string
	var durable string
	err := c.QueryRow(ctx, `SELECT current_schema(), CASE current_setting('synchronous_commit')
		WHEN 'off' THEN set_config('synchronous_commit', 'on', false) ELSE '' END`).Scan(&schema, &durable)
	if err == nil && schema == nil {
		err = errors.New("none of the schemas in the search_path exists; make one, or name another in the URL")
	}
	return err
}

// migrate brings the tables up to date.
func migrate(ctx context.Context, cfg *pgx.ConnConfig) (err error) {
	c, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(context.WithoutCancel(ctx))) }()
	if err := begin(ctx, c); err != nil {
		return err
	}
	var server int
	if err := c.QueryRow(ctx, "SELECT current_setting('server_version_num')::int").Scan(&server); err != nil {
		return err
	}
	if server < oldest {
		return fmt.Errorf("the server is version %d; 14 is the oldest that will do", server/10000)
	}
	// Whoever may not make tables can use those that are there.
	if have, err := version(ctx, c); err == nil && have == len(schemas) {
		return nil
	}
	tx, err := c.Begin(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rolledBack(tx.Rollback(context.WithoutCancel(ctx)))) }()
	if _, err := tx.Exec(ctx, "SELECT pg_advisory_xact_lock(hashtextextended('tombolo schema ' || current_schema(), 0))"); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, "CREATE TABLE IF NOT EXISTS schema_version (one BOOLEAN PRIMARY KEY DEFAULT true CHECK (one), version INTEGER NOT NULL)"); err != nil {
		return err
	}
	have, err := version(ctx, tx)
	if errors.Is(err, pgx.ErrNoRows) {
		have, err = 0, nil
	}
	if err != nil {
		return err
	}
	if have < 0 || have > len(schemas) {
		return fmt.Errorf("%w: schema %d, this version knows %d: update this program", store.ErrNewer, have, len(schemas))
	}
	for v := have; v < len(schemas); v++ {
		if _, err := tx.Exec(ctx, schemas[v]); err != nil {
			return fmt.Errorf("schema %d: %w", v+1, err)
		}
	}
	_, err = tx.Exec(ctx, "INSERT INTO schema_version (version) VALUES ($1) ON CONFLICT (one) DO UPDATE SET version = excluded.version", len(schemas))
	if err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// rolledBack takes the end of a transaction that has ended for what it is.
func rolledBack(err error) error {
	if errors.Is(err, pgx.ErrTxClosed) {
		return nil
	}
	return err
}

func version(ctx context.Context, q interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}) (v int, err error) {
	err = q.QueryRow(ctx, "SELECT version FROM schema_version").Scan(&v)
	return v, err
}

// again reports whether a transaction was rolled back by no fault of its own.
func again(err error) bool {
	if errors.Is(err, store.ErrUncertain) {
		return false
	}
	if _, ok := errors.AsType[*lostError](err); ok {
		return true
	}
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		// https://www.postgresql.org/docs/current/mvcc-serialization-failure-handling.html
		return e.Code == "40001" || e.Code == "40P01"
	}
	return false
}
