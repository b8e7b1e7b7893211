package wiring

import (
	"fmt"
	"slices"
	"strings"

	"tombolo/edge/policy"
	"tombolo/edge/strict"
)

// fire tells whether a fire alarm arrives and where it is waited for.
func (c *checker) fire() {
	var released []string
	for _, d := range c.w.sorted() {
		if pd := c.p.Doors[d.Name]; pd != nil && pd.FireRelease {
			released = append(released, d.Name)
		}
	}
	in := c.w.Inputs.Fire
	switch {
	case in == nil && len(released) > 0:
		c.add(Fault, "", "the policy releases %s on fire, and no fire input is wired here: add fire to [inputs]", strings.Join(released, ", "))
	case in != nil && len(released) == 0:
		c.add(Note, "", "a fire input is wired, and the policy releases none of the doors here: set fire_release at those that must open on fire")
	}
}

// cutUnseen tells whether a cut cable reads as an input at rest; without a bias
// the board's own resistors decide, and nobody knows.
func cutUnseen(in *Input) bool {
	return in.Supervised == nil && (in.Bias == PullUp && in.ActiveLow || in.Bias == PullDown && !in.ActiveLow)
}

// rules tells which of a door's rules miss a wire.
func (c *checker) rules(d *Door, pd *policy.Door) {
	if d.Contact == nil {
		c.withoutContact(d, pd)
	}
	c.counting(d, pd)
	c.pin(d, pd)
	if d.Lock == FailSafe && d.Rex != nil && pd.Rex == policy.RexShunt {
		c.add(Fault, d.Name, "its exit button does nothing: the policy says rex = \"shunt\", which unlocks nothing, and a fail-safe lock (a magnet) holds the door until it is unlocked; set rex = \"unlock\" in the policy")
	}
	if d.Operator != nil && pd.Operator == policy.OperatorNever {
		c.add(Note, d.Name, "a door operator is wired, and the policy never swings it: set operator, or leave it out of the wiring file")
	}
	if pd.FireRelease && d.Lock == FailSecure {
		c.add(Note, d.Name, "the policy releases it on fire, and its lock is fail-secure: without power it stays locked; a fail-safe lock opens then too")
	}
	warns := d.Sounder != nil || slices.ContainsFunc(d.Readers, func(r Reader) bool { return r.Kind.Shows() || len(r.Indicators()) > 0 })
	if pd.PreAlarm > 0 && d.Contact != nil && !warns {
		c.add(Fault, d.Name, "the policy has a pre_alarm, and nothing here can warn: wire a sounder, or a reader's red or beeper")
	}
	for i, r := range d.Readers {
		c.indicators(d.Name, i, r)
	}
}

// withoutContact tells what the policy asks of a door that nobody sees open.
func (c *checker) withoutContact(d *Door, pd *policy.Door) {
	if pd.Relock != policy.RelockTimer {
		c.add(Fault, d.Name, "the policy relocks on %s, and without a contact nobody knows when: it stays unlocked until the strike time is over; wire a contact", pd.Relock)
	}
	if pd.PreAlarm > 0 {
		c.add(Fault, d.Name, "the policy has a pre_alarm, and without a contact nobody knows that the door is left open: wire a contact")
	}
	if len(pd.Partners) > 0 {
		c.add(Fault, d.Name, "it is interlocked with %s, and without a contact it counts as shut as soon as it is locked: wire a contact", strings.Join(pd.Partners, ", "))
	}
	if !pd.Unlock.Never() {
		c.add(Note, d.Name, "it is unlocked by schedule, and without a contact nobody knows whether it is shut when the schedule ends")
	}
	if d.Sounder != nil {
		c.add(Note, d.Name, "a sounder is wired, and without a contact nothing makes it sound")
	}
}

// counting tells where the count of who is inside goes wrong for want of a wire.
func (c *checker) counting(d *Door, pd *policy.Door) {
	leaves := slices.ContainsFunc(d.Readers, func(r Reader) bool { return r.Side == Out })
	for _, z := range c.zones() {
		into, outOf := c.p.Inside(z.Name, pd.To), c.p.Inside(z.Name, pd.From)
		if into == outOf || pd.Home {
			continue
		}
		if d.Contact == nil {
			c.add(Note, d.Name, "zone %s has %s, and without a contact a grant counts as a passage: whoever turns back at the door is counted wrongly", z.Name, countingWords(z))
		}
		// A timed anti-passback does not ask where somebody is, and forgives nothing.
		if into && !leaves && z.Forgive > 0 {
			c.add(Note, d.Name, "zone %s has %s, and there is no exit reader here: whoever leaves by the button or the handle stays inside for the log, for %v or until a steward forgives it; add a reader with side = \"out\"",
				z.Name, countingWords(z), strict.Duration(z.Forgive))
		}
	}
}

// zones are those whose people are counted, by name.
func (c *checker) zones() (out []*policy.Zone) {
	for _, z := range c.p.Zones {
		if z.Antipassback != policy.AntipassbackNone || z.Occupancy > 0 {
			out = append(out, z)
		}
	}
	slices.SortFunc(out, func(a, b *policy.Zone) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func countingWords(z *policy.Zone) string {
	var words []string
	if z.Antipassback != policy.AntipassbackNone {
		words = append(words, z.Antipassback.String()+" anti-passback")
	}
	if z.Occupancy > 0 {
		words = append(words, fmt.Sprintf("an occupancy limit of %d", z.Occupancy))
	}
	return strings.Join(words, " and ")
}

// pin tells of a PIN that nobody can type.
func (c *checker) pin(d *Door, pd *policy.Door) {
	keypad := slices.ContainsFunc(d.Readers, func(r Reader) bool { return r.Side == In && r.Kind.Keypad() })
	if pd.Pin.Never() || keypad {
		return
	}
	when := "in the hours of schedule " + pd.Pin.Name()
	if pd.Pin.Always() {
		when = "at any time"
	}
	c.add(Fault, d.Name, "the policy asks for a PIN, and no reader on the side of zone %s has a keypad: nobody gets in %s; add such a reader or change pin in the policy", pd.From, when)
}
