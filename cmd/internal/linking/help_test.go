package linking

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
)

// cast are made-up participants, by their names, and what they show at a broker's door.
type cast struct {
	t   *testing.T
	now time.Time
}

func newCast(t *testing.T) cast { return cast{t, time.Unix(1_800_000_000, 0)} }

func key(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func pub(name string) ed25519.PublicKey { return key(name).Public().(ed25519.PublicKey) }

func id(name string) ledger.KeyID { return ledger.KeyIDOf(pub(name)) }

func (c cast) shown(cert tls.Certificate, err error) tls.ConnectionState {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
	return tls.ConnectionState{PeerCertificates: []*x509.Certificate{cert.Leaf}}
}

func (c cast) gateway(name string) tls.ConnectionState {
	return c.shown(enroll.SelfSigned(key(name), "gw"))
}

func (c cast) desk(name string) tls.ConnectionState {
	return c.shown(enroll.DeskCertificate(key(name), c.now))
}
