package gateway

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// lookAtEpochs reports for the node what is due, answers draws, and lets go of what
// was audited.
func (c *reporter) lookAtEpochs(ctx context.Context, now time.Time) error {
	over, err := c.db.audited(now.Add(-auditGrace).Unix())
	if err != nil {
		return err
	}
	for _, id := range over {
		if err := c.db.forget(ctx, id); err != nil {
			return err
		}
		c.Log.Info("an epoch was audited: what led from its tags to passports is gone", "epoch", id.String())
	}
	epochs, err := c.Folder.Epochs()
	if err != nil {
		return err
	}
	closings, err := c.closings()
	if err != nil {
		return err
	}
	var errs []error
	var figures CensusFigures
	for _, e := range c.closed(ctx, epochs, now) {
		err := c.epoch(ctx, e, closings[e.ID], now)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		row, ok, bad := c.db.epoch(e.ID)
		figures.count(row, ok)
		errs = append(errs, err, bad)
	}
	c.figures.Store(&figures)
	return errors.Join(errs...)
}

// count adds an epoch, of which nothing may be kept.
func (f *CensusFigures) count(row epochRow, kept bool) {
	switch {
	case !kept:
		f.Waiting++
	case row.state < reported:
		f.Working++
	default:
		f.Reported++
		if row.answered {
			f.Opened++
		}
	}
}

// maxEpochs bounds the epochs that are closed and not audited yet at a time: one
// offer of the evaluator's is enough for an issuer to open any number.
const maxEpochs = 16

// closed are the epochs that may be reported or opened now, those first that were
// opened first.
func (c *reporter) closed(ctx context.Context, epochs []folder.Epoch, now time.Time) (out []folder.Epoch) {
	more := 0
	for _, e := range epochs {
		switch {
		case now.Unix() >= e.Opened.Audit || now.Before(time.Unix(e.Opened.Closes, 0).Add(c.Times.Grace)):
		case len(out) < maxEpochs:
			out = append(out, e)
		default:
			more++
		}
	}
	what := ""
	if more > 0 {
		what = fmt.Sprintf("%d epochs have closed and are not audited yet, and at most %d are reported: an issuer opens too many, or has lost its key", len(out)+more, maxEpochs)
	}
	c.trouble(ctx, "census/epochs", what)
	return out
}

// epoch does what is due for one that has closed and is not audited yet.
func (c *reporter) epoch(ctx context.Context, e folder.Epoch, closing closing, now time.Time) error {
	row, ok, err := c.db.epoch(e.ID)
	if err != nil {
		return err
	}
	if row.state < attending {
		if !ok && closing.closed != nil {
			return c.lost(ctx, e) // a report would come too late
		}
		if back, err := c.standsBack(e, now); err != nil || back {
			return err
		}
	}
	if !ok {
		late := c.late(e, now)
		if len(late) > 0 && now.Before(c.turn(e).Add(c.Times.Patience/2)) {
			return nil
		}
		what := ""
		if len(late) > 0 {
			what = fmt.Sprintf("epoch %d is reported without what %s wrote last: whoever came by those doors alone is not counted", e.Opened.Number, strings.Join(late, ", "))
		}
		c.trouble(ctx, "census/siblings", what)
		if row, err = c.begin(e); err != nil {
			return err
		}
	}
	if row.state < reported {
		if !c.due(e.ID.String(), now) {
			return nil
		}
		err := c.advance(ctx, e, row)
		if errors.Is(err, errMore) {
			err = nil
		}
		c.failed(e.ID.String(), now, err)
		if quiet(err) {
			err = nil
		}
		return err
	}
	if err := c.acknowledge(ctx, e.ID, row); err != nil {
		return err
	}
	return c.answer(ctx, e, row, closing, now)
}

