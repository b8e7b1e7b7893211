package hub

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// Epoch is one that an issuer opened, and what its hub made of it.
type Epoch struct {
	ID     ledger.EpochID
	Opened *ledger.EpochOpened
	Issuer ledger.KeyID
	Time   time.Time // of its entry
	Closed []Closed  // in the census ledgers' order; of an honest hub at most one
	Draws  []Drawn   // the same
}

// Closed is an EpochClosed and where it stands.
type Closed struct {
	*ledger.EpochClosed
	Origin ledger.Origin
	Index  int64
	Time   time.Time
}

// Drawn is a Draw and where it stands.
type Drawn struct {
	*ledger.Draw
	Origin ledger.Origin
	Index  int64
	Time   time.Time
}

// closed is what an epoch was closed with: the first, or ErrTwoClosed if another
// says something else.
func (e *Epoch) closed() (*ledger.EpochClosed, error) {
	if len(e.Closed) == 0 {
		return nil, ErrNotClosed
	}
	first := e.Closed[0].EpochClosed
	for _, c := range e.Closed[1:] {
		if *c.EpochClosed != *first {
			return nil, ErrTwoClosed
		}
	}
	return first, nil
}

// public is what the community's and the census ledgers say, as far as they count.
// It reads what was added since.
type public struct {
	books map[ledger.Origin]*publicBook
}

// publicBook is one ledger's.
type publicBook struct {
	read  reading
	found []found
}

// found is an entry that matters here.
type found struct {
	index int64
	time  int64 // Unix milliseconds
	body  ledger.Body
}

func newPublic() *public { return &public{books: map[ledger.Origin]*publicBook{}} }

// counted is an entry that counts, and whose it is.
type counted struct {
	found
	origin ledger.Origin
}

// roles says by which role of the charter a ledger of a kind counts.
var roles = map[ledger.LogKind]ledger.AuthorRole{ledger.CommunityLog: ledger.Issuer, ledger.CensusLog: ledger.Hub}

// matters lists the kinds of entries that are kept.
var matters = []ledger.Kind{ledger.KindNodeRegistered, ledger.KindEpochOpened, ledger.KindFiguresSigned, ledger.KindEpochClosed, ledger.KindDraw}

// update reads on, and returns what counts by a chain of charters, of each ledger
// in its order and the ledgers by when they began.
func (p *public) update(s *store.Store, chain ledger.Charters, all []store.Info) (out []counted, err error) {
	kept := map[ledger.Origin]bool{}
	infos := slices.DeleteFunc(slices.Clone(all), func(i store.Info) bool {
		return roles[i.Origin.Kind] == "" || i.Origin.Community != chain.ID() || i.Charter != chain.ID()
	})
	slices.SortStableFunc(infos, func(a, b store.Info) int { return cmp.Compare(a.Generation, b.Generation) })
	for _, i := range infos {
		limit, _, bad := chain.Counts(roles[i.Origin.Kind], i.Origin, i.Size, ledger.Hashes(s.Reader(i)))
		if bad != nil {
			err = errors.Join(err, bad)
			continue
		}
		kept[i.Origin] = true
		b := p.books[i.Origin]
		if b == nil {
			b = &publicBook{}
			p.books[i.Origin] = b
		}
		bad = b.read.on(s, i, func() { b.found = nil }, func(index int64, e ledger.Entry) error {
			leaf, body, err := e.Open(i.Origin.Kind, index)
			if err != nil {
				return err
			}
			if body != nil && slices.Contains(matters, leaf.Kind) {
				b.found = append(b.found, found{index, e.Time, body})
			}
			return nil
		})
		err = errors.Join(err, bad)
		for _, f := range b.found {
			if f.index < limit {
				out = append(out, counted{f, i.Origin})
			}
		}
	}
	for o := range p.books {
		if !kept[o] {
			delete(p.books, o)
		}
	}
	return out, err
}

