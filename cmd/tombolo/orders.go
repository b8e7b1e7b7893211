package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/policy"
	"tombolo/edge/strict"
	"tombolo/sync/ledger"
)

// orders is what the node's stewards have ordered at its doors, by the rules of
// package edge/roster: whoever ordered it, what was written last counts. It is
// made anew for each command.
type orders struct {
	lockdowns map[string]ordered[*ledger.Lockdown] // by door, the one that ends last; it may be over
	bars      map[uint64]ordered[*ledger.Bar]      // by passport; it may be over
	passes    []guestPass                          // oldest first
	pins      map[uint64]ordered[*ledger.PinSet]   // of those that have one
}

// ordered is a steward's entry, by whom and when.
type ordered[B ledger.Body] struct {
	body    B
	at      time.Time
	steward ledger.KeyID
}

// guestPass is one of a guest's, and how it ended if it did.
type guestPass struct {
	ordered[*ledger.GuestPass]
	ended *ordered[*ledger.GuestEnded]
}

// readOrders plays the stewards' entries in the order of their effective times:
// each its author's, but no earlier than that of the order before it in its
// ledger. Of one that is dated ahead a gateway knows besides when it first saw
// it; whoever only reads has the author's word. doors are those whose lockdowns
// are told.
func readOrders(f *folder.Folder, doors []string) (*orders, error) {
	type event struct {
		folder.Record
		at time.Time // the effective one
	}
	var events []event
	last := map[ledger.Origin]time.Time{}
	for r, err := range f.Counted(ledger.NodeLog) {
		if err != nil {
			return nil, err
		}
		e := event{r, r.Time}
		switch r.Body.(type) {
		case *ledger.Lockdown, *ledger.LockdownLifted, *ledger.Bar, *ledger.PinSet:
			if before := last[r.Ledger.Origin]; e.at.Before(before) {
				e.at = before
			}
			last[r.Ledger.Origin] = e.at
		}
		events = append(events, e)
	}
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	o := &orders{lockdowns: map[string]ordered[*ledger.Lockdown]{}, bars: map[uint64]ordered[*ledger.Bar]{}, pins: map[uint64]ordered[*ledger.PinSet]{}}
	ended := map[ledger.PassID]ordered[*ledger.GuestEnded]{}
	for _, e := range events {
		r := e.Record
		switch b := r.Body.(type) {
		case *ledger.Lockdown:
			capped := *b
			capped.Ends = min(b.Ends, min(e.at.Unix(), f.Now().Unix())+int64(maxLockdown/time.Second))
			for _, d := range covered(b.Doors, doors) {
				if was, ok := o.lockdowns[d]; !ok || was.body.Ends < capped.Ends {
					o.lockdowns[d] = orderedBy(r, &capped)
				}
			}
		case *ledger.LockdownLifted:
			for _, d := range covered(b.Doors, doors) {
				delete(o.lockdowns, d)
			}
		case *ledger.Bar:
			o.bars[b.Passport] = orderedBy(r, b)
		case *ledger.GuestPass:
			if !slices.ContainsFunc(o.passes, func(p guestPass) bool { return p.body.Pass == b.Pass }) {
				o.passes = append(o.passes, guestPass{orderedBy(r, b), nil})
			}
		case *ledger.GuestEnded:
			if _, ok := ended[b.Pass]; !ok {
				ended[b.Pass] = orderedBy(r, b)
			}
		case *ledger.PinSet:
			o.pins[b.Passport] = orderedBy(r, b)
		}
	}
	// An end counts wherever it stands: its pass may have come later.
	for i := range o.passes {
		if e, ok := ended[o.passes[i].body.Pass]; ok {
			o.passes[i].ended = &e
		}
	}
	maps.DeleteFunc(o.pins, func(_ uint64, p ordered[*ledger.PinSet]) bool { return len(p.body.Boxes) == 0 })
	return o, nil
}

func orderedBy[B ledger.Body](r folder.Record, b B) ordered[B] {
	return ordered[B]{b, r.Time, r.Ledger.Origin.Author}
}

