package pg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
	"tombolo/sync/store/pgtest"
)

// proxy stands before the server and cuts connections in their commits.
type proxy struct {
	net.Listener
	to  string
	cut atomic.Int32
}

// How the next commit ends.
const (
	answered = iota
	unheard  // it does not reach the server
	unsaid   // the server's answer does not come back
)

func newProxy(t *testing.T, url string) (*proxy, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(url, "@")
	address, _, _ := strings.Cut(rest, "/")
	p := &proxy{Listener: l, to: address}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(c)
		}
	}()
	t.Cleanup(func() { l.Close() })
	return p, strings.Replace(url, address, l.Addr().String(), 1)
}

func (p *proxy) pass(client net.Conn) {
	server, err := net.Dial("tcp", p.to)
	if err != nil {
		client.Close()
		return
	}
	var quiet atomic.Bool // nothing more is said to the client
	go func() {
		defer client.Close()
		b := make([]byte, 1<<16)
		for {
			n, err := server.Read(b)
			if err != nil || quiet.Load() {
				return
			}
			if _, err := client.Write(b[:n]); err != nil {
				return
			}
		}
	}()
	defer server.Close()
	b := make([]byte, 1<<16)
	for {
		n, err := client.Read(b)
		if err != nil {
			return
		}
		// Query, 'Q' (https://www.postgresql.org/docs/current/protocol-message-formats.html)
		if bytes.HasPrefix(b[:n], []byte("Q\x00\x00\x00\x0bcommit\x00")) {
			switch p.cut.Swap(answered) {
			case unheard:
				client.Close()
				return
			case unsaid:
				quiet.Store(true)
			}
		}
		if _, err := server.Write(b[:n]); err != nil {
			return
		}
	}
}

// A commit that is lost on the way there or back is asked for: what was written
// stands there once.
func TestCommitLost(t *testing.T) {
	t.Parallel()
	p, url := newProxy(t, pgtest.Start(t).URL(t))
	s := open(t, url)
	a := must(s.OpenAuthor(config("gateway")))
	from := must(store.Open(t.TempDir() + "/from.db"))
	defer from.Close()
	guarded := config("another gateway")
	guarded.Guard = store.Guard{Dir: t.TempDir(), Boot: "boot"}
	theirs := must(from.OpenAuthor(guarded))
	n := 0
	var want []int
	for round := range 6 {
		for _, cut := range []int32{unheard, unsaid} {
			n++
			want = append(want, n)
			p.cut.Store(cut)
			if index, err := a.Append(occupancy(n)); err != nil || index != int64(n) {
				t.Fatalf("round %d: append %d, %v", round, index, err)
			}
			if p.cut.Load() != answered {
				t.Fatal("no commit was cut")
			}
			if _, err := theirs.Append(occupancy(n)); err != nil {
				t.Fatal(err)
			}
			p.cut.Store(cut)
			if in, err := s.Extend(1, next(t, from, s, theirs.Head().Origin)); err != nil || !in[0].Fresh {
				t.Fatalf("round %d: extend %+v, %v", round, in, err)
			}
			p.cut.Store(cut)
			if err := s.Pin("n", []byte{byte(n)}); err != nil {
				t.Fatal(err)
			}
			if v, err := s.Pinned("n"); err != nil || v[0] != byte(n) {
				t.Fatal(v, err)
			}
		}
	}
	for _, o := range []ledger.Origin{a.Head().Origin, theirs.Head().Origin} {
		if got := numbers(t, s, o); !slices.Equal(got, want) {
			t.Errorf("%v, want %v", got, want)
		}
	}
	// A commit that changed nothing has nothing to ask for.
	p.cut.Store(unsaid)
	if err := s.Forget(ledger.Origin{Kind: ledger.ReportLog}); err != nil {
		t.Error(err)
	}
}

// next is what comes next of a ledger.
func next(t *testing.T, from, to *store.Store, o ledger.Origin) ledger.Extension {
	t.Helper()
	i := must(from.Ledger(o))
	edge, err := to.Edge(o)
	if err != nil && !errors.Is(err, store.ErrNoLedger) {
		t.Fatal(err)
	}
	return must(ledger.CheckStretch(edge, i.Head, must(from.Stretch(i, edge.Size(), 1<<20))))
}

