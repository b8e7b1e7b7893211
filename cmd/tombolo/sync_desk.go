package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"tombolo/cmd/internal/build"
	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/linking"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
)

const (
	linksFile = "links.toml"
	maxLinks  = 1 << 16 // bytes
)

// Why a folder takes no part.
var (
	errNoLinks = errors.New("this folder has no links.toml, which says where its node's broker is; the README shows one. Until then ledgers travel as files (`tombolo ledger export`)")
	errGateway = errors.New("this folder is a gateway's: its daemon takes part, by the links of gateway.toml")
	errNotOwn  = errors.New("`own = true` is for the node's gateways and stewards, and this folder holds an issuer's key alone: take the line out")
)

func hasLinks(f *folder.Folder) bool {
	_, err := os.Stat(filepath.Join(f.Dir(), linksFile))
	return err == nil
}

func readLinks(f *folder.Folder) (map[string]*wiring.Link, error) {
	path := filepath.Join(f.Dir(), linksFile)
	data, err := folder.ReadFile(path, maxLinks)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errNoLinks
	}
	if err != nil {
		return nil, err
	}
	links, err := wiring.ParseLinks(path, data)
	if err == nil && len(links) == 0 {
		err = fmt.Errorf("%s names no broker", path)
	}
	return links, err
}

// desk is this folder as a participant: its steward's, else its issuer's.
type desk struct {
	folder  *folder.Folder
	author  ed25519.PrivateKey
	self    ledger.KeyID
	ownLink bool // a link carries what is the node's
	node    *peer.Node
}

// participant joins this folder to the brokers that its links name.
func (e *env) participant(f *folder.Folder) (*desk, error) {
	links, err := readLinks(f)
	if errors.Is(err, errNoLinks) {
		if name, bad := f.Gateway(); bad != nil || name != "" {
			err = cmp.Or(bad, errGateway)
		}
	}
	if err != nil {
		return nil, err
	}
	d := &desk{folder: f}
	for _, l := range links {
		d.ownLink = d.ownLink || l.Own
	}
	if d.author, err = f.Key(folder.StewardKey); errors.Is(err, folder.ErrNoKey) {
		if d.author, err = f.Key(folder.IssuerKey); err == nil && d.ownLink {
			return nil, fmt.Errorf("%s: %w", linksFile, errNotOwn)
		}
	}
	if errors.Is(err, folder.ErrNoKey) {
		return nil, fmt.Errorf("a desk takes part by its steward's or its issuer's key: %w", err)
	}
	if err != nil {
		return nil, err
	}
	d.self = ledger.KeyIDOf(d.author.Public().(ed25519.PublicKey))
	key, err := f.EnsureKey(folder.TLSKey) // that an outside broker's authority gave its word for
	if err != nil {
		return nil, err
	}
	linking := linking.Participant{
		Folder: f, Key: key, Software: "tombolo " + build.Version(), Now: e.Now,
		Own: func() (tls.Certificate, error) { return enroll.DeskCertificate(d.author, e.Now()) },
	}
	cfg := peer.Config{Store: f.Store(), Self: d.self, Rights: f.Rights, Observer: true, Now: e.Now, Log: slog.New(slog.DiscardHandler)}
	for _, role := range []folder.Role{folder.StewardKey, folder.IssuerKey} {
		author, err := f.Public(role)
		if errors.Is(err, folder.ErrNoKey) {
			continue
		}
		if err != nil {
			return nil, err
		}
		cfg.Also = append(cfg.Also, ledger.KeyIDOf(author[:]))
	}
	if cfg.Links, err = linking.Configs(links, ""); err != nil {
		return nil, err
	}
	d.node, err = peer.New(cfg)
	return d, err
}

// during runs the participant while do works.
func (d *desk) during(ctx context.Context, do func(context.Context) error) error {
	ctx, end := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- d.node.Run(ctx) }()
	err := do(ctx)
	end()
	return errors.Join(err, <-ran)
}

// errNoDaemon, gatewayStatus and askStatus are a running gateway's own picture.
var errNoDaemon = gateway.ErrNoDaemon

type gatewayStatus = gateway.Status

func askStatus(ctx context.Context, dir string) (gatewayStatus, error) {
	s, err := gateway.AskStatus(ctx, dir)
	return s, elsewhere(err)
}

// elsewhere says what to do where no daemon runs: it may run on another folder.
func elsewhere(err error) error {
	if errors.Is(err, errNoDaemon) {
		return fmt.Errorf("%w; or name the folder of a gateway that runs (--dir, as /var/lib/tombolo)", err)
	}
	return err
}
