package brokers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/cmd/internal/gateway"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// decideWithin is how long a tap may take to be decided and recorded, whatever
// becomes of the broker.
const decideWithin = 2 * time.Second

// stream is what goes on at the doors and at the desk meanwhile.
type stream struct {
	e    *estate
	stop func()

	mu              sync.Mutex
	taps            int           // under mu
	worst           time.Duration // under mu
	orders, changes int           // under mu: at the desk
	acks            map[ack]int64 // under mu: the most that was ever said
}

// ack says whose word for what.
type ack struct {
	holder ledger.KeyID
	of     ledger.Origin
}

// order is a steward's order, and the door that it is for.
type order struct {
	origin string
	index  int64
	door   string
}

// begin begins the stream.
func (e *estate) begin() *stream {
	s := &stream{e: e, acks: map[ack]int64{}}
	ctx, cancel := context.WithCancel(context.Background())
	var busy sync.WaitGroup
	s.stop = sync.OnceFunc(func() { cancel(); busy.Wait() })
	e.t.Cleanup(s.stop)
	for _, u := range e.gws {
		busy.Go(func() { s.tap(ctx, u) })
	}
	busy.Go(func() { s.change(ctx) })
	busy.Go(func() {
		for pause(ctx, 25*time.Millisecond) {
			s.listen()
		}
	})
	return s
}

func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// tap has both residents at a door again and again.
func (s *stream) tap(ctx context.Context, u *unit) {
	for n := 0; pause(ctx, 60*time.Millisecond); n++ {
		who := []uint64{stays, comes}[n%2]
		began := time.Now()
		d, err := u.tap(context.WithoutCancel(ctx), who)
		took := time.Since(began)
		switch {
		case err != nil:
			s.e.t.Errorf("gw%d: %v", u.n, err)
			return
		case d.Passport != who || d.Granted == (d.Reason == "suspended") || who == stays && !d.Granted:
			s.e.t.Errorf("gw%d, passport %d: %+v", u.n, who, *d)
		case took > decideWithin:
			s.e.t.Errorf("gw%d took %v to decide", u.n, took)
		}
		s.mu.Lock()
		s.taps++
		s.worst = max(s.worst, took)
		s.mu.Unlock()
	}
}

// change suspends and reinstates, and now and then opens a door.
func (s *stream) change(ctx context.Context) {
	for n := 0; pause(ctx, 120*time.Millisecond); n++ {
		if n%2 == 0 {
			s.e.write(ledger.CommunityLog, &ledger.Suspend{Passport: comes, Why: fmt.Sprint("change ", n)})
		} else {
			s.e.write(ledger.CommunityLog, &ledger.Reinstate{Passport: comes, Why: fmt.Sprint("change ", n)})
		}
		order := n%5 == 0
		if order {
			s.e.write(ledger.NodeLog, &ledger.Open{Door: s.e.gws[n/5%3].door(), Why: fmt.Sprint("order ", n)})
		}
		s.mu.Lock()
		s.changes++
		if order {
			s.orders++
		}
		s.mu.Unlock()
	}
}

// stores are everybody's.
func (e *estate) stores() map[ledger.KeyID]*store.Store {
	out := map[ledger.KeyID]*store.Store{e.self(): e.desk.Store()}
	for _, u := range e.gws {
		out[u.self] = u.disk
	}
	return out
}

// listen holds every acknowledgement that anybody heard against the holder's disk.
func (s *stream) listen() {
	stores := s.e.stores()
	for _, heard := range stores {
		all, err := heard.Ledgers()
		if err != nil {
			s.e.t.Error(err)
		}
		for _, i := range all {
			held, err := heard.Held(i.Origin)
			if err != nil {
				s.e.t.Error(err)
			}
			for _, h := range held {
				a := ack{h.Peer, i.Origin}
				s.mu.Lock()
				news := h.Size > s.acks[a]
				s.acks[a] = max(s.acks[a], h.Size)
				s.mu.Unlock()
				if !news {
					continue
				}
				if have, err := stores[h.Peer].Ledger(i.Origin); err != nil || have.Size < h.Size {
					s.e.t.Errorf("%v said that it holds %d entries of %v, and holds %d: %v", h.Peer, h.Size, i.Origin, have.Size, err)
				}
			}
		}
	}
}

