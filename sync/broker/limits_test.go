package broker_test

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"tombolo/sync/broker"
)

func TestOversizePayload(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, nil)
	a, bo := h.dial(t, b, alice), h.dial(t, b, bob)
	at := topic("all", "from", alice, "head/x")
	bo.subscribe(topic("all", "from/+/head/#"), 0)
	fits := strings.Repeat("x", 200<<10)
	a.publish(at, true, fits)
	bo.await(at, fits)
	a.Publish(at, 1, true, make([]byte, 300<<10))
	select {
	case <-a.lost:
	case <-time.After(patience):
		t.Error("300 KiB were taken")
	}
	if got := retained(t, h.dial(t, b, desk), bo, topic("all", "from/+/head/#"), topic("all", "from", bob, "head/mark")); !slices.Equal(got[at], []string{fits}) {
		t.Error("the message before is not retained any more")
	}
}

// An announcement of 100 MB is refused by its length, before it is read: with
// an enrolled certificate and without.
func TestHugeAnnouncement(t *testing.T) {
	t.Parallel()
	c := startChild(t, child{Dir: t.TempDir()})
	before := residentKB(t, c.Process.Pid)
	for _, first := range [][]byte{
		{0x10},                           // CONNECT
		append(connectPacket("x"), 0x33), // CONNECT, then a retained PUBLISH
	} {
		conn := rawTLS(t, c.addr, selfSigned(t, alice))
		conn.SetDeadline(time.Now().Add(patience))
		huge := append(bytes.Clone(first), 0x80, 0xc2, 0xd7, 0x2f) // remaining length 100,000,000, MQTT 3.1.1 §2.2.3
		if _, err := conn.Write(huge); err != nil {
			t.Fatal(err)
		}
		go func() { // fails when the broker has closed
			for range 100 {
				if _, err := conn.Write(make([]byte, 1<<20)); err != nil {
					return
				}
			}
		}()
		_, _ = io.Copy(io.Discard, conn) // until it closes; a reset is as good
	}
	if after := residentKB(t, c.Process.Pid); after > before+10<<10 {
		t.Errorf("resident memory went from %d to %d kB", before, after)
	}
	c.dial(t, bob)
}

func rawTLS(t testing.TB, addr string, cert tls.Certificate) *tls.Conn {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// connectPacket is MQTT 3.1.1 §3.1 with a clean session.
func connectPacket(id string) []byte {
	body := append([]byte{0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 30}, binary.BigEndian.AppendUint16(nil, uint16(len(id)))...)
	body = append(body, id...)
	return append([]byte{0x10, byte(len(body))}, body...)
}

// Strangers take every connection there is; they are dropped, and then whoever
// is enrolled comes in.
func TestFloodOfConnections(t *testing.T) {
	t.Parallel()
	const limit = 40
	h := standard(t)
	b := open(t, h, func(c *broker.Config) { c.MaxClients = limit })
	a := h.dial(t, b, alice)
	var conns []net.Conn
	for range 2 * limit {
		c, err := net.Dial("tcp", b.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	// Beyond the limit at once, below it when the handshake does not come.
	started := time.Now()
	for _, c := range conns {
		c.SetDeadline(time.Now().Add(patience))
		if n, err := io.Copy(io.Discard, c); n > 1<<10 {
			t.Errorf("%d bytes, %v", n, err)
		}
	}
	if d := time.Since(started); d > patience/2+2*time.Second {
		t.Errorf("silent connections were kept for %v", d)
	}
	a.publish(topic("all", "from", alice, "alive"), false, "still here")
	h.dial(t, b, bob)
}

func TestConnectionsOfOnePeer(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, nil)
	for range 8 {
		h.dial(t, b, alice)
	}
	if _, err := dial(t, h.options(b, alice)); err == nil {
		t.Error("a ninth connection of one peer")
	}
	bo := h.dial(t, b, bob)
	bo.Disconnect(0)
	eventually(t, "a client that left is forgotten", func() bool { return b.Clients() == 8 })
}

func TestSubscriptionsOfOneClient(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, nil)
	a := h.dial(t, b, alice)
	refused := 0
	for i := range 600 {
		if a.subscribe(topic("all", "from", fmt.Sprintf("%032x", i), "head/#"), 0) == 128 {
			refused++
		}
	}
	if refused == 0 {
		t.Error("600 subscriptions of one client")
	}
}

// Two clients may ask for the same client ID: the later one gets it, without
// anything that the first subscribed to.
func TestClientIDIsNoIdentity(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, nil)
	o := h.options(b, alice).SetClientID("same")
	a := mustDial(t, o)
	a.subscribe(topic(node1, "from/+/head/#"), 0)
	thief := mustDial(t, h.options(b, carol).SetClientID("same"))
	<-a.lost
	thief.subscribe(topic("all", "from/+/head/#"), 0)
	bo := h.dial(t, b, bob)
	bo.publish(topic(node1, "from", bob, "head/x"), false, "x")
	bo.publish(topic("all", "from", bob, "head/x"), false, "x")
	thief.await(topic("all", "from", bob, "head/x"), "x")
	thief.never(topic(node1, "from", bob, "head/x"))
}

// Only what was asked for listens: no port for NATS clients, routes, leaf
// nodes, websockets, monitoring or profiling.
func TestOnlyMQTTListens(t *testing.T) {
	t.Parallel()
	c := startChild(t, child{Dir: t.TempDir()})
	_, port, err := net.SplitHostPort(c.addr)
	if err != nil {
		t.Fatal(err)
	}
	want, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	if got := listening(t, c.Process.Pid); !slices.Equal(got, []int{want}) {
		t.Errorf("the process listens at %v, want %d only", got, want)
	}
}

// listening are the TCP ports that a process listens at, from proc(5).
func listening(t testing.TB, pid int) []int {
	t.Helper()
	own := map[string]bool{}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	if err != nil || len(fds) == 0 {
		t.Fatalf("%d descriptors: %v", len(fds), err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil {
			own[to] = true
		}
	}
	var ports []int
	for _, table := range []string{"tcp", "tcp6"} {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			f := strings.Fields(line)
			if len(f) < 10 || f[3] != "0A" || !own["socket:["+f[9]+"]"] { // 0A: LISTEN
				continue
			}
			p, err := strconv.ParseInt(f[1][strings.LastIndex(f[1], ":")+1:], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			ports = append(ports, int(p))
		}
	}
	return ports
}

// natsAccepts says whether somebody with one of our certificates, or without,
// may speak NATS's own protocol there.
func natsAccepts(t testing.TB, addr string) bool {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	fmt.Fprintf(c, "CONNECT {\"verbose\":true,\"user\":\"CN=%s\",\"pass\":\"\"}\r\nPING\r\n", alice)
	answer, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("%q: %v", answer, err)
	}
	return !bytes.Contains(answer, []byte("-ERR")) || bytes.Contains(answer, []byte("PONG"))
}
