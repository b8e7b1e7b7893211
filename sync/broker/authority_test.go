package broker_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"tombolo/sync/broker"
)

// authority is a small certificate authority for brokers outside.
type authority struct {
	dir   string
	key   ed25519.PrivateKey
	cert  *x509.Certificate
	roots *x509.CertPool
	certs map[string]tls.Certificate // by peer
	next  int64
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	a := &authority{dir: t.TempDir(), certs: map[string]tls.Certificate{}, roots: x509.NewCertPool(), next: 1}
	_, a.key, _ = ed25519.GenerateKey(rand.Reader)
	a.cert = &x509.Certificate{
		Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage:     x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		SubjectKeyId: []byte{1, 2, 3, 4},
	}
	a.cert = a.sign(t, a.cert, a.key.Public())
	a.roots.AddCert(a.cert)
	a.write(t, "authority.pem", "CERTIFICATE", a.cert.Raw)

	_, key, _ := ed25519.GenerateKey(rand.Reader)
	server := a.sign(t, &x509.Certificate{
		Subject:     pkix.Name{CommonName: "broker"},
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, // routes are both
	}, key.Public())
	a.write(t, "broker.pem", "CERTIFICATE", server.Raw)
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, "broker.key", "PRIVATE KEY", der)
	a.revoke(t)
	for _, p := range []string{alice, bob, carol, desk, hub} {
		_, key, _ := ed25519.GenerateKey(rand.Reader)
		c := a.sign(t, &x509.Certificate{
			Subject:     pkix.Name{CommonName: p},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		}, key.Public())
		a.certs[p] = tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
	}
	return a
}

func (a *authority) sign(t testing.TB, tmpl *x509.Certificate, pub any) *x509.Certificate {
	t.Helper()
	tmpl.SerialNumber = big.NewInt(a.next)
	a.next++
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, a.cert, pub, a.key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (a *authority) revoke(t testing.TB, certs ...tls.Certificate) {
	t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(time.Now().UnixNano()), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour)}
	for _, c := range certs {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: c.Leaf.SerialNumber, RevocationTime: time.Now()})
	}
	der, err := x509.CreateRevocationList(rand.Reader, list, a.cert, a.key)
	if err != nil {
		t.Fatal(err)
	}
	a.write(t, "revoked.pem", "X509 CRL", der)
}

func (a *authority) write(t testing.TB, name, kind string, der []byte) {
	t.Helper()
	writeFile(t, a.path(name), pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func (a *authority) path(name string) string { return filepath.Join(a.dir, name) }

func (a *authority) files() broker.Files {
	return broker.Files{Authority: a.path("authority.pem"), Certificate: a.path("broker.pem"), Key: a.path("broker.key")}
}

func writeFile(t testing.TB, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// freePorts are n ports of loopback that nobody listens at now.
func freePorts(t testing.TB, n int) []string {
	t.Helper()
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		out = append(out, l.Addr().String())
	}
	return out
}

// daemon is a broker outside that a test started.
type daemon struct {
	*exec.Cmd
	done chan struct{}
}

func startDaemon(t testing.TB, name string, args ...string) *daemon {
	t.Helper()
	d := &daemon{Cmd: exec.Command(name, args...), done: make(chan struct{})}
	d.Stdout, d.Stderr = testLog{t}, testLog{t}
	d.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(d.done)
		_ = d.Wait() // it is killed
	}()
	t.Cleanup(func() { d.kill(t) })
	return d
}

func (d *daemon) kill(t testing.TB) {
	t.Helper()
	_ = d.Process.Kill() // it may be gone
	<-d.done
}

func (d *daemon) hangup(t testing.TB) {
	t.Helper()
	if err := d.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
}

// dialUntil retries while a broker comes up.
func (a *authority) dialUntil(t testing.TB, addr, name string) *peer {
	t.Helper()
	var p *peer
	deadline := time.Now().Add(3 * patience)
	for {
		var err error
		if p, err = dial(t, clientOptions(addr, a.certs[name], a.roots)); err == nil {
			return p
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s at %s: %v", name, addr, err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func userName() string {
	if os.Getuid() == 0 {
		return "root" // it reads the test's private folder
	}
	return ""
}
