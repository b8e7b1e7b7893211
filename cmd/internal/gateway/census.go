package gateway

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"sync/atomic"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/wiring"
	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// CensusFile keeps, in the gateway's folder, what shows whose a tag is, until the
// epoch's audit is over.
const CensusFile = "census.db"

const (
	// censusEvery is how often the census is looked at.
	censusEvery = 10 * time.Second
	// askPatience is how long one answer may take.
	askPatience = 20 * time.Second
	// censusPace is left between two small pieces of its work: the doors, the ledgers
	// and the disk are others' first.
	censusPace = 5 * time.Millisecond
	// retryFirst and retryMost bound the time until something that failed is tried
	// again: it doubles.
	retryFirst = time.Second
	retryMost  = 5 * time.Minute
	// auditGrace is how long after an epoch's audit what belongs to it is let go of.
	auditGrace = time.Hour
)

// censusConfig is what the census needs of a gateway. One goroutine runs it, beside
// the doors: nothing at a door waits for it, and whatever fails in it is tried again.
type censusConfig struct {
	Folder *folder.Folder
	Self   ledger.KeyID
	Node   ledger.CharterID
	Log    *slog.Logger
	Times  wiring.Census
	Clock  func() access.Clock
	View   func() *roster.View
	// Project has the roster read all that is here.
	Project func(access.Clock) (*roster.View, error)
	Holder  func(passport.KeyID) (access.Holder, error)
	Door    censusDoor
	// Report opens the author of the report ledger.
	Report func(context.Context) (*store.Author, error)
	// Ask asks a peer, over a link that leads to the hub.
	Ask func(ctx context.Context, to replica.Peer, body []byte) ([]byte, error)
	// Appended tells that the report ledger grew; Status shows who is there.
	Appended func()
	Status   func() peer.Status
	Fault    func(ctx context.Context, part, what string, cleared bool)
	Rand     io.Reader
	Pace     time.Duration
}

// censusDoor is the own door log, which others write to as well: the journal.
// RecordFirst's function returns once the record and all before it are durable.
type censusDoor interface {
	Record(store.Draft) error
	RecordFirst(store.Draft) func(context.Context) error
	Waiting() int
	Head() ledger.Head
}

// reporter is a gateway's part in it: it reports for its node, opens what is drawn,
// and says how many are in its zones. All of it belongs to the goroutine of run,
// but for what has a lock of its own: the file and the folder.
type reporter struct {
	censusConfig
	db       *censusDB
	author   *store.Author // of the report ledger, once it was needed
	retries  map[string]*retry
	troubled map[string]bool               // parts that a fault was told of
	missed   map[ledger.EpochID]bool       // closed, and nothing is kept of them
	figures  atomic.Pointer[CensusFigures] // of the last look
	seen     map[ledger.KeyID]time.Time
	siblings map[ledger.Origin]*attended
	houses   occupancy
}

// retry is when something that failed is tried again.
type retry struct {
	at   time.Time
	wait time.Duration
}

func newReporter(cfg censusConfig) (*reporter, error) {
	cfg.Times.Grace = cmp.Or(cfg.Times.Grace, wiring.DefaultCensusGrace)
	cfg.Times.Patience = cmp.Or(cfg.Times.Patience, wiring.DefaultCensusPatience)
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	db, err := openCensusDB(filepath.Join(cfg.Folder.Dir(), CensusFile))
	if err != nil {
		return nil, err
	}
	return &reporter{
		censusConfig: cfg, db: db, retries: map[string]*retry{}, troubled: map[string]bool{}, missed: map[ledger.EpochID]bool{},
		seen: map[ledger.KeyID]time.Time{}, siblings: map[ledger.Origin]*attended{},
	}, nil
}

func (c *reporter) close() error { return c.db.close() }

// look does what is due now.
func (c *reporter) look(ctx context.Context) error {
	clock := c.Clock()
	if !clock.Known() {
		return nil // without one there is no epoch
	}
	c.hear(clock.Now)
	err := c.lookAtEpochs(ctx, clock.Now)
	return errors.Join(err, c.lookAtHouse(ctx, clock.Now))
}

// due reports whether something may be tried now, and failed notes how it went.
func (c *reporter) due(what string, now time.Time) bool {
	r := c.retries[what]
	return r == nil || !now.Before(r.at)
}

