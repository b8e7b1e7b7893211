package gateway

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/wiring"
	"tombolo/hw/sim"
	"tombolo/sync/broker"
	"tombolo/sync/census"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// wiretap is a wire between the gateways and the hub's broker that keeps all that goes
// to the hub: it has the hub's certificate for the one side, and each gateway's key
// for the other.
type wiretap struct {
	i    *islet
	l    net.Listener
	to   string
	cert tls.Certificate
	own  map[[32]byte]tls.Certificate // by TLS key
	mu   sync.Mutex
	sent bytes.Buffer // under mu
}

func (w *wiretap) serve() {
	for {
		conn, err := w.l.Accept()
		if err != nil {
			return
		}
		go w.carry(tls.Server(conn, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{w.cert}, ClientAuth: tls.RequireAnyClientCert}))
	}
}

func (w *wiretap) carry(gateway *tls.Conn) {
	defer gateway.Close()
	if gateway.Handshake() != nil {
		return
	}
	key, err := enroll.KeyOf(gateway.ConnectionState())
	if err != nil {
		return
	}
	hub, err := tls.Dial("tcp", w.to, &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, Certificates: []tls.Certificate{w.own[key]}})
	if err != nil {
		return
	}
	defer hub.Close()
	go io.Copy(gateway, hub)
	io.Copy(io.MultiWriter(hub, w), gateway)
}

func (w *wiretap) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent.Write(b)
}

// realm is an islet with real gateways, a node's broker and a hub's, a hub and an
// evaluator.
type realm struct {
	*islet
	wire    *wiretap
	node    string // where the node's broker listens
	wirings map[*keeper]*wiring.Wiring
	boards  map[*keeper]*sim.Board
	running map[*keeper]*Gateway
	stop    map[*keeper]func()
}

const realmWiring = `data = "."
%s
[links.hub]
broker = "tls://%s"
[sim]
socket = "sim.sock"
[census]
grace = "1s"
patience = "2s"
[doors.%s]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
[[doors.%s.readers]]
kind = "sim"
`

func newRealm(t *testing.T, people int) *realm {
	r := &realm{islet: newIsletAt(t, people, "", time.Now()), wirings: map[*keeper]*wiring.Wiring{}, boards: map[*keeper]*sim.Board{}, running: map[*keeper]*Gateway{}, stop: map[*keeper]func(){}}
	r.islet.opened = &ledger.EpochOpened{}
	own := map[[32]byte]tls.Certificate{}
	peers := map[[32]byte]ledger.KeyID{}
	for _, k := range r.gws {
		key := yes(k.folder.Key(folder.TLSKey))
		own[public(key)] = yes(enroll.SelfSigned(key, k.name))
		peers[public(key)] = k.id()
	}
	hub := yes(enroll.DeskCertificate(r.hub, time.Now()))
	b := yes(broker.Open(broker.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", Community: r.community.String(), Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Certificate: func() (*tls.Certificate, error) { return &hub, nil },
		Identify: func(cs tls.ConnectionState) (broker.Identity, error) {
			if key, err := enroll.KeyOf(cs); err == nil {
				id, ok := peers[key]
				if !ok {
					return broker.Identity{}, errors.New("a stranger")
				}
				return broker.Identity{Peer: id.String()}, nil
			}
			author, err := enroll.DeskOf(cs, time.Now())
			isHub := author == public(r.hub)
			return broker.Identity{Peer: ledger.KeyIDOf(author[:]).String(), Observer: isHub, Server: isHub}, err
		},
	}))
	t.Cleanup(func() { b.Close() })
	w := &wiretap{i: r.islet, l: yes(net.Listen("tcp", "127.0.0.1:0")), to: b.Addr().String(), cert: hub, own: own}
	t.Cleanup(func() { w.l.Close() })
	go w.serve()
	r.wire = w
	r.serve(r.hub, r.hubStore, b.Addr().String(), true, nil)
	evaluator := yes(store.Open(filepath.Join(t.TempDir(), "evaluator.db")))
	t.Cleanup(func() { evaluator.Close() })
	var mu sync.Mutex
	r.serve(r.evaluator, evaluator, b.Addr().String(), false, func(_ context.Context, from replica.Peer, body []byte) []byte {
		mu.Lock()
		defer mu.Unlock()
		r.now = time.Now()
		by, ask, err := census.OpenAsk(r.community, public(r.evaluator), body)
		if err != nil || by != from {
			t.Errorf("an ask from %v, signed by %v: %v", from, by, err)
			return nil
		}
		return r.asked(ask)
	})
	l := yes(net.Listen("tcp", "127.0.0.1:0"))
	r.node = l.Addr().String()
	l.Close()
	for _, k := range r.gws {
		k.close()
		network := fmt.Sprintf("[links.node]\nbroker = \"tls://%s\"\nown = true", r.node)
		if k.name == "gw1" {
			network = fmt.Sprintf("[broker]\nlisten = %q\n[links.node]\nbroker = \"own\"\nown = true", r.node)
		}
		text := fmt.Sprintf(realmWiring, network, w.l.Addr(), k.door, k.door)
		r.wirings[k] = yes(wiring.Parse(filepath.Join(k.dir, "gateway.toml"), []byte(text)))
		r.boards[k] = sim.New(sim.Config{Relays: []string{k.door + "/relay"}, Inputs: []string{k.door + "/contact"}, Readers: []sim.Mount{{Door: k.door}}})
		r.run(k)
	}
	return r
}

