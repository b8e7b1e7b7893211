package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloudflare/circl/group"
	"github.com/cloudflare/circl/oprf"

	"tombolo/sync/census"
	"tombolo/sync/hub/evaluator"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

const (
	evaluateRounds  = 9
	evaluateBatches = 16 // of a round
	evaluateAsking  = 2  // goroutines that call Answer, as a participant does
)

// evaluation measures how many elements a second the evaluator answers: with the
// asker's signature, reading, a count that is durable before anything goes out, a
// proof for each and the answer's encoding; beside what circl evaluates and proves
// of the same single elements when they are at hand, on all processors. The two
// take turns.
func evaluation(b *report, dir string, s sea) (err error) {
	now := time.Now()
	epoch := s.epoch()
	var epochs atomic.Pointer[[]ledger.EpochOpened]
	epochs.Store(new([]ledger.EpochOpened))
	rights := s.rights()
	e, err := evaluator.Open(evaluator.Config{
		Dir: dir, Community: s.id(), Author: isleKey("evaluator"), Now: func() time.Time { return now }, Log: faultsOnly(),
		Rights: func() (replica.Rights, error) { return rights, nil },
		Epochs: func() ([]ledger.EpochOpened, error) { return *epochs.Load(), nil },
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	offer, err := e.Offer(evaluator.Term{Number: epoch.Number, Opens: epoch.Opens, Closes: epoch.Closes, Audit: epoch.Audit})
	if err != nil {
		return err
	}
	epoch.Key, epoch.Offer = offer.Key, offer.Signature
	epochs.Store(&[]ledger.EpochOpened{*epoch})

	key, err := oprf.GenerateKey(oprf.SuiteRistretto255, rand.Reader)
	if err != nil {
		return err
	}
	bare := oprf.NewVerifiableServer(oprf.SuiteRistretto255, key)
	var ratios, ours, theirs []float64
	for range evaluateRounds {
		asks, singles, err := s.asks(epoch.ID())
		if err != nil {
			return err
		}
		n := float64(len(singles))
		began := time.Now()
		err = spread(len(singles), runtime.GOMAXPROCS(0), func(i int) error { _, err := bare.Evaluate(singles[i]); return err })
		if err != nil {
			return err
		}
		alone := n / time.Since(began).Seconds()
		began = time.Now()
		answers := make([][]byte, len(asks))
		err = spread(len(asks), evaluateAsking, func(i int) error {
			answers[i] = e.Answer(context.Background(), islePeer("hub"), asks[i])
			return nil
		})
		rate := n / time.Since(began).Seconds()
		for _, body := range answers {
			a, bad := census.ParseEvaluateAnswer(body)
			if bad == nil && len(a.Evaluations) != census.BatchSize {
				bad = fmt.Errorf("refused: %q", a.Refused)
			}
			err = errors.Join(err, bad)
		}
		if err != nil {
			return err
		}
		ratios, ours, theirs = append(ratios, rate/alone), append(ours, rate), append(theirs, alone)
	}
	b.least("census-evaluator-ratio", median(ratios), 0.7)
	fmt.Printf("# evaluator: %.0f elements a second, circl alone %.0f\n", median(ours), median(theirs))
	return nil
}

// asks are signed batches that were never asked before, and their elements as circl
// takes them.
func (s sea) asks(epoch ledger.EpochID) (asks [][]byte, singles []*oprf.EvaluationRequest, err error) {
	evaluator := publicOf(isleKey("evaluator"))
	for range evaluateBatches {
		ask := census.EvaluateAsk{Epoch: epoch}
		for range census.BatchSize {
			element, err := census.Padding(rand.Reader)
			if err != nil {
				return nil, nil, err
			}
			point := group.Ristretto255.NewElement()
			if err := point.UnmarshalBinary(element[:]); err != nil {
				return nil, nil, err
			}
			ask.Elements, singles = append(ask.Elements, element), append(singles, &oprf.EvaluationRequest{Elements: []oprf.Blinded{point}})
		}
		asks = append(asks, census.SignAsk(isleKey(gatewayName(0)), s.id(), evaluator, ask.Marshal()))
	}
	return asks, singles, nil
}

// spread does n things by so many goroutines.
func spread(n, by int, do func(i int) error) error {
	var next atomic.Int64
	errs := make([]error, by)
	var all sync.WaitGroup
	for worker := range by {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && errs[worker] == nil; i = int(next.Add(1)) - 1 {
				errs[worker] = do(i)
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
