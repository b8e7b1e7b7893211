package gateway

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/linking"
	"tombolo/sync/broker"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
)

const (
	// brokerRetry is how long after the broker could not be opened it is tried
	// again.
	brokerRetry = 10 * time.Second
	// linkPatience is how long a link may be down before that is a fault.
	linkPatience = 30 * time.Second
	// reportEvery is how often links are looked at for that.
	reportEvery = 5 * time.Second
)

// network is the gateway's part in the exchange of ledgers: the broker that it
// may run, its links, and the participant between them. Whatever fails here is a
// fault that is recorded; the doors go on.
type network struct {
	g     *Gateway
	own   tls.Certificate
	peer  atomic.Pointer[peer.Node]
	known chan struct{} // closed once peer is set, or it is known that there is none
	tried sync.Once     // closes it

	identify atomic.Pointer[linking.Identities]
	brokers  sync.Mutex
	broker   *broker.Broker // under brokers; nil while none runs

	arrived chan struct{} // holds one when something has to be projected
	present chan struct{} // holds one when a sibling came, went or wrote
}

func newNetwork(g *Gateway) (*network, error) {
	key, err := g.folder.Key(folder.TLSKey)
	if err != nil {
		return nil, err
	}
	n := &network{g: g, known: make(chan struct{}), arrived: make(chan struct{}, 1), present: make(chan struct{}, 1)}
	n.own, err = enroll.SelfSigned(key, g.Name)
	return n, err
}

func (n *network) wired() bool { return len(n.g.cfg.Wiring.Links) > 0 }

// run takes part until ctx ends.
func (n *network) run(ctx context.Context) error {
	defer n.decided()
	if !n.wired() {
		return nil
	}
	n.refresh()
	var parts sync.WaitGroup
	defer n.closeBroker() // once nobody opens it again
	defer parts.Wait()
	here := ""
	if w := n.g.cfg.Wiring.Broker; w != nil {
		here = w.Listen
		if addr, err := n.openBroker(); err == nil {
			here = linking.Dialled(addr)
		} else {
			if host, port, err := net.SplitHostPort(here); err == nil && host == "" {
				here = net.JoinHostPort("127.0.0.1", port)
			}
			parts.Go(func() { n.reopenBroker(ctx, err) })
		}
	}
	node, err := n.participant(here)
	if err != nil {
		n.g.cfg.Log.Error("no ledgers are exchanged", "err", err)
		n.g.fault(ctx, "links", fmt.Sprintf("no ledgers are exchanged: %v", err), false)
		<-ctx.Done()
		return nil
	}
	n.peer.Store(node)
	n.decided()
	parts.Go(func() { n.report(ctx, node) })
	if err := node.Run(ctx); err != nil && ctx.Err() == nil {
		n.g.fault(ctx, "links", fmt.Sprintf("no ledgers are exchanged any more: %v", err), false)
		<-ctx.Done()
	}
	return nil
}

func (n *network) decided() { n.tried.Do(func() { close(n.known) }) }

// participant makes the Node of this gateway.
func (n *network) participant(here string) (*peer.Node, error) {
	g := n.g
	hold, err := g.folder.Key(folder.HoldKey)
	if err != nil {
		return nil, err
	}
	witness, err := g.folder.Key(folder.WitnessKey)
	if err != nil {
		return nil, err
	}
	key, err := g.folder.Key(folder.TLSKey)
	if err != nil {
		return nil, err
	}
	links, err := linking.Participant{
		Folder: g.folder, Self: g.self, Key: key, Name: g.Name, Software: g.cfg.Software, Log: g.cfg.Log,
		Own: func() (tls.Certificate, error) { return n.own, nil }, Now: n.time,
	}.Configs(g.cfg.Wiring.Links, here)
	if err != nil {
		return nil, err
	}
	return peer.New(peer.Config{
		Store: g.folder.Store(), Self: g.self, Hold: hold, Witness: witness, Rights: g.folder.Rights, Links: links,
		Now: g.cfg.Now, Log: g.cfg.Log,
		Stored:  func() { signal(n.arrived); signal(n.present) },
		Present: func() { signal(n.present) },
	})
}

