package panel

import (
	"errors"
	"slices"

	"tombolo/edge/access"
	"tombolo/sync/ledger"
)

// What a Replay takes from others' ledgers beside the roster: what siblings told,
// and what stewards ordered.

// answered is an Ordered that was met, and whether the log had answered its order
// before.
type answered struct {
	*ledger.Ordered
	again bool
}

// siblings folds siblings' door logs as far as the log says that they were. A log
// that is named for the first time is listened to from there on.
func (r *replay) siblings(m Moment, b *ledger.Siblings) error {
	for _, s := range b.Heard {
		log, err := ledger.ParseOrigin(s.Origin)
		if err != nil {
			return err
		}
		from, listening := r.heard[log]
		if !listening {
			r.panel.siblings.Begin(log)
		}
		if r.heard[log] = max(from, s.Size); !listening || s.Size <= from {
			continue
		}
		switch entries, err := r.world.Sibling(log, from, s.Size); {
		case errors.Is(err, ErrNotHeld):
			if !slices.Contains(r.lost, log) {
				r.lost = append(r.lost, log)
			}
		case err != nil:
			return err
		default:
			r.panel.fold(m, log, entries)
		}
	}
	return nil
}

// remote answers an order again.
func (r *replay) remote(m Moment, o Outcome, d *panelDoor) Outcome {
	b := o.Decision
	logged, _ := access.ParseReason(b.Reason)
	asked, ok := r.orders[b.Seq]
	delete(r.orders, b.Seq)
	order := -1
	if ok {
		order = slices.IndexFunc(r.panel.basis.Opens, func(open access.Order) bool {
			return open.Origin == asked.Origin && open.Index == asked.Index && open.Door == b.Door
		})
	}
	switch {
	case b.Exit || b.Passport != 0 || len(b.Key) > 0 || len(b.Presentation) > 0:
		o.Note = errOther.Error()
	case !ok:
		o.Note = "the log does not say which order it answers"
	case asked.again:
		o.Note = "the log has answered the order before"
	case order < 0:
		o.Note = "no steward has ordered it, as far as the ledgers tell"
	case b.Granted != logged.Grants():
		o.Note = "its reason says another thing than the decision"
	case asIs(logged):
		o.Note = "what became of its record is not in the log"
		o.Again, o.Same = access.Verdict{Reason: logged}, true
	default:
		o.Again.Reason = r.panel.order(m, d, r.panel.basis.Opens[order])
		o.Same = o.Again.Reason == logged
	}
	r.panel.ordered(m, d, access.Verdict{Reason: logged}, b)
	return o
}
