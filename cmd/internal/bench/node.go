package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"tombolo/cmd/internal/folder"
	tombolod "tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/linking"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
	"tombolo/sync/store"
)

const (
	nodePeople   = 100_000
	nodeSiblings = 10
	nodePatience = 5 * time.Minute
)

const nodePolicy = `version = 1
node = "casa"
[zones.street]
outside = true
[zones.house]
antipassback = "soft"
[doors.front]
gateway = "gw0"
from = "street"
to = "house"
strike = "1s"
mechanical_exit = true
[levels.all]
doors = ["*"]
[classes.resident]
levels = ["all"]
`

// nodeMemory measures a whole daemon with the node's broker in it, while siblings
// catch up from it and afterwards.
func nodeMemory(b *report, dir string) error {
	desk, err := newDesk(filepath.Join(dir, "desk"))
	if err != nil {
		return err
	}
	defer desk.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		return err
	}
	var all []*folder.Folder
	for n := range nodeSiblings + 1 {
		f, err := folder.Open(filepath.Join(dir, fmt.Sprint("gw", n)), true)
		if err != nil {
			return err
		}
		defer f.Close()
		r, err := f.NewGateway(fmt.Sprint("gw", n))
		if err == nil {
			err = desk.write(ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: r.Gateway, Keys: r.Keys})
		}
		if err != nil {
			return err
		}
		all = append(all, f)
	}
	for n, f := range all {
		kinds := []ledger.LogKind{ledger.NodeLog}
		if n == 0 {
			kinds = append(kinds, ledger.CommunityLog)
		}
		var approval bytes.Buffer
		if _, err := desk.Export(&approval, kinds, nil); err != nil {
			return err
		}
		if _, err := f.Enrol(bytes.NewReader(approval.Bytes())); err != nil {
			return err
		}
	}
	text := fmt.Sprintf("[broker]\nlisten = %q\n[links.node]\nbroker = \"own\"\nown = true\n[sim]\nsocket = \"sim.sock\"\n[doors.front]\nlock = \"fail-secure\"\nrelay = { chip = \"sim\" }\n", address)
	if err := os.WriteFile(filepath.Join(all[0].Dir(), "gateway.toml"), []byte(text), 0o600); err != nil {
		return err
	}
	d, err := startDaemon(all[0].Dir())
	if err != nil {
		return err
	}
	defer d.kill()
	stop, err := siblings(all[1:], address)
	if err != nil {
		return err
	}
	defer stop()
	if err := caughtUp(all[1:]); err != nil {
		return err
	}
	time.Sleep(2 * time.Second)
	now, most, err := d.memory()
	if err != nil {
		return err
	}
	b.most("node-resident-memory-mb", now, 96)
	b.most("node-peak-memory-mb", most, 96)
	return nil
}

// desk is a folder that is the issuer's and the steward's.
type desk struct{ *folder.Folder }

func newDesk(dir string) (d desk, err error) {
	if d.Folder, err = folder.Open(dir, true); err != nil {
		return d, err
	}
	isle, err := d.found(ledger.Charter{Kind: ledger.CommunityCharter, Slug: "isle", ChainID: 1, Registry: [20]byte{1}}, folder.IssuerKey, ledger.Issuer)
	if err != nil {
		return d, err
	}
	if _, err := d.found(ledger.Charter{Kind: ledger.NodeCharter, Slug: "casa", Community: isle}, folder.StewardKey, ledger.Steward); err != nil {
		return d, err
	}
	var admits []ledger.Body
	for n := range nodePeople {
		admits = append(admits, &ledger.Admit{Passport: uint64(n + 1), Owner: [20]byte{1, byte(n), byte(n >> 8)}, Class: "resident", NotAfter: 1 << 40})
	}
	return d, errors.Join(d.write(ledger.NodeLog, &ledger.Policy{Version: 1, File: []byte(nodePolicy)}), d.write(ledger.CommunityLog, admits...))
}

func (d desk) found(c ledger.Charter, role folder.Role, as ledger.AuthorRole) (id ledger.CharterID, err error) {
	chair, err := d.EnsureKey(folder.CharterKey)
	if err != nil {
		return id, err
	}
	key, err := d.EnsureKey(role)
	if err != nil {
		return id, err
	}
	c.Format, c.Version, c.Threshold, c.Keys = 1, 1, 1, [][32]byte{publicOf(chair)}
	c.Authors = []ledger.Author{{Role: as, Key: publicOf(key)}}
	text, err := c.Marshal()
	if err != nil {
		return id, err
	}
	return d.Found(ledger.SignCharter(text, chair))
}

