package linking

import (
	"crypto/ed25519"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/replica"
)

// maxPEM bounds a file of certificates, in bytes.
const maxPEM = 64 << 10

// BrokerFolder is a broker's own folder in that of the program which runs it.
const BrokerFolder = "broker"

// Errors of what a link needs.
var (
	ErrServer = errors.New("the broker's key is not the one that counts")
	ErrPEM    = errors.New("no certificates in PEM")
)

// Participant is whose links [Participant.Configs] makes: a gateway's, a desk's, the
// hub's or the evaluator's.
type Participant struct {
	Folder *folder.Folder
	Self   replica.Peer
	// Own gives what this participant shows of itself where brokers go by keys:
	// a gateway its own key's certificate, a desk one that its author signed. It is
	// asked at every connection.
	Own func() (tls.Certificate, error)
	// Key is of the certificates for outside brokers.
	Key      ed25519.PrivateKey
	Name     string // a slug
	Software string
	Now      func() time.Time // nil: the machine's clock; a zero time: it is not known
	Log      *slog.Logger
}

// Configs makes the configurations of links, in the order of their names. here is
// where the broker of this process listens, for a link to it.
func (l Participant) Configs(all map[string]*wiring.Link, here string) ([]link.Config, error) {
	community, err := l.Folder.CommunityID()
	if err != nil {
		return nil, err
	}
	node, err := l.Folder.NodeID()
	if err != nil {
		return nil, err
	}
	var out []link.Config
	for _, w := range wiring.SortedLinks(all) {
		c := link.Config{
			Name: w.Name, Broker: w.Broker, Community: community, Node: node, Scopes: []replica.Scope{replica.All},
			SelfName: l.Name, Software: l.Software, Log: l.Log,
		}
		if w.Own && !node.IsZero() {
			c.Scopes = append(c.Scopes, replica.Node)
		}
		if c.Broker == "" {
			c.Broker = "tls://" + here
		}
		u, err := url.Parse(c.Broker)
		if err != nil {
			return nil, err
		}
		switch {
		case u.Scheme == "tcp":
			c.Login = l.login
		case w.Outside():
			c.TLS = l.outside(w, u.Hostname())
		default:
			c.TLS = l.pinned(w)
		}
		out = append(out, c)
	}
	return out, nil
}

// pinned is a client's side where keys count: a gateway's own, or the hub's, which
// stands behind a desk's certificate.
func (l Participant) pinned(w *wiring.Link) *tls.Config {
	c := enroll.ClientConfig(tls.Certificate{}, func(key [32]byte) error { return l.trust(w, key) })
	gateway := c.VerifyConnection
	c.VerifyConnection = func(cs tls.ConnectionState) error {
		now := time.Now()
		if l.Now != nil {
			now = l.Now()
		}
		if author, err := enroll.DeskOf(cs, now); err == nil {
			return l.trustHub(w, author)
		}
		return gateway(cs)
	}
	c.Certificates = nil
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		own, err := l.Own()
		return &own, err
	}
	return c
}

// trust says whether a server's key is the one that the link names, or else that
// of an active gateway of the node.
func (l Participant) trust(w *wiring.Link, key [32]byte) error {
	if own, err := l.Folder.Public(folder.TLSKey); w.Broker == "" {
		if err == nil && own != key {
			err = ErrServer
		}
		return err
	}
	if w.Server != ([16]byte{}) && ledger.KeyIDOf(key[:]) == w.Server {
		return nil
	}
	all, err := l.Folder.Enrolled()
	if err != nil {
		return err
	}
	for _, g := range all {
		if g.Keys.TLS != key || !g.Active() {
			continue
		}
		if w.Server == ([16]byte{}) || ledger.KeyIDOf(g.Keys.Signing[:]) == w.Server {
			return nil
		}
	}
	if w.Server != ([16]byte{}) {
		return fmt.Errorf("%w: links.%s names another: check `server`, or that nobody is in between", ErrServer, w.Name)
	}
	return fmt.Errorf("%w: links.%s leads to none of the node's gateways; if it should, import the node's newest ledger, otherwise say server or ca", ErrServer, w.Name)
}

// trustHub says whether a server that speaks for an author is the community's hub.
func (l Participant) trustHub(w *wiring.Link, author [32]byte) error {
	hub, ok, err := l.Folder.HubAuthor()
	switch {
	case err != nil:
		return err
	case w.Broker == "" || !ok || hub != author:
		return fmt.Errorf("%w: links.%s leads to a desk that is not the community's hub", ErrServer, w.Name)
	case w.Server != ([16]byte{}) && ledger.KeyIDOf(author[:]) != w.Server:
		return fmt.Errorf("%w: links.%s names another: check `server`, or that nobody is in between", ErrServer, w.Name)
	}
	return nil
}

// outside is a client's side where an authority's word counts. The files are read
// at each connection: they may be renewed while the gateway runs.
func (l Participant) outside(w *wiring.Link, host string) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, ServerName: host,
		InsecureSkipVerify: true, // VerifyConnection does it, by the file as it is then
		VerifyConnection: func(cs tls.ConnectionState) error {
			all, err := Certificates(w.CA)
			if err != nil {
				return err
			}
			opts := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), DNSName: host, CurrentTime: l.at(cs.PeerCertificates[0])}
			for _, c := range all {
				opts.Roots.AddCert(c)
			}
			for _, c := range cs.PeerCertificates[1:] {
				opts.Intermediates.AddCert(c)
			}
			_, err = cs.PeerCertificates[0].Verify(opts)
			return err
		},
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			all, err := Certificates(w.Cert)
			if err != nil {
				return nil, err
			}
			own, err := enroll.WithKey(all[0].Raw, l.Key)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", w.Cert, err)
			}
			for _, c := range all[1:] {
				own.Certificate = append(own.Certificate, c.Raw)
			}
			return &own, nil
		},
	}
}

// at is the time that a certificate is held against: where the clock is not known
// one at which it is valid. What counts are the ledgers' signatures.
func (l Participant) at(c *x509.Certificate) time.Time {
	now := time.Now()
	if l.Now != nil {
		now = l.Now()
	}
	if now.IsZero() {
		return c.NotBefore
	}
	return now
}

// login is for a broker of this machine that hands out its password as a file,
// see broker.PasswordFile.
func (l Participant) login() (username, password string) {
	text, err := folder.ReadFile(filepath.Join(l.Folder.Dir(), BrokerFolder, "password"), 1<<10)
	if err != nil {
		return l.Self.String(), "" // another's asks for none
	}
	return l.Self.String(), strings.TrimSpace(string(text))
}

// Certificates reads a file of certificates in PEM, of which there is at least one.
func Certificates(path string) (all []*x509.Certificate, err error) {
	text, err := folder.ReadFile(path, maxPEM)
	if err != nil {
		return nil, err
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		all = append(all, c)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", path, ErrPEM)
	}
	return all, nil
}

// Dialled is how this machine reaches what listens at an address.
func Dialled(a net.Addr) string {
	host, port, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1" // net.Listen takes IPv4 there, too
	}
	return net.JoinHostPort(host, port)
}
