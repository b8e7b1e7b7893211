package census

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"

	"tombolo/sync/ledger"
)

// An audit is four checks. Each is a function over plain data, which the caller
// fetched and whose heads it opened; each says what it looked at, and how it went.

// The names of the checks.
const (
	CheckedMine       = "mine"       // are those who hold receipts in the list?
	CheckedAll        = "all"        // is the list what was reported, the whole of it and nothing else?
	CheckedEvidence   = "evidence"   // does a random sample stand for people who were let in?
	CheckedConsistent = "consistent" // was everybody told the same?
)

// RulesVersion is how a list is made, as EpochClosed names it: what this package
// documents.
const RulesVersion = 1

// ErrClosed means that the close at hand is not the epoch's.
var ErrClosed = errors.New("the close is of another epoch")

// Check is the outcome of one check. Undone, it neither passed nor failed: What
// says what it lacked.
type Check struct {
	Name    string   `json:"name"`
	OK      bool     `json:"ok"`
	Undone  bool     `json:"undone,omitempty"`
	What    string   `json:"what"` // one sentence
	Details []string `json:"details,omitempty"`
}

// Failed reports whether the check found something wrong.
func (c Check) Failed() bool { return !c.OK && !c.Undone }

// maxDetails bounds what one check tells beside its verdict.
const maxDetails = 24

// finding gathers what a check finds.
type finding struct {
	bad   int
	lines []string
	more  int
}

// wrong notes something that fails the check.
func (f *finding) wrong(format string, args ...any) {
	f.bad++
	f.note(format, args...)
}

// note tells something that does not.
func (f *finding) note(format string, args ...any) {
	if len(f.lines) == maxDetails {
		f.more++
		return
	}
	f.lines = append(f.lines, fmt.Sprintf(format, args...))
}

// check is the outcome; good says what passed.
func (f *finding) check(name, good, bad string) Check {
	c := Check{Name: name, OK: f.bad == 0, What: good, Details: f.lines}
	if !c.OK {
		c.What = bad
	}
	if f.more > 0 {
		c.Details = append(c.Details, fmt.Sprintf("and %d more", f.more))
	}
	return c
}

func undone(name, what string) Check { return Check{Name: name, Undone: true, What: what} }

// Closed is an epoch's close as it stands in the hub's census ledger.
type Closed struct {
	Origin ledger.Origin
	Index  int64
	Time   int64 // the entry's, Unix milliseconds
	Body   ledger.EpochClosed
}

// sized tells whether the list may be so long. How long it is stays unsaid of a
// close that is withheld; that it is short is known.
func (c Closed) sized(n int64) bool {
	if c.Body.Withheld {
		return n >= 0 && n < ledger.Withheld
	}
	return uint64(n) == c.Body.Size
}

// had tells whether what the hub acknowledged at a time in Unix seconds had to be in
// the close. In the second of the close itself it may have come after it: nobody is
// convicted of that.
func (c Closed) had(held uint64) bool {
	return held != 0 && held <= math.MaxInt64 && int64(held) < c.Time/1000
}

// CheckMine redeems receipts: *mine*.
func CheckMine(r Rules, c Closed, l *List, receipts []Receipt) Check {
	if len(receipts) == 0 {
		return undone(CheckedMine, "No receipt was given: ask residents for theirs, which `tombolo census receipt` writes on their gateway.")
	}
	if l == nil {
		return undone(CheckedMine, "The list is not at hand, so that no receipt can be held against it.")
	}
	var f finding
	for i, receipt := range receipts {
		got, err := receipt.RedeemFrom(r, c, l)
		switch {
		case err != nil:
			f.wrong("receipt %d: %v", i+1, err)
		case got.Outcome.Included():
			f.note("receipt %d: %v", i+1, got.Outcome) // in which line is the resident's own
		default:
			f.wrong("receipt %d: %v", i+1, got.Outcome)
		}
	}
	return f.check(CheckedMine, fmt.Sprintf("Each of the %d receipts is in the list.", len(receipts)),
		fmt.Sprintf("%d of %d receipts are not in the list, or are none.", f.bad, len(receipts)))
}

// Tagged is a covered report with the tags that its parts bring, in order.
type Tagged struct {
	Covered
	Tags []byte
}

