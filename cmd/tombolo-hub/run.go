package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/service"
	"tombolo/sync/hub"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// hubFlags are those of run.
type hubFlags struct {
	listen  string
	http    string
	brokers []string
	grace   time.Duration
	own     bool // the embedded broker runs
}

func (e *env) runCmd() *cobra.Command {
	var flags hubFlags
	c := verb("run", "Run the hub", func(c *cobra.Command, _ []string) error {
		if err := flags.check(c); err != nil {
			return err
		}
		if err := e.checkDatabase(); err != nil {
			return err
		}
		flags.own = len(flags.brokers) == 0 && !exists(filepath.Join(e.dir, linksFile)) || c.Flags().Changed("listen")
		return e.hub(c.Context(), &flags)
	})
	c.Long = "Without anything else it runs the community's broker, to which the nodes' gateways, desks and the evaluator connect\n([links.hub] broker = \"tls://…\" in their files), and keeps its ledgers in SQLite.\n\nWith a links.toml in the folder, as a desk's, or with --broker it uses those brokers instead, and its own only if\n--listen is given, too. --broker expects ca.pem and hub.pem in the folder, as `tombolo broker admit` writes them."
	c.Example = "  tombolo-hub run --data /var/lib/tombolo-hub --http 0.0.0.0:8080"
	c.Flags().StringVar(&flags.listen, "listen", ":8883", "`address` at which the own broker listens")
	c.Flags().StringVar(&flags.http, "http", "127.0.0.1:8080", "`address` at which the figures can be read: API, metrics and health; put what speaks TLS in front of it")
	c.Flags().StringArrayVar(&flags.brokers, "broker", nil, "tls:// `URL` of an outside broker, in place of the own; may be repeated")
	c.Flags().DurationVar(&flags.grace, "grace", 6*time.Hour, "`time` after its end at which an epoch is closed by itself; negative: never")
	return c
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// running is a hub that runs, as far as it has come.
type running struct {
	env   *env
	flags *hubFlags
	log   *slog.Logger
	began time.Time

	*site
	desk  *desk
	known standing

	community atomic.Pointer[ledger.Charters]
	web       *web
	door      *door // nil without the own broker
	hub       atomic.Pointer[hub.Hub]
}

func (e *env) hub(ctx context.Context, flags *hubFlags) (err error) {
	r := &running{env: e, flags: flags, log: e.log(), began: e.Now()}
	// Who has no folder, or whose folder runs already, hears of it at once.
	if !exists(filepath.Join(e.dir, "ledgers.db")) {
		return e.noFolder(folder.ErrNoFolder)
	}
	unlock, err := folder.Lock(e.dir, folder.DaemonLock, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	ctx, end := context.WithCancel(ctx)
	defer end()
	var parts sync.WaitGroup
	defer parts.Wait()
	defer end()

	// Health can be asked from the start, while a database is waited for.
	if r.web, err = openWeb(flags.http, r.log); err != nil {
		return fmt.Errorf("--http %s: %w", flags.http, err)
	}
	parts.Go(func() { r.web.serve(ctx) })
	parts.Go(func() { r.control(ctx) })
	if r.site, err = e.await(ctx, r.log); err != nil || r.site == nil {
		return err
	}
	defer func() { err = errors.Join(err, r.site.Close()) }()
	h, err := r.prepare()
	if r.door != nil {
		defer r.door.close()
	}
	if err != nil {
		return err
	}
	r.hub.Store(h)
	r.web.show(h.Handler())
	parts.Go(func() { follow(ctx, r.Store(), r.log, r.look) })
	parts.Go(func() { service.Feed(ctx, r.log, r.alive) })
	r.log.Info("running", "hub", h.Peer().Status().Self, "http", r.web.address(), "ledgers", e.where(), "version", software())
	err = h.Run(ctx)
	end()
	parts.Wait()
	r.log.Info("stopped")
	return err
}

// prepare makes the hub of the folder's keys and ledgers.
func (r *running) prepare() (*hub.Hub, error) {
	cfg := hub.Config{
		Store: r.Store(), Dir: r.env.dir, Software: software(), Grace: r.flags.grace, Now: r.env.Now, Log: r.log,
		Community: func() (ledger.Charters, error) { return *r.community.Load(), nil },
		Rights:    func() (replica.Rights, error) { return *r.known.rights.Load(), nil },
	}
	if cfg.Grace == 0 {
		cfg.Grace = time.Nanosecond // at once; for package hub 0 is its default
	}
	var err error
	if cfg.Guard, err = r.HubGuard(); err != nil {
		return nil, err
	}
	cfg.Holder = holder(r.env.dir)
	if cfg.Author, err = r.Key(folder.HubKey); err != nil {
		return nil, fmt.Errorf("this is no hub's folder: %w", err)
	}
	if cfg.Hold, err = r.Key(folder.HubHoldKey); err != nil {
		return nil, err
	}
	if cfg.Witness, err = r.Key(folder.HubWitnessKey); err != nil {
		return nil, err
	}
	r.desk = &desk{author: cfg.Author, now: r.env.Now}
	if err := r.look(); err != nil {
		return nil, err
	}
	if err := r.env.tellUnnamed(r.Folder, ledger.Hub, cfg.Author, r.log); err != nil {
		return nil, err
	}
	if cfg.Links, err = r.links(); err != nil {
		return nil, err
	}
	return hub.New(cfg)
}

// holder names the process of a folder, of which there is one at a time, to those that
// share its database: one that was killed goes on with its share when it is started
// again. Where two have one name both do the same work, which harms nothing.
func holder(dir string) string {
	boot, _ := store.BootID()
	host, _ := os.Hostname()
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	h := sha256.Sum256([]byte(boot + "\x00" + host + "\x00" + dir))
	return hex.EncodeToString(h[:16])
}

// links are those to the brokers that are used.
func (r *running) links() (all []link.Config, err error) {
	if len(r.flags.brokers) > 0 || exists(filepath.Join(r.env.dir, linksFile)) {
		if all, err = r.desk.configs(r.Folder, "hub", r.flags.brokers, r.log); err != nil {
			return nil, err
		}
	}
	if !r.flags.own {
		return all, nil
	}
	if r.door, err = r.openDoor(); err != nil {
		return nil, err
	}
	return append([]link.Config{r.door.link(*r.community.Load())}, all...), nil
}

// look reads what the ledgers say now: whose reports count, and who may connect.
func (r *running) look() error {
	community, err := r.Community()
	if err != nil {
		return err
	}
	rights, err := r.Rights()
	if err != nil {
		return err
	}
	r.community.Store(&community)
	r.known.rights.Store(&rights)
	if r.door != nil {
		r.door.refresh(rights)
	}
	return nil
}

// alive is whether the hub's participant still answers. A database that is gone is
// no reason to start anew.
func (r *running) alive(ctx context.Context) error {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.hub.Load().Peer().Status()
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return errors.New("the hub's participant does not answer")
	}
}

// holding sums the ledgers of a participant by their kind.
type holding struct {
	Kind    string `json:"kind"`
	Ledgers int    `json:"ledgers"`
	Entries int64  `json:"entries"`
	Behind  int64  `json:"behind"`
	Forked  int    `json:"forked"`
}

func holdings(h *hub.Hub) []holding {
	of := map[string]*holding{}
	for _, l := range h.Peer().Status().Ledgers {
		one := of[l.Kind]
		if one == nil {
			one = &holding{Kind: l.Kind}
			of[l.Kind] = one
		}
		one.Ledgers++
		one.Entries += l.Held
		one.Behind += l.Behind
		if l.Forked {
			one.Forked++
		}
	}
	out := []holding{}
	for _, one := range of {
		out = append(out, *one)
	}
	slices.SortFunc(out, func(a, b holding) int { return strings.Compare(a.Kind, b.Kind) })
	return out
}