// lost tells, once, that this gateway reported an epoch of which it keeps nothing any
// more, so that it cannot open what is drawn.
func (c *reporter) lost(ctx context.Context, e folder.Epoch) error {
	if c.missed[e.ID] {
		return nil
	}
	logs, err := c.reportLedgers()
	if logs == nil && err != nil {
		return err
	}
	for _, i := range logs {
		if err := eachKind(c.Folder.Store(), i, 0, i.Size, ledger.KindReported, func(_ int64, _ ledger.Entry, b ledger.Body) error {
			if b.(*ledger.Reported).Epoch == e.ID {
				c.trouble(ctx, "census/draw", fmt.Sprintf("what was kept of epoch %d is gone from %s: what is drawn of this node's tags cannot be opened, and counts against it", e.Opened.Number, CensusFile))
			}
			return nil
		}); err != nil {
			return err
		}
	}
	c.missed[e.ID] = true
	return nil
}

func (c *reporter) begin(e folder.Epoch) (epochRow, error) {
	var salt [32]byte
	if _, err := io.ReadFull(c.Rand, salt[:]); err != nil {
		return epochRow{}, err
	}
	c.Log.Info("an epoch has closed: this gateway reports for its node", "epoch", e.Opened.Number)
	return c.db.begin(e.ID, e.Opened.Audit, salt)
}

// advance goes from state to state until the report is made, or something fails.
func (c *reporter) advance(ctx context.Context, e folder.Epoch, row epochRow) error {
	for row.state < reported {
		var err error
		switch row.state {
		case folding:
			err = c.fold(ctx, e, row)
		case evidenced:
			err = c.blind(ctx, e)
		case asking:
			err = c.askAll(ctx, e)
		case tagged:
			if back, bad := c.standsBack(e, c.Clock().Now); bad != nil || back {
				return bad
			}
			err = c.db.setState(ctx, e.ID, attending)
		case attending:
			err = c.report(ctx, e)
		}
		if err != nil {
			return err
		}
		if row, _, err = c.db.epoch(e.ID); err != nil {
			return err
		}
	}
	c.Log.Info("the node's report is made", "epoch", e.Opened.Number)
	return nil
}

// turn is when this gateway reports for its node, if no other does: the lowest key
// id goes first, and each next one a patience later.
func (c *reporter) turn(e folder.Epoch) time.Time {
	rank := 0
	for id := range c.View().Siblings {
		if bytes.Compare(id[:], c.Self[:]) < 0 {
			rank++
		}
	}
	return time.Unix(e.Opened.Closes, 0).Add(c.Times.Grace + time.Duration(rank)*c.Times.Patience)
}

// late are the siblings, by name, of whose door log not all until the close is here:
// they cannot be reached, or are behind, and signed no head since.
func (c *reporter) late(e folder.Epoch, now time.Time) []string {
	v := c.View()
	here := heardOf(c.Status(), v.Siblings, now)
	for id, name := range v.Siblings {
		logs, _ := DoorLogs(c.Folder.Store(), id) // what cannot be read is not here
		for _, i := range logs {
			here[name] = here[name] || int64(i.Time) >= e.Opened.Closes
		}
	}
	return missing(here)
}

// standsBack tells whether another gateway reports for the node, or has its turn
// first. Whose Attendances are in its door log reports, and goes on with it however
// often it restarts; only if it is not heard of for long does another take over. Two
// reports of a node do no harm: the hub counts each tag once.
func (c *reporter) standsBack(e folder.Epoch, now time.Time) (bool, error) {
	if now.Before(c.turn(e)) {
		return true, nil
	}
	v := c.View()
	for id := range v.Siblings {
		reports, err := c.reports(id, e)
		if err != nil {
			return false, err
		}
		if reports && now.Sub(c.seen[id]) < 2*c.Times.Patience {
			return true, nil
		}
	}
	return false, nil
}

// attended is what was found in a sibling's door log.
type attended struct {
	since int64 // it was looked through from this time on, Unix seconds
	upTo  int64
	of    map[ledger.EpochID]bool
}

