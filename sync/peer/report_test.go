package peer_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// figures are n drafts for a report ledger.
func figures(n int) (out []store.Draft) {
	for i := range n {
		out = append(out, store.Draft{Body: &ledger.Occupancy{Zone: "house", Sure: 20, Most: uint32(20 + i)}, Time: time.Now()})
	}
	return out
}

// reporter is a gateway that has the right to report, by its own folder.
func (i *isle) reporter(name string) *participant {
	p := i.participant(name)
	p.also = func(c *peer.Config) {
		c.Rights = func() (replica.Rights, error) { return i.reporting(name), nil }
	}
	return p
}

// hub is the hub, with rights to what these gateways report, which may change.
func (i *isle) hub(of func() []string) *participant {
	return i.server("hub", func(c *peer.Config) {
		c.Ledgers = 20_000
		c.Rights = func() (replica.Rights, error) { return i.reporting(of()...), nil }
	})
}

// TestReports: what a gateway reports reaches the hub, which says that it holds and
// has seen it, and nobody else; and a gateway that lost its disk has it from there.
func TestReports(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	hub := i.hub(func() []string { return gatewayNames }).run().up()
	gw1, gw2, desk := i.reporter("gw1").run().up(), i.reporter("gw2").run().up(), i.participant("steward").run().up()
	a := gw1.author(ledger.ReportLog)
	gw1.append(a, figures(500)...)
	o := a.Head().Origin
	hub.await(o, 501, 20*time.Second)
	door := gw1.author(ledger.DoorLog)
	gw1.append(door, passages(3)...)
	census := hub.author(ledger.CensusLog)
	hub.append(census, store.Draft{Body: &ledger.EpochClosed{Epoch: ledger.EpochID{1}, Size: 20, Rules: 1, Reports: 1}, Time: time.Now()})
	for _, p := range []*participant{gw1, gw2, desk} {
		p.await(census.Head().Origin, 2, 20*time.Second)
	}
	gw2.await(door.Head().Origin, 4, 20*time.Second)
	eventually(t, 20*time.Second, func() error {
		held, err := gw1.store.Held(o)
		if err != nil {
			return err
		}
		roles := map[ledger.Role]bool{}
		for _, h := range held {
			if h.Peer == idOf("hub") && h.Size == 501 {
				roles[h.Role] = true
			}
		}
		if !roles[ledger.RoleHold] || !roles[ledger.RoleWitness] {
			return fmt.Errorf("%+v", held)
		}
		return nil
	})
	for _, p := range []*participant{gw2, desk} {
		if n := p.size(o); n != 0 {
			t.Errorf("%s holds %d entries of gw1's report", p.name, n)
		}
		text, err := json.Marshal(p.node.Status())
		if err != nil || strings.Contains(string(text), "/report/") {
			t.Errorf("%s has heard of a report: %s, %v", p.name, text, err)
		}
	}
	if n := hub.size(door.Head().Origin); n != 0 {
		t.Errorf("the hub holds %d entries of a door log", n)
	}
	gw1.stop()
	again := i.reporter("gw1").run()
	again.await(o, 501, 20*time.Second)
	if err := again.node.Recovered(within(20*time.Second), 10*time.Second); err != nil {
		t.Error(err)
	}
}

// TestReportsAreNotGiven: a gateway that asks for another's report is given none,
// though the broker lets it ask, nor is one that names itself the hub without being
// it.
func TestReportsAreNotGiven(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	gw1 := i.reporter("gw1").run().up()
	a := gw1.author(ledger.ReportLog)
	gw1.append(a, figures(3)...)
	o := a.Head().Origin
	eventually(t, 10*time.Second, func() error {
		for _, l := range gw1.node.Status().Ledgers {
			if l.Origin == o.String() && l.Held == 4 {
				return nil
			}
		}
		return errors.New("it does not know its own report")
	})
	ask := func(name string) *talker {
		k := i.talker(name)
		if err := k.Send(replica.Hub, idOf("gw1"), replica.Want{Origin: o}); err != nil {
			t.Fatal(err)
		}
		return k
	}
	sibling, evaluator, hub := ask("gw2"), ask("evaluator"), ask("hub")
	for {
		e := awaitEvent[link.Received](hub)
		if g, ok := e.Message.(replica.Give); ok {
			if e.Scope != replica.Hub || len(g.Entries) != 4 {
				t.Errorf("the hub is given %+v in the scope %v", g, e.Scope)
			}
			break
		}
	}
	eventually(t, 10*time.Second, func() error {
		if n := gw1.node.Status().Counts.Strangers; n < 2 {
			return fmt.Errorf("%d strangers were counted", n)
		}
		return nil
	})
	time.Sleep(50 * time.Millisecond) // for what should not come
	for _, k := range []*talker{sibling, evaluator} {
		for len(k.events) > 0 {
			if e, ok := (<-k.events).(link.Received); ok && e.Scope == replica.Hub {
				t.Errorf("%T is told to somebody else", e.Message)
			}
		}
	}
}

// TestTwoHubs: two processes of the hub share the gateways, and one that is gone is
// followed by the other, which has heard all that there was.
func TestTwoHubs(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	for n := range 20 {
		i.gateways = append(i.gateways, fmt.Sprintf("gw-%02d", n))
	}
	var mu sync.Mutex
	halves := [2][]string{}
	for n, g := range i.gateways {
		halves[n%2] = append(halves[n%2], g)
	}
	half := func(n int) func() []string {
		return func() []string { mu.Lock(); defer mu.Unlock(); return halves[n] }
	}
	hubs := [2]*participant{i.hub(half(0)).run().up(), i.hub(half(1)).run().up()}
	var logs []ledger.Origin
	var authors []*store.Author
	var gateways []*participant
	for _, g := range i.gateways {
		p := i.reporter(g)
		p.run()
		a := p.author(ledger.ReportLog)
		p.append(a, figures(5)...)
		logs, authors, gateways = append(logs, a.Head().Origin), append(authors, a), append(gateways, p)
	}
	for n, o := range logs {
		hubs[n%2].await(o, 6, 30*time.Second)
	}
	for n, o := range logs {
		if other := hubs[1-n%2].size(o); other != 0 {
			t.Errorf("the other process holds %d entries of %v", other, o)
		}
	}
	for n, a := range authors {
		gateways[n].append(a, figures(1)...)
		hubs[n%2].await(logs[n], 7, 30*time.Second)
	}
	// What one of them leaves behind does not make it look as if the hub were gone.
	hubs[0].stop()
	mu.Lock()
	halves[1] = i.gateways
	mu.Unlock()
	// Its rights are looked at again when something of it changes.
	must(hubs[1].author(ledger.CensusLog).Append(store.Draft{Body: &ledger.EpochClosed{Epoch: ledger.EpochID{1}, Size: 20, Rules: 1, Reports: 1}, Time: time.Now()}))
	hubs[1].node.Look()
	began := time.Now()
	for _, o := range logs {
		hubs[1].await(o, 7, 20*time.Second)
	}
	t.Logf("the other half was taken over within %v", time.Since(began))
	for _, p := range gateways[:2] {
		eventually(t, 20*time.Second, func() error {
			for _, s := range p.node.Status().Peers {
				if s.Peer == idOf("hub").String() && len(s.Links) == 1 {
					return nil
				}
			}
			return fmt.Errorf("%s does not see the hub: %+v", p.name, p.node.Status().Peers)
		})
	}
}
