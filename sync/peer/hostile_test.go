package peer_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// rogue is an enrolled gateway that sends what it likes.
type rogue struct {
	*link.Link
	isle *isle
}

// rogue connects with one gateway's password as that gateway, or under the name
// of another.
func (i *isle) rogue(login, as string) *rogue {
	i.t.Helper()
	events := make(chan link.Event, 100)
	r := &rogue{isle: i, Link: must(link.Open(link.Config{
		Name: "rogue", Broker: "tcp://" + i.listen, Community: i.communityID(), Node: i.nodeID(),
		Scopes: []replica.Scope{replica.All, replica.Node}, Self: idOf(as), SelfName: as, Software: "test",
		Login: func() (string, string) { return i.login(login) },
	}, events))}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	go func() {
		for {
			select {
			case <-events:
			case <-ctx.Done():
				return
			}
		}
	}()
	i.t.Cleanup(func() { cancel(); <-done })
	return r
}

func (r *rogue) send(scope replica.Scope, to replica.Peer, m replica.Message) {
	r.isle.t.Helper()
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		switch err := r.Send(scope, to, m); {
		case err == nil:
			return
		case !errors.Is(err, link.ErrDown) && !errors.Is(err, link.ErrFull) || time.Since(begun) > 10*time.Second:
			r.isle.t.Fatal(err)
		}
	}
}

// all are the entries of a ledger from an index on, as a Give of them.
func giveOf(s *store.Store, o ledger.Origin, from int64) replica.Give {
	i := must(s.Ledger(o))
	x := must(s.Stretch(i, from, replica.MaxGive))
	return replica.Give{Author: i.Author, Note: i.Note, From: from, Entries: x.Entries, Proof: x.Proof}
}

func headOf(s *store.Store, o ledger.Origin) replica.Head {
	i := must(s.Ledger(o))
	return replica.Head{Author: i.Author, Note: i.Note, From: i.Size}
}

// flipped is a copy with one bit changed.
func flipped(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 1
	return b
}

