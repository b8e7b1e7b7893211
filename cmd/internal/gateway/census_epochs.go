package gateway

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"slices"
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
	for _, e := range epochs {
		if now.Unix() >= e.Opened.Audit || now.Before(time.Unix(e.Opened.Closes, 0).Add(c.Times.Grace)) {
			continue
		}
		err := c.epoch(ctx, e, closings[e.ID], now)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// epoch does what is due for one that has closed and is not audited yet.
func (c *reporter) epoch(ctx context.Context, e folder.Epoch, closing closing, now time.Time) error {
	row, ok, err := c.db.epoch(e.ID)
	if err != nil {
		return err
	}
	if row.state < attending {
		if !ok && closing.closed != nil {
			return nil // it would come too late
		}
		if back, err := c.standsBack(e, now); err != nil || back {
			return err
		}
	}
	if !ok {
		if row, err = c.begin(e); err != nil {
			return err
		}
	}
	if row.state < reported {
		if !c.due(e.ID.String(), now) {
			return nil
		}
		err := c.advance(ctx, e, row)
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

// standsBack tells whether another gateway reports for the node, or has its turn
// first: the lowest key id goes first, and each next one a patience later. Whose
// Attendances are in its door log reports, and goes on with it however often it
// restarts; only if it is not heard of for long does another take over. Two reports
// of a node do no harm: the hub counts each tag once.
func (c *reporter) standsBack(e folder.Epoch, now time.Time) (bool, error) {
	v := c.View()
	rank := 0
	for id := range v.Siblings {
		if bytes.Compare(id[:], c.Self[:]) < 0 {
			rank++
		}
	}
	turn := time.Unix(e.Opened.Closes, 0).Add(c.Times.Grace + time.Duration(rank)*c.Times.Patience)
	if now.Before(turn) {
		return true, nil
	}
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

// gateways are the signing keys of those that are enrolled now, this one's among
// them.
func (c *reporter) gateways() map[ledger.KeyID][32]byte {
	keys := map[ledger.KeyID][32]byte{}
	for _, g := range c.View().Gateways {
		keys[ledger.KeyIDOf(g.Keys.Signing[:])] = g.Keys.Signing
	}
	return keys
}

// doorLogs are the logs whose word counts for the node's report, with the signing
// keys of their gateways.
func (c *reporter) doorLogs() ([]store.Info, map[ledger.KeyID][32]byte, error) {
	keys := c.gateways()
	var all []store.Info
	var err error
	for _, id := range slices.SortedFunc(maps.Keys(keys), func(a, b ledger.KeyID) int { return bytes.Compare(a[:], b[:]) }) {
		logs, bad := DoorLogs(c.Folder.Store(), id)
		err = errors.Join(err, bad)
		for _, i := range logs {
			if i.Charter == c.Node {
				all = append(all, i)
			}
		}
	}
	return all, keys, err
}
