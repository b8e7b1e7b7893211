package peer_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"tombolo/sync/broker"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("tombolo peer test " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(name string) [32]byte { return [32]byte(testKey(name).Public().(ed25519.PublicKey)) }

func idOf(name string) replica.Peer {
	k := public(name)
	return ledger.KeyIDOf(k[:])
}

// isle is a community with one node, of an issuer, a steward and gateways, and
// the broker between them.
type isle struct {
	t         *testing.T
	community ledger.SignedCharter
	node      ledger.SignedCharter
	gateways  []string
	dir       string // the broker's
	listen    string
	broker    *broker.Broker

	mu       sync.Mutex
	password string // under mu: the broker's
}

var gatewayNames = []string{"gw1", "gw2", "gw3"}

func newIsle(t *testing.T) *isle {
	i := &isle{t: t, gateways: gatewayNames, dir: t.TempDir(), listen: "127.0.0.1:0"}
	charter := func(c ledger.Charter, role ledger.AuthorRole, author string) ledger.SignedCharter {
		c.Format, c.Version, c.Threshold = 1, 1, 1
		c.Keys = [][32]byte{public("charter")}
		c.Authors = []ledger.Author{{Role: role, Key: public(author)}}
		return ledger.SignCharter(must(c.Marshal()), testKey("charter"))
	}
	i.community = charter(ledger.Charter{Kind: ledger.CommunityCharter, Slug: "isle", ChainID: 1, Registry: [20]byte{1}}, ledger.Issuer, "issuer")
	i.node = charter(ledger.Charter{Kind: ledger.NodeCharter, Slug: "casa", Community: ledger.CharterID(i.community.Hash())}, ledger.Steward, "steward")
	i.open()
	t.Cleanup(func() { i.broker.Close() })
	return i
}

func (i *isle) communityID() ledger.CharterID { return ledger.CharterID(i.community.Hash()) }
func (i *isle) nodeID() ledger.CharterID      { return ledger.CharterID(i.node.Hash()) }

// open opens the broker, always at the same place.
func (i *isle) open() {
	i.t.Helper()
	var err error
	i.broker, err = broker.Open(broker.Config{
		Dir: i.dir, Plain: i.listen, Community: i.communityID().String(), Log: slog.New(slog.DiscardHandler),
		PlainIdentity: func(name string) (broker.Identity, error) {
			for _, n := range []string{"hub", "evaluator"} {
				if idOf(n).String() == name {
					return broker.Identity{Peer: name, Observer: n == "hub", Server: n == "hub"}, nil
				}
			}
			for _, n := range append([]string{"issuer", "steward"}, i.gateways...) {
				if idOf(n).String() == name {
					return broker.Identity{Peer: name, Nodes: []string{i.nodeID().String()}, Observer: n == "issuer" || n == "steward"}, nil
				}
			}
			return broker.Identity{}, os.ErrNotExist
		},
	})
	if err != nil {
		i.t.Fatal(err)
	}
	i.listen = i.broker.PlainAddr().String()
	i.mu.Lock()
	defer i.mu.Unlock()
	i.password = i.broker.Password()
}

func (i *isle) login(name string) (string, string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return idOf(name).String(), i.password
}

func (i *isle) rights() replica.Rights {
	r := replica.Rights{Community: i.communityID(), Node: i.nodeID(), Authors: map[ledger.KeyID]replica.Author{}}
	add := func(name string, charter ledger.CharterID, kinds ...ledger.LogKind) {
		key := public(name)
		a := replica.Author{Key: key[:], Kinds: kinds, Charter: map[ledger.LogKind]ledger.CharterID{}, Name: name}
		for _, k := range kinds {
			a.Charter[k] = charter
		}
		hold, witness := public(name+" hold"), public(name+" witness")
		a.Hold, a.Witness = hold[:], witness[:]
		r.Authors[idOf(name)] = a
	}
	add("issuer", i.communityID(), ledger.CommunityLog)
	add("steward", i.nodeID(), ledger.NodeLog, ledger.DirectoryLog)
	for _, g := range i.gateways {
		add(g, i.nodeID(), ledger.DoorLog)
	}
	add("hub", i.communityID(), ledger.CensusLog)
	add("evaluator", i.communityID())
	return r
}

// reporting are the rights of the hub, or of a gateway as to itself: these may
// report.
func (i *isle) reporting(gateways ...string) replica.Rights {
	r := i.rights()
	for _, g := range gateways {
		a := r.Authors[idOf(g)]
		a.Kinds = append(slices.Clone(a.Kinds), ledger.ReportLog)
		a.Charter = maps.Clone(a.Charter)
		a.Charter[ledger.ReportLog] = i.nodeID()
		r.Authors[idOf(g)] = a
	}
	return r
}

// participant is one of the isle's, with its folder.
type participant struct {
	isle  *isle
	name  string
	dir   string
	also  func(*peer.Config) // nil: nothing is otherwise
	store *store.Store
	node  *peer.Node
	log   safeBuffer

	mu      sync.Mutex
	stored  int // under mu
	present chan struct{}
	stop    func()
}

func (i *isle) participant(name string) *participant {
	i.t.Helper()
	p := &participant{isle: i, name: name, dir: i.t.TempDir(), present: make(chan struct{}, 1), stop: func() {}}
	p.store = must(store.Open(filepath.Join(p.dir, "ledgers.db")))
	i.t.Cleanup(func() { p.stop(); p.store.Close() })
	for _, c := range []ledger.SignedCharter{i.community, i.node} {
		must(p.add(c))
	}
	return p
}

func (p *participant) add(c ledger.SignedCharter) (ledger.CharterID, error) {
	id, _, err := p.store.AddCharter(c)
	return id, err
}

// run takes part until stop.
func (p *participant) run() *participant {
	p.isle.t.Helper()
	cfg := peer.Config{
		Store: p.store, Self: idOf(p.name), Hold: testKey(p.name + " hold"), Witness: testKey(p.name + " witness"),
		Rights:   func() (replica.Rights, error) { return p.isle.rights(), nil },
		Observer: p.name == "steward" || p.name == "issuer",
		Log:      slog.New(slog.NewTextHandler(&p.log, nil)),
		Stored:   func() { p.mu.Lock(); p.stored++; p.mu.Unlock() },
		Present: func() {
			select {
			case p.present <- struct{}{}:
			default:
			}
		},
		Links: []link.Config{{
			Name: "node", Broker: "tcp://" + p.isle.listen, Community: p.isle.communityID(), Node: p.isle.nodeID(),
			Scopes: []replica.Scope{replica.All, replica.Node}, SelfName: p.name, Software: "test",
			Login: func() (string, string) { return p.isle.login(p.name) },
		}},
	}
	if p.also != nil {
		p.also(&cfg)
	}
	p.node = must(peer.New(cfg))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.node.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			p.isle.t.Errorf("%s: Run: %v", p.name, err)
		}
	})
	return p
}

