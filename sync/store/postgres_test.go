package store_test

import (
	"context"
	"testing"

	"tombolo/sync/store"
	"tombolo/sync/store/pg"
	"tombolo/sync/store/pgtest"
)

func init() {
	store.Databases.URL = func(tb testing.TB) string {
		tb.Helper()
		return pgtest.StartWith(tb, pgtest.Config{NoFsync: true}).URL(tb)
	}
	store.Databases.Open = func(url string) (*store.Store, error) { return pg.Open(context.Background(), url) }
	store.Databases.Stop = pgtest.Stop
}
