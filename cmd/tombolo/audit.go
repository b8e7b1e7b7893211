package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// audit verifies ledgers one after the other and then says on whose word each
// counts. Charters come first, then each ledger, then verdicts.
type audit struct {
	keys     []hex32                              // only these, and what a pinned charter vouches for
	chains   map[ledger.CharterID]ledger.Charters // those that are pinned, and those that a file brought
	pinned   map[ledger.CharterID]bool
	gateways map[[32]byte]string // by signing key: those that the folder knows
	audited  []*audited
}

// audited is one ledger, and how far it verified.
type audited struct {
	head    ledger.Head
	report  ledger.Report
	err     error       // the first thing that is wrong
	roots   []tlog.Hash // at the sizes up to which charters count it
	limits  []int64
	opens   map[[32]byte]string // gateways that it enrols, by signing key
	counted map[[32]byte]int64  // where it does
}

// addCharter takes the next charter of a chain that a file brings.
func (a *audit) addCharter(s ledger.SignedCharter) error {
	c, err := ledger.ParseCharter(s.Charter)
	if err != nil {
		return err
	}
	var chain ledger.Charters
	for id, have := range a.chains {
		if int(c.Version) <= have.Len() {
			if _, held := have.Version(int(c.Version)); held.Hash() == s.Hash() {
				return nil
			}
			if c.Version > 1 && c.Previous == hashOf(have, int(c.Version)-1) {
				return fmt.Errorf("charter of %s %q, version %d: another one of that version is held for %v: its keys signed two", c.Kind, c.Slug, c.Version, id)
			}
		}
		if c.Version == uint64(have.Len())+1 && c.Previous == hashOf(have, have.Len()) {
			chain = have
		}
	}
	if chain, err = ledger.CheckCharter(chain, s); err != nil {
		return fmt.Errorf("charter of %s %q, version %d: %w", c.Kind, c.Slug, c.Version, err)
	}
	a.chains[chain.ID()] = chain
	return nil
}

func hashOf(chain ledger.Charters, version int) [32]byte {
	_, signed := chain.Version(version)
	return signed.Hash()
}

// ledger verifies a ledger from its first entry to its head.
func (a *audit) ledger(head ledger.Head, chunks iter.Seq2[ledger.Chunk, error]) {
	l := &audited{head: head, opens: map[[32]byte]string{}, counted: map[[32]byte]int64{}}
	a.audited = append(a.audited, l)
	for _, chain := range a.chains {
		for _, role := range []ledger.AuthorRole{ledger.Issuer, ledger.Steward} {
			if limit, ok := chain.Limit(role, head.Origin); ok && limit.Root != nil {
				l.limits, l.roots = append(l.limits, limit.Size), append(l.roots, tlog.Hash{})
			}
		}
	}
	v := ledger.NewVerifier(head)
	var tree ledger.Tree
	for c, err := range chunks {
		if err == nil {
			err = v.Chunk(c)
		}
		if err != nil {
			l.err = err
			l.report, _ = v.Finish() // as far as it went
			return
		}
		for i, e := range c.Entries {
			if len(l.limits) > 0 {
				tree.Append(e.Leaf, nil)
				for n, limit := range l.limits {
					if tree.Size() == limit {
						l.roots[n] = tree.Root()
					}
				}
			}
			l.enrols(c.Start+int64(i), e)
		}
	}
	l.report, l.err = v.Finish()
}

func (l *audited) enrols(index int64, e ledger.Entry) {
	leaf, err := ledger.ParseLeaf(e.Leaf)
	if err != nil || leaf.Kind != ledger.KindGatewayEnrolled || e.Dropped() {
		return
	}
	if b, err := ledger.ParseBody(leaf.Kind, e.Body); err == nil {
		g := b.(*ledger.GatewayEnrolled)
		l.opens[g.Keys.Signing], l.counted[g.Keys.Signing] = g.Gateway, index
	}
}

// authority is on whose word a ledger counts.
type authority struct {
	text    string
	vouched bool
	limit   int64 // entries that count
}

var nobody = authority{text: "nobody"}

// authority says who vouches for a verified ledger.
func (a *audit) authority(l *audited) authority {
	all := l.report.Size
	author := [32]byte(l.head.Author)
	if slices.Contains(a.keys, hex32(author)) {
		return authority{"the key you gave", true, all}
	}
	switch o := l.head.Origin; o.Kind {
	case ledger.CommunityLog:
		if l.report.Begin.Charter == o.Community {
			return a.charter(l, o.Community, ledger.Issuer)
		}
	case ledger.NodeLog:
		if chain, ok := a.chains[l.report.Begin.Charter]; ok && chain.Latest().Community == o.Community {
			return a.charter(l, chain.ID(), ledger.Steward)
		}
	case ledger.DoorLog:
		return a.enrolled(l, author)
	}
	return nobody
}