func (p *participant) author(kind ledger.LogKind) *store.Author {
	charter := p.isle.nodeID()
	if kind == ledger.CommunityLog || kind == ledger.CensusLog {
		charter = p.isle.communityID()
	}
	return must(p.store.OpenAuthor(store.AuthorConfig{
		Key: testKey(p.name), Community: p.isle.communityID(), Kind: kind, Charter: charter,
		Guard: store.Guard{Dir: filepath.Join(p.dir, "guard"), Boot: "boot"}, Now: time.Now, Rand: rand.Reader,
	}))
}

// admits are n drafts for the community's ledger.
func admits(first, n int) (out []store.Draft) {
	for i := range n {
		out = append(out, store.Draft{Body: &ledger.Admit{Passport: uint64(first + i), Owner: [20]byte{1}, Class: "resident", NotAfter: 1 << 40}, Time: time.Now()})
	}
	return out
}

func (p *participant) append(a *store.Author, drafts ...store.Draft) {
	p.isle.t.Helper()
	if _, err := a.Append(drafts...); err != nil {
		p.isle.t.Fatal(err)
	}
	if p.node != nil {
		p.node.Appended()
	}
}

// size is how much of a ledger is held whole.
func (p *participant) size(o ledger.Origin) int64 {
	i, err := p.store.Ledger(o)
	if err != nil {
		return 0
	}
	return i.Size
}

// await waits until a participant holds so much of a ledger.
func (p *participant) await(o ledger.Origin, size int64, within time.Duration) {
	p.isle.t.Helper()
	eventually(p.isle.t, within, func() error {
		if have := p.size(o); have != size {
			text, err := json.Marshal(p.node.Status())
			return errors.Join(err, fmt.Errorf("%s holds %d of %d entries of %v\n%s\nits log says\n%s", p.name, have, size, o, text, p.log.String()))
		}
		return nil
	})
}

func eventually(t *testing.T, within time.Duration, check func() error) {
	t.Helper()
	var err error
	for begun := time.Now(); time.Since(begun) < within; time.Sleep(2 * time.Millisecond) {
		if err = check(); err == nil {
			return
		}
	}
	t.Fatalf("not within %v: %v", within, err)
}

// up waits until a participant's link is up.
func (p *participant) up() *participant {
	p.isle.t.Helper()
	eventually(p.isle.t, 10*time.Second, func() error {
		for _, l := range p.node.Status().Links {
			if l.Up {
				return nil
			}
		}
		return fmt.Errorf("%s: its link is down: %+v", p.name, p.node.Status().Links)
	})
	return p
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
