package enroll

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"strings"
	"time"

	"tombolo/sync/ledger"
)

const (
	// term is the grain of an authority's time: within one, a client's
	// certificate is the same whenever it is asked for.
	term = 30 * 24 * time.Hour
	// terms is how many terms a certificate is good for, about two years: a
	// door must not fall off the network because nobody came by.
	terms = 26
	// early is how much before its term a certificate counts, for clocks that
	// are behind.
	early = 24 * time.Hour
)

// ErrClock is returned where a certificate would be made at a time that cannot
// be.
var ErrClock = errors.New("this machine's clock is not set: set it first")

// Authority is a steward's small certificate authority, for an outside broker
// that knows nothing of ledgers: it names each client's peer in a certificate,
// and lists those that no longer count. It is a convenience of that broker. What
// a peer may do still comes from the ledgers, and whatever the broker lets
// through is verified again.
//
// It is a function of its key: a client's serial number follows from its peer,
// its key and the term of 30 days in which it was issued, so no register of what
// was issued has to be kept or moved, two desks that share the key agree, and
// the list of the removed is made from the ledger alone.
type Authority struct {
	key  ed25519.PrivateKey
	cert *x509.Certificate
}

// NewAuthority is the authority of a key, which the caller keeps; name is for
// people, at most 64 bytes. It may serve nothing else: not an author's, not a
// charter's.
func NewAuthority(key ed25519.PrivateKey, name string) (*Authority, error) {
	pub := key.Public().(ed25519.PublicKey)
	id := sha256.Sum256(pub)
	t := &x509.Certificate{
		SerialNumber: serial("authority", pub),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    always, NotAfter: forever,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		IsCA:     true, BasicConstraintsValid: true, MaxPathLenZero: true,
		SubjectKeyId: id[:20],
	}
	c, err := certified(t, t, pub, key, key)
	return &Authority{key, c.Leaf}, err
}

// Certificate is the authority's own, DER: what a broker and its clients trust.
// It does not change, and does not end.
func (a *Authority) Certificate() []byte { return a.cert.Raw }

// Client is who gets an authority's certificate.
type Client struct {
	Peer ledger.KeyID // of the key that it writes ledgers with
	Key  [32]byte     // of its TLS
}

// Issue makes a client's certificate, DER: common name the peer's 32 hexadecimal
// digits, URI name "tombolo:peer:" and the same. It is good for 780 days from
// the term that now is in; whoever asks in a later term gets a later one.
func (a *Authority) Issue(c Client, now time.Time) ([]byte, error) {
	n, err := termOf(now)
	if err != nil {
		return nil, err
	}
	peer := c.Peer.String()
	return a.issue(&x509.Certificate{
		SerialNumber: c.serial(n),
		Subject:      pkix.Name{CommonName: peer},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs:         []*url.URL{{Scheme: "tombolo", Opaque: "peer:" + peer}},
	}, c.Key[:], n)
}

// IssueServer makes an outside broker's certificate, DER, for its names and
// addresses; brokers of one cluster use it among themselves as well. It is not
// on the list that [Authority.Revoked] makes: a broker whose key was stolen
// needs another authority.
func (a *Authority) IssueServer(key ed25519.PublicKey, hosts []string, now time.Time) ([]byte, error) {
	n, err := termOf(now)
	if err != nil {
		return nil, err
	}
	if len(hosts) == 0 {
		return nil, errors.New("a broker's certificate needs the names or addresses under which its clients know it")
	}
	t := &x509.Certificate{
		SerialNumber: serial("server", key, []byte(strings.Join(hosts, "\n")), binary.BigEndian.AppendUint64(nil, uint64(n))),
		Subject:      pkix.Name{CommonName: "broker"},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	return a.issue(t, key, n)
}

func (a *Authority) issue(t *x509.Certificate, key ed25519.PublicKey, n int64) ([]byte, error) {
	from := time.Unix(n*int64(term/time.Second), 0)
	t.NotBefore, t.NotAfter = from.Add(-early), from.Add(terms*term)
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.BasicConstraintsValid = true
	return x509.CreateCertificate(nil, t, a.cert, key, a.key)
}

// Revoked is the revocation list, DER, of the removed: every certificate of
// theirs that is still within its life. The list itself stays good for as long
// as the authority, as a broker that finds its list too old refuses everybody:
// a removal is what makes a new one necessary, not the calendar.
func (a *Authority) Revoked(removed []Client, now time.Time) ([]byte, error) {
	last, err := termOf(now.Add(early)) // by another desk's clock
	if err != nil {
		return nil, err
	}
	list := &x509.RevocationList{
		Number:     big.NewInt(now.Unix()), // of later lists: higher. RFC 5280 §5.2.3
		ThisUpdate: now.Add(-early),
		NextUpdate: forever,
	}
	for _, c := range removed {
		for n := last - terms; n <= last; n++ {
			list.RevokedCertificateEntries = append(list.RevokedCertificateEntries,
				x509.RevocationListEntry{SerialNumber: c.serial(n), RevocationTime: now.Add(-early), ReasonCode: 9}) // privilegeWithdrawn. RFC 5280 §5.3.1
		}
	}
	return x509.CreateRevocationList(nil, list, a.cert, a.key)
}

func (c Client) serial(n int64) *big.Int {
	return serial("client", c.Peer[:], c.Key[:], binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// termOf numbers the terms of 30 days since 1970.
func termOf(now time.Time) (int64, error) {
	if now.Before(always) {
		return 0, fmt.Errorf("%w (it says %s)", ErrClock, now.UTC().Format(time.DateTime))
	}
	return now.Unix() / int64(term/time.Second), nil
}

// AuthorityConfig is how a peer dials an outside broker: own is its key with the
// certificate that the authority issued (see [WithKey]), authority the DER of
// [Authority.Certificate], host the broker's name or address. now is the clock
// that the broker's certificate is held against; nil is the machine's.
func AuthorityConfig(own tls.Certificate, authority []byte, host string, now func() time.Time) (*tls.Config, error) {
	ca, err := x509.ParseCertificate(authority)
	if err != nil {
		return nil, fmt.Errorf("the authority's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(ca)
	return &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{own},
		RootCAs:      pool,
		ServerName:   host,
		Time:         now,
	}, nil
}

// WithKey joins a certificate, DER, to the key that it is for.
func WithKey(der []byte, key ed25519.PrivateKey) (tls.Certificate, error) {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, err
	}
	if pub, ok := leaf.PublicKey.(ed25519.PublicKey); !ok || !pub.Equal(key.Public()) {
		return tls.Certificate{}, errors.New("this certificate is for another key than this machine's: ask for one for its own")
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, nil
}

// CertificatePEM and ListPEM are the forms that outside brokers read.
func CertificatePEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// ListPEM is a revocation list's.
func ListPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}
