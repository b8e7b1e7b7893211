package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/sync/ledger"
)

// journal is a running Journal whose commits are counted.
type journal struct {
	*Journal
	*Store
	disk    *faults
	stop    func() error // ends Run
	trouble func() []error
}

func newJournal(t *testing.T, cfg JournalConfig) journal {
	t.Helper()
	s := open(t)
	f := fail(t, s)
	cfg.Author = author(t, s, testConfig(t))
	if err := cfg.Author.Refresh(); err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var told []error
	cfg.Trouble = func(err error) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, err)
	}
	j := NewJournal(cfg)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	stop := sync.OnceValue(func() error { cancel(); return <-done })
	return journal{j, s, f, stop, func() []error {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(told)
	}}
}

// bubble runs a test in fake time, and closes the store before time ends.
func bubble(t *testing.T, cfg JournalConfig, f func(*testing.T, journal)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		j := newJournal(t, cfg)
		defer func() {
			j.stop()
			if err := j.Store.Close(); err != nil {
				t.Error(err)
			}
		}()
		f(t, j)
	})
}

func (j journal) size() int64 { return j.cfg.Author.Head().Size }

// seqs are the passages in the log, in its order, with -1 for a Fault.
func (j journal) seqs(t *testing.T) (out []int) {
	t.Helper()
	i := held(t, j.Store, j.cfg.Author.Head().Origin)
	for e, err := range j.Entries(i, 1, i.Size) {
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := ledger.ParseLeaf(e.Leaf)
		if err != nil {
			t.Fatal(err)
		}
		if leaf.Kind == ledger.KindFault {
			out = append(out, -1)
			continue
		}
		body, err := ledger.ParseBody(leaf.Kind, e.Body)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, int(body.(*ledger.Passage).Seq))
	}
	verifies(t, j.Store, i.Origin)
	return out
}

func upTo(n int) (out []int) {
	for i := range n {
		out = append(out, i+1)
	}
	return out
}

