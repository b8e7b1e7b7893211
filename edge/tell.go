package edge

import (
	"context"
	"errors"
	"fmt"

	"tombolo/edge/panel"
	"tombolo/sync/ledger"
)

// ErrGap says that what was told of a door log does not follow on what was told
// before.
var ErrGap = errors.New("entries are missing in between")

// maxTold is how many entries of a sibling are taken in one turn: somebody may
// stand at a door.
const maxTold = 256

// Tell tells what stands in a sibling's door log: entries from to size-1, of which
// entries are those with bodies whose kinds access.Heard names, ascending. The
// first Tell of a log in a run says where its story begins: access.Backlog says how
// far back that should be. Later ones go on where the one before ended; what is told
// again is passed over, and ErrGap says what to tell first.
//
// What was told counts from the next decision that hangs on it, which says so in
// the log. Tell decides nothing and opens nothing.
func (c *Controller) Tell(ctx context.Context, log ledger.Origin, from, size int64, entries []panel.Logged) error {
	for {
		part, upto := entries, size
		if len(part) > maxTold {
			part, upto = entries[:maxTold], entries[maxTold].Index
		}
		entries = entries[len(part):]
		var gap error
		err := c.post(ctx, func() {
			if told, ok := c.panel.Heard(log); ok && from > told {
				gap = fmt.Errorf("%w: %v was told up to %d, and this begins at %d", ErrGap, log, told, from)
				return
			}
			c.step(panel.Told{Log: log, From: from, Size: upto, Entries: part})
		})
		if err = errors.Join(err, gap); err != nil || len(entries) == 0 {
			return err
		}
		from = upto
	}
}

// Heard is how far a sibling's door log was told in this run; ok is false before
// the first Tell of it.
func (c *Controller) Heard(ctx context.Context, log ledger.Origin) (size int64, ok bool, err error) {
	err = c.post(ctx, func() { size, ok = c.panel.Heard(log) })
	return size, ok, err
}

// Reach says which gateways of the node cannot be reached now, ascending by name:
// the log says so before the next decision for which that matters.
func (c *Controller) Reach(ctx context.Context, missing []string) error {
	return c.post(ctx, func() { c.step(panel.Reach{Missing: missing}) })
}
