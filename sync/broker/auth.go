package broker

import (
	"bytes"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// perPeer is how many connections one peer may hold: its own, those that it
// lost without the broker's noticing yet, and a program or two beside it.
const perPeer = 8

// client is a connection that was let in.
type client struct {
	state    *tls.ConnectionState // nil at the plain listener
	name     string               // the user name there
	remote   string
	identity Identity
}

var errNotAllowed = errors.New("wrong password, or none")

// gate answers nats-server's question whether a connection may come in.
type gate struct{ b *Broker }

// Check implements server.Authentication. It is called by the connection's own
// goroutine, after the handshake and CONNECT.
func (g gate) Check(c server.ClientAuthentication) bool {
	b := g.b
	state, opts := c.GetTLSConnectionState(), c.GetOpts()
	own := state == nil || b.isOwn(state)
	if own && opts.Username == selfName && isPassword(b.secret, opts.Password) {
		c.RegisterUser(&server.User{Username: selfName})
		return true
	}
	// The set of retained messages is whole from then on.
	select {
	case <-b.ready:
	case <-b.stop:
		return false
	case <-time.After(startTimeout):
		return false
	}
	who := &client{state: state}
	if own {
		if !isPassword(b.password, opts.Password) {
			b.refuse(c, errNotAllowed)
			return false
		}
		who = &client{name: opts.Username}
	}

	// One step under the lock that Refresh takes: a connection is either seen
	// by Refresh or identified after it.
	b.mu.Lock()
	defer b.mu.Unlock()
	identity, err := b.identify(who)
	if err != nil {
		b.refuse(c, err)
		return false
	}
	b.prune()
	if b.countOf(identity.Peer) >= perPeer {
		b.refuse(c, errors.New("too many connections of this peer"))
		return false
	}
	who.identity = identity
	b.clients[c.GetID()] = who
	who.remote = c.RemoteAddress().String()
	b.log.names.Store(who.remote, identity.Peer)
	c.RegisterUser(&server.User{
		Username:    identity.Peer,
		Permissions: identity.rights(b.cfg.Community).permissions(),
	})
	return true
}

// identify asks the host again who this is.
func (b *Broker) identify(c *client) (Identity, error) {
	var (
		i   Identity
		err error
	)
	if c.state != nil {
		i, err = b.cfg.Identify(*c.state)
	} else {
		i, err = b.cfg.PlainIdentity(c.name)
	}
	if err != nil {
		return Identity{}, err
	}
	return i, i.check()
}

func (b *Broker) refuse(c server.ClientAuthentication, err error) {
	b.refused.Add(1)
	if b.log.mayLog() {
		b.cfg.Log.Warn("broker refused a connection", "remote", c.RemoteAddress(), "err", err)
	}
}

// isOwn says whether the other end of this TLS connection is this process: the
// plain listener's relay, or the probe.
func (b *Broker) isOwn(s *tls.ConnectionState) bool {
	return len(s.PeerCertificates) == 1 && bytes.Equal(s.PeerCertificates[0].Raw, b.internal.Leaf.Raw)
}

func isPassword(want, got string) bool {
	return subtle.ConstantTimeCompare([]byte(want), []byte(got)) == 1
}

// prune forgets connections that are gone. b.mu is held.
func (b *Broker) prune() {
	for id, c := range b.clients {
		if b.srv.GetClient(id) == nil {
			b.forget(id, c)
		}
	}
}

func (b *Broker) forget(id uint64, c *client) {
	delete(b.clients, id)
	b.log.names.CompareAndDelete(c.remote, c.identity.Peer)
}

func (b *Broker) countOf(peer string) int {
	n := 0
	for _, c := range b.clients {
		if c.identity.Peer == peer {
			n++
		}
	}
	return n
}

// Refresh asks who everybody is again. A client that is no longer known is
// disconnected, and what it left retained is taken back in the background; one
// whose rights changed is disconnected and comes back with the new ones.
func (b *Broker) Refresh() {
	var cut []uint64
	gone := map[string]bool{}
	b.mu.Lock()
	b.prune()
	for id, c := range b.clients {
		i, err := b.identify(c)
		if err == nil && c.identity.equal(i) {
			continue
		}
		if err != nil {
			gone[c.identity.Peer] = true
			b.cfg.Log.Info("broker disconnects a peer that is no longer known", "peer", c.identity.Peer, "err", err)
		}
		cut = append(cut, id)
		b.forget(id, c)
	}
	// Another of its certificates may still be good.
	for _, c := range b.clients {
		delete(gone, c.identity.Peer)
	}
	b.mu.Unlock()
	for _, id := range cut {
		// An error means that it left by itself meanwhile.
		_ = b.srv.DisconnectClientByID(id)
	}
	for peer := range gone {
		b.work.Go(func() { b.clearRetained(peer) })
	}
}

func (i Identity) equal(j Identity) bool {
	sorted := func(s []string) []string {
		s = slices.Clone(s)
		slices.SortFunc(s, strings.Compare)
		return slices.Compact(s)
	}
	return i.Peer == j.Peer && i.Observer == j.Observer && i.Server == j.Server &&
		slices.Equal(sorted(i.Nodes), sorted(j.Nodes))
}
