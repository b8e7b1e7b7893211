package peer_test

import (
	"fmt"
	"testing"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// TestRevocation: what an issuer signs is durable at every gateway well within a
// second, and each says so.
func TestRevocation(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	issuer := i.participant("issuer")
	a := issuer.author(ledger.CommunityLog)
	issuer.append(a, admits(1, 300)...)
	all := []*participant{issuer.run()}
	for _, name := range gatewayNames {
		all = append(all, i.participant(name).run())
	}
	o := a.Head().Origin
	for _, p := range all {
		p.await(o, 301, 20*time.Second)
	}
	var worst time.Duration
	for n := range 5 {
		begun := time.Now()
		issuer.append(a, store.Draft{Body: &ledger.Suspend{Passport: uint64(n + 1), Why: "a test"}, Time: time.Now()})
		for _, p := range all[1:] {
			p.await(o, 302+int64(n), 5*time.Second)
		}
		worst = max(worst, time.Since(begun))
	}
	t.Logf("at the last of three gateways after %v", worst)
	if worst > time.Second {
		t.Errorf("a revocation took %v", worst)
	}
	eventually(t, 10*time.Second, func() error {
		held, err := issuer.store.Held(o)
		if err != nil {
			return err
		}
		whole := map[ledger.KeyID]bool{}
		for _, h := range held {
			if h.Role == ledger.RoleHold && h.Size == 306 {
				whole[h.Peer] = true
			}
		}
		if len(whole) != 3 {
			return fmt.Errorf("%d gateways say that they hold all: %+v", len(whole), held)
		}
		return nil
	})
	s := issuer.node.Status()
	if len(s.Ledgers) == 0 || !s.Ledgers[0].Own || s.Ledgers[0].Held != 306 || s.Links[0].Stats.Connects == 0 {
		t.Errorf("%+v", s)
	}
}

// TestPresent: whoever looks at Status when it is told to sees what has arrived.
func TestPresent(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	issuer, gw := i.participant("issuer"), i.participant("gw1").run()
	a := issuer.author(ledger.CommunityLog)
	issuer.run().append(a, admits(1, 2)...)
	gw.await(a.Head().Origin, 3, 20*time.Second)
	timeout := time.After(20 * time.Second)
	for n := 3; n <= 8; {
		select {
		case <-gw.present:
			if s := gw.node.Status(); len(s.Ledgers) == 1 && s.Ledgers[0].Held == int64(n) && s.Ledgers[0].Behind == 0 {
				issuer.append(a, admits(n, 1)...)
				n++
			}
		case <-timeout:
			t.Fatalf("nobody was told to look at entry %d: %+v", n, gw.node.Status().Ledgers)
		}
	}
}
