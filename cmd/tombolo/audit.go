package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

// audit verifies ledgers one after the other and then says on whose word each
// counts. Charters come first, then each ledger, then verdicts.
type audit struct {
	keys     []hex32                              // only these, and what a pinned charter vouches for
	chains   map[ledger.CharterID]ledger.Charters // those that are pinned, and those that a file brought
	pinned   map[ledger.CharterID]bool
	gateways map[[32]byte]folder.Gateway // by signing key: those that the folder knows
	forks    map[ledger.Origin]int       // proofs that the folder holds
	audited  []*audited
}

// audited is one ledger, and how far it verified.
type audited struct {
	head    ledger.Head
	report  ledger.Report
	err     error       // the first thing that is wrong
	roots   []tlog.Hash // at the sizes up to which charters count it
	limits  []int64
	enrols  map[[32]byte]nodeEntry // gateways, by signing key: where it first does
	removes map[[32]byte]nodeEntry
}

// nodeEntry is a GatewayEnrolled or a GatewayRemoved.
type nodeEntry struct {
	index     int64
	at        time.Time
	name, why string
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
	l := &audited{head: head, enrols: map[[32]byte]nodeEntry{}, removes: map[[32]byte]nodeEntry{}}
	a.audited = append(a.audited, l)
	for _, chain := range a.chains {
		for _, role := range []ledger.AuthorRole{ledger.Issuer, ledger.Steward, ledger.Hub} {
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
			l.gateway(c.Start+int64(i), e)
		}
	}
	l.report, l.err = v.Finish()
}

// gateway takes note of an entry about a gateway.
func (l *audited) gateway(index int64, e ledger.Entry) {
	leaf, err := ledger.ParseLeaf(e.Leaf)
	if err != nil || (leaf.Kind != ledger.KindGatewayEnrolled && leaf.Kind != ledger.KindGatewayRemoved) || e.Dropped() {
		return
	}
	body, err := ledger.ParseBody(leaf.Kind, e.Body)
	if err != nil {
		return
	}
	first := func(in map[[32]byte]nodeEntry, key [32]byte, name, why string) {
		if _, ok := in[key]; !ok {
			in[key] = nodeEntry{index, time.UnixMilli(e.Time), name, why}
		}
	}
	switch b := body.(type) {
	case *ledger.GatewayEnrolled:
		first(l.enrols, b.Keys.Signing, b.Gateway, "")
	case *ledger.GatewayRemoved:
		first(l.removes, b.Signing, b.Gateway, b.Why)
	}
}

// authority is on whose word a ledger counts.
type authority struct {
	text    string
	vouched bool
	limit   int64 // entries that count
	settled bool  // the charter names the history that counts, and this is it
}

var nobody = authority{text: "nobody"}

// authority says who vouches for a verified ledger.
func (a *audit) authority(l *audited) authority {
	all := l.report.Size
	author := [32]byte(l.head.Author)
	if slices.Contains(a.keys, hex32(author)) {
		return authority{text: "the key you gave", vouched: true, limit: all}
	}
	switch o := l.head.Origin; o.Kind {
	case ledger.CommunityLog:
		if l.report.Begin.Charter == o.Community {
			return a.charter(l, o.Community, ledger.Issuer)
		}
	case ledger.NodeLog, ledger.DirectoryLog:
		if chain, ok := a.chains[l.report.Begin.Charter]; ok && chain.Latest().Community == o.Community {
			return a.charter(l, chain.ID(), ledger.Steward)
		}
	case ledger.CensusLog:
		if l.report.Begin.Charter == o.Community {
			return a.charter(l, o.Community, ledger.Hub)
		}
	case ledger.DoorLog, ledger.ReportLog:
		return a.enrolled(l, author)
	}
	return nobody
}