// Whole is what *all* looks at.
type Whole struct {
	Rules    Rules
	Closed   Closed
	List     []byte       // ledger.TagSize bytes a line; nil if it is not served
	Covers   []Covered    // to auditors whom the epoch names; to others without Count and TagsRoot, or nil
	Reports  []Tagged     // of all that is covered, to auditors whom the epoch names; nil to others
	Shown    []Shown      // Reported entries that residents' receipts or nodes' stewards bring
	Nodes    []Registered // as issuers registered them, with times in Unix milliseconds
	Progress func(done, total int64)
}

// CheckAll checks that the list is strictly sorted and hashes to the published
// root, that it covers what the close says, that every report that somebody can
// show to have been held in time is covered, and, for auditors whom the epoch
// names, that the list is made of the covered reports' tags and of nothing else:
// *all*. It gives the list, if it is one.
func CheckAll(w Whole) (Check, *List) {
	var f finding
	b := &w.Closed.Body
	if b.Rules != RulesVersion {
		return undone(CheckedAll, fmt.Sprintf("The epoch was closed by rules %d; checking it needs newer software.", b.Rules)), nil
	}
	if w.List == nil {
		if b.Withheld && w.Reports == nil {
			return undone(CheckedAll, fmt.Sprintf("The figure is withheld: fewer than %d were seen, and only auditors whom the epoch names get the list.", ledger.Withheld)), nil
		}
		return undone(CheckedAll, "The list is not at hand: the hub does not serve it."), nil
	}
	l, err := NewList(w.List)
	if err != nil {
		f.wrong("the list: %v", err)
		return f.check(CheckedAll, "", "The list is not strictly sorted: somebody may be in it twice."), nil
	}
	if !w.Closed.sized(l.Len()) {
		f.wrong("the list has %d lines, the close says %d", l.Len(), b.Size)
	}
	if root := l.Root(w.Progress); root != b.Root {
		f.wrong("the list hashes to %x, the close says %x", root, b.Root)
	}
	w.covers(&f)
	w.shown(&f)
	w.estate(&f)
	if w.Reports != nil {
		w.reports(&f, l)
	}
	good := fmt.Sprintf("Nobody is in the list twice, and it is the one that the hub closed with, of %d reports.", b.Reports)
	if w.Reports != nil {
		good += " It holds every tag that they report, and no other."
	} else {
		good += " That it holds what they report and nothing else, only auditors whom the epoch names can see."
	}
	return f.check(CheckedAll, good, "The list is not what was reported."), l
}

// covers checks what the close says that it covers.
func (w Whole) covers(f *finding) {
	b, named := &w.Closed.Body, w.Reports != nil
	if w.Covers == nil && !named {
		f.note("the hub does not say which reports it covers")
		return
	}
	if len(w.Covers) != int(b.Reports) || named && CoversHash(w.Covers) != b.Covers {
		f.wrong("the %d reports that are named are not the %d that the close covers", len(w.Covers), b.Reports)
	}
	var sum uint64
	reported := map[ledger.CharterID]bool{}
	for _, c := range w.Covers {
		sum += min(c.Count, 1<<40)
		reported[c.Node] = true
		g, ok := w.Rules.Gateways[c.Origin.Author]
		if !ok || !g.Of(c.Node) || c.Origin.Community != w.Rules.Community {
			f.wrong("the report of %v is by nobody who may report for node %.8x", c.Origin.Author, c.Node[:])
		}
		if named && !b.Withheld && c.Count > b.Size {
			f.wrong("node %.8x reported %d tags, and the list has %d", c.Node[:], c.Count, b.Size)
		}
	}
	if named && b.Size > sum {
		f.wrong("%d tags were reported, and the list has %d", sum, b.Size)
	}
	told := map[ledger.CharterID]bool{}
	for _, n := range w.Nodes {
		if node := n.Body.Node; !reported[node] && !told[node] {
			told[node] = true
			f.note("no report of node %q is covered: whoever was only there is not counted", n.Body.Slug)
		}
	}
}