// epochs are those that count, the earliest first.
func epochsOf(chain ledger.Charters, all []counted) (out []*Epoch, byID map[ledger.EpochID]*Epoch) {
	byID = map[ledger.EpochID]*Epoch{}
	for _, c := range all {
		b, ok := c.body.(*ledger.EpochOpened)
		if !ok || byID[b.ID()] != nil || chain.CheckOffer(b) != nil {
			continue
		}
		e := &Epoch{ID: b.ID(), Opened: b, Issuer: c.origin.Author, Time: time.UnixMilli(c.time)}
		byID[e.ID] = e
		out = append(out, e)
	}
	for _, c := range all {
		switch b := c.body.(type) {
		case *ledger.EpochClosed:
			if e := byID[b.Epoch]; e != nil {
				e.Closed = append(e.Closed, Closed{b, c.origin, c.index, time.UnixMilli(c.time)})
			}
		case *ledger.Draw:
			if e := byID[b.Epoch]; e != nil {
				e.Draws = append(e.Draws, Drawn{b, c.origin, c.index, time.UnixMilli(c.time)})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b *Epoch) int { return compareEpochs(a, b) })
	return out, byID
}

// estate is the footprint of all nodes that issuers registered.
func estate(all []counted) census.Estate {
	var nodes []census.Registered
	for _, c := range all {
		if b, ok := c.body.(*ledger.NodeRegistered); ok {
			nodes = append(nodes, census.Registered{Time: c.time, Body: *b})
		}
	}
	return census.Footprint(nodes)
}

// slugs are the nodes' names, the last that was registered.
func slugs(all []counted) map[ledger.CharterID]string {
	out, at := map[ledger.CharterID]string{}, map[ledger.CharterID]int64{}
	for _, c := range all {
		if b, ok := c.body.(*ledger.NodeRegistered); ok && c.time >= at[b.Node] {
			out[b.Node], at[b.Node] = b.Slug, c.time
		}
	}
	return out
}

// signed are the totals that issuers attest.
func signed(all []counted) (out []census.Signed) {
	for _, c := range all {
		if b, ok := c.body.(*ledger.FiguresSigned); ok {
			out = append(out, census.Signed{Issuer: c.origin.Author, Time: c.time, Body: *b})
		}
	}
	return out
}

// reading is how far a ledger was read.
type reading struct {
	upTo int64
	root tlog.Hash // of so many entries
}

// on reads what was added to a ledger. Before that it calls forget if the ledger
// does not begin with what was read, or nothing was. After an error of take what
// came before it has been read.
func (r *reading) on(s *store.Store, i store.Info, forget func(), take func(int64, ledger.Entry) error) error {
	if r.upTo == i.Size && r.root == i.Root {
		return nil
	}
	hashes := ledger.Hashes(s.Reader(i))
	if r.upTo > 0 {
		same := r.upTo < i.Size
		if same {
			root, err := tlog.TreeHash(r.upTo, hashes)
			if err != nil {
				return err
			}
			same = root == r.root
		}
		if !same {
			r.upTo = 0
		}
	}
	if r.upTo == 0 {
		forget()
	}
	next, failed := r.upTo, error(nil)
	for e, err := range s.Entries(i, r.upTo, i.Size) {
		if err == nil {
			err = take(next, e)
		}
		if err != nil {
			failed = fmt.Errorf("%v, entry %d: %w", i.Origin, next, err)
			break
		}
		next++
	}
	if next == r.upTo {
		return failed
	}
	root := i.Root
	if next != i.Size {
		var err error
		if root, err = tlog.TreeHash(next, hashes); err != nil {
			r.upTo = 0
			return errors.Join(failed, err)
		}
	}
	r.upTo, r.root = next, root
	return failed
}

// add reads on in a run that was verified, if that continues what was read.
func (r *reading) add(run ledger.Run, forget func(), take func(int64, ledger.Entry)) {
	before, after := run.Before(), run.Tree()
	switch {
	case before.Size() != r.upTo || r.upTo > 0 && before.Root() != r.root:
		return
	case r.upTo == 0:
		forget()
	}
	for i, e := range run.Entries() {
		take(r.upTo+int64(i), e)
	}
	r.upTo, r.root = after.Size(), after.Root()
}

func compareEpochs(a, b *Epoch) int {
	return cmp.Or(cmp.Compare(a.Opened.Opens, b.Opened.Opens), cmp.Compare(a.Opened.Number, b.Opened.Number), bytes.Compare(a.ID[:], b.ID[:]))
}
