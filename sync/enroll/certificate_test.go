package enroll

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"errors"
	"math/big"
	"net/url"
	"strings"
	"testing"
	"time"
)

// showing is a connection whose other side showed these certificates.
func showing(der ...[]byte) (cs tls.ConnectionState) {
	for _, d := range der {
		c, err := x509.ParseCertificate(d)
		if err != nil {
			panic(err)
		}
		cs.PeerCertificates = append(cs.PeerCertificates, c)
	}
	return cs
}

func TestSelfSigned(t *testing.T) {
	t.Parallel()
	c, err := SelfSigned(gatewayKey, "gw1")
	must(t, err)
	if key, err := KeyOf(showing(c.Certificate...)); err != nil || key != publicKey(gatewayKey) {
		t.Errorf("the key is %x, %v", key, err)
	}
	again, err := SelfSigned(gatewayKey, "gw1")
	must(t, err)
	if !bytes.Equal(c.Certificate[0], again.Certificate[0]) {
		t.Error("another certificate for the same key and name")
	}
	if _, err := DeskOf(showing(c.Certificate...), time.Time{}); !errors.Is(err, ErrDeskName) {
		t.Errorf("as a desk: %v", err)
	}
	if n := len(c.Certificate[0]); n > 500 {
		t.Errorf("%d bytes", n)
	}
	if _, err := KeyOf(tls.ConnectionState{}); !errors.Is(err, ErrChain) {
		t.Errorf("nothing shown: %v", err)
	}
}

func TestDeskCertificate(t *testing.T) {
	t.Parallel()
	c, err := DeskCertificate(authorKey, testNow)
	must(t, err)
	cs := showing(c.Certificate...)
	for name, tt := range map[string]struct {
		at   time.Time
		want error
	}{
		"now":           {testNow, nil},
		"a day on":      {testNow.Add(deskLife), nil},
		"behind by 59m": {testNow.Add(-59 * time.Minute), nil},
		"too late":      {testNow.Add(deskLife + time.Second), ErrValidity},
		"too early":     {testNow.Add(-deskSlack - time.Second), ErrValidity},
		"1970":          {time.Unix(60, 0), ErrValidity},
		"no clock":      {time.Time{}, nil},
	} {
		author, err := DeskOf(cs, tt.at)
		if !errors.Is(err, tt.want) || (author == publicKey(authorKey)) != (tt.want == nil) {
			t.Errorf("%s: %x, %v, want %v", name, author, err, tt.want)
		}
	}
	if _, err := KeyOf(cs); !errors.Is(err, ErrNotSelf) {
		t.Errorf("as a gateway: %v", err)
	}
	other, err := DeskCertificate(authorKey, testNow)
	must(t, err)
	if other.Leaf.PublicKey.(ed25519.PublicKey).Equal(c.Leaf.PublicKey) {
		t.Error("two desks have one key")
	}
	if c.Leaf.PublicKey.(ed25519.PublicKey).Equal(authorKey.Public()) {
		t.Error("the author's key is the link's")
	}
}

