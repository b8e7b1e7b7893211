package hub

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// Errors of [New], [Hub.Close] and [Hub.Draw].
var (
	ErrConfig    = errors.New("the hub is not configured rightly")
	ErrNotHub    = errors.New("the community's charter does not name this hub's key; whoever holds its charter keys adds it (`tombolo charter update community --service hub.request`)")
	ErrNoEpoch   = errors.New("no such epoch was opened by an issuer, with a key that the charter's evaluator offered, as far as is known here; `tombolo census status` lists them")
	ErrNotOver   = errors.New("the epoch is not over yet; wait until it closes")
	ErrNotClosed = errors.New("the epoch is not closed yet; close it first (`tombolo census close`)")
	ErrWithheld  = errors.New("the epoch's figure is withheld, as fewer than 20 were seen: nothing is published that could be drawn from")
	ErrDrawn     = errors.New("the epoch was drawn from already, and there is one draw for an epoch")
	ErrBeacon    = errors.New("the draw's source has to begin with the beacon that the epoch named, word for word, and the seed has to be from there")
	ErrAudited   = errors.New("the epoch's audit is over: nothing is opened any more")
	ErrTwoClosed = errors.New("the census ledger closes this epoch twice, with different lists: that is for its auditors to judge, and nothing is drawn from it")
	ErrBusy      = errors.New("another process is closing or drawing; wait for it, then ask again")
	ErrLost      = errors.New("the list cannot be made again, as reports that it covers are no longer whole here; copy the epoch's folder from another of the hub's machines, or restore a backup")
)

const (
	defaultGrace = 6 * time.Hour
	defaultLease = 30 * time.Second
)

// Config is what a hub is made of.
type Config struct {
	Store *store.Store
	Dir   string // of this process alone: the epochs' lists are below it

	// The keys that the charter names as hub, hub-hold and hub-witness.
	Author, Hold, Witness ed25519.PrivateKey
	Guard                 store.Guard

	// Community is the pinned community's chain of charters, and Rights says whose
	// report ledgers count at all: those of authors that may write report ledgers.
	// Both are called often, by several goroutines, and answer from memory when
	// nothing has changed.
	Community func() (ledger.Charters, error)
	Rights    func() (replica.Rights, error)

	Links    []link.Config // to brokers; none: nothing is exchanged
	Software string        // what the API says runs here

	Holder string        // names this process to the others that share the store; "" makes a name
	Lease  time.Duration // for how long a process that is gone keeps its share; 0 is 30 s
	Grace  time.Duration // from an epoch's end until it is closed by itself; 0 is 6 h, negative: never
	API    APILimits

	Now  func() time.Time // nil is time.Now; safe for concurrent use
	Rand io.Reader        // nil is crypto/rand's
	Log  *slog.Logger     // nil: none
}

// Hub is one process of a community's hub. It is safe for concurrent use.
type Hub struct {
	cfg     Config
	self    ledger.KeyID
	node    *peer.Node // nil without links
	seats   *seats
	lists   *lists
	metrics *metrics

	running atomic.Bool
	looking sync.Mutex              // held while the store is looked through
	index   *index                  // under looking
	came    chan ledger.Extension   // what was stored a moment ago, for the index
	public  *public                 // under looking
	changed func() (bool, error)    // under looking: the store's watch; nil: none
	again   bool                    // under looking: the last look failed
	seen    atomic.Pointer[view]    // what was seen last; nil: nothing yet
	logged  map[ledger.Origin]int64 // under looking: the last report of each ledger, see logReports
	covered struct {
		mu     sync.Mutex
		byHash map[[32]byte]covering // under mu
	}
	drawn    drawings
	asking   chan struct{} // holds one while the store is asked whether it is there
	closing  sync.Mutex    // held over Close and Draw in this process
	patience time.Duration // see recoverPatience
}