// TestHostileGateway: an enrolled gateway that replays, forges, withholds and
// floods changes nothing that is held and hides nothing; it is found out, and
// whoever is honest is served meanwhile.
func TestHostileGateway(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	// What the issuer wrote, and only the rogue has.
	dir := t.TempDir()
	s := must(store.Open(filepath.Join(dir, "ledgers.db")))
	defer s.Close()
	now := time.Now()
	a := must(s.OpenAuthor(store.AuthorConfig{
		Key: testKey("issuer"), Community: i.communityID(), Kind: ledger.CommunityLog, Charter: i.communityID(),
		Guard: store.Guard{Dir: filepath.Join(dir, "guard"), Boot: "boot"}, Now: func() time.Time { return now }, Rand: rand.Reader,
	}))
	must(a.Append(admits(1, 5)...))
	o := a.Head().Origin
	oldHead, oldGive := headOf(s, o), giveOf(s, o, 0)
	now = now.Add(time.Second)
	must(a.Append(admits(6, 14)...))

	victim := i.participant("gw2")
	info := must(s.Ledger(o))
	must(victim.store.Ingest(info.Head, now.Unix(), s.Chunks(info, 0)))
	now = now.Add(time.Minute)
	must(a.Append(admits(20, 3)...))
	newHead, newGive := headOf(s, o), giveOf(s, o, 20)

	victim.run().up()
	gw1 := i.participant("gw1").run().up()
	door := gw1.author(ledger.DoorLog)
	gw1.append(door, passages(3)...)
	victim.await(door.Head().Origin, 4, 10*time.Second)
	bad := i.rogue("gw3", "gw3")
	self := idOf("gw2")

	// unchanged waits until what was sent is noticed, and checks that the ledger is
	// what it was.
	unchanged := func(what string, noticed func(peer.Status) bool) {
		t.Helper()
		eventually(t, 10*time.Second, func() error {
			if st := victim.node.Status(); !noticed(st) {
				return fmt.Errorf("%s: not noticed: %+v %+v", what, st.Counts, st.Peers)
			}
			return nil
		})
		if have := must(victim.store.Ledger(o)); have.Size != 20 || have.Time != info.Time || have.Root != info.Root {
			t.Fatalf("%s: it holds %d entries of %d", what, have.Size, have.Time)
		}
	}
	blames := func(st peer.Status) int {
		for _, p := range st.Peers {
			if p.Peer == idOf("gw3").String() {
				return p.Blames
			}
		}
		return 0
	}
	sent := victim.node.Status()
	repeated := func(n uint64) func(peer.Status) bool {
		before := victim.node.Status().Counts.Repeated
		return func(st peer.Status) bool { return st.Counts.Repeated >= before+n }
	}
	blamed := func() func(peer.Status) bool {
		before := blames(victim.node.Status())
		return func(st peer.Status) bool { return blames(st) > before }
	}

	// What was true once. The first old head is compared with what is held.
	bad.send(replica.All, replica.Peer{}, oldHead)
	time.Sleep(50 * time.Millisecond)
	check := repeated(11)
	for range 10 {
		bad.send(replica.All, self, oldGive)
	}
	bad.send(replica.All, replica.Peer{}, oldHead)
	unchanged("what was true once", check)
	if n := blames(victim.node.Status()); n != 0 {
		t.Errorf("%d blames for what was true once", n)
	}

	// Signatures that are none.
	check = blamed()
	forged := newHead
	forged.Note = flipped(newHead.Note, len(newHead.Note)-8)
	bad.send(replica.All, replica.Peer{}, forged)
	unchanged("a forged head", check)

	// A fresh head without its entries: the ledger is behind, not fresh.
	bad.send(replica.All, replica.Peer{}, newHead)
	unchanged("a fresh head", func(st peer.Status) bool {
		at := slices.IndexFunc(st.Ledgers, func(l peer.LedgerStatus) bool { return l.Origin == o.String() })
		l := st.Ledgers[at]
		return l.Behind == 3 && l.Time == info.Time && l.Since != nil
	})

	// Entries that are not the ledger's.
	for what, change := range map[string]func(g *replica.Give){
		"a flipped body":  func(g *replica.Give) { g.Entries[1].Body = flipped(g.Entries[1].Body, 3) },
		"a flipped leaf":  func(g *replica.Give) { g.Entries[0].Leaf = flipped(g.Entries[0].Leaf, len(g.Entries[0].Leaf)-1) },
		"a missing entry": func(g *replica.Give) { g.Entries = append(g.Entries[:1:1], g.Entries[2]) },
		"an entry twice":  func(g *replica.Give) { g.Entries[1] = g.Entries[0] },
		"a body passed off as dropped": func(g *replica.Give) {
			g.Entries[1].Body, g.Entries[1].Salt, g.Entries[1].Time = nil, ledger.Salt{}, 0
		},
	} {
		g := newGive
		g.Entries = slices.Clone(newGive.Entries)
		change(&g)
		check := blamed()
		bad.send(replica.All, self, g)
		unchanged(what, check)
	}

	// A flood, of what is asked and of what is said, while others go on.
	before := heap()
	flood := time.Now()
	stop := make(chan struct{})
	flooded := make(chan int)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-stop:
				flooded <- n
				return
			default:
			}
			_ = bad.Send(replica.All, self, replica.Want{Origin: o, From: int64(n % 20)})
			_ = bad.Send(replica.Node, self, replica.Want{Origin: door.Head().Origin})
			_ = bad.Send(replica.All, self, oldGive)
			if n%64 == 0 {
				time.Sleep(time.Millisecond) // the queue of its own link
			}
		}
	}()
	for n := range 5 {
		gw1.append(door, passages(1)...)
		at := time.Now()
		victim.await(door.Head().Origin, int64(5+n), 5*time.Second)
		t.Logf("through the flood after %v", time.Since(at))
	}
	close(stop)
	t.Logf("%d rounds in %v", <-flooded, time.Since(flood))
	if after := heap(); after > before+64<<20 {
		t.Errorf("the heap grew from %d to %d MB", before>>20, after>>20)
	}
	if st := victim.node.Status(); len(st.Peers) > len(sent.Peers)+1 || len(st.Ledgers) != len(sent.Ledgers) {
		t.Errorf("%d peers, %d ledgers", len(st.Peers), len(st.Ledgers))
	}

	// What is true counts, whoever brings it.
	eventually(t, 20*time.Second, func() error {
		_ = bad.Send(replica.All, self, newGive)
		time.Sleep(20 * time.Millisecond)
		if n := victim.size(o); n != 23 {
			return fmt.Errorf("%d entries", n)
		}
		return nil
	})
	verify(t, victim.store, a.Head())
	if len(must(victim.store.Forks())) != 0 {
		t.Error("somebody was convicted")
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestAnothersName: at the broker of the node nobody speaks under another's name.
func TestAnothersName(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	gw2 := i.participant("gw2").run().up()
	bad := i.rogue("gw3", "gw1")
	time.Sleep(500 * time.Millisecond)
	if s := bad.Stats(); s.Up || s.LastError == nil {
		t.Errorf("%+v", s)
	}
	if p := gw2.node.Status().Peers; len(p) != 0 {
		t.Errorf("it hears %+v", p)
	}
}
