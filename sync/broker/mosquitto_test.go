package broker_test

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"tombolo/sync/broker"
)

type mosquitto struct {
	*daemon
	*authority
	addr string
	m    broker.Mosquitto
}

func (m *mosquitto) write(t testing.TB) string {
	t.Helper()
	conf, acl, err := broker.MosquittoConfig(m.m)
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, m.path("mosquitto.conf"), conf)
	writeFile(t, m.m.ACL, acl)
	return m.path("mosquitto.conf")
}

func startMosquitto(t testing.TB, change func(*broker.Mosquitto)) *mosquitto {
	t.Helper()
	a := newAuthority(t)
	addr := freePorts(t, 1)[0]
	m := &mosquitto{authority: a, addr: addr, m: broker.Mosquitto{
		Files: a.files(), Revoked: a.path("revoked.pem"), ACL: a.path("acl"), Dir: a.dir, User: userName(),
		Community: community, Listen: addr, Node: node1,
		Peers: []broker.Identity{{Peer: desk, Nodes: []string{node1}, Observer: true}},
	}}
	if change != nil {
		change(&m.m)
	}
	m.start(t)
	return m
}

func (m *mosquitto) start(t testing.TB) {
	t.Helper()
	// Debian keeps it where only root's PATH looks.
	name, err := exec.LookPath("mosquitto")
	if err != nil {
		name = "/usr/sbin/mosquitto"
	}
	m.daemon = startDaemon(t, name, "-c", m.write(t))
	m.dialUntil(t, m.addr, alice)
}

// A broker of several nodes: the members of each are named.
func TestMosquitto(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, func(m *broker.Mosquitto) {
		m.Node = ""
		m.Peers = []broker.Identity{
			{Peer: alice, Nodes: []string{node1}}, {Peer: bob, Nodes: []string{node1}}, {Peer: carol, Nodes: []string{node2}},
			{Peer: desk, Nodes: []string{node1, node2}, Observer: true}, {Peer: hub, Observer: true, Server: true},
		}
	})
	connect := func(t *testing.T, name string) *peer { return m.dialUntil(t, m.addr, name) }
	checkPermissions(t, connect, false)
	checkHubPlace(t, connect, false)
}

func TestMosquittoOfOneNode(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, nil)
	// The file names no gateway, and each may do what a member may.
	acl, err := os.ReadFile(m.m.ACL)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{alice, bob} {
		if strings.Contains(string(acl), name) {
			t.Errorf("%s stands in the acl file", name)
		}
	}
	a, b, d := m.dialUntil(t, m.addr, alice), m.dialUntil(t, m.addr, bob), m.dialUntil(t, m.addr, desk)
	own, forged, held := topic(node1, "from", alice, "head/door/1/0"), topic(node1, "from", bob, "head/door/1/0"), topic(node1, "from", alice, "held", carol, "x")
	b.subscribe(topic(node1, "from/+/head/#"), 0)
	b.subscribe(topic(node1, "from/+/held/#"), 0)
	d.subscribe(topic(node1, "from/+/held/#"), 0)
	a.publish(forged, true, "x")
	a.publish(held, false, "x")
	a.publish(own, true, "x")
	b.await(own, "x")
	b.never(forged)
	b.never(held)
	d.await(held, "x")
}

// A removed gateway that is connected falls silent with the new acl file; with
// its certificate on the list it does not connect again.
func TestMosquittoRemoval(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, nil)
	a, b := m.dialUntil(t, m.addr, alice), m.dialUntil(t, m.addr, bob)
	at := topic("all", "from", alice, "alive")
	b.subscribe(topic("all", "from/+/alive"), 0)
	b.subscribe(topic("all", "to", bob, "+"), 0)
	a.subscribe(topic("all", "from/+/alive"), 0)
	a.publish(at, false, "before")
	b.await(at, "before")
	a.await(at, "before")

	m.revoke(t, m.certs[alice])
	m.m.Removed = []string{alice}
	m.write(t)
	m.hangup(t)
	eventually(t, "the revoked certificate is refused", func() bool {
		p, err := dial(t, clientOptions(m.addr, m.certs[alice], m.roots))
		if err == nil {
			p.Disconnect(0)
		}
		return err != nil
	})
	m.dialUntil(t, m.addr, carol)
	if a.IsConnectionOpen() {
		a.publish(at, true, "after")
		a.publish(topic("all", "to", bob, alice), false, "after")
	}
	bobs := topic("all", "from", bob, "alive")
	b.publish(bobs, false, "last")
	b.await(bobs, "last")
	b.mu.Lock()
	defer b.mu.Unlock()
	if got := b.got[at]; len(got) != 1 || len(b.got[topic("all", "to", bob, alice)]) != 0 {
		t.Errorf("a removed gateway's messages: %q", got)
	}
	a.never(bobs)
}

// Everything that is retained reaches a new subscriber, more than mosquitto's
// own limit of 1,000 queued messages, and is there after a restart.
func TestMosquittoRetained(t *testing.T) {
	t.Parallel()
	const heads = 3000
	m := startMosquitto(t, nil)
	a := m.dialUntil(t, m.addr, alice)
	for i := range heads {
		a.Publish(headTopic(i), 0, true, "head "+strconv.Itoa(i))
	}
	a.publish(headTopic(0), true, "head 0")
	wantMany(t, m.dialUntil(t, m.addr, bob), a, heads)
	if err := m.Process.Signal(os.Interrupt); err != nil { // mosquitto saves when it ends, and each minute
		t.Fatal(err)
	}
	<-m.done
	m.start(t)
	wantMany(t, m.dialUntil(t, m.addr, bob), m.dialUntil(t, m.addr, alice), heads)
}

func TestMosquittoOversizePayload(t *testing.T) {
	t.Parallel()
	m := startMosquitto(t, nil)
	a, b := m.dialUntil(t, m.addr, alice), m.dialUntil(t, m.addr, bob)
	b.subscribe(topic("all", "from/+/head/#"), 0)
	at := headTopic(1)
	fits := strings.Repeat("x", 200<<10)
	a.publish(at, false, fits)
	b.await(at, fits)
	a.Publish(at, 1, false, make([]byte, 300<<10))
	<-a.lost
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.got[at]) != 1 {
		t.Error("300 KiB were delivered")
	}
}
