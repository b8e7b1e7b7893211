package hub

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"tombolo/sync/broker"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// sea is a broker between the gateways and the hub's processes.
type sea struct {
	w      *world
	broker *broker.Broker
	listen string
}

func (w *world) sea() *sea {
	w.t.Helper()
	names := map[string]string{}
	for _, n := range []string{"issuer", "hub"} {
		names[idOf(n).String()] = n
	}
	for n := range w.Nodes {
		names[idOf(gatewayName(n)).String()] = gatewayName(n)
	}
	b, err := broker.Open(broker.Config{
		Dir: w.t.TempDir(), Plain: "127.0.0.1:0", Community: w.id().String(), Log: slog.New(slog.DiscardHandler),
		PlainIdentity: func(name string) (broker.Identity, error) {
			who, ok := names[name]
			if !ok {
				return broker.Identity{}, os.ErrNotExist
			}
			return broker.Identity{Peer: name, Observer: who == "hub", Server: who == "hub"}, nil
		},
	})
	w.ok(err)
	w.t.Cleanup(func() { b.Close() })
	return &sea{w, b, b.PlainAddr().String()}
}

func linkTo(listen, password, name string, community ledger.CharterID) link.Config {
	return link.Config{
		Name: "sea", Broker: "tcp://" + listen, Community: community, Scopes: []replica.Scope{replica.All, replica.Hub}, SelfName: name, Software: "test",
		Login: func() (string, string) { return idOf(name).String(), password },
	}
}

// gateway is one that reports over the sea.
type gateway struct {
	store  *store.Store
	author *store.Author
	node   *peer.Node
}

func (s *sea) gateway(n int) *gateway {
	w := s.w
	w.t.Helper()
	name := gatewayName(n)
	g := &gateway{store: must(store.Open(filepath.Join(w.t.TempDir(), "ledgers.db")))}
	_, _, err := g.store.AddCharter(w.community())
	w.ok(err)
	g.author = w.author(g.store, name, ledger.ReportLog, w.node(n))
	rights := must(w.rights())
	for id, a := range rights.Authors { // of reports a gateway has its own
		if id != idOf(name) && slices.Contains(a.Kinds, ledger.ReportLog) {
			delete(rights.Authors, id)
		}
	}
	g.node = must(peer.New(peer.Config{
		Store: g.store, Self: idOf(name), Hold: testKey(name + "-hold"), Witness: testKey(name + "-witness"),
		Rights: func() (replica.Rights, error) { return rights, nil }, Links: []link.Config{linkTo(s.listen, s.broker.Password(), name, w.id())}, Log: slog.New(slog.DiscardHandler),
	}))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- g.node.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
		g.store.Close()
	})
	return g
}

func (w *world) report(g *gateway, bodies ...ledger.Body) {
	w.t.Helper()
	w.append(g.author, bodies...)
	g.node.Appended()
}

// arrived waits until the hub's store holds all that gateways wrote.
func (w *world) arrived(within time.Duration, all ...*gateway) {
	w.t.Helper()
	eventually(w.t, within, func() error {
		for n, g := range all {
			head := g.author.Head()
			i, err := w.store.Ledger(head.Origin)
			if err != nil {
				return fmt.Errorf("gateway %d: %w\n%s", n, err, w.logs)
			}
			if i.Size != head.Size || i.Root != head.Root {
				return fmt.Errorf("gateway %d: %d of %d entries\n%s", n, i.Size, head.Size, w.logs)
			}
		}
		return nil
	})
}

// childConfig is what a child process is told.
type childConfig struct {
	Mode     string // run or close
	Nodes    int
	Place    string
	Dir      string
	Holder   string
	Listen   string
	Password string
	Epoch    ledger.EpochID
	At       int64
	Room     uint64 // bytes that a file may have; 0: any
}

// child is a hub's process of its own.
func child(config string) error {
	var c childConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	s, err := openPlace(c.Place)
	if err != nil {
		return err
	}
	w := &world{setting: setting{c.Nodes}, dir: c.Dir, at: time.Unix(c.At, 0), began: time.Now(), log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	cfg := w.config(s)
	cfg.Holder, cfg.Lease = c.Holder, time.Second
	if c.Mode == "run" {
		cfg.Links = []link.Config{linkTo(c.Listen, c.Password, "hub", w.id())}
	}
	h, err := New(cfg)
	if err != nil {
		return err
	}
	if c.Room > 0 {
		signal.Ignore(syscall.SIGXFSZ)
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: c.Room, Max: c.Room}); err != nil {
			return err
		}
	}
	fmt.Println("ready")
	if c.Mode == "run" {
		return h.Run(context.Background())
	}
	closed, err := h.Close(context.Background(), c.Epoch, nil)
	fmt.Printf("closed %x\n", closed.Root)
	return err
}
