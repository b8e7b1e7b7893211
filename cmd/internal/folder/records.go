package folder

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// Record is an entry as it is read back.
type Record struct {
	Ledger   store.Info
	Index    int64
	Kind     ledger.Kind
	Critical bool
	Dropped  bool
	Time     time.Time   // zero when dropped
	Body     ledger.Body // nil when dropped or of an unknown kind
	Raw      []byte      // the body's bytes
}

// Records yields a held ledger's entries from the first on, each checked against
// its own leaf (the heads and proofs were checked when they were taken in; see
// ledger.Verifier for all of it). It stops after an error, a *ledger.At.
func (f *Folder) Records(i store.Info) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		index := int64(0)
		for e, err := range f.store.Entries(i, 0, i.Size) {
			var r Record
			if err == nil {
				r, err = record(i, index, e)
			}
			if err != nil {
				err = fmt.Errorf("%v: %w", i.Origin, &ledger.At{First: index, Last: index, Err: err})
			}
			if !yield(r, err) || err != nil {
				return
			}
			index++
		}
	}
}

func record(i store.Info, index int64, e ledger.Entry) (Record, error) {
	leaf, err := e.Check(index)
	if err != nil {
		return Record{}, err
	}
	r := Record{Ledger: i, Index: index, Kind: leaf.Kind, Critical: leaf.Critical, Dropped: e.Dropped(), Raw: e.Body}
	if r.Dropped {
		return r, nil
	}
	r.Time = time.UnixMilli(e.Time)
	r.Body, err = ledger.ParseBody(leaf.Kind, e.Body)
	if errors.Is(err, ledger.ErrUnknownKind) {
		err = nil
	}
	return r, err
}

// Counted yields the entries of the community's or the node's ledgers that count
// by the charters in force: those of each author in the order of its
// incarnations. An entry of an unknown critical kind is an error: what follows
// it cannot be understood.
func (f *Folder) Counted(kind ledger.LogKind) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		ledgers, err := f.counted(kind)
		if err != nil {
			yield(Record{}, err)
			return
		}
		for _, l := range ledgers {
			for r, err := range f.Records(l.Info) {
				if err == nil && r.Index >= l.limit {
					break
				}
				if err == nil && r.Critical && !r.Kind.Known() {
					err = fmt.Errorf("%v: %w; update this program", r.Ledger.Origin, &ledger.At{First: r.Index, Last: r.Index, Err: ledger.ErrUnknownKind})
				}
				if !yield(r, err) || err != nil {
					return
				}
			}
		}
	}
}

type countedLedger struct {
	store.Info
	limit int64
}

// counted lists the ledgers of a kind that count, by author and generation, each
// with how far it does.
func (f *Folder) counted(kind ledger.LogKind) ([]countedLedger, error) {
	chain, err := f.belongs(kind)
	if err != nil {
		return nil, err
	}
	all, err := f.store.Ledgers()
	if err != nil {
		return nil, err
	}
	var out []countedLedger
	for _, i := range all {
		if i.Origin.Kind != kind {
			continue
		}
		limit, ok, err := chain.Counts(writing[kind].role, i.Origin, i.Size, ledger.Hashes(f.store.Reader(i)))
		if err != nil {
			return nil, err
		}
		if ok {
			out = append(out, countedLedger{i, limit})
		}
	}
	slices.SortStableFunc(out, func(a, b countedLedger) int {
		return cmp.Or(slices.Compare(a.Origin.Author[:], b.Origin.Author[:]), cmp.Compare(a.Generation, b.Generation))
	})
	return out, nil
}