func (a *audit) charter(l *audited, id ledger.CharterID, role ledger.AuthorRole) authority {
	chain, ok := a.chains[id]
	// Another node's directory counts by that node's own charter, in its community.
	if !ok || !a.trusts(id) && (l.head.Origin.Kind != ledger.DirectoryLog || !a.trusts(l.head.Origin.Community)) {
		return nobody
	}
	limit, ok := chain.Limit(role, l.head.Origin)
	if !ok {
		return nobody
	}
	c := chain.Latest()
	out := authority{text: fmt.Sprintf("%s by the charter of %s %q, version %d%s", role, c.Kind, c.Slug, c.Version, a.caveat(id)), vouched: true, limit: min(limit.Size, l.report.Size)}
	if limit.Root != nil {
		n := slices.Index(l.limits, limit.Size)
		if l.report.Size >= limit.Size && (n < 0 || l.roots[n] != *limit.Root) {
			return authority{text: fmt.Sprintf("nobody: the charter of %s %q counts another history of it", c.Kind, c.Slug)}
		}
		out.text += "; retired, " + count(out.limit, "entry counts", "entries count")
		out.settled = l.report.Size >= limit.Size // a part of it may be one of two
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

// enrolled vouches for a gateway's log, up to the gateway's removal. A head of a
// later time, or an entry, is by whoever has the key now. An earlier time proves
// nothing by itself, as whoever has the key can write any: what a removed
// gateway wrote before is known by heads of it that others held by then.
func (a *audit) enrolled(l *audited, author [32]byte) authority {
	name, caveat := "", ""
	if g, ok := a.gateways[author]; ok {
		name = g.Name
	} else if by, e, ok := a.nodeEntry(l, author, func(n *audited) map[[32]byte]nodeEntry { return n.enrols }); ok {
		name, caveat = e.name, a.caveat(by.report.Begin.Charter)
	} else {
		return nobody
	}
	if r, ok := a.removal(l, author); ok && (time.Unix(int64(min(l.head.Time, 1<<62)), 0).After(r.at) || time.UnixMilli(l.report.Until).After(r.at)) {
		return authority{text: fmt.Sprintf("nobody: gateway %q was removed before this was signed", name)}
	}
	return authority{text: fmt.Sprintf("enrolled gateway %q%s", name, caveat), vouched: true, limit: l.report.Size}
}

// removal is the first removal of the gateway that writes a door log: by the
// folder's word, or by that of a node's ledger that was verified here.
func (a *audit) removal(l *audited, author [32]byte) (first nodeEntry, ok bool) {
	_, first, ok = a.nodeEntry(l, author, func(n *audited) map[[32]byte]nodeEntry { return n.removes })
	if g := a.gateways[author]; !g.Removed.IsZero() && (!ok || g.Removed.Before(first.at)) {
		first, ok = nodeEntry{at: g.Removed, name: g.Name, why: g.Why}, true
	}
	return first, ok
}

// nodeEntry finds the earliest entry about a gateway that counts in a verified
// ledger of the node that a door log belongs to.
func (a *audit) nodeEntry(l *audited, author [32]byte, in func(*audited) map[[32]byte]nodeEntry) (by *audited, first nodeEntry, ok bool) {
	for _, n := range a.audited {
		e, has := in(n)[author]
		if !has || n.err != nil || n.report.Begin.Charter != l.report.Begin.Charter || (ok && !e.at.Before(first.at)) {
			continue
		}
		if word := a.authority(n); word.vouched && e.index < word.limit {
			by, first, ok = n, e, true
		}
	}
	return by, first, ok
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
	Removed   *removal `json:"removed,omitempty"`
	Error     *fault   `json:"error,omitempty"`

	settled bool // see authority
}

// removal is that of the gateway that wrote a door log.
type removal struct {
	Time stamp  `json:"time"`
	Why  string `json:"why"`
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
		Forks: a.forks[l.head.Origin], settled: by.settled,
	}
	if l.err == nil && l.head.Origin.Kind == ledger.DoorLog {
		if r, ok := a.removal(l, [32]byte(l.head.Author)); ok {
			v.Removed = &removal{stamp(r.at), r.why}
		}
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
