package main

import (
	"cmp"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/broker"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
)

func (e *env) brokerCmd() *cobra.Command {
	return group("broker", "The files of a broker between nodes that is no gateway's: mosquitto, or a cluster of nats-server", e.brokerNew(), e.brokerAdmit())
}

// The files of a broker's folder.
const (
	brokerFile    = "broker.json"   // what it is, and whom it lets in
	authorityFile = "authority.key" // stays at the desk
	caFile        = "ca.pem"
	serverCert    = "server.pem"
	serverKey     = "server.key"
	revokedFile   = "revoked.pem"
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

func (c brokerClient) enrolled() (enroll.Client, error) {
	var out enroll.Client
	if !fillHex(out.Peer[:], c.Peer) || !fillHex(out.Key[:], c.TLS) {
		return out, fmt.Errorf("the keys of %q are damaged", c.Name)
	}
	return out, nil
}

func (e *env) brokerNew() *cobra.Command {
	site := brokerSite{}
	c := verb("new FOLDER", "Make the authority, certificate and configuration of a broker, in a new folder", func(c *cobra.Command, args []string) error {
		if site.Kind != mosquitto && site.Kind != nats {
			return usage("--kind %s: want %s or %s", site.Kind, mosquitto, nats)
		}
		if site.Kind == mosquitto && len(site.Hosts) > 1 {
			return usage("--host: mosquitto is one server; a cluster is of kind %s", nats)
		}
		for _, h := range site.Hosts {
			if !isHost(h) {
				return usage("--host %s: want a name or an address without a port", h)
			}
		}
		if !filepath.IsAbs(site.At) {
			return usage("--at %s: want an absolute path", site.At)
		}
		return e.open(false, func(f *folder.Folder) error {
			community, err := f.CommunityID()
			if err != nil {
				return err
			}
			if community.IsZero() {
				return folder.ErrUnpinned
			}
			site.Community = community.String()
			dir := args[0]
			if err := os.Mkdir(dir, 0o700); err != nil {
				return fmt.Errorf("a broker's folder begins empty: %w", err)
			}
			if err := newPEMKey(filepath.Join(dir, authorityFile)); err != nil {
				return err
			}
			if err := newPEMKey(filepath.Join(dir, serverKey)); err != nil {
				return err
			}
			return e.admit(f, dir, &site)
		})
	})
	c.Flags().StringVar(&site.Kind, "kind", mosquitto, "mosquitto, one server; or nats, a cluster")
	c.Flags().StringSliceVar(&site.Hosts, "host", nil, "the server's name as gateways reach it; of a cluster each server's")
	c.Flags().StringVar(&site.At, "at", "/etc/tombolo/broker", "where the folder's files will stand on the servers")
	return need(c, "host")
}

func (e *env) brokerAdmit() *cobra.Command {
	var as string
	c := verb("admit FOLDER [FILE]", "Certificates for this node's gateways and this desk, and for the gateway, hub or evaluator whose request FILE is; the removed are shut out", func(c *cobra.Command, args []string) error {
		if len(args) < 2 && as != "" {
			return usage("%s: --as is the name of FILE's certificate, and there is no FILE", c.CommandPath())
		}
		return e.open(false, func(f *folder.Folder) error {
			site, err := readSite(args[0])
			if err != nil {
				return err
			}
			if err := site.retire(f); err != nil {
				return err
			}
			if len(args) > 1 {
				client, err := requested(f, args[1], as)
				if err != nil {
					return err
				}
				if err := site.add(client); err != nil {
					return err
				}
			}
			return e.admit(f, args[0], site)
		})
	})
	c.Flags().StringVar(&as, "as", "", "name of FILE's certificate, as in gw1.mare (default of a hub's hub, of an evaluator's evaluator)")
	return c
}

// requested is whose request a file is: a gateway's, or that of a hub or an
// evaluator which the community's charter names.
func requested(f *folder.Folder, path, as string) (brokerClient, error) {
	data, err := folder.ReadFile(path, 1<<16)
	if err != nil {
		return brokerClient{}, err
	}
	s, err := folder.ParseService(data)
	if errors.Is(err, folder.ErrJSON) { // it has other fields
		r, err := folder.ParseRequest(data)
		if err != nil {
			return brokerClient{}, fmt.Errorf("%s: %w", path, err)
		}
		if as == "" {
			return brokerClient{}, usage("--as: a gateway's certificate needs a name, as in %s.mare", r.Gateway)
		}
		return newClient(as, r.Keys.Signing, r.Keys.TLS), nil
	}
	if err != nil {
		return brokerClient{}, fmt.Errorf("%s: %w", path, err)
	}
	c := newClient(cmp.Or(as, string(s.Role)), s.Keys[s.Role], s.TLS)
	c.Service = string(s.Role)
	named, err := serving(f)
	if err == nil && !named[c.Peer] {
		err = fmt.Errorf("%s: it is not this %s that the community's charter names: `tombolo charter update community --service %s`, or import the newest charter, before it", path, s.Role, path)
	}
	return c, err
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

// maxClients is how many a broker's folder lists; its file has at most 1 MiB.
const maxClients = 4096

// errSite marks a broker.json that no version of this program wrote.
var errSite = errors.New("not a broker's description")

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

// checkClient refuses what is no name of a client: slugs with dots in between.
func checkClient(name string) error {
	for part := range strings.SplitSeq(name, ".") {
		if err := ledger.CheckSlug("name", part); err != nil {
			return err
		}
	}
	return nil
}

func newClient(name string, author, tls [32]byte) brokerClient {
	return brokerClient{Name: name, Peer: ledger.KeyIDOf(author[:]).String(), TLS: hex.EncodeToString(tls[:])}
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

// admit writes all files of a broker's folder anew.
func (e *env) admit(f *folder.Folder, dir string, s *brokerSite) error {
	if err := s.own(f); err != nil {
		return err
	}
	slices.SortFunc(s.Clients, func(a, b brokerClient) int { return strings.Compare(a.Name+a.Peer, b.Name+b.Peer) })
	key, err := readPEMKey(filepath.Join(dir, authorityFile))
	if err != nil {
		return err
	}
	authority, err := enroll.NewAuthority(key, "tombolo "+s.Community[:16])
	if err != nil {
		return err
	}
	server, err := readPEMKey(filepath.Join(dir, serverKey))
	if err != nil {
		return err
	}
	cert, err := authority.IssueServer(server.Public().(ed25519.PublicKey), s.Hosts, e.Now())
	if err != nil {
		return err
	}
	files := map[string][]byte{caFile: enroll.CertificatePEM(authority.Certificate()), serverCert: enroll.CertificatePEM(cert)}
	var removed []enroll.Client
	var peers []broker.Identity
	var gone, admitted []string
	for _, c := range s.Clients {
		client, err := c.enrolled()
		if err != nil {
			return err
		}
		if c.Removed {
			removed, gone = append(removed, client), append(gone, c.Peer)
			continue
		}
		der, err := authority.Issue(client, e.Now())
		if err != nil {
			return err
		}
		files[c.Name+".pem"] = enroll.CertificatePEM(der)
		admitted = append(admitted, c.Name)
		hub := c.Service == string(ledger.Hub)
		peers = append(peers, broker.Identity{Peer: c.Peer, Observer: c.Desk || hub, Server: hub})
	}
	list, err := authority.Revoked(removed, e.Now())
	if err != nil {
		return err
	}
	files[revokedFile] = enroll.ListPEM(list)
	if err := s.configure(files, peers, gone); err != nil {
		return err
	}
	if files[brokerFile], err = folder.EncodeJSON(s); err != nil {
		return err
	}
	for _, name := range sortedKeys(files) {
		if err := folder.WriteFile(filepath.Join(dir, name), files[name], 0o644); err != nil {
			return err
		}
	}
	return e.print(struct {
		Folder   string   `json:"folder"`
		Kind     string   `json:"kind"`
		Admitted []string `json:"admitted"`
		Removed  int      `json:"removed"`
	}{dir, s.Kind, admitted, len(gone)},
		"%s: %s for %s; %s to be shut out\nCopy all but %s to %s on %s and have the broker read them (SIGHUP); each client gets %s and the file with its name.\n",
		dir, s.Kind, strings.Join(admitted, ", "), count(len(gone), "client", "clients"), authorityFile, s.At, strings.Join(s.Hosts, ", "), caFile)
}

// configure adds the broker's own files.
func (s *brokerSite) configure(files map[string][]byte, peers []broker.Identity, gone []string) (err error) {
	at := func(name string) string { return filepath.Join(s.At, name) }
	common := broker.Files{Authority: at(caFile), Certificate: at(serverCert), Key: at(serverKey)}
	if s.Kind == mosquitto {
		observers := slices.DeleteFunc(peers, func(p broker.Identity) bool { return !p.Observer })
		files["mosquitto.conf"], files["mosquitto.acl"], err = broker.MosquittoConfig(broker.Mosquitto{
			Files: common, Revoked: at(revokedFile), ACL: at("mosquitto.acl"), Community: s.Community, Listen: ":8883", Peers: observers, Removed: gone,
		})
		return err
	}
	var routes []string
	for _, h := range s.Hosts {
		routes = append(routes, net.JoinHostPort(h, "6222"))
	}
	for i, h := range s.Hosts {
		files["nats-"+h+".conf"], err = broker.NATSConfig(broker.NATS{
			Files: common, Community: s.Community, Name: fmt.Sprintf("n%d", i+1), Cluster: "tombolo", Listen: ":8883", Client: "127.0.0.1:4222",
			Route: ":6222", Routes: routes, Dir: at("store"), Peers: peers,
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// newPEMKey makes an Ed25519 key's file, as other programs read it.
func newPEMKey(path string) error {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return folder.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}

func readPEMKey(path string) (ed25519.PrivateKey, error) {
	text, err := folder.ReadFile(path, 1<<12)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key", path)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if k, ok := key.(ed25519.PrivateKey); ok && err == nil {
		return k, nil
	}
	return nil, fmt.Errorf("%s holds no Ed25519 key", path)
}

func fillHex(dst []byte, s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == len(dst) && s == strings.ToLower(s) && copy(dst, b) == len(dst)
}