// reports tells whether an epoch's Attendances stand in a sibling's door logs.
func (c *reporter) reports(sibling ledger.KeyID, e folder.Epoch) (bool, error) {
	s := c.Folder.Store()
	logs, err := DoorLogs(s, sibling)
	if logs == nil && err != nil {
		return false, err
	}
	for _, i := range logs {
		a := c.siblings[i.Origin]
		if a == nil || e.Opened.Closes < a.since || i.Size < a.upTo {
			a = &attended{since: e.Opened.Closes, of: map[ledger.EpochID]bool{}}
			if a.upTo, err = begin(s, i, time.Unix(e.Opened.Closes, 0)); err != nil {
				return false, err
			}
			c.siblings[i.Origin] = a
		}
		err := eachKind(s, i, a.upTo, i.Size, ledger.KindAttendance, func(_ int64, _ ledger.Entry, b ledger.Body) error {
			a.of[b.(*ledger.Attendance).Epoch] = true
			return nil
		})
		if err != nil {
			return false, err
		}
		if a.upTo = i.Size; a.of[e.ID] {
			return true, nil
		}
	}
	return false, nil
}

// eachKind opens the entries of one kind that still have their bodies.
func eachKind(s *store.Store, i store.Info, from, upTo int64, kind ledger.Kind, do func(index int64, e ledger.Entry, b ledger.Body) error) error {
	index := from - 1
	for e, err := range s.Entries(i, from, upTo) {
		if err != nil {
			return err
		}
		index++
		leaf, err := ledger.ParseLeaf(e.Leaf)
		if err != nil {
			return &ledger.At{First: index, Last: index, Err: err}
		}
		if leaf.Kind != kind || e.Dropped() {
			continue
		}
		_, body, err := e.Open(i.Origin.Kind, index)
		if err != nil {
			return &ledger.At{First: index, Last: index, Err: err}
		}
		if err := do(index, e, body); err != nil {
			return err
		}
	}
	return nil
}

// closing is what the hub wrote of an epoch: the first of each counts.
type closing struct {
	closed *ledger.EpochClosed
	draw   *ledger.Draw
	second bool // another draw follows
}

// closings reads the census ledgers of the hub, whose entries are few.
func (c *reporter) closings() (map[ledger.EpochID]closing, error) {
	out := map[ledger.EpochID]closing{}
	for r, err := range c.Folder.Counted(ledger.CensusLog) {
		if err != nil {
			return nil, err
		}
		switch b := r.Body.(type) {
		case *ledger.EpochClosed:
			if n := out[b.Epoch]; n.closed == nil {
				n.closed = b
				out[b.Epoch] = n
			}
		case *ledger.Draw:
			n := out[b.Epoch]
			switch valid := n.closed != nil && !n.closed.Withheld && b.Root == n.closed.Root && b.Size == n.closed.Size; {
			case n.draw != nil:
				n.second = n.second || b.Seed != n.draw.Seed
			case valid:
				n.draw = b
			}
			out[b.Epoch] = n
		}
	}
	return out, nil
}

// gateways are the signing keys of all that a steward ever enrolled, this one's among
// them. One that was removed since counts, too, for what its log holds here: it is
// the door keys that sign for a presence, and a gateway that broke is replaced.
func (c *reporter) gateways() (map[ledger.KeyID][32]byte, error) {
	keys := map[ledger.KeyID][32]byte{}
	for r, err := range c.Folder.Counted(ledger.NodeLog) {
		if err != nil {
			return nil, err
		}
		if b, ok := r.Body.(*ledger.GatewayEnrolled); ok {
			keys[ledger.KeyIDOf(b.Keys.Signing[:])] = b.Keys.Signing
		}
	}
	return keys, nil
}

// doorLogs are the node's logs of these gateways. The error names what cannot be
// read; it does not stop the rest.
func (c *reporter) doorLogs(gateways iter.Seq[ledger.KeyID]) ([]store.Info, error) {
	var all []store.Info
	var err error
	for _, id := range slices.SortedFunc(gateways, func(a, b ledger.KeyID) int { return bytes.Compare(a[:], b[:]) }) {
		logs, bad := DoorLogs(c.Folder.Store(), id)
		err = errors.Join(err, bad)
		for _, i := range logs {
			if i.Charter == c.Node {
				all = append(all, i)
			}
		}
	}
	return all, err
}
