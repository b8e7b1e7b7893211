package enroll

import (
	"bytes"
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tombolo/sync/ledger"
)

func authority(t *testing.T) *Authority {
	t.Helper()
	a, err := NewAuthority(testKey("authority"), "casa")
	must(t, err)
	return a
}

func client(name string) Client {
	return Client{ledger.KeyIDOf(testKey("signing " + name).Public().(ed25519.PublicKey)), publicKey(testKey("tls " + name))}
}

func parsed(t *testing.T, der []byte, err error) *x509.Certificate {
	t.Helper()
	must(t, err)
	c, err := x509.ParseCertificate(der)
	must(t, err)
	return c
}

func TestAuthority(t *testing.T) {
	t.Parallel()
	a, gw1 := authority(t), client("gw1")
	if again := authority(t); !bytes.Equal(a.Certificate(), again.Certificate()) {
		t.Error("one key is two authorities")
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	issue := func(at time.Time) *x509.Certificate {
		der, err := a.Issue(gw1, at)
		return parsed(t, der, err)
	}
	c := issue(testNow)
	if c.Subject.CommonName != gw1.Peer.String() || len(c.URIs) != 1 || c.URIs[0].String() != "tombolo:peer:"+gw1.Peer.String() {
		t.Errorf("it names %v, %v", c.Subject, c.URIs)
	}
	for at, ok := range map[time.Time]bool{
		testNow: true, testNow.Add(-early): true, testNow.Add((terms - 1) * term): true,
		testNow.Add(-early - term): false, testNow.Add((terms + 1) * term): false,
	} {
		_, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		if (err == nil) != ok {
			t.Errorf("at %v: %v", at, err)
		}
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: testNow, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
		t.Error("a client's certificate serves as a broker's")
	}
	if _, err := KeyOf(showing(c.Raw)); !errors.Is(err, ErrNotSelf) {
		t.Errorf("as self-signed: %v", err)
	}
	if _, err := DeskOf(showing(c.Raw), testNow); !errors.Is(err, ErrDeskName) {
		t.Errorf("as a desk's: %v", err)
	}
	for _, at := range []time.Time{time.Unix(0, 0), {}} {
		if _, err := a.Issue(gw1, at); !errors.Is(err, ErrClock) {
			t.Errorf("issued in %v: %v", at, err)
		}
		if _, err := a.Revoked(nil, at); !errors.Is(err, ErrClock) {
			t.Errorf("listed in %v: %v", at, err)
		}
		if _, err := a.IssueServer(gw1.Key[:], []string{"x"}, at); !errors.Is(err, ErrClock) {
			t.Errorf("issued to a broker in %v: %v", at, err)
		}
	}
	if _, err := a.IssueServer(gw1.Key[:], nil, testNow); err == nil {
		t.Error("a broker without a name")
	}
	if _, err := WithKey(c.Raw, testKey("tls gw2")); err == nil {
		t.Error("a certificate for another key was taken")
	}
}

// TestRevoked: whenever a client's certificate was issued, and by whichever desk
// has the key: a list that is made while the certificate is good, and from then
// on, has it; and it has nobody else's. Serial numbers are one for each
// certificate.
func TestRevoked(t *testing.T) {
	t.Parallel()
	a := authority(t)
	gone, stays := client("gone"), client("stays")
	rapid.Check(t, func(t *rapid.T) {
		at := testNow.Add(time.Duration(rapid.Int64Range(0, int64(4*365*24*time.Hour)).Draw(t, "issued")))
		der, err := a.Issue(gone, at)
		if err != nil {
			t.Fatal(err)
		}
		c, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		// also by a desk whose clock is behind by a day
		listed := c.NotBefore.Add(time.Duration(rapid.Int64Range(0, int64(c.NotAfter.Sub(c.NotBefore))).Draw(t, "listed")))
		raw, err := a.Revoked([]Client{client("other"), gone}, listed)
		if err != nil {
			t.Fatal(err)
		}
		list, err := x509.ParseRevocationList(raw)
		if err != nil {
			t.Fatal(err)
		}
		if err := list.CheckSignatureFrom(a.cert); err != nil {
			t.Fatal(err)
		}
		der, err = a.Issue(stays, at)
		if err != nil {
			t.Fatal(err)
		}
		other, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		found, seen := false, map[string]bool{}
		for _, e := range list.RevokedCertificateEntries {
			found = found || e.SerialNumber.Cmp(c.SerialNumber) == 0
			if e.SerialNumber.Cmp(other.SerialNumber) == 0 || seen[e.SerialNumber.String()] {
				t.Fatal("somebody else is listed, or one twice")
			}
			seen[e.SerialNumber.String()] = true
		}
		if !found {
			t.Fatalf("issued %v, listed %v: not on the list", at, listed)
		}
		later, err := a.Issue(gone, at.Add(term))
		if err != nil {
			t.Fatal(err)
		}
		if l, err := x509.ParseCertificate(later); err != nil || l.SerialNumber.Cmp(c.SerialNumber) == 0 {
			t.Fatalf("two certificates with one serial number, %v", err)
		}
	})
}

// TestOutsideBroker: TLS as an outside broker and a gateway make it.
func TestOutsideBroker(t *testing.T) {
	t.Parallel()
	a, brokerKey, gwKey := authority(t), testKey("broker"), testKey("tls gw1")
	der, err := a.IssueServer(brokerKey.Public().(ed25519.PublicKey), []string{"broker.example", "192.0.2.9"}, testNow)
	must(t, err)
	server, err := WithKey(der, brokerKey)
	must(t, err)
	der, err = a.Issue(client("gw1"), testNow)
	must(t, err)
	own, err := WithKey(der, gwKey)
	must(t, err)
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	for _, tt := range []struct {
		host string
		now  time.Time
		ok   bool
	}{
		{"broker.example", testNow, true}, {"192.0.2.9", testNow, true}, {"other.example", testNow, false},
		{"broker.example", time.Unix(0, 0), false}, {"broker.example", testNow.Add((terms + 1) * term), false},
	} {
		near, far := loopback(t)
		ended := make(chan error, 1)
		go func() {
			conn := tls.Server(far, &tls.Config{
				MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{server}, Time: func() time.Time { return testNow },
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: roots, SessionTicketsDisabled: true,
			})
			err := conn.Handshake()
			far.Close()
			ended <- err
		}()
		cfg, err := AuthorityConfig(own, a.Certificate(), tt.host, func() time.Time { return tt.now })
		must(t, err)
		err = tls.Client(near, cfg).Handshake()
		near.Close()
		if serverErr := <-ended; (err == nil) != tt.ok || (serverErr == nil) != tt.ok {
			t.Errorf("%s at %v: %v, %v", tt.host, tt.now, err, serverErr)
		}
	}
	if _, err := AuthorityConfig(own, []byte("x"), "broker.example", nil); err == nil {
		t.Error("no authority was taken for one")
	}
}

// TestOpenSSL: mosquitto reads certificates and the list by OpenSSL.
func TestOpenSSL(t *testing.T) {
	t.Parallel()
	a, dir := authority(t), t.TempDir()
	now := time.Now() // OpenSSL's -attime does not reach into lists
	gone, stays := client("gone"), client("stays")
	list, err := a.Revoked([]Client{gone}, now)
	must(t, err)
	write := func(name string, text []byte) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, text, 0o600))
		return path
	}
	ca, crl := write("ca.pem", CertificatePEM(a.Certificate())), write("crl.pem", ListPEM(list))
	for name, c := range map[string]Client{"": stays, "certificate revoked": gone} {
		der, err := a.Issue(c, now)
		must(t, err)
		path := write("client.pem", CertificatePEM(der))
		out, err := exec.Command("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-crl_check", "-CAfile", ca, "-CRLfile", crl, path).CombinedOutput()
		if (err == nil) != (name == "") || !strings.Contains(string(out), name) {
			t.Errorf("%v %s, want %q", err, out, name)
		}
	}
	der, err := a.IssueServer(testKey("broker").Public().(ed25519.PublicKey), []string{"broker.example"}, now)
	must(t, err)
	out, err := exec.Command("openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "broker.example", "-CAfile", ca, write("server.pem", CertificatePEM(der))).CombinedOutput()
	if err != nil {
		t.Errorf("%v %s", err, out)
	}
}
