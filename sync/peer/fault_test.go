package peer_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/mattn/go-sqlite3"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// TestCatchUp: who comes late gets all of a ledger, from its author or, when that
// is gone, from anybody who has it; a body larger than a message among it.
func TestCatchUp(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	issuer, steward := i.participant("issuer"), i.participant("steward")
	a, b := issuer.author(ledger.CommunityLog), steward.author(ledger.NodeLog)
	for n := range 10 {
		issuer.append(a, admits(1+500*n, 500)...)
	}
	large := make([]byte, ledger.MaxPolicy)
	steward.append(b, store.Draft{Body: &ledger.Policy{Version: 1, File: large}, Time: time.Now()})
	issuer.run()
	steward.run()
	gw1 := i.participant("gw1").run()
	gw1.await(a.Head().Origin, 5001, 30*time.Second)
	gw1.await(b.Head().Origin, 2, 30*time.Second)
	issuer.stop()
	steward.stop()
	gw2 := i.participant("gw2").run()
	gw2.await(a.Head().Origin, 5001, 30*time.Second)
	gw2.await(b.Head().Origin, 2, 30*time.Second)
	verify(t, gw2.store, a.Head())
	verify(t, gw2.store, b.Head())
	gw2.mu.Lock()
	defer gw2.mu.Unlock()
	if gw2.stored == 0 {
		t.Error("nobody was told")
	}
}

