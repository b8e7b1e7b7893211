package gateway

import (
	"bytes"
	"context"
	"maps"
	"slices"
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
	// occupancyAgain is when a figure that has not changed is said once more: the hub
	// shows none that is older than two hours. So silence takes a figure back: that a
	// zone fell under what may be said is told by no entry, and shows an hour late.
	occupancyAgain = time.Hour
	// houseBack is how far back door logs are read at the start: as long as any policy
	// may take to forgive.
	houseBack = 7 * 24 * time.Hour
)

// occupancy is how many are in the node's zones, and what was said of it since this
// start.
type occupancy struct {
	house  *attendance.House
	upTo   map[ledger.Origin]int64
	next   time.Time // the next time at which a figure may leave
	said   map[string]said
	policy *policy.Policy
}

// said is the last figure of a zone that left the node.
type said struct {
	sure, most uint32
	at         time.Time
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
			house: attendance.NewHouse(now.Add(-houseBack).UnixMilli()), upTo: map[ledger.Origin]int64{}, said: map[string]said{},
			next: now.Truncate(occupancyEvery).Add(occupancyEvery),
		}
	}
	if o.policy != p {
		o.policy = p
		o.house.Under(p)
	}
	if p.Census.Occupancy == policy.PublishNever {
		clear(o.said)
		return nil
	}
	if err := c.follow(ctx, now); err != nil {
		return err
	}
	if now.Add(occupancyEvery).Before(o.next) { // the clock was set back
		o.next = now.Truncate(occupancyEvery).Add(occupancyEvery)
	}
	if now.Before(o.next) {
		return nil
	}
	at := now.Truncate(occupancyEvery)
	if err := c.publish(ctx, p, at, now); err != nil {
		return err
	}
	o.next = at.Add(occupancyEvery)
	return nil
}

// follow gives the house what was added to the node's door logs.
func (c *reporter) follow(ctx context.Context, now time.Time) error {
	s, names := c.Folder.Store(), c.names()
	logs, err := c.doorLogs(maps.Keys(names))
	if logs == nil && err != nil {
		return err
	}
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
// what is new or was said an hour ago. Of zones within each other only the outermost
// is told of: from the others it could be computed how few are between their walls.
func (c *reporter) publish(ctx context.Context, p *policy.Policy, at, now time.Time) error {
	here := heardOf(c.Status(), c.View().Siblings, now)
	own := c.names()[c.Self]
	heard := func(gateway string) bool { return gateway == own || here[gateway] }
	var drafts []store.Draft
	next := map[string]said{}
	for _, name := range slices.Sorted(maps.Keys(p.Zones)) {
		if z := p.Zones[name]; z.Outside || z.Within != "" || c.speaker(p, name, heard) != c.Self {
			continue
		}
		n := c.houses.house.Count(name, at.UnixMilli(), heard)
		sure := uint32(max(n.Sure, 0))
		if !n.Known || !census.Publishable(sure, p.Census.Occupancy == policy.PublishAlways) {
			continue
		}
		f := said{at: at}
		f.sure, f.most = census.Rounded(sure, uint32(max(n.Most, 1))) // an empty house is at most ten
		if was, ok := c.houses.said[name]; ok && was.sure == f.sure && was.most == f.most && at.Sub(was.at).Abs() < occupancyAgain {
			next[name] = was
			continue
		}
		next[name] = f
		drafts = append(drafts, store.Draft{Time: now, Body: &ledger.Occupancy{Zone: name, Sure: f.sure, Most: f.most, Age: uint32(now.Sub(at) / time.Second)}})
	}
	if len(drafts) > 0 {
		if _, err := c.say(ctx, drafts...); err != nil {
			return err
		}
	}
	c.houses.said = next
	return nil
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
