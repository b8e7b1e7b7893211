package main

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/broker"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
)

// The files of a broker's folder.
const (
	brokerFile    = "broker.json"   // what it is, and whom it lets in
	authorityFile = "authority.key" // stays at the desk
	caFile        = "ca.pem"
	serverCert    = "server.pem"
	serverKey     = "server.key"
	revokedFile   = "revoked.pem"
)

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
