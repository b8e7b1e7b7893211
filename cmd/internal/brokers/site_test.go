package brokers

import (
	"bufio"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tombolo/cmd/internal/daemontest"
	"tombolo/sync/broker"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
)

// childEnv holds the JSON of a child when the test binary is to be a broker.
const childEnv = "TOMBOLO_TEST_BROKER"

func TestMain(m *testing.M) {
	if s := os.Getenv(childEnv); s != "" {
		if err := serve(s); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(run(m))
}

// run keeps the guard out of the machine's own place.
func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "brokers-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		err = os.Setenv("TOMBOLO_GUARD", filepath.Join(dir, "guard"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// client is who may connect.
type client struct {
	peer ledger.KeyID
	tls  ed25519.PrivateKey
	desk bool
	hub  bool
}

// site is a broker, or a cluster of some, whose processes are killed.
type site struct {
	t       *testing.T
	dir     string
	at      []string // where the clients of each server connect
	command []func() *exec.Cmd
	link    func(n int) string // what stands in [links.node] of client n
	log     daemontest.Log

	mu   sync.Mutex
	runs []*exec.Cmd // under mu
}

// newSite reserves ports for so many servers, more of them for each.
func newSite(t *testing.T, servers, more int) (s *site, extra []string) {
	s = &site{t: t, dir: t.TempDir(), runs: make([]*exec.Cmd, servers)}
	all := freePorts(t, servers*(1+more))
	s.at, extra = all[:servers], all[servers:]
	t.Cleanup(func() {
		for i := range s.runs {
			s.kill(i)
		}
		if t.Failed() {
			t.Logf("the broker says\n%s", tail(s.log.String(), 12000))
		}
	})
	return s, extra
}

// freePorts finds ports that nobody is given for a connection of their own: a
// client that tries while the server is away would take its place.
func freePorts(t *testing.T, n int) (out []string) {
	t.Helper()
	for range 1000 {
		at := fmt.Sprintf("127.0.0.1:%d", 20000+mrand.IntN(12000)) // below Linux's own range
		l, err := net.Listen("tcp", at)
		if err != nil {
			continue
		}
		defer l.Close()
		if out = append(out, at); len(out) == n {
			return out
		}
	}
	t.Fatal("no free ports")
	return nil
}

// start starts servers, and waits until clients are accepted.
func (s *site) start(servers ...int) {
	s.t.Helper()
	for _, i := range servers {
		c := s.command[i]()
		c.Stdout, c.Stderr = &s.log, &s.log
		c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		if err := c.Start(); err != nil {
			s.t.Fatal(err)
		}
		s.mu.Lock()
		s.runs[i] = c
		s.mu.Unlock()
	}
	for _, i := range servers {
		eventually(s.t, 15*time.Second, func() error {
			c, err := net.DialTimeout("tcp", s.at[i], time.Second)
			if err == nil {
				c.Close()
			}
			return err
		})
	}
}

// kill kills servers with -9, all at once.
func (s *site) kill(servers ...int) {
	var killed []*exec.Cmd
	s.mu.Lock()
	for _, i := range servers {
		if c := s.runs[i]; c != nil {
			_ = c.Process.Kill() // it may have ended
			killed = append(killed, c)
			s.runs[i] = nil
		}
	}
	s.mu.Unlock()
	for _, c := range killed {
		_ = c.Wait() // its status says how it was killed
	}
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) write(name string, data []byte) string {
	if err := os.WriteFile(s.path(name), data, 0o600); err != nil {
		s.t.Fatal(err)
	}
	return s.path(name)
}

// child is what the embedded broker's process is told.
type child struct {
	Dir, Listen, Community, Node string
	Key                          []byte            // of its TLS
	Gateways                     map[string]string // peers by their TLS keys
	Desk                         string            // author's key
}

// embedded is the default broker in a process of its own, which knows clients by
// their keys, as a gateway with a broker does.
func embedded(e *estate) *site {
	s, _ := newSite(e.t, 1, 0)
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		e.t.Fatal(err)
	}
	c := child{
		Dir: s.path("store"), Listen: s.at[0], Community: e.community.String(), Node: e.nodeID.String(),
		Key: key, Gateways: map[string]string{}, Desk: hex.EncodeToString(e.author.Public().(ed25519.PublicKey)),
	}
	for _, who := range e.clients {
		if !who.desk {
			c.Gateways[hex.EncodeToString(who.tls.Public().(ed25519.PublicKey))] = who.peer.String()
		}
	}
	arg := must(json.Marshal(c))
	s.command = append(s.command, func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"="+string(arg))
		return cmd
	})
	s.link = func(int) string { return fmt.Sprintf("server = %q", ledger.KeyIDOf(public).String()) }
	return s
}

