package store

import (
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"

	"tombolo/sync/ledger"
)

// Extend stores stretches that were checked, in order, of one ledger or of
// several; durably, in one transaction: all of them or, after an error, none.
// With a stretch that reaches its head the ledger becomes whole up to there. One
// that does not is kept beside, invisible to Ledger, Ledgers, Entries, Chunks and
// Reader until another makes it whole. seen is the time now in Unix seconds.
//
// Errors: ErrGap for one that does not begin at the stored edge, see [Store.Edge];
// ledger.ErrWithheld for a ledger that would be whole but for a body that is
// missing: then what was kept beside is forgotten, as somebody else may have the
// body; ledger.ErrSnapshot for a snapshot that is not true: that is the author's
// fault and not the giver's, and only a later head can amend it.
func (s *Store) Extend(seen int64, xs ...ledger.Extension) ([]Ingested, error) {
	all := make([]Ingested, len(xs))
	lineages := make([]string, len(xs))
	for i, x := range xs {
		lineages[i] = lineage(x.Head().Origin)
	}
	at := 0
	err := s.inTx(func(tx txn) (err error) {
		heads := make([]ledger.Head, len(xs))
		for i, x := range xs {
			at, heads[i] = i, x.Head()
			if heads[i].Size == 0 {
				return fmt.Errorf("%v: %w", heads[i].Origin, ledger.ErrBegin)
			}
		}
		takers, err := newTakers(tx, heads)
		if err != nil {
			return err
		}
		for i, x := range xs {
			at = i
			head, t := heads[i], takers[heads[i].Origin]
			if err := t.take(x.Run); err != nil {
				return err
			}
			all[i] = Ingested{Origin: head.Origin, Added: int64(len(x.Entries()))}
			if x.Whole() {
				if all[i].Fresh, err = t.whole(head, seen); err != nil {
					return err
				}
			}
		}
		for at = range xs {
			if err := takers[heads[at].Origin].save(); err != nil {
				return err
			}
		}
		return nil
	}, lineages...)
	if err == nil {
		for i, x := range xs {
			if all[i].Fresh {
				s.heads.verified(x.Head())
			}
		}
		return all, nil
	}
	if len(xs) == 0 {
		return nil, err
	}
	o := xs[at].Head().Origin
	if errors.Is(err, ledger.ErrWithheld) {
		err = errors.Join(err, s.Forget(o))
	}
	return nil, fmt.Errorf("%v: %w", o, err)
}

// Edge is the right edge of all that is stored of a ledger, what is kept beside
// included: the next stretch begins there. It returns ErrNoLedger when there is
// nothing.
func (s *Store) Edge(o ledger.Origin) (ledger.Tree, error) {
	var b []byte
	err := s.read.QueryRow("SELECT coalesce((SELECT p.tree FROM partial p WHERE p.ledger = l.id), l.tree) FROM ledger l WHERE l.origin = ?", o.String()).Scan(&b)
	if errors.Is(err, sql.ErrNoRows) || err == nil && len(b) == 0 {
		return ledger.Tree{}, fmt.Errorf("%w: %v", ErrNoLedger, o)
	}
	if err != nil {
		return ledger.Tree{}, err
	}
	t, err := ledger.ParseTree(b)
	if err != nil {
		return t, fmt.Errorf("%w: %v: %w", ErrDamaged, o, err)
	}
	return t, nil
}

// Partial is a ledger of which more is stored than is whole.
type Partial struct {
	Origin ledger.Origin
	Author ed25519.PublicKey
	Edge   ledger.Tree
}

// Partials lists them, by origin.
func (s *Store) Partials() (all []Partial, err error) {
	rows, err := s.read.Query("SELECT l.origin, l.author, p.tree FROM partial p JOIN ledger l ON l.id = p.ledger ORDER BY l.origin")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var origin string
		var author, tree []byte
		if err := rows.Scan(&origin, &author, &tree); err != nil {
			return nil, err
		}
		p := Partial{Author: author}
		var bad error
		if p.Origin, bad = ledger.ParseOrigin(origin); bad == nil {
			p.Edge, bad = ledger.ParseTree(tree)
		}
		if bad != nil {
			return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, origin, bad)
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// Forget lets go of what is kept beside of a ledger.
func (s *Store) Forget(o ledger.Origin) error {
	return s.inTx(func(tx txn) error { return forgetBeside(tx, o) }, lineage(o))
}

func forgetBeside(tx txn, o ledger.Origin) error {
	var id, size int64
	switch err := tx.QueryRow("SELECT id, size FROM ledger WHERE origin = ?", o.String()).Scan(&id, &size); {
	case errors.Is(err, sql.ErrNoRows):
		return nil
	case err != nil:
		return err
	}
	for _, query := range []string{
		"DELETE FROM entry WHERE ledger = ? AND idx >= ?",
		"DELETE FROM node WHERE ledger = ? AND ((n + 1) << level) > ?",
		"DELETE FROM due WHERE ledger = ? AND idx >= ?",
	} {
		if _, err := tx.values(query, id, size); err != nil {
			return err
		}
	}
	for _, query := range []string{"DELETE FROM partial WHERE ledger = ?", "DELETE FROM ledger WHERE id = ? AND size = 0"} {
		if _, err := tx.values(query, id); err != nil {
			return err
		}
	}
	return nil
}
