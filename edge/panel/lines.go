package panel

import (
	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/policy"
	"tombolo/sync/ledger"
)

// moved takes an input's level, as it bounces.
func (p *Panel) moved(m Moment, e Moved) {
	d := p.byName[e.Door]
	if (d == nil) != (e.Door == "") || int(e.Input) >= inputs {
		return
	}
	l := &p.own[e.Input]
	if d != nil {
		l = &d.lines[e.Input]
	}
	if e.Start {
		l.settle = l.settle.Start(e.Line)
		p.input(m, d, e.Input, l)
		return
	}
	var changed bool
	if l.settle, changed = l.settle.Take(m.Up, e.Line, door.SettleTime); changed {
		p.input(m, d, e.Input, l)
	}
}

// rest looks whether an input has come to rest.
func (p *Panel) rest(m Moment, d *panelDoor, i Input, l *line) {
	var changed bool
	if l.settle, changed = l.settle.Rest(m.Up); changed {
		p.input(m, d, i, l)
	}
}

// input does what an input says, at rest. The first level of a run was found, and
// did not happen.
func (p *Panel) input(m Moment, d *panelDoor, i Input, l *line) {
	found := !l.known
	l.known = true
	level := l.settle.Line()
	body := &ledger.Line{Input: i.String(), State: level.String()}
	if d != nil {
		body.Door = d.name
	}
	if d != nil && i == Contact {
		d.configure()
	}
	switch {
	case d == nil && i == Fire:
		p.record(m, body)
		// A wire that was cut or shorted may have burnt.
		p.fire = level != door.LineNormal
		p.fires(m)
	case d != nil && i == Contact && (level == door.LineNormal || level == door.LineActive):
		p.contact(m, d, found, level == door.LineActive, body)
	case d != nil && i == Contact: // whoever waits for an opening that nobody will see has passed
		p.door(m, d, door.Event{Kind: door.Tick}, body)
	case d != nil && i == Rex && level == door.LineActive && !found:
		p.rex(m, d, body)
	default:
		p.record(m, body)
	}
	p.fault(m, body, i, l)
}

// troubles are what a steward has to see to.
var troubles = map[Input]string{
	Tamper: "a case was opened", Mains: "mains power has failed", Battery: "the battery is low",
}

// fault tells of a line that is cut or shorted, or that reports a trouble by
// being active; and when it is over.
func (p *Panel) fault(m Moment, body *ledger.Line, i Input, l *line) {
	what := ""
	switch level := l.settle.Line(); {
	case level == door.LineCut, level == door.LineShorted:
		what = "the line is " + level.String()
	case level == door.LineActive:
		what = troubles[i]
	}
	if what == "" && !l.faulty {
		return
	}
	l.faulty = what != ""
	part := body.Input
	if body.Door != "" {
		part = "door/" + body.Door + "/" + part
	}
	if what == "" {
		what = "as it should be"
	}
	p.record(m, &ledger.Fault{Part: part, What: what, Cleared: !l.faulty})
}

func (p *Panel) contact(m Moment, d *panelDoor, found, open bool, body *ledger.Line) {
	e := door.Event{Kind: door.Closed}
	switch {
	case found:
		e = door.Event{Kind: door.AtStart, Open: open}
	case open:
		e.Kind = door.Opened
	}
	p.door(m, d, e, body)
}

// modeRex is how an input's decision is recorded.
const modeRex = "rex"

// rex lets out, whatever else holds.
func (p *Panel) rex(m Moment, d *panelDoor, body *ledger.Line) {
	if d.policy != nil && d.policy.Rex == policy.RexShunt {
		p.door(m, d, door.Event{Kind: door.Shunt}, body)
		return
	}
	p.record(m, body)
	e := &Presented{Door: d.name, Mode: modeRex, Presentation: access.Presentation{Exit: true}}
	p.decided(m, d, e, access.Verdict{Reason: access.Exit})
}