// covered is which of the doors an order names; none named is all.
func covered(named, doors []string) []string {
	if len(named) == 0 {
		return doors
	}
	return slices.DeleteFunc(slices.Clone(doors), func(d string) bool { return !slices.Contains(named, d) })
}

// currentPolicy is the newest signed one; there has to be one.
func currentPolicy(f *folder.Folder) (*policy.Policy, error) {
	s, err := newestPolicy(f)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, errNoPolicy
	}
	return s.parse()
}

// nodeZone is the zone in which times at the node's doors are meant: that of the
// signed policy, or the machine's as long as there is none. What an order may not
// wait for is no reason to refuse it.
func (e *env) nodeZone(f *folder.Folder) *time.Location {
	p, err := currentPolicy(f)
	if err == nil {
		return p.Location
	}
	if !errors.Is(err, errNoPolicy) {
		e.warn("times are those of this machine, as the node's policy cannot be read: %v", err)
	}
	return time.Local
}

// inPolicy holds names against those of the policy; what is "door" or "level".
func inPolicy[V any](p *policy.Policy, what string, all map[string]V, names ...string) error {
	for _, n := range names {
		if _, ok := all[n]; !ok {
			return fmt.Errorf("policy version %d knows no %s %q%v", p.Version, what, n, strict.Hint(n, sortedKeys(all), "; it has no "+what+"s"))
		}
	}
	return nil
}

// names are slugs as a flag that may be given several times, in order and each
// once.
func names(given []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(given)))
}

// ending is --for and --until: one of them.
type ending struct {
	lasts lasting
	until moment
}

func (d *ending) flags(c *cobra.Command) {
	c.Flags().Var(&d.lasts, "for", "so long from now, as in 2h or 7d")
	c.Flags().Var(&d.until, "until", "until this time, in the node's time zone")
}

func (d *ending) given(c *cobra.Command) error {
	if c.Flags().Changed("for") == c.Flags().Changed("until") {
		return usage("%s: say when it ends: --for or --until", c.CommandPath())
	}
	return nil
}

// end is when it ends, a whole second in that zone, which is also of times that
// name none; most is how far off it may be, 0 for however far.
func (d *ending) end(c *cobra.Command, now time.Time, zone *time.Location, most time.Duration) (time.Time, error) {
	if err := d.until.in(zone); err != nil {
		return time.Time{}, usage("%s: --until %s: %v", c.CommandPath(), d.until.text, err)
	}
	at := d.until.Time
	if c.Flags().Changed("for") {
		at = now.Add(time.Duration(d.lasts.Duration))
	}
	at = at.In(zone)
	switch {
	case at.Year() > 9999 || at.Before(now):
		return at, usage("%s: it would end on %s", c.CommandPath(), at.Format(time.RFC3339))
	case at.Unix() <= now.Unix():
		return at, usage("%s: it would end at once", c.CommandPath())
	case most > 0 && at.Sub(now) > most:
		return at, usage("%s: it may last %v at most, until %s; write another before that one ends", c.CommandPath(), strict.Duration(most), whenIn(now.Add(most), zone))
	}
	return unix(at.Unix()).In(zone), nil
}

// tellPassport warns of a passport that no issuer has admitted, as when a digit
// was mistyped.
func (e *env) tellPassport(f *folder.Folder, n uint64) error {
	all, err := readMembers(f)
	if err != nil {
		return err
	}
	if m := all.byNumber[n]; m == nil || !m.admitted() {
		e.warn("no issuer has admitted passport %d, as far as this folder knows; see `tombolo passport list`", n)
	}
	return nil
}

// admittedMember is a passport that some issuer has admitted.
func admittedMember(f *folder.Folder, n uint64) (*member, error) {
	all, err := readMembers(f)
	if err != nil {
		return nil, err
	}
	m := all.byNumber[n]
	if m == nil || !m.admitted() {
		return nil, fmt.Errorf("no issuer has admitted passport %d, as far as this folder knows: import the community's ledgers, or see `tombolo passport list`", n)
	}
	return m, nil
}

// short is as much of a key's id as lists show.
func short(id ledger.KeyID) string { return id.String()[:8] }

// obeyed says when an order counts: it is an entry like any other.
const obeyed = "gateways obey once they have the node's ledger"
