package roster_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/edge/roster/internal/holders"
	"tombolo/edge/roster/rostertest"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// member7 is a roster of one passport and its phone.
func member7(t *testing.T) (w *world, issuer *log, path string, r *roster.Roster, phone *passport.SoftKey) {
	w = newWorld(t)
	issuer, phone = w.issuer(), doorkey("phone", passport.KindPhone)
	issuer.write(w.person(7).admit(), w.person(7).adds(phone))
	w.arriveAll()
	path = filepath.Join(t.TempDir(), "roster.db")
	r = w.openAt(path)
	return w, issuer, path, r, phone
}

// TestDamagedRow: a row that is not whole gives an error and no grant.
func TestDamagedRow(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"UPDATE holder SET row = x''",
		"UPDATE holder SET row = x'010203'",
		"UPDATE holder SET row = zeroblob(length(row))",
		"UPDATE holder SET row = substr(row, 1, length(row) - 1)",
		"UPDATE holder SET row = CAST(row || x'00' AS BLOB)",
		"UPDATE holder SET row = CAST(x'00' || substr(row, 2) AS BLOB)",
		"UPDATE holder SET row = CAST(substr(row, 1, 28) || x'7f' || substr(row, 30) AS BLOB)", // flags
		"UPDATE holder SET row = CAST(substr(row, 1, 30) || x'07' || substr(row, 32) AS BLOB)", // mode
		"UPDATE holder SET row = CAST(substr(row, 1, length(row) - 1) || 'x' AS BLOB)",         // class
		"UPDATE holder SET row = CAST(row || substr(row, 5) AS BLOB)",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			w, _, path, r, phone := member7(t)
			w.project(r)
			damage(t, path, query)
			w.project(r) // lookups of a roster that is still do not look at the file anew
			if h, err := r.ByWindow(7, phone.Key().ID().Short()); err == nil || h != (access.Holder{}) || !strings.Contains(err.Error(), "move the roster away") {
				t.Errorf("by window: %+v, %v", h, err)
			}
			if h, err := r.ByKey(phone.Key().ID()); err == nil || h != (access.Holder{}) {
				t.Errorf("by key: %+v, %v", h, err)
			}
		})
	}
}

// TestDamagedSource: rows that are not whole stop the projection before they
// reach a lookup.
func TestDamagedSource(t *testing.T) {
	t.Parallel()
	for _, query := range []string{
		"UPDATE doorkey SET id = x'01'",
		"UPDATE doorkey SET id = zeroblob(32)",
		"UPDATE doorkey SET point = x'02'",
		"UPDATE doorkey SET point = zeroblob(33)",
		"UPDATE doorkey SET signer = x''",
		"UPDATE doorkey SET scope = x'00'",
		"UPDATE doorkey SET kind = 300",
		"UPDATE doorkey SET mode = -1",
		"UPDATE claim SET owner = x''",
		"UPDATE claim SET class = NULL",
		"UPDATE claim SET class = '" + strings.Repeat("x", 256) + "'",
		"UPDATE claim SET not_before = NULL",
		"UPDATE claim SET not_after = NULL",
	} {
		t.Run(query, func(t *testing.T) {
			t.Parallel()
			w, issuer, path, r, phone := member7(t)
			w.project(r)
			was := holder(t, r, phone)
			damage(t, path, query)
			issuer.write(&ledger.Suspend{Passport: 7})
			w.arriveAll()
			if _, err := r.Project(known(w.now)); err == nil {
				t.Error("projected")
			}
			if h := holder(t, r, phone); h != was {
				t.Errorf("it reached a lookup: %+v", h)
			}
		})
	}
}

