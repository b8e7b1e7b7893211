package evaluator

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"log/slog"
	"sync"
	"testing"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// world is a community as an evaluator sees it. Its clock stands still unless it is
// moved.
type world struct {
	t         testing.TB
	dir       string
	community ledger.CharterID
	author    ed25519.PrivateKey
	issuer    replica.Peer
	gateway   replica.Peer
	log       *slog.Logger

	mu     sync.Mutex
	now    time.Time            // under mu
	rights replica.Rights       // under mu
	epochs []ledger.EpochOpened // under mu
}

// start is when the world's first epoch opens.
const start = 1_800_000_000

var term1 = Term{Number: 1, Opens: start, Closes: start + 1000, Audit: start + 2000}

func newWorld(t testing.TB) *world {
	w := &world{t: t, dir: t.TempDir(), community: sha256.Sum256([]byte("islands")), author: seeded("evaluator"), now: time.Unix(start-100, 0)}
	w.issuer, w.gateway = peerOf("issuer"), peerOf("gateway")
	w.rights = replica.Rights{Community: w.community, Authors: map[ledger.KeyID]replica.Author{
		w.issuer:                {Key: public("issuer"), Kinds: []ledger.LogKind{ledger.CommunityLog}},
		w.gateway:               {Key: public("gateway"), Kinds: []ledger.LogKind{ledger.ReportLog}},
		peerOf("other gateway"): {Key: public("other gateway"), Kinds: []ledger.LogKind{ledger.ReportLog}},
		peerOf("unregistered"):  {Key: public("unregistered")},
		peerOf("removed"):       {Key: public("removed"), Kinds: []ledger.LogKind{ledger.ReportLog}, Removed: true},
		peerOf("was issuer"):    {Key: public("was issuer"), Kinds: []ledger.LogKind{ledger.CommunityLog}, Retired: true},
		peerOf("steward"):       {Key: public("steward"), Kinds: []ledger.LogKind{ledger.NodeLog, ledger.DirectoryLog}},
		peerOf("hub"):           {Key: public("hub"), Kinds: []ledger.LogKind{ledger.CensusLog}},
	}}
	return w
}

func seeded(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func public(name string) ed25519.PublicKey { return seeded(name).Public().(ed25519.PublicKey) }

func peerOf(name string) replica.Peer { return ledger.KeyIDOf(public(name)) }

func (w *world) config() Config {
	return Config{
		Dir: w.dir, Community: w.community, Author: w.author, Log: w.log,
		Now: func() time.Time {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.now
		},
		Rights: func() (replica.Rights, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.rights, nil
		},
		Epochs: func() ([]ledger.EpochOpened, error) {
			w.mu.Lock()
			defer w.mu.Unlock()
			return w.epochs, nil
		},
	}
}

func (w *world) open() *Evaluator {
	w.t.Helper()
	e, err := Open(w.config())
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { e.Close() })
	return e
}

func (w *world) at(unix int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = time.Unix(unix, 0)
}

// opened has an epoch opened by what the evaluator offers.
func (w *world) opened(e *Evaluator, t Term, quota uint32) ledger.EpochOpened {
	w.t.Helper()
	o, err := e.Offer(t)
	if err != nil {
		w.t.Fatal(err)
	}
	b := ledger.EpochOpened{
		Number: t.Number, Opens: t.Opens, Closes: t.Closes, Audit: t.Audit, Key: o.Key, Evaluator: o.Evaluator, Offer: o.Signature,
		Beacon: "a block", Sample: 300, Quota: quota,
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.epochs = append(w.epochs, b)
	return b
}

// batch is an ask for passports from a number on, filled up with padding.
type batch struct {
	ask    census.EvaluateAsk
	inputs [][]byte
	blinds []census.Blind
}

func (w *world) batch(epoch ledger.EpochID, first uint64, passports int) batch {
	w.t.Helper()
	b := batch{ask: census.EvaluateAsk{Epoch: epoch}}
	for i := range passports {
		blind, err := census.NewBlind(rand.Reader)
		if err != nil {
			w.t.Fatal(err)
		}
		input := census.Input(w.community, epoch, first+uint64(i))
		element, err := blind.Element(input)
		if err != nil {
			w.t.Fatal(err)
		}
		b.inputs, b.blinds, b.ask.Elements = append(b.inputs, input), append(b.blinds, blind), append(b.ask.Elements, element)
	}
	for len(b.ask.Elements) < census.BatchSize {
		element, err := census.Padding(rand.Reader)
		if err != nil {
			w.t.Fatal(err)
		}
		b.ask.Elements = append(b.ask.Elements, element)
	}
	return b
}

func (w *world) evaluate(e *Evaluator, from replica.Peer, ask census.EvaluateAsk) census.EvaluateAnswer {
	w.t.Helper()
	raw := w.tell(e, w.t.Context(), from, ask.Marshal())
	a, err := census.ParseEvaluateAnswer(raw)
	if err != nil {
		w.t.Fatalf("an answer of %d bytes: %v", len(raw), err)
	}
	return a
}

func (w *world) offer(e *Evaluator, from replica.Peer, t Term) census.OfferAnswer {
	w.t.Helper()
	a, err := census.ParseOfferAnswer(w.tell(e, w.t.Context(), from, census.OfferAsk{Number: t.Number, Opens: t.Opens, Closes: t.Closes, Audit: t.Audit}.Marshal()))
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// tell has somebody ask, by his signature.
func (w *world) tell(e *Evaluator, ctx context.Context, from replica.Peer, body []byte) []byte {
	for _, name := range []string{"issuer", "gateway", "other gateway", "unregistered", "removed", "was issuer", "steward", "hub", "nobody", "sibling"} {
		if peerOf(name) == from {
			return e.Answer(ctx, peerOf("hub"), census.SignAsk(seeded(name), w.community, e.public(), body))
		}
	}
	panic("who is that?")
}
