package main

import (
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"sync/atomic"
	"time"

	"tombolo/cmd/internal/gateway"
	"tombolo/sync/broker"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/replica"
)

// What the hub's broker takes: 10,000 gateways, each with a retained head of every
// ledger that it announces.
const (
	doorClients = 1 << 14
	doorStore   = 1 << 30 // bytes
)

// door is the broker that the hub runs.
type door struct {
	*broker.Broker
	desk     *desk
	self     [32]byte
	log      *slog.Logger
	identify atomic.Pointer[identities]
}

// openDoor opens the own broker for whoever has rights now.
func (r *running) openDoor() (*door, error) {
	d := &door{desk: r.desk, self: [32]byte(r.desk.author.Public().(ed25519.PublicKey)), log: r.log}
	d.identify.Store(newIdentities(d.self, *r.known.rights.Load()))
	b, err := broker.Open(broker.Config{
		Dir: filepath.Join(r.env.dir, gateway.BrokerFolder), Listen: r.flags.listen, Community: r.community.Load().ID().String(), Log: r.log,
		Certificate: d.desk.certificate,
		Identify:    func(cs tls.ConnectionState) (broker.Identity, error) { return d.identify.Load().of(cs, d.desk.now()) },
		MaxClients:  doorClients, MaxStore: doorStore,
	})
	if errors.Is(err, broker.ErrListen) {
		err = fmt.Errorf("%w: end what listens there, or name another address with --listen", err)
	}
	if err != nil {
		return nil, err
	}
	d.Broker = b
	r.log.Info("broker", "listen", b.Addr().String())
	return d, nil
}

func (d *door) close() {
	if err := d.Close(); err != nil {
		d.log.Warn("the broker did not close well", "err", err)
	}
}

// refresh lets in who has got rights, and cuts off who has lost them.
func (d *door) refresh(r replica.Rights) {
	now := newIdentities(d.self, r)
	if old := d.identify.Swap(now); !old.equal(now) {
		d.log.Info("who may connect has changed", "gateways", len(now.gateways), "desks", len(now.desks))
		d.Refresh()
	}
}

// link is the hub's own way to its broker: no charter has to name it for that.
func (d *door) link(community ledger.Charters) (link.Config, error) {
	host, port, err := net.SplitHostPort(d.Addr().String())
	if err != nil {
		return link.Config{}, err
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // net.Listen takes IPv4 there, too
	}
	c := enroll.ClientConfig(tls.Certificate{}, nil)
	c.Certificates = nil
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return d.desk.certificate() }
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		author, err := enroll.DeskOf(cs, time.Time{})
		if err == nil && author != d.self {
			err = gateway.ErrServer
		}
		return err
	}
	return link.Config{
		Name: "own", Broker: "tls://" + net.JoinHostPort(host, port), TLS: c, Community: community.ID(), Scopes: []replica.Scope{replica.All},
		SelfName: "hub", Software: software(), Log: d.log,
	}, nil
}
