package gateway

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// forgets closes the reporter, deletes its file, and starts another.
func (a *audited) forgets() {
	a.t.Helper()
	yes(0, a.r.close())
	for _, end := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(filepath.Join(a.k.dir, CensusFile+end)); err != nil && !errors.Is(err, os.ErrNotExist) {
			a.t.Fatal(err)
		}
	}
	a.r = a.k.reporter(never(), a.ask)
	a.t.Cleanup(func() { a.r.close() })
}

// TestFileDeletedLate: once the epoch is closed nothing is reported again, and the
// steward is told what that costs.
func TestFileDeletedLate(t *testing.T) {
	t.Parallel()
	a := newAudited(t, 30, 4)
	a.forgets()
	a.draw(a.list, 1)
	for range 3 {
		look(t, a.r, never())
	}
	if _, all := a.k.report(); len(all) != 1 || len(a.openings()) != 0 {
		t.Errorf("%d reports, %d openings", len(all), len(a.openings()))
	}
	if len(a.k.faults) != 1 || !strings.Contains(a.k.faults[0], "cannot be opened, and counts against it") {
		t.Errorf("faults %v", a.k.faults)
	}
	other := a.gws[1].reporter(never(), nil)
	defer other.close()
	look(t, other, never())
	if len(a.gws[1].faults) != 0 {
		t.Errorf("one that did not report: %v", a.gws[1].faults)
	}
}

// TestFileDeleted: a gateway that lost its file before the hub closed the epoch
// reports again, and opens what the later report says, which is the one that counts.
func TestFileDeleted(t *testing.T) {
	t.Parallel()
	a := newAuditedLess(t, 30, 4)
	a.forgets()
	look(t, a.r, never())
	lists, all := a.k.report()
	if len(all) != 2 || all[0].Count != 30 || all[1].Count != 30 {
		t.Fatalf("%d reports: %v %+v", len(all), a.k.faults, yes(a.r.status("x")))
	}
	a.holds(lists[1], all[1], a.people...)
	a.list = a.close(lists[1])
	d := a.draw(a.list, 1)
	a.honest(d)
	look(t, a.r, never())
	openings := a.openings()
	if len(openings) != 8 {
		t.Fatalf("%d openings, faults %v", len(openings), a.k.faults)
	}
	for _, o := range openings {
		at, _ := a.list.Find(o.Tag)
		for _, who := range a.auditors {
			s := census.Sealing{Community: a.community, Epoch: o.Epoch, Draw: o.Draw, Tag: o.Tag, Auditor: o.Auditor}
			if opening, err := census.Unseal(who.key.PrivateKey, s, o.Sealed); err == nil {
				if err := opening.Verify(a.rules(), a.list.At(at)); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestFileDamaged: the error says what to do.
func TestFileDamaged(t *testing.T) {
	t.Parallel()
	for what, text := range map[string]string{
		"no database": strings.Repeat("x", 8192), "cut short": "SQLite format 3\x00\x10\x00", "of a later version": "",
	} {
		path := filepath.Join(t.TempDir(), CensusFile)
		if text == "" {
			db := yes(openCensusDB(path))
			yes(db.Exec("PRAGMA user_version = 99"))
			yes(0, db.close())
		} else if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := openCensusDB(path)
		if err == nil || errors.Is(err, errCensusFile) != (text != "") || !strings.Contains(err.Error(), CensusFile) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// TestFileFull: a disk that is full keeps the gateway from reporting, and no longer
// than it is.
func TestFileFull(t *testing.T) {
	t.Parallel()
	i := visited(t, 20)
	k := i.gws[0]
	r := k.reporter(never(), nil)
	defer r.close()
	var pages int
	if err := r.db.QueryRow("PRAGMA page_count").Scan(&pages); err != nil {
		t.Fatal(err)
	}
	for more := 1; ; more++ {
		yes(r.db.Exec(fmt.Sprintf("PRAGMA max_page_count = %d", pages+more)))
		i.now = i.now.Add(time.Minute)
		if err := r.look(never()); err == nil {
			if more < 3 {
				t.Errorf("it took no more than %d pages", more)
			}
			break
		}
		if _, all := k.report(); len(all) != 0 {
			t.Fatal("a report that nobody could open")
		}
	}
	lists, all := k.report()
	if len(all) != 1 || len(i.asks) != 1 {
		t.Fatalf("%d reports, %d batches", len(all), len(i.asks))
	}
	i.holds(lists[0], all[0], i.people...)
}

// TestAttendancesExpire: what names passports with an epoch in the door log goes by
// its retention, as all does.
func TestAttendancesExpire(t *testing.T) {
	t.Parallel()
	a := newAudited(t, 30, 4)
	a.now = a.now.Add(365 * 24 * time.Hour)
	for yes(a.k.log.Retain(a.now.Add(-24*time.Hour), "kept for a day")) > 0 {
	}
	met := 0
	for _, l := range yes(DoorLogs(a.k.folder.Store(), a.k.id())) {
		for _, e := range entriesOf(a.k.folder.Store(), l) {
			if yes(ledger.ParseLeaf(e.Leaf)).Kind != ledger.KindAttendance {
				continue
			}
			if met++; !e.Dropped() {
				t.Error("an attendance is kept for ever")
			}
		}
	}
	if met != 30 {
		t.Errorf("%d attendances", met)
	}
}
