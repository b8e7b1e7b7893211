package hub

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
	"tombolo/sync/store"
	"tombolo/sync/store/pg"
	"tombolo/sync/store/pgtest"
)

// childEnv makes the test's program a hub's process, see child_test.go.
const childEnv = "TOMBOLO_HUB_CHILD"

func TestMain(m *testing.M) {
	if config := os.Getenv(childEnv); config != "" {
		if err := child(config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code := m.Run()
	pgtest.Stop()
	os.Exit(code)
}

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("tombolo hub test " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func pub(name string) [32]byte { return [32]byte(testKey(name).Public().(ed25519.PublicKey)) }

func idOf(name string) ledger.KeyID {
	k := pub(name)
	return ledger.KeyIDOf(k[:])
}

// setting is a community of so many nodes, of one gateway each, that several
// processes can make again.
type setting struct {
	Nodes int
}

func gatewayName(n int) string { return fmt.Sprintf("gw%d", n) }

func (s setting) community() ledger.SignedCharter {
	c := ledger.Charter{Format: 1, Version: 1, Threshold: 1, Kind: ledger.CommunityCharter, Slug: "isle", ChainID: 1, Registry: [20]byte{1}, Keys: [][32]byte{pub("charter")}}
	for _, a := range []struct {
		role ledger.AuthorRole
		name string
	}{{ledger.Issuer, "issuer"}, {ledger.Hub, "hub"}, {ledger.HubHold, "hub-hold"}, {ledger.HubWitness, "hub-witness"}, {ledger.Evaluator, "evaluator"}} {
		c.Authors = append(c.Authors, ledger.Author{Role: a.role, Key: pub(a.name)})
	}
	slices.SortFunc(c.Authors, func(a, b ledger.Author) int {
		return bytes.Compare(a.Key[:], b.Key[:])
	})
	return ledger.SignCharter(must(c.Marshal()), testKey("charter"))
}

func (s setting) id() ledger.CharterID { return ledger.CharterID(s.community().Hash()) }

func (s setting) node(n int) ledger.CharterID {
	return sha256.Sum256(fmt.Append(nil, "node of ", gatewayName(n)))
}

func (s setting) chain() ledger.Charters {
	return must(ledger.CheckCharter(ledger.Charters{}, s.community()))
}

// rights are the hub's: gateway n reports for node n.
func (s setting) rights() (replica.Rights, error) {
	r := replica.Rights{Community: s.id(), Authors: map[ledger.KeyID]replica.Author{}}
	add := func(name string, charter ledger.CharterID, kinds ...ledger.LogKind) {
		key, hold, witness := pub(name), pub(name+"-hold"), pub(name+"-witness")
		a := replica.Author{Key: key[:], Kinds: kinds, Charter: map[ledger.LogKind]ledger.CharterID{}, Name: name, Hold: hold[:], Witness: witness[:]}
		for _, k := range kinds {
			a.Charter[k] = charter
		}
		r.Authors[idOf(name)] = a
	}
	add("issuer", s.id(), ledger.CommunityLog)
	add("hub", s.id(), ledger.CensusLog)
	for n := range s.Nodes {
		add(gatewayName(n), s.node(n), ledger.ReportLog)
	}
	return r, nil
}

// The epochs' times, such that one is just over now: gateways go by the real clock.
var (
	opensAt  = time.Now().Unix() - 3660
	closesAt = opensAt + 3600
	auditAt  = closesAt + 86400*60
)

// dialect opens an empty store, and another Store on the same database.
type dialect struct {
	name string
	make func(t testing.TB) string // its place
}

var dialects = []dialect{
	{"sqlite", func(t testing.TB) string { return filepath.Join(t.TempDir(), "ledgers.db") }},
	{"postgres", func(t testing.TB) string { return pgtest.StartWith(t, pgtest.Config{NoFsync: true}).URL(t) }},
}

func openPlace(place string) (*store.Store, error) {
	if strings.Contains(place, "://") {
		return pg.Open(context.Background(), place)
	}
	return store.Open(place)
}

// world is a hub and what is written to its store.
type world struct {
	setting
	t     testing.TB
	place string
	dir   string
	store *store.Store
	hub   *Hub
	mu    sync.Mutex
	at    time.Time // under mu: the hub's clock when it was began
	began time.Time
	log   *slog.Logger
	logs  *safeBuffer
	key   census.Key
}

func newWorld(t testing.TB, d dialect, nodes int) *world {
	t.Helper()
	w := &world{setting: setting{nodes}, t: t, place: d.make(t), dir: t.TempDir(), at: time.Unix(closesAt+60, 0), began: time.Now(), logs: &safeBuffer{}}
	w.log = slog.New(slog.NewTextHandler(w.logs, nil))
	w.store = must(openPlace(w.place))
	t.Cleanup(func() { w.store.Close() })
	_, _, err := w.store.AddCharter(w.community())
	w.ok(err)
	w.key = must(census.NewKey(rand.Reader))
	w.hub = must(New(w.config(w.store)))
	return w
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.at.Add(time.Since(w.began))
}

func (w *world) config(s *store.Store) Config {
	return Config{
		Store: s, Dir: w.dir, Author: testKey("hub"), Hold: testKey("hub-hold"), Witness: testKey("hub-witness"), Guard: w.guard("hub"),
		Community: func() (ledger.Charters, error) { return w.chain(), nil }, Rights: w.rights, Lease: 2 * time.Second, Now: w.now, Log: w.log, Software: "test", Grace: -1,
	}
}

func (w *world) guard(name string) store.Guard {
	return store.Guard{Dir: filepath.Join(w.dir, "guard-"+name), Boot: "boot"}
}

// author writes somebody's ledger into a store.
func (w *world) author(s *store.Store, name string, kind ledger.LogKind, charter ledger.CharterID) *store.Author {
	w.t.Helper()
	a, err := s.OpenAuthor(store.AuthorConfig{
		Key: testKey(name), Community: w.id(), Kind: kind, Charter: charter, Guard: w.guard(name), Now: time.Now, Rand: rand.Reader,
	})
	w.ok(err)
	return a
}

func (w *world) reporter(n int) *store.Author {
	return w.author(w.store, gatewayName(n), ledger.ReportLog, w.node(n))
}

func (w *world) issuer() *store.Author {
	return w.author(w.store, "issuer", ledger.CommunityLog, w.id())
}

func (w *world) append(a *store.Author, bodies ...ledger.Body) {
	w.t.Helper()
	var drafts []store.Draft
	for _, b := range bodies {
		drafts = append(drafts, store.Draft{Body: b, Time: w.now()})
	}
	_, err := a.Append(drafts...)
	w.ok(err)
}

// epoch is a body that counts.
func (w *world) epoch(number uint64, auditors ...ledger.Auditor) *ledger.EpochOpened {
	e := &ledger.EpochOpened{
		Number: number, Opens: opensAt, Closes: closesAt, Audit: auditAt, Key: w.key.Public(), Evaluator: pub("evaluator"), Beacon: "block 1000 of chain 1",
		Sample: 10, Quota: 1 << 24, Auditors: auditors,
	}
	copy(e.Offer[:], signOffer(w, e))
	return e
}

func signOffer(w *world, e *ledger.EpochOpened) []byte {
	return ed25519.Sign(testKey("evaluator"), e.OfferText(w.id()))
}

// opened opens an epoch, and registers the nodes.
func (w *world) opened(auditors ...ledger.Auditor) *ledger.EpochOpened {
	w.t.Helper()
	e := w.epoch(1, auditors...)
	bodies := []ledger.Body{e}
	for n := range w.Nodes {
		bodies = append(bodies, &ledger.NodeRegistered{Node: w.node(n), Slug: "node-" + gatewayName(n), Doors: 2, Floor: 100})
	}
	w.append(w.issuer(), bodies...)
	return e
}

// line is the tag of somebody, and a commitment of a node's.
func line(who, node int) []byte {
	tag := sha256.Sum256(binary.BigEndian.AppendUint64([]byte("tag"), uint64(who)))
	commitment := sha256.Sum256(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, uint64(who)), uint64(node)))
	return append(tag[:], commitment[:]...)
}

// lines are those of from until before to, as a node reports them.
func lines(from, to, node int) []byte {
	var out []byte
	for who := from; who < to; who++ {
		out = append(out, line(who, node)...)
	}
	return census.Merge(out, nil)
}

// reportOf are the entries of a whole report, of parts of so many tags.
func (w *world) reportOf(n int, e ledger.EpochID, tags []byte, width int) (out []ledger.Body) {
	for part := range slices.Chunk(tags, width*ledger.TagSize) {
		out = append(out, &ledger.CensusTags{Epoch: e, Part: uint32(len(out)), Tags: part})
	}
	log := ledger.Origin{Community: w.id(), Kind: ledger.DoorLog, Author: idOf(gatewayName(n)), Incarnation: ledger.Incarnation{1}}
	return append(out, &ledger.Reported{
		Epoch: e, Node: w.node(n), Parts: uint32(len(out)), Count: uint64(len(tags) / ledger.TagSize), Root: must(census.NewList(tags)).Root(nil),
		Log: ledger.Source{Origin: log.String(), Size: 10}, Head: [32]byte{1},
	})
}

// everyday is an entry that no close looks at.
func everyday(zone string, sure, most uint32) ledger.Body {
	return &ledger.Occupancy{Zone: zone, Sure: sure, Most: most}
}

// closeIt closes an epoch, and checks its list as an auditor would.
func (w *world) closeIt(e *ledger.EpochOpened) (ledger.EpochClosed, *census.List) {
	w.t.Helper()
	closed, err := w.hub.Close(context.Background(), e.ID(), nil)
	w.ok(err)
	b, err := os.ReadFile(w.hub.lists.path(e.ID(), listFile))
	w.ok(err)
	l, err := census.NewList(b)
	w.ok(err)
	if l.Root(nil) != closed.Root || !closed.Withheld && uint64(l.Len()) != closed.Size {
		w.t.Fatalf("the list has %d tags and root %x; it was closed with %+v", l.Len(), l.Root(nil), closed)
	}
	covers, err := os.ReadFile(w.hub.lists.path(e.ID(), coversFile))
	w.ok(err)
	if sha256.Sum256(covers) != closed.Covers {
		w.t.Fatal("the covers' file has another hash")
	}
	return closed, l
}

// closedTwice counts the EpochClosed entries of an epoch in a store.
func (w *world) closedEntries(id ledger.EpochID) (n int) {
	w.t.Helper()
	v, err := w.hub.freshView(nil)
	w.ok(err)
	if e := v.byID[id]; e != nil {
		n = len(e.Closed)
	}
	return n
}

func eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	var err error
	for begun := time.Now(); time.Since(begun) < within; time.Sleep(5 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("not within %v: %v", within, err)
}

type safeBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
