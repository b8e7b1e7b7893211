package gateway

import (
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/edge/roster"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// source gives the store's ledgers to the roster.
type source struct{ store *store.Store }

func (s source) Charters(id ledger.CharterID) (ledger.Charters, error) { return s.store.Charters(id) }

func (s source) Ledgers() ([]roster.Ledger, error) {
	all, err := s.store.Ledgers()
	out := make([]roster.Ledger, len(all))
	for i, l := range all {
		out[i] = roster.Ledger{
			Head: l.Head, Seen: l.Seen, Generation: l.Generation, Charter: l.Charter,
			Entries: func(lo, hi int64) iter.Seq2[ledger.Entry, error] { return s.store.Entries(l, lo, hi) },
			Root: func(size int64) (tlog.Hash, error) {
				return tlog.TreeHash(size, ledger.Hashes(s.store.Reader(l)))
			},
		}
	}
	return out, err
}
