package broker_test

import (
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"tombolo/sync/broker"
)

// cluster is three nats-servers of the released program.
type cluster struct {
	*authority
	program string
	peers   []broker.Identity
	nodes   [3]struct {
		*daemon
		addr, client, route, dir string
	}
}

// startCluster builds nats-server from the module in go.mod.
func startCluster(t testing.TB) *cluster {
	t.Helper()
	c := &cluster{authority: newAuthority(t), program: filepath.Join(t.TempDir(), "nats-server"), peers: []broker.Identity{
		{Peer: alice, Nodes: []string{node1}}, {Peer: bob, Nodes: []string{node1}}, {Peer: carol, Nodes: []string{node2}},
		{Peer: desk, Nodes: []string{node1, node2}, Observer: true}, {Peer: hub, Observer: true, Server: true},
	}}
	build := exec.Command("go", "build", "-o", c.program, "github.com/nats-io/nats-server/v2")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	ports := freePorts(t, 9)
	for i := range c.nodes {
		n := &c.nodes[i]
		n.addr, n.client, n.route, n.dir = ports[3*i], ports[3*i+1], ports[3*i+2], t.TempDir()
	}
	for i := range c.nodes {
		c.start(t, i)
	}
	return c
}

func (c *cluster) write(t testing.TB, i int) string {
	t.Helper()
	n := &c.nodes[i]
	var routes []string
	for _, n := range c.nodes {
		routes = append(routes, n.route)
	}
	conf, err := broker.NATSConfig(broker.NATS{
		Files: c.files(), Community: community,
		Name: fmt.Sprintf("broker-%d", i), Cluster: "archipelago",
		Listen: n.addr, Client: n.client, Route: n.route, Routes: routes, Dir: n.dir, Peers: c.peers,
	})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(n.dir, "nats.conf")
	writeFile(t, name, conf)
	return name
}

func (c *cluster) start(t testing.TB, i int) {
	t.Helper()
	c.nodes[i].daemon = startDaemon(t, c.program, "-c", c.write(t, i))
}

// until is patient: an election takes nats-server 4 to 9 seconds, and a client
// that connects or publishes meanwhile is disconnected.
func (c *cluster) until(t testing.TB, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(4 * patience)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// puts says whether a retained publish by alice was acknowledged.
func (c *cluster) puts(t testing.TB, i int, topic, payload string) bool {
	p, err := dial(t, clientOptions(c.nodes[i].addr, c.certs[alice], c.roots))
	if err != nil {
		return false
	}
	defer p.Disconnect(0)
	tok := p.Publish(topic, 1, true, payload)
	return tok.WaitTimeout(patience) && tok.Error() == nil
}

// sees says whether bob is handed exactly these heads there.
func (c *cluster) sees(t testing.TB, i int, want map[string]string) bool {
	p, err := dial(t, clientOptions(c.nodes[i].addr, c.certs[bob], c.roots))
	if err != nil {
		return false
	}
	defer p.Disconnect(0)
	got := make(chan mqtt.Message, 2*len(want))
	tok := p.Subscribe(topic("all", "from/+/head/#"), 0, func(_ mqtt.Client, m mqtt.Message) { got <- m })
	if !tok.WaitTimeout(patience) || tok.Error() != nil {
		return false
	}
	all := map[string]string{}
	quiet := time.After(500 * time.Millisecond)
	for len(all) < len(want) {
		select {
		case m := <-got:
			all[m.Topic()] = string(m.Payload())
		case <-quiet:
			return false
		}
	}
	return maps.Equal(all, want)
}

func TestCluster(t *testing.T) {
	t.Parallel()
	c := startCluster(t)
	for _, n := range c.nodes {
		c.dialUntil(t, n.addr, alice)
	}

	// Each connection goes to the next server.
	next := 0
	connect := func(t *testing.T, name string) *peer {
		next++
		return c.dialUntil(t, c.nodes[next%3].addr, name)
	}
	checkPermissions(t, connect, true)
	checkHubPlace(t, connect, true)

	t.Run("no NATS clients", func(t *testing.T) {
		for i, n := range c.nodes {
			if got := listening(t, n.Process.Pid); len(got) != 3 {
				t.Errorf("server %d listens at %v", i, got)
			}
			if natsAccepts(t, n.client) {
				t.Errorf("server %d lets a NATS client in", i)
			}
		}
	})

	whole := t
	t.Run("kill", func(t *testing.T) {
		a := c.dialUntil(t, c.nodes[0].addr, alice)
		want := map[string]string{}
		for i := range 100 {
			want[headTopic(i)] = fmt.Sprint("head ", i)
			a.publish(headTopic(i), true, want[headTopic(i)])
		}
		c.nodes[0].kill(t)
		<-a.lost
		started := time.Now()
		c.until(t, "all that was retained at another server", func() bool { return c.sees(t, 1, want) })
		t.Logf("all retained messages at another server %v after the kill", time.Since(started).Round(time.Millisecond))
		// Live messages pass. What is retained meanwhile is kept, but a server
		// may hand out what it knew before: nats-server 2.15 learns of retained
		// messages through a consumer of one replica, which may have been on
		// the server that was lost.
		var b *peer
		c.until(t, "a live message while a server is gone", func() bool {
			if b == nil || !b.IsConnectionOpen() {
				b = c.dialUntil(t, c.nodes[1].addr, bob)
				if tok := b.listen(topic("all", "from/+/head/#")); !tok.WaitTimeout(patience) || tok.Error() != nil {
					return false
				}
			}
			return c.puts(t, 2, headTopic(0), "newer") && b.has(headTopic(0), "newer")
		})
		want[headTopic(0)] = "newer"
		c.start(whole, 0)
		started = time.Now()
		for i := range c.nodes {
			c.until(t, fmt.Sprintf("server %d hands out what was retained meanwhile", i), func() bool { return c.sees(t, i, want) })
		}
		t.Logf("all servers hand out what was retained meanwhile %v after the third came back", time.Since(started).Round(time.Millisecond))
	})

	t.Run("removal", func(t *testing.T) {
		a, b := c.dialUntil(t, c.nodes[1].addr, alice), c.dialUntil(t, c.nodes[1].addr, bob)
		c.peers = c.peers[1:]
		for i, n := range c.nodes {
			c.write(t, i)
			n.hangup(t)
		}
		select {
		case <-a.lost:
		case <-time.After(patience):
			t.Error("a removed gateway is still connected")
		}
		for i, n := range c.nodes {
			eventually(t, fmt.Sprintf("server %d refuses the removed gateway", i), func() bool {
				p, err := dial(t, clientOptions(n.addr, c.certs[alice], c.roots))
				if err == nil {
					p.Disconnect(0)
				}
				return err != nil
			})
		}
		bobs := topic("all", "from", bob, "head/x")
		ca := c.dialUntil(t, c.nodes[2].addr, carol)
		ca.subscribe(topic("all", "from/+/head/#"), 0)
		if !b.IsConnectionOpen() {
			b = c.dialUntil(t, c.nodes[1].addr, bob)
		}
		b.publish(bobs, false, strings.Repeat("x", 100))
		ca.await(bobs, strings.Repeat("x", 100))
	})
}
