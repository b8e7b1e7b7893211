package gateway

import (
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/edge/roster"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// Source gives a store's ledgers to a roster.
func Source(s *store.Store) roster.Source { return source{s} }

// source gives the store's ledgers to the roster.
type source struct{ store *store.Store }

func (s source) Charters(id ledger.CharterID) (ledger.Charters, error) { return s.store.Charters(id) }

func (s source) Ledgers() ([]roster.Ledger, error) {
	// Without them nobody knows which ledgers have ended: all stay as they are.
	forks, err := s.store.Forks()
	if err != nil {
		return nil, fmt.Errorf("the proofs of forks: %w", err)
	}
	forked := map[ledger.Origin]bool{}
	for _, f := range forks {
		head, _, err := f.Heads()
		if err != nil {
			return nil, fmt.Errorf("the proofs of forks: %w", err)
		}
		forked[head.Origin] = true
	}
	all, err := s.store.Ledgers()
	out := make([]roster.Ledger, len(all))
	for i, l := range all {
		out[i] = roster.Ledger{
			Head: l.Head, Seen: l.Seen, Generation: l.Generation, Charter: l.Charter, Forked: forked[l.Origin],
			Entries: func(lo, hi int64) iter.Seq2[ledger.Entry, error] { return s.store.Entries(l, lo, hi) },
			Root: func(size int64) (tlog.Hash, error) {
				return tlog.TreeHash(size, ledger.Hashes(s.store.Reader(l)))
			},
		}
	}
	return out, err
}
