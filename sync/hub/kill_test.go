package hub

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// kills is how often a process is killed in each of these tests.
func kills(t *testing.T) int {
	n, err := strconv.Atoi(os.Getenv("TOMBOLO_KILLS"))
	if err != nil || n < 1 {
		return 15
	}
	return n
}

// process is a hub's process of its own.
type process struct {
	cmd  *exec.Cmd
	said *safeBuffer
	out  *bufio.Reader
}

func (w *world) start(c childConfig) *process {
	w.t.Helper()
	c.Nodes, c.Place, c.Dir, c.At = w.Nodes, w.place, w.dir, w.now().Unix()
	cmd := exec.Command(must(os.Executable()))
	cmd.Env = append(os.Environ(), childEnv+"="+string(must(json.Marshal(c))))
	p := &process{cmd: cmd, said: &safeBuffer{}}
	cmd.Stderr = p.said
	out, err := cmd.StdoutPipe()
	w.ok(err)
	w.ok(cmd.Start())
	p.out = bufio.NewReader(out)
	w.t.Cleanup(func() { p.kill() })
	if text, err := p.out.ReadString('\n'); err != nil || text != "ready\n" {
		w.t.Fatalf("a process said %q, %v: %s", text, err, p.said)
	}
	return p
}

// kill kills it, as kill -9 does.
func (p *process) kill() {
	p.cmd.Process.Kill()
	p.cmd.Wait()
}

func seeded(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 1))
}

// TestKilledWhileClosing kills processes that close, at any instant: the epoch has
// one close in the end, with the list that one would have made that was never
// killed.
func TestKilledWhileClosing(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			r := seeded(t)
			const nodes, each = 4, 2500
			w := newWorld(t, d, nodes)
			w.hub, _ = w.sea().daemon(w.store)
			var all []byte
			for g := range nodes {
				all = append(all, lines(g*each/2, g*each/2+each, g)...)
			}
			want := must(census.NewList(census.Merge(all, nil)))
			var epochs []*ledger.EpochOpened
			next := func() *ledger.EpochOpened {
				e := w.epoch(uint64(len(epochs) + 1))
				epochs = append(epochs, e)
				w.append(w.issuer(), e)
				for g := range nodes {
					w.append(w.reporter(g), w.reportOf(g, e.ID(), lines(g*each/2, g*each/2+each, g), ledger.MaxTags)...)
				}
				return e
			}
			closing := func(e *ledger.EpochOpened) *process {
				return w.start(childConfig{Mode: "close", Epoch: e.ID(), Holder: "child"})
			}
			// How long a close takes that nobody disturbs.
			p := closing(next())
			began := time.Now()
			if text, err := p.out.ReadString('\n'); err != nil || text != fmt.Sprintf("closed %x\n", want.Root(nil)) {
				t.Fatalf("%q, %v: %s", text, err, p.said)
			}
			took := time.Since(began)
			p.kill()
			amid, e := 0, next()
			for range kills(t) {
				p := closing(e)
				time.Sleep(time.Duration(r.Int64N(int64(took) * int64(10+len(epochs)) / 10))) // there is more to look through each time
				p.kill()
				if strings.Contains(p.said.String(), ErrSetBack.Error()) { // one was killed before its commit: it may have signed
					w.ok(w.hub.claim(t.Context()))
				}
				if w.closedEntries(e.ID()) > 0 {
					e = next()
				} else {
					amid++
				}
			}
			if amid < kills(t)/4 {
				t.Errorf("only %d of %d kills came before the close was done", amid, kills(t))
			}
			for i, e := range epochs {
				closed, list := w.closeIt(e)
				if closed.Size != uint64(want.Len()) || list.Root(nil) != want.Root(nil) || closed.Reports != nodes {
					t.Errorf("epoch %d: %+v", i+1, closed)
				}
				if n := w.closedEntries(e.ID()); n != 1 {
					t.Errorf("epoch %d was closed %d times", i+1, n)
				}
			}
			if left, _ := filepath.Glob(filepath.Join(w.dir, "epochs", "*", ".*")); len(left) > 0 {
				t.Errorf("half-written files are left: %v", left)
			}
		})
	}
}

