package gateway

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// maxSample bounds the draws that are answered: whoever draws more than that wants
// everybody.
const maxSample = 100_000

// answer opens what was drawn of this gateway's tags to the epoch's auditors. The
// first draw is answered, and no other, whoever signed it.
func (c *reporter) answer(ctx context.Context, e folder.Epoch, row epochRow, n closing, now time.Time) error {
	if n.draw == nil {
		return nil
	}
	other := len(row.seed) > 0 && !bytes.Equal(row.seed, n.draw.Seed[:])
	if (n.second || other) && !row.told {
		c.Log.Error("the hub drew from an epoch a second time", "epoch", e.Opened.Number)
		c.Fault(ctx, "census/draw", fmt.Sprintf("a second draw from epoch %d: it is not answered", e.Opened.Number), false)
		if err := c.setEpoch(ctx, e.ID, "told = 1"); err != nil {
			return err
		}
	}
	what := "draw " + e.ID.String()
	if other || row.answered || !c.due(what, now) {
		return nil
	}
	if e.Opened.Sample > maxSample {
		c.trouble(ctx, "census/draw", fmt.Sprintf("epoch %d draws %d tags, and at most %d are opened: nothing is", e.Opened.Number, e.Opened.Sample, maxSample))
		return nil
	}
	if len(row.seed) == 0 {
		if err := c.setEpoch(ctx, e.ID, "seed = ?", n.draw.Seed[:]); err != nil {
			return err
		}
	}
	err := c.openDrawn(ctx, e, row, n.draw)
	c.failed(what, now, err)
	if err == nil {
		err = c.setEpoch(ctx, e.ID, "answered = 1")
	}
	if quiet(err) {
		err = nil
	}
	return err
}

// setEpoch changes an epoch's row.
func (c *reporter) setEpoch(ctx context.Context, id ledger.EpochID, set string, args ...any) error {
	return c.db.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE epoch SET "+set+" WHERE id = ?", append(args, id[:])...)
		return err
	})
}

// openDrawn asks the hub which lines were drawn, and opens those that are.
func (c *reporter) openDrawn(ctx context.Context, e folder.Epoch, row epochRow, draw *ledger.Draw) error {
	hub, ok, err := c.Folder.HubAuthor()
	if err != nil || !ok {
		return err
	}
	opened, err := c.opened(e.ID, draw.Seed)
	if err != nil {
		return err
	}
	list, err := c.list(e.ID)
	if err != nil {
		return err
	}
	for after, more := int64(-1), true; more; {
		if err := c.audited(e); err != nil {
			return err // a hub that answers slowly holds nothing back from being let go of
		}
		reply, err := c.request(ctx, ledger.KeyIDOf(hub[:]), census.DrawnAsk{Epoch: e.ID, Seed: draw.Seed, After: after}.Marshal())
		if err != nil {
			return err
		}
		a, err := census.ParseDrawnAnswer(reply)
		if err == nil {
			err = a.Verify(draw, e.Opened.Sample, after)
		}
		if err != nil {
			c.trouble(ctx, "census/hub", fmt.Sprintf("what the hub says was drawn from epoch %d is not so: %v", e.Opened.Number, err))
			return fmt.Errorf("%w: %w", errLater, err)
		}
		for _, line := range a.Lines {
			if err := c.openTag(ctx, e, row, draw, line.Entry.Tag, list, opened); err != nil {
				return err
			}
			after = line.Index
		}
		more = a.More
	}
	c.trouble(ctx, "census/hub", "")
	return nil
}

// box is an opening that was written: whose tag, to whom.
type box struct{ tag, auditor [32]byte }

