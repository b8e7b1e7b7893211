package hub

import (
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"tombolo/sync/peer"
)

// maxAddresses bounds those that are remembered: who asks seldom is forgotten first.
const maxAddresses = 1 << 14

// limiter bounds requests, by address and at once.
type limiter struct {
	limits     APILimits
	all, heavy chan struct{} // hold one for each request under way

	mu        sync.Mutex
	addresses map[netip.Addr]*bucket // under mu
}

// bucket lets through a burst, and then so many a second.
type bucket struct {
	spent float64
	at    time.Time
}

func newLimiter(l APILimits) *limiter {
	return &limiter{limits: l, all: make(chan struct{}, l.Concurrent), heavy: make(chan struct{}, l.Heavy), addresses: map[netip.Addr]*bucket{}}
}

// from counts a request from an address, of IPv6 from its network of 64 bits, and
// tells whether it is let through.
func (l *limiter) from(remote string, now time.Time) bool {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	a, err := netip.ParseAddr(host)
	if err == nil && a.Is6() && !a.Is4In6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			a = p.Addr()
		}
	}
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
func (l *limiter) admit(heavy bool) (done func(), err error) {
	places := l.all
	if heavy {
		places = l.heavy
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, refuse(http.StatusServiceUnavailable, "too many requests are under way", "try again in a few seconds")
	}
}

func linkUp(l peer.LinkStatus) bool { return l.Up }