// TestTwoKeysWithOneShortID: nobody can tell which is meant, so neither is. A
// collision of 64 bits is not found in a test.
func TestTwoKeysWithOneShortID(t *testing.T) {
	t.Parallel()
	w, _, path, r, phone := member7(t)
	w.project(r)
	one := holder(t, r, phone)
	two := one
	two.KeyID[31] = 0xff
	row := must(holders.Seal(one, two))
	damage(t, path, fmt.Sprintf("UPDATE holder SET row = x'%x'", row))
	w.project(r)
	if h, err := r.ByWindow(7, one.KeyID.Short()); err != nil || h.Known {
		t.Errorf("got %+v, %v", h, err)
	}
	for _, want := range []access.Holder{one, two} {
		if h, err := r.ByKey(want.KeyID); err != nil || h != want {
			t.Errorf("by its whole id: %+v, %v", h, err)
		}
	}
}

// TestLookupsFollow: however many look things up while the roster is projected,
// each sees what was projected before it asked; and none asks a closed roster.
func TestLookupsFollow(t *testing.T) {
	t.Parallel()
	w, issuer, _, r, phone := member7(t)
	w.project(r)
	id := phone.Key().ID()
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for range 6 { // more than there are connections
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if h, err := r.ByKey(id); err != nil || !h.Admitted {
					t.Errorf("%+v, %v", h, err)
					return
				}
			}
		})
	}
	for n := range 40 {
		suspended := n%2 == 0
		if suspended {
			issuer.write(&ledger.Suspend{Passport: 7})
		} else {
			issuer.write(&ledger.Reinstate{Passport: 7})
		}
		w.arriveAll()
		w.project(r)
		for range 5 {
			if h, err := r.ByKey(id); err != nil || h.Suspended != suspended {
				t.Errorf("change %d: %+v, %v", n, h, err)
			}
		}
	}
	close(stop)
	wg.Wait()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.ByKey(id); err == nil || !strings.Contains(err.Error(), "closed") {
		t.Errorf("closed: %v", err)
	}
	if _, _, err := r.Pin(7); err == nil {
		t.Error("closed, and it knows a PIN")
	}
}

// TestLogStartsAnew: lookups that go on do not keep SQLite from starting its log
// anew, however much is projected.
func TestLogStartsAnew(t *testing.T) {
	t.Parallel()
	w, _, path, r, phone := member7(t)
	steward := w.steward()
	var sizes []int64
	for version := range 30 {
		steward.write(policyEntry(version+1, strings.Repeat("x", 250_000))) // 60 pages
		w.arriveAll()
		w.project(r)
		holder(t, r, phone) // from now on a connection holds the file as it is
		sizes = append(sizes, fileSize(t, path+"-wal"))
	}
	// SQLite writes the log back at 1000 pages of 4 KiB.
	if last := sizes[len(sizes)-1]; last > 6<<20 {
		t.Errorf("the log grows: %d", sizes)
	}
}

// TestFill: a roster that was filled is one that goes on: lookups find everybody,
// and what is projected comes on top.
func TestFill(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	path := filepath.Join(t.TempDir(), "roster.db")
	const n = 1000
	if err := rostertest.Fill(path, n, member); err != nil {
		t.Fatal(err)
	}
	issuer, r := w.issuer(), w.openAt(path)
	issuer.write(&ledger.Suspend{Passport: 5})
	w.arriveAll()
	if v := w.project(r); len(v.Problems) != 0 {
		t.Error(v.Problems)
	}
	for i := range n {
		want := member(i)
		want.Known, want.ByOwner, want.Admitted, want.KeyID = true, true, true, want.Delegation.Key.ID()
		want.Suspended = want.Delegation.Passport == 5
		h, err := r.ByKey(want.KeyID)
		short, err2 := r.ByWindow(want.Delegation.Passport, want.KeyID.Short())
		if h != want || short != want || err != nil || err2 != nil {
			t.Fatalf("%d:\n got %+v, %v\n and %+v, %v\nwant %+v", i, h, err, short, err2, want)
		}
	}
	if err := rostertest.Fill(path, 1, member); err == nil {
		t.Error("filled twice")
	}
}

func fileSize(t *testing.T, path string) int64 {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Size()
}