// TestCertificateMalformed: what else a peer may show.
func TestCertificateMalformed(t *testing.T) {
	t.Parallel()
	self, err := SelfSigned(gatewayKey, "gw1")
	must(t, err)
	desk, err := DeskCertificate(authorKey, testNow)
	must(t, err)
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	uri := deskPrefix + hex.EncodeToString(authorKey.Public().(ed25519.PublicKey))
	// made is a certificate for pub, signed by by.
	made := func(pub crypto.PublicKey, by crypto.Signer, life time.Duration, uris ...string) []byte {
		c := &x509.Certificate{SerialNumber: big.NewInt(7), NotBefore: testNow, NotAfter: testNow.Add(life)}
		for _, u := range uris {
			p, err := url.Parse(u)
			must(t, err)
			c.URIs = append(c.URIs, p)
		}
		der, err := x509.CreateCertificate(rand.Reader, c, &x509.Certificate{Subject: pkix.Name{CommonName: "x"}}, pub, by)
		must(t, err)
		return der
	}
	bent := func(der []byte) []byte { // a bit of the signature
		der = bytes.Clone(der)
		der[len(der)-1] ^= 1
		return der
	}
	gw, author, other := gatewayKey.Public(), authorKey.Public(), testKey("other")
	for name, tt := range map[string]struct {
		shown     [][]byte
		key, desk error
	}{
		"two":                     {[][]byte{self.Certificate[0], self.Certificate[0]}, ErrChain, ErrChain},
		"desk and author":         {[][]byte{desk.Certificate[0], made(author, authorKey, time.Hour)}, ErrChain, ErrChain},
		"large":                   {[][]byte{made(gw, gatewayKey, time.Hour, "x:"+strings.Repeat("a", maxCertificate))}, ErrChain, ErrChain},
		"P-256":                   {[][]byte{made(p256.Public(), p256, time.Hour)}, ErrKeyType, ErrKeyType},
		"P-256 signed by Ed25519": {[][]byte{made(p256.Public(), authorKey, time.Hour, uri)}, ErrKeyType, ErrKeyType},
		"Ed25519 signed by P-256": {[][]byte{made(gw, p256, time.Hour, uri)}, ErrKeyType, ErrKeyType},
		"signed by another":       {[][]byte{made(gw, other, time.Hour)}, ErrNotSelf, ErrDeskName},
		"bent self-signed":        {[][]byte{bent(self.Certificate[0])}, ErrNotSelf, ErrDeskName},
		"bent desk's":             {[][]byte{bent(desk.Certificate[0])}, ErrNotSelf, ErrNotAuthor},
		"desk by another":         {[][]byte{made(gw, other, time.Hour, uri)}, ErrNotSelf, ErrNotAuthor},
		"desk by itself":          {[][]byte{made(gw, gatewayKey, time.Hour, uri)}, nil, ErrNotAuthor},
		"desk of two":             {[][]byte{made(gw, authorKey, time.Hour, uri, uri)}, ErrNotSelf, ErrDeskName},
		"desk of none":            {[][]byte{made(gw, authorKey, time.Hour)}, ErrNotSelf, ErrDeskName},
		"desk in upper case":      {[][]byte{made(gw, authorKey, time.Hour, deskPrefix+strings.ToUpper(uri[len(deskPrefix):]))}, ErrNotSelf, ErrDeskName},
		"desk of half a key":      {[][]byte{made(gw, authorKey, time.Hour, uri[:len(uri)-2])}, ErrNotSelf, ErrDeskName},
		"desk of no key":          {[][]byte{made(gw, authorKey, time.Hour, uri[:len(uri)-2]+"xx")}, ErrNotSelf, ErrDeskName},
		"another name":            {[][]byte{made(gw, authorKey, time.Hour, "tombolo:peer:"+uri[len(deskPrefix):])}, ErrNotSelf, ErrDeskName},
		"desk for a week":         {[][]byte{made(gw, authorKey, 7*24*time.Hour, uri)}, ErrNotSelf, ErrLife},
		"desk for no time":        {[][]byte{made(gw, authorKey, -time.Hour, uri)}, ErrNotSelf, ErrValidity},
	} {
		cs := showing(tt.shown...)
		if _, err := KeyOf(cs); !errors.Is(err, tt.key) || tt.key == nil && err != nil {
			t.Errorf("%s: as a gateway's: %v, want %v", name, err, tt.key)
		}
		if _, err := DeskOf(cs, testNow); !errors.Is(err, tt.desk) || !errors.Is(err, ErrCertificate) {
			t.Errorf("%s: as a desk's: %v, want %v", name, err, tt.desk)
		}
	}
}

// TestPinned: a link over TLS as gateways and desks make it, both keys proved by
// the handshake.
func TestPinned(t *testing.T) {
	t.Parallel()
	server, err := SelfSigned(gatewayKey, "gw1")
	must(t, err)
	client, err := SelfSigned(testKey("gw2"), "gw2")
	must(t, err)
	stranger := errors.New("stranger")
	for _, pinned := range [][32]byte{publicKey(gatewayKey), publicKey(testKey("other"))} {
		near, far := loopback(t)
		accepted := make(chan [32]byte, 1)
		go func() {
			conn := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAnyClientCert})
			conn.Handshake()
			key, _ := KeyOf(conn.ConnectionState())
			conn.Close()
			accepted <- key
		}()
		conn := tls.Client(near, ClientConfig(client, func(key [32]byte) error {
			if key != pinned {
				return stranger
			}
			return nil
		}))
		err := conn.Handshake()
		if pinned != publicKey(gatewayKey) {
			want(t, err, stranger)
			near.Close()
			<-accepted
			continue
		}
		must(t, err)
		conn.Read(make([]byte, 1)) // its end
		if v := conn.ConnectionState().Version; v != tls.VersionTLS13 {
			t.Errorf("TLS version %x", v)
		}
		if key := <-accepted; key != publicKey(testKey("gw2")) {
			t.Errorf("the server saw %x", key)
		}
	}
}

// FuzzCertificate: whatever is shown, nothing breaks, and what counts as a key's
// or a desk's own was signed by that key.
func FuzzCertificate(f *testing.F) {
	self, err := SelfSigned(gatewayKey, "gw1")
	if err != nil {
		f.Fatal(err)
	}
	desk, err := DeskCertificate(authorKey, testNow)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(self.Certificate[0])
	f.Add(desk.Certificate[0])
	f.Fuzz(func(t *testing.T, der []byte) {
		c, err := x509.ParseCertificate(der)
		if err != nil {
			return
		}
		cs := tls.ConnectionState{PeerCertificates: []*x509.Certificate{c}}
		if key, err := KeyOf(cs); err == nil && key != publicKey(gatewayKey) && !ed25519.Verify(key[:], c.RawTBSCertificate, c.Signature) {
			t.Errorf("a key that did not sign: %x", key)
		}
		if author, err := DeskOf(cs, testNow); err == nil && !ed25519.Verify(author[:], c.RawTBSCertificate, c.Signature) {
			t.Errorf("an author that did not sign: %x", author)
		}
	})
}
