package link

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

func testKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("tombolo test key " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

func peerOf(name string) replica.Peer { return ledger.KeyIDOf(public(testKey(name))) }

var (
	testCommunity = ledger.CharterID(sha256.Sum256([]byte("a first charter")))
	testNode      = ledger.CharterID(sha256.Sum256([]byte("a first node charter")))
	inNode        = place{replica.Node, testNode}
)

const testTime = 1767225600 // 2026-01-01, Unix seconds

// log is a ledger of one author in memory.
type memLog struct {
	key     ed25519.PrivateKey
	origin  ledger.Origin
	tree    ledger.Tree
	entries []ledger.Entry
}

func newLog(author string, kind ledger.LogKind) *memLog {
	k := testKey(author)
	return &memLog{key: k, origin: ledger.Origin{
		Community: testCommunity, Kind: kind, Author: ledger.KeyIDOf(public(k)), Incarnation: ledger.Incarnation{1, 2, 3},
	}}
}

// failer is a testing.TB or a rapid.T.
type failer interface {
	Helper()
	Fatal(args ...any)
}

// append adds n entries with bodies of so many bytes and returns the new head,
// with them as its tail.
func (l *memLog) append(tb failer, n, body int) replica.Head {
	tb.Helper()
	from := int64(len(l.entries))
	for range n {
		i := int64(len(l.entries))
		e := ledger.Seal(i, 9999, false, ledger.Salt{byte(i), 1}, testTime*1000+i, bytes.Repeat([]byte{byte(i)}, body))
		l.entries = append(l.entries, e)
		l.tree.Append(e.Leaf, nil)
	}
	note, err := ledger.Sign(ledger.Checkpoint{Origin: l.origin, Size: int64(len(l.entries)), Root: l.tree.Root()}, l.key, testTime)
	if err != nil {
		tb.Fatal(err)
	}
	return replica.Head{Author: public(l.key), Note: note, From: from, Tail: l.entries[from:]}
}

// give is all that the ledger has, as one message.
func (l *memLog) give(h replica.Head, proof int) replica.Give {
	g := replica.Give{Author: h.Author, Note: h.Note, Entries: l.entries, Proof: []tlog.Hash{}}
	for i := range proof {
		g.Proof = append(g.Proof, tlog.Hash{byte(i)})
	}
	return g
}

// fork is evidence that an author signed two ledgers of one size.
func fork(tb testing.TB, author string) replica.Proof {
	tb.Helper()
	a, b := newLog(author, ledger.CommunityLog), newLog(author, ledger.CommunityLog)
	heads := [2]ledger.Head{}
	for i, note := range [][]byte{a.append(tb, 1, 10).Note, b.append(tb, 1, 11).Note} {
		var err error
		if heads[i], err = ledger.OpenHead(note, public(a.key)); err != nil {
			tb.Fatal(err)
		}
	}
	f, err := ledger.ProveFork(heads[0], heads[1], nil)
	if err != nil {
		tb.Fatal(err)
	}
	return replica.Proof{Evidence: f.Marshal()}
}

// charter is a first charter, and the id of its chain.
func charter(tb testing.TB, kind ledger.CharterKind) (replica.Charter, ledger.CharterID) {
	tb.Helper()
	k := testKey("a founder")
	c := ledger.Charter{Format: 1, Kind: kind, Slug: "aurora", Version: 1, Threshold: 1, Keys: [][32]byte{[32]byte(public(k))}}
	switch kind {
	case ledger.CommunityCharter:
		c.Authors = []ledger.Author{{Key: [32]byte(public(testKey("an issuer"))), Role: ledger.Issuer}}
		c.ChainID, c.Registry = 1337, [20]byte{1}
	case ledger.NodeCharter:
		c.Community = testCommunity
		c.Authors = []ledger.Author{{Key: [32]byte(public(testKey("a steward"))), Role: ledger.Steward}}
	}
	b, err := c.Marshal()
	if err != nil {
		tb.Fatal(err)
	}
	s := ledger.SignCharter(b, k)
	return replica.Charter{Signed: s.Marshal()}, ledger.CharterID(s.Hash())
}

// quick is how long things take in tests that wait for them.
var quick = timing{
	connect: 5 * time.Second, keepAlive: 30 * time.Second, silence: 42 * time.Second, write: 5 * time.Second,
	userTime: 5 * time.Second, goodbye: time.Second, backoff: [2]time.Duration{20 * time.Millisecond, 100 * time.Millisecond}, settled: time.Second,
	bear: 10 * time.Second,
}

func config(name, address string) Config {
	return Config{
		Name: name, ID: 1, Broker: address, Community: testCommunity, Node: testNode,
		Scopes: []replica.Scope{replica.All, replica.Node}, Self: peerOf(name), SelfName: strings.ReplaceAll(name, " ", "-"), Software: "tombolod test",
	}
}

// host is a link that runs, and what it told.
type host struct {
	*Link
	tb     testing.TB
	events chan Event
	stop   context.CancelFunc
	done   chan struct{}
}

func start(tb testing.TB, cfg Config, timing timing) *host {
	tb.Helper()
	if testing.Verbose() && os.Getenv("LINK_LOG") != "" {
		cfg.Log = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	events := make(chan Event)
	l, err := Open(cfg, events)
	if err != nil {
		tb.Fatal(err)
	}
	l.timing = timing
	ctx, cancel := context.WithCancel(context.Background())
	h := &host{Link: l, tb: tb, events: events, stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(h.done)
		if err := l.Run(ctx); err != nil {
			tb.Error(err)
		}
	}()
	tb.Cleanup(h.end)
	return h
}

func (h *host) end() { h.stop(); <-h.done }

const patience = 10 * time.Second

// next is the next event.
func (h *host) next() Event {
	h.tb.Helper()
	select {
	case e := <-h.events:
		return e
	case <-time.After(patience):
		h.tb.Fatalf("%s: nothing happened; %+v", h.cfg.Name, h.Stats())
		return nil
	}
}

// await is the next event of a type, for which ok holds; others are passed over.
func await[E Event](h *host, ok func(E) bool) E {
	h.tb.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e := <-h.events:
			if e, is := e.(E); is && (ok == nil || ok(e)) {
				return e
			}
		case <-deadline:
			var e E
			h.tb.Fatalf("%s: no %T came; %+v", h.cfg.Name, e, h.Stats())
			return e
		}
	}
}

