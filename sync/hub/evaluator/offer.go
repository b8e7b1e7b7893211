package evaluator

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// Offer makes the key for an epoch, or finds it, and gives the word for it: what
// an issuer is answered, or brought as a file. It returns [ErrTerm], [ErrOver],
// [ErrTooMany].
func (e *Evaluator) Offer(t Term) (census.OfferAnswer, error) {
	if err := t.Check(); err != nil {
		return census.OfferAnswer{}, err
	}
	if e.cfg.Now().Unix() >= t.Audit {
		return census.OfferAnswer{}, fmt.Errorf("%w: it would end at %v", ErrOver, time.Unix(t.Audit, 0).UTC())
	}
	pk, err := e.keys.make(t)
	if err != nil {
		return census.OfferAnswer{}, err
	}
	text := (&ledger.EpochOpened{Number: t.Number, Opens: t.Opens, Closes: t.Closes, Audit: t.Audit, Key: pk}).OfferText(e.cfg.Community)
	return census.OfferAnswer{
		Key: pk, Evaluator: e.public(), Signature: [64]byte(ed25519.Sign(e.cfg.Author, text)),
	}, nil
}

// offered answers an issuer.
func (e *Evaluator) offered(from replica.Peer, ask census.OfferAsk) (census.OfferAnswer, error) {
	no := func(why string) (census.OfferAnswer, error) {
		return census.OfferAnswer{Refused: e.refused(from, why)}, nil
	}
	may, err := e.may(from, ledger.CommunityLog)
	if err != nil {
		return census.OfferAnswer{}, err
	}
	if !may {
		return no(census.RefusedStranger)
	}
	o, err := e.Offer(Term{ask.Number, ask.Opens, ask.Closes, ask.Audit})
	switch {
	case errors.Is(err, ErrOver):
		return no(census.RefusedOver)
	case errors.Is(err, ErrTooMany):
		return no(census.RefusedQuota)
	case err != nil:
		return census.OfferAnswer{}, err
	}
	e.counts.offers.Add(1)
	e.cfg.Log.Info("an epoch's key was offered", "epoch", ask.Number, "to", from.String())
	return o, nil
}

// Forget destroys an epoch's key before its time: nothing of that epoch can be
// evaluated again, by anybody. Forgetting what is gone is no error. It returns
// [ErrNoKey] for an epoch that no ledger opens, or another evaluator offered.
func (e *Evaluator) Forget(id ledger.EpochID) error {
	opened, err := e.epoch(id)
	if err != nil {
		return err
	}
	if opened == nil {
		return fmt.Errorf("%w: epoch %v", ErrNoKey, id)
	}
	return e.ForgetKey(opened.Key)
}

// ForgetKey is [Evaluator.Forget] by the key, of an epoch that may never have been
// opened.
func (e *Evaluator) ForgetKey(pk census.PublicKey) error {
	k, err := e.keys.find(pk)
	if err == nil || errors.Is(err, ErrOver) {
		err = e.forget(k.Term, pk)
	}
	return err
}

// Keys lists the keys that are there and those that are gone, by their names.
func (e *Evaluator) Keys() ([]Held, error) { return e.keys.list() }