// serve runs the hub or the evaluator.
func (r *realm) serve(key ed25519.PrivateKey, s *store.Store, at string, hub bool, answer func(context.Context, replica.Peer, []byte) []byte) {
	_, signed := yes(r.desk.Community()).Version(1)
	if _, _, err := s.AddCharter(signed); err != nil {
		r.t.Fatal(err)
	}
	rights := replica.Rights{Community: r.community, Authors: map[ledger.KeyID]replica.Author{}}
	for _, k := range r.gws {
		pub := yes(k.folder.Public(folder.SigningKey))
		a := replica.Author{Key: pub[:], Name: k.name}
		if hub {
			a.Kinds, a.Charter = []ledger.LogKind{ledger.ReportLog}, map[ledger.LogKind]ledger.CharterID{ledger.ReportLog: r.islet.node}
		}
		rights.Authors[k.id()] = a
	}
	own := yes(enroll.DeskCertificate(key, time.Now()))
	node := yes(peer.New(peer.Config{
		Store: s, Self: ledger.KeyIDOf(key.Public().(ed25519.PublicKey)), Hold: map[bool]ed25519.PrivateKey{true: r.hold}[hub],
		Rights: func() (replica.Rights, error) { return rights, nil }, Observer: hub, Server: hub, Answer: answer,
		Log: slog.New(slog.NewTextHandler(io.Discard, nil)),
		Links: []link.Config{{
			Name: "hub", Broker: "tls://" + at, Community: r.community, Scopes: []replica.Scope{replica.All}, SelfName: "service", Software: "test",
			TLS: &tls.Config{MinVersion: tls.VersionTLS13, InsecureSkipVerify: true, Certificates: []tls.Certificate{own}},
		}},
	}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- node.Run(ctx) }()
	r.t.Cleanup(func() { cancel(); <-done })
}

func (r *realm) run(k *keeper) {
	r.t.Helper()
	g := yes(Open(Config{Wiring: r.wirings[k], Board: r.boards[k], Software: "test", Log: slog.New(slog.NewTextHandler(io.Discard, nil))}))
	g.censusTime = 100 * time.Millisecond
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			r.t.Errorf("%s: %v", k.name, err)
		}
	})
	r.t.Cleanup(stop)
	<-g.Ready()
	r.running[k], r.stop[k] = g, stop
}

func (r *realm) eventually(what string, within time.Duration, check func() bool) {
	r.t.Helper()
	for end := time.Now().Add(within); !check(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("not within %v: %s", within, what)
		}
	}
}

