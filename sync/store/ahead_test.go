package store

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/sync/ledger"
)

// flushed is a Journal that commits when it is told to.
func flushed(tb testing.TB, group int) journal {
	tb.Helper()
	s := open(tb)
	f := fail(tb, s)
	a := author(tb, s, testConfig(tb))
	if err := a.Refresh(); err != nil {
		tb.Fatal(err)
	}
	return journal{Journal: NewJournal(JournalConfig{Author: a, Group: group, Queue: 1000}), Store: s, disk: f}
}

// durable fails unless the head that the author shows is the file's.
func (j journal) durable(tb testing.TB) {
	tb.Helper()
	h := j.Head()
	if i := held(tb, j.Store, h.Origin); !bytes.Equal(i.Note, h.Note) {
		tb.Errorf("the head of %d entries is shown, the file has %d", h.Size, i.Size)
	}
}

// A group that was sealed ahead is none the less committed on what is durable,
// whatever came in between.
func TestGroupSealedOnAGuess(t *testing.T) { both(t, testGroupSealedOnAGuess) }

func testGroupSealedOnAGuess(t *testing.T) {
	t.Parallel()
	for name, between := range map[string]func(t *testing.T, a *Author, f *faults){
		"nothing": func(*testing.T, *Author, *faults) {},
		"another's append": func(t *testing.T, a *Author, _ *faults) {
			if _, err := a.Append(passage(9)); err != nil {
				t.Fatal(err)
			}
		},
		"a new head": func(t *testing.T, a *Author, _ *faults) {
			if err := a.Refresh(); err != nil {
				t.Fatal(err)
			}
		},
		"a commit that failed": func(t *testing.T, a *Author, f *faults) {
			f.commit.Store(notPersisted)
			if _, err := a.Append(passage(9)); !errors.Is(err, errDisk) {
				t.Fatal(err)
			}
			f.commit.Store(works)
		},
		"one that nobody saw succeed": func(t *testing.T, a *Author, f *faults) {
			f.commit.Store(persisted + blinding)
			if _, err := a.Append(passage(9)); !errors.Is(err, errDisk) {
				t.Fatal(err)
			}
			f.commit.Store(works)
			f.reads.Store(false)
		},
	} {
		for _, begun := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := open(t)
				f := fail(t, s)
				a := author(t, s, testConfig(t))
				if begun {
					fill(t, a, 300)
				}
				r, err := accept(ledger.DoorLog, passage(1))
				if err != nil {
					t.Fatal(err)
				}
				g := group{given: []record{r}}
				if err := a.seal(&g, a.basis()); err != nil {
					t.Fatal(err)
				}
				between(t, a, f)
				if err := a.commit(&g); err != nil {
					t.Fatal(err)
				}
				if g.first() != a.Head().Size-1 {
					t.Errorf("entry %d of %d", g.first(), a.Head().Size)
				}
				verifies(t, s, a.Head().Origin)
			})
		}
	}
}

// Whatever the disk does to whichever group, each record stands in the log once
// and in its order, and no head is shown before it is durable.
func TestJournalAhead(t *testing.T) { both(t, testJournalAhead) }

func testJournalAhead(t *testing.T) {
	t.Parallel()
	few := few{most: 100}
	if isPostgres(t) {
		few.most = 12
	}
	rapid.Check(t, func(rt *rapid.T) {
		if few.over() {
			return
		}
		defer few.end(rt)
		j := flushed(t, rapid.IntRange(1, 4).Draw(rt, "group"))
		defer j.Store.Close()
		n, commits := 0, 0
		var forms []int32
		j.disk.during = func() {
			form := int32(works)
			if commits < len(forms) {
				form = forms[commits]
			}
			commits++
			j.disk.commit.Store(form)
		}
		for range rapid.IntRange(1, 5).Draw(rt, "rounds") {
			for range rapid.IntRange(0, 20).Draw(rt, "records") {
				n++
				if err := j.Record(passage(n)); err != nil {
					rt.Fatal(err)
				}
			}
			commits, forms = 0, rapid.SliceOfN(rapid.SampledFrom([]int32{works, works, persisted, notPersisted}), 0, 8).Draw(rt, "disk")
			if err := j.Flush(); err != nil && !errors.Is(err, errDisk) {
				rt.Fatal(err)
			}
			j.durable(t)
		}
		forms = nil
		if err := j.Flush(); err != nil {
			rt.Fatal(err)
		}
		j.durable(t)
		if got := j.seqs(t); !slices.Equal(got, upTo(n)) {
			rt.Fatalf("%v, want %d in order", got, n)
		}
	})
}