// opened are those that stand in the report ledgers already.
func (c *reporter) opened(id ledger.EpochID, seed [32]byte) (map[box]bool, error) {
	out := map[box]bool{}
	logs, err := c.reportLedgers()
	if logs == nil && err != nil {
		return nil, err
	}
	for _, i := range logs {
		if err := eachKind(c.Folder.Store(), i, 0, i.Size, ledger.KindOpened, func(_ int64, _ ledger.Entry, b ledger.Body) error {
			if o := b.(*ledger.Opened); o.Epoch == id && o.Draw == seed {
				out[box{o.Tag, o.Auditor}] = true
			}
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// openTag opens one tag to each auditor. A tag that is not this gateway's the hub
// cannot have opened.
func (c *reporter) openTag(ctx context.Context, e folder.Epoch, row epochRow, draw *ledger.Draw, tag census.Tag, list *census.List, opened map[box]bool) error {
	mine, err := c.db.presences(e.ID, "tag = ?", tag[:])
	if err != nil || len(mine) == 0 {
		return err
	}
	var missing []ledger.Auditor
	for _, a := range e.Opened.Auditors {
		if !opened[box{tag, a.Sealing}] {
			missing = append(missing, a)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	o, err := c.open(e, row, mine[0], list, nil, false)
	if err != nil {
		// The others are opened all the same; for this one no answer counts against.
		c.Log.Error("a tag cannot be opened", "epoch", e.Opened.Number, "err", err)
		return nil
	}
	for _, a := range missing {
		sealed, err := census.Seal(census.Sealing{Community: mine[0].log.Community, Epoch: e.ID, Draw: draw.Seed, Tag: tag, Auditor: a.Sealing}, o)
		if err != nil {
			c.Log.Error("a tag cannot be opened to an auditor", "auditor", a.Name, "err", err)
			continue
		}
		if err := errors.Join(c.audited(e), ctx.Err()); err != nil {
			return err
		}
		if _, err := c.say(ctx, store.Draft{Body: &ledger.Opened{Epoch: e.ID, Draw: draw.Seed, Tag: tag, Auditor: a.Sealing, Sealed: sealed}, Time: c.Clock().Now}); err != nil {
			return err
		}
		opened[box{tag, a.Sealing}] = true
	}
	return c.rest(ctx)
}

// audited is nil while an epoch's audit goes on: from then on nothing is opened.
func (c *reporter) audited(e folder.Epoch) error {
	if now := c.Clock(); !now.Known() || now.Now.Unix() >= e.Opened.Audit {
		return fmt.Errorf("%w: its audit is over, or there is no clock", errLater)
	}
	return nil
}

// open puts together what shows that a tag is a passport's, and verifies it as an
// auditor will. full discloses door and time, as the resident agreed. head is one of
// the report ledger that the hub has signed as well, or nil.
func (c *reporter) open(e folder.Epoch, row epochRow, p presence, list *census.List, head *ledger.Head, full bool) (census.Opening, error) {
	none := census.Opening{}
	body, report, err := c.shownReport(row, head)
	if err != nil {
		return none, err
	}
	log, err := c.ledger(row.log)
	if err != nil {
		return none, err
	}
	attendance, err := c.entry(log.Origin, p.attended)
	if err != nil {
		return none, err
	}
	issuer, err := c.ledger(p.admitted)
	if err != nil {
		return none, err
	}
	admit, err := c.entry(issuer.Origin, p.admit)
	if err != nil {
		return none, err
	}
	s := c.Folder.Store()
	admission, err := census.Show(s.Reader(issuer), issuer.Head, p.admit, admit)
	if err != nil {
		return none, err
	}
	k := census.Case{
		Community: p.log.Community, Opened: e.Opened, Passport: p.passport, Blind: p.blind, Evaluation: p.evaluation, Salt: p.secret.TagSalt(),
		Attendance: attendance, Index: p.attended, DoorLog: s.Reader(log), Reported: body,
		Delegation: p.delegation, Admission: admission, Tags: list, Report: report,
	}
	if full {
		if k.Full, err = c.disclose(p); err != nil {
			return none, err
		}
	}
	o, err := k.Open()
	if err != nil {
		return none, err
	}
	rules, err := c.rules(e)
	if err != nil {
		return none, err
	}
	return o, (census.Receipt{Opening: o}).Verify(rules)
}

func (c *reporter) ledger(name string) (store.Info, error) {
	o, err := ledger.ParseOrigin(name)
	if err != nil {
		return store.Info{}, fmt.Errorf("%w: %w", errCensusFile, err)
	}
	return c.Folder.Store().Ledger(o)
}

// shownReport shows the Reported entry against the newest head, or another one.
func (c *reporter) shownReport(row epochRow, head *ledger.Head) (*ledger.Reported, census.Shown, error) {
	i, err := c.ledger(row.report)
	if err != nil {
		return nil, census.Shown{}, err
	}
	if head == nil {
		head = &i.Head
	}
	entry, err := c.entry(i.Origin, row.entry)
	if err != nil {
		return nil, census.Shown{}, err
	}
	_, b, err := entry.Open(ledger.ReportLog, row.entry)
	if err != nil {
		return nil, census.Shown{}, err
	}
	body, ok := b.(*ledger.Reported)
	if !ok {
		return nil, census.Shown{}, fmt.Errorf("%v: entry %d is no report", i.Origin, row.entry)
	}
	shown, err := census.Show(c.Folder.Store().Reader(i), *head, row.entry, entry)
	return body, shown, err
}

// disclose shows the decision and the passage.
func (c *reporter) disclose(p presence) (*census.Full, error) {
	i, err := c.Folder.Store().Ledger(p.log)
	if err != nil {
		return nil, err
	}
	decision, err := c.entry(p.log, p.decision)
	if err != nil {
		return nil, err
	}
	passage, err := c.entry(p.log, p.passage)
	if err != nil {
		return nil, err
	}
	if decision.Dropped() || passage.Dropped() {
		return nil, errors.New("door and time were let go of with the door log's old entries: ask for a receipt without them")
	}
	seen := census.Seen{Log: p.log, Decision: p.decision, Passage: p.passage, DecisionLeaf: p.made, PassageLeaf: p.passed}
	return census.Disclose(c.Folder.Store().Reader(i), i.Head, seen, decision, passage, p.secret.SeenSalt())
}

// rules are what an auditor verifies by, as far as this gateway knows them.
func (c *reporter) rules(e folder.Epoch) (census.Rules, error) {
	chain, err := c.Folder.Community()
	if err != nil {
		return census.Rules{}, err
	}
	r := census.Rules{Community: chain.ID(), Opened: e.Opened, Chain: chain, Gateways: map[ledger.KeyID]census.Gateway{}}
	keys, err := c.gateways()
	if err != nil {
		return r, err
	}
	for id, key := range keys {
		r.Gateways[id] = census.Gateway{Key: key[:], Node: c.Node}
	}
	return r, nil
}
