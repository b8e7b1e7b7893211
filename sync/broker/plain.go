package broker

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// loopback refuses every address that another machine could reach, a name
// among them: what a name means is somebody else's to say.
func loopback(addr string) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrConfig, err)
	}
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		return fmt.Errorf("%w; %q is not one", ErrLoopback, addr)
	}
	return nil
}

// writePassword replaces the file, so that one with another mode or owner does
// not stay.
func writePassword(name, password string) error {
	f, err := os.CreateTemp(filepath.Dir(name), "password-*") // mode 0600
	if err != nil {
		return fmt.Errorf("broker: the plain listener's password: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(password + "\n")
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("broker: the plain listener's password: %w", err)
	}
	return os.Rename(f.Name(), name)
}

// internalCertificate is a certificate whose key never leaves this process, so
// whoever shows it is this process.
func internalCertificate() (tls.Certificate, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1),
		NotBefore:    time.Unix(0, 0),
		NotAfter:     time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC), // RFC 5280 §4.1.2.5: no expiration
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf, err := x509.ParseCertificate(der)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, err
}

// dial connects to the broker's own MQTT listener as this process.
func (b *Broker) dial() (net.Conn, error) {
	to := *b.addr.(*net.TCPAddr)
	if to.IP.IsUnspecified() {
		to.IP = net.IPv4(127, 0, 0, 1)
	}
	if b.cfg.Listen == "" {
		return net.DialTimeout("tcp", to.String(), dialTimeout)
	}
	return tls.DialWithDialer(&net.Dialer{Timeout: dialTimeout}, "tcp", to.String(), &tls.Config{
		MinVersion:   tls.VersionTLS13,
		Certificates: []tls.Certificate{b.internal},
		// No chain, but the very certificate that this process serves.
		InsecureSkipVerify: true,
		VerifyConnection: func(s tls.ConnectionState) error {
			c, err := b.cfg.Certificate()
			if err != nil {
				return err
			}
			if len(c.Certificate) == 0 || !bytes.Equal(c.Certificate[0], s.PeerCertificates[0].Raw) {
				return errors.New("broker: another process answers at the TLS listener")
			}
			return nil
		},
	})
}

const dialTimeout = 5 * time.Second

// front is the plain listener beside a TLS one: nats-server has one MQTT
// listener, so this one relays to it.
type front struct {
	listener net.Listener
	work     sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]bool // nil: closed
}

// maxLocal bounds the programs on one machine that speak to its broker.
const maxLocal = 256

func openFront(addr string, dial func() (net.Conn, error)) (*front, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrListen, err)
	}
	f := &front{listener: l, conns: map[net.Conn]bool{}}
	f.work.Go(func() {
		for {
			c, err := l.Accept()
			switch {
			case errors.Is(err, net.ErrClosed):
				return
			case err != nil: // out of file descriptors, for one
				time.Sleep(100 * time.Millisecond)
			case !f.add(c):
				c.Close()
			default:
				f.work.Go(func() { f.relay(c, dial) })
			}
		}
	})
	return f, nil
}

func (f *front) add(c net.Conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conns == nil || len(f.conns) >= 2*maxLocal {
		return false
	}
	f.conns[c] = true
	return true
}

func (f *front) drop(c net.Conn) {
	c.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
}

// relay copies until either side ends. Nothing is half-closed: MQTT has no use
// for it.
func (f *front) relay(local net.Conn, dial func() (net.Conn, error)) {
	defer f.drop(local)
	up, err := dial()
	if err != nil {
		return
	}
	if !f.add(up) {
		up.Close()
		return
	}
	defer f.drop(up)
	f.work.Go(func() {
		_, _ = io.Copy(up, local)
		up.Close()
	})
	_, _ = io.Copy(local, up)
}

func (f *front) close() {
	f.listener.Close()
	f.mu.Lock()
	for c := range f.conns {
		c.Close()
	}
	f.conns = nil
	f.mu.Unlock()
	f.work.Wait()
}
