package main

import (
	"errors"
	"fmt"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// errNotClosed is why an epoch cannot be audited yet.
var errNotClosed = errors.New("the hub has not closed this epoch yet")

// judge does the checks that are wanted, and puts the report together.
func (g *gathering) judge(a *auditFlags) (census.Report, []ledger.Fork, error) {
	closed, ok := g.closed()
	if !ok {
		return census.Report{}, nil, fmt.Errorf("%w: it closes on %s, and reports take some hours to come in", errNotClosed, when(unix(g.epoch.Closes)))
	}
	all, list := g.checkAll(closed)
	out := census.Audited{Rules: g.rules, Closed: closed, Head: g.head, Draw: g.draw()}
	var forks []ledger.Fork
	for _, name := range checkNames {
		if !a.wants(name) {
			continue
		}
		var c census.Check
		switch name {
		case census.CheckedMine:
			c = census.CheckMine(g.rules, closed, list, g.receipts)
		case census.CheckedAll:
			c = all
		case census.CheckedEvidence:
			c, out.Drawn = g.checkEvidence(closed, list, a)
		case census.CheckedConsistent:
			var err error
			if c, forks, err = g.checkConsistent(a); err != nil {
				return census.Report{}, nil, err
			}
		}
		out.Checks = append(out.Checks, c)
	}
	if len(out.Drawn) == 0 {
		out.Draw = nil
	}
	return census.NewReport(out), forks, nil
}

func (g *gathering) checkAll(closed census.Closed) (census.Check, *census.List) {
	if !g.whole {
		return g.checkListed(closed)
	}
	w := census.Whole{
		Rules: g.rules, Closed: closed, List: g.list, Covers: g.covers, Reports: g.reports, Nodes: g.nodes,
		Progress: func(done, total int64) { g.bar.at("hash", done, total) },
	}
	for _, r := range g.receipts {
		w.Shown = append(w.Shown, r.Opening.Report)
	}
	w.Shown = append(w.Shown, g.brought...)
	return census.CheckAll(w)
}

// checkListed is what everybody can check of *all*: how many each node reported is
// published to nobody, as it would say who was where, so that what the list was
// made of is for the auditors whom the epoch names.
func (g *gathering) checkListed(closed census.Closed) (census.Check, *census.List) {
	b, c := &closed.Body, census.Check{Name: census.CheckedAll}
	switch {
	case b.Rules != census.RulesVersion:
		c.Undone, c.What = true, fmt.Sprintf("The epoch was closed by rules %d; checking it needs newer software.", b.Rules)
		return c, nil
	case b.Withheld:
		c.Undone, c.What = true, fmt.Sprintf("The figure is withheld: fewer than %d were seen, and only auditors whom the epoch names get the list.", ledger.Withheld)
		return c, nil
	case g.list == nil:
		c.Undone, c.What = true, "The list is not at hand."
		return c, nil
	}
	l, err := census.NewList(g.list)
	if err != nil {
		c.What, c.Details = "The list is not strictly sorted: somebody may be in it twice.", []string{err.Error()}
		return c, nil
	}
	c.OK = true
	fail := func(format string, args ...any) {
		c.OK, c.Details = false, append(c.Details, fmt.Sprintf(format, args...))
	}
	if uint64(l.Len()) != b.Size {
		fail("the list has %d lines, the close says %d", l.Len(), b.Size)
	}
	if root := l.Root(func(done, total int64) { g.bar.at("hash", done, total) }); root != b.Root {
		fail("the list hashes to %x, the close says %x", root, b.Root)
	}
	if g.covers != nil && len(g.covers) != int(b.Reports) {
		fail("%d reports are named, and the close covers %d", len(g.covers), b.Reports)
	}
	for _, r := range g.covers {
		if gw, ok := g.rules.Gateways[r.Origin.Author]; !ok || gw.Node != r.Node {
			fail("the report of %v is by nobody who may report for node %.8x", r.Origin.Author, r.Node[:])
		}
	}
	c.What = "The list is not what the hub closed with."
	if c.OK {
		c.What = fmt.Sprintf("The list is strictly sorted and hashes to the published root, of %s. That it holds their tags and no other is for auditors to see whom the epoch names.",
			count(int(b.Reports), "report", "reports"))
	}
	return c, l
}

// checkEvidence is only for whom the epoch names: to others nothing is opened.
// While there is time left to answer, tags without an answer decide nothing.
func (g *gathering) checkEvidence(closed census.Closed, list *census.List, a *auditFlags) (census.Check, []census.Drawn) {
	undone := func(format string, args ...any) census.Check {
		return census.Check{Name: census.CheckedEvidence, Undone: true, What: fmt.Sprintf(format, args...)}
	}
	switch {
	case g.key == nil:
		return undone("Drawn tags are opened to auditors whom the epoch names, and there is no auditor's key here (--key)."), nil
	case !g.named:
		return undone("The epoch does not name this auditor, so that nothing was opened to it: %s are named.", auditorsOr(g.epoch.Auditors)), nil
	}
	s := census.Sample{Rules: g.rules, Closed: closed, List: list, Beacon: a.seed(), Answers: g.answers}
	for _, d := range g.draws {
		if d.Body.Epoch == g.epoch.id {
			s.Draws = append(s.Draws, d)
		}
	}
	c, drawn := census.CheckEvidence(s)
	good, bad, unanswered := census.Tally(drawn)
	if early := g.Now().Unix() < g.epoch.Audit; early && c.Failed() && bad == 0 && unanswered > 0 {
		c.Undone = true
		c.What = fmt.Sprintf("Of %d drawn tags %d are good, and %d were not opened yet: there is time until %s. Ask again.", len(drawn), good, unanswered, when(unix(g.epoch.Audit)))
	}
	return c, drawn
}

func auditorsOr(all []ledger.Auditor) string {
	if len(all) == 0 {
		return "none"
	}
	return auditorNames(all)
}

func (a *auditFlags) seed() *[32]byte {
	if a.beacon == (hex32{}) {
		return nil
	}
	return (*[32]byte)(&a.beacon)
}

// checkConsistent adds to what the heads show the forks that came to light when
// the ledgers were taken in.
func (g *gathering) checkConsistent(a *auditFlags) (census.Check, []ledger.Fork, error) {
	histories, err := g.histories()
	if err != nil {
		return census.Check{}, nil, err
	}
	c, forks := census.CheckConsistent(census.Consistency{
		Rules: g.rules, Histories: histories, Closings: g.closings, Draws: g.draws, Beacon: a.seed(), Reported: g.reported,
	})
	held, err := g.Store().Forks()
	if err != nil {
		return c, nil, err
	}
	for _, f := range held {
		head, _, err := f.Heads()
		if err != nil {
			return c, nil, err
		}
		failCheck(&c, "%v signed two histories of its %s ledger", head.Origin.Author, head.Origin.Kind)
	}
	g.checkDoorLogs(&c)
	return c, append(forks, held...), nil
}

// checkDoorLogs holds heads of door logs that somebody kept, as a sibling of the
// gateway does, against what its reports say that they were.
func (g *gathering) checkDoorLogs(c *census.Check) {
	for _, r := range g.reported {
		o, err := ledger.ParseOrigin(r.Log.Origin)
		if err != nil {
			continue
		}
		for _, h := range g.heads[o] {
			if h.Size == r.Log.Size && h.Root != r.Head {
				failCheck(c, "the report of node %.8x names another head of the door log of %v at %d entries than the gateway had signed: it was rewritten", r.Node[:], o.Author, h.Size)
			}
		}
	}
}

// failCheck adds something that is wrong to a check.
func failCheck(c *census.Check, format string, args ...any) {
	if c.OK || c.Undone {
		c.OK, c.Undone, c.What = false, false, "Not everybody was told the same."
	}
	c.Details = append(c.Details, fmt.Sprintf(format, args...))
}
