package panel

import (
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/policy"
	"tombolo/sync/ledger"
)

// Wake is when Ticked is owed; ok is false if no time matters but the second.
func (p *Panel) Wake() (at time.Duration, ok bool) {
	at = never
	for _, d := range p.doors {
		if t, owed := d.state.Wake(); owed {
			at = min(at, t)
		}
		for _, w := range [...]*waiting{d.pin, d.company} {
			if w != nil {
				at = min(at, w.until)
			}
		}
		for i := range d.lines {
			if t, owed := d.lines[i].settle.Wake(); owed {
				at = min(at, t)
			}
		}
	}
	for i := range p.own {
		if t, owed := p.own[i].settle.Wake(); owed {
			at = min(at, t)
		}
	}
	return at, at != never
}

// tick does what has come due, whatever the event.
func (p *Panel) tick(m Moment) {
	for _, d := range p.doors {
		for i := range d.lines {
			p.rest(m, d, Input(i), &d.lines[i])
		}
		if at, owed := d.state.Wake(); owed && m.Up >= at {
			p.door(m, d, door.Event{Kind: door.Tick}, nil)
		}
	}
	for _, d := range p.doors { // once no lock is open that should be shut by now
		if w := d.company; w != nil && m.Up >= w.until {
			d.company = nil
			p.show(d, w.Exit, policy.SignalDenied)
		}
		if w := d.pin; w != nil && m.Up >= w.until {
			p.typed(m, Typed{Door: d.name, Wait: w.number, Pin: access.PinTooLate})
		}
	}
	for i := range p.own {
		p.rest(m, nil, Input(i), &p.own[i])
	}
	if now := m.Clock.Now.Unix(); now != p.second {
		p.second = now
		p.look(m)
	}
}

// look holds schedules and lockdowns against the time.
func (p *Panel) look(m Moment) {
	for _, d := range p.doors {
		down := p.basis.LockedDown(d.name, m.Clock)
		begins := down && !d.lockedDown
		if down != d.lockedDown {
			d.lockedDown = down
			state := "lockdown"
			if !down {
				state = "lockdown-over"
			}
			p.record(m, &ledger.DoorState{Door: d.name, State: state})
		}
		if want := p.isFree(m, d); want != d.scheduled {
			d.scheduled = want
			p.door(m, d, holding(door.HoldSchedule, want), nil)
		}
		if begins {
			// Whatever an entry was granted before. What exits and homes have runs on,
			// and so does what the lockdown itself lets through from now on.
			p.door(m, d, door.Event{Kind: door.Cancelled}, nil)
		}
	}
}

// isFree reports whether a door's schedule holds it unlocked.
func (p *Panel) isFree(m Moment, d *panelDoor) bool {
	if d.policy == nil || d.lockedDown || d.policy.Unlock.Never() || !m.Clock.Trust.Meets(d.policy.Clock) {
		return false
	}
	open, _ := d.policy.Unlock.At(m.Clock.Now)
	if !open || !d.policy.FirstIn {
		return open
	}
	begin, _, ok := d.policy.Unlock.Period(m.Clock.Now)
	at := p.presence.EnteredAt(d.name)
	return ok && at > 0 && at >= begin.UnixMilli() // hours without a beginning wait for somebody, too
}

func holding(h door.Holding, on bool) door.Event {
	if on {
		return door.Event{Kind: door.Hold, Hold: h}
	}
	return door.Event{Kind: door.Unhold, Hold: h}
}

// fires releases what the policy names, and as long as there is fire all that it
// named at any time.
func (p *Panel) fires(m Moment) {
	for _, d := range p.doors {
		if want := p.fire && (d.fired || d.policy != nil && d.policy.FireRelease); want != d.fired {
			d.fired = want
			p.door(m, d, holding(door.HoldFire, want), nil)
			if !want && d.lockedDown { // an open door is given no time to be closed in
				p.door(m, d, door.Event{Kind: door.Cancelled}, nil)
			}
		}
	}
}
