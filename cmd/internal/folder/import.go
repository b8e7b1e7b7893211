package folder

import (
	"errors"
	"fmt"
	"io"
	"iter"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// Progress is told how many of a ledger's entries are done. It may be nil.
type Progress func(o ledger.Origin, done, total int64)

// Errors of an import.
var (
	ErrForeign  = errors.New("of another community or node than this folder's")
	ErrNobody   = errors.New("nobody whom this folder trusts vouches for its author")
	ErrPart     = errors.New("the file holds only a part of this ledger: export it again, whole")
	ErrPinWhat  = errors.New("a folder is pinned to one community and at most one node")
	ErrCharters = errors.New("more charters than any bundle needs")
)

// PinBoth are the charters that a folder can be pinned to, in the order in which
// it is.
var PinBoth = []ledger.CharterKind{ledger.CommunityCharter, ledger.NodeCharter}

// maxCharters bounds the charters of a bundle.
const maxCharters = 4096

// ImportReport says what became of everything in a bundle, in its order.
type ImportReport struct {
	Charters []CharterImport
	Ledgers  []LedgerImport
}

// CharterImport is one charter of a bundle.
type CharterImport struct {
	Kind    ledger.CharterKind
	Slug    string
	Version uint64
	Added   bool
	Pinned  bool  // the folder was pinned to its chain now
	Refused error // nil when it is held now
}

// LedgerImport is one ledger of a bundle.
type LedgerImport struct {
	store.Ingested
	Size    int64 // of the head that was offered
	Refused error // nil when it was taken in
	Forked  bool  // its author signed two histories, now or before; the proof is kept
}

// Refused tells whether anything was.
func (r ImportReport) Refused() bool {
	for _, c := range r.Charters {
		if c.Refused != nil {
			return true
		}
	}
	for _, l := range r.Ledgers {
		if l.Refused != nil {
			return true
		}
	}
	return false
}

// Import takes in a bundle: charters of the pinned chains, and ledgers that they
// vouch for. A folder that has no community or no node yet is pinned to those in
// the bundle, as far as pin names them. Each ledger is taken in whole or not at all, and one
// that is refused does not stop the others: the report has its reason. The error
// is about the file as a whole, or nothing pinned ([ErrUnpinned]); what the
// report lists as taken in by then is stored.
//
// r is read once, and once more for each fork that has to be proved. Memory is
// bounded by a chunk and the charters.
func (f *Folder) Import(r io.ReadSeeker, pin []ledger.CharterKind, progress Progress) (ImportReport, error) {
	im := &importer{f: f, pin: pin, progress: progress, pinned: map[ledger.CharterID]bool{}}
	if err := im.run(r); err != nil {
		return im.report, err
	}
	for n := range im.report.Ledgers {
		l := &im.report.Ledgers[n]
		if fork, ok := errors.AsType[*store.ForkError](l.Refused); ok {
			if err := im.keepFork(r, n, fork); err != nil {
				l.Refused = errors.Join(l.Refused, fmt.Errorf("the proof could not be kept: %w", err))
				continue
			}
			l.Forked = true
		}
	}
	return im.report, nil
}

type importer struct {
	f        *Folder
	pin      []ledger.CharterKind
	progress Progress
	report   ImportReport

	bundle *ledger.BundleReader
	item   ledger.BundleItem // the one at hand
	err    error             // why there is none; io.EOF at the end

	pending []ledger.SignedCharter
	pinned  map[ledger.CharterID]bool // now, by this import
}

func (im *importer) next() { im.item, im.err = im.bundle.Next() }

func (im *importer) run(r io.Reader) error {
	if im.bundle, im.err = ledger.NewBundleReader(r); im.err != nil {
		return im.err
	}
	im.next()
	for im.err == nil {
		switch {
		case im.item.Charter != nil:
			if im.pending = append(im.pending, *im.item.Charter); len(im.pending) > maxCharters {
				return ErrCharters
			}
			im.next()
		case im.item.Head != nil:
			if err := im.charters(); err != nil {
				return err
			}
			l := im.ledger(*im.item.Head)
			im.report.Ledgers = append(im.report.Ledgers, l)
			for im.err == nil && im.item.Chunk != nil { // those after a refusal
				im.next()
			}
		default:
			return fmt.Errorf("%w: a chunk without a head", ledger.ErrBundle)
		}
	}
	if im.err != io.EOF {
		return im.err
	}
	return im.charters()
}

// charters takes in what is pending.
func (im *importer) charters() error {
	signed := im.pending
	im.pending = nil
	if len(im.pin) > 0 {
		if err := im.pinAll(signed); err != nil {
			return err
		}
	}
	community, err := im.f.CommunityID()
	if err != nil {
		return err
	}
	if community.IsZero() {
		return ErrUnpinned
	}
	node, err := im.f.NodeID()
	if err != nil {
		return err
	}
	for _, s := range signed {
		c, err := ledger.ParseCharter(s.Charter)
		if err != nil {
			return err
		}
		id := ledger.CharterID(s.Hash())
		in := CharterImport{Kind: c.Kind, Slug: c.Slug, Version: c.Version, Pinned: im.pinned[id]}
		ours := c.Kind == ledger.NodeCharter && c.Community == community // another node of it: its directory is verified by it
		if c.Version == 1 && id != community && id != node && !ours {
			in.Refused = fmt.Errorf("charter of %s %q: %w", c.Kind, c.Slug, ErrForeign)
		} else {
			_, in.Added, in.Refused = im.f.store.AddCharter(s)
			in.Added = in.Added || in.Pinned
		}
		im.report.Charters = append(im.report.Charters, in)
	}
	return nil
}

// pinAll pins the places that are free to the first charters among signed.
func (im *importer) pinAll(signed []ledger.SignedCharter) error {
	for _, kind := range im.pin {
		community, err := im.f.CommunityID()
		if err != nil {
			return err
		}
		name := pinCommunity
		if kind == ledger.NodeCharter {
			name = pinNode
		}
		if have, err := im.f.pinned(name); err != nil {
			return err
		} else if !have.IsZero() {
			continue
		}
		first := map[[32]byte]ledger.SignedCharter{}
		for _, s := range signed {
			c, err := ledger.ParseCharter(s.Charter)
			if err == nil && c.Kind == kind && c.Version == 1 && (kind == ledger.CommunityCharter || c.Community == community) {
				first[s.Hash()] = s
			}
		}
		if len(first) > 1 || (len(first) == 0 && kind == ledger.CommunityCharter) {
			return fmt.Errorf("%w: the file has charters of %d", ErrPinWhat, len(first))
		}
		for _, s := range first {
			id, err := im.f.Found(s)
			if err != nil {
				return err
			}
			im.pinned[id] = true
		}
	}
	return nil
}

// ledger takes in the ledger whose head is at hand, and leaves what follows its
// chunks at hand.
func (im *importer) ledger(h ledger.BundleHead) (l LedgerImport) {
	im.next()
	var cosigners []ledger.Cosigner
	if chain, err := im.f.Community(); err == nil {
		cosigners = chain.Cosigners()
	}
	head, err := ledger.OpenHead(h.Note, h.Author, cosigners...)
	l.Origin, l.Size = head.Origin, head.Size
	if err == nil {
		err = im.f.vouched(head.Origin)
	}
	if err != nil {
		l.Refused = err
		return l
	}
	chain, err := im.f.chainOf(head.Origin)
	var counted ledger.Limit
	if err == nil {
		counted, err = im.f.mayGrow(head, chain)
	}
	take := im.f.store.Ingest
	if err == nil && counted.Root != nil {
		var whole bool
		if whole, err = im.f.holds(head.Origin, counted); !whole {
			take = im.f.store.Replace
		}
	}
	if err == nil {
		l.Ingested, err = take(head, im.f.Now().Unix(), im.verified(head, chain.ID(), counted))
	}
	l.Refused, l.Forked = err, errors.Is(err, ErrForked)
	return l
}

// vouched tells whether a ledger's author has the right to write it: by the
// community's or the node's charters, or by a steward's enrolment.
func (f *Folder) vouched(o ledger.Origin) error {
	community, err := f.CommunityID()
	if err != nil {
		return err
	}
	if o.Community != community {
		return ErrForeign
	}
	if !byGateway(o.Kind) {
		chain, err := f.chainOf(o)
		if err != nil {
			return err
		}
		if _, ok := author(chain, writing[o.Kind].role, o.Author); !ok {
			return fmt.Errorf("%w: the charter of %q names no %s %v", ErrNobody, chain.Latest().Slug, writing[o.Kind].role, o.Author)
		}
		return nil
	}
	if own, err := f.Public(SigningKey); err == nil && ledger.KeyIDOf(own[:]) == o.Author {
		return nil
	}
	all, err := f.Gateways()
	if err != nil {
		return err
	}
	for _, g := range all {
		if ledger.KeyIDOf(g.Keys.Signing[:]) == o.Author {
			return nil
		}
	}
	return fmt.Errorf("%w: no steward enrolled a gateway %v, as far as this folder knows; import the node's ledgers first", ErrNobody, o.Author)
}

// verified passes on the chunks of a ledger as long as they verify, from the
// first entry, which must bind it to the chain, to the head. With a limit they
// have to be the history that it names; otherwise it is [ledger.ErrOtherHistory].
func (im *importer) verified(head ledger.Head, chain ledger.CharterID, limit ledger.Limit) iter.Seq2[ledger.Chunk, error] {
	return func(yield func(ledger.Chunk, error) bool) {
		v := ledger.NewVerifier(head)
		first := true
		var tree ledger.Tree
		for ; im.err == nil && im.item.Chunk != nil; im.next() {
			c := *im.item.Chunk
			var err error
			if first {
				err = begins(c, chain)
				first = false
			}
			if err == nil {
				err = v.Chunk(c)
			}
			for i := 0; err == nil && limit.Root != nil && i < len(c.Entries) && tree.Size() < limit.Size; i++ {
				if tree.Append(c.Entries[i].Leaf, nil); tree.Size() == limit.Size && tree.Root() != *limit.Root {
					err = ledger.ErrOtherHistory
				}
			}
			if !yield(c, err) || err != nil {
				return
			}
			if im.progress != nil {
				im.progress(head.Origin, c.Start+int64(len(c.Entries)), head.Size)
			}
		}
		if im.err != nil && im.err != io.EOF {
			yield(ledger.Chunk{}, im.err)
		} else if _, err := v.Finish(); err != nil {
			yield(ledger.Chunk{}, err)
		}
	}
}

// begins checks the binding of a ledger whose first chunk this is.
func begins(c ledger.Chunk, chain ledger.CharterID) error {
	if c.Start != 0 || len(c.Entries) == 0 {
		return ErrPart
	}
	body, err := ledger.ParseBody(ledger.KindBegin, c.Entries[0].Body)
	if err != nil {
		return &ledger.At{Err: errors.Join(ledger.ErrBegin, err)}
	}
	if b := body.(*ledger.Begin); b.Charter != chain {
		return &ledger.At{Err: fmt.Errorf("%w: it begins with the charter %v", ErrForeign, b.Charter)}
	}
	return nil
}