func eventually(tb testing.TB, what string, ok func() bool) {
	tb.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			tb.Fatalf("never: %s", what)
		}
	}
}

// natsBroker is the broker that gateways embed.
func natsBroker(tb testing.TB) string {
	tb.Helper()
	s, err := server.NewServer(&server.Options{
		ServerName: "test", DontListen: true, NoSigs: true, NoLog: true, JetStream: true, StoreDir: tb.TempDir(), MaxPayload: 256 << 10,
		MQTT: server.MQTTOpts{Host: "127.0.0.1", Port: -1},
	})
	if err != nil {
		tb.Fatal(err)
	}
	go s.Start()
	tb.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(patience) {
		tb.Fatal("the broker is not ready")
	}
	return "tcp://" + mqttAddr(tb, s)
}

func mqttAddr(tb testing.TB, s *server.Server) string {
	v, err := s.Varz(nil)
	if err != nil {
		tb.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(v.MQTT.Port))
}

// mosquitto is Debian's broker, on an address of its own.
type mosquitto struct {
	tb     testing.TB
	port   string
	config string
	cmd    *exec.Cmd
}

func (m *mosquitto) address() string { return "tcp://127.0.0.1:" + m.port }

func newMosquitto(tb testing.TB, lines ...string) *mosquitto {
	tb.Helper()
	dir := tb.TempDir()
	_, port, _ := net.SplitHostPort(freeAddr(tb))
	m := &mosquitto{tb: tb, port: port, config: filepath.Join(dir, "mosquitto.conf")}
	text := fmt.Sprintf("listener %s 127.0.0.1\nallow_anonymous true\nuser root\nlog_dest none\n%s\n", port, strings.Join(lines, "\n"))
	if err := os.WriteFile(m.config, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	m.start()
	tb.Cleanup(m.kill)
	return m
}

func (m *mosquitto) start() {
	m.tb.Helper()
	path := "/usr/sbin/mosquitto"
	m.cmd = exec.Command(path, "-c", m.config)
	if err := m.cmd.Start(); err != nil {
		m.tb.Fatalf("%v; install it with make setup", err)
	}
	eventually(m.tb, "mosquitto listens", func() bool {
		c, err := net.Dial("tcp", "127.0.0.1:"+m.port)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
}

// kill is kill -9.
func (m *mosquitto) kill() {
	_ = m.cmd.Process.Kill()
	_ = m.cmd.Wait()
}

func freeAddr(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer l.Close()
	return netip.MustParseAddrPort(l.Addr().String()).String()
}
