package pg

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
	"slices"
	"testing"

	"tombolo/sync/store/pgtest"
)

// The bytes of https://www.postgresql.org/docs/current/sql-copy.html, Binary Format.
func TestTuples(t *testing.T) {
	t.Parallel()
	var all tuples
	all.add(int64(1), int64(-2), []byte("ab"), []byte{}, nil, []byte(nil))
	want := slices.Concat(
		[]byte{0, 6},                                       // fields
		[]byte{0, 0, 0, 8}, []byte{0, 0, 0, 0, 0, 0, 0, 1}, // bigint
		[]byte{0, 0, 0, 8}, bytes.Repeat([]byte{255}, 7), []byte{254}, // bigint
		[]byte{0, 0, 0, 2, 'a', 'b'},                           // bytea
		[]byte{0, 0, 0, 0},                                     // an empty one
		[]byte{255, 255, 255, 255}, []byte{255, 255, 255, 255}, // NULL
	)
	if !bytes.Equal(all, want) {
		t.Errorf("\n%x\n%x", []byte(all), want)
	}
	if len(copySignature) != 19 {
		t.Errorf("a signature of %d bytes", len(copySignature))
	}
}

// Entries and statements about them take effect in the order in which they were
// made, however many there are, whichever of them waited for others; and an error
// among the entries leaves nothing behind.
func TestCopyInOrder(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).URL(t)
	open(t, url) // makes the tables
	db := newTestConn(t, url)
	body := bytes.Repeat([]byte{7}, 60_000)
	within := func(f func(c *conn) error) error {
		c, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		return c.Raw(func(x any) error {
			tx, err := x.(*conn).BeginTx(t.Context(), driver.TxOptions{})
			if err != nil {
				return err
			}
			if err := f(x.(*conn)); err != nil {
				_ = tx.Rollback()
				return err
			}
			return tx.Commit()
		})
	}
	put := func(c *conn, lo, hi int64) error {
		for i := lo; i < hi; i++ {
			if err := c.InsertEntry(context.Background(), 1, i, []byte("leaf"), nil, nil, body); err != nil {
				return err
			}
		}
		return nil
	}
	drop := func(c *conn, lo int64) error {
		_, err := c.ExecContext(context.Background(), fmt.Sprintf("DELETE FROM entry WHERE idx >= %d", lo), nil)
		return err
	}
	err := within(func(c *conn) error {
		for _, err := range []error{put(c, 0, 200), drop(c, 100), put(c, 100, 103), drop(c, 102), put(c, 102, 105), put(c, 105, 300), drop(c, 290)} {
			if err != nil {
				return err
			}
		}
		return nil
	})
	if got := query[string](t, url, "SELECT count(*) || ' ' || max(idx) || ' ' || sum(length(body)) FROM entry WHERE salt IS NULL"); err != nil || got != "290 289 17400000" {
		t.Errorf("%s, %v", got, err)
	}
	if err := within(func(c *conn) error { return put(c, 289, 600) }); err == nil {
		t.Error("an entry was stored twice")
	}
	if got := query[int64](t, url, "SELECT count(*) FROM entry"); got != 290 {
		t.Errorf("%d are left after an error", got)
	}
}
