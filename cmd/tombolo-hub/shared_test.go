package main_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"tombolo/cmd/internal/daemontest"
	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/enroll"
	"tombolo/sync/hub"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
	"tombolo/sync/store/pgtest"
)

// reporter is a node's gateway that reports to the hub's broker.
type reporter struct {
	*node
	store  *store.Store
	author *store.Author
	peer   *peer.Node
}

// report runs a node's gateway at the broker.
func (w *world) report(n *node, broker string, hub ledger.Author, others ...ledger.Author) *reporter {
	w.t.Helper()
	key := func(r folder.Role) ed25519.PrivateKey { return must(n.gateway.Key(r)) }
	signing := key(folder.SigningKey)
	self := ledger.KeyIDOf(signing.Public().(ed25519.PublicKey))
	community := must(w.desk.CommunityID())
	g := &reporter{node: n, store: must(store.Open(filepath.Join(w.t.TempDir(), "ledgers.db")))}
	for v := 1; v <= must(w.desk.Community()).Len(); v++ {
		_, signed := must(w.desk.Community()).Version(v)
		if _, _, err := g.store.AddCharter(signed); err != nil {
			w.t.Fatal(err)
		}
	}
	g.author = must(g.store.OpenAuthor(store.AuthorConfig{
		Key: signing, Community: community, Kind: ledger.ReportLog, Charter: n.id, Guard: store.Guard{Dir: guards, Boot: "boot"}, Now: time.Now, Rand: rand.Reader,
	}))
	rights := replica.Rights{Community: community, Authors: map[ledger.KeyID]replica.Author{
		self: {Key: signing.Public().(ed25519.PublicKey), Kinds: []ledger.LogKind{ledger.ReportLog}, Charter: map[ledger.LogKind]ledger.CharterID{ledger.ReportLog: n.id}},
	}}
	of := replica.Author{Key: hub.Key[:], Kinds: []ledger.LogKind{ledger.CensusLog}, Charter: map[ledger.LogKind]ledger.CharterID{ledger.CensusLog: community}, Name: "hub"}
	for _, o := range others {
		switch o.Role {
		case ledger.HubHold:
			of.Hold = o.Key[:]
		case ledger.HubWitness:
			of.Witness = o.Key[:]
		}
	}
	rights.Authors[ledger.KeyIDOf(hub.Key[:])] = of
	shown := must(enroll.SelfSigned(key(folder.TLSKey), n.desk.Dir()))
	dial := enroll.ClientConfig(shown, nil)
	dial.VerifyConnection = func(cs tls.ConnectionState) error {
		author, err := enroll.DeskOf(cs, time.Time{})
		if err == nil && author != hub.Key {
			err = errors.New("another hub")
		}
		return err
	}
	g.peer = must(peer.New(peer.Config{
		Store: g.store, Self: self, Hold: key(folder.HoldKey), Witness: key(folder.WitnessKey), Rights: func() (replica.Rights, error) { return rights, nil },
		Links: []link.Config{{Name: "hub", Broker: "tls://" + broker, TLS: dial, Community: community, Scopes: []replica.Scope{replica.All, replica.Hub}, SelfName: "gw", Software: "test"}},
		Log:   slog.New(slog.DiscardHandler),
	}))
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.peer.Run(ctx) }()
	w.t.Cleanup(func() {
		end()
		if err := errors.Join(<-done, g.store.Close()); err != nil {
			w.t.Error(err)
		}
	})
	return g
}

func (g *reporter) write(t *testing.T, bodies ...ledger.Body) {
	t.Helper()
	var all []store.Draft
	for _, b := range bodies {
		all = append(all, store.Draft{Body: b, Time: time.Now()})
	}
	if _, err := g.author.Append(all...); err != nil {
		t.Fatal(err)
	}
	g.peer.Appended()
}

// tagsOf are made up; node n's overlap with its neighbours'.
func tagsOf(n, round int) (tags []byte) {
	for who := n * 20; who < n*20+35; who++ {
		tag := sha256.Sum256(fmt.Append(nil, "tag ", round, " ", who))
		commitment := sha256.Sum256(fmt.Append(nil, "commitment ", who, " ", n))
		tags = append(append(tags, tag[:]...), commitment[:]...)
	}
	return census.Merge(tags, nil)
}

