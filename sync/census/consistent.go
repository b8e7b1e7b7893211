package census

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// History is one ledger as several people were told of it.
type History struct {
	Heads []ledger.Head // verified, of one origin: from the hub, from another auditor, from a receipt
	// Tree is the ledger that is at hand, nil if none is, and Size its entries.
	Tree tlog.HashReader
	Size int64
}

// ErrHidden means that a head was signed over more entries than are shown.
var ErrHidden = errors.New("entries are hidden that the author signed")

// FindFork looks for two heads that cannot both be true, and gives the proof. It
// says how many heads could not be compared: those of other sizes, when no tree is
// at hand. Errors: ErrHidden; [ledger.ErrRoot]; those of
// the tree.
func (h History) FindFork() (fork *ledger.Fork, unsure int, err error) {
	heads := slices.SortedFunc(slices.Values(h.Heads), func(a, b ledger.Head) int { return cmp.Compare(a.Size, b.Size) })
	for i := 1; i < len(heads); i++ {
		if a, b := heads[i-1], heads[i]; a.Size == b.Size && a.Root != b.Root && a.Size > 0 {
			f, err := ledger.ProveFork(a, b, h.Tree)
			return &f, 0, err
		}
	}
	if h.Tree == nil {
		for i := 1; i < len(heads); i++ {
			if heads[i].Size != heads[i-1].Size {
				unsure++
			}
		}
		return nil, unsure, nil
	}
	whole, err := tlog.TreeHash(h.Size, h.Tree)
	if err != nil {
		return nil, 0, err
	}
	// The head of what is at hand: a fork is proved against what its author signed.
	at := slices.IndexFunc(heads, func(x ledger.Head) bool { return x.Size == h.Size && x.Root == whole })
	for _, x := range heads {
		if x.Size > h.Size {
			return nil, 0, fmt.Errorf("%w: a head of %d entries, of which %d are shown", ErrHidden, x.Size, h.Size)
		}
		if x.Size == 0 {
			continue
		}
		root, err := tlog.TreeHash(x.Size, h.Tree)
		if err != nil {
			return nil, 0, err
		}
		if root == x.Root {
			continue
		}
		if at < 0 {
			return nil, 0, fmt.Errorf("%w: nobody signed the %d entries at hand", ledger.ErrRoot, h.Size)
		}
		f, err := ledger.ProveFork(x, heads[at], h.Tree)
		return &f, 0, err
	}
	return nil, unsure, nil
}

// Consistency is what *consistent* looks at.
type Consistency struct {
	Rules     Rules
	Histories []History // census ledger, report ledgers, door logs, issuers' ledgers
	Closings  []Closed  // every EpochClosed of this epoch that was seen, in all ledgers of the hub
	Draws     []Drawing // every Draw
	Beacon    *[32]byte
	Reported  []ledger.Reported // as openings and receipts bring them: each states its door log's head
}

// CheckConsistent checks that nobody was told something else: no ledger has two
// histories, the epoch was closed once, and drawn from once, after it was closed,
// with the beacon's seed: *consistent*. The forks are evidence to keep.
func CheckConsistent(c Consistency) (Check, []ledger.Fork) {
	var f finding
	var forks []ledger.Fork
	heads := 0
	for _, h := range c.Histories {
		heads += len(h.Heads)
		if len(h.Heads) == 0 {
			continue
		}
		origin := h.Heads[0].Origin
		fork, unsure, err := h.FindFork()
		switch {
		case fork != nil && err == nil:
			forks = append(forks, *fork)
			f.wrong("%v signed two histories of its %s ledger", origin.Author, origin.Kind)
		case err != nil:
			f.wrong("the %s ledger of %v: %v", origin.Kind, origin.Author, err)
		case unsure > 0:
			f.note("%d heads of the %s ledger of %v could not be compared: fetch the ledger", unsure, origin.Kind, origin.Author)
		}
	}
	c.doorLogs(&f)
	c.closings(&f)
	return f.check(CheckedConsistent, fmt.Sprintf("The %d heads that were compared tell one history; the epoch was closed once and drawn from at most once.", heads),
		"Not everybody was told the same."), forks
}

// doorLogs compares what reports say of their door logs' heads.
func (c Consistency) doorLogs(f *finding) {
	heads := map[ledger.Source][32]byte{}
	for _, r := range c.Reported {
		if old, ok := heads[r.Log]; ok && old != r.Head {
			f.wrong("two reports of node %.8x name different heads of one door log at %d entries: it was rewritten", r.Node[:], r.Log.Size)
		}
		heads[r.Log] = r.Head
	}
}

func (c Consistency) closings(f *finding) {
	epoch := c.Rules.Opened.ID()
	closings := slices.DeleteFunc(slices.Clone(c.Closings), func(x Closed) bool { return x.Body.Epoch != epoch })
	for i, x := range closings {
		if i > 0 && x.Body != closings[0].Body {
			f.wrong("the epoch was closed twice: with %d tags and root %x, and with %d and %x",
				closings[0].Body.Size, closings[0].Body.Root, x.Body.Size, x.Body.Root)
		}
	}
	draws := slices.DeleteFunc(slices.Clone(c.Draws), func(d Drawing) bool { return d.Body.Epoch != epoch })
	slices.SortFunc(draws, Drawing.compare)
	for i, d := range draws {
		if i > 0 && d.Body != draws[0].Body {
			f.wrong("the epoch was drawn from twice: with seed %x, and with %x", draws[0].Body.Seed, d.Body.Seed)
		}
		if len(closings) == 0 {
			f.wrong("the epoch was drawn from and never closed")
		} else {
			faults(f, c.Rules, closings[0], d, c.Beacon)
		}
	}
}