// estate holds the real estate against the issuers' ledgers: of the close's time, or
// of now, since what they wrote may have come to the hub late.
func (w Whole) estate(f *finding) {
	b := &w.Closed.Body
	says, now := Estate{b.Nodes, b.Doors, b.Floor}, Footprint(w.Nodes)
	then := Footprint(slices.DeleteFunc(slices.Clone(w.Nodes), func(n Registered) bool { return n.Time > w.Closed.Time }))
	switch {
	case w.Nodes == nil || says == now || says == then:
	case says.Nodes > max(now.Nodes, then.Nodes) || says.Doors > max(now.Doors, then.Doors) || says.Floor > max(now.Floor, then.Floor):
		f.wrong("the close says %d nodes, %d doors and %d m², and the issuers registered %d, %d and %d", says.Nodes, says.Doors, says.Floor, then.Nodes, then.Doors, then.Floor)
	default:
		f.note("the close says %d nodes, %d doors and %d m²; by now the issuers registered %d, %d and %d", says.Nodes, says.Doors, says.Floor, now.Nodes, now.Doors, now.Floor)
	}
}

// shown checks that reports which the hub held before it closed are covered.
func (w Whole) shown(f *finding) {
	for i, s := range w.Shown {
		reported, head, _, err := w.Rules.openReport(s, w.Rules.holders()...)
		if err != nil {
			f.wrong("report %d that was brought: %v", i+1, err)
			continue
		}
		held, err := w.Rules.held(s)
		switch {
		case w.isCovered(head.Origin, s.Index, reported):
		case err != nil || held == 0:
			f.note("a report of node %.8x is not covered, and nothing shows that the hub ever had it", reported.Node[:])
		case !w.Closed.had(held):
			f.note("a report of node %.8x reached the hub when the epoch had been closed", reported.Node[:])
		default:
			f.wrong("a report of node %.8x of %d tags is not covered, and the hub held it before it closed: it was suppressed", reported.Node[:], reported.Count)
		}
	}
}

// isCovered tells it of a report; who is not named cannot see what is covered of it.
func (w Whole) isCovered(o ledger.Origin, index int64, b *ledger.Reported) bool {
	if w.Reports != nil {
		return isCovered(w.Covers, o, index, b)
	}
	return w.Covers == nil || slices.ContainsFunc(w.Covers, func(c Covered) bool { return c.Origin == o && index < c.Size && c.Node == b.Node })
}

// reports holds the list against the covered reports' own tags, both ways.
func (w Whole) reports(f *finding, l *List) {
	backed := make([]uint64, (l.Len()+63)/64) // a bit for each line: some report brings just that line
	brought, covered := map[ledger.Origin]bool{}, map[Covered]bool{}
	for _, c := range w.Covers {
		covered[c] = true
	}
	for _, r := range w.Reports {
		if !covered[r.Covered] || brought[r.Origin] {
			f.wrong("tags of a report of node %.8x that is not covered, or twice", r.Node[:])
			continue
		}
		brought[r.Origin] = true
		own, err := NewList(r.Tags)
		if err != nil || uint64(own.Len()) != r.Count || own.Root(nil) != r.TagsRoot {
			f.wrong("the tags of node %.8x are not those that it reported", r.Node[:])
			continue
		}
		missing := 0
		for i := range own.Len() {
			e := own.At(i)
			at, ok := l.Find(e.Tag)
			if !ok {
				missing++
				continue
			}
			switch listed := l.At(at).Commitment; bytes.Compare(listed[:], e.Commitment[:]) {
			case 0:
				backed[at/64] |= 1 << (at % 64)
			case 1:
				f.wrong("line %d has not the lowest of its commitments", at)
			}
		}
		if missing > 0 {
			f.wrong("%d tags that node %.8x reported are not in the list", missing, r.Node[:])
		}
	}
	if n := len(w.Covers) - len(brought); n > 0 {
		f.wrong("the tags of %d covered reports were not given", n)
	}
	invented, first := int64(0), int64(-1)
	for i := range l.Len() {
		if backed[i/64]&(1<<(i%64)) == 0 {
			if invented++; first < 0 {
				first = i
			}
		}
	}
	if invented > 0 {
		e := l.At(first)
		f.wrong("%d lines of the list are in no report, the first is %s", invented, hex.EncodeToString(e.Tag[:]))
	}
}
