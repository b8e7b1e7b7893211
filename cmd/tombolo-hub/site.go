package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/service"
	"tombolo/sync/store"
)

// site is the folder of a hub or an evaluator: keys and files in a directory, and
// ledgers there, too, or in a database.
type site struct{ *folder.Folder }

const (
	// databaseRetry is how long a daemon waits before it tries a database again.
	databaseRetry = 2 * time.Second
	// startExtends is how long a service manager then waits to hear of it again, as
	// long as TimeoutStartSec= in tombolo-hub.service.
	startExtends = 5 * time.Minute
)

// checkDatabase refuses a URL before anything is done with it.
func (e *env) checkDatabase() error {
	if e.database == "" {
		return nil
	}
	u, err := url.Parse(e.database)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" || u.Host == "" && u.Query().Get("host") == "" {
		return usage("--database: want postgres://USER@HOST/NAME") // what was given may hold a password
	}
	return nil
}

// open opens the folder for a command.
func (e *env) open() (*site, error) {
	if err := e.checkDatabase(); err != nil {
		return nil, err
	}
	f, err := folder.Open(e.dir, false)
	if err != nil {
		return nil, e.noFolder(err)
	}
	f.Now = e.Now
	if e.database == "" {
		return &site{f}, nil
	}
	ctx, end := context.WithTimeout(context.Background(), 15*time.Second)
	defer end()
	s, err := e.onDatabase(ctx, f)
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, f.Close()
}

// await opens the folder for a daemon, which waits for its database. It returns nil
// and no error if ctx ended first.
func (e *env) await(ctx context.Context, log *slog.Logger) (*site, error) {
	for told := false; ; {
		s, err := e.open()
		if err == nil || e.database == "" || permanent(err) {
			return s, err
		}
		if !told {
			log.Error("the database does not answer; it is waited for", "err", err)
			told = true
		}
		service.Extend(startExtends, log)
		select {
		case <-ctx.Done():
			return nil, nil
		case <-time.After(databaseRetry):
		}
	}
}

// permanent tells whether waiting for a database changes nothing.
func permanent(err error) bool {
	if _, bad := errors.AsType[usageError](err); bad {
		return true
	}
	if _, bad := errors.AsType[*pgconn.ParseConfigError](err); bad {
		return true
	}
	return errors.Is(err, store.ErrNewer) || errors.Is(err, folder.ErrNoFolder) || errors.Is(err, folder.ErrUnpinned) || errors.Is(err, folder.ErrPinned)
}

// where says where the ledgers are, without a password.
func (e *env) where() string {
	if e.database == "" {
		return "SQLite in " + e.dir
	}
	u, err := url.Parse(e.database)
	if err != nil {
		return "a database"
	}
	return fmt.Sprintf("PostgreSQL at %s%s", u.Host, strings.TrimSuffix(u.Path, "/"))
}
