package main

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"tombolo/sync/broker"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// isle is a community of many gateways, ten in each of its nodes, with an issuer's
// desk and the broker that all are at: the real one, in a process of its own, over
// TLS. Its participants differ from those of a house in that they have one key for
// all that they sign.
type isle struct {
	dir       string
	community ledger.CharterID
	address   string // of the broker
	process   *childProcess
}

const (
	isleNode = 10 // gateways in a node
	issuer   = "issuer"
	maxIsle  = 4096 // connections
)

// isleKey is the key of an isle's participant by its name.
func isleKey(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte("tombolo bench " + name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func islePeer(name string) replica.Peer { return ledger.KeyIDOf(islePublic(name)) }

func islePublic(name string) ed25519.PublicKey {
	return isleKey(name).Public().(ed25519.PublicKey)
}

func gatewayName(n int) string { return fmt.Sprint("gw", n) }

// communityCharter and nodeCharter are the same in every process.
var communityCharter = sync.OnceValue(func() ledger.SignedCharter {
	return charterOf(ledger.Charter{Kind: ledger.CommunityCharter, Slug: "isle", ChainID: 1, Registry: [20]byte{1}}, ledger.Issuer, issuer)
})

func nodeCharter(node string) ledger.SignedCharter {
	return charterOf(ledger.Charter{Kind: ledger.NodeCharter, Slug: node, Community: communityCharter().Hash()}, ledger.Steward, "steward")
}

func charterOf(c ledger.Charter, role ledger.AuthorRole, author string) ledger.SignedCharter {
	key := isleKey("charter")
	c.Format, c.Version, c.Keys, c.Threshold = 1, 1, [][32]byte{publicOf(key)}, 1
	c.Authors = []ledger.Author{{Role: role, Key: publicOf(isleKey(author))}}
	text, err := c.Marshal()
	if err != nil {
		panic(err)
	}
	return ledger.SignCharter(text, key)
}

// nodeName is the node of a participant. What is measured beside the ledgers' own
// exchange has a node to itself, where no gateway listens.
func nodeName(name string) string {
	var n int
	switch _, err := fmt.Sscanf(name, "gw%d", &n); {
	case err == nil:
		return fmt.Sprint("node-", n/isleNode)
	case strings.HasPrefix(name, "bare"):
		return "bare"
	}
	return "desk"
}

func nodeOf(name string) ledger.CharterID { return nodeCharter(nodeName(name)).Hash() }

// newIsle starts a community's broker.
func newIsle(dir string) (*isle, error) {
	i := &isle{dir: dir, community: communityCharter().Hash()}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	var err error
	if i.process, err = startChild("--broker", filepath.Join(dir, "broker"), "--community", i.community.String()); err != nil {
		return nil, err
	}
	i.address, err = i.process.line()
	return i, err
}

func (i *isle) close() { i.process.end() }

// childProcess is this program again. It ends when its standard input does.
type childProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startChild(args ...string) (*childProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &childProcess{cmd: exec.Command(self, args...)}
	c.cmd.Stderr = os.Stderr
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.out = bufio.NewReader(out)
	return c, c.cmd.Start()
}

func (c *childProcess) line() (string, error) {
	s, err := c.out.ReadString('\n')
	return strings.TrimSuffix(s, "\n"), err
}

func (c *childProcess) end() {
	_ = c.in.Close()
	_ = c.cmd.Wait()
}

// runBroker is the broker's process: it prints where it listens, and ends with its
// standard input. Everybody is let in as whom their key says.
func runBroker(dir, community string) error {
	own, err := enroll.SelfSigned(isleKey("broker"), "broker")
	if err != nil {
		return err
	}
	b, err := broker.Open(broker.Config{
		Dir: dir, Listen: "127.0.0.1:0", Community: community, MaxClients: maxIsle, MaxStore: 64 << 20,
		Certificate: func() (*tls.Certificate, error) { return &own, nil },
		Identify: func(c tls.ConnectionState) (broker.Identity, error) {
			leaf := c.PeerCertificates[0]
			key, ok := leaf.PublicKey.(ed25519.PublicKey)
			if !ok {
				return broker.Identity{}, errors.New("not an Ed25519 key")
			}
			name := leaf.Subject.CommonName
			return broker.Identity{Peer: ledger.KeyIDOf(key).String(), Nodes: []string{nodeOf(name).String()}, Observer: name == issuer}, nil
		},
		Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	fmt.Println(b.Addr())
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, b.Close())
}

func faultsOnly() *slog.Logger {
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
}

// tls is a participant's side of its connection.
func (i *isle) tls(name string) (*tls.Config, error) {
	own, err := enroll.SelfSigned(isleKey(name), name)
	if err != nil {
		return nil, err
	}
	return enroll.ClientConfig(own, func(server [32]byte) error {
		if server != publicOf(isleKey("broker")) {
			return errors.New("that is not the broker")
		}
		return nil
	}), nil
}

// rights are those of a participant: of the issuer's desk, where everybody is
// known, and of a gateway, who knows its node.
func (i *isle) rights(name string, gateways int) replica.Rights {
	r := replica.Rights{Community: i.community, Node: nodeOf(name), Authors: map[ledger.KeyID]replica.Author{}}
	add := func(other string, charter ledger.CharterID, kind ledger.LogKind) {
		key := islePublic(other)
		a := replica.Author{Key: key, Name: other, Kinds: []ledger.LogKind{kind}, Charter: map[ledger.LogKind]ledger.CharterID{kind: charter}}
		if other != issuer {
			a.Hold, a.Witness = key, key
		}
		r.Authors[ledger.KeyIDOf(key)] = a
	}
	add(issuer, i.community, ledger.CommunityLog)
	for n := range gateways {
		if other := gatewayName(n); name == issuer || nodeOf(name) == nodeOf(other) {
			add(other, nodeOf(other), ledger.DoorLog)
		}
	}
	return r
}

func (i *isle) link(name string) (link.Config, error) {
	secret, err := i.tls(name)
	return link.Config{
		Name: name, Broker: "tls://" + i.address, TLS: secret, Community: i.community, Node: nodeOf(name),
		Scopes: []replica.Scope{replica.All, replica.Node}, Self: islePeer(name), SelfName: name, Software: "bench", Observer: name == issuer,
	}, err
}

// bare is the MQTT library by itself, with the options that a link gives it.
func (i *isle) bare(name string, tune func(*mqtt.ClientOptions)) (mqtt.Client, error) {
	secret, err := i.tls(name)
	if err != nil {
		return nil, err
	}
	o := mqtt.NewClientOptions().AddBroker("ssl://" + i.address).SetTLSConfig(secret).SetClientID(rand.Text()[:23]).
		SetCleanSession(true).SetProtocolVersion(4).SetAutoReconnect(false).SetKeepAlive(30 * time.Second).SetOrderMatters(true)
	if tune != nil {
		tune(o)
	}
	c := mqtt.NewClient(o)
	return c, settled(c.Connect())
}

func settled(t mqtt.Token) error {
	if !t.WaitTimeout(time.Minute) {
		return errors.New("the broker does not answer")
	}
	if s, ok := t.(*mqtt.SubscribeToken); ok && t.Error() == nil {
		for filter, code := range s.Result() {
			if code > 2 { // MQTT 3.1.1 §3.9.3
				return fmt.Errorf("the broker refuses the subscription %s", filter)
			}
		}
	}
	return t.Error()
}

// bareTopic is one of a bare participant's, in a node where no link listens.
func (i *isle) bareTopic(name, rest string) string {
	return fmt.Sprintf("tombolo/v1/%v/%v/from/%v/head/%s", i.community, nodeOf(name), islePeer(name), rest)
}

// participant is a real one: store, replica and link, as a gateway and a desk run
// them.
type participant struct {
	store *store.Store
	node  *peer.Node
	stop  func()
}

// open opens a participant's store, with the community's charter in it.
func (i *isle) open(name string) (*store.Store, error) {
	dir, err := os.MkdirTemp(i.dir, name+"-")
	if err != nil {
		return nil, err
	}
	s, err := store.Open(filepath.Join(dir, "ledgers.db"))
	if err != nil {
		return nil, err
	}
	for _, c := range []ledger.SignedCharter{communityCharter(), nodeCharter(nodeName(name))} {
		if _, _, err := s.AddCharter(c); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// run has one take part, with what its store holds.
func (i *isle) run(name string, s *store.Store, gateways int, stored func()) (*participant, error) {
	l, err := i.link(name)
	if err != nil {
		return nil, err
	}
	rights := i.rights(name, gateways)
	cfg := peer.Config{
		Store: s, Self: islePeer(name), Rights: func() (replica.Rights, error) { return rights, nil }, Links: []link.Config{l},
		Observer: name == issuer, Log: faultsOnly(), Stored: stored,
	}
	if name != issuer {
		cfg.Hold, cfg.Witness = isleKey(name), isleKey(name)
	}
	p := &participant{store: s}
	if p.node, err = peer.New(cfg); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = p.node.Run(ctx)
	}()
	p.stop = func() { cancel(); <-done }
	return p, nil
}

// author is that of a participant's ledger.
func (i *isle) author(name string, s *store.Store, kind ledger.LogKind) (*store.Author, error) {
	charter := i.community
	if kind != ledger.CommunityLog {
		charter = nodeOf(name)
	}
	return s.OpenAuthor(store.AuthorConfig{
		Key: isleKey(name), Community: i.community, Kind: kind, Charter: charter,
		Guard: store.Guard{Dir: filepath.Join(i.dir, "guard-"+name), Boot: "boot"}, Now: time.Now, Rand: rand.Reader,
	})
}

// admit appends so many passports' admissions, from a number on.
func admit(a *store.Author, first, n int) error {
	for n > 0 {
		drafts := make([]store.Draft, min(n, 1000))
		for k := range drafts {
			number := first + k
			drafts[k] = store.Draft{Time: time.Now(), Body: &ledger.Admit{Passport: uint64(number), Owner: [20]byte{1, byte(number), byte(number >> 8)}, Class: "resident", NotAfter: 1 << 40}}
		}
		if _, err := a.Append(drafts...); err != nil {
			return err
		}
		first, n = first+len(drafts), n-len(drafts)
	}
	return nil
}

func suspend(passport int) store.Draft {
	return store.Draft{Time: time.Now(), Body: &ledger.Suspend{Passport: uint64(passport), Why: "lost phone"}}
}

// up waits until a participant's link is up.
func (p *participant) up() error {
	up := func() bool { return p.node.Status().Links[0].Up }
	if err := eventually("a link came up", time.Minute, up); err != nil {
		return fmt.Errorf("%w: %s", err, p.node.Status().Links[0].Error)
	}
	return nil
}

// size is how much of a ledger a participant holds whole.
func (p *participant) size(o ledger.Origin) int64 {
	i, err := p.store.Ledger(o)
	if err != nil {
		return 0
	}
	return i.Size
}

// holds waits until a participant holds so much of a ledger.
func (p *participant) holds(o ledger.Origin, size int64, within time.Duration) error {
	return eventually(fmt.Sprintf("all %d entries have arrived", size), within, func() bool { return p.size(o) >= size })
}

func eventually(what string, within time.Duration, is func() bool) error {
	for begun := time.Now(); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Since(begun) > within {
			return fmt.Errorf("not within %v: %s", within, what)
		}
	}
	return nil
}
