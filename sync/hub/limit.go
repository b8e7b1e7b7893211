package hub

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"tombolo/sync/peer"
)

const (
	// maxAddresses bounds those that are remembered: who asks seldom is forgotten first.
	maxAddresses = 1 << 14
	// heavyShare is what one address may have of the places for what is long.
	heavyShare = 4
)

// limiter bounds requests, by address and at once.
type limiter struct {
	limits     APILimits
	all, heavy chan struct{} // hold one for each request under way

	mu        sync.Mutex
	addresses map[netip.Addr]*bucket // under mu
	long      map[netip.Addr]int     // under mu: what is long, under way
}

// bucket lets through a burst, and then so many a second.
type bucket struct {
	spent float64
	at    time.Time
}

func newLimiter(l APILimits) *limiter {
	return &limiter{limits: l, all: make(chan struct{}, l.Concurrent), heavy: make(chan struct{}, l.Heavy), addresses: map[netip.Addr]*bucket{}, long: map[netip.Addr]int{}}
}

// addressOf is who asks: of IPv6 a network of 64 bits. A proxy on this machine, which
// does TLS, appends whom it speaks for to X-Forwarded-For.
func addressOf(r *http.Request) netip.Addr {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	a, _ := netip.ParseAddr(host)
	if all := r.Header.Values("X-Forwarded-For"); a.Unmap().IsLoopback() && len(all) > 0 {
		last := all[len(all)-1]
		if f, err := netip.ParseAddr(strings.TrimSpace(last[strings.LastIndexByte(last, ',')+1:])); err == nil {
			a = f
		}
	}
	if a = a.Unmap().WithZone(""); a.Is6() {
		if p, err := a.Prefix(64); err == nil {
			a = p.Addr()
		}
	}
	return a
}

// from counts a request from an address and tells whether it is let through.
func (l *limiter) from(a netip.Addr, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.addresses[a]
	if b == nil {
		if len(l.addresses) >= maxAddresses {
			l.forget(now)
		}
		b = &bucket{at: now}
		l.addresses[a] = b
	}
	b.spent = max(0, b.spent-max(0, now.Sub(b.at).Seconds())*l.limits.Rate)
	b.at = now
	if b.spent+1 > float64(l.limits.Burst) {
		return false
	}
	b.spent++
	return true
}

// forget lets go of addresses whose buckets are full again; if there are none, of
// all: then everybody has a burst once more. It is called under mu.
func (l *limiter) forget(now time.Time) {
	for a, b := range l.addresses {
		if b.spent-now.Sub(b.at).Seconds()*l.limits.Rate <= 0 {
			delete(l.addresses, a)
		}
	}
	if len(l.addresses) >= maxAddresses {
		clear(l.addresses)
	}
}

// admit takes a place among the requests under way.
func (l *limiter) admit(a netip.Addr, heavy bool) (done func(), err error) {
	busy := refuse(http.StatusServiceUnavailable, "too many requests are under way", "try again in a few seconds")
	places := l.all
	if heavy {
		places = l.heavy
		if !l.share(a) {
			return nil, refuse(http.StatusTooManyRequests, "too many long answers to this address are under way", "wait until one has come whole, then ask again")
		}
	}
	select {
	case places <- struct{}{}:
		return func() {
			<-places
			if heavy {
				l.unshare(a)
			}
		}, nil
	default:
		if heavy {
			l.unshare(a)
		}
		return nil, busy
	}
}

// share takes an address's part of the places for what is long.
func (l *limiter) share(a netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.long[a] >= max(1, l.limits.Heavy/heavyShare) {
		return false
	}
	l.long[a]++
	return true
}

func (l *limiter) unshare(a netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.long[a]--; l.long[a] == 0 {
		delete(l.long, a)
	}
}

const (
	// slowest is how fast what is long has to be taken, in bytes a second; what breaks
	// off goes on with a Range.
	slowest = 50_000
	// slowness is for how long it may be slower.
	slowness = 30 * time.Second
)

// paced is an answer that has to be taken at some speed: whoever reads nothing would
// keep a place from others. What the hub itself takes to go on does not count.
type paced struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
	left     time.Duration
}

func newPaced(w http.ResponseWriter) *paced {
	return &paced{w, http.NewResponseController(w), slowness, slowness}
}

func (p *paced) Write(b []byte) (n int, err error) {
	for len(b) > 0 && err == nil {
		some := b[:min(len(b), 64<<10)]
		began := time.Now()
		_ = p.control.SetWriteDeadline(began.Add(p.left)) // a recorder has none
		var m int
		m, err = p.ResponseWriter.Write(some)
		p.left = min(p.patience, p.left-time.Since(began)+time.Duration(m)*time.Second/slowest)
		n, b = n+m, b[m:]
	}
	return n, err
}

func linkUp(l peer.LinkStatus) bool { return l.Up }
