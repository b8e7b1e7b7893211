package access

import (
	"slices"

	"tombolo/passport"
)

// stamp is a time in a door log, and the run whose clock it is by: within one run
// a single monotonic clock measures all times, so that setting the clock moves
// them together; the times of earlier runs it can only keep from being to come.
type stamp struct {
	At   int64  `json:"at"`   // Unix ms
	Boot uint64 `json:"boot"` // of Presence
}

func (p *Presence) stamp(at int64) stamp { return stamp{at, p.boot} }

// clockSet takes a clock that was set, Unix ms. One that nobody knows caps nothing:
// it may begin years ago, and who is inside would be forgiven once it is right.
func (p *Presence) clockSet(from, to int64) {
	p.stamps(func(s *stamp) {
		if s.Boot == p.boot {
			s.At += to - from
		} else if p.known {
			s.At = min(s.At, to)
		}
	})
}

// trust takes what the log says of the clock. From when it is known nothing that
// was remembered before is to come, or it would last for as long as an earlier
// clock was ahead.
func (p *Presence) trust(now int64, known bool) {
	if known && !p.known {
		p.stamps(func(s *stamp) { s.At = min(s.At, now) })
	}
	p.known = known
}

// stamps changes every time that is remembered.
func (p *Presence) stamps(change func(*stamp)) {
	for who, s := range p.last {
		change(&s.stamp)
		p.last[who] = s
	}
	for _, entries := range p.entries {
		for i := range entries {
			change(&entries[i].stamp)
		}
	}
	for _, times := range p.wrong {
		for i := range times {
			change(&times[i])
		}
	}
	for door, s := range p.entered {
		change(&s)
		p.entered[door] = s
	}
	for seq, d := range p.due {
		change(&d.stamp)
		p.due[seq] = d
	}
}

// Forgiven is up to when a passport was forgiven, Unix milliseconds; ok is false
// if it never was. Passport 0 stands for everybody.
func (p *Presence) Forgiven(who passport.ID) (before int64, ok bool) {
	before, ok = p.forgiven[who]
	return before, ok
}

// forgive carries out a Forgive, once. A time that is earlier than one that was
// carried out is that one put right, as its author's clock was ahead: it forgets
// nothing again.
func (p *Presence) forgive(who passport.ID, before int64) {
	was, done := p.forgiven[who]
	if !done && len(p.forgiven) >= maxSeen {
		delete(p.forgiven, oldest(p.forgiven, func(at int64) int64 { return at }))
	}
	p.forgiven[who] = before
	switch {
	case done && before <= was:
	case who != 0:
		p.pardon(who, before)
	default:
		for who := range p.last {
			p.pardon(who, before)
		}
		for who := range p.wrong {
			p.pardon(who, before)
		}
	}
}

// pardon forgets what is remembered of a passport up to a time, and what came
// before that, whatever the clock showed then.
func (p *Presence) pardon(who passport.ID, before int64) {
	if l, ok := p.last[who]; ok && l.At <= before {
		p.forget(who)
		delete(p.entries, who)
	}
	entries := p.entries[who]
	for i, e := range slices.Backward(entries) {
		if e.At <= before {
			p.entries[who] = entries[i+1:]
			break
		}
	}
	if len(p.entries[who]) == 0 {
		delete(p.entries, who)
	}
	times := p.wrong[who]
	for i, t := range slices.Backward(times) {
		if t.At <= before {
			p.wrong[who] = times[i+1:]
			break
		}
	}
	if len(p.wrong[who]) == 0 {
		delete(p.wrong, who)
	}
}
