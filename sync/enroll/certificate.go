package enroll

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"net/url"
	"strings"
	"time"
)

// Errors of [KeyOf] and [DeskOf]; each wraps [ErrCertificate].
var (
	ErrCertificate = errors.New("not a certificate of Tombolo's")

	ErrChain     = fmt.Errorf("%w: want exactly one certificate, of at most %d bytes", ErrCertificate, maxCertificate)
	ErrKeyType   = fmt.Errorf("%w: want an Ed25519 key, and an Ed25519 signature", ErrCertificate)
	ErrNotSelf   = fmt.Errorf("%w: the key did not sign it itself", ErrCertificate)
	ErrDeskName  = fmt.Errorf("%w: it names no desk (%s…)", ErrCertificate, deskPrefix)
	ErrNotAuthor = fmt.Errorf("%w: the author's key that it names did not sign it", ErrCertificate)
	ErrLife      = fmt.Errorf("%w: a desk's certificate lives a day at most", ErrCertificate)
	ErrValidity  = fmt.Errorf("%w: it is not valid at this time: set the desk's clock, and this machine's", ErrCertificate)
)

const (
	maxCertificate = 2048           // bytes of DER; ours have about 400
	deskLife       = 24 * time.Hour // of a desk's certificate
	deskSlack      = time.Hour      // by which clocks may differ
	deskPrefix     = "tombolo:desk:"
)

var (
	// A key that no clock has to be right for: GeneralizedTime
	// 99991231235959Z is "no well-defined expiration". RFC 5280 §4.1.2.5
	always  = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	forever = time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
)

