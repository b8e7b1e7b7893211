package gateway_test

import (
	"fmt"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// TestFreshness: while the issuer says nothing the roster grows old, at every door
// and in every decision's record; an issuer that has nothing new to say, and says
// so, makes it young again.
func TestFreshness(t *testing.T) {
	t.Parallel()
	e := newEstate(t).run()
	ages := func(fits func(int64) bool) func() error {
		return func() error {
			for _, u := range e.gws {
				if s := u.StatusNow(); !fits(s.RosterAge) {
					return fmt.Errorf("at %s the issuers were heard %d s ago", u.Name, s.RosterAge)
				}
				if d := u.tap(); !fits(d.RosterAge) {
					return fmt.Errorf("%s decided by issuers that were heard %d s ago", u.Name, d.RosterAge)
				}
			}
			return nil
		}
	}
	e.eventually(10*time.Second, ages(func(s int64) bool { return s >= 4 }))
	if err := e.desk.Refresh(ledger.CommunityLog); err != nil {
		t.Fatal(err)
	}
	e.node.Appended()
	e.eventually(5*time.Second, ages(func(s int64) bool { return s >= 0 && s < 4 }))
}