// equal is nil when everybody holds the same of every ledger, and every door
// counts the newest of the desk's.
func (e *estate) equal() error {
	stores := e.stores()
	want := map[ledger.Origin]store.Info{}
	for who, s := range stores {
		all, err := s.Ledgers()
		if err != nil {
			return err
		}
		for _, i := range all {
			if have, ok := want[i.Origin]; !ok || i.Size > have.Size {
				want[i.Origin] = i
			}
		}
		if len(all) != len(e.gws)+2 { // everybody's door log, the community's and the node's
			return fmt.Errorf("%v holds %d ledgers", who, len(all))
		}
	}
	for o, i := range want {
		for who, s := range stores {
			if have, err := s.Ledger(o); err != nil || have.Size != i.Size || have.Root != i.Root {
				return fmt.Errorf("%v holds %d of %d entries of %v: %v", who, have.Size, i.Size, o, err)
			}
		}
	}
	for _, u := range e.gws {
		st, err := gateway.AskStatus(e.t.Context(), u.dir)
		if err != nil {
			return err
		}
		for o, i := range want {
			if o.Kind != ledger.DoorLog && st.Projected[o.String()] != i.Size {
				return fmt.Errorf("gw%d counts %d of %d entries of %v", u.n, st.Projected[o.String()], i.Size, o)
			}
		}
	}
	return nil
}

// judge reads everybody's disk, once all are equal and nothing moves.
func (s *stream) judge() {
	e, t := s.e, s.e.t
	s.listen()
	stores := e.stores()
	roots := map[ack]tlog.Hash{}
	for a, size := range s.acks {
		holder, author := stores[a.holder], e.desk.Store()
		for _, st := range []*store.Store{holder, author} {
			i, err := st.Ledger(a.of)
			if err != nil || i.Size < size {
				t.Errorf("%v acknowledged %d entries of %v; there are %d: %v", a.holder, size, a.of, i.Size, err)
				continue
			}
			root, err := tlog.TreeHash(size, ledger.Hashes(st.Reader(i)))
			if was, ok := roots[a]; err != nil || ok && was != root {
				t.Errorf("what %v acknowledged of %v is not what is there: %v", a.holder, a.of, err)
			}
			roots[a] = root
		}
	}
	if len(s.acks) < 4*3 {
		t.Errorf("%d acknowledgements were heard", len(s.acks))
	}
	orders := map[order]int{} // answers to each
	for _, u := range e.gws {
		u.mu.Lock()
		seen := map[uint64]ledger.Decision{}
		for _, d := range u.seen {
			seen[d.Seq] = d
		}
		if len(seen) != len(u.seen) {
			t.Errorf("gw%d decided %d times under %d numbers", u.n, len(u.seen), len(seen))
		}
		u.mu.Unlock()
		for who, st := range stores {
			found := map[uint64]int{}
			e.read(st, ledger.DoorLog, u.self, func(_ ledger.Origin, _ int64, b ledger.Body) {
				switch b := b.(type) {
				case *ledger.Decision:
					if d, ok := seen[b.Seq]; !ok || d.Granted != b.Granted || d.Passport != b.Passport {
						t.Errorf("%v has a decision of gw%d that nobody saw: %+v", who, u.n, *b)
					}
					found[b.Seq]++
				case *ledger.Ordered:
					if who == u.self {
						orders[order{b.Origin, b.Index, b.Door}]++
					}
				}
			})
			for seq, n := range found {
				if n != 1 {
					t.Errorf("%v has decision %d of gw%d %d times", who, seq, u.n, n)
				}
			}
			if len(found) != len(seen) {
				t.Errorf("%v has %d of %d decisions of gw%d", who, len(found), len(seen), u.n)
			}
		}
	}
	opens := 0
	e.read(e.desk.Store(), ledger.NodeLog, e.self(), func(o ledger.Origin, index int64, b ledger.Body) {
		if b, ok := b.(*ledger.Open); ok {
			opens++
			if n := orders[order{o.String(), index, b.Door}]; n != 1 {
				t.Errorf("the order %d to %s was answered %d times", index, b.Door, n)
			}
		}
	})
	if opens != s.orders || len(orders) != opens || opens < 3 || s.taps < 50 {
		t.Errorf("%d taps; %d orders given, %d on record, %d answered", s.taps, s.orders, opens, len(orders))
	}
	t.Logf("%d taps, the slowest decided in %v; %d changes and %d orders; %d words for a ledger", s.taps, s.worst.Round(time.Millisecond), s.changes, s.orders, len(s.acks))
}

// read verifies an author's ledgers of a kind from their beginning and yields
// their entries.
func (e *estate) read(s *store.Store, kind ledger.LogKind, author ledger.KeyID, yield func(ledger.Origin, int64, ledger.Body)) {
	for _, i := range must(s.Ledgers()) {
		if i.Origin.Kind != kind || i.Origin.Author != author {
			continue
		}
		v := ledger.NewVerifier(i.Head)
		for c, err := range s.Chunks(i, 0) {
			if err == nil {
				err = v.Chunk(c)
			}
			if err != nil {
				e.t.Errorf("%v: %v", i.Origin, err)
				return
			}
			for n, entry := range c.Entries {
				index := c.Start + int64(n)
				_, b, err := entry.Open(kind, index)
				if err != nil {
					e.t.Errorf("%v, entry %d: %v", i.Origin, index, err)
					return
				}
				yield(i.Origin, index, b)
			}
		}
		if _, err := v.Finish(); err != nil {
			e.t.Errorf("%v: %v", i.Origin, err)
		}
	}
}
