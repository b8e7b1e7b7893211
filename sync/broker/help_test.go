package broker_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"tombolo/sync/broker"
)

const patience = 10 * time.Second

var (
	community = strings.Repeat("c0", 32)
	node1     = strings.Repeat("01", 32)
	node2     = strings.Repeat("02", 32)
	alice     = strings.Repeat("a1", 16)
	bob       = strings.Repeat("b2", 16)
	carol     = strings.Repeat("c3", 16)
	desk      = strings.Repeat("de", 16)
	hub       = strings.Repeat("5e", 16)
)

func topic(place string, levels ...string) string {
	return "tombolo/v1/" + community + "/" + place + "/" + strings.Join(levels, "/")
}

// selfSigned is a certificate as a gateway makes it for itself.
func selfSigned(t testing.TB, name string) tls.Certificate {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// house knows its peers by their certificates, as the ledger will.
type house struct {
	mu    sync.Mutex
	known map[string]broker.Identity // by the certificate's bytes
	certs map[string]tls.Certificate
}

var errStranger = errors.New("no gateway of this node has this certificate")

func (h *house) enrol(t testing.TB, i broker.Identity) {
	t.Helper()
	c := selfSigned(t, "anything")
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.known == nil {
		h.known, h.certs = map[string]broker.Identity{}, map[string]tls.Certificate{}
	}
	h.known[string(c.Leaf.Raw)] = i
	h.certs[i.Peer] = c
}

func (h *house) set(i broker.Identity, known bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if raw := string(h.certs[i.Peer].Leaf.Raw); known {
		h.known[raw] = i
	} else {
		delete(h.known, raw)
	}
}

func (h *house) identify(s tls.ConnectionState) (broker.Identity, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	i, ok := h.known[string(s.PeerCertificates[0].Raw)]
	if !ok {
		return broker.Identity{}, errStranger
	}
	return i, nil
}

func (h *house) plainIdentity(name string) (broker.Identity, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, i := range h.known {
		if i.Peer == name {
			return i, nil
		}
	}
	return broker.Identity{}, errStranger
}

// standard are the identities that most tests use: two gateways of node 1, one
// of node 2, a desk that may see both, and the hub.
func standard(t testing.TB) *house {
	h := &house{}
	h.enrol(t, broker.Identity{Peer: alice, Nodes: []string{node1}})
	h.enrol(t, broker.Identity{Peer: bob, Nodes: []string{node1}})
	h.enrol(t, broker.Identity{Peer: carol, Nodes: []string{node2}})
	h.enrol(t, broker.Identity{Peer: desk, Nodes: []string{node1, node2}, Observer: true})
	h.enrol(t, broker.Identity{Peer: hub, Observer: true, Server: true})
	return h
}

// open starts a broker with both listeners.
func open(t testing.TB, h *house, change func(*broker.Config)) *broker.Broker {
	t.Helper()
	c := selfSigned(t, "broker")
	cfg := broker.Config{
		Dir:           t.TempDir(),
		Listen:        "127.0.0.1:0",
		Certificate:   func() (*tls.Certificate, error) { return &c, nil },
		Identify:      h.identify,
		Plain:         "127.0.0.1:0",
		PlainIdentity: h.plainIdentity,
		Community:     community,
		Log:           slog.New(slog.NewTextHandler(testLog{t}, nil)),
	}
	if change != nil {
		change(&cfg)
	}
	b, err := broker.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

type testLog struct{ t testing.TB }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

// peer is a raw MQTT client that keeps what it receives.
type peer struct {
	t testing.TB
	mqtt.Client
	lost chan error

	mu   sync.Mutex
	cond *sync.Cond
	got  map[string][]string // payloads by topic, in order
}

// clientOptions connects over TLS with this certificate; roots nil: any server.
func clientOptions(addr string, cert tls.Certificate, roots *x509.CertPool) *mqtt.ClientOptions {
	return mqtt.NewClientOptions().
		AddBroker("tls://" + addr).
		SetTLSConfig(&tls.Config{
			MinVersion:         tls.VersionTLS13,
			Certificates:       []tls.Certificate{cert},
			RootCAs:            roots,
			InsecureSkipVerify: roots == nil,
		})
}

func dial(t testing.TB, o *mqtt.ClientOptions) (*peer, error) {
	p := &peer{t: t, lost: make(chan error, 1), got: map[string][]string{}}
	p.cond = sync.NewCond(&p.mu)
	if o.ClientID == "" {
		o.SetClientID(rand.Text())
	}
	// Told no version, paho tries MQTT 3.1 after a refusal and reports that
	// failure instead.
	o.SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).
		SetConnectTimeout(patience).SetWriteTimeout(patience).SetKeepAlive(30 * time.Second).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { p.lost <- err })
	p.Client = mqtt.NewClient(o)
	tok := p.Connect()
	if !tok.WaitTimeout(patience) {
		return nil, errors.New("no answer to CONNECT")
	}
	if tok.Error() == nil {
		t.Cleanup(func() { p.Disconnect(50) })
	}
	return p, tok.Error()
}