// A record that is withdrawn while the group before its own is committed is not
// written, although its group was ready.
func TestWithdrawnFromWhatWasSealedAhead(t *testing.T) { both(t, testWithdrawnFromWhatWasSealedAhead) }

func testWithdrawnFromWhatWasSealedAhead(t *testing.T) {
	t.Parallel()
	j := flushed(t, 4)
	recordAll(t, j, 1, 5)
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() { gone <- j.RecordFirst(passage(99))(ctx) }()
	for j.waiting() < 6 {
		time.Sleep(time.Millisecond)
	}
	recordAll(t, j, 6, 12)
	commits := 0
	j.disk.during = func() {
		if commits++; commits == 1 {
			cancel()
			if err := <-gone; !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}
	}
	if err := j.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := j.seqs(t); !slices.Equal(got, upTo(12)) || commits != 3 {
		t.Errorf("%v in %d commits", got, commits)
	}
}

func (j journal) waiting() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.queue.len()
}

// Whoever waits for a record of a group behind one that fails goes on waiting,
// and is served when the disk works.
func TestRecordFirstBehindAFailure(t *testing.T) { both(t, testRecordFirstBehindAFailure) }

func testRecordFirstBehindAFailure(t *testing.T) {
	t.Parallel()
	j := flushed(t, 2)
	recordAll(t, j, 1, 3)
	done := make(chan error, 1)
	go func() { done <- j.RecordFirst(passage(4))(t.Context()) }()
	for j.waiting() < 4 {
		time.Sleep(time.Millisecond)
	}
	j.disk.commit.Store(notPersisted)
	if err := j.Flush(); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	select {
	case err := <-done:
		t.Fatalf("answered: %v", err)
	default:
	}
	j.disk.commit.Store(works)
	if err := errors.Join(j.Flush(), <-done); err != nil {
		t.Fatal(err)
	}
	if got := j.seqs(t); !slices.Equal(got, upTo(4)) {
		t.Errorf("%v", got)
	}
}

// While no author can be had records wait, and the trouble is told once.
func TestJournalWaitsForItsAuthor(t *testing.T) { both(t, testJournalWaitsForItsAuthor) }

func testJournalWaitsForItsAuthor(t *testing.T) {
	t.Parallel()
	s, cfg := open(t), testConfig(t)
	errNone := errors.New("no author yet")
	tries := 0
	j := NewJournal(JournalConfig{Kind: ledger.DoorLog, Queue: 10, Open: func() (*Author, error) {
		if tries++; tries < 3 {
			return nil, errNone
		}
		return s.OpenAuthor(cfg)
	}})
	if err := j.Record(Draft{Body: &ledger.Suspend{Passport: 1}}); !errors.Is(err, ledger.ErrWrongLog) {
		t.Errorf("%v", err)
	}
	if err := j.Record(passage(1)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := j.Flush(); !errors.Is(err, errNone) {
			t.Fatal(err)
		}
		if h := j.Head(); h.Size != 0 || h.Note != nil {
			t.Errorf("%+v", h)
		}
	}
	if err := j.Flush(); err != nil {
		t.Fatal(err)
	}
	if r := verifies(t, s, j.Head().Origin); r.Kinds[ledger.KindPassage] != 1 || tries != 3 {
		t.Errorf("%+v after %d tries", r, tries)
	}
}

// A journal whose author found another's traces opens a new one, which begins a
// new incarnation; nothing that was recorded is lost.
func TestJournalOpensAnew(t *testing.T) {
	t.Parallel()
	s, cfg := open(t), testConfig(t)
	j := NewJournal(JournalConfig{Kind: ledger.DoorLog, Queue: 10, Group: 2, Open: func() (*Author, error) { return s.OpenAuthor(cfg) }})
	for n := range 4 {
		if err := j.Record(passage(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Flush(); err != nil {
		t.Fatal(err)
	}
	old := j.Head()
	if err := os.RemoveAll(cfg.Guard.Dir); err != nil { // as at the end of a login
		t.Fatal(err)
	}
	for n := range 4 {
		if err := j.Record(passage(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Flush(); !errors.Is(err, ErrOtherAuthor) {
		t.Fatal(err)
	}
	if err := j.Flush(); err != nil {
		t.Fatal(err)
	}
	if i := held(t, s, j.Head().Origin); i.Origin == old.Origin || i.Generation != 1 || i.Size != 5 {
		t.Errorf("%+v", i.Checkpoint)
	}
	for _, o := range []ledger.Origin{old.Origin, j.Head().Origin} {
		if r := verifies(t, s, o); r.Kinds[ledger.KindPassage] != 4 {
			t.Errorf("%+v", r)
		}
	}
}
