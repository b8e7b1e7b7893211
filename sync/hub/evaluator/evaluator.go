package evaluator

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// Config says whose keys these are and whom they are for.
type Config struct {
	Dir       string // the evaluator's own, made with mode 0700 if it is missing
	Community ledger.CharterID
	// Rights says who may ask: for a key whoever may write a community ledger now,
	// for evaluations whoever may write a report ledger.
	Rights func() (replica.Rights, error)
	// Epochs are those of the community's ledgers that count. Both are called for
	// each ask and by several goroutines: they answer from memory.
	Epochs func() ([]ledger.EpochOpened, error)
	Author ed25519.PrivateKey // the charter's evaluator
	Now    func() time.Time   // nil is time.Now
	Log    *slog.Logger       // nil: none
}

// Evaluator is an open folder of keys. It is safe for concurrent use.
type Evaluator struct {
	cfg    Config
	keys   *keys
	quotas *quotas
	pool   chan struct{} // holds one for each core that may be at work
	counts counters
}

// Stats are figures since Open.
type Stats struct {
	Offers    uint64 // keys offered, repeats included
	Batches   uint64 // answered, repeats included
	Elements  uint64 // in them
	Refused   uint64 // asks that were refused
	Malformed uint64 // asks that were none
	Forgotten uint64 // keys
	Failed    uint64 // asks that were not answered, as the disk or a ledger failed
}

type counters struct {
	offers, batches, elements, refused, malformed, forgotten, failed atomic.Uint64
}

// Open opens or makes the folder, ends what a crash left half forgotten, and
// forgets the keys whose time is over. Errors: [ErrKeyOpen], [ErrKeyFile].
func Open(cfg Config) (*Evaluator, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if len(cfg.Author) != ed25519.PrivateKeySize || cfg.Community.IsZero() || cfg.Rights == nil || cfg.Epochs == nil {
		return nil, errors.New("an evaluator needs a community, its own key, and whom to answer")
	}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, err
	}
	k, err := openKeys(cfg.Dir)
	if err != nil {
		return nil, err
	}
	e := &Evaluator{cfg: cfg, keys: k, pool: make(chan struct{}, runtime.GOMAXPROCS(0))}
	if e.quotas, err = openQuotas(cfg.Dir); err != nil {
		return nil, err
	}
	if err := e.sweep(); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	return e, nil
}

// Close closes the folder.
func (e *Evaluator) Close() error { return e.quotas.close() }

// Stats are the figures so far.
func (e *Evaluator) Stats() Stats {
	c := &e.counts
	return Stats{c.offers.Load(), c.batches.Load(), c.elements.Load(), c.refused.Load(), c.malformed.Load(), c.forgotten.Load(), c.failed.Load()}
}

// Run forgets each key when its audit is over, until ctx ends.
func (e *Evaluator) Run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(e.rest()):
		}
		if err := e.sweep(); err != nil {
			e.cfg.Log.Error("a key whose time is over is still there", "err", err)
		}
	}
}

// rest is how long to wait for the next key's end: a clock may be set meanwhile,
// and a key made by another process.
func (e *Evaluator) rest() time.Duration {
	const least, most = 50 * time.Millisecond, 10 * time.Second
	wait := most
	all, err := e.keys.list()
	if err != nil {
		return most
	}
	now := e.cfg.Now()
	for _, k := range all {
		if !k.Gone {
			wait = min(wait, time.Unix(k.Audit, 0).Sub(now))
		}
	}
	return max(wait, least)
}

// sweep forgets what is over, and ends what was begun.
func (e *Evaluator) sweep() error {
	all, err := e.keys.list()
	if err != nil {
		return err
	}
	now := e.cfg.Now().Unix()
	for _, k := range all {
		if k.Gone && !k.half || !k.Gone && now < k.Audit {
			continue
		}
		if bad := e.forget(k.Term, k.Public); bad != nil {
			err = errors.Join(err, bad)
		}
	}
	return err
}

// Answer answers what a gateway or an issuer asked and signed ([census.SignAsk]);
// nil is no answer. It is a peer.Config's: of whom a broker says that it came is
// not looked at.
func (e *Evaluator) Answer(ctx context.Context, _ replica.Peer, body []byte) []byte {
	from, body, err := census.OpenAsk(e.cfg.Community, e.public(), body)
	if err != nil {
		e.counts.malformed.Add(1)
		return nil
	}
	ask, err := census.ParseAsk(body)
	if err != nil {
		e.counts.malformed.Add(1)
		return nil
	}
	var answer interface{ Marshal() []byte }
	switch ask := ask.(type) {
	case census.OfferAsk:
		answer, err = e.offered(from, ask)
	case census.EvaluateAsk:
		answer, err = e.evaluated(ctx, from, ask, body)
	default:
		err = fmt.Errorf("an ask of type %T", ask)
	}
	switch {
	case err == nil:
		return answer.Marshal()
	case errors.Is(err, census.ErrElement):
		e.counts.malformed.Add(1)
	case ctx.Err() == nil:
		e.counts.failed.Add(1)
		e.cfg.Log.Error("an ask was not answered", "from", from.String(), "err", err)
	}
	return nil
}

// public is the key by which the charter names this evaluator.
func (e *Evaluator) public() [32]byte { return [32]byte(e.cfg.Author.Public().(ed25519.PublicKey)) }

// may tells whether somebody may write ledgers of a kind, which is what the right
// to ask follows from.
func (e *Evaluator) may(from replica.Peer, kind ledger.LogKind) (bool, error) {
	r, err := e.cfg.Rights()
	if err != nil {
		return false, err
	}
	a, ok := r.Authors[from]
	return ok && !a.Retired && !a.Removed && slices.Contains(a.Kinds, kind), nil
}

func (e *Evaluator) refused(from replica.Peer, why string) string {
	e.counts.refused.Add(1)
	level := slog.LevelInfo
	if why == census.RefusedQuota {
		level = slog.LevelWarn
	}
	e.cfg.Log.Log(context.Background(), level, "refused", "from", from.String(), "why", why)
	return why
}