func mustDial(t testing.TB, o *mqtt.ClientOptions) *peer {
	t.Helper()
	p, err := dial(t, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (h *house) options(b *broker.Broker, name string) *mqtt.ClientOptions {
	return clientOptions(b.Addr().String(), h.certs[name], nil)
}

func (h *house) dial(t testing.TB, b *broker.Broker, name string) *peer {
	t.Helper()
	return mustDial(t, h.options(b, name))
}

// listen subscribes at QoS 0 and keeps what comes.
func (p *peer) listen(filter string) mqtt.Token { return p.listenAt(filter, 0) }

func (p *peer) listenAt(filter string, qos byte) mqtt.Token {
	return p.Subscribe(filter, qos, func(_ mqtt.Client, m mqtt.Message) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.got[m.Topic()] = append(p.got[m.Topic()], string(m.Payload()))
		p.cond.Broadcast()
	})
}

// has waits half a second for a payload under a topic.
func (p *peer) has(topic, payload string) bool {
	for range 50 {
		p.mu.Lock()
		ok := slices.Contains(p.got[topic], payload)
		p.mu.Unlock()
		if ok {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// subscribe returns the SUBACK's code: a granted QoS, or 128.
func (p *peer) subscribe(filter string, qos byte) byte {
	p.t.Helper()
	tok := p.listenAt(filter, qos)
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		p.t.Fatalf("subscribe %s: %v", filter, tok.Error())
	}
	return tok.(*mqtt.SubscribeToken).Result()[filter]
}

// publish waits for the acknowledgement, which says nothing about permission.
func (p *peer) publish(topic string, retained bool, payload string) {
	p.t.Helper()
	tok := p.Publish(topic, 1, retained, payload)
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		p.t.Fatalf("publish %s: %v", topic, tok.Error())
	}
}

// await waits until a payload has come under a topic.
func (p *peer) await(topic, payload string) {
	p.t.Helper()
	timeout := time.AfterFunc(patience, p.cond.Broadcast)
	defer timeout.Stop()
	deadline := time.Now().Add(patience)
	p.mu.Lock()
	defer p.mu.Unlock()
	for !slices.Contains(p.got[topic], payload) {
		if time.Now().After(deadline) {
			p.t.Fatalf("%q never came under %s; these topics did: %q", payload, topic, slices.Sorted(maps.Keys(p.got)))
		}
		p.cond.Wait()
	}
}

// reach publishes until it comes to another client.
func (p *peer) reach(to *peer, topic string) {
	p.t.Helper()
	hello := rand.Text()
	deadline := time.Now().Add(patience)
	for {
		p.publish(topic, false, hello)
		if to.has(topic, hello) {
			return
		}
		if time.Now().After(deadline) {
			p.t.Fatalf("nothing comes under %s", topic)
		}
	}
}

// never fails if anything has come under a topic. The caller has waited for
// something that came later on the same connection.
func (p *peer) never(topic string) {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.got[topic]) > 0 {
		p.t.Errorf("%q came under %s", p.got[topic], topic)
	}
}

// retained is what a fresh connection is handed for this filter before
// anything that another client publishes live at markAt, which the filter
// covers.
func retained(t testing.TB, reader, marker *peer, filter, markAt string) map[string][]string {
	t.Helper()
	if code := reader.subscribe(filter, 0); code != 0 {
		t.Fatalf("subscribe %s: %d", filter, code)
	}
	marker.reach(reader, markAt)
	reader.mu.Lock()
	defer reader.mu.Unlock()
	got := maps.Clone(reader.got)
	delete(got, markAt)
	return got
}

func eventually(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// residentKB is a process's resident memory.
func residentKB(t testing.TB, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(b) {
		var kb int
		if n, _ := fmt.Sscanf(string(line), "VmRSS: %d kB", &kb); n == 1 {
			return kb
		}
	}
	t.Fatal("no VmRSS")
	return 0
}
