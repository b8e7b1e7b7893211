package store

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// killedTaker names the folder to the process that TestKillExtend kills.
const killedTaker = "TOMBOLO_TEST_KILLED_TAKER"

// extendUntilKilled brings a ledger from one file to the other by small stretches,
// and prints how many entries are durable.
func extendUntilKilled(dir string) error {
	from, err := Open(filepath.Join(dir, "from.db"))
	if err != nil {
		return err
	}
	to, err := openPlace(os.Getenv(killedPlace))
	if err != nil {
		return err
	}
	all, err := from.Ledgers()
	if err != nil {
		return err
	}
	for {
		i := all[0]
		edge, err := to.Edge(i.Origin)
		if err != nil && !errors.Is(err, ErrNoLedger) {
			return err
		}
		s, err := from.Stretch(i, edge.Size(), 4000)
		if err != nil {
			return err
		}
		x, err := ledger.CheckStretch(edge, i.Head, s)
		if err != nil {
			return err
		}
		if _, err := to.Extend(testTime, x); err != nil {
			return err
		}
		fmt.Println(x.Tree().Size())
		if x.Whole() {
			time.Sleep(time.Hour) // to be killed all the same
		}
	}
}

// Killed at any moment, whoever takes a ledger in goes on from at least as far as it
// told, and shows it when it is whole.
func TestKillExtend(t *testing.T) { both(t, testKillExtend) }

func testKillExtend(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, place := t.TempDir(), place(t)
	from := openAt(t, filepath.Join(dir, "from.db"))
	const size = 3000
	a := author(t, from, testConfig(t))
	fill(t, a, size)
	o := a.Head().Origin
	told := 0
	for run := 1; told < size; run++ {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), killedTaker+"="+dir, killedPlace+"="+place)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		before := told
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if told, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
			if told >= min(size, 400*run) {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		if told <= before {
			t.Fatalf("run %d: it did not go on from %d", run, before)
		}
		to := openAt(t, place)
		edge := edgeOf(t, to, o).Size()
		if edge < int64(told) {
			t.Fatalf("run %d: %d entries are there, %d were told", run, edge, told)
		}
		whole := int64(0)
		if edge == size {
			whole, told = size, size
		}
		invisible(t, to, o, whole, edge)
		if err := to.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Stretches come in while the journal commits, another process imports and somebody
// reads.
func TestExtendBesideOthers(t *testing.T) { both(t, testExtendBesideOthers) }

func testExtendBesideOthers(t *testing.T) {
	t.Parallel()
	from, theirs := filled(t, 3000)
	stick, imported := filled(t, 600)
	imports := held(t, stick, imported.Head().Origin)
	to := open(t)
	cfg := testConfig(t)
	cfg.Key = testKey("gateway")
	mine := author(t, to, cfg)
	j := NewJournal(JournalConfig{Author: mine, Delay: time.Millisecond, Queue: 1 << 16, Trouble: func(err error) { t.Error(err) }})
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	var writers, readers sync.WaitGroup
	writers.Go(func() {
		for n := range 300 {
			if err := j.RecordFirst(passage(n))(ctx); err != nil {
				t.Error(err)
			}
		}
	})
	writers.Go(func() {
		other, err := openPlace(placeOf(to))
		if err != nil {
			t.Error(err)
			return
		}
		defer other.Close()
		if _, err := other.Ingest(imports.Head, testTime, stick.Chunks(imports, 0)); err != nil {
			t.Error(err)
		}
	})
	read, enough := context.WithCancel(t.Context())
	readers.Go(func() {
		for read.Err() == nil {
			all, err := to.Ledgers()
			if err != nil {
				t.Error(err)
				return
			}
			for _, i := range all {
				if _, err := to.Stretch(i, i.Size/2, 2000); err != nil {
					t.Error(err)
				}
			}
		}
	})
	if err := extend(t, from, to, theirs.Head().Origin, 8000); err != nil {
		t.Error(err)
	}
	writers.Wait()
	enough()
	readers.Wait()
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	for _, o := range []ledger.Origin{theirs.Head().Origin, imported.Head().Origin, mine.Head().Origin} {
		verifies(t, to, o)
	}
	if mine.Head().Size != 301 {
		t.Errorf("%d entries of its own", mine.Head().Size)
	}
}