func recordAll(t *testing.T, j journal, from, to int) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := j.Record(passage(n)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestJournalGroups(t *testing.T) { both(t, testJournalGroups) }

func testJournalGroups(t *testing.T) {
	bubble(t, JournalConfig{Delay: 50 * time.Millisecond, Queue: 1 << 16}, func(t *testing.T, j journal) {
		// What comes within the delay is committed at its end, under one head.
		recordAll(t, j, 1, 10)
		time.Sleep(30 * time.Millisecond)
		recordAll(t, j, 11, 20)
		time.Sleep(19 * time.Millisecond)
		if n := j.size(); n != 1 {
			t.Errorf("%d entries before the delay is over", n)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if n := j.size(); n != 21 {
			t.Errorf("%d entries after it", n)
		}
		// A group has its bound, and what is behind it does not wait anew.
		recordAll(t, j, 21, 20+2*maxBatch+5)
		time.Sleep(51 * time.Millisecond)
		synctest.Wait()
		if got := j.seqs(t); !slices.Equal(got, upTo(20+2*maxBatch+5)) {
			t.Errorf("%d records, or not in order", len(got))
		}
	})
}

func TestRecordFirst(t *testing.T) { both(t, testRecordFirst) }

func testRecordFirst(t *testing.T) {
	bubble(t, JournalConfig{Delay: time.Hour, Queue: 100}, func(t *testing.T, j journal) {
		recordAll(t, j, 1, 3)
		synctest.Wait() // Run is waiting for company now
		start := time.Now()
		if err := j.RecordFirst(passage(4))(t.Context()); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited > time.Second {
			t.Errorf("waited %v", waited)
		}
		if got := j.seqs(t); !slices.Equal(got, upTo(4)) { // durable when it returns, after those before it
			t.Errorf("%v", got)
		}
		j.disk.commit.Store(notPersisted)
		if err := j.RecordFirst(passage(99))(t.Context()); !errors.Is(err, errDisk) {
			t.Errorf("%v", err)
		}
		j.disk.commit.Store(works)
		recordAll(t, j, 5, 5)
		if err := j.stop(); err != nil {
			t.Error(err)
		}
		if got := j.seqs(t); !slices.Equal(got, upTo(5)) { // the one that failed was dropped
			t.Errorf("%v", got)
		}
	})
}

// Whoever gives up waiting takes the record back: the log never says that a
// door opened which did not.
func TestRecordFirstWithdrawn(t *testing.T) { both(t, testRecordFirstWithdrawn) }

func testRecordFirstWithdrawn(t *testing.T) {
	bubble(t, JournalConfig{Delay: time.Second, Queue: 100}, func(t *testing.T, j journal) {
		j.disk.commit.Store(notPersisted)
		recordAll(t, j, 1, 2)
		time.Sleep(1100 * time.Millisecond) // the first failure; the next attempt is a second away
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := j.RecordFirst(passage(99))(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		recordAll(t, j, 3, 3)
		j.disk.commit.Store(works)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if got := j.seqs(t); !slices.Equal(got, upTo(3)) {
			t.Errorf("%v", got)
		}
	})
}

// While the disk fails the queue fills, what does not fit is counted, and when
// it works again everything is there and the log says what is not.
func TestJournalFailingDisk(t *testing.T) { both(t, testJournalFailingDisk) }

func testJournalFailingDisk(t *testing.T) {
	bubble(t, JournalConfig{Delay: 50 * time.Millisecond, Queue: 10}, func(t *testing.T, j journal) {
		j.disk.commit.Store(notPersisted)
		recordAll(t, j, 1, 10)
		for n := 11; n <= 17; n++ {
			if err := j.Record(passage(n)); !errors.Is(err, ErrFull) {
				t.Fatalf("record %d: %v", n, err)
			}
		}
		if err := j.RecordFirst(passage(18))(t.Context()); !errors.Is(err, ErrFull) {
			t.Errorf("%v", err)
		}
		time.Sleep(10 * time.Minute)
		if told := j.trouble(); len(told) != 1 || !errors.Is(told[0], errDisk) {
			t.Errorf("%v", told)
		}
		j.disk.commit.Store(works)
		time.Sleep(31 * time.Second) // the longest pause between two attempts
		synctest.Wait()
		recordAll(t, j, 11, 12)
		time.Sleep(time.Second)
		synctest.Wait()
		if told := j.trouble(); len(told) != 2 || told[1] != nil {
			t.Errorf("%v", told)
		}
		want := append(upTo(10), -1, 11, 12)
		if got := j.seqs(t); !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
		i := held(t, j.Store, j.cfg.Author.Head().Origin)
		for e, err := range j.Entries(i, 11, 12) {
			body, parseErr := ledger.ParseBody(ledger.KindFault, e.Body)
			if err = errors.Join(err, parseErr); err != nil || body.(*ledger.Fault).What != "8 records were lost while the disk failed" {
				t.Errorf("%+v, %v", body, err)
			}
		}
	})
}

// A commit that is persisted and reported as failed writes no record twice.
func TestJournalPersistedButFailed(t *testing.T) { both(t, testJournalPersistedButFailed) }

func testJournalPersistedButFailed(t *testing.T) {
	bubble(t, JournalConfig{Delay: 50 * time.Millisecond, Queue: 100}, func(t *testing.T, j journal) {
		j.disk.commit.Store(persisted)
		recordAll(t, j, 1, 5)
		time.Sleep(time.Second)
		if err := j.RecordFirst(passage(6))(t.Context()); err != nil {
			t.Error(err)
		}
		if got := j.seqs(t); !slices.Equal(got, upTo(6)) || len(j.trouble()) != 0 {
			t.Errorf("%v, %v", got, j.trouble())
		}
	})
}

// A record that no ledger could take is refused at once, and those behind it
// are committed.
func TestJournalRefuses(t *testing.T) { both(t, testJournalRefuses) }

func testJournalRefuses(t *testing.T) {
	bubble(t, JournalConfig{Delay: 50 * time.Millisecond, Queue: 100}, func(t *testing.T, j journal) {
		for _, c := range []struct {
			body ledger.Body
			is   error
		}{
			{&ledger.Fault{Part: "roster", What: "two\nlines"}, ledger.ErrBody},
			{&ledger.Passage{Door: "No Door"}, ledger.ErrBody},
			{&ledger.Suspend{Passport: 1}, ledger.ErrWrongLog},
			{&ledger.Dropped{First: 1, Last: 1, Why: "x"}, ledger.ErrWrongLog},
		} {
			if err := j.Record(Draft{Body: c.body}); !errors.Is(err, c.is) {
				t.Errorf("%T: %v", c.body, err)
			}
			if err := j.RecordFirst(Draft{Body: c.body})(t.Context()); !errors.Is(err, c.is) {
				t.Errorf("%T first: %v", c.body, err)
			}
		}
		recordAll(t, j, 1, 1)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := j.seqs(t); !slices.Equal(got, upTo(1)) {
			t.Errorf("%v", got)
		}
	})
}

// What is queued when the context ends is committed before Run returns, and an
// error of that last commit is returned.
func TestJournalEnds(t *testing.T) { both(t, testJournalEnds) }

func testJournalEnds(t *testing.T) {
	bubble(t, JournalConfig{Delay: time.Hour, Queue: 100}, func(t *testing.T, j journal) {
		recordAll(t, j, 1, 7)
		if err := j.stop(); err != nil {
			t.Error(err)
		}
		if got := j.seqs(t); !slices.Equal(got, upTo(7)) {
			t.Errorf("%v", got)
		}
	})
}

func TestJournalEndsOnFailingDisk(t *testing.T) { both(t, testJournalEndsOnFailingDisk) }

func testJournalEndsOnFailingDisk(t *testing.T) {
	bubble(t, JournalConfig{Delay: time.Hour, Queue: 100}, func(t *testing.T, j journal) {
		j.disk.commit.Store(notPersisted)
		recordAll(t, j, 1, 7)
		if err := j.stop(); !errors.Is(err, errDisk) {
			t.Errorf("%v", err)
		}
		// Nothing was taken out of the queue; whoever can still waits for it.
		j.disk.commit.Store(works)
		if err := j.Flush(); err != nil {
			t.Error(err)
		}
		if got := j.seqs(t); !slices.Equal(got, upTo(7)) {
			t.Errorf("%v", got)
		}
	})
}

// Many goroutines: each one's records stand in its own order, and every
// RecordFirst is durable when it returns.
func TestJournalRace(t *testing.T) { both(t, testJournalRace) }

func testJournalRace(t *testing.T) {
	t.Parallel()
	j := newJournal(t, JournalConfig{Delay: time.Millisecond, Queue: 1 << 16})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 60 {
				d := passage(g*1000 + i)
				var err error
				if i%10 == 9 {
					if err = j.RecordFirst(d)(t.Context()); err == nil && held(t, j.Store, j.cfg.Author.Head().Origin).Size < int64(i) {
						err = fmt.Errorf("%d entries", i)
					}
				} else {
					err = j.Record(d)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if err := j.stop(); err != nil {
		t.Error(err)
	}
	next := map[int]int{}
	for _, seq := range j.seqs(t) {
		if seq%1000 != next[seq/1000] {
			t.Fatalf("record %d stands before %d", seq, next[seq/1000])
		}
		next[seq/1000]++
	}
	for g := range 8 {
		if next[g] != 60 {
			t.Errorf("goroutine %d: %d records", g, next[g])
		}
	}
}
