package gateway

import (
	"bytes"
	"context"
	"time"

	"tombolo/edge/attendance"
	"tombolo/edge/policy"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

const (
	// occupancyEvery is how often a figure may leave the node: at these times of the
	// day, and at no other, so that no figure says when somebody came.
	occupancyEvery = 15 * time.Minute
	// withdrawEvery is how often a figure that may not be published any more is taken
	// back. Until then nothing is said, as when nothing has changed: whoever sees a
	// figure taken back learns on which day the zone emptied, and not when.
	withdrawEvery = 24 * time.Hour
	// houseBack is how far back door logs are read at the start: as long as any policy
	// may take to forgive.
	houseBack = 7 * 24 * time.Hour
)

// occupancy is how many are in the node's zones, and what was said of it. What was
// said stands in the report ledger; a gateway that starts says it once more.
type occupancy struct {
	house  *attendance.House
	upTo   map[ledger.Origin]int64
	next   time.Time // the next time at which a figure may leave
	day    time.Time // the last at which figures were taken back
	shown  map[string][2]uint32
	policy *policy.Policy
}

// lookAtHouse follows the door logs, and says what there is to say.
func (c *reporter) lookAtHouse(ctx context.Context, now time.Time) error {
	p := c.View().Policy
	if p == nil {
		return nil
	}
	o := &c.houses
	if o.house == nil {
		*o = occupancy{
			house: attendance.NewHouse(now.Add(-houseBack).UnixMilli()), upTo: map[ledger.Origin]int64{}, shown: map[string][2]uint32{},
			next: now.Truncate(occupancyEvery).Add(occupancyEvery), day: now.Truncate(withdrawEvery),
		}
		if err := c.remembered(); err != nil {
			return err
		}
	}
	if o.policy != p {
		o.policy = p
		o.house.Under(p)
	}
	if p.Census.Occupancy != policy.PublishNever {
		if err := c.follow(ctx, now); err != nil {
			return err
		}
	}
	if now.Before(o.next) {
		return nil
	}
	at := now.Truncate(occupancyEvery)
	if err := c.publish(ctx, p, at, now); err != nil {
		return err
	}
	o.next, o.day = at.Add(occupancyEvery), now.Truncate(withdrawEvery)
	return nil
}

// remembered is what was said last, by the report ledger.
func (c *reporter) remembered() error {
	logs, err := c.reportLedgers()
	if logs == nil && err != nil {
		return err
	}
	for _, i := range logs {
		if err := eachKind(c.Folder.Store(), i, 0, i.Size, ledger.KindOccupancy, func(_ int64, _ ledger.Entry, b ledger.Body) error {
			f := b.(*ledger.Occupancy)
			if c.houses.shown[f.Zone] = [2]uint32{f.Sure, f.Most}; f.Most == 0 {
				delete(c.houses.shown, f.Zone)
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// follow gives the house what was added to the node's door logs.
func (c *reporter) follow(ctx context.Context, now time.Time) error {
	logs, _, err := c.doorLogs()
	if logs == nil && err != nil {
		return err
	}
	s, names := c.Folder.Store(), c.names()
	for _, i := range logs {
		from, ok := c.houses.upTo[i.Origin]
		if !ok {
			if from, err = begin(s, i, now.Add(-houseBack)); err != nil {
				return err
			}
			if err := c.cut(i, from); err != nil {
				return err
			}
		}
		for ; from < i.Size; from = min(from+piece, i.Size) {
			if err := c.followSome(s, i, names[i.Origin.Author], from, min(from+piece, i.Size)); err != nil {
				return err
			}
			c.houses.upTo[i.Origin] = min(from+piece, i.Size)
			if err := c.rest(ctx); err != nil {
				return err
			}
		}
		c.houses.upTo[i.Origin] = i.Size
	}
	return nil
}

// cut tells the house from when on it is told of a log, if that is not all of the
// time that it asks for.
func (c *reporter) cut(i store.Info, from int64) error {
	if from == 0 || i.Size-from < siblingBack {
		return nil
	}
	e, err := c.entry(i.Origin, from)
	if err == nil && !e.Dropped() {
		c.houses.house.Without(e.Time)
	}
	return err
}

// names are those of the node's gateways, by the keys of their ledgers.
func (c *reporter) names() map[ledger.KeyID]string {
	out := map[ledger.KeyID]string{}
	for _, g := range c.View().Gateways {
		out[ledger.KeyIDOf(g.Keys.Signing[:])] = g.Name
	}
	return out
}

func (c *reporter) followSome(s *store.Store, i store.Info, name string, from, upTo int64) error {
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
		if e.Dropped() || !attendance.Follows(leaf.Kind) {
			continue
		}
		_, body, err := e.Open(ledger.DoorLog, index)
		if err != nil {
			return &ledger.At{First: index, Last: index, Err: err}
		}
		c.houses.house.Apply(name, e.Time, body)
	}
	return nil
}

// publish says how many are in each zone that this gateway speaks for, as it was at
// a time: at least 20, or whatever it is by the steward's choice; rounded, and only
// what is new.
func (c *reporter) publish(ctx context.Context, p *policy.Policy, at, now time.Time) error {
	here := heardOf(c.Status(), c.View().Siblings, now)
	own := c.names()[c.Self]
	heard := func(gateway string) bool { return gateway == own || here[gateway] }
	var drafts []store.Draft
	say := func(zone string, sure, most uint32) {
		drafts = append(drafts, store.Draft{Time: now, Body: &ledger.Occupancy{Zone: zone, Sure: sure, Most: most, Age: uint32(now.Sub(at) / time.Second)}})
	}
	next := map[string][2]uint32{}
	for zone, was := range c.houses.shown {
		next[zone] = was
	}
	for name, z := range p.Zones {
		if z.Outside || c.speaker(p, name, heard) != c.Self {
			continue
		}
		n := c.houses.house.Count(name, at.UnixMilli(), heard)
		sure, most := uint32(max(n.Sure, 0)), uint32(n.Most)
		if p.Census.Occupancy == policy.PublishNever || !n.Known || !census.Publishable(sure, p.Census.Occupancy == policy.PublishAlways) {
			continue
		}
		sure, most = census.Rounded(sure, most)
		// Most 0 takes a figure back: an empty house is at most ten.
		if figure := [2]uint32{sure, max(most, 10)}; c.houses.shown[name] != figure {
			next[name] = figure
			say(name, figure[0], figure[1])
		}
	}
	if now.Truncate(withdrawEvery).After(c.houses.day) {
		for zone := range c.houses.shown {
			if c.withdraws(p, zone, at, heard) {
				delete(next, zone)
				say(zone, 0, 0)
			}
		}
	}
	if len(drafts) == 0 {
		return nil
	}
	a, err := c.reporting(ctx)
	if err != nil {
		return err
	}
	if _, err := a.Append(drafts...); err != nil {
		c.author = nil
		return err
	}
	c.houses.shown = next
	c.Appended()
	return nil
}

// withdraws tells whether what was said of a zone is not to be said any more.
func (c *reporter) withdraws(p *policy.Policy, zone string, at time.Time, heard func(string) bool) bool {
	z := p.Zones[zone]
	if z == nil || z.Outside || p.Census.Occupancy == policy.PublishNever || c.speaker(p, zone, heard) != c.Self {
		return true
	}
	n := c.houses.house.Count(zone, at.UnixMilli(), heard)
	return !n.Known || !census.Publishable(uint32(max(n.Sure, 0)), p.Census.Occupancy == policy.PublishAlways)
}

// speaker is the gateway that speaks for a zone: of those at its doors that are
// heard the one with the lowest key id.
func (c *reporter) speaker(p *policy.Policy, zone string, heard func(string) bool) (id ledger.KeyID) {
	at := map[string]bool{}
	for _, d := range p.Doors {
		if p.Inside(zone, d.From) != p.Inside(zone, d.To) {
			at[d.Gateway] = true
		}
	}
	for other, name := range c.names() {
		if at[name] && heard(name) && (id == (ledger.KeyID{}) || bytes.Compare(other[:], id[:]) < 0) {
			id = other
		}
	}
	return id
}
