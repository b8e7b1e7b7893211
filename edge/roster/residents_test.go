package roster_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/edge/roster/rostertest"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// family is a roster with a home: passport 7 lives behind front, passport 8
// does not, and passport 9 did under a wallet that it does not have any more.
type family struct {
	*world
	issuer, steward     *log
	path                string
	r                   *roster.Roster
	phone, card, others *passport.SoftKey
	former              *passport.SoftKey
}

func newFamily(t *testing.T) *family {
	w := newWorld(t)
	f := &family{
		world: w, issuer: w.issuer(), steward: w.steward(), path: filepath.Join(t.TempDir(), "roster.db"),
		phone: doorkey("phone", passport.KindPhone), card: doorkey("card", passport.KindHalo),
		others: doorkey("other", passport.KindPhone), former: doorkey("former", passport.KindPhone),
	}
	seven, eight, nine := w.person(7), w.person(8), w.person(9)
	f.steward.write(policyEntry(1, ""), seven.home("front", 30*day), nine.with(wallet("before")).home("front", 30*day))
	f.issuer.write(seven.admit(), seven.adds(f.phone), seven.adds(f.card), eight.admit(), eight.adds(f.others), nine.admit(), nine.adds(f.former))
	w.arriveAll()
	f.r = w.openAt(f.path)
	w.project(f.r)
	return f
}

// spoil makes the file unreadable under an open roster.
func (f *family) spoil(by byte) {
	f.t.Helper()
	for _, path := range []string{f.path, f.path + "-wal"} {
		info, err := os.Stat(path)
		if err == nil {
			err = os.WriteFile(path, bytes.Repeat([]byte{by}, int(info.Size())), 0o600)
		}
		if err != nil {
			f.t.Fatal(err)
		}
	}
}

// tap decides at front.
func (f *family) tap(k *passport.SoftKey) access.Reason {
	f.t.Helper()
	h, err := f.r.ByKey(k.Key().ID())
	if err != nil {
		f.t.Fatal(err)
	}
	return f.decide(f.r.View(), h)
}

// TestHomeWithoutADisk: whoever lives here is let in by tap when the roster
// cannot be read any more; of everybody else nothing is known.
func TestHomeWithoutADisk(t *testing.T) {
	t.Parallel()
	for name, by := range map[string]byte{"zeroes": 0, "noise": 0xa5} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFamily(t)
			f.spoil(by)
			for _, k := range []*passport.SoftKey{f.phone, f.card} {
				if h, err := f.r.ByKey(k.Key().ID()); err != nil || !h.Known || h.Delegation.Passport != 7 || h.Delegation.Key != k.Key() {
					t.Errorf("%+v, %v", h, err)
				}
				if got := f.tap(k); got != access.Home {
					t.Errorf("a resident at home: %v", got)
				}
			}
			for _, k := range []*passport.SoftKey{f.others, f.former, doorkey("nobody's", passport.KindPhone)} {
				if h, err := f.r.ByKey(k.Key().ID()); err == nil || h != (access.Holder{}) {
					t.Errorf("no resident: %+v, %v", h, err)
				}
			}
			if h, err := f.r.ByWindow(7, f.phone.Key().ID().Short()); err == nil || h != (access.Holder{}) {
				t.Errorf("by a code: %+v, %v", h, err)
			}
		})
	}
}

// TestResidentsFollow: what is kept of a home's keys is what the ledgers say
// last.
func TestResidentsFollow(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	lost := doorkey("lost", passport.KindPhone)
	late := doorkey("late", passport.KindPhone)
	f.issuer.write(f.person(7).adds(lost), f.person(7).revokesSigned(lost), f.person(8).adds(late))
	f.steward.write(f.person(8).home("back", 30*day))
	f.arriveAll()
	f.project(f.r)
	f.spoil(0)
	for _, k := range []*passport.SoftKey{f.phone, f.others, late} {
		if h, err := f.r.ByKey(k.Key().ID()); err != nil || !h.Known || h.ClosedAtHome {
			t.Errorf("%+v, %v", h, err)
		}
	}
	if h, err := f.r.ByKey(lost.Key().ID()); err != nil || !h.ClosedAtHome {
		t.Errorf("a key that its wallet revoked: %+v, %v", h, err)
	}
	if got := f.tap(lost); got == access.Home {
		t.Errorf("and it opens: %v", got)
	}
}

// TestResidentsDamagedRow: of a row that is not whole any more counts what it
// said before, and a steward is told.
func TestResidentsDamagedRow(t *testing.T) {
	t.Parallel()
	f := newFamily(t)
	damage(t, f.path, "UPDATE holder SET row = zeroblob(length(row))")
	v := f.project(f.r)
	if h, err := f.r.ByKey(f.phone.Key().ID()); err != nil || h.Delegation.Passport != 7 {
		t.Errorf("%+v, %v", h, err)
	}
	if _, err := f.r.ByKey(f.others.Key().ID()); err == nil {
		t.Error("no error for somebody else")
	}
	if len(v.Problems) != 1 || !strings.Contains(v.Problems[0].What, "move the roster away") {
		t.Errorf("problems %v", v.Problems)
	}
}

// TestTooManyResidents: a view's memory is bounded, and who is beyond it is told.
func TestTooManyResidents(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	f := &family{world: w, path: filepath.Join(t.TempDir(), "roster.db")}
	const kept = 10_000
	if err := rostertest.Fill(f.path, kept+1, member); err != nil {
		t.Fatal(err)
	}
	w.issuer()
	f.steward = w.steward()
	for i := range kept + 1 {
		m := member(i)
		f.steward.write(&ledger.Home{Door: fmt.Sprint("flat-", i%700), Passport: uint64(m.Delegation.Passport), Owner: m.Wallet})
		if i == kept-1 {
			w.arriveAll()
			f.r = w.openAt(f.path)
			if v := w.project(f.r); len(v.Problems) != 0 {
				t.Fatalf("problems %v of %d homes", v.Problems, kept)
			}
		}
	}
	w.arriveAll()
	v := w.project(f.r)
	if len(v.Problems) != 1 || !strings.Contains(v.Problems[0].What, "more than 10000 door keys open homes") {
		t.Errorf("problems %v", v.Problems)
	}
	last := member(kept).Delegation.Key.ID()
	if h, err := f.r.ByKey(last); err != nil || !h.Known {
		t.Errorf("while the disk lasts: %+v, %v", h, err)
	}
	f.spoil(0)
	for _, i := range []int{0, 1, kept / 2, kept - 1} {
		want := member(i)
		if h, err := f.r.ByKey(want.Delegation.Key.ID()); err != nil || h.Delegation != want.Delegation {
			t.Errorf("%d: %+v, %v", i, h, err)
		}
	}
}