func (c *reporter) failed(what string, now time.Time, err error) {
	if err == nil {
		delete(c.retries, what)
		return
	}
	r := c.retries[what]
	if r == nil {
		r = &retry{}
		c.retries[what] = r
	}
	r.wait = min(max(2*r.wait, retryFirst), retryMost)
	r.at = now.Add(r.wait)
}

// trouble records a part that does not work, once, and that it works again with "".
func (c *reporter) trouble(ctx context.Context, part, what string) {
	if (what != "") == c.troubled[part] {
		return
	}
	c.troubled[part] = what != ""
	if what == "" {
		what = "it works again"
	}
	c.Log.Warn(what, "part", part)
	c.Fault(ctx, part, ledger.CleanText(what, 400), !c.troubled[part])
}

// rest gives way to whatever is more urgent.
func (c *reporter) rest(ctx context.Context) error {
	if c.Pace > 0 {
		t := time.NewTimer(c.Pace)
		defer t.Stop()
		select {
		case <-ctx.Done():
		case <-t.C:
		}
	}
	return ctx.Err()
}

// hear notes which siblings are there.
func (c *reporter) hear(now time.Time) {
	v := c.View()
	here := reachable(c.Status(), v.Siblings)
	for id, name := range v.Siblings {
		if _, ok := c.seen[id]; here[name] || !ok {
			c.seen[id] = now
		}
	}
}

// takePart runs the census until ctx ends. A file that cannot be opened is a fault,
// and tried again.
func (g *Gateway) takePart(ctx context.Context) error {
	node, err := g.folder.NodeID()
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return nil
	case <-g.authored:
	}
	cfg := censusConfig{
		Folder: g.folder, Self: g.self, Node: node, Log: g.cfg.Log, Times: g.cfg.Wiring.Census, Clock: g.clock, View: g.roster.View, Project: g.roster.Project,
		Holder: g.roster.ByKey, Door: g.journal, Report: g.openReport, Ask: g.askSigned, Appended: g.net.appended,
		Status: g.net.status, Fault: g.fault, Pace: censusPace,
	}
	tick := time.NewTicker(g.censusTime)
	defer tick.Stop()
	var c *reporter
	for troubled := false; ; {
		if c == nil {
			if c, err = newReporter(cfg); err == nil {
				g.census.Store(c)
				defer c.close()
			}
		}
		if c != nil {
			err = c.look(ctx)
		}
		if ctx.Err() != nil {
			return nil
		}
		last := err
		g.censusError.Store(&last)
		if (err != nil) != troubled {
			troubled = err != nil
			what := "the census is taken again"
			if troubled {
				what = fmt.Sprintf("the census is not taken: %v", err)
				g.cfg.Log.Error(what)
			}
			g.fault(ctx, "census", ledger.CleanText(what, 400), !troubled)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// censusFigures are nil before the census was looked at first.
func (g *Gateway) censusFigures() *CensusFigures {
	var f CensusFigures
	if c := g.census.Load(); c != nil {
		if seen := c.figures.Load(); seen != nil {
			f = *seen
		}
	}
	err := g.censusError.Load()
	if err == nil {
		return nil
	}
	if *err != nil {
		f.Error = ledger.CleanText((*err).Error(), 400)
	}
	return &f
}

// openReport opens the author of the report ledger. As for the door log, whoever
// holds what this disk may have lost is asked first.
func (g *Gateway) openReport(ctx context.Context) (*store.Author, error) {
	a, err := g.folder.Author(ledger.ReportLog)
	if err == nil && a.Head().Size == 0 && g.net.wired() {
		g.net.recovered(ctx, recoverPatience)
		a, err = g.folder.Author(ledger.ReportLog)
	}
	return a, err
}

// ask asks a peer, if the gateway takes part at all.
func (n *network) ask(ctx context.Context, to replica.Peer, body []byte) ([]byte, error) {
	node := n.peer.Load()
	if node == nil {
		return nil, peer.ErrNobody
	}
	return node.Ask(ctx, to, body)
}

func (n *network) status() (s peer.Status) {
	if node := n.peer.Load(); node != nil {
		s = node.Status()
	}
	return s
}
