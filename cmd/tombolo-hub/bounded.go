package main

import (
	"net"
	"net/netip"
	"sync"
)

const (
	// maxConns bounds the connections to the API, and maxConnsEach those from one
	// address, of IPv6 from its network of 64 bits. A proxy on this machine has as many
	// as it likes.
	maxConns     = 4096
	maxConnsEach = 64
)

// bounded is a listener that has so many connections at a time and closes what is
// more.
type bounded struct {
	net.Listener

	mu   sync.Mutex
	all  int                // under mu
	from map[netip.Addr]int // under mu
}

func newBounded(l net.Listener) *bounded {
	return &bounded{Listener: l, from: map[netip.Addr]int{}}
}

// Accept implements net.Listener.
func (b *bounded) Accept() (net.Conn, error) {
	for {
		c, err := b.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if a := remoteOf(c); b.enter(a) {
			return &boundedConn{Conn: c, leave: sync.OnceFunc(func() { b.leave(a) })}, nil
		}
		_ = c.Close() // who has too many is told no more
	}
}

func remoteOf(c net.Conn) netip.Addr {
	p, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	a := p.Addr().Unmap().WithZone("")
	if n, err := a.Prefix(64); err == nil && a.Is6() {
		a = n.Addr()
	}
	return a
}

func (b *bounded) enter(a netip.Addr) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	local := a.IsLoopback() || a == netip.IPv6Unspecified() // ::1/64
	if b.all >= maxConns || b.from[a] >= maxConnsEach && !local {
		return false
	}
	b.all++
	b.from[a]++
	return true
}

func (b *bounded) leave(a netip.Addr) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all--
	if b.from[a]--; b.from[a] == 0 {
		delete(b.from, a)
	}
}

// boundedConn gives its place back.
type boundedConn struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *boundedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
