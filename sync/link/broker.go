package link

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// timing is how long things take; tests shorten it.
type timing struct {
	connect   time.Duration // TCP, TLS and CONNACK together, then the subscriptions
	keepAlive time.Duration // a ping after that much silence either way, whole seconds
	silence   time.Duration // nothing came for so long, though a ping was due: the connection is dead
	write     time.Duration // one write
	userTime  time.Duration // TCP_USER_TIMEOUT: sent and not acknowledged
	goodbye   time.Duration
	backoff   [2]time.Duration // least and most before another attempt, before jitter
	settled   time.Duration    // a connection that lasted so long begins the backoff anew
	bear      time.Duration    // after a birth that a will had called for, before another
	again     []time.Duration  // after which, and as much again at most, the birth is published anew
}

// A cable that was pulled is noticed within 42 s: the MQTT library pings 30 to
// 35 s after the last packet, and a broker that is there answers at once. A broker
// that is back has everybody within 10 s: nothing reaches a door before.
var defaultTiming = timing{
	connect: 15 * time.Second, keepAlive: 30 * time.Second, silence: 42 * time.Second, write: 10 * time.Second,
	userTime: 20 * time.Second, goodbye: time.Second, backoff: [2]time.Duration{500 * time.Millisecond, 10 * time.Second}, settled: 10 * time.Second,
	bear:  10 * time.Second,
	again: []time.Duration{2 * time.Second, 15 * time.Second},
}

// broker is a checked address.
type broker struct {
	address string      // host:port
	tls     *tls.Config // nil: plain, on this machine
}

func (b broker) String() string {
	if b.tls == nil {
		return "tcp://" + b.address
	}
	return "tls://" + b.address
}

func parseBroker(s string, conf *tls.Config) (broker, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" || (u.Path != "" && u.Path != "/") {
		return broker{}, fmt.Errorf("broker %q is not tls://host:port", s)
	}
	host, port := u.Hostname(), u.Port()
	if host == "" {
		return broker{}, fmt.Errorf("broker %q names no host", s)
	}
	switch u.Scheme {
	case "tls":
		if conf == nil {
			return broker{}, fmt.Errorf("broker %q needs this participant's certificate", s)
		}
		if port == "" {
			port = "8883"
		}
		conf = conf.Clone()
		if conf.ServerName == "" {
			conf.ServerName = host
		}
	case "tcp":
		if ip, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !ip.IsLoopback()) {
			return broker{}, fmt.Errorf("broker %q: without TLS only a broker on this machine may be used; write tls://%s, or tcp://127.0.0.1", s, host)
		}
		if port == "" {
			port = "1883"
		}
		conf = nil
	default:
		return broker{}, fmt.Errorf("broker %q: unknown scheme %q; write tls://host or tcp://127.0.0.1", s, u.Scheme)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return broker{}, fmt.Errorf("broker %q: port %q", s, port)
	}
	return broker{address: net.JoinHostPort(host, port), tls: conf}, nil
}

// dial opens the connection that the MQTT library reads: guarded, with deadlines
// of its own, counted below TLS.
func (l *Link) dial(ctx context.Context, filters int) (*guardedConn, error) {
	d := net.Dialer{
		KeepAlive: -1, // MQTT's ping does what TCP's keepalive would, and notices more
		ControlContext: func(_ context.Context, _, address string, c syscall.RawConn) error {
			if a, err := netip.ParseAddrPort(address); l.broker.tls == nil && (err != nil || !a.Addr().Unmap().IsLoopback()) {
				return fmt.Errorf("%s is not on this machine; without TLS only a broker on this machine may be used", address)
			}
			return c.Control(func(fd uintptr) {
				// Without it the deadlines still hold, only later.
				_ = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(l.timing.userTime.Milliseconds()))
			})
		},
	}
	raw, err := d.DialContext(ctx, "tcp", l.broker.address)
	if err != nil {
		return nil, err
	}
	timed := &timedConn{Conn: raw, timing: l.timing, sent: &l.wireSent, read: &l.wireRead}
	var conn net.Conn = timed
	if l.broker.tls != nil {
		t := tls.Client(timed, l.broker.tls)
		if err := t.HandshakeContext(ctx); err != nil {
			raw.Close()
			return nil, err
		}
		conn = t
	}
	return &guardedConn{Conn: conn, raw: raw, guard: guard{r: bufio.NewReaderSize(conn, 16<<10), filters: filters}}, nil
}

// timedConn gives every read and every write its own deadline: the library's
// pings and subscriptions have none. It counts what passes.
type timedConn struct {
	net.Conn
	timing     timing
	sent, read *atomic.Uint64
}

func (c *timedConn) Read(b []byte) (int, error) {
	if err := c.Conn.SetReadDeadline(time.Now().Add(c.timing.silence)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Read(b)
	c.read.Add(uint64(n))
	return n, err
}

func (c *timedConn) Write(b []byte) (int, error) {
	if err := c.Conn.SetWriteDeadline(time.Now().Add(c.timing.write)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(b)
	c.sent.Add(uint64(n))
	return n, err
}

// guardedConn shows the library only packets that the guard lets through. Its
// deadlines are timedConn's alone. Closing it writes nothing: TLS's own farewell
// could wait on a dead network, and MQTT's says as much.
type guardedConn struct {
	net.Conn
	raw   net.Conn
	guard guard
	cut   atomic.Pointer[error] // why the guard ended it; nil if it did not
}

func (c *guardedConn) Close() error { return c.raw.Close() }
func (c *guardedConn) Read(b []byte) (int, error) {
	n, err := c.guard.Read(b)
	if errors.Is(err, ErrOversize) || errors.Is(err, ErrProtocol) {
		c.cut.Store(&err)
	}
	return n, err
}

func (c *guardedConn) SetDeadline(time.Time) error        { return nil }
func (c *guardedConn) SetReadDeadline(time.Time) error    { return nil }
func (c *guardedConn) SetWriteDeadline(t time.Time) error { return nil }
