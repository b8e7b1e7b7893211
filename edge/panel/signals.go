package panel

import (
	"tombolo/edge/access"
	"tombolo/edge/policy"
)

// show shows a signal at a reader, once.
func (p *Panel) show(d *panelDoor, exit bool, s policy.Signal) {
	p.told = append(p.told, Action{Do: Show, Door: d.name, Exit: exit, Signal: s})
}

// settleSignals shows what readers show while nothing happens.
func (p *Panel) settleSignals() {
	for _, d := range p.doors {
		for side, exit := range [...]bool{false, true} {
			if s := d.idle(exit); s != d.shown[side] {
				d.shown[side] = s
				p.told = append(p.told, Action{Do: Show, Door: d.name, Exit: exit, Signal: s, Loop: true})
			}
		}
	}
}

func (d *panelDoor) idle(exit bool) policy.Signal {
	for _, w := range [...]*waiting{d.pin, d.company} {
		if w != nil && w.Exit == exit {
			return policy.SignalWait
		}
	}
	if d.warns {
		return policy.SignalLeftOpen
	}
	return policy.SignalNone
}

// signalOf is what a reader shows for a reason.
func signalOf(r access.Reason) policy.Signal {
	switch {
	case r.Grants():
		return policy.SignalGranted
	}
	switch r {
	case access.StaleRoster, access.ClockUnknown, access.NoPolicy, access.NotRecorded, access.Internal:
		return policy.SignalOffline
	}
	return policy.SignalDenied
}