func (d desk) write(kind ledger.LogKind, bodies ...ledger.Body) error {
	a, err := d.Author(kind)
	if err != nil {
		return err
	}
	for len(bodies) > 0 {
		n := min(len(bodies), 1000)
		var drafts []store.Draft
		for _, body := range bodies[:n] {
			drafts = append(drafts, store.Draft{Body: body, Time: time.Now()})
		}
		if _, err := a.Append(drafts...); err != nil {
			return err
		}
		bodies = bodies[n:]
	}
	return nil
}

// siblings take part in this process.
func siblings(all []*folder.Folder, address string) (stop func(), err error) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	stop = func() { cancel(); running.Wait() }
	for _, f := range all {
		node, err := sibling(f, address)
		if err != nil {
			stop()
			return nil, err
		}
		running.Go(func() { _ = node.Run(ctx) })
	}
	return stop, nil
}

func sibling(f *folder.Folder, address string) (*peer.Node, error) {
	keys := map[folder.Role]ed25519.PrivateKey{}
	for _, role := range []folder.Role{folder.SigningKey, folder.HoldKey, folder.WitnessKey, folder.TLSKey} {
		k, err := f.Key(role)
		if err != nil {
			return nil, err
		}
		keys[role] = k
	}
	name, err := f.Gateway()
	if err != nil {
		return nil, err
	}
	links, err := wiring.ParseLinks("links.toml", fmt.Appendf(nil, "[links.node]\nbroker = \"tls://%s\"\nown = true\n", address))
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	self := ledger.KeyIDOf(keys[folder.SigningKey].Public().(ed25519.PublicKey))
	configs, err := linking.Participant{
		Folder: f, Self: self, Key: keys[folder.TLSKey], Name: name, Software: "bench", Log: log,
		Own: func() (tls.Certificate, error) { return enroll.SelfSigned(keys[folder.TLSKey], name) },
	}.Configs(links, "")
	if err != nil {
		return nil, err
	}
	return peer.New(peer.Config{Store: f.Store(), Self: self, Hold: keys[folder.HoldKey], Witness: keys[folder.WitnessKey], Rights: f.Rights, Links: configs, Log: log})
}

// caughtUp waits until all have the whole community's ledger.
func caughtUp(all []*folder.Folder) error {
	for begun := time.Now(); time.Since(begun) < nodePatience; time.Sleep(200 * time.Millisecond) {
		done := 0
		for _, f := range all {
			held, err := f.Store().Ledgers()
			if err != nil {
				return err
			}
			for _, i := range held {
				if i.Origin.Kind == ledger.CommunityLog && i.Size == nodePeople+1 {
					done++
				}
			}
		}
		if done == len(all) {
			return nil
		}
	}
	return fmt.Errorf("not all siblings caught up within %v", nodePatience)
}

// daemonProcess is the daemon, in a process of its own.
type daemonProcess struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startDaemon(dir string) (*daemonProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	d := &daemonProcess{cmd: exec.Command(self, "--daemon", dir)}
	d.cmd.Stderr = os.Stderr
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	d.out = bufio.NewReader(out)
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	_, err = d.out.ReadString('\n') // it is ready
	return d, err
}

func (d *daemonProcess) kill() {
	_ = d.in.Close()
	_ = d.cmd.Wait()
}

// memory is its resident memory now, and the most that it ever was, in MB.
func (d *daemonProcess) memory() (now, most float64, err error) {
	if _, err = fmt.Fprintln(d.in); err != nil {
		return 0, 0, err
	}
	line, err := d.out.ReadString('\n')
	if err == nil {
		_, err = fmt.Sscan(line, &now, &most)
	}
	return now, most, err
}

// runDaemon runs a gateway until its standard input ends, and prints its memory
// for each line there.
func runDaemon(dir string) error {
	path := filepath.Join(dir, "gateway.toml")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	w, err := wiring.Parse(path, text)
	if err != nil {
		return err
	}
	g, err := tombolod.Open(tombolod.Config{Wiring: w, Software: "bench", Log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError + 1}))})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	<-g.Ready()
	fmt.Println("ready")
	for s := bufio.NewScanner(os.Stdin); s.Scan(); {
		now, err := status("VmRSS:")
		most, bad := status("VmHWM:")
		if err = errors.Join(err, bad); err != nil {
			return err
		}
		fmt.Println(now, most)
	}
	cancel()
	return <-ended
}

// status is a figure of this process in MB, as the kernel counts it.
func status(name string) (float64, error) {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, name); ok {
			kb, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 64)
			return kb / 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no %s", name)
}
