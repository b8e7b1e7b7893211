package census_test

import (
	"bytes"
	"crypto/ed25519"
	"io"
	"slices"
	"testing"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// evaluate makes a visit's tag.
func (w *world) evaluate(tb testing.TB, v *visit) {
	tb.Helper()
	v.blind, v.evaluation, v.tag = tagOf(tb, w.key, w.rnd, w.community, w.opened.ID(), v.who.id)
}

func tagOf(tb testing.TB, key census.Key, rnd io.Reader, community ledger.CharterID, epoch ledger.EpochID, id uint64) (census.Blind, census.Evaluation, census.Tag) {
	tb.Helper()
	input := census.Input(community, epoch, id)
	blind, err := census.NewBlind(rnd)
	if err != nil {
		tb.Fatal(err)
	}
	element, err := blind.Element(input)
	if err != nil {
		tb.Fatal(err)
	}
	evaluation, err := key.Evaluate(element)
	if err != nil {
		tb.Fatal(err)
	}
	tag, err := census.Finish(key.Public(), input, blind, evaluation)
	if err != nil {
		tb.Fatal(err)
	}
	return blind, evaluation, tag
}

func (v *visit) line(w *world) []byte {
	c := census.Commit(v.secret.TagSalt(), census.LeafHash(w.doors[0].entries[v.index]), v.who.delegation)
	return append(v.tag[:], c[:]...)
}

// report is what the reporter does when the epoch has closed, and the hub after
// it.
func (w *world) report(tb testing.TB) {
	tb.Helper()
	for _, v := range w.visits {
		w.evaluate(tb, v)
	}
	slices.SortFunc(w.visits, func(a, b *visit) int { return bytes.Compare(a.tag[:], b.tag[:]) })
	var tags []byte
	for _, v := range w.visits {
		v.index = w.doors[0].add(tb, closes+300, &v.attendance)
		tags = append(tags, v.line(w)...)
	}
	var err error
	if w.own, err = census.NewList(tags); err != nil {
		tb.Fatal(err)
	}
	w.reports.add(tb, closes+301, &ledger.CensusTags{Epoch: w.opened.ID(), Tags: tags})
	w.reported = &ledger.Reported{Epoch: w.opened.ID(), Node: w.node, Parts: 1, Count: uint64(len(w.visits)), Root: w.own.Root(nil),
		Log: ledger.Source{Origin: w.doors[0].origin.String(), Size: w.doors[0].tree.Size()}, Head: w.doors[0].tree.Root()}
	if w.twist.reported != nil {
		w.twist.reported(w.reported)
	}
	w.reportAt = w.reports.add(tb, closes+302, w.reported)
	w.hold = w.reports.head(tb, closes+310)
	if w.held != 0 {
		w.hold = w.reports.head(tb, uint64(w.held), ledger.Cosigner{Role: ledger.RoleHold, Key: ed25519.PublicKey(named("hub-hold"))})
	}
	w.covered = census.Covered{Origin: w.reports.origin, Size: w.reports.tree.Size(), Root: w.reports.tree.Root(), Node: w.reported.Node, Count: w.reported.Count, TagsRoot: w.reported.Root}
	w.close(tb, tags, w.covered)
}

// close makes the list of some lines, with strangers so that it may be published.
func (w *world) close(tb testing.TB, tags []byte, covered ...census.Covered) {
	tb.Helper()
	all := slices.Clone(tags)
	for len(all)/ledger.TagSize < ledger.Withheld {
		var line [ledger.TagSize]byte
		w.rnd.Read(line[:])
		all = append(all, line[:]...)
	}
	var err error
	if w.list, err = census.NewList(census.Merge(all, nil)); err != nil {
		tb.Fatal(err)
	}
	w.closed = census.Closed{Origin: ledger.Origin{Community: w.community, Kind: ledger.CensusLog, Author: ledger.KeyIDOf(public(named("hub")))}, Index: 1, Time: 1000 * (closes + 3600),
		Body: ledger.EpochClosed{Epoch: w.opened.ID(), Size: uint64(w.list.Len()), Root: w.list.Root(nil), Rules: census.RulesVersion, Reports: uint32(len(covered)),
			Covers: census.CoversHash(covered), Nodes: 1, Doors: 2, Floor: 120}}
}

// open makes the opening of a visit.
func (w *world) open(tb testing.TB, v *visit, full bool) census.Opening {
	tb.Helper()
	c := census.Case{Community: w.community, Opened: w.opened, Passport: v.who.id, Blind: v.blind, Evaluation: v.evaluation, Salt: v.secret.TagSalt(),
		Attendance: w.doors[0].entries[v.index], Index: v.index, DoorLog: w.doors[0], Reported: w.reported, Delegation: v.who.delegation,
		Admission: w.issuer.show(tb, w.issuer.head(tb, closes), v.who.admitted), Tags: w.own, Report: w.reports.show(tb, w.hold, w.reportAt)}
	if full {
		log := w.doors[v.gateway]
		var err error
		if c.Full, err = census.Disclose(log, log.head(tb, closes+400), v.seen, log.entries[v.seen.Decision], log.entries[v.seen.Passage], v.secret.SeenSalt()); err != nil {
			tb.Fatal(err)
		}
	}
	o, err := c.Open()
	if err != nil {
		tb.Fatal(err)
	}
	return o
}

func (w *world) listed(tb testing.TB, v *visit) census.Entry {
	tb.Helper()
	i, ok := w.list.Find(v.tag)
	if !ok {
		tb.Fatal("the tag is not in the list")
	}
	return w.list.At(i)
}
