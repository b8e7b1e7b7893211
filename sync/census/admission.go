package census

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// verifyAdmission checks that an issuer whose ledger counts made this wallet the
// passport's owner, for some time of the epoch.
func (o Opening) verifyAdmission(r Rules, wallet [20]byte) error {
	origin, err := o.Admission.Origin()
	if err != nil {
		return err
	}
	if origin.Kind != ledger.CommunityLog || origin.Community != r.Community {
		return fmt.Errorf("%v is no ledger of this community's issuers", origin)
	}
	key, ok := author(r.Chain, ledger.Issuer, origin.Author)
	limit, counts := r.Chain.Limit(ledger.Issuer, origin)
	if !ok || !counts {
		return fmt.Errorf("%v does not count by the charter", origin)
	}
	head, body, err := o.Admission.Verify(key)
	if err != nil {
		return err
	}
	if err := r.counts(head.Checkpoint, limit); err != nil {
		return err
	}
	a, ok := body.(*ledger.Admit)
	switch {
	case !ok || a.Passport != o.Passport:
		return errors.New("the entry does not admit this passport")
	case a.Owner != wallet:
		return errors.New("the delegation was signed by another wallet than the passport's owner")
	case a.NotBefore >= r.Opened.Closes || a.NotAfter <= r.Opened.Opens:
		return errors.New("the passport was not valid in this epoch")
	}
	return nil
}

// counts checks a head of an issuer whose key may have been retired since: a
// thief of the key could sign another.
func (r Rules) counts(c ledger.Checkpoint, limit ledger.Limit) error {
	switch {
	case limit.Root == nil:
		return nil
	case c.Size == limit.Size && c.Root == tlog.Hash(*limit.Root):
		return nil
	case c.Size >= limit.Size || r.Issuer == nil:
		return fmt.Errorf("the issuer's key was retired: %d entries of its ledger count, and this head of %d cannot be held against them", limit.Size, c.Size)
	}
	return r.Issuer(c)
}

// author finds a key of the charter in force by its id.
func author(chain ledger.Charters, role ledger.AuthorRole, id ledger.KeyID) (ed25519.PublicKey, bool) {
	for _, a := range chain.Latest().Authors {
		if a.Role == role && ledger.KeyIDOf(a.Key[:]) == id {
			return a.Key[:], true
		}
	}
	return nil, false
}