// reportOf are the entries of a report.
func (g *reporter) reportOf(e *ledger.EpochOpened, tags []byte) (out []ledger.Body) {
	for part := range slices.Chunk(tags, 10*ledger.TagSize) {
		out = append(out, &ledger.CensusTags{Epoch: e.ID(), Part: uint32(len(out)), Tags: part})
	}
	log := g.author.Head().Origin
	log.Kind, log.Incarnation = ledger.DoorLog, ledger.Incarnation{1}
	return append(out, &ledger.Reported{
		Epoch: e.ID(), Node: g.id, Parts: uint32(len(out)), Count: uint64(len(tags) / ledger.TagSize), Root: must(census.NewList(tags)).Root(nil),
		Log: ledger.Source{Origin: log.String(), Size: 10}, Head: [32]byte{1},
	})
}

// held waits until a hub has acknowledged all that gateways wrote.
func held(t *testing.T, all []*reporter) {
	t.Helper()
	until(t, "a report is not held", func() bool { // who was killed has its share again at once
		for _, g := range all {
			head := g.author.Head()
			if !slices.ContainsFunc(must(g.store.Held(head.Origin)), func(h store.HeldBy) bool { return h.Role == ledger.RoleHold && h.Size == head.Size }) {
				return false
			}
		}
		return true
	})
}

// censuses are all EpochClosed of an epoch in any census ledger of a store.
func censuses(t *testing.T, s *store.Store, id ledger.EpochID) (closed []*ledger.EpochClosed) {
	t.Helper()
	for _, i := range must(s.Ledgers()) {
		if i.Origin.Kind != ledger.CensusLog {
			continue
		}
		n := int64(0)
		for e, err := range s.Entries(i, 0, i.Size) {
			if err != nil {
				t.Fatal(err)
			}
			_, body, err := e.Open(ledger.CensusLog, n)
			if err != nil {
				t.Fatal(err)
			}
			if c, ok := body.(*ledger.EpochClosed); ok && c.Epoch == id {
				closed = append(closed, c)
			}
			n++
		}
	}
	return closed
}

// isles is a community with a hub's folder, an evaluator and some nodes that report.
type isles struct {
	*world
	dir, broker string
	evaluator   ed25519.PrivateKey
	gateways    []*reporter
}

func newIsles(t *testing.T, nodes int) *isles {
	w := newWorld(t)
	i := &isles{world: w, dir: w.path("hub"), broker: free(t)}
	w.ok("init", "--data", i.dir, w.export())
	w.ok("evaluator", "init", "--data", w.path("evaluator"), w.export())
	w.name(i.dir, ledger.Hub)
	w.name(w.path("evaluator"), ledger.Evaluator)
	f := must(folder.Open(w.path("evaluator"), false))
	defer f.Close()
	i.evaluator = must(f.Key(folder.EvaluatorKey))
	var hub ledger.Author
	named := must(w.desk.Community()).Latest().Authors
	for _, a := range named {
		if a.Role == ledger.Hub {
			hub = a
		}
	}
	var all []*node
	for n := range nodes {
		one := w.node(fmt.Sprint("casa", n))
		all = append(all, one)
		write(t, w.desk, ledger.CommunityLog, &ledger.NodeRegistered{Node: one.id, Slug: fmt.Sprint("casa", n), Doors: 1, Floor: 50})
	}
	w.ok("admit", "--data", i.dir, w.export())
	for _, n := range all {
		w.ok("admit", "--data", i.dir, w.exportOf(n.desk, ledger.DirectoryLog))
		i.gateways = append(i.gateways, w.report(n, i.broker, hub, named...))
	}
	return i
}

// opens opens an epoch that is over in so long.
func (i *isles) opens(number uint64, over time.Duration) *ledger.EpochOpened {
	i.t.Helper()
	now := time.Now().Unix()
	closes := now + int64(over/time.Second)
	e := &ledger.EpochOpened{
		Number: number, Opens: closes - 3600, Closes: closes, Audit: closes + 86400*30, Key: must(census.NewKey(rand.Reader)).Public(), Evaluator: public(i.evaluator),
		Beacon: "block 1000", Sample: 10, Quota: 1000,
	}
	copy(e.Offer[:], ed25519.Sign(i.evaluator, e.OfferText(must(i.desk.CommunityID()))))
	write(i.t, i.desk, ledger.CommunityLog, e)
	return e
}

func free(t *testing.T) string {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	return l.Addr().String()
}

