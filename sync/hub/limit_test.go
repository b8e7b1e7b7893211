package hub

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

// TestAddress: who asks is whom the connection comes from, unless that is a proxy on
// this machine.
func TestAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		remote    string
		forwarded []string
		want      string
	}{
		{"192.0.2.1:1", nil, "192.0.2.1"},
		{"192.0.2.1:1", []string{"198.51.100.1"}, "192.0.2.1"}, // who says so is nobody's proxy
		{"[2001:db8::1]:1", nil, "2001:db8::"},
		{"[2001:db8:0:0:ffff::1%eth0]:1", nil, "2001:db8::"},
		{"[::ffff:192.0.2.1]:1", nil, "192.0.2.1"},
		{"127.0.0.1:1", nil, "127.0.0.1"},
		{"127.0.0.1:1", []string{"198.51.100.1"}, "198.51.100.1"},
		{"[::1]:1", []string{"203.0.113.9, 198.51.100.1"}, "198.51.100.1"},
		{"[::ffff:127.0.0.1]:1", []string{"203.0.113.9", "2001:db8::1"}, "2001:db8::"},
		{"127.0.0.1:1", []string{"198.51.100.1, "}, "127.0.0.1"},
		{"127.0.0.1:1", []string{"unknown"}, "127.0.0.1"},
		{"127.0.0.1:1", []string{""}, "127.0.0.1"},
		{"@", nil, "invalid IP"},
	} {
		r := &http.Request{RemoteAddr: c.remote, Header: http.Header{"X-Forwarded-For": c.forwarded}}
		if got := addressOf(r).String(); got != c.want {
			t.Errorf("%s, %q: %s, want %s", c.remote, c.forwarded, got, c.want)
		}
	}
}

// TestRate: an address that asks too often is told to wait; others are not.
func TestRate(t *testing.T) {
	t.Parallel()
	l := newLimiter(APILimits{Rate: 10, Burst: 3}.withDefaults())
	now := time.Unix(1000, 0)
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for i := range 3 {
		if !l.from(one, now) {
			t.Errorf("request %d", i)
		}
	}
	if l.from(one, now) {
		t.Error("a fourth at once")
	}
	if l.from(one, now.Add(-time.Hour)) {
		t.Error("one when the clock was set back")
	}
	if !l.from(other, now) {
		t.Error("another address")
	}
	if !l.from(one, now.Add(time.Second)) {
		t.Error("a second later")
	}
	for i := range 2 * maxAddresses {
		l.from(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), now)
	}
	if len(l.addresses) > maxAddresses {
		t.Errorf("%d addresses", len(l.addresses))
	}
	s := newSite(t, APILimits{Rate: 0.001, Burst: 2, Heavy: 1})
	codes := ""
	for range 3 {
		resp := must(http.Get(s.server.URL + "/v1/epochs"))
		codes += fmt.Sprint(resp.StatusCode, resp.Header.Get("Retry-After"), " ")
		resp.Body.Close()
	}
	if codes != "200 200 4291 " {
		t.Errorf("%q", codes)
	}
}

// TestPlaces: requests under way are bounded, and of what is long an address has no
// more than its share.
func TestPlaces(t *testing.T) {
	t.Parallel()
	one, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	l := newLimiter(APILimits{Heavy: 8, Concurrent: 1})
	status := func(a netip.Addr, heavy bool) (int, func()) {
		done, err := l.admit(a, heavy)
		if e, ok := errors.AsType[*apiError](err); ok {
			return e.status, nil
		}
		return 0, done
	}
	var ends []func()
	for i, c := range []struct {
		a     netip.Addr
		heavy bool
		want  int
	}{
		{one, false, 0}, {other, false, http.StatusServiceUnavailable},
		{one, true, 0}, {one, true, 0}, {one, true, http.StatusTooManyRequests},
		{other, true, 0}, {other, true, 0}, {other, true, http.StatusTooManyRequests},
	} {
		got, done := status(c.a, c.heavy)
		if got != c.want {
			t.Errorf("%d: %d, want %d", i, got, c.want)
		}
		if done != nil {
			ends = append(ends, done)
		}
	}
	for n := byte(3); n < 5; n++ {
		for range 2 {
			if got, _ := status(netip.AddrFrom4([4]byte{192, 0, 2, n}), true); got != 0 {
				t.Errorf("%d: %d", n, got)
			}
		}
	}
	if got, _ := status(netip.AddrFrom4([4]byte{192, 0, 2, 9}), true); got != http.StatusServiceUnavailable {
		t.Errorf("a ninth: %d", got)
	}
	for _, end := range ends {
		end()
	}
	if len(l.long) != 2 || len(l.all) != 0 || len(l.heavy) != 4 {
		t.Errorf("%v, %d, %d", l.long, len(l.all), len(l.heavy))
	}
	if got, _ := status(one, true); got != 0 {
		t.Errorf("when its own have ended: %d", got)
	}
}

// TestSlowReader: who takes a long answer too slowly is cut off, and who takes it
// steadily has all of it.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	const size = 64 << 20
	ended := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := newPaced(w)
		p.patience, p.left = 300*time.Millisecond, 300*time.Millisecond
		_, err := io.Copy(p, io.LimitReader(zeros{}, size))
		ended <- err
	}))
	defer server.Close()
	conn := must(net.Dial("tcp", server.Listener.Addr().String()))
	defer conn.Close()
	must(fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: hub\r\n\r\n")) // and reads nothing
	select {
	case err := <-ended:
		if err == nil {
			t.Error("all of it was sent to nobody")
		}
	case <-time.After(20 * time.Second):
		t.Error("who reads nothing keeps its place")
	}
	resp := must(http.Get(server.URL))
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	if bad := <-ended; n != size || err != nil || bad != nil {
		t.Errorf("%d bytes, %v, %v", n, err, bad)
	}
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// TestSlowRequests: who sends a request slowly, or a large one, is cut off.
func TestSlowRequests(t *testing.T) {
	t.Parallel()
	s := newSite(t, APILimits{})
	server := Server(s.hub.Handler())
	if server.ReadHeaderTimeout == 0 || server.ReadTimeout == 0 || server.WriteTimeout == 0 || server.IdleTimeout == 0 || server.MaxHeaderBytes > 64<<10 {
		t.Errorf("%+v", server)
	}
	server.ReadHeaderTimeout = 200 * time.Millisecond
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	go server.Serve(l)
	defer server.Shutdown(context.Background())
	answer := func(request string) string {
		conn := must(net.Dial("tcp", l.Addr().String()))
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		go io.WriteString(conn, request)
		b, _ := io.ReadAll(conn)
		return string(b[:min(len(b), 12)])
	}
	if got := answer("GET /v1/epochs HTTP/1.1\r\nHost: hub\r\nX-"); got != "HTTP/1.1 400" {
		t.Errorf("half a header: %q", got)
	}
	large := "GET /v1/epochs HTTP/1.1\r\nHost: hub\r\n"
	for i := range 400 {
		large += fmt.Sprintf("X-%d: %0100d\r\n", i, i)
	}
	if got := answer(large + "\r\n"); got != "HTTP/1.1 431" {
		t.Errorf("a large header: %q", got)
	}
}
