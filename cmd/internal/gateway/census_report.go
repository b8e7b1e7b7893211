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

const (
	// attendances is how many are recorded at a time, among what the doors record.
	attendances = 64
	// drained is how long the journal may take to make durable what it was given.
	drained = 30 * time.Second
	// partsAtOnce is how many parts of a report are appended in one commit.
	partsAtOnce = 64
)

// report writes the Attendances and then the report.
func (c *reporter) report(ctx context.Context, e folder.Epoch) error {
	log, err := c.attend(ctx, e)
	if err != nil {
		return err
	}
	list, err := c.list(e.ID)
	if err != nil {
		return err
	}
	size := log.Size
	row, _, err := c.db.epoch(e.ID)
	if err != nil {
		return err
	}
	if row.size > 0 && row.log == log.Origin.String() { // it may have been reported with that
		size = row.size
	} else if err := c.setEpoch(ctx, e.ID, "size = ?, root = ?", log.Size, log.Root[:]); err != nil {
		return err
	} else {
		row.root = log.Root
	}
	body := &ledger.Reported{
		Epoch: e.ID, Node: c.Node, Parts: parts(list), Count: uint64(list.Len()), Root: list.Root(nil),
		Log: ledger.Source{Origin: log.Origin.String(), Size: size}, Head: row.root,
	}
	origin, entry, err := c.append(ctx, e, list, body)
	if err != nil {
		return err
	}
	return c.db.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec("UPDATE epoch SET report = ?, entry = ? WHERE id = ?", origin.String(), entry, e.ID[:]); err != nil {
			return err
		}
		return c.db.become(tx, e.ID, reported)
	})
}

// attend sees to it that all Attendances stand in one of this gateway's door logs,
// in an order that nobody else can tell, and returns that log: by their tags, whoever
// has the door log and the report could lay one beside the other and read off whose
// each tag is. What stands there is found, so that none is written twice; in a new
// incarnation all are written again, as a report names one log.
func (c *reporter) attend(ctx context.Context, e folder.Epoch) (store.Info, error) {
	row, _, err := c.db.epoch(e.ID)
	if err != nil {
		return store.Info{}, err
	}
	keys, err := c.gateways()
	if err != nil {
		return store.Info{}, err
	}
	for from := int64(-1); ; {
		if err := c.drain(ctx); err != nil {
			return store.Info{}, err
		}
		if row.log == "" {
			row.log = c.Door.Head().Origin.String()
			if err := c.startOver(ctx, e.ID, row.log); err != nil {
				return store.Info{}, err
			}
		}
		o, err := ledger.ParseOrigin(row.log)
		if err != nil {
			return store.Info{}, fmt.Errorf("%w: %w", errCensusFile, err)
		}
		log, err := c.Folder.Store().Ledger(o)
		if errors.Is(err, store.ErrNoLedger) {
			return log, fmt.Errorf("%w: nothing is recorded yet", errLater)
		}
		if err == nil && from < 0 {
			from, err = begin(c.Folder.Store(), log, time.Unix(e.Opened.Closes, 0))
		}
		if err == nil {
			err = c.findAttendances(ctx, e, keys, log, from)
			from = log.Size
		}
		if err != nil {
			return log, err
		}
		missing, err := c.db.presences(e.ID, "attended < 0 ORDER BY pick LIMIT ?", attendances)
		if err != nil || len(missing) == 0 {
			return log, err
		}
		if o != c.Door.Head().Origin { // of an earlier boot, and not whole
			row.log, from = "", -1
			continue
		}
		if err := c.write(ctx, e, keys, missing); err != nil {
			return log, err
		}
		if err := c.rest(ctx); err != nil {
			return log, err
		}
	}
}

func (c *reporter) startOver(ctx context.Context, id ledger.EpochID, log string) error {
	return c.db.inTx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.Exec("UPDATE presence SET attended = -1, leaf = x'' WHERE epoch = ?", id[:]); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE epoch SET log = ?, size = 0, root = x'' WHERE id = ?", log, id[:])
		return err
	})
}