// TestKilledWhileTaking kills a process that takes in reports, at any instant: none
// is lost, none counted twice.
func TestKilledWhileTaking(t *testing.T) {
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			r := seeded(t)
			const nodes = 4
			w := newWorld(t, d, nodes)
			e := w.opened()
			s := w.sea()
			var gateways []*gateway
			for n := range nodes {
				gateways = append(gateways, s.gateway(n))
			}
			child := childConfig{Mode: "run", Listen: s.listen, Password: s.broker.Password(), Holder: "child"}
			held := func(g *gateway) int64 {
				i, err := w.store.Ledger(g.author.Head().Origin)
				if err != nil && !errors.Is(err, store.ErrNoLedger) {
					t.Fatal(err)
				}
				return i.Size
			}
			amid := 0
			for i := range kills(t) {
				n := i % nodes
				g, before := gateways[n], held(gateways[n])
				p := w.start(child)
				// A gateway reports, part by part, until the process that takes it in is gone.
				ctx, gone := context.WithCancel(t.Context())
				written := make(chan struct{})
				go func() {
					defer close(written)
					for round := uint32(0); ctx.Err() == nil; round++ {
						for _, b := range append(w.reportOf(n, e.ID(), lines(n*20, n*20+30+i, n), 2), everyday("hall", round, 1000)) {
							if ctx.Err() == nil {
								w.report(g, b)
							}
						}
					}
				}()
				eventually(t, 20*time.Second, func() error {
					if held(g) == before {
						return fmt.Errorf("nothing arrives: %s", p.said)
					}
					return nil
				})
				time.Sleep(time.Duration(r.Int64N(int64(100 * time.Millisecond))))
				p.kill()
				gone()
				<-written
				if held(g) < g.author.Head().Size {
					amid++
				}
			}
			if amid < kills(t)/2 {
				t.Errorf("only %d of %d kills came while something was under way", amid, kills(t))
			}
			var all []byte
			for g := range nodes {
				tags := lines(g*20, g*20+40, g)
				w.report(gateways[g], w.reportOf(g, e.ID(), tags, 5)...)
				all = append(all, tags...)
			}
			w.start(child)
			w.arrived(30*time.Second, gateways...)
			closed, list := w.closeIt(e)
			want := must(census.NewList(census.Merge(all, nil)))
			if closed.Reports != nodes || list.Root(nil) != want.Root(nil) {
				t.Errorf("%+v", closed)
			}
			w.verified()
		})
	}
}

// verified checks every ledger of the hub's store from its first entry to its head.
func (w *world) verified() {
	w.t.Helper()
	all, err := w.store.Ledgers()
	w.ok(err)
	for _, i := range all {
		v := ledger.NewVerifier(i.Head)
		for c, err := range w.store.Chunks(i, 0) {
			w.ok(err)
			w.ok(v.Chunk(c))
		}
		_, err := v.Finish()
		w.ok(err)
	}
}

// TestTwoProcesses: two hub processes share one PostgreSQL and a broker, and divide
// the reports; one is killed: all arrive, and the list is that of a single hub.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	const nodes = 8
	w := newWorld(t, dialects[1], nodes)
	e := w.opened()
	s := w.sea()
	var gateways []*gateway
	for n := range nodes {
		gateways = append(gateways, s.gateway(n))
	}
	child := func(name string) *process {
		return w.start(childConfig{Mode: "run", Listen: s.listen, Password: s.broker.Password(), Holder: name})
	}
	first, second := child("first"), child("second")
	for n, g := range gateways {
		w.report(g, everyday("hall", uint32(n), 100))
	}
	w.arrived(30*time.Second, gateways...)
	if !strings.Contains(second.said.String(), "share of the reports changed") {
		t.Errorf("the second process has no share: %s", second.said)
	}
	var all []byte
	for n, g := range gateways {
		tags := lines(n*10, n*10+25, n)
		all = append(all, tags...)
		w.report(g, w.reportOf(n, e.ID(), tags, 4)...)
		if n == nodes/2 {
			first.kill()
		}
	}
	w.arrived(60*time.Second, gateways...)
	closed, list := w.closeIt(e)
	want := must(census.NewList(census.Merge(all, nil)))
	if closed.Reports != nodes || list.Root(nil) != want.Root(nil) {
		t.Errorf("%+v", closed)
	}
	w.verified()
}

// TestSeats: of two processes each takes its part, both together all of it, and who
// leaves or is gone leaves nothing undone.
func TestSeats(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			place := d.make(t)
			s := must(openPlace(place))
			defer s.Close()
			const ttl = 500 * time.Millisecond
			a, b := newSeats(s, "a", ttl), newSeats(s, "b", ttl)
			look := func(s *seats) {
				t.Helper()
				time.Sleep(3 * trial) // until those of the other are over
				if _, err := s.look(context.Background()); err != nil {
					t.Fatal(err)
				}
			}
			look(a)
			if _, n := a.share(); n != shards {
				t.Fatalf("alone: %d shards", n)
			}
			look(b)
			look(a)
			mineA, nA := a.share()
			mineB, nB := b.share()
			if nA+nB != shards || nA < shards/4 || nB < shards/4 {
				t.Errorf("%d and %d shards", nA, nB)
			}
			for i := range mineA {
				if mineA[i] == mineB[i] {
					t.Errorf("shard %d: %v, %v", i, mineA[i], mineB[i])
				}
			}
			b.leave()
			look(a)
			if _, n := a.share(); n != shards {
				t.Errorf("alone again: %d shards", n)
			}
			time.Sleep(ttl + 50*time.Millisecond)
			if _, n := a.share(); n != 0 {
				t.Errorf("%d shards by a lease that is over", n)
			}
			look(b)
			look(a)
			if _, n := a.share(); n == 0 || n == shards {
				t.Errorf("%d shards beside another", n)
			}
		})
	}
}
