package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"strings"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
)

// The kinds of broker.
const (
	mosquitto = "mosquitto"
	nats      = "nats"
)

// brokerSite is broker.json.
type brokerSite struct {
	Kind      string         `json:"kind"`
	Community string         `json:"community"`
	Hosts     []string       `json:"hosts"`
	At        string         `json:"at"` // where the files stand on those hosts
	Clients   []brokerClient `json:"clients"`
}

type brokerClient struct {
	Name    string `json:"name"`
	Peer    string `json:"peer"`
	TLS     string `json:"tls"`
	Desk    bool   `json:"desk"`
	Service string `json:"service,omitempty"` // "hub" or "evaluator"; otherwise a gateway or a desk
	Removed bool   `json:"removed"`
}

func newClient(name string, author, tls [32]byte) brokerClient {
	return brokerClient{Name: name, Peer: ledger.KeyIDOf(author[:]).String(), TLS: hex.EncodeToString(tls[:])}
}

func (c brokerClient) enrolled() (enroll.Client, error) {
	var out enroll.Client
	if !fillHex(out.Peer[:], c.Peer) || !fillHex(out.Key[:], c.TLS) {
		return out, fmt.Errorf("the keys of %q are damaged", c.Name)
	}
	return out, nil
}

// checkClient refuses what is no name of a client: slugs with dots in between.
func checkClient(name string) error {
	for part := range strings.SplitSeq(name, ".") {
		if err := ledger.CheckSlug("name", part); err != nil {
			return err
		}
	}
	return nil
}

// maxClients is how many a broker's folder lists; its file has at most 1 MiB.
const maxClients = 4096

// errSite marks a broker.json that no version of this program wrote.
var errSite = errors.New("not a broker's description")

func readSite(dir string) (*brokerSite, error) {
	path := filepath.Join(dir, brokerFile)
	data, err := folder.ReadFile(path, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no broker's folder: `tombolo broker new` makes one", dir)
	}
	if err != nil {
		return nil, err
	}
	s, err := parseSite(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// parseSite reads broker.json, as [brokerSite] writes it and nothing else: what
// stands in it ends up in names of files, certificates and configurations.
func parseSite(data []byte) (*brokerSite, error) {
	var s brokerSite
	if err := folder.DecodeJSON(data, &s); err != nil {
		return nil, err
	}
	var community ledger.CharterID
	switch {
	case s.Kind != mosquitto && s.Kind != nats:
		return nil, fmt.Errorf("%w: kind %q", errSite, s.Kind)
	case !fillHex(community[:], s.Community) || community.IsZero():
		return nil, fmt.Errorf("%w: community %q", errSite, s.Community)
	case len(s.Hosts) == 0 || s.Kind == mosquitto && len(s.Hosts) > 1:
		return nil, fmt.Errorf("%w: %d hosts", errSite, len(s.Hosts))
	case !filepath.IsAbs(s.At):
		return nil, fmt.Errorf("%w: its files stand at %q", errSite, s.At)
	case len(s.Clients) > maxClients:
		return nil, fmt.Errorf("%w: %d clients, more than %d", errSite, len(s.Clients), maxClients)
	}
	for _, h := range s.Hosts {
		if !isHost(h) {
			return nil, fmt.Errorf("%w: host %q", errSite, h)
		}
	}
	there := map[string]bool{}
	for _, c := range s.Clients {
		if _, err := c.enrolled(); err != nil {
			return nil, fmt.Errorf("%w: %w", errSite, err)
		}
		if err := checkClient(c.Name); err != nil {
			return nil, fmt.Errorf("%w: %w", errSite, err)
		}
		if role := ledger.AuthorRole(c.Service); role != "" && role != ledger.Hub && role != ledger.Evaluator || role != "" && c.Desk {
			return nil, fmt.Errorf("%w: %q is a %q", errSite, c.Name, c.Service)
		}
		if !c.Removed && there[c.Name] {
			return nil, fmt.Errorf("%w: two clients are called %q", errSite, c.Name)
		}
		there[c.Name] = there[c.Name] || !c.Removed
	}
	return &s, nil
}

// isHost tells whether a name is one that stands in certificates and in the names
// of files: of letters, digits, dots and dashes, or an IP address.
func isHost(name string) bool {
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" || label[0] == '-' {
			return false
		}
	}
	return len(name) <= 253
}

func fillHex(dst []byte, s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == len(dst) && s == strings.ToLower(s) && copy(dst, b) == len(dst)
}

// add notes a client, under a name that is a file's.
func (s *brokerSite) add(c brokerClient) error {
	if err := checkClient(c.Name); err != nil {
		return usageError{Err: err}
	}
	for i, have := range s.Clients {
		switch {
		case have.Peer == c.Peer && have.TLS == c.TLS:
			s.Clients[i].Name = c.Name
			return nil
		case have.Name == c.Name && !have.Removed:
			return fmt.Errorf("another client is called %q", c.Name)
		}
	}
	s.Clients = append(s.Clients, c)
	return nil
}

// own takes in what this folder knows of its own node, and this desk.
func (s *brokerSite) own(f *folder.Folder) error {
	node, err := f.Node()
	if errors.Is(err, folder.ErrNoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	all, err := f.Gateways()
	if err != nil {
		return err
	}
	for _, g := range all {
		c := newClient(g.Name+"."+node.Latest().Slug, g.Keys.Signing, g.Keys.TLS)
		if g.Active() {
			if err := s.add(c); err != nil {
				return err
			}
		}
		for i, have := range s.Clients {
			if have.Peer == c.Peer {
				s.Clients[i].Removed = !g.Active()
			}
		}
	}
	key, err := f.EnsureKey(folder.TLSKey)
	if err != nil {
		return err
	}
	author, err := f.Public(folder.StewardKey)
	if err != nil {
		return err
	}
	c := newClient("desk."+node.Latest().Slug, author, [32]byte(key.Public().(ed25519.PublicKey)))
	c.Desk = true
	return s.add(c)
}

// retire shuts out the hub or evaluator that the charter names no more.
func (s *brokerSite) retire(f *folder.Folder) error {
	named, err := serving(f)
	if err != nil {
		return err
	}
	for i, c := range s.Clients {
		if c.Service != "" {
			s.Clients[i].Removed = !named[c.Peer]
		}
	}
	return nil
}

// serving are the hub and the evaluator that the community's charter names, as peers.
func serving(f *folder.Folder) (map[string]bool, error) {
	out := map[string]bool{}
	chain, err := f.Community()
	for _, a := range chain.Latest().Authors {
		if err == nil && !a.Retired && (a.Role == ledger.Hub || a.Role == ledger.Evaluator) {
			out[ledger.KeyIDOf(a.Key[:]).String()] = true
		}
	}
	return out, err
}
