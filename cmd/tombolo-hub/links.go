package main

import (
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"tombolo/cmd/internal/build"
	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/linking"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/enroll"
	"tombolo/sync/link"
)

const (
	linksFile = "links.toml"
	maxLinks  = 1 << 16 // bytes
)

// errNoLinks is why nobody can be reached.
var errNoLinks = errors.New("it says where the brokers are: [links.hub] with broker = \"tls://hub.example\" for the hub's own, or with ca and cert for another")

// readLinks reads the folder's links.toml; with brokers, what it would be for
// those.
func readLinks(dir string, brokers []string) (map[string]*wiring.Link, error) {
	path := filepath.Join(dir, linksFile)
	var data []byte
	var err error
	for i, url := range brokers {
		data = fmt.Appendf(data, "[links.broker%d]\nbroker = %q\nca = \"ca.pem\"\ncert = \"hub.pem\"\n", i+1, url)
	}
	if len(brokers) == 0 {
		data, err = folder.ReadFile(path, maxLinks)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no %s: %w", path, errNoLinks)
	}
	if err != nil {
		return nil, err
	}
	all, err := wiring.ParseLinks(path, data)
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("%s names no broker: %w", path, errNoLinks)
	}
	for _, l := range all {
		if err == nil && l.Own {
			err = fmt.Errorf("%s: links.%s is a node's own, and this is no node's machine: take `own = true` out", path, l.Name)
		}
	}
	return all, err
}

// desk is a service's TLS identity: certificates that its author's key signs, each
// used for half of its life.
type desk struct {
	author ed25519.PrivateKey
	now    func() time.Time

	mu   sync.Mutex
	cert *tls.Certificate // under mu
	made time.Time        // under mu
}

// deskRenew is how long a certificate is shown.
const deskRenew = 12 * time.Hour

// certificate is asked at every connection.
func (d *desk) certificate() (*tls.Certificate, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if age := now.Sub(d.made); d.cert == nil || age < 0 || age > deskRenew {
		c, err := enroll.DeskCertificate(d.author, now)
		if err != nil {
			return nil, err
		}
		d.cert, d.made = &c, now
	}
	return d.cert, nil
}

// public is the author's key.
func (d *desk) public() [32]byte { return [32]byte(d.author.Public().(ed25519.PublicKey)) }

// configs are those of the folder's links, or of some brokers.
func (d *desk) configs(f *folder.Folder, name string, brokers []string, log *slog.Logger) ([]link.Config, error) {
	all, err := readLinks(f.Dir(), brokers)
	if err != nil {
		return nil, err
	}
	key, err := f.EnsureKey(folder.TLSKey) // that an outside broker's authority gave its word for
	if err != nil {
		return nil, err
	}
	return linking.Participant{
		Folder: f, Self: selfOf(d.author), Key: key, Name: name, Software: software(), Now: d.now, Log: log,
		Own: func() (tls.Certificate, error) {
			c, err := d.certificate()
			if err != nil {
				return tls.Certificate{}, err
			}
			return *c, nil
		},
	}.Configs(all, "")
}

func software() string { return "tombolo-hub " + build.Version() }