// enters taps and goes in.
func (r *realm) enters(k *keeper, g *guest) {
	r.t.Helper()
	k.seq++
	c := r.running[k].Controller.Challenge(k.door, [32]byte{byte(k.seq), k.door[2], 0xEE})
	if err := r.running[k].Controller.Tap(context.Background(), k.door, false, c, g.key.Key(), yes(g.key.Sign(c.Sum()))); err != nil {
		r.t.Fatal(err)
	}
	for _, open := range []bool{true, false} {
		if err := r.boards[k].SetInput(k.door+"/contact", open); err != nil {
			r.t.Fatal(err)
		}
		time.Sleep(40 * time.Millisecond) // twice what a contact may bounce
	}
}

// TestCensusOfRealPeers: two gateways that run, 25 people who tap, an evaluator and
// a hub over brokers; the gateway whose turn it is dies, and the other reports for
// the node. What left the gateways for the hub is looked at byte by byte.
func TestCensusOfRealPeers(t *testing.T) {
	t.Parallel()
	r := newRealm(t, 25)
	first, second := r.gws[0], r.gws[1]
	var taps sync.WaitGroup
	for n, k := range r.gws {
		taps.Go(func() {
			for m, g := range r.people {
				if m%2 == n || m%5 == 0 {
					r.enters(k, g)
				}
			}
		})
	}
	taps.Wait()
	// What each wrote reaches the other.
	r.eventually("all is replicated", 20*time.Second, func() bool {
		for _, k := range r.gws {
			for _, l := range r.running[k].StatusNow().Ledgers {
				if l.Kind == string(ledger.DoorLog) && l.Behind > 0 || r.running[k].journal.Waiting() > 0 {
					return false
				}
			}
			for _, other := range r.gws {
				held, err := r.running[other].folder.Store().Ledger(r.running[k].Head().Origin)
				if err != nil || held.Size < r.running[k].Head().Size {
					return false
				}
			}
		}
		return true
	})
	r.now = time.Now()
	opened := &ledger.EpochOpened{
		Number: 1, Opens: r.now.Add(-time.Hour).Unix(), Closes: r.now.Unix() + 2, Audit: r.now.Add(time.Hour).Unix(),
		Key: r.key.Public(), Evaluator: public(r.evaluator), Beacon: "a block", Sample: 5, Quota: 1000,
	}
	copy(opened.Offer[:], ed25519.Sign(r.evaluator, opened.OfferText(r.community)))
	r.opened = opened
	r.write(ledger.CommunityLog, opened)
	var bundle bytes.Buffer
	if _, err := r.desk.Export(&bundle, []ledger.LogKind{ledger.CommunityLog}, nil); err != nil {
		t.Fatal(err)
	}
	r.stop[first]()
	for _, k := range r.gws {
		f := yes(folder.Open(k.dir, false))
		if report, err := f.Import(bytes.NewReader(bundle.Bytes()), nil, nil); err != nil || report.Refused() {
			t.Fatalf("%+v, %v", report, err)
		}
		f.Close()
	}
	var status CensusStatus
	r.eventually("the second gateway reports", 30*time.Second, func() bool {
		var err error
		status, err = AskCensus(context.Background(), second.dir)
		return err == nil && len(status.Epochs) == 1 && status.Epochs[0].State == "reported"
	})
	// The first comes back, hears what was reported, and stands back.
	r.run(first)
	id := second.id()
	r.eventually("the hub has the report", 20*time.Second, func() bool {
		logs, _ := ownLedgers(r.hubStore, ledger.ReportLog, id)
		return len(logs) == 1 && logs[0].Size >= 3
	})
	time.Sleep(time.Second)
	if logs, _ := ownLedgers(r.hubStore, ledger.ReportLog, first.id()); len(logs) != 0 {
		t.Error("the first reports as well")
	}
	// What the hub holds is the report of all 25, and nothing else.
	log := yes(ownLedgers(r.hubStore, ledger.ReportLog, id))[0]
	var tags []byte
	var report *ledger.Reported
	for index, e := range entriesOf(r.hubStore, log) {
		_, b, err := e.Open(ledger.ReportLog, int64(index))
		if err != nil {
			t.Fatal(err)
		}
		switch b := b.(type) {
		case *ledger.CensusTags:
			tags = append(tags, b.Tags...)
		case *ledger.Reported:
			report = b
		case *ledger.Begin:
		default:
			t.Errorf("the hub is told %v", b.Kind())
		}
	}
	r.holds(tags, report, r.people...)
	receipt(t, r, second)
	r.silent(tags)
}

