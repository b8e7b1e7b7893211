package evaluator

import (
	"context"
	"errors"
	"slices"
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
	var t taken
	go func() {
		var err error
		t, err = e.quotas.take(pk, from, body, uint32(len(ask.Elements)), opened.Quota)
		counted <- err
	}()
	all, err := e.evaluate(ctx, k.key, ask.Elements, counted)
	if errors.Is(err, errQuota) {
		return census.EvaluateAnswer{Left: t.left(opened.Quota), Refused: e.refused(from, census.RefusedQuota)}, nil
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
	e.notice(opened, from, t)
	return census.EvaluateAnswer{Evaluations: all, Left: t.left(opened.Quota)}, nil
}

// notice tells the operator what an honest node seldom does, and whoever stole a
// gateway's key has to do to learn many passports' tags: one gateway of a node reports,
// of those who came there. It can be honest all the same: another took over from it, or
// everybody came. How many a gateway reports is not known here, but to its steward and
// the hub.
func (e *Evaluator) notice(opened *ledger.EpochOpened, from replica.Peer, t taken) {
	first, half := t.before == 0 && t.used > 0, 2*t.before <= int64(opened.Quota) && 2*t.used > int64(opened.Quota)
	if !first && !half {
		return
	}
	rights, err := e.cfg.Rights()
	var others []Share
	if err == nil {
		others, err = e.quotas.of(census.PublicKey(opened.Key))
	}
	if err != nil {
		e.cfg.Log.Error("who else asked is not known", "err", err)
		return
	}
	log := e.cfg.Log.With("epoch", opened.Number, "gateway", rights.Authors[from].Name, "id", from.String(), "node", rights.Authors[from].Charter[ledger.ReportLog].String(), "elements", t.used, "quota", opened.Quota)
	if first {
		log.Info("a gateway has begun to ask")
		node := rights.Authors[from].Charter[ledger.ReportLog]
		if slices.ContainsFunc(others, func(s Share) bool {
			return s.Gateway != from && rights.Authors[s.Gateway].Charter[ledger.ReportLog] == node
		}) {
			log.Warn("a second gateway of a node asks: ask its steward whether it reports in the place of the other, or somebody has its key")
		}
	}
	if half {
		log.Warn("a gateway has asked for more than half of its quota: ask its steward whether it reports so many (`tombolo census status` there), or somebody has its key")
	}
}

// Shares lists what gateways had evaluated by a key, the largest first: whole batches,
// so that it does not say how many came.
func (e *Evaluator) Shares(key census.PublicKey) ([]Share, error) { return e.quotas.of(key) }

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