// closedAs waits until a hub's API says what an epoch was closed with.
func closedAs(t *testing.T, p *daemontest.Daemon, e *ledger.EpochOpened) (c hub.ClosedAnswer) {
	t.Helper()
	web := "http://" + p.After("http=")
	until(t, "the epoch is not closed", func() bool {
		time.Sleep(200 * time.Millisecond) // no more often than anybody may ask
		status, body := get(t, web+"/v1/epochs/"+e.ID().String())
		var a hub.EpochAnswer
		if status != 200 || json.Unmarshal([]byte(body), &a) != nil || a.Closed == nil {
			return false
		}
		if a.Wrong != "" || a.Reports.Faulty > 0 {
			t.Fatalf("%s", body)
		}
		c = *a.Closed
		return true
	})
	return c
}

// TestShared: two hubs share one PostgreSQL and the broker of one of them. Each is
// killed while reports arrive, and the database, too; then both close. No report is
// lost, none counts twice, there is one close, and its list is the reports'.
func TestShared(t *testing.T) {
	t.Parallel()
	server := pgtest.Own(t, pgtest.Config{})
	url := server.URL(t)
	w := newIsles(t, 6)
	e := w.opens(1, -time.Minute)
	w.ok("admit", "--data", w.dir, w.export())
	// The second machine has the hub's keys, and its ledgers in the database.
	w.ok("backup", "--data", w.dir, w.path("hub.backup"))
	second := w.path("second")
	w.ok("restore", "--data", second, w.path("hub.backup"))
	links := fmt.Sprintf("[links.hub]\nbroker = \"tls://%s\"\n", w.broker)
	if err := os.WriteFile(filepath.Join(second, "links.toml"), []byte(links), 0o600); err != nil {
		t.Fatal(err)
	}
	one := func(grace string) *daemontest.Daemon {
		return w.start("msg=ready", "run", "--data", w.dir, "--listen", w.broker, "--http", "127.0.0.1:0", "--database", url, "--grace", grace)
	}
	other := func(grace string) *daemontest.Daemon {
		return w.start("msg=ready", "run", "--data", second, "--http", "127.0.0.1:0", "--database", url, "--grace", grace)
	}
	a, b := one("-1s"), other("-1s")
	var all []byte
	for n, g := range w.gateways {
		g.write(t, &ledger.Occupancy{Zone: "hall", Sure: 30, Most: 30})
		tags := tagsOf(n, 1)
		all = append(all, tags...)
		report := g.reportOf(e, tags)
		g.write(t, report[:2]...)
		switch n {
		case 0: // when both have their share
			b.Says("share of the reports changed")
		case 1, 3:
			b.End(syscall.SIGKILL)
		case 2, 4:
			b = other("-1s")
		case 5:
			a.End(syscall.SIGKILL) // and the broker with it
			server.Kill()
		}
		g.write(t, report[2:]...)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	b.End(syscall.SIGKILL)
	a, b = one("-1s"), other("-1s")
	held(t, w.gateways)
	a.End(syscall.SIGTERM)
	b.End(syscall.SIGTERM)
	a, b = one("0s"), other("0s")
	want := must(census.NewList(census.Merge(all, nil)))
	for _, p := range []*daemontest.Daemon{a, b} {
		c := closedAs(t, p, e)
		if c.Root != want.Root(nil) || c.Reports != 6 || *c.Passports != uint64(want.Len()) || c.Nodes != 6 {
			t.Errorf("%+v", c)
		}
		resp, body := get(t, "http://"+p.After("http=")+"/v1/epochs/"+e.ID().String()+"/list")
		if list, err := census.NewList([]byte(body)); resp != 200 || err != nil || list.Root(nil) != want.Root(nil) {
			t.Errorf("its list: %d, %v", resp, err)
		}
	}
	until(t, "a gateway does not hear of the close", func() bool { return len(censuses(t, w.gateways[0].store, e.ID())) > 0 })
	a.End(syscall.SIGTERM)
	until(t, "a hub without a broker says that it is ready", func() bool {
		status, body := get(t, "http://"+b.After("http=")+"/readyz")
		return status == 503 && strings.Contains(body, "no link to a broker is up")
	})
	b.End(syscall.SIGTERM)
	for _, s := range []*store.Store{w.gateways[0].store, w.gateways[5].store} {
		if n := len(censuses(t, s, e.ID())); n > 1 {
			t.Errorf("it was closed %d times", n)
		}
	}
	verified := w.ok("backup", "--data", w.dir, "--database", url, w.path("after.backup"))
	w.ok("restore", "--data", w.path("after"), w.path("after.backup")) // verifies every ledger
	f := must(folder.Open(w.path("after"), false))
	defer f.Close()
	if n := len(censuses(t, f.Store(), e.ID())); n != 1 {
		t.Errorf("%s it was closed %d times", verified, n)
	}
	for _, g := range w.gateways {
		if i, err := f.Store().Ledger(g.author.Head().Origin); err != nil || i.Root != g.author.Head().Root {
			t.Errorf("a report ledger: %d entries, %v", i.Size, err)
		}
	}
	if strings.Contains(a.Log.String()+b.Log.String(), url) {
		t.Error("the database's URL is in the log")
	}
}

// TestBackupUnderLoad: a backup of a hub while reports arrive restores to a state that
// verifies; the hub that goes on from it takes back what it had closed since, and
// signs no second history.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	w := newIsles(t, 3)
	first := w.opens(1, -time.Minute)
	w.ok("admit", "--data", w.dir, w.export())
	run := func(dir string) *daemontest.Daemon {
		return w.start("msg=ready", "run", "--data", dir, "--listen", w.broker, "--http", "127.0.0.1:0", "--grace", "0s")
	}
	p := run(w.dir)
	var all []byte
	for n, g := range w.gateways {
		tags := tagsOf(n, 1)
		all = append(all, tags...)
		g.write(t, g.reportOf(first, tags)...)
	}
	var stop atomic.Bool
	stopped := make(chan int)
	go func() {
		n := 0
		for ; !stop.Load(); n++ {
			g := w.gateways[n%len(w.gateways)]
			if _, err := g.author.Append(store.Draft{Body: &ledger.Occupancy{Zone: "hall", Sure: 20 + uint32(n%100), Most: 200}, Time: time.Now()}); err != nil {
				t.Error(err)
			}
			g.peer.Appended()
		}
		stopped <- n
	}()
	until(t, "nothing arrives", func() bool {
		return !slices.ContainsFunc(w.gateways, func(g *reporter) bool { return len(must(g.store.Held(g.author.Head().Origin))) == 0 })
	})
	file := w.path("hub.backup")
	w.ok("backup", "--data", w.dir, file)
	closed := closedAs(t, p, first)
	stop.Store(true)
	wrote := <-stopped
	want := must(census.NewList(census.Merge(all, nil)))
	if closed.Root != want.Root(nil) || closed.Reports != 3 {
		t.Errorf("%+v", closed)
	}
	held(t, w.gateways)
	until(t, "a gateway does not hear of the close", func() bool {
		for _, g := range w.gateways {
			if len(censuses(t, g.store, first.ID())) != 1 {
				return false
			}
		}
		return true
	})
	p.End(syscall.SIGKILL)

	again := w.path("again")
	out := w.ok("restore", "--data", again, file)
	f := must(folder.Open(again, false))
	defer f.Close()
	some, behind := 0, false
	for _, g := range w.gateways {
		if i, err := f.Store().Ledger(g.author.Head().Origin); err == nil {
			some++
			behind = behind || i.Size < g.author.Head().Size
		}
	}
	if n := len(censuses(t, f.Store(), first.ID())); n != 0 || !behind || wrote == 0 {
		t.Fatalf("the backup was not taken under load: %s %d ledgers, %d closes, %d entries written", out, some, n, wrote)
	}
	second := w.opens(2, -30*time.Second)
	w.guard = w.path("guard") // it is another machine
	w.ok("admit", "--data", again, w.export())
	p = run(again)
	for n, g := range w.gateways {
		g.write(t, g.reportOf(second, tagsOf(n, 2))...)
	}
	if c := closedAs(t, p, first); c.Root != closed.Root || c.Ledger != closed.Ledger || c.Index != closed.Index {
		t.Errorf("%+v, and it was %+v", c, closed)
	}
	c := closedAs(t, p, second)
	if c.Ledger == closed.Ledger {
		t.Error("the census ledger goes on in the incarnation that the backup did not have whole")
	}
	held(t, w.gateways)
	for _, g := range w.gateways {
		until(t, "a gateway does not hear of the second close", func() bool { return len(censuses(t, g.store, second.ID())) == 1 })
		if n := len(censuses(t, g.store, first.ID())); n != 1 {
			t.Errorf("a gateway has %d closes of the first", n)
		}
		if forks := must(g.store.Forks()); len(forks) > 0 {
			t.Errorf("%d histories too many", len(forks))
		}
	}
	p.End(syscall.SIGTERM)
	if forks := must(f.Store().Forks()); len(forks) > 0 || bytes.Contains([]byte(p.Log.String()), []byte(hex.EncodeToString(w.evaluator))) {
		t.Errorf("%d histories too many", len(forks))
	}
}