func (a *audit) charter(l *audited, id ledger.CharterID, role ledger.AuthorRole) authority {
	chain, ok := a.chains[id]
	if !ok || !a.trusts(id) {
		return nobody
	}
	limit, ok := chain.Limit(role, l.head.Origin)
	if !ok {
		return nobody
	}
	c := chain.Latest()
	out := authority{fmt.Sprintf("%s by the charter of %s %q, version %d%s", role, c.Kind, c.Slug, c.Version, a.caveat(id)), true, min(limit.Size, l.report.Size)}
	if limit.Root != nil {
		n := slices.Index(l.limits, limit.Size)
		if l.report.Size >= limit.Size && (n < 0 || l.roots[n] != *limit.Root) {
			return authority{text: fmt.Sprintf("nobody: the charter of %s %q counts another history of it", c.Kind, c.Slug)}
		}
		out.text += fmt.Sprintf("; retired, %d entries count", out.limit)
	}
	return out
}

// trusts tells whether a chain's word counts. What a file says of itself does
// only where there is nothing else to hold it against.
func (a *audit) trusts(id ledger.CharterID) bool {
	return a.pinned[id] || (len(a.pinned) == 0 && len(a.keys) == 0)
}

func (a *audit) caveat(id ledger.CharterID) string {
	if a.pinned[id] {
		return ""
	}
	return " (only this file says so: no charter is pinned here)"
}

func (a *audit) enrolled(l *audited, author [32]byte) authority {
	if name, ok := a.gateways[author]; ok {
		return authority{fmt.Sprintf("enrolled gateway %q", name), true, l.report.Size}
	}
	for _, n := range a.audited {
		name, ok := n.opens[author]
		if !ok || n.err != nil || n.report.Begin.Charter != l.report.Begin.Charter {
			continue
		}
		if by := a.authority(n); by.vouched && n.counted[author] < by.limit {
			return authority{fmt.Sprintf("enrolled gateway %q%s", name, a.caveat(n.report.Begin.Charter)), true, l.report.Size}
		}
	}
	return nobody
}

// verdict is what was proved of one ledger, or what is wrong with it.
type verdict struct {
	Origin    string   `json:"origin"`
	Kind      string   `json:"kind"`
	Entries   int64    `json:"entries"`
	HeadTime  stamp    `json:"head_time"`
	From      stamp    `json:"from"`
	Until     stamp    `json:"until"`
	Author    hexBytes `json:"author"`
	Authority string   `json:"authority"`
	Vouched   bool     `json:"vouched"`
	Dropped   int64    `json:"dropped"`
	Unknown   int      `json:"unknown"`
	Unread    *int64   `json:"first_unread_critical,omitempty"`
	Forks     int      `json:"forks"`
	Error     *fault   `json:"error,omitempty"`
}

// fault is the first thing that is wrong with a ledger.
type fault struct {
	First *int64 `json:"first,omitempty"`
	Last  *int64 `json:"last,omitempty"`
	What  string `json:"what"`
}

func faultOf(err error) *fault {
	if err == nil {
		return nil
	}
	f := &fault{What: err.Error()}
	if at, ok := errors.AsType[*ledger.At](err); ok {
		f.First, f.Last, f.What = &at.First, &at.Last, at.Err.Error()
	}
	return f
}

func (a *audit) verdict(l *audited) verdict {
	by := nobody
	if l.err == nil {
		by = a.authority(l)
	}
	v := verdict{
		Origin: l.head.Origin.String(), Kind: string(l.head.Origin.Kind), Entries: l.head.Size,
		HeadTime: stamp(time.Unix(int64(min(l.head.Time, 1<<62)), 0)), From: millis(l.report.From), Until: millis(l.report.Until),
		Author: hexBytes(l.head.Author), Authority: by.text, Vouched: by.vouched,
		Dropped: l.report.Dropped, Unknown: l.report.Unknown, Error: faultOf(l.err),
	}
	if at := l.report.FirstUnread; at != nil {
		v.Unread = &at.First
	}
	return v
}

func millis(ms int64) stamp {
	if ms == 0 {
		return stamp{}
	}
	return stamp(time.UnixMilli(ms))
}

func keyPresent(all []*audited, keys []hex32) bool {
	return slices.ContainsFunc(all, func(l *audited) bool {
		return l.err == nil && len(l.head.Author) == ed25519.PublicKeySize && slices.Contains(keys, hex32(l.head.Author))
	})
}