// New prepares a hub. It opens nothing but the configuration of its links.
// Errors: ErrConfig.
func New(cfg Config) (*Hub, error) {
	switch {
	case cfg.Store == nil || cfg.Dir == "" || cfg.Community == nil || cfg.Rights == nil:
		return nil, fmt.Errorf("%w: it needs a store, a folder, a community and rights", ErrConfig)
	case len(cfg.Author) != ed25519.PrivateKeySize || len(cfg.Hold) != ed25519.PrivateKeySize || len(cfg.Witness) != ed25519.PrivateKeySize:
		return nil, fmt.Errorf("%w: it needs three Ed25519 keys: hub, hub-hold and hub-witness", ErrConfig)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	cfg.Holder = cmp.Or(cfg.Holder, rand.Text())
	cfg.Lease, cfg.Grace = cmp.Or(cfg.Lease, defaultLease), cmp.Or(cfg.Grace, defaultGrace)
	cfg.API = cfg.API.withDefaults()
	h := &Hub{
		cfg: cfg, self: ledger.KeyIDOf(cfg.Author.Public().(ed25519.PublicKey)),
		seats: newSeats(cfg.Store, cfg.Holder, cfg.Lease), lists: newLists(cfg.Dir), index: newIndex(), public: newPublic(), asking: make(chan struct{}, 1),
		came: make(chan ledger.Extension, mostCame),
	}
	h.logged = map[ledger.Origin]int64{}
	h.covered.byHash, h.patience = map[[32]byte]covering{}, recoverPatience
	h.metrics = newMetrics(h)
	if len(cfg.Links) == 0 {
		return h, nil
	}
	var err error
	h.node, err = peer.New(peer.Config{
		Store: cfg.Store, Self: h.self, Hold: cfg.Hold, Witness: cfg.Witness, Rights: h.rights, Links: cfg.Links,
		Observer: true, Server: true, Ledgers: maxLedgers, Answer: h.answer, Now: cfg.Now, Log: cfg.Log, Stored: h.metrics.stored, Grown: h.grown,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return h, nil
}

// maxLedgers bounds the report ledgers that one process takes in, and the peers.
const maxLedgers = 1 << 15

// Peer is the participant on the links; nil if there are none.
func (h *Hub) Peer() *peer.Node { return h.node }

// Run takes part, looks at what arrives and closes epochs when their grace is over,
// until ctx ends. Then it gives its share back to the others. It may be called once.
func (h *Hub) Run(ctx context.Context) error {
	if !h.running.CompareAndSwap(false, true) {
		return fmt.Errorf("%w: it runs already", ErrConfig)
	}
	ctx, end := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer func() {
		end()
		parts.Wait()
		h.seats.leave()
	}()
	h.sit(ctx)
	parts.Go(func() { h.keepSeat(ctx) })
	parts.Go(func() { h.follow(ctx) })
	parts.Go(func() { h.takeIn(ctx) })
	parts.Go(func() { h.closeAll(ctx) })
	if h.node == nil {
		<-ctx.Done()
		return nil
	}
	err := h.node.Run(ctx)
	if err == nil && ctx.Err() == nil {
		err = errors.New("the hub's participant ended by itself")
	}
	return err
}

// closeAll closes each epoch when its grace is over.
func (h *Hub) closeAll(ctx context.Context) {
	if !h.recover(ctx) || h.cfg.Grace < 0 {
		return
	}
	tries := map[ledger.EpochID]time.Time{}
	for {
		due, alone := h.due()
		for _, e := range due {
			if time.Now().Before(tries[e.ID]) {
				continue
			}
			began := time.Now()
			if alone[e.ID] {
				h.cfg.Log.Warn("an epoch is not closed, as nobody else has signed anything since its end; is this machine's clock right? If nobody reports, `tombolo census close` closes it", "epoch", e.ID.String(), "number", e.Opened.Number, "clock", h.cfg.Now().UTC().Format(time.RFC3339))
				tries[e.ID] = began.Add(time.Minute)
				continue
			}
			closed, err := h.Close(ctx, e.ID, nil)
			if ctx.Err() != nil {
				return
			}
			if err != nil {
				h.cfg.Log.Error("an epoch is not closed; it is tried again in a minute", "epoch", e.ID.String(), "number", e.Opened.Number, "err", err)
				tries[e.ID] = began.Add(time.Minute)
				continue
			}
			h.cfg.Log.Info("an epoch is closed", "epoch", e.ID.String(), "number", e.Opened.Number, "withheld", closed.Withheld, "size", closed.Size, "reports", closed.Reports)
		}
		if !pause(ctx, time.Second) {
			return
		}
	}
}

// due lists the epochs that are to be closed now, and of which of them this process's
// clock alone says that they are over: an epoch that was closed too early is lost.
func (h *Hub) due() (out []*Epoch, alone map[ledger.EpochID]bool) {
	v := h.seen.Load()
	if v == nil {
		return nil, nil
	}
	now := h.cfg.Now()
	alone = map[ledger.EpochID]bool{}
	for _, e := range v.epochs {
		over := time.Unix(e.Opened.Closes, 0).Add(h.cfg.Grace)
		if len(e.Closed) == 0 && !now.Before(over) && now.Unix() < e.Opened.Audit {
			out = append(out, e)
			alone[e.ID] = v.latest < e.Opened.Closes
		}
	}
	return out, alone
}

// pause waits; false if ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
