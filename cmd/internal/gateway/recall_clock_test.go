package gateway

import (
	"testing"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// TestRecallTakesAll: what a start recalls is what the run before it knew, also of
// its clock and of whom it forgave.
func TestRecallTakesAll(t *testing.T) {
	t.Parallel()
	const day = 86_400_000
	d := newDiary(t)
	a := d.incarnation(d.key, t.TempDir())
	began := d.now
	for _, e := range []struct {
		later int64
		body  ledger.Body
	}{
		{0, &ledger.Boot{Software: "test", Clock: "unknown"}},
		{1000, &ledger.Decision{Seq: 1, Door: "vault", Mode: "tap+wrong-pin", Reason: "wrong-pin", Passport: 7}},
		{1000, &ledger.Decision{Seq: 2, Door: "vault", Mode: "tap+wrong-pin", Reason: "wrong-pin", Passport: 8}},
		{-day, &ledger.ClockStep{From: began + 2000, To: began + 2000 - day}},
		{0, &ledger.Basis{Clock: "ntp"}},
		{1000, &ledger.Forgiven{Passport: 7, Before: began}},
	} {
		d.now += e.later
		if _, err := a.Append(store.Draft{Body: e.body, Time: time.UnixMilli(d.now)}); err != nil {
			t.Fatal(err)
		}
		d.all.Apply(d.now, e.body)
		d.recalls(e.body.Kind().String())
	}
}
