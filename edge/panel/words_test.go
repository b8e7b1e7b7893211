package panel_test

import (
	"fmt"
	"strings"
	"time"

	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/sync/ledger"
)

// actionWords says what is done as a person would.
func (s *story) actionWords(a panel.Action) string {
	switch a.Do {
	case panel.Drive:
		state := "off"
		if a.Energised {
			state = "on"
		}
		if a.Output == panel.Lock {
			state = "unlocked"
			if a.Energised == s.hardware[a.Door].FailSafe {
				state = "locked"
			}
			if s.hardware[a.Door].FailSafe {
				state += map[bool]string{true: " (energised)", false: " (de-energised)"}[a.Energised]
			}
		}
		return fmt.Sprintf("%s: %s %s", a.Door, a.Output, state)
	case panel.Show:
		reader := "reader"
		if a.Exit {
			reader = "exit reader"
		}
		switch {
		case a.Signal == policy.SignalNone:
			return fmt.Sprintf("%s: %s rests", a.Door, reader)
		case a.Loop:
			return fmt.Sprintf("%s: %s shows %s, again and again", a.Door, reader, a.Signal)
		}
		return fmt.Sprintf("%s: %s shows %s", a.Door, reader, a.Signal)
	case panel.RecordFirst:
		return "log first: " + s.bodyWords(a.Body)
	}
	return "log: " + s.bodyWords(a.Body)
}

func (s *story) bodyWords(body ledger.Body) string {
	switch b := body.(type) {
	case *ledger.Decision:
		return s.decisionWords(b)
	case *ledger.Passage:
		switch {
		case !b.Entered:
			return fmt.Sprintf("#%d nobody passed %s", b.Seq, b.Door)
		case b.Exit:
			return fmt.Sprintf("#%d went out by %s", b.Seq, b.Door)
		}
		return fmt.Sprintf("#%d went in by %s", b.Seq, b.Door)
	case *ledger.DoorState:
		return b.Door + " is " + b.State
	case *ledger.Line:
		of := ""
		if b.Door != "" {
			of = b.Door + " "
		}
		return of + b.Input + " " + b.State
	case *ledger.Fault:
		if b.Cleared {
			return "mended: " + b.Part
		}
		return "fault: " + b.Part + ": " + b.What
	case *ledger.Boot:
		return "start"
	case *ledger.Basis:
		if b.Policy == 0 {
			return "rules: no policy, clock " + b.Clock
		}
		return fmt.Sprintf("rules: policy %d, clock %s", b.Policy, b.Clock)
	case *ledger.PassUsed:
		return fmt.Sprintf("#%d spends an entry of pass %s", b.Seq, s.passes[b.Pass])
	case *ledger.Forgiven:
		who := "everybody"
		if b.Passport != 0 {
			who = fmt.Sprintf("p%d", b.Passport)
		}
		return fmt.Sprintf("%s is forgiven up to %s", who, time.UnixMilli(b.Before).In(s.location()).Format(time.DateTime))
	case *ledger.Siblings:
		return s.heardWords(b)
	case *ledger.Ordered:
		return fmt.Sprintf("#%d answers order %d at %s", b.Seq, b.Index, b.Door)
	case *ledger.PolicyTried:
		if b.OK {
			return fmt.Sprintf("policy %d was tried and is kept", b.Version)
		}
		return fmt.Sprintf("policy %d is refused: %s", b.Version, b.Why)
	case *ledger.Opening:
		return fmt.Sprintf("#%d is durable and opens %s", b.Seq, b.Door)
	case *ledger.ClockStep:
		from, to := time.UnixMilli(b.From).In(s.location()), time.UnixMilli(b.To).In(s.location())
		return fmt.Sprintf("the clock was set from %s to %s", from.Format(time.DateTime), to.Format(time.DateTime))
	}
	return fmt.Sprintf("%+v", body)
}

func (s *story) decisionWords(b *ledger.Decision) string {
	who, way, verdict := "somebody", "at", "refused"
	if b.Passport != 0 {
		who = fmt.Sprintf("p%d", b.Passport)
	}
	if b.Exit {
		way = "leaving by"
	}
	if b.Granted {
		verdict = "granted"
	}
	words := fmt.Sprintf("#%d %s %s %s, %s: %s", b.Seq, who, way, b.Door, strings.ReplaceAll(b.Mode, "window", "code"), verdict)
	if b.Reason != verdict {
		words += ", " + b.Reason
	}
	if b.RosterAge >= 24*60*60 {
		words += fmt.Sprintf(" (the roster is %d hours old)", b.RosterAge/3600)
	}
	return words
}

// note adds a line of output, with the time where it differs from the line's
// before.
func (s *story) note(format string, args ...any) {
	if s.quiet {
		return
	}
	if date := s.now.In(s.location()).Format(time.DateOnly); date != s.date {
		if s.date != "" {
			s.out = append(s.out, date)
		}
		s.date = date
	}
	at := s.wall(s.now)
	shown := at
	if s.shownAt == at || s.now.IsZero() {
		shown = ""
	}
	s.shownAt = at
	width := len("15:04:05.000")
	if s.zoned {
		width += len(" WEST")
	}
	s.out = append(s.out, strings.TrimRight(fmt.Sprintf("%-*s  %s", width, shown, fmt.Sprintf(format, args...)), " "))
}

// wall is the time as the clock on the wall shows it, with the zone in stories
// about zones.
func (s *story) wall(t time.Time) string {
	t = t.In(s.location())
	layout := "15:04:05"
	if t.Nanosecond() != 0 {
		layout = "15:04:05.000"
	}
	if s.zoned {
		layout += " MST"
	}
	return t.Format(layout)
}

func (s *story) location() *time.Location {
	if s.basis.Policy == nil {
		return time.UTC
	}
	return s.basis.Policy.Location
}
