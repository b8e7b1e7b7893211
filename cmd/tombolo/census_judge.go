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
	if closed.Body.Size > census.MaxSize {
		return census.Report{}, nil, fmt.Errorf("the close says %d passports, which no list can hold", closed.Body.Size)
	}
	all, list := g.checkAll(closed)
	out := census.Audited{Rules: g.rules, Closed: closed, Head: g.noteOf[closed.Origin], Draw: g.draw()}
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
	report := census.NewReport(out)
	return report, forks, g.compare(&report)
}

// compare holds others' reports against this one: their heads were taken in, and what
// else they say belongs to *consistent*.
func (g *gathering) compare(r *census.Report) error {
	for _, other := range g.others {
		c, err := census.Compare(*r, other)
		if err != nil {
			return err
		}
		for i := range r.Checks {
			if r.Checks[i].Name == census.CheckedConsistent && c.Failed() {
				for _, what := range c.Details {
					failCheck(&r.Checks[i], "another auditor's report: %s", what)
				}
			}
		}
	}
	return nil
}

// checkAll is for whom the epoch names; to others it is not published how many each
// node reported, as that would say who was where.
func (g *gathering) checkAll(closed census.Closed) (census.Check, *census.List) {
	w := census.Whole{
		Rules: g.rules, Closed: closed, List: g.list, Covers: g.covers, Reports: g.reports, Nodes: g.nodes, Shown: g.brought,
		Progress: func(done, total int64) { g.bar.at("hash", done, total) },
	}
	for _, r := range g.receipts {
		w.Shown = append(w.Shown, r.Opening.Report)
	}
	c, list := census.CheckAll(w)
	if g.named && !g.whole && !c.Failed() {
		c = census.Check{Name: c.Name, Undone: true, Details: c.Details,
			What: "The hub does not give the reports to this auditor, whom the epoch names: what the list was made of could not be seen. Ask again; a hub that goes on refusing has something to hide."}
	}
	return c, list
}

// checkEvidence is only for whom the epoch names: to others nothing is opened.
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
	s := census.Sample{Rules: g.rules, Closed: closed, List: list, Draws: g.draws, Beacon: a.seed(), Answers: g.answers, Early: g.Now().Unix() < g.epoch.Audit}
	return census.CheckEvidence(s)
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
		Rules: g.rules, Histories: histories, Closings: g.closings, Draws: g.draws, Beacon: a.seed(), Covers: g.covers, Reported: g.reported, Opened: g.epoch.opened.Unix(),
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
	for _, p := range g.besides {
		c.Details = append(c.Details, fmt.Sprintf("epoch %d was opened for the same days, too, as %v: it has another figure", p.Number, p.id))
	}
	if g.elsewhere > 0 {
		c.Details = append(c.Details, count(g.elsewhere, "opening answers", "openings answer")+" another draw than this one: ask the gateways who drew")
	}
	return c, append(forks, held...), nil
}

// failCheck adds something that is wrong to a check.
func failCheck(c *census.Check, format string, args ...any) {
	if c.OK || c.Undone {
		c.OK, c.Undone, c.What = false, false, "Not everybody was told the same."
	}
	c.Details = append(c.Details, fmt.Sprintf(format, args...))
}