// serve is the child.
func serve(arg string) error {
	var c child
	if err := json.Unmarshal([]byte(arg), &c); err != nil {
		return err
	}
	own, err := enroll.SelfSigned(ed25519.PrivateKey(c.Key), "broker")
	if err != nil {
		return err
	}
	_, err = broker.Open(broker.Config{
		Dir: c.Dir, Listen: c.Listen, Community: c.Community, Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
		Certificate: func() (*tls.Certificate, error) { return &own, nil },
		Identify: func(cs tls.ConnectionState) (broker.Identity, error) {
			if key, err := enroll.KeyOf(cs); err == nil {
				if peer, ok := c.Gateways[hex.EncodeToString(key[:])]; ok {
					return broker.Identity{Peer: peer, Nodes: []string{c.Node}}, nil
				}
			}
			author, err := enroll.DeskOf(cs, time.Now())
			if err != nil || hex.EncodeToString(author[:]) != c.Desk {
				return broker.Identity{}, fmt.Errorf("a stranger: %w", err)
			}
			return broker.Identity{Peer: ledger.KeyIDOf(author[:]).String(), Nodes: []string{c.Node}, Observer: true}, nil
		},
	})
	if err != nil {
		return err
	}
	_, err = bufio.NewReader(neverEnds{}).ReadByte() // until it is killed
	return err
}

type neverEnds struct{}

func (neverEnds) Read([]byte) (int, error) { select {} }

// outside makes an authority and its files for a broker that is not ours.
func (s *site) outside(e *estate) (files broker.Files, peers []broker.Identity) {
	key := func() (ed25519.PublicKey, ed25519.PrivateKey) {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			s.t.Fatal(err)
		}
		return public, private
	}
	_, root := key()
	authority := must(enroll.NewAuthority(root, "tombolo test"))
	public, private := key()
	now := time.Now()
	files = broker.Files{
		Authority:   s.write("ca.pem", enroll.CertificatePEM(authority.Certificate())),
		Certificate: s.write("server.pem", enroll.CertificatePEM(must(authority.IssueServer(public, []string{"127.0.0.1"}, now)))),
		Key:         s.write("server.key", pemOf("PRIVATE KEY", must(x509.MarshalPKCS8PrivateKey(private)))),
	}
	for i, c := range e.clients {
		der := must(authority.Issue(enroll.Client{Peer: c.peer, Key: [32]byte(c.tls.Public().(ed25519.PublicKey))}, now))
		s.write(fmt.Sprintf("client%d.pem", i), enroll.CertificatePEM(der))
		peers = append(peers, broker.Identity{Peer: c.peer.String(), Nodes: e.places(), Observer: c.desk || c.hub, Server: c.hub})
	}
	s.link = func(n int) string {
		return fmt.Sprintf("ca = %q\ncert = %q", s.path("ca.pem"), s.path(fmt.Sprintf("client%d.pem", n)))
	}
	return files, peers
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// places is the node's, unless the broker is no node's.
func (e *estate) places() []string {
	if e.nodeID.IsZero() {
		return nil
	}
	return []string{e.nodeID.String()}
}

// mosquitto is Debian's.
func mosquitto(e *estate) *site {
	s, _ := newSite(e.t, 1, 0)
	files, peers := s.outside(e)
	m := broker.Mosquitto{
		Files: files, ACL: s.path("acl"), Dir: s.dir, Community: e.community.String(), Listen: s.at[0], Node: strings.Join(e.places(), ""),
		Peers: slices.DeleteFunc(peers, func(i broker.Identity) bool { return !i.Observer }),
	}
	if os.Getuid() == 0 {
		m.User = "root" // it reads the test's private folder
	}
	conf, acl, err := broker.MosquittoConfig(m)
	if err != nil {
		e.t.Fatal(err)
	}
	s.write("mosquitto.conf", conf)
	s.write("acl", acl)
	name, err := exec.LookPath("mosquitto")
	if err != nil {
		name = "/usr/sbin/mosquitto" // where only root's PATH looks
	}
	s.command = append(s.command, func() *exec.Cmd { return exec.Command(name, "-c", s.path("mosquitto.conf")) })
	return s
}

// cluster is three nats-servers of the released program, which is built from the
// module in go.mod.
func cluster(e *estate) *site {
	s, extra := newSite(e.t, 3, 2)
	clients, routes := extra[:3], extra[3:]
	files, peers := s.outside(e)
	program := s.path("nats-server")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		e.t.Fatalf("%v: %s", err, out)
	}
	for i := range 3 {
		conf := s.write(fmt.Sprintf("nats%d.conf", i), must(broker.NATSConfig(broker.NATS{
			Files: files, Community: e.community.String(), Name: fmt.Sprintf("n%d", i), Cluster: "test",
			Listen: s.at[i], Client: clients[i], Route: routes[i], Routes: routes, Dir: s.path(fmt.Sprintf("store%d", i)), Peers: peers,
		})))
		s.command = append(s.command, func() *exec.Cmd { return exec.Command(program, "-c", conf) })
	}
	return s
}
