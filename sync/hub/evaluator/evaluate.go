package evaluator

import (
	"context"
	"errors"
	"sync"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// evaluated answers a gateway.
func (e *Evaluator) evaluated(ctx context.Context, from replica.Peer, ask census.EvaluateAsk, body []byte) (census.EvaluateAnswer, error) {
	no := func(why string) (census.EvaluateAnswer, error) {
		return census.EvaluateAnswer{Refused: e.refused(from, why)}, nil
	}
	may, err := e.may(from, ledger.ReportLog)
	if err != nil {
		return census.EvaluateAnswer{}, err
	}
	if !may {
		return no(census.RefusedStranger)
	}
	opened, err := e.epoch(ask.Epoch)
	if err != nil {
		return census.EvaluateAnswer{}, err
	}
	if opened == nil {
		return no(census.RefusedUnknownEpoch)
	}
	pk := census.PublicKey(opened.Key)
	k, err := e.keys.find(pk)
	switch {
	case errors.Is(err, ErrOver):
		return no(census.RefusedOver)
	case errors.Is(err, ErrNoKey):
		return no(census.RefusedUnknownEpoch)
	case err != nil:
		return census.EvaluateAnswer{}, err
	case k.Term != termOf(opened): // its offer is signed, so nobody but this evaluator can have mixed them up
		return no(census.RefusedUnknownEpoch)
	}
	now := e.cfg.Now().Unix()
	if now >= k.Audit {
		if err := e.forget(k.Term, pk); err != nil {
			e.cfg.Log.Error("a key whose time is over is still there", "err", err)
		}
		return no(census.RefusedOver)
	}
	if now < k.Opens {
		return no(census.RefusedNotOpen)
	}
	// The disk and the cores work at the same time; nothing goes out before both
	// are done.
	counted := make(chan error, 1)
	var left uint32
	go func() {
		var err error
		left, err = e.quotas.take(pk, from, body, uint32(len(ask.Elements)), opened.Quota)
		counted <- err
	}()
	all, err := e.evaluate(ctx, k.key, ask.Elements, counted)
	if errors.Is(err, errQuota) {
		return census.EvaluateAnswer{Left: left, Refused: e.refused(from, census.RefusedQuota)}, nil
	}
	if err != nil {
		return census.EvaluateAnswer{}, err
	}
	// It may have been forgotten meanwhile.
	if _, err := e.keys.find(pk); errors.Is(err, ErrOver) {
		return no(census.RefusedOver)
	}
	e.counts.batches.Add(1)
	e.counts.elements.Add(uint64(len(all)))
	return census.EvaluateAnswer{Evaluations: all, Left: left}, nil
}

// epoch is one that counts, or nil.
func (e *Evaluator) epoch(id ledger.EpochID) (*ledger.EpochOpened, error) {
	all, err := e.cfg.Epochs()
	if err != nil {
		return nil, err
	}
	self := e.public()
	for i := range all {
		if all[i].Evaluator == self && all[i].ID() == id {
			return &all[i], nil
		}
	}
	return nil, nil
}

func termOf(o *ledger.EpochOpened) Term { return Term{o.Number, o.Opens, o.Closes, o.Audit} }

// share is how many elements one worker takes at a time.
const share = 8

// evaluate makes the evaluations on as many cores as the pool has free, at least
// one, and waits for the count. What has not been begun when the count fails is
// not begun any more.
func (e *Evaluator) evaluate(ctx context.Context, key census.Key, elements []census.Element, counted <-chan error) ([]census.Evaluation, error) {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	out := make([]census.Evaluation, len(elements))
	var work sync.WaitGroup
	for first := 0; first < len(elements) && ctx.Err() == nil; first += share {
		for free := false; !free && ctx.Err() == nil; {
			select {
			case e.pool <- struct{}{}:
				free = true
			case <-ctx.Done():
			case err := <-counted:
				if counted = nil; err != nil {
					stop(err)
				}
			}
			if free {
				work.Go(func() {
					defer func() { <-e.pool }()
					for i := first; i < min(first+share, len(elements)) && ctx.Err() == nil; i++ {
						var err error
						if out[i], err = key.Evaluate(elements[i]); err != nil {
							stop(err)
						}
					}
				})
			}
		}
	}
	work.Wait()
	if counted != nil {
		if err := <-counted; err != nil {
			return nil, err
		}
	}
	return out, context.Cause(ctx)
}

// forget destroys a key and what was counted for it.
func (e *Evaluator) forget(t Term, pk census.PublicKey) error {
	if err := errors.Join(e.keys.forget(t, pk), e.quotas.forget(pk)); err != nil {
		return err
	}
	e.counts.forgotten.Add(1)
	e.cfg.Log.Info("an epoch's key is gone", "epoch", t.Number, "audit", time.Unix(t.Audit, 0).UTC())
	return nil
}
