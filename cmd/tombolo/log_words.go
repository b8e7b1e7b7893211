package main

import (
	"fmt"
	"strings"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/strict"
	"tombolo/sync/ledger"
)

// words is what happened, as a person reads it beside the time, the door and the
// passport. zone is that of the times in it.
func (e logEntry) words(zone *time.Location) string {
	switch b := e.body.(type) {
	case nil:
		if e.dropped {
			return fmt.Sprintf("(%v: the body was dropped)", e.kind)
		}
		return fmt.Sprintf("(%v: of a newer version, %s)", e.kind, count(len(e.raw), "byte", "bytes"))
	case *ledger.Begin:
		if b.Predecessor != nil {
			return fmt.Sprintf("a new log begins, generation %d, after %s of incarnation %v", b.Generation, count(b.Predecessor.Size, "entry", "entries"), b.Predecessor.Incarnation)
		}
		return fmt.Sprintf("a log begins, generation %d", b.Generation)
	case *ledger.Dropped:
		what := fmt.Sprintf("the bodies of entries %d to %d were dropped", b.First, b.Last)
		if b.First == b.Last {
			what = fmt.Sprintf("the body of entry %d was dropped", b.First)
		}
		return because(what, b.Why)
	case *ledger.Decision:
		return answerWords(b)
	case *ledger.Passage:
		switch {
		case !b.Entered:
			return "let through, and nobody went"
		case b.Exit:
			return "went out"
		}
		return "went in"
	case *ledger.DoorState:
		return named(stateWords, b.State)
	case *ledger.Input:
		return lineWords(b.Input, map[bool]string{true: "active", false: "normal"}[b.Active])
	case *ledger.Line:
		return lineWords(b.Input, b.State)
	case *ledger.Boot:
		return fmt.Sprintf("started: %s, %s, clock %s", b.Software, policyWords(b.Policy), b.Clock)
	case *ledger.Basis:
		return fmt.Sprintf("decides by %s, clock %s, %s", policyWords(b.Policy), b.Clock, count(len(b.Sources), "ledger", "ledgers"))
	case *ledger.ClockStep:
		by := time.Duration(b.To-b.From) * time.Millisecond
		way := "ahead"
		if by < 0 {
			way = "back"
		}
		return fmt.Sprintf("the clock was set %s by %s, to %s", way, ageWords(by.Abs()), inZone(time.UnixMilli(b.To), zone))
	case *ledger.Fault:
		part := b.Part
		if door := e.door(); door != "" {
			part = strings.TrimPrefix(strings.TrimPrefix(part, "door/"+door), "/")
		}
		if b.Cleared {
			return because("fault over: "+part, b.What)
		}
		return because("FAULT: "+part, b.What)
	case *ledger.ForkSeen:
		return forkWords(b)
	case *ledger.PassUsed:
		return fmt.Sprintf("an entry of guest pass %s is spent, decision %d", b.Pass.String()[:8], b.Seq)
	case *ledger.Forgiven:
		who := "the passport is"
		if b.Passport == 0 {
			who = "everybody is"
		}
		return fmt.Sprintf("%s forgiven what was remembered up to %s", who, inZone(time.UnixMilli(b.Before), zone))
	case *ledger.Opening:
		return fmt.Sprintf("decision %d is recorded: the door opens", b.Seq)
	}
	return inWords(e.body)
}

// named is the words for a code; one of newer software is shown as it is.
func named(words map[string]string, code string) string {
	if s, ok := words[code]; ok {
		return s
	}
	return code
}

// stateWords are by the names of package edge/door, and those of lockdowns.
var stateWords = map[string]string{
	"locked":        "locked",
	"unlocked":      "unlocked",
	"open":          "opened",
	"held-open":     "LEFT OPEN for longer than it may be",
	"forced-open":   "FORCED OPEN",
	"free":          "unlocked by its schedule",
	"released":      "RELEASED by fire",
	"lockdown":      "under LOCKDOWN",
	"lockdown-over": "the lockdown is over",
}

// inputWords are by the inputs of package edge/panel and their states.
var inputWords = map[string]string{
	"contact active": "the contact is open",
	"contact normal": "the contact is closed",
	"rex active":     "the exit button is pressed",
	"rex normal":     "the exit button is not pressed",
	"tamper active":  "a case is OPEN",
	"tamper normal":  "the case is closed",
	"fire active":    "FIRE",
	"fire normal":    "no fire",
	"mains active":   "mains power has FAILED",
	"mains normal":   "mains power is there",
	"battery active": "the battery is LOW",
	"battery normal": "the battery is good",
}

func lineWords(input, state string) string {
	if state == "cut" || state == "shorted" {
		return input + ": the line is " + strings.ToUpper(state)
	}
	return named(inputWords, input+" "+state)
}

func policyWords(version uint64) string {
	if version == 0 {
		return "no policy"
	}
	return fmt.Sprintf("policy version %d", version)
}

var modeWords = map[string]string{"tap": "tap", "window": "code", "rex": "button", "remote": "order from afar", "unread": "something unreadable"}

var pinWords = map[string]string{
	"": "", "pin": " and PIN", "wrong-pin": " and a wrong PIN", "duress": " and a DURESS PIN", "no-pin": " and no PIN", "late": " and no PIN",
}

// byWords is what was presented.
func byWords(mode string) string {
	what, pin, _ := strings.Cut(mode, "+")
	if words, ok := pinWords[pin]; ok {
		return named(modeWords, what) + words
	}
	return mode
}

// answerWords is a decision, without the door and the passport.
func answerWords(b *ledger.Decision) string {
	by := " by " + byWords(b.Mode)
	var out string
	switch {
	case b.Granted && b.Exit:
		out = "let out" + by
	case b.Granted:
		out = "let in" + by
	case waits(b):
		out = "has to wait," + by
	default:
		out = "DENIED" + by
	}
	if b.Reason != access.Granted.String() && b.Reason != access.Exit.String() {
		out += ": " + access.TextOf(b.Reason)
	}
	if duress(b) && !tellsDuress(b) { // the reason is another, or none
		out += ": somebody may be in danger"
	}
	if b.Reason == access.StaleRoster.String() && b.RosterAge >= 0 {
		out += fmt.Sprintf(" (for %s)", ageWords(time.Duration(b.RosterAge)*time.Second))
	}
	return out
}

// ageWords is how long something takes, to two units: nobody reads the seconds
// of three days.
func ageWords(d time.Duration) string {
	fine := time.Millisecond
	switch {
	case d >= 24*time.Hour:
		fine = time.Hour
	case d >= time.Hour:
		fine = time.Minute
	case d >= time.Second:
		fine = time.Second
	}
	return strict.Duration(d.Truncate(fine)).String()
}

func forkWords(b *ledger.ForkSeen) string {
	f, err := ledger.ParseFork(b.Evidence)
	if err != nil {
		return "an author signed TWO HISTORIES; the proof cannot be read: " + err.Error()
	}
	head, _, err := f.Heads()
	if err != nil {
		return "an author signed TWO HISTORIES; the proof cannot be read: " + err.Error()
	}
	return fmt.Sprintf("TWO HISTORIES of the %s ledger of %v were signed; the proof is in this entry", head.Origin.Kind, head.Origin.Author)
}

// inZone is a time as people read it; in UTC it says so.
func inZone(t time.Time, zone *time.Location) string {
	switch {
	case t.IsZero():
		return "-"
	case zone == time.UTC:
		return t.UTC().Format("2006-01-02 15:04:05Z")
	}
	return t.In(zone).Format("2006-01-02 15:04:05")
}