// receipt: a resident's receipt comes over the control socket, acknowledged by the hub.
func receipt(t *testing.T, r *realm, k *keeper) {
	t.Helper()
	var got census.Receipt
	r.eventually("a receipt that the hub acknowledged", 20*time.Second, func() bool {
		b, err := AskReceipt(context.Background(), k.dir, r.people[4].passport, "", false)
		if err != nil {
			t.Fatal(err)
		}
		got = yes(census.ParseReceipt(b))
		rules := yes(r.running[k].census.Load().rules(yes(r.running[k].folder.Epochs())[0]))
		if err := got.Verify(rules); err != nil {
			t.Fatal(err)
		}
		held, err := got.Held(rules)
		return err == nil && held > 0
	})
	if _, err := AskReceipt(context.Background(), k.dir, 9999, "", false); !errors.Is(err, ErrDaemon) {
		t.Errorf("a receipt of nobody: %v", err)
	}
}

// silent checks the bytes that left the gateways for the hub: nothing of a door log
// is in them, nor any evidence.
func (r *realm) silent(tags []byte) {
	r.t.Helper()
	r.wire.mu.Lock()
	sent := bytes.Clone(r.wire.sent.Bytes())
	r.wire.mu.Unlock()
	if !bytes.Contains(sent, tags[:32]) || len(sent) < 10_000 {
		r.t.Fatalf("%d bytes, and the report is not among them: nothing is tested", len(sent))
	}
	looked := 0
	for _, k := range r.gws {
		s := r.running[k].folder.Store()
		for _, l := range yes(DoorLogs(s, k.id())) {
			if bytes.Contains(sent, []byte(l.Origin.String())) && bytes.Contains(sent, l.Note) {
				r.t.Error("a door log's head left the node")
			}
			for index, e := range entriesOf(s, l) {
				_, b, err := e.Open(ledger.DoorLog, int64(index))
				if err != nil {
					r.t.Fatal(err)
				}
				// All ledgers of a gateway begin alike.
				if bytes.Contains(sent, e.Salt[:]) || len(e.Body) > 12 && b.Kind() != ledger.KindBegin && bytes.Contains(sent, e.Body) || bytes.Contains(sent, e.Leaf) {
					r.t.Errorf("entry %d of a door log, %v, left the node", index, b.Kind())
				}
				switch b := b.(type) {
				case *ledger.Decision:
					looked++
					if bytes.Contains(sent, b.Presentation[1:33]) || bytes.Contains(sent, b.Presentation[len(b.Presentation)-64:]) {
						r.t.Error("a presentation left the node")
					}
				case *ledger.Attendance:
					looked++
					if bytes.Contains(sent, b.Place[:]) || bytes.Contains(sent, b.Time[:]) || bytes.Contains(sent, b.Seen[:]) || bytes.Contains(sent, b.Signature[:]) {
						r.t.Error("an attendance left the node")
					}
				}
			}
		}
		if bytes.Contains(sent, []byte(k.door)) {
			r.t.Errorf("the door %s is named", k.door)
		}
	}
	for _, k := range r.gws {
		for _, p := range yes(r.running[k].census.Load().db.presences(r.opened.ID(), "1")) {
			looked++
			for what, text := range map[string][]byte{"blind": p.blind[:], "secret": p.secret[:], "evaluation": p.evaluation.Proof[:], "leaf": p.leaf[:]} {
				if !bytes.Equal(text, make([]byte, len(text))) && bytes.Contains(sent, text) {
					r.t.Errorf("a %s left the gateway", what)
				}
			}
		}
	}
	if looked < 75 {
		r.t.Errorf("only %d secrets were looked for", looked)
	}
	if _, err := os.Stat(filepath.Join(r.gws[1].dir, CensusFile)); err != nil {
		r.t.Error(err)
	}
}
