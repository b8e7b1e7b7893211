package gateway_test

import (
	"fmt"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// orders takes what was recorded and returns the answers to steward's orders.
func (u *unit) orders() (answers []*ledger.Decision, ordered []*ledger.Ordered) {
	for {
		select {
		case b := <-u.records:
			switch b := b.(type) {
			case *ledger.Decision:
				if b.Mode == "remote" {
					answers = append(answers, b)
				}
			case *ledger.Ordered:
				ordered = append(ordered, b)
			}
		default:
			return answers, ordered
		}
	}
}

// TestOrder: a steward's Open opens its door once, however often it is heard and
// the gateway starts; one that comes late is recorded, and opens nothing.
func TestOrder(t *testing.T) {
	t.Parallel()
	e := newEstate(t).run()
	gw2 := e.gws[1]
	steward := must(e.desk.Author(ledger.NodeLog))
	open := func(at time.Time) {
		t.Helper()
		if _, err := steward.Append(store.Draft{Body: &ledger.Open{Door: "d2", Why: "the courier"}, Time: at}); err != nil {
			t.Fatal(err)
		}
		e.node.Appended()
	}
	answer := func(reason string, index int64) {
		t.Helper()
		var all []*ledger.Decision
		var which []*ledger.Ordered
		e.eventually(5*time.Second, func() error {
			a, o := gw2.orders()
			if all, which = append(all, a...), append(which, o...); len(all) == 0 || len(which) == 0 {
				return fmt.Errorf("%d answers", len(all))
			}
			return nil
		})
		d, o := all[0], which[0]
		if len(all) != 1 || d.Reason != reason || d.Granted != (reason == "remote") || o.Index != index || o.Seq != d.Seq || o.Origin != steward.Head().Origin.String() {
			t.Errorf("%+v for %+v", d, o)
		}
	}
	open(time.Now())
	answer("remote", steward.Head().Size-1)

	// It is heard again, from every sibling, by a gateway that starts anew.
	gw2.stop()
	gw2.run()
	e.eventually(10*time.Second, func() error {
		if s := gw2.StatusNow(); len(s.Links) == 0 || !s.Links[0].Up || gw2.Head().Size == 0 {
			return fmt.Errorf("%+v", s.Links)
		}
		return nil
	})
	l := e.thief(e.desk, ledger.KeyIDOf(steward.Head().Author), true, e.deskCertificate(folder.StewardKey))
	replay(t, l, e.desk.Store(), steward.Head().Origin)
	time.Sleep(500 * time.Millisecond)

	open(time.Now().Add(-31 * time.Second))
	answer("order-stale", steward.Head().Size-1)
	for _, u := range e.gws {
		if a, o := u.orders(); len(a)+len(o) != 0 {
			t.Errorf("%s answered, too: %+v %+v", u.Name, a, o)
		}
	}
}
