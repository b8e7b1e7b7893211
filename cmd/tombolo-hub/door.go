package main

import (
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"tombolo/cmd/internal/linking"
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
	identify atomic.Pointer[linking.Identities]
}

// openDoor opens the own broker for whoever has rights now.
func (r *running) openDoor() (*door, error) {
	d := &door{desk: r.desk, self: [32]byte(r.desk.author.Public().(ed25519.PublicKey)), log: r.log}
	d.identify.Store(linking.ForHub(d.self, *r.known.rights.Load()))
	b, err := broker.Open(broker.Config{
		Dir: filepath.Join(r.env.dir, linking.BrokerFolder), Listen: r.flags.listen, Community: r.community.Load().ID().String(), Log: r.log,
		Certificate: d.desk.certificate,
		Identify:    func(cs tls.ConnectionState) (broker.Identity, error) { return d.identify.Load().Of(cs, d.desk.now()) },
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
	now := linking.ForHub(d.self, r)
	if old := d.identify.Swap(now); !old.Equal(now) {
		d.log.Info("who may connect has changed", "gateways", now.Gateways(), "desks", now.Desks())
		d.Refresh()
	}
}

// link is the hub's own way to its broker: no charter has to name it for that.
func (d *door) link(community ledger.Charters) link.Config {
	c := enroll.ClientConfig(tls.Certificate{}, nil)
	c.Certificates = nil
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return d.desk.certificate() }
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		author, err := enroll.DeskOf(cs, time.Time{})
		if err == nil && author != d.self {
			err = linking.ErrServer
		}
		return err
	}
	return link.Config{
		Name: "own", Broker: "tls://" + linking.Dialled(d.Addr()), TLS: c, Community: community.ID(), Scopes: []replica.Scope{replica.All},
		SelfName: "hub", Software: software(), Log: d.log,
	}
}
