package gateway_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/ledger"
)

// TestSocketOfNoSocket: a wiring that names the ledger as its socket takes
// nothing away.
func TestSocketOfNoSocket(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	if err := os.Symlink("ledgers.db", filepath.Join(h.dir, "link")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ledgers.db", "link", gateway.ApprovalFile} {
		text := strings.Replace(fmt.Sprintf(wiringText, "", h.port), "sim.sock", name, 1)
		g := must(gateway.Open(h.config(must(wiring.Parse(filepath.Join(h.dir, "gateway.toml"), []byte(text))))))
		before := must(os.Lstat(filepath.Join(h.dir, name)))
		if err := g.Run(t.Context()); err == nil || !strings.Contains(err.Error(), name+": something that is no socket") {
			t.Errorf("%s: %v", name, err)
		}
		if after, err := os.Lstat(filepath.Join(h.dir, name)); err != nil || !os.SameFile(before, after) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// What a killed predecessor left gives way.
	l := must(net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(h.dir, "sim.sock"), Net: "unix"}))
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	r := h.run()
	if d := r.tap(h.phone); !d.Granted {
		t.Errorf("%+v", d)
	}
	r.stop()
	h.board.Check(t)
}

// TestNamedPipe in the place of one of the folder's files: nothing waits for a
// writer.
func TestNamedPipe(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	request := h.init()
	pipe := func(name string) string {
		t.Helper()
		path := filepath.Join(h.dir, name)
		if err := unix.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	approval := pipe(gateway.ApprovalFile)
	if _, err := gateway.Open(h.config(h.wiring(""))); !errors.Is(err, folder.ErrNotPlain) || !strings.Contains(err.Error(), approval) {
		t.Errorf("for the approval: %v", err)
	}
	if err := os.Remove(approval); err != nil {
		t.Fatal(err)
	}
	h.approve(request)
	pipe(gateway.PresenceFile)
	r := h.run() // it is made again from the door log
	if d := r.tap(h.phone); !d.Granted {
		t.Errorf("%+v", d)
	}
	r.stop()
	if log := h.log.String(); !strings.Contains(log, gateway.PresenceFile) || !strings.Contains(log, "not a plain file") {
		t.Errorf("the log does not tell of it:\n%s", log)
	}
	key := filepath.Join(h.dir, "keys", string(folder.SealingKey)+".pem")
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	pipe(filepath.Join("keys", string(folder.SealingKey)+".pem"))
	if _, err := gateway.Open(h.config(h.wiring(""))); !errors.Is(err, folder.ErrNotPlain) || !strings.Contains(err.Error(), key) {
		t.Errorf("for a key: %v", err)
	}
}

// TestOpening: who starts a gateway hears how far it has come, after the relays
// are safe, and nothing once it is open.
func TestOpening(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	request := h.init()
	var many []ledger.Body
	for n := range uint64(9000) {
		many = append(many, &ledger.Suspend{Passport: 100 + n, Why: "a test"})
	}
	h.writeMany(ledger.CommunityLog, many)
	h.approve(request)
	cfg := h.config(h.wiring(""))
	var told []gateway.Opening
	cfg.Opening = func(o gateway.Opening) {
		if len(told) == 0 && h.board.Energised("front/relay") {
			t.Error("told before the relays are safe")
		}
		told = append(told, o)
	}
	left := must(h.board.OpenRelay("front/relay")) // by a predecessor that was killed
	if err := left.Set(true); err != nil {
		t.Fatal(err)
	}
	h.board.Kill()
	g := must(gateway.Open(cfg))
	at := map[string][]int64{}
	for _, o := range told {
		what, _, _ := strings.Cut(o.What, " from ")
		if o.Done < 0 || o.Done > o.Of {
			t.Errorf("%+v", o)
		}
		if o.Of > 9000 {
			at[what] = append(at[what], o.Done)
		}
	}
	if roster := at["roster"]; len(roster) != 3 || roster[0] != 0 || roster[1] != 4096 || roster[2] != 8192 {
		t.Errorf("of the roster: %v", roster)
	}
	if approval := at[gateway.ApprovalFile]; len(approval) < 3 {
		t.Errorf("of the approval: %v", approval)
	}
	n := len(told)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- g.Run(ctx) }()
	<-g.Ready()
	h.write(ledger.CommunityLog, &ledger.Suspend{Passport: 7, Why: "a test"})
	was := g.Generation()
	h.carry()
	for g.Generation() == was {
		time.Sleep(20 * time.Millisecond)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if len(told) != n {
		t.Errorf("told after it was open: %+v", told[n:])
	}
}
