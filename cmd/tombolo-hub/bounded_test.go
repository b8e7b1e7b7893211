package main

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
)

// crowd is a listener at which connections come from anywhere.
type crowd struct {
	net.Listener
	from []string
}

type visitor struct {
	net.Conn
	from   string
	closed *bool
}

func (v visitor) RemoteAddr() net.Addr { return address(v.from) }
func (v visitor) Close() error         { *v.closed = true; return nil }

type address string

func (address) Network() string  { return "tcp" }
func (a address) String() string { return string(a) }

func (c *crowd) Accept() (net.Conn, error) {
	if len(c.from) == 0 {
		return nil, errors.New("nobody comes any more")
	}
	v := visitor{from: c.from[0], closed: new(bool)}
	c.from = c.from[1:]
	return v, nil
}

// TestBounded: an address has its share of the connections, all together have so
// many, and one that ends makes room.
func TestBounded(t *testing.T) {
	t.Parallel()
	c := &crowd{}
	b := newBounded(c)
	come := func(format string, n int) (in []net.Conn) {
		c.from = nil
		for i := range n {
			c.from = append(c.from, fmt.Sprintf(format, i))
		}
		for {
			conn, err := b.Accept()
			if err != nil {
				return in
			}
			in = append(in, conn)
		}
	}
	one := come("192.0.2.1:%d", 100)
	if len(one) != maxConnsEach {
		t.Errorf("%d of one address", len(one))
	}
	if n := len(come("[2001:db8::%x]:1", 100)); n != maxConnsEach {
		t.Errorf("%d of one network", n)
	}
	for range 2 { // a second Close gives no second place
		if err := one[0].Close(); err != nil {
			t.Error(err)
		}
	}
	if n := len(come("192.0.2.1:%d", 5)); n != 1 {
		t.Errorf("%d when one has ended", n)
	}
	if n := len(come("[::1]:%d", 100)) + len(come("127.0.0.1:%d", 100)); n != 200 {
		t.Errorf("%d of a proxy", n)
	}
	come("10.0.0.1:%d", 0)
	for i := range 256 {
		come(fmt.Sprintf("10.0.%d.%%d:1", i), 20)
	}
	if b.all != maxConns {
		t.Errorf("%d connections", b.all)
	}
}

// TestOpenWeb: an operator who shows the API to the network is told what that means.
func TestOpenWeb(t *testing.T) {
	t.Parallel()
	for address, warned := range map[string]bool{"127.0.0.1:0": false, "localhost:0": false, "[::1]:0": false, "0.0.0.0:0": true, ":0": true, "[::]:0": true} {
		var log bytes.Buffer
		w, err := openWeb(address, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			if strings.HasPrefix(address, "[") {
				continue // a machine without IPv6
			}
			t.Fatal(err)
		}
		if got := strings.Contains(log.String(), "without TLS"); got != warned {
			t.Errorf("%s: %s", address, &log)
		}
		if err := w.listener.Close(); err != nil {
			t.Error(err)
		}
	}
}
