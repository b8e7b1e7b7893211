package store

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// killedWriter names the folder to the process that TestKill kills.
const killedWriter = "TOMBOLO_TEST_KILLED_WRITER"

// killedPlace names the store to it.
const killedPlace = "TOMBOLO_TEST_PLACE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killedWriter); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if dir := os.Getenv(fullDisk); dir != "" {
		if err := startOnFullDisk(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(killedTaker); dir != "" {
		if err := extendUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	code := m.Run()
	Databases.Stop()
	os.Exit(code)
}

func killedConfig(dir string) AuthorConfig {
	return AuthorConfig{
		Key: testKey("author"), Community: testCommunity, Kind: ledger.DoorLog, Charter: testNode,
		Guard: Guard{Dir: filepath.Join(dir, "guard"), Boot: "boot 1"}, Now: time.Now, Rand: rand.Reader,
	}
}

// writeUntilKilled records as fast as it can and prints how many passages are
// durable.
func writeUntilKilled(dir string) error {
	s, err := openPlace(os.Getenv(killedPlace))
	if err != nil {
		return err
	}
	a, err := s.OpenAuthor(killedConfig(dir))
	if err != nil {
		return err
	}
	j := NewJournal(JournalConfig{Author: a, Delay: time.Millisecond, Queue: 1000, Trouble: func(err error) { panic(err) }})
	go j.Run(context.Background())
	for n := 1; ; n += 3 {
		for i := range 2 {
			if err := j.Record(passage(n + i)); err != nil {
				return err
			}
		}
		if err := j.RecordFirst(passage(n + 2))(context.Background()); err != nil {
			return err
		}
		fmt.Println(n + 2)
	}
}

// Killed at any moment: what was acknowledged is there, the ledger verifies, and
// the next start continues it or begins a new one, never a second history.
func TestKill(t *testing.T) { both(t, testKill) }

func testKill(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir, place := t.TempDir(), place(t)
	seen := history{}
	for run := range 8 {
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), killedWriter+"="+dir, killedPlace+"="+place)
		cmd.Stderr = os.Stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acknowledged := 0
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if acknowledged, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
			if acknowledged >= 30*(run+1) {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		s := openAt(t, place)
		last, err := newest(s.read, killedConfig(dir))
		if err != nil || last == nil {
			t.Fatal(last, err)
		}
		n := 0
		for e, err := range s.Entries(*last, 0, last.Size) {
			if err != nil {
				t.Fatal(err)
			}
			if leaf, err := ledger.ParseLeaf(e.Leaf); err != nil {
				t.Fatal(err)
			} else if leaf.Kind == ledger.KindPassage {
				n++
			}
		}
		if acknowledged == 0 || n < acknowledged {
			t.Fatalf("run %d: %d passages are there, %d were acknowledged", run, n, acknowledged)
		}
		verifies(t, s, last.Origin)
		if err := seen.see(t, s); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
