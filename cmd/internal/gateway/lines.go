package gateway

import (
	"errors"
	"fmt"

	"tombolo/cmd/internal/wiring"
	"tombolo/edge/policy"
)

// lineLights are a reader's indicator lines, which are open and dark.
type lineLights struct {
	reader wiring.Reader
	lines  [3]lamp // green, red, beeper

	// fault may wait for the controller.
	fault func(part, what string, cleared bool)
}

// lamp is one indicator line; the zero value is not wired.
type lamp struct {
	relay relay
	part  string // as faults name it
	on    bool
	fault bool // it could not be driven
}

func (x *lineLights) light(s policy.Step) {
	want := x.reader.Lights(s)
	for n, on := range [...]bool{want.Green, want.Red, want.Beep} {
		l := &x.lines[n]
		if l.relay == nil || on == l.on && !l.fault {
			continue
		}
		err := l.relay.Set(on)
		l.on = on
		if failed := err != nil; failed != l.fault {
			l.fault = failed
			what := "the indicator obeys again"
			if failed {
				what = fmt.Sprintf("the indicator cannot be driven: %v", err)
			}
			x.fault(l.part, what, !failed)
		}
	}
}

// Close frees the lines.
func (x *lineLights) Close() error {
	var errs []error
	for _, l := range x.lines {
		if l.relay != nil {
			errs = append(errs, l.relay.Set(false), l.relay.Close())
		}
	}
	return errors.Join(errs...)
}
