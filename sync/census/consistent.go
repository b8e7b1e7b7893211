package census

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// Told is a head of a ledger as somebody was told of it: verified, from the hub, from
// another auditor, from an opening or a receipt.
type Told struct {
	ledger.Head
	Shown *Shown // an entry that was verified against it; nil if it came alone
}

// History is one ledger as several people were told of it.
type History struct {
	Heads []Told // of one origin
	// Tree is the ledger that is at hand, nil if none is, and Size its entries.
	Tree tlog.HashReader
	Size int64
}

// Errors of histories.
var (
	// ErrHidden means that a head was signed over more entries than are shown.
	ErrHidden = errors.New("entries are hidden that the author signed")
	// ErrBeginning means that two signed heads show one entry behind two histories.
	ErrBeginning = errors.New("its author signed two histories: two of the heads show one entry, and not the same before it")
)

// FindFork looks for two heads that cannot both be true, and gives the proof. It
// says how many heads could not be compared: those of other sizes, when no tree is
// at hand and no entry that both show. Errors: ErrHidden; ErrBeginning, for which the
// heads and what they show are the proof; [ledger.ErrRoot]; those of the tree.
func (h History) FindFork() (fork *ledger.Fork, unsure int, err error) {
	heads := slices.SortedStableFunc(slices.Values(h.Heads), func(a, b Told) int { return cmp.Compare(a.Size, b.Size) })
	for i := 1; i < len(heads); i++ {
		if a, b := heads[i-1], heads[i]; a.Size == b.Size && a.Root != b.Root && a.Size > 0 {
			f, err := ledger.ProveFork(a.Head, b.Head, h.Tree)
			return &f, 0, err
		}
	}
	beginnings, err := beginningsOf(heads)
	if err != nil {
		return nil, 0, err
	}
	if h.Tree == nil {
		return nil, beginnings.unsure(heads), nil
	}
	whole, err := tlog.TreeHash(h.Size, h.Tree)
	if err != nil {
		return nil, 0, err
	}
	// The head of what is at hand: a fork is proved against what its author signed.
	at := slices.IndexFunc(heads, func(x Told) bool { return x.Size == h.Size && x.Root == whole })
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
		f, err := ledger.ProveFork(x.Head, heads[at].Head, h.Tree)
		return &f, 0, err
	}
	return nil, 0, nil
}

// beginnings are the roots of a ledger's first entries that its heads show, by how
// many they are of.
type beginnings map[int64]tlog.Hash

func beginningsOf(heads []Told) (beginnings, error) {
	out := beginnings{}
	for _, h := range heads {
		if h.Shown == nil {
			continue
		}
		n, root := h.Shown.Index+1, h.Shown.prefix(h.Size)
		if old, ok := out[n]; ok && old != root {
			return nil, ErrBeginning
		}
		out[n] = root
	}
	for _, h := range heads {
		if root, ok := out[h.Size]; ok && root != h.Root {
			return nil, ErrBeginning
		}
	}
	return out, nil
}

// unsure counts the heads of which nothing shows that they are of one history with
// the others: neither their size nor an entry that most of them show.
func (b beginnings) unsure(heads []Told) int {
	tied := map[int64]int{} // by the first entries that are shown
	for n := range b {
		for _, h := range heads {
			if h.Size == n || h.Shown != nil && h.Shown.Index+1 == n {
				tied[n]++
			}
		}
	}
	most := 0
	for _, n := range tied {
		most = max(most, n)
	}
	same := map[int64]int{}
	for _, h := range heads {
		same[h.Size]++
		most = max(most, same[h.Size])
	}
	return len(heads) - most
}

// Consistency is what *consistent* looks at.
type Consistency struct {
	Rules     Rules
	Histories []History // census ledger, report ledgers, door logs, issuers' ledgers
	Closings  []Closed  // every EpochClosed of this epoch that was seen, in all ledgers of the hub
	Draws     []Drawing // every Draw
	Beacon    *[32]byte
	Covers    []Covered         // heads of report ledgers, as the hub names them; nil if they are not known
	Reported  []ledger.Reported // as openings and receipts bring them: each states its door log's head
	Opened    int64             // when the issuer wrote down the epoch's rules, Unix seconds
}

// CheckConsistent checks that nobody was told something else: no ledger has two
// histories, the epoch's rules were there before it ended, it was closed once, and
// drawn from once, after it was closed, with the beacon's seed: *consistent*. The
// forks are evidence to keep.
func CheckConsistent(c Consistency) (Check, []ledger.Fork) {
	var f finding
	var forks []ledger.Fork
	heads, ledgers, unsure := 0, 0, 0
	for _, h := range c.Histories {
		if len(h.Heads) == 0 {
			continue
		}
		heads, ledgers = heads+len(h.Heads), ledgers+1
		origin := h.Heads[0].Origin
		fork, n, err := h.FindFork()
		unsure += n
		switch {
		case fork != nil && err == nil:
			forks = append(forks, *fork)
			f.wrong("%v signed two histories of its %s ledger", origin.Author, origin.Kind)
		case err != nil:
			f.wrong("the %s ledger of %v: %v", origin.Kind, origin.Author, err)
		}
		c.covered(&f, h)
		c.doorLog(&f, h)
	}
	if unsure > 0 {
		f.note("%d of the %d signed heads could not be held against the others: nothing at hand shows that one goes on where another ends", unsure, heads)
	}
	c.doorLogs(&f)
	c.closings(&f)
	switch e := c.Rules.Opened; {
	case c.Opened >= e.Closes:
		f.wrong("the epoch was opened when it was over: its rules, and where its seed is from, could be chosen to suit")
	case c.Opened >= e.Opens:
		f.note("the issuer wrote down the epoch's rules when it had begun, on %s", day(c.Opened))
	}
	return f.check(CheckedConsistent, fmt.Sprintf("No two of the %d signed heads of %d ledgers contradict each other; the epoch was closed once and drawn from at most once.", heads, ledgers),
		"Not everybody was told the same, or the order of things was not kept."), forks
}

// covered holds what the hub says of a report ledger's head against what its gateway
// signed.
func (c Consistency) covered(f *finding, h History) {
	for _, x := range c.Covers {
		for _, t := range h.Heads {
			if t.Origin == x.Origin && (t.Size == x.Size && t.Root != x.Root || t.Shown != nil && t.Shown.Index+1 == x.Size && t.Shown.prefix(t.Size) != x.Root) {
				f.wrong("the close covers another history of the report ledger of %v than its gateway signed", x.Origin.Author)
				return
			}
		}
	}
}

// doorLog holds heads of a door log that somebody kept, as a sibling of its gateway
// does, against what reports say that they were.
func (c Consistency) doorLog(f *finding, h History) {
	for _, r := range c.Reported {
		for _, t := range h.Heads {
			if t.Origin.String() == r.Log.Origin && t.Size == r.Log.Size && t.Root != r.Head {
				f.wrong("the report of node %.8x names another head of the door log of %v at %d entries than the gateway had signed: it was rewritten", r.Node[:], t.Origin.Author, t.Size)
			}
		}
	}
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
		if x.Time < 1000*c.Rules.Opened.Closes {
			f.wrong("the epoch was closed before it ended")
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
