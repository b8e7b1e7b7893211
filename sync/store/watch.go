package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"sync"
)

// Watch returns a function that reports whether anything, in this process or
// another, has been committed since its last call. On a file it holds a connection
// until ctx ends.
func (s *Store) Watch(ctx context.Context) (changed func() (bool, error), err error) {
	if s.disk == nil {
		w := &counted{store: s, last: -1}
		return func() (bool, error) { return w.changed(ctx) }, nil
	}
	conn, err := s.read.Conn(ctx)
	if err != nil {
		return nil, err
	}
	w := &watch{db: s.read, conn: conn, last: -1}
	context.AfterFunc(ctx, w.close)
	return func() (bool, error) { return w.changed(ctx) }, nil
}

type watch struct {
	db *sql.DB

	mu   sync.Mutex
	conn *sql.Conn // under mu
	last int64     // under mu: the file's version by this connection, -1 for none
}

func (w *watch) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn.Close()
}

func (w *watch) changed(ctx context.Context) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.renew(ctx); err != nil {
		return false, err
	}
	var v int64
	if err := w.conn.QueryRowContext(ctx, sqlite.Changes).Scan(&v); err != nil {
		return false, err
	}
	was := w.last
	w.last = v
	return v != was, nil
}

// renew takes another connection for one that sees no changes any more. It is
// called under mu.
func (w *watch) renew(ctx context.Context) error {
	stale := false
	err := w.conn.Raw(func(conn any) error {
		v, ok := conn.(driver.Validator)
		stale = ok && !v.IsValid()
		return nil
	})
	if err != nil || !stale {
		return err
	}
	next, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	w.conn.Close()
	w.conn, w.last = next, -1
	return nil
}

// counted watches a database that counts for all connections alike.
type counted struct {
	store *Store

	mu   sync.Mutex
	last int64 // under mu: -1 for none
}

func (w *counted) changed(ctx context.Context) (bool, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var v int64
	if err := w.store.read.QueryRowContext(ctx, w.store.dialect.Changes).Scan(&v); err != nil {
		return false, err
	}
	was := w.last
	w.last = v
	return v != was, nil
}
