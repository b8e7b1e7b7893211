package link

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"testing"
	"time"
)

// certificate is a self-signed one for 127.0.0.1, and the pool that trusts it.
func certificate(tb testing.TB) (tls.Certificate, *x509.CertPool) {
	tb.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	t := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		tb.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		tb.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestTLS holds that the configuration given is the one used: both certificates
// are asked for, and a server that is not trusted is not connected to.
func TestTLS(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t)
	mine, _ := certificate(t)
	shown := make(chan int, 10)
	f := newFake(t, &tls.Config{Certificates: []tls.Certificate{cert}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13}, func(c *fakeConn) {
		if c.welcome() == nil {
			shown <- len(c.Conn.(*tls.Conn).ConnectionState().PeerCertificates)
			c.drainPings()
		}
	})
	cfg := config("a gateway", f.address("tls"))
	cfg.TLS = &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{mine}, MinVersion: tls.VersionTLS13}
	h := start(t, cfg, quick)
	await[Up](h, nil)
	if n := <-shown; n != 1 {
		t.Errorf("%d certificates were shown", n)
	}
	cfg.TLS = &tls.Config{Certificates: []tls.Certificate{mine}, MinVersion: tls.VersionTLS13}
	stranger := start(t, cfg, quick)
	eventually(t, "an attempt fails", func() bool { return stranger.Stats().LastError != nil })
	err := stranger.Stats().LastError
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Errorf("%v", err)
	}
}

// TestIdle measures what an idle gateway sends over TLS, and holds a day of it
// under 1 MB.
func TestIdle(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t)
	const pings = 2
	done := make(chan struct{})
	f := newFake(t, &tls.Config{Certificates: []tls.Certificate{cert}}, func(c *fakeConn) {
		if c.welcome() != nil {
			return
		}
		for n := 0; n < pings; {
			first, _, err := c.read()
			if err != nil {
				return
			}
			if first == 0xc0 {
				n++
				_, _ = c.Write(packet(packetPingresp))
			}
		}
		close(done)
		c.drainPings()
	})
	cfg := config("a gateway", f.address("tls"))
	cfg.TLS = &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{cert}}
	often := quick
	often.keepAlive = time.Second
	h := start(t, cfg, often)
	await[Up](h, nil)
	eventually(t, "the birth is sent", func() bool { return h.Stats().Sent[TypeBirth].Messages == 1 })
	time.Sleep(50 * time.Millisecond)
	connect := h.Stats().WireSent
	<-done
	time.Sleep(50 * time.Millisecond) // the last write is counted after it is read
	ping := (h.Stats().WireSent - connect) / pings
	const (
		header = 20 + 32 // IPv4, TCP with timestamps
		day    = 24 * time.Hour
	)
	// Each ping is a segment, and so is the acknowledgement of its answer; one
	// connection a day with some ten segments.
	each := ping + 2*header
	total := connect + 10*header + uint64(day/defaultTiming.keepAlive)*each
	t.Logf("connecting %d bytes, a ping %d bytes, a day %d bytes", connect, ping, total)
	if ping < 20 || ping > 40 || total > 500_000 {
		t.Errorf("connecting takes %d bytes, a ping %d, a day %d", connect, ping, total)
	}
}