// time is the clock for certificates.
func (n *network) time() time.Time {
	if c := n.g.clock(); c.Known() {
		return c.Now
	}
	return time.Time{}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// appended tells that the door log grew.
func (n *network) appended() {
	if node := n.peer.Load(); node != nil {
		node.Appended()
	}
}

// recovered waits until peers have had the time to say how far this gateway's door
// log went, if it takes part at all.
func (n *network) recovered(ctx context.Context, patience time.Duration) {
	select {
	case <-n.known:
	case <-ctx.Done():
		return
	}
	node := n.peer.Load()
	if node == nil {
		return
	}
	if err := node.Recovered(ctx, patience); err != nil && ctx.Err() == nil {
		n.g.cfg.Log.Warn("the door log begins anew without all that peers hold of it", "err", err)
	}
}

// openBroker opens the broker that the wiring asks for.
func (n *network) openBroker() (net.Addr, error) {
	w := n.g.cfg.Wiring
	community, err := n.g.folder.CommunityID()
	if err != nil {
		return nil, err
	}
	cfg := broker.Config{
		Dir: filepath.Join(n.g.folder.Dir(), linking.BrokerFolder), Spare: n.g.cfg.Spare,
		Listen: w.Broker.Listen, Plain: w.Broker.Plain, Community: community.String(), Log: n.g.cfg.Log,
		Certificate:   func() (*tls.Certificate, error) { return &n.own, nil },
		Identify:      func(cs tls.ConnectionState) (broker.Identity, error) { return n.identify.Load().Of(cs, n.time()) },
		PlainIdentity: func(name string) (broker.Identity, error) { return n.identify.Load().Called(name) },
	}
	b, err := broker.Open(cfg)
	if err != nil {
		return nil, err
	}
	n.brokers.Lock()
	n.broker = b
	n.brokers.Unlock()
	n.g.cfg.Log.Info("broker", "listen", b.Addr().String())
	return b.Addr(), nil
}

// reopenBroker tries until the broker is open.
func (n *network) reopenBroker(ctx context.Context, err error) {
	n.g.cfg.Log.Error("the node's broker does not run", "err", err)
	n.g.fault(ctx, "broker", fmt.Sprintf("the node's broker does not run: %v", err), false)
	for tick := time.NewTicker(brokerRetry); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
		if _, err := n.openBroker(); err == nil {
			tick.Stop()
			n.g.fault(ctx, "broker", "the node's broker runs", true)
			return
		}
	}
}

// running is the broker that runs, or nil.
func (n *network) running() *broker.Broker {
	n.brokers.Lock()
	defer n.brokers.Unlock()
	return n.broker
}

func (n *network) closeBroker() {
	n.brokers.Lock()
	b := n.broker
	n.broker = nil
	n.brokers.Unlock()
	if b != nil {
		if err := b.Close(); err != nil {
			n.g.cfg.Log.Warn("the broker did not close well", "err", err)
		}
	}
}

// refresh looks at who may connect to the broker; who may no more is cut off.
func (n *network) refresh() {
	if n.g.cfg.Wiring.Broker == nil {
		return
	}
	rights, err := n.g.folder.Rights()
	if err != nil {
		n.g.cfg.Log.Error("who may connect to the broker stays as it was", "err", err)
		if n.identify.Load() != nil {
			return
		}
	}
	members := map[[32]byte]replica.Peer{}
	for _, g := range n.g.roster.View().Gateways {
		members[g.Keys.TLS] = ledger.KeyIDOf(g.Keys.Signing[:])
	}
	now := linking.ForNode(rights, members)
	if old := n.identify.Swap(now); old != nil && old.Equal(now) {
		return
	}
	n.brokers.Lock()
	defer n.brokers.Unlock()
	if n.broker != nil {
		n.broker.Refresh()
	}
}

// report records which links are down, and which are up again.
func (n *network) report(ctx context.Context, node *peer.Node) {
	down := map[string]bool{}
	since := map[string]time.Time{}
	for tick := time.NewTicker(reportEvery); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
		}
		for _, l := range node.Status().Links {
			switch {
			case l.Up && down[l.Name]:
				n.g.fault(ctx, "links/"+l.Name, "it is up again", true)
				delete(down, l.Name)
			case l.Up:
			case since[l.Name].IsZero():
				since[l.Name] = time.Now()
				continue
			case time.Since(since[l.Name]) >= linkPatience && !down[l.Name]:
				n.g.fault(ctx, "links/"+l.Name, fmt.Sprintf("no connection to %s: %s", l.Broker, l.Error), false)
				down[l.Name] = true
			}
			if l.Up {
				delete(since, l.Name)
			}
		}
	}
}
