package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"tombolo/cmd/internal/console"
	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
)

// enrolment is a gateway's first start: it makes its keys, shows a code, and
// waits until a steward has approved it over the network or put the approval's
// file into its folder. Its relays are on their safe side.
type enrolment struct {
	environment
	wiring *wiring.Wiring
	log    *slog.Logger
}

// approvalLook is how often the folder is looked at for an approval's file.
const approvalLook = time.Second

// needed tells whether the gateway has to be enrolled first.
func (e *enrolment) needed() (bool, error) {
	if _, err := os.Stat(e.approval()); err == nil {
		return false, nil
	}
	f, err := folder.Open(e.wiring.Data, false)
	if errors.Is(err, folder.ErrNoFolder) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	name, err := f.Gateway()
	return name == "", errors.Join(err, f.Close())
}

func (e *enrolment) approval() string { return filepath.Join(e.wiring.Data, gateway.ApprovalFile) }

// run returns nil when the gateway is enrolled, or its approval lies in the
// folder.
func (e *enrolment) run(ctx context.Context) (err error) {
	if err := gateway.Safe(e.wiring); err != nil {
		return err
	}
	f, err := folder.Open(e.wiring.Data, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	f.Now = e.Now
	name, err := e.name()
	if err != nil {
		return err
	}
	if _, err := f.NewGateway(name); err != nil {
		return err
	}
	request, err := os.ReadFile(filepath.Join(f.Dir(), folder.RequestFile))
	if err != nil {
		return err
	}
	key, err := f.Key(folder.TLSKey)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort("", enroll.DefaultPort))
	if err != nil {
		return fmt.Errorf("wait for a steward's tool: %w", err)
	}
	cfg := enroll.OfferConfig{Listener: listener, Key: key, Request: request, Dir: f.Dir(), Log: e.log, Take: func(desk enroll.Desk, approval io.ReadSeeker) error {
		return e.take(f, desk, approval)
	}}
	if _, err := rand.Read(cfg.Secret[:]); err != nil {
		return errors.Join(err, listener.Close())
	}
	if in, ok := e.Stdin.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		cfg.Screen = console.Screen{In: in, Out: e.Stderr, Other: "steward's tool"}
	}
	if err := e.show(f, key, cfg.Secret); err != nil {
		return errors.Join(err, listener.Close())
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	go e.await(ctx, end)
	err = enroll.Offer(ctx, cfg)
	if _, put := os.Stat(e.approval()); put == nil && errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// name is the wiring's, else the machine's.
func (e *enrolment) name() (string, error) {
	if e.wiring.Name != "" {
		return e.wiring.Name, nil
	}
	host, err := os.Hostname()
	if err != nil {
		return "", err
	}
	host, _, _ = strings.Cut(host, ".")
	if err := ledger.CheckSlug("gateway", host); err != nil {
		return "", fmt.Errorf("this gateway needs a name: write `name = \"gw1\"` at the top of the wiring file (the machine's is of no use: %w)", err)
	}
	return host, nil
}

// take pins what the desk stood for, and nothing else.
func (e *enrolment) take(f *folder.Folder, desk enroll.Desk, approval io.ReadSeeker) error {
	name, err := f.EnrolBy(desk.Community, desk.Node, approval)
	if err == nil {
		e.log.Info("enrolled", "gateway", name, "community", desk.Community.String(), "node", desk.Node.String(), "steward", folder.Fingerprint(desk.Author))
	}
	return err
}

// show prints the code: as a line for whoever copies it, and on a terminal as a QR.
func (e *enrolment) show(f *folder.Folder, key ed25519.PrivateKey, secret [16]byte) error {
	keys, err := f.GatewayKeys()
	if err != nil {
		return err
	}
	code := enroll.Code{Key: [32]byte(key.Public().(ed25519.PublicKey)), Secret: secret, At: addresses()}
	if err := code.Check(); err != nil {
		return err
	}
	if out, ok := e.Stderr.(*os.File); ok && term.IsTerminal(int(out.Fd())) {
		symbol, err := console.Draw(code.String())
		if err != nil {
			return err
		}
		if _, err := io.WriteString(out, console.Blocks(symbol, true)); err != nil {
			return err
		}
	}
	e.log.Info("waiting for a steward: tombolo gateway approve --code 'CODE', or --at with one of the addresses", "fingerprint", folder.Fingerprint(keys.Signing), "at", strings.Join(code.At, " "))
	e.log.Info(code.String())
	return nil
}

// await ends the waiting when somebody puts the approval's file there.
func (e *enrolment) await(ctx context.Context, end func()) {
	for tick := time.NewTicker(approvalLook); ; {
		select {
		case <-ctx.Done():
			tick.Stop()
			return
		case <-tick.C:
			if _, err := os.Stat(e.approval()); err == nil {
				end()
			}
		}
	}
}

// maxAddresses is how many fit into a code.
const maxAddresses = 4

// addresses are where the gateway can be reached, private and IPv4 ones first;
// where there is no network at all, on this machine.
func addresses() (out []string) {
	all, err := net.InterfaceAddrs()
	if err != nil {
		all = nil
	}
	for _, four := range []bool{true, false} {
		for _, a := range all {
			ip, ok := a.(*net.IPNet)
			if ok && ip.IP.IsGlobalUnicast() && (ip.IP.To4() != nil) == four && len(out) < maxAddresses {
				out = append(out, net.JoinHostPort(ip.IP.String(), enroll.DefaultPort))
			}
		}
	}
	if out == nil {
		out = []string{net.JoinHostPort("127.0.0.1", enroll.DefaultPort)}
	}
	return out
}
