package link

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// fake is a broker that speaks raw bytes. A test says what it does with each
// connection.
type fake struct {
	tb  testing.TB
	lis net.Listener
}

func newFake(tb testing.TB, conf *tls.Config, serve func(c *fakeConn)) *fake {
	tb.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	if conf != nil {
		lis = tls.NewListener(lis, conf)
	}
	f := &fake{tb, lis}
	tb.Cleanup(func() { lis.Close() })
	go func() {
		for {
			c, err := lis.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(&fakeConn{Conn: c, r: bufio.NewReader(c)})
			}()
		}
	}()
	return f
}

func (f *fake) address(scheme string) string { return scheme + "://" + f.lis.Addr().String() }

type fakeConn struct {
	net.Conn
	r       *bufio.Reader
	connect []byte // CONNECT's body
	filters []string
}

// read is the next packet that the link sent.
func (c *fakeConn) read() (first byte, body []byte, err error) {
	if first, err = c.r.ReadByte(); err != nil {
		return
	}
	n := 0
	for shift := 0; ; shift += 7 {
		b, err := c.r.ReadByte()
		if err != nil {
			return 0, nil, err
		}
		n |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	body = make([]byte, n)
	_, err = io.ReadFull(c.r, body)
	return first, body, err
}

// welcome takes CONNECT and SUBSCRIBE and grants everything.
func (c *fakeConn) welcome() error {
	_, body, err := c.read()
	if err != nil {
		return err
	}
	c.connect = body
	if _, err := c.Write(connack); err != nil {
		return err
	}
	_, body, err = c.read()
	if err != nil {
		return err
	}
	codes := []byte{body[0], body[1]}
	for rest := body[2:]; len(rest) > 0; {
		n := int(rest[0])<<8 | int(rest[1])
		c.filters = append(c.filters, string(rest[2:2+n]))
		rest = rest[3+n:]
		codes = append(codes, 0)
	}
	_, err = c.Write(packet(packetSuback, codes...))
	return err
}

// drainPings answers pings until the connection ends.
func (c *fakeConn) drainPings() {
	for {
		first, _, err := c.read()
		if err != nil {
			return
		}
		if first == 0xc0 {
			_, _ = c.Write(packet(packetPingresp))
		}
	}
}

// TestConnectPacket reads what a link says of itself: MQTT 3.1.1 §3.1.
func TestConnectPacket(t *testing.T) {
	t.Parallel()
	conns := make(chan *fakeConn, 10)
	f := newFake(t, nil, func(c *fakeConn) {
		if c.welcome() == nil {
			conns <- c // and cut
		}
	})
	h := start(t, config("a gateway", f.address("tcp")), quick)
	go func() {
		for range h.events {
		}
	}()
	ids, wills := map[string]bool{}, map[string]bool{}
	for range 3 {
		c := <-conns
		b := c.connect
		// Name, level 4, flags: clean session, will, QoS 0, retained; 30 s.
		if want := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0x26, 0, 30}; !bytes.Equal(b[:10], want) {
			t.Errorf("CONNECT begins %x, want %x", b[:10], want)
		}
		field := func() string {
			n := int(b[0])<<8 | int(b[1])
			s := string(b[2 : 2+n])
			b = b[2+n:]
			return s
		}
		b = b[10:]
		id, topic, will := field(), field(), field()
		ids[id], wills[will] = true, true
		if len(id) != 23 || strings.Contains(id, h.cfg.Self.String()[:8]) {
			t.Errorf("client ID %q", id)
		}
		if topic != base(testCommunity, inNode)+"from/"+h.cfg.Self.String()+"/alive" {
			t.Errorf("will on %s", topic)
		}
		if _, err := decodeGone([]byte(will)); err != nil {
			t.Errorf("will %x: %v", will, err)
		}
		if got := fmt.Sprint(len(c.filters)); got != "11" {
			t.Errorf("%s filters: %v", got, c.filters)
		}
	}
	if len(ids) != 3 || len(wills) != 3 {
		t.Errorf("client IDs %v, births %d: each connection has its own", ids, len(wills))
	}
}

// TestHugePacket announces 100 MB, and sends as much as is taken.
func TestHugePacket(t *testing.T) {
	for name, hello := range map[string]bool{"after the subscriptions": true, "as the first packet": false} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t, nil, func(c *fakeConn) {
				if hello && c.welcome() != nil {
					return
				}
				head := append([]byte{packetPublish}, remaining(100<<20)...)
				_, _ = c.Write(append(head, 0, 1, 'a'))
				for chunk := make([]byte, 1<<20); ; {
					if _, err := c.Write(chunk); err != nil {
						return
					}
				}
			})
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			h := start(t, config("a gateway", f.address("tcp")), quick)
			go func() {
				for range h.events {
				}
			}()
			eventually(t, "it is cut off", func() bool { return h.Stats().LastError != nil })
			runtime.ReadMemStats(&after)
			if err := h.Stats().LastError; !errors.Is(err, ErrOversize) {
				t.Errorf("%v", err)
			}
			// The fake's own chunk of 1 MiB for each attempt is among it.
			if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
				t.Errorf("%d bytes allocated", used)
			}
		})
	}
}