// verify reads a ledger from its beginning and holds it against a head.
func verify(t *testing.T, s *store.Store, head ledger.Head) {
	t.Helper()
	i := must(s.Ledger(head.Origin))
	v := ledger.NewVerifier(i.Head)
	for c, err := range s.Chunks(i, 0) {
		if err == nil {
			err = v.Chunk(c)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if _, err := v.Finish(); err != nil || i.Root != head.Root {
		t.Errorf("%v: %v; roots %v and %v", head.Origin, err, i.Root, head.Root)
	}
}

// TestBrokerAway: what was written while the broker was gone arrives when it is
// back, in both directions.
func TestBrokerAway(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	issuer, gw1 := i.participant("issuer"), i.participant("gw1")
	a, d := issuer.author(ledger.CommunityLog), gw1.author(ledger.DoorLog)
	issuer.append(a, admits(1, 5)...)
	issuer.run()
	gw1.run()
	gw2 := i.participant("gw2").run()
	for _, p := range []*participant{issuer, gw1, gw2} {
		p.up()
	}
	gw1.await(a.Head().Origin, 6, 10*time.Second)
	i.broker.Close()
	issuer.append(a, admits(6, 5)...)
	gw1.append(d, passages(3)...)
	time.Sleep(50 * time.Millisecond)
	if n := gw1.size(a.Head().Origin); n != 6 {
		t.Fatalf("%d entries came without a broker", n)
	}
	i.open()
	for _, p := range []*participant{gw1, gw2} {
		p.await(a.Head().Origin, 11, 30*time.Second)
	}
	gw2.await(d.Head().Origin, 4, 30*time.Second)
}

func passages(n int) (out []store.Draft) {
	for i := range n {
		out = append(out, store.Draft{Body: &ledger.Passage{Seq: uint64(i + 1), Door: "front", Entered: true}, Time: time.Now()})
	}
	return out
}

// TestStoreFails: a store that takes nothing holds nothing up and loses nothing;
// when it is mended it catches up, and only then says that it holds.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	issuer := i.participant("issuer")
	a := issuer.author(ledger.CommunityLog)
	issuer.append(a, admits(1, 5)...)
	issuer.run()
	gw1, gw2 := i.participant("gw1").run(), i.participant("gw2").run()
	o := a.Head().Origin
	gw1.await(o, 6, 10*time.Second)
	gw2.await(o, 6, 10*time.Second)

	db := must(sql.Open("sqlite3", "file:"+gw1.store.Path()+"?_busy_timeout=5000"))
	defer db.Close()
	must(db.Exec("CREATE TRIGGER full BEFORE INSERT ON entry BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"))
	issuer.append(a, admits(6, 5)...)
	gw2.await(o, 11, 10*time.Second)
	eventually(t, 10*time.Second, func() error {
		for _, l := range gw1.node.Status().Ledgers {
			if l.Origin == o.String() && l.Behind == 5 && strings.Contains(l.Refused, "disk is full") {
				return nil
			}
		}
		return fmt.Errorf("gw1 says %+v", gw1.node.Status().Ledgers)
	})
	for _, h := range must(issuer.store.Held(o)) {
		if h.Peer == idOf("gw1") && h.Size > 6 {
			t.Errorf("it holds %d entries, it says", h.Size)
		}
	}
	if !strings.Contains(gw1.log.String(), "cannot be stored") {
		t.Errorf("its log says\n%s", gw1.log.String())
	}
	must(db.Exec("DROP TRIGGER full"))
	gw1.await(o, 11, 60*time.Second)
}

// TestFork: two histories of one ledger, each held by somebody, convict their
// author everywhere, and nobody takes more of it.
func TestFork(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	history := func(text string, n int) (*store.Store, *store.Author) {
		dir := t.TempDir()
		s := must(store.Open(filepath.Join(dir, "ledgers.db")))
		t.Cleanup(func() { s.Close() })
		at := time.Now().Truncate(time.Hour)
		a := must(s.OpenAuthor(store.AuthorConfig{
			Key: testKey("issuer"), Community: i.communityID(), Kind: ledger.CommunityLog, Charter: i.communityID(),
			Guard: store.Guard{Dir: filepath.Join(dir, "guard"), Boot: "boot"},
			Now:   func() time.Time { return at }, Rand: rand.NewChaCha8([32]byte{1}), // one incarnation
		}))
		for p := range n {
			if _, err := a.Append(store.Draft{Body: &ledger.Suspend{Passport: uint64(p + 1), Why: text}, Time: at}); err != nil {
				t.Fatal(err)
			}
		}
		return s, a
	}
	one, a := history("one", 3)
	other, b := history("another", 5)
	if a.Head().Origin != b.Head().Origin {
		t.Fatal("these are two ledgers")
	}
	o := a.Head().Origin
	var all []*participant
	for n, name := range gatewayNames {
		p := i.participant(name)
		if n < 2 {
			from := []*store.Store{one, other}[n]
			info := must(from.Ledger(o))
			must(p.store.Ingest(info.Head, time.Now().Unix(), from.Chunks(info, 0)))
		}
		all = append(all, p.run())
	}
	eventually(t, 30*time.Second, func() error {
		for _, p := range all {
			if n := len(must(p.store.Forks())); n != 1 {
				return fmt.Errorf("%s has %d proofs; its log says\n%s", p.name, n, p.log.String())
			}
		}
		return nil
	})
	if all[0].size(o) != 4 || all[1].size(o) != 6 {
		t.Errorf("they hold %d and %d entries", all[0].size(o), all[1].size(o))
	}
	eventually(t, 10*time.Second, func() error {
		if !strings.Contains(all[2].log.String(), "signed two histories") {
			return errors.New(all[2].log.String())
		}
		return nil
	})
}

// TestRecovered: an author whose disk was set back has its own ledger again before
// it goes on with it; nobody there to ask is an answer, too.
func TestRecovered(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	gw1 := i.participant("gw1").run()
	a := gw1.author(ledger.DoorLog)
	gw1.append(a, passages(5)...)
	gw2 := i.participant("gw2").run()
	o := a.Head().Origin
	gw2.await(o, 6, 10*time.Second)

	backup := filepath.Join(t.TempDir(), "backup.db")
	must(must(sql.Open("sqlite3", "file:"+gw1.store.Path()+"?_busy_timeout=5000")).Exec("VACUUM INTO ?", backup))
	gw1.append(a, passages(300)...)
	gw2.await(o, 306, 10*time.Second)
	gw1.stop()

	again := i.participant("gw1")
	again.store.Close()
	copyFile(t, filepath.Join(again.dir, "ledgers.db"), backup)
	for _, f := range []string{"ledgers.db-wal", "ledgers.db-shm"} {
		os.Remove(filepath.Join(again.dir, f))
	}
	again.store = must(store.Open(filepath.Join(again.dir, "ledgers.db")))
	if n := again.size(o); n != 6 {
		t.Fatalf("the backup has %d entries", n)
	}
	again.run()
	if err := again.node.Recovered(t.Context(), 2*time.Second); err != nil {
		t.Fatalf("%v; the log says\n%s", err, again.log.String())
	}
	if n := again.size(o); n != 306 {
		t.Fatalf("it goes on from %d entries; it knows of %+v", n, again.node.Status().Ledgers)
	}
	verify(t, again.store, a.Head())

	// A new incarnation names the last head that there is.
	b := again.author(ledger.DoorLog)
	again.append(b, passages(1)...)
	gw2.await(b.Head().Origin, 2, 10*time.Second)
	for e, err := range gw2.store.Entries(must(gw2.store.Ledger(b.Head().Origin)), 0, 1) {
		if err != nil {
			t.Fatal(err)
		}
		_, body, err := e.Open(ledger.DoorLog, 0)
		if p := body.(*ledger.Begin).Predecessor; err != nil || p == nil || p.Size != 306 || p.Incarnation != o.Incarnation {
			t.Errorf("it follows %+v, %v", p, err)
		}
	}
}

func TestRecoveredAlone(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	i.broker.Close()
	gw1 := i.participant("gw1").run()
	begun := time.Now()
	if err := gw1.node.Recovered(t.Context(), 300*time.Millisecond); err != nil || time.Since(begun) < 300*time.Millisecond {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := gw1.node.Recovered(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	i.open() // for the cleanup
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	in := must(os.Open(from))
	defer in.Close()
	out := must(os.Create(to))
	defer out.Close()
	must(io.Copy(out, in))
}

// TestOtherPrograms: what a command writes to the file beside the running
// participant goes out, and what it reads in is not asked of others.
func TestOtherPrograms(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	steward, gw1 := i.participant("steward").run(), i.participant("gw1").run()
	steward.up()
	gw1.up()
	beside := must(store.Open(steward.store.Path()))
	defer beside.Close()
	p := &participant{isle: i, name: "steward", dir: steward.dir, store: beside}
	a := p.author(ledger.NodeLog)
	p.append(a, store.Draft{Body: &ledger.Forgive{Passport: 7, Why: "a test"}, Time: time.Now()})
	gw1.await(a.Head().Origin, 2, 10*time.Second)
}