// What became of a transaction is told for as long as its row remembers.
func TestBecameOf(t *testing.T) {
	t.Parallel()
	url := pgtest.Start(t).URL(t)
	open(t, url)
	held := must(newTestConn(t, url).Conn(t.Context()))
	defer held.Close()
	errLost := errors.New("lost")
	bumped := func(ends string) trace {
		left := trace{number: 7 << 40}
		c := must(pgx.Connect(t.Context(), url))
		defer c.Close(context.Background())
		must(c.Exec(t.Context(), "BEGIN"))
		if err := c.QueryRow(t.Context(), strings.Replace(bump, "pg_backend_pid() % 64", "3", 1), left.number).Scan(&left.slot, &left.n); err != nil {
			t.Fatal(err)
		}
		must(c.Exec(t.Context(), ends))
		return left
	}
	others := func(n int) {
		for range n {
			do(t, url, strings.NewReplacer("$1", "1", "pg_backend_pid() % 64", "3").Replace(bump))
		}
	}
	err := held.Raw(func(c any) error {
		from := c.(*conn).from
		for _, n := range []int{0, keptLast - 1, keptLast} { // others that come after it
			for ends, want := range map[string]error{"COMMIT": nil, "ROLLBACK": errLost} {
				others(20)
				left := bumped(ends)
				others(n)
				err := from.becameOf(t.Context(), left, errLost)
				if n == keptLast && ends == "COMMIT" {
					want = store.ErrUncertain
				}
				if !errors.Is(err, want) || want == errLost && err != errLost {
					t.Errorf("%s, then %d others: %v", ends, n, err)
				}
			}
		}
		// One that is under way is waited for.
		left := trace{number: 9, slot: 5}
		tx := must(pgx.Connect(t.Context(), url))
		defer tx.Close(context.Background())
		must(tx.Exec(t.Context(), "BEGIN"))
		if err := tx.QueryRow(t.Context(), strings.Replace(bump, "pg_backend_pid() % 64", "5", 1), left.number).Scan(&left.slot, &left.n); err != nil {
			t.Fatal(err)
		}
		committed := make(chan error, 1)
		time.AfterFunc(200*time.Millisecond, func() {
			_, err := tx.Exec(context.Background(), "COMMIT")
			committed <- err
		})
		err := from.becameOf(t.Context(), left, errLost)
		return errors.Join(err, <-committed)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// Killed and started again, the server has all that was acknowledged, and every
// store goes on by itself: readers, a watch, authors that are opened anew, and
// whoever takes in.
func TestServerKilled(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t, pgtest.Config{})
	url := server.Database(t)
	s := open(t, url)
	changed, err := s.Watch(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	ctx, enough := context.WithCancel(t.Context())
	defer enough()
	var mu sync.Mutex
	told := map[ledger.Origin][]int{} // acknowledged
	var wrote [3]atomic.Int64
	for w := range wrote {
		cfg := config(fmt.Sprint("gateway ", w))
		wg.Go(func() {
			var a *store.Author
			for n := 1; ctx.Err() == nil; n++ {
				if a == nil {
					var err error
					if a, err = s.OpenAuthor(cfg); err != nil {
						time.Sleep(20 * time.Millisecond)
						continue
					}
				}
				if _, err := a.Append(occupancy(n)); err != nil {
					if errors.Is(err, store.ErrOtherAuthor) {
						a = nil
					}
					time.Sleep(20 * time.Millisecond)
					continue
				}
				wrote[w].Add(1)
				mu.Lock()
				o := a.Head().Origin
				told[o] = append(told[o], n)
				mu.Unlock()
			}
		})
	}
	// more waits until each of them has written so much more.
	more := func(n int64) {
		t.Helper()
		began := time.Now()
		for w := range wrote {
			for goal := wrote[w].Load() + n; wrote[w].Load() < goal; time.Sleep(time.Millisecond) {
				if time.Since(began) > 30*time.Second {
					t.Fatalf("writer %d writes no more", w)
				}
			}
		}
	}
	for round := range 3 {
		more(15)
		if round < 2 {
			server.Kill()
		} else {
			server.Stop()
		}
		if _, err := s.Ledgers(); err == nil {
			t.Error("it answers")
		}
		if err := server.Restart(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Ledgers(); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		if _, err := changed(); err != nil {
			t.Errorf("round %d: %v", round, err)
		}
		more(1)
		if yes, err := changed(); err != nil || !yes {
			t.Errorf("round %d: %v, %v", round, yes, err)
		}
	}
	enough()
	wg.Wait()
	for o, want := range told {
		got := numbers(t, s, o)
		twice := map[int]bool{}
		for _, n := range got {
			if twice[n] {
				t.Errorf("%v has %d twice", o, n)
			}
			twice[n] = true
		}
		for _, n := range want {
			if !twice[n] {
				t.Errorf("%v lost %d", o, n)
			}
		}
	}
	// A start of the server is a life of its own.
	lives := map[ledger.KeyID]int{}
	for o := range told {
		lives[o.Author]++
	}
	for author, n := range lives {
		if n < 3 {
			t.Errorf("%v wrote %d ledgers in four lives", author, n)
		}
	}
}

// While the server is away everything says so, and soon.
func TestServerAway(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t, pgtest.Config{})
	s := open(t, server.Database(t))
	a := must(s.OpenAuthor(config("gateway")))
	must(a.Append(occupancy(1)))
	server.Stop()
	began := time.Now()
	for name, do := range map[string]func() error{
		"read":  func() error { _, err := s.Ledgers(); return err },
		"write": func() error { return s.Pin("x", []byte{1}) },
		"append": func() error {
			_, err := a.Append(occupancy(2))
			return err
		},
		"lease": func() error { _, err := s.Lease(t.Context(), "x", "y", time.Minute); return err },
	} {
		if err := do(); err == nil || errors.Is(err, store.ErrUncertain) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func() error{
		"read":  func() error { _, err := s.Ledgers(); return err },
		"write": func() error { return s.Pin("x", []byte{1}) },
		"lease": func() error { _, err := s.Lease(t.Context(), "x", "y", time.Minute); return err },
	} {
		if err := do(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := a.Append(occupancy(2)); !errors.Is(err, store.ErrOtherAuthor) {
		t.Errorf("%v", err)
	}
	if again := must(s.OpenAuthor(config("gateway"))); again.Head().Size != 0 {
		t.Errorf("it goes on: %+v", again.Head())
	}
}
