package broker_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"tombolo/sync/broker"
)

func TestRefreshCutsOffWhoWasRemoved(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, nil)
	a, c := h.dial(t, b, alice), h.dial(t, b, carol)
	c.subscribe(topic("all", "from/+/head/#"), 0)
	h.set(broker.Identity{Peer: alice}, false)
	b.Refresh()
	select {
	case <-a.lost:
	case <-time.After(patience):
		t.Fatal("a removed gateway is still connected")
	}
	if _, err := dial(t, h.options(b, alice)); !errors.Is(err, packets.ErrorRefusedNotAuthorised) {
		t.Errorf("a removed gateway's certificate: %v", err)
	}
	if got := b.Stats().Refused; got != 1 {
		t.Errorf("%d were refused, want 1", got)
	}
	// Others did not notice.
	h.dial(t, b, bob).publish(topic("all", "from", bob, "head/x"), false, "x")
	c.await(topic("all", "from", bob, "head/x"), "x")
	if got := b.Clients(); got != 2 {
		t.Errorf("%d clients, want 2", got)
	}
	// And it comes back when it is enrolled again.
	h.set(broker.Identity{Peer: alice}, true)
	h.dial(t, b, alice)
}

func TestRefreshAppliesNewRights(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, nil)
	c, a := h.dial(t, b, carol), h.dial(t, b, alice)
	if code := c.subscribe(topic(node1, "from/+/head/#"), 0); code != 128 {
		t.Fatalf("SUBACK %d before", code)
	}
	h.set(broker.Identity{Peer: carol, Nodes: []string{node2, node1}}, true)
	h.set(broker.Identity{Peer: alice, Nodes: []string{node1}}, true) // as before
	b.Refresh()
	<-c.lost
	c = h.dial(t, b, carol)
	if code := c.subscribe(topic(node1, "from/+/head/#"), 0); code != 0 {
		t.Errorf("SUBACK %d after", code)
	}
	a.publish(topic(node1, "from", alice, "head/x"), false, "x")
	c.await(topic(node1, "from", alice, "head/x"), "x")
}

// Connections that are made while a gateway is removed are cut off too.
func TestRefreshRacesWithConnects(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, nil)
	for range 10 {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				p, err := dial(t, h.options(b, alice))
				if err == nil {
					p.Disconnect(0)
				}
			})
		}
		h.set(broker.Identity{Peer: alice}, false)
		b.Refresh()
		if got := b.Clients(); got != 0 {
			t.Fatalf("%d clients after the refresh", got)
		}
		wg.Wait()
		h.set(broker.Identity{Peer: alice}, true)
	}
}

func TestIdentityThatIsNotAName(t *testing.T) {
	t.Parallel()
	for _, i := range []broker.Identity{
		{}, {Peer: "+"}, {Peer: "#"}, {Peer: strings.Repeat("+", 32)}, {Peer: strings.ToUpper(alice)}, {Peer: alice + "0"},
		{Peer: strings.Repeat("a.", 16)}, {Peer: strings.Repeat("a/", 16)},
		{Peer: alice, Nodes: []string{"all"}}, {Peer: alice, Nodes: []string{node1, "+"}}, {Peer: alice, Nodes: []string{strings.Repeat(">", 64)}},
	} {
		cert := selfSigned(t, "x")
		b := open(t, standard(t), func(c *broker.Config) {
			c.Identify = func(tls.ConnectionState) (broker.Identity, error) { return i, nil }
		})
		if _, err := dial(t, clientOptions(b.Addr().String(), cert, nil)); !errors.Is(err, packets.ErrorRefusedNotAuthorised) {
			t.Errorf("%+v: %v", i, err)
		}
	}
}

func TestCertificateRotates(t *testing.T) {
	t.Parallel()
	h := standard(t)
	first, second := selfSigned(t, "first"), selfSigned(t, "second")
	var mu sync.Mutex
	serve := &first
	b := open(t, h, func(c *broker.Config) {
		c.Certificate = func() (*tls.Certificate, error) {
			mu.Lock()
			defer mu.Unlock()
			return serve, nil
		}
	})
	name := func() string {
		c, err := tls.Dial("tcp", b.Addr().String(), &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{h.certs[alice]}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if v := c.ConnectionState().Version; v != tls.VersionTLS13 {
			t.Errorf("TLS version %x", v)
		}
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	a := h.dial(t, b, alice)
	if got := name(); got != "first" {
		t.Errorf("served %s", got)
	}
	mu.Lock()
	serve = &second
	mu.Unlock()
	if got := name(); got != "second" {
		t.Errorf("served %s after the rotation", got)
	}
	if !a.IsConnectionOpen() {
		t.Error("the rotation cut off a client")
	}
	plain(t, b, bob, b.Password()) // the relay knows the new one too
}

func TestTLSIsStrict(t *testing.T) {
	t.Parallel()
	b := open(t, standard(t), nil)
	for name, cfg := range map[string]*tls.Config{
		"no certificate": {InsecureSkipVerify: true},
		"TLS 1.2":        {InsecureSkipVerify: true, MaxVersion: tls.VersionTLS12},
	} {
		c, err := tls.Dial("tcp", b.Addr().String(), cfg)
		if err == nil { // TLS 1.3 tells the client at its first read
			_, err = c.Read(make([]byte, 1))
			c.Close()
		}
		if op, ok := errors.AsType[*net.OpError](err); !ok || op.Op != "remote error" { // a TLS alert
			t.Errorf("%s: %v", name, err)
		}
	}
	// Cleartext at the TLS port.
	c, err := net.Dial("tcp", b.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprint(c, "GET / HTTP/1.1\r\n\r\n")
	c.SetDeadline(time.Now().Add(patience))
	if answer, err := io.ReadAll(c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("cleartext: %q, %v", answer, err)
	}
}
