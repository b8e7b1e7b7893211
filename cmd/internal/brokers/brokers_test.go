package brokers

import (
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// TestEmbedded, as TestMosquitto and TestCluster: whatever is killed under the
// stream, every tap is decided, nothing that was acknowledged is lost, nothing
// counts twice, and in the end all are equal.
func TestEmbedded(t *testing.T) {
	t.Parallel()
	under(t, embedded, fall{away: 300 * time.Millisecond}, fall{away: 2 * time.Second, whole: true}, fall{away: time.Second, whole: true})
}

func TestMosquitto(t *testing.T) {
	t.Parallel()
	under(t, mosquitto, fall{away: 300 * time.Millisecond}, fall{away: 2 * time.Second, whole: true}, fall{away: time.Second, whole: true})
}

// The server that falls is the first gateway's and the desk's, and then the second
// gateway's.
func TestCluster(t *testing.T) {
	t.Parallel()
	under(t, cluster, fall{away: 2 * time.Second, whole: true}, fall{servers: []int{1}, away: 500 * time.Millisecond, whole: true})
}

// fall is a kill -9, of the first server unless others are named.
type fall struct {
	servers []int
	away    time.Duration // until they are started again
	whole   bool          // then all are awaited; otherwise the next comes while some are still away
}

// healed is within what all are equal after the last server is back.
const healed = 60 * time.Second

func under(t *testing.T, kind func(*estate) *site, falls ...fall) {
	e := newEstate(t)
	s := kind(e)
	all := make([]int, len(s.at))
	for i := range all {
		all[i] = i
	}
	s.start(all...)
	e.run(s)
	began := e.begin()
	time.Sleep(time.Second)
	for _, f := range falls {
		if f.servers == nil {
			f.servers = []int{0}
		}
		s.kill(f.servers...)
		time.Sleep(f.away)
		s.start(f.servers...)
		if f.whole {
			eventually(t, healed, e.connected)
		}
		time.Sleep(time.Second)
	}
	back := time.Now()
	began.stop()
	e.write(ledger.CommunityLog, &ledger.Suspend{Passport: comes, Why: "the end"})
	eventually(t, healed, e.equal)
	t.Logf("all equal %v after the stream", time.Since(back).Round(time.Millisecond))
	for _, u := range e.gws {
		if d, err := u.tap(t.Context(), comes); err != nil || d.Reason != "suspended" {
			t.Errorf("gw%d: %+v, %v", u.n, d, err)
		}
	}
	eventually(t, healed, func() error {
		for _, u := range e.gws {
			u.mu.Lock()
			last := u.seen[len(u.seen)-1].Seq
			u.mu.Unlock()
			if err := u.recorded(last); err != nil {
				return err
			}
		}
		return e.equal()
	})
	began.judge()
}