// drain waits until nothing that was recorded is on its way to the disk.
func (c *reporter) drain(ctx context.Context) error {
	for end := time.Now().Add(drained); c.Door.Waiting() > 0; {
		if err := ctx.Err(); err != nil {
			return err
		}
		if time.Now().After(end) {
			return errors.New("the journal is not written")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return nil
}

// findAttendances notes which Attendances stand in a log already. One that is not
// what would be written now does not count: it is older than this gateway's file.
func (c *reporter) findAttendances(ctx context.Context, e folder.Epoch, keys map[ledger.KeyID][32]byte, log store.Info, from int64) error {
	for ; from < log.Size; from += piece {
		type place struct {
			who   uint64
			index int64
			leaf  [32]byte
		}
		var stand []place
		if err := eachKind(c.Folder.Store(), log, from, min(from+piece, log.Size), ledger.KindAttendance, func(index int64, entry ledger.Entry, b ledger.Body) error {
			a := b.(*ledger.Attendance)
			if a.Epoch != e.ID {
				return nil
			}
			of, err := c.db.presences(e.ID, "passport = ? AND attended < 0", int64(a.Passport))
			if err != nil || len(of) == 0 {
				return err
			}
			want, err := c.attendance(e, keys, of[0])
			if err != nil || want == nil {
				return err
			}
			text, err := ledger.MarshalBody(want)
			if err == nil && bytes.Equal(text, entry.Body) {
				stand = append(stand, place{a.Passport, index, census.LeafHash(entry)})
			}
			return err
		}); err != nil {
			return err
		}
		if len(stand) == 0 {
			continue
		}
		if err := c.db.inTx(ctx, func(tx *sql.Tx) error {
			for _, p := range stand {
				if _, err := tx.Exec("UPDATE presence SET attended = ?, leaf = ? WHERE epoch = ? AND passport = ? AND attended < 0", p.index, p.leaf[:], e.ID[:], int64(p.who)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// attendance is a presence as it may be shown; nil if it cannot be any more: the
// decision's body has been let go of.
func (c *reporter) attendance(e folder.Epoch, keys map[ledger.KeyID][32]byte, p presence) (*ledger.Attendance, error) {
	d, _, err := c.decision(p)
	if err != nil || d == nil {
		return nil, err
	}
	gateway, ok := keys[p.log.Author]
	if !ok {
		return nil, nil
	}
	seen := census.Seen{Log: p.log, Decision: p.decision, Passage: p.passage, DecisionLeaf: p.made, PassageLeaf: p.passed}
	return census.NewAttendance(e.ID, census.Presence{Community: p.log.Community, Node: c.Node, Gateway: gateway, Decision: d, Key: p.key},
		census.SeenCommit(p.secret.SeenSalt(), seen))
}

// write records some Attendances, and returns once they are durable.
func (c *reporter) write(ctx context.Context, e folder.Epoch, keys map[ledger.KeyID][32]byte, some []presence) error {
	var last func(context.Context) error
	for n, p := range some {
		a, err := c.attendance(e, keys, p)
		if err != nil {
			return err
		}
		if a == nil { // nothing is left that could be shown
			if err := c.db.inTx(ctx, func(tx *sql.Tx) error {
				if _, err := tx.Exec("UPDATE epoch SET left_out = left_out + 1 WHERE id = ?", e.ID[:]); err != nil {
					return err
				}
				_, err := tx.Exec("DELETE FROM presence WHERE epoch = ? AND passport = ?", e.ID[:], int64(p.passport))
				return err
			}); err != nil {
				return err
			}
			continue
		}
		draft := store.Draft{Body: a, Time: c.Clock().Now}
		if n == len(some)-1 {
			last = c.Door.RecordFirst(draft)
			break
		}
		if err := c.Door.Record(draft); err != nil {
			return err
		}
	}
	if last == nil {
		return nil
	}
	return last(ctx)
}

// list is the node's report: its tags, each with the commitment to its evidence.
func (c *reporter) list(id ledger.EpochID) (*census.List, error) {
	var lines []byte
	for after := []byte{}; ; {
		some, err := c.db.presences(id, "length(tag) = 32 AND tag > ? ORDER BY tag LIMIT ?", after, 1024)
		if err != nil {
			return nil, err
		}
		if len(some) == 0 {
			return census.NewList(lines)
		}
		for _, p := range some {
			commitment := census.Commit(p.secret.TagSalt(), p.leaf, p.delegation)
			lines = append(append(lines, p.tag[:]...), commitment[:]...)
		}
		after = bytes.Clone(some[len(some)-1].tag[:])
	}
}

func parts(l *census.List) uint32 {
	return uint32((l.Len() + ledger.MaxTags - 1) / ledger.MaxTags)
}

// partOf is one of a report.
func partOf(l *census.List, id ledger.EpochID, n uint32) *ledger.CensusTags {
	out := &ledger.CensusTags{Epoch: id, Part: n}
	for i := int64(n) * ledger.MaxTags; i < min(int64(n+1)*ledger.MaxTags, l.Len()); i++ {
		e := l.At(i)
		out.Tags = append(append(out.Tags, e.Tag[:]...), e.Commitment[:]...)
	}
	return out
}

// append writes the report and returns where its Reported stands. One that was begun
// is gone on with: whoever reads it wants its parts in order, each once.
func (c *reporter) append(ctx context.Context, e folder.Epoch, l *census.List, body *ledger.Reported) (ledger.Origin, int64, error) {
	a, err := c.reporting(ctx)
	if err != nil {
		return ledger.Origin{}, 0, err
	}
	origin, entry, next, err := c.written(e, l, body, a.Head().Origin)
	if err != nil || entry >= 0 {
		return origin, entry, err
	}
	for {
		var drafts []store.Draft
		now := c.Clock().Now
		for ; next < body.Parts && len(drafts) < partsAtOnce; next++ {
			drafts = append(drafts, store.Draft{Body: partOf(l, e.ID, next), Time: now})
		}
		whole := next == body.Parts
		if whole {
			drafts = append(drafts, store.Draft{Body: body, Time: now})
		}
		if err := ctx.Err(); err != nil {
			return origin, 0, err
		}
		first, err := c.say(ctx, drafts...)
		if err != nil {
			return origin, 0, err
		}
		if whole {
			return a.Head().Origin, first + int64(len(drafts)) - 1, nil
		}
	}
}

// reporting is the author of the report ledger, opened when it is needed first.
func (c *reporter) reporting(ctx context.Context) (*store.Author, error) {
	if c.author == nil {
		a, err := c.Report(ctx)
		if err != nil {
			return nil, err
		}
		c.author = a
	}
	return c.author, nil
}

// say appends to the report ledger, and returns where that begins.
func (c *reporter) say(ctx context.Context, drafts ...store.Draft) (first int64, err error) {
	a, err := c.reporting(ctx)
	if err != nil {
		return 0, err
	}
	if first, err = a.Append(drafts...); err != nil {
		c.author = nil // what it signed is asked for when it is opened again
		return 0, err
	}
	c.Appended()
	return first, nil
}

// written finds a report that was written, or how many of its parts stand at the
// end of the current report ledger; entry is -1 if it is not whole.
func (c *reporter) written(e folder.Epoch, l *census.List, body *ledger.Reported, current ledger.Origin) (o ledger.Origin, entry int64, next uint32, err error) {
	want, err := ledger.MarshalBody(body)
	if err != nil {
		return o, -1, 0, err
	}
	logs, err := c.reportLedgers()
	if err != nil {
		return o, -1, 0, err
	}
	for _, i := range logs {
		next = 0
		index := int64(0)
		for entry, err := range c.Folder.Store().Entries(i, 0, i.Size) {
			if err != nil {
				return o, -1, 0, err
			}
			_, b, err := entry.Open(ledger.ReportLog, index)
			if err != nil {
				return o, -1, 0, &ledger.At{First: index, Last: index, Err: err}
			}
			switch b := b.(type) {
			case *ledger.CensusTags:
				if b.Epoch != e.ID {
					break
				}
				if b.Part == 0 {
					next = 0
				}
				if b.Part == next && next < body.Parts && bytes.Equal(b.Tags, partOf(l, e.ID, next).Tags) {
					next++
				} else {
					next = 0
				}
			case *ledger.Reported:
				if b.Epoch != e.ID {
					break
				}
				if next = 0; bytes.Equal(entry.Body, want) {
					return i.Origin, index, 0, nil
				}
			}
			index++
		}
		if i.Origin != current {
			next = 0
		}
	}
	return o, -1, next, nil
}

// reportLedgers are this gateway's own, in the order in which they were written.
func (c *reporter) reportLedgers() ([]store.Info, error) {
	return ownLedgers(c.Folder.Store(), ledger.ReportLog, c.Self)
}