// SelfSigned is the certificate of a gateway's or hub's TLS key, for both ends
// of a link. The same key and name give the same certificate, so that nothing
// has to be stored, and no clock has to be right. The name, at most 64 bytes, is
// for people alone: what a peer may do follows from its key.
func SelfSigned(key ed25519.PrivateKey, name string) (tls.Certificate, error) {
	pub := key.Public().(ed25519.PublicKey)
	t := &x509.Certificate{
		SerialNumber: serial("self-signed", pub),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    always, NotAfter: forever,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	return certified(t, t, pub, key, key)
}

// KeyOf is the other side's key on a TLS connection, proved by the handshake:
// the peer showed one certificate, self-signed with Ed25519. Nothing in the
// certificate but the key is looked at, its dates neither: whether the key
// counts, and until when, the ledgers say. Errors: [ErrChain], [ErrKeyType],
// [ErrNotSelf].
func KeyOf(cs tls.ConnectionState) (key [32]byte, err error) {
	c, key, err := only(cs)
	if err != nil {
		return key, err
	}
	if !ed25519.Verify(key[:], c.RawTBSCertificate, c.Signature) {
		return [32]byte{}, ErrNotSelf
	}
	return key, nil
}

// only is the one certificate that the other side showed, and its key.
func only(cs tls.ConnectionState) (c *x509.Certificate, key [32]byte, err error) {
	if len(cs.PeerCertificates) != 1 || len(cs.PeerCertificates[0].Raw) > maxCertificate {
		return nil, key, ErrChain
	}
	c = cs.PeerCertificates[0]
	pub, ok := c.PublicKey.(ed25519.PublicKey)
	if !ok || c.SignatureAlgorithm != x509.PureEd25519 {
		return nil, key, ErrKeyType
	}
	return c, [32]byte(pub), nil
}

// DeskCertificate is a desk's: a fresh TLS key, and the word of the author's
// key (a steward's, an issuer's or the hub's) for it, good for 24 hours from
// now. So the author's key is not at work in a link, and what is stolen from a
// running desk ends by itself.
//
// The author's key signs a TBSCertificate here, whose first byte is 0x30. No
// checkpoint, entry or charter that it signs elsewhere begins so: those begin
// with a separator in letters.
func DeskCertificate(author ed25519.PrivateKey, now time.Time) (tls.Certificate, error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	by := author.Public().(ed25519.PublicKey)
	t := &x509.Certificate{
		SerialNumber: serial("desk", by, pub),
		Subject:      pkix.Name{CommonName: "desk"},
		NotBefore:    now.Add(-deskSlack), NotAfter: now.Add(deskLife),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		URIs:        []*url.URL{{Scheme: "tombolo", Opaque: "desk:" + hex.EncodeToString(by)}},
	}
	return certified(t, &x509.Certificate{Subject: pkix.Name{CommonName: "author"}}, pub, author, key)
}

// DeskOf is the author's key of a desk on a TLS connection, proved by its
// signature over the desk's certificate. The certificate must be valid now,
// unless now is zero, for whoever may not know the time. Whether the author
// counts, the charters say. Errors: [ErrChain], [ErrKeyType], [ErrDeskName],
// [ErrNotAuthor], [ErrLife], [ErrValidity].
func DeskOf(cs tls.ConnectionState, now time.Time) (author [32]byte, err error) {
	c, _, err := only(cs)
	if err != nil {
		return author, err
	}
	if author, err = deskName(c); err != nil {
		return author, err
	}
	switch {
	case !ed25519.Verify(author[:], c.RawTBSCertificate, c.Signature):
		err = ErrNotAuthor
	case c.NotAfter.Sub(c.NotBefore) > deskLife+deskSlack:
		err = ErrLife
	case !now.IsZero() && (now.Before(c.NotBefore) || now.After(c.NotAfter)):
		err = ErrValidity
	}
	if err != nil {
		return [32]byte{}, err
	}
	return author, nil
}

// deskName reads the author's key that a certificate names.
func deskName(c *x509.Certificate) (author [32]byte, err error) {
	if len(c.URIs) != 1 {
		return author, ErrDeskName
	}
	text, ok := strings.CutPrefix(c.URIs[0].String(), deskPrefix)
	if !ok || len(text) != hex.EncodedLen(len(author)) || strings.ToLower(text) != text {
		return author, ErrDeskName
	}
	if _, err := hex.Decode(author[:], []byte(text)); err != nil {
		return [32]byte{}, ErrDeskName
	}
	return author, nil
}

// ClientConfig is how a link or a desk dials a peer whose key the ledgers or a
// person name: own is what it shows of itself ([SelfSigned], [DeskCertificate]), and trust
// refuses a server's key by an error. There are no names and no authority in it.
func ClientConfig(own tls.Certificate, trust func(server [32]byte) error) *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{own},
		InsecureSkipVerify: true, // names and chains: VerifyConnection pins the key instead
		VerifyConnection: func(cs tls.ConnectionState) error {
			key, err := KeyOf(cs)
			if err != nil {
				return err
			}
			return trust(key)
		},
	}
}

// certified signs t for the key whose half is pub, by the parent's key.
func certified(t, parent *x509.Certificate, pub ed25519.PublicKey, by, key ed25519.PrivateKey) (tls.Certificate, error) {
	der, err := x509.CreateCertificate(nil, t, parent, pub, by) // nothing random: Ed25519, and a serial number
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// serial is a serial number of 16 bytes that follows from what the certificate
// is for: positive and not zero. RFC 5280 §4.1.2.2
func serial(what string, of ...[]byte) *big.Int {
	d := digest("tombolo/v1/serial/"+what, of...)
	d[0] = d[0]&0x3f | 0x40
	return new(big.Int).SetBytes(d[:16])
}

// digest is SHA-256 over a label and items, each behind its length (u32, big
// endian): no two lists have one preimage.
func digest(label string, items ...[]byte) [sha256.Size]byte {
	h := sha256.New()
	put := func(b []byte) {
		h.Write([]byte{byte(len(b) >> 24), byte(len(b) >> 16), byte(len(b) >> 8), byte(len(b))})
		h.Write(b)
	}
	put([]byte(label))
	for _, b := range items {
		put(b)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