// TestBrokenBroker has brokers that the library alone would not survive, or
// would take for a connection.
func TestBrokenBroker(t *testing.T) {
	t.Parallel()
	for name, serve := range map[string]func(c *fakeConn){
		"SUBACK with more codes than filters": func(c *fakeConn) {
			_, _, _ = c.read()
			_, _ = c.Write(connack)
			_, body, _ := c.read()
			_, _ = c.Write(packet(packetSuback, append([]byte{body[0], body[1]}, make([]byte, 100)...)...))
			c.drainPings()
		},
		"CONNACK with an unknown code": func(c *fakeConn) {
			_, _ = c.Write(packet(packetConnack, 0, 77))
			c.drainPings()
		},
		"PUBREL": func(c *fakeConn) {
			if c.welcome() == nil {
				_, _ = c.Write(packet(0x62, 0, 1))
				c.drainPings()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := start(t, config("a gateway", newFake(t, nil, serve).address("tcp")), quick)
			go func() {
				for range h.events {
				}
			}()
			eventually(t, "it is cut off", func() bool { return h.Stats().LastError != nil })
			if err := h.Stats().LastError; !errors.Is(err, ErrProtocol) {
				t.Errorf("%v", err)
			}
		})
	}
}

// TestRefusedConnection has a broker that does not know the participant.
func TestRefusedConnection(t *testing.T) {
	t.Parallel()
	f := newFake(t, nil, func(c *fakeConn) { _, _, _ = c.read(); _, _ = c.Write(packet(packetConnack, 0, 5)) })
	h := start(t, config("a gateway", f.address("tcp")), quick)
	eventually(t, "several attempts", func() bool { return h.Stats().Attempts > 3 })
	if s := h.Stats(); s.Connects != 0 || s.Up || !errors.Is(s.LastError, packets.ErrorRefusedNotAuthorised) {
		t.Errorf("%+v", s)
	}
}

// TestSilentBroker has a broker that goes silent without closing anything, as a
// pulled cable does: also before it answered at all.
func TestSilentBroker(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	short := quick
	short.silence, short.connect = 300*time.Millisecond, 300*time.Millisecond
	t.Run("after Up", func(t *testing.T) {
		f := newFake(t, nil, func(c *fakeConn) { _ = c.welcome(); <-hang })
		h := start(t, config("a gateway", f.address("tcp")), short)
		await[Up](h, nil)
		began := time.Now()
		down := await[Down](h, nil)
		if took := time.Since(began); took > 2*time.Second || down.Err == nil {
			t.Errorf("noticed after %v: %v", took, down.Err)
		}
	})
	for name, serve := range map[string]func(c *fakeConn){
		"before CONNACK": func(*fakeConn) { <-hang },
		"before SUBACK":  func(c *fakeConn) { _, _, _ = c.read(); _, _ = c.Write(connack); <-hang },
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t, config("a gateway", newFake(t, nil, serve).address("tcp")), short)
			eventually(t, "two attempts", func() bool { return h.Stats().Attempts > 1 })
			if s := h.Stats(); s.Connects != 0 || s.LastError == nil {
				t.Errorf("%+v", s)
			}
			began := time.Now()
			h.end()
			if took := time.Since(began); took > 2*time.Second {
				t.Errorf("it took %v to end", took)
			}
		})
	}
	// What the defaults promise: a ping is due before silence counts, and both
	// are within 45 s.
	if d := defaultTiming; d.keepAlive+5*time.Second >= d.silence || d.silence > 45*time.Second || d.userTime > 45*time.Second {
		t.Errorf("%+v", d)
	}
}

// TestStuckBroker has a broker that reads nothing: Send does not wait, and the
// connection ends.
func TestStuckBroker(t *testing.T) {
	t.Parallel()
	hang := make(chan struct{})
	t.Cleanup(func() { close(hang) })
	f := newFake(t, nil, func(c *fakeConn) { _ = c.welcome(); <-hang })
	short := quick
	short.write, short.backoff = time.Second, [2]time.Duration{time.Hour, time.Hour}
	h := start(t, config("a gateway", f.address("tcp")), short)
	await[Up](h, nil)
	log := newLog("a gateway", ledger.DoorLog)
	head := log.append(t, 20, 5000)
	g := log.give(head, 0)
	full := false
	for range 500 { // 50 MB, more than any socket holds
		began := time.Now()
		err := h.Send(replica.Node, peerOf("a desk"), g)
		if took := time.Since(began); took > short.write/2 {
			t.Fatalf("Send waited %v", took)
		}
		full = full || errors.Is(err, ErrFull)
		time.Sleep(100 * time.Microsecond)
	}
	if !full {
		t.Error("nothing was refused")
	}
	if down := await[Down](h, nil); down.Err == nil {
		t.Error("down without a reason")
	}
	if n := h.Stats().Waiting; n != 0 {
		t.Errorf("%d messages outlive their connection", n)
	}
}

// TestSlowHost has a host that takes nothing while the broker delivers: pings go
// on being answered, and the rest is dropped within bounds.
func TestSlowHost(t *testing.T) {
	t.Parallel()
	log := newLog("another gateway", ledger.DoorLog)
	head := log.append(t, 10, 5000)
	name := topic{Community: testCommunity, Place: inNode, Sender: peerOf("another gateway"), Type: TypeWant, To: peerOf("a gateway")}
	p := publishPacket(name.String(), must(encodeMessage(log.give(head, 0))))
	const gives = 300
	f := newFake(t, nil, func(c *fakeConn) {
		if c.welcome() != nil {
			return
		}
		for range gives {
			if _, err := c.Write(p); err != nil {
				return
			}
		}
		c.drainPings()
	})
	h := start(t, config("a gateway", f.address("tcp")), quick)
	eventually(t, "all was taken or dropped", func() bool {
		s := h.Stats()
		return s.Received[TypeGive].Messages+s.DroppedIn[TypeGive] == gives && s.DroppedIn[TypeGive] > 0
	})
	if s := h.Stats(); s.Received[TypeGive].Bytes > maxInBytes || !s.Up {
		t.Errorf("%+v", s)
	}
	await[Up](h, nil)
	await[Received](h, nil)
}
