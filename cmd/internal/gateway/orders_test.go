package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tombolo/cmd/internal/gateway"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// ordered is the answer to the next Open, with what stands before it in the log.
func (u *unit) ordered() (*ledger.Ordered, *ledger.Decision) {
	u.e.t.Helper()
	var order *ledger.Ordered
	timeout := time.After(10 * time.Second)
	for {
		select {
		case b := <-u.records:
			switch b := b.(type) {
			case *ledger.Ordered:
				order = b
			case *ledger.Decision:
				if b.Mode == "remote" {
					return order, b
				}
			}
		case <-timeout:
			u.e.t.Fatalf("%s answered no order; its log says\n%s", u.Name, u.log.String())
		}
	}
}

// quiet sees that nothing is opened from afar for a while.
func (u *unit) quiet(d time.Duration) {
	u.e.t.Helper()
	for end := time.After(d); ; {
		select {
		case b := <-u.records:
			switch b.(type) {
			case *ledger.Ordered, *ledger.Decision, *ledger.Opening:
				u.e.t.Errorf("%s: %v %+v", u.Name, b.Kind(), b)
			}
		case <-end:
			return
		}
	}
}

// opened counts how often a relay was energised.
func (u *unit) opened() (n int) {
	for _, t := range u.board.Transitions() {
		if t.Energised {
			n++
		}
	}
	return n
}

// TestOrders: what a steward orders arrives over the network and is carried out
// once, at the door that it names: not again after a start with a roster and a
// memory that are made anew, and not when it comes too late or while a lockdown
// holds.
func TestOrders(t *testing.T) {
	t.Parallel()
	e := newEstate(t).run()
	gw1, gw2 := e.gws[0], e.gws[1]

	e.write(ledger.NodeLog, &ledger.Open{Door: "d2", Why: "a parcel"})
	order, d := gw2.ordered()
	if !d.Granted || d.Reason != "remote" || d.Door != "d2" || order == nil || order.Seq != d.Seq {
		t.Fatalf("%+v, %+v", order, d)
	}
	e.eventually(2*time.Second, func() error {
		if n := gw2.opened(); n != 1 {
			return fmt.Errorf("d2 was opened %d times", n)
		}
		return nil
	})
	gw2.stop()
	for _, name := range []string{gateway.RosterFile, gateway.RosterFile + "-wal", gateway.RosterFile + "-shm", gateway.PresenceFile} {
		if err := os.RemoveAll(filepath.Join(gw2.dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for len(gw2.records) > 0 {
		<-gw2.records
	}
	gw2.run()
	if len(gw2.StatusNow().Projected) == 0 {
		t.Fatalf("%+v", gw2.StatusNow())
	}
	gw2.quiet(1500 * time.Millisecond)
	if n := gw2.opened(); n != 1 {
		t.Errorf("d2 was opened %d times after a start", n)
	}

	// Late.
	a := must(e.desk.Author(ledger.NodeLog))
	if _, err := a.Append(store.Draft{Body: &ledger.Open{Door: "d2"}, Time: time.Now().Add(-31 * time.Second)}); err != nil {
		t.Fatal(err)
	}
	e.node.Appended()
	if order, d = gw2.ordered(); d.Granted || d.Reason != "order-stale" || order == nil {
		t.Errorf("%+v, %+v", order, d)
	}

	// Under a lockdown, and after it was lifted.
	e.write(ledger.NodeLog, &ledger.Lockdown{Ends: time.Now().Add(time.Hour).Unix(), Why: "a test"})
	e.settle()
	if d := gw1.tap(); d.Reason != "lockdown" || d.Granted {
		t.Errorf("%+v", d)
	}
	e.write(ledger.NodeLog, &ledger.Open{Door: "d2"})
	if order, d = gw2.ordered(); d.Granted || d.Reason != "lockdown" || order == nil {
		t.Errorf("%+v, %+v", order, d)
	}
	e.write(ledger.NodeLog, &ledger.LockdownLifted{Why: "it is over"}, &ledger.Bar{Passport: 7, Ends: time.Now().Add(time.Hour).Unix(), Why: "a test"})
	e.settle()
	if d := gw1.tap(); d.Reason != "barred" || d.Granted {
		t.Errorf("%+v", d)
	}
	e.write(ledger.NodeLog, &ledger.Open{Door: "d2"})
	if order, d = gw2.ordered(); !d.Granted || order == nil {
		t.Errorf("%+v, %+v", order, d)
	}
	e.eventually(2*time.Second, func() error {
		if n := gw2.opened(); n != 2 {
			return fmt.Errorf("d2 was opened %d times", n)
		}
		return nil
	})
	gw1.quiet(0)
	if n := gw1.opened(); n != 0 {
		t.Errorf("d1 was opened %d times", n)
	}
}
