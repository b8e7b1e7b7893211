package policy

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tombolo/edge/strict"
)

// Signal is something that a reader tells the person in front of it.
type Signal uint8

// SignalGranted, SignalDenied and SignalKey are shown once; the others are
// repeated while they last.
const (
	SignalNone     Signal = iota // the reader rests: its pattern is empty
	SignalGranted                // the door is unlocked for you
	SignalDenied                 // it is not
	SignalWait                   // something is still to come: a PIN, a second person, an escort
	SignalLeftOpen               // close the door
	SignalOffline                // the reader works, the gateway behind it does not
	SignalKey                    // a key of a keypad was pressed, whichever
)

var signalNames = []string{"none", "granted", "denied", "wait", "left_open", "offline", "key"}

func (s Signal) String() string { return name(s, signalNames) }

// Feedback is how each signal looks and sounds.
type Feedback [SignalKey + 1]Pattern

// Pattern is what a reader shows, step after step; dark and silent afterwards.
type Pattern []Step

// Step is a light and a sound for some time. A reader leaves out what it
// cannot do.
type Step struct {
	Colour Colour
	Beep   bool
	For    time.Duration // 20 ms to 5 s, whole milliseconds
}

// Colour is one of a reader's light.
type Colour uint8

// The zero value is dark.
const (
	Dark Colour = iota
	Green
	Red
	Amber
	Blue
	White
)

var colourNames = []string{"off", "green", "red", "amber", "blue", "white"}

func (c Colour) String() string { return name(c, colourNames) }

// DefaultFeedback is what readers show where a policy says nothing. Granted and
// denied differ for the ear and for whoever cannot tell red from green.
func DefaultFeedback() Feedback {
	const ms = time.Millisecond
	return Feedback{
		SignalGranted: {{Green, true, 200 * ms}, {Green, false, 1800 * ms}},
		SignalDenied: {{Red, true, 100 * ms}, {Dark, false, 100 * ms}, {Red, true, 100 * ms}, {Dark, false, 100 * ms},
			{Red, true, 100 * ms}},
		SignalWait:     {{Amber, false, 300 * ms}, {Dark, false, 300 * ms}},
		SignalLeftOpen: {{Red, true, 500 * ms}, {Dark, false, 500 * ms}},
		SignalOffline:  {{Blue, false, 100 * ms}, {Dark, false, 1900 * ms}},
		SignalKey:      {{Dark, true, 50 * ms}},
	}
}

// ErrPattern: a text that is no pattern.
var ErrPattern = errors.New(`want a pattern of 1 to 16 steps from 20ms to 5s, such as "green+beep 200ms, off 100ms, beep 50ms"`)

const (
	maxSteps = 16
	minStep  = 20 * time.Millisecond
	maxStep  = 5 * time.Second
)

// ParsePattern reads steps with ", " between them: "COLOUR[+beep] TIME",
// "beep TIME" or "off TIME". All its errors are ErrPattern.
func ParsePattern(text string) (Pattern, error) {
	if len(text) > maxSteps*len("amber+beep 5000ms, ") {
		return nil, ErrPattern
	}
	var p Pattern
	for part := range strings.SplitSeq(text, ", ") {
		s, err := parseStep(part)
		if err != nil {
			return nil, err
		}
		p = append(p, s)
	}
	if len(p) > maxSteps {
		return nil, fmt.Errorf("%w; these are %d steps", ErrPattern, len(p))
	}
	return p, nil
}

func parseStep(text string) (Step, error) {
	show, length, ok := strings.Cut(text, " ")
	if !ok {
		return Step{}, fmt.Errorf("%w; %s has no time", ErrPattern, strict.Quote(text))
	}
	d, err := strict.ParseDuration(length)
	s := Step{For: time.Duration(d)}
	if err != nil || s.For < minStep || s.For > maxStep || s.For%time.Millisecond != 0 {
		return Step{}, fmt.Errorf("%w; the time is %s", ErrPattern, strict.Quote(length))
	}
	colour, beep := strings.CutSuffix(show, "+beep")
	s.Beep = beep
	switch i := slices.Index(colourNames, colour); {
	case show == "beep":
		s.Beep = true
	case i < 0 || show == "off+beep":
		return Step{}, fmt.Errorf("%w; there is no %s", ErrPattern, strict.Quote(show))
	default:
		s.Colour = Colour(i)
	}
	return s, nil
}

func (s Step) String() string {
	show := s.Colour.String()
	switch {
	case s.Beep && s.Colour == Dark:
		show = "beep"
	case s.Beep:
		show += "+beep"
	}
	return show + " " + s.For.String()
}

// String is what ParsePattern reads.
func (p Pattern) String() string {
	steps := make([]string, len(p))
	for i, s := range p {
		steps[i] = s.String()
	}
	return strings.Join(steps, ", ")
}

// MarshalText is String.
func (p Pattern) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText is ParsePattern.
func (p *Pattern) UnmarshalText(text []byte) error {
	v, err := ParsePattern(string(text))
	if err == nil {
		*p = v
	}
	return err
}

// Length is how long p lasts.
func (p Pattern) Length() (sum time.Duration) {
	for _, s := range p {
		sum += s.For
	}
	return sum
}

// seen is p as people perceive it: steps that show the same joined, and what is
// dark at the end left out; without colours if light is all alike.
func (p Pattern) seen(colours bool) Pattern {
	var out Pattern
	for _, s := range p {
		if !colours && s.Colour != Dark {
			s.Colour = White
		}
		if n := len(out); n > 0 && out[n-1].Colour == s.Colour && out[n-1].Beep == s.Beep {
			out[n-1].For += s.For
			continue
		}
		out = append(out, s)
	}
	return out
}

// feedback reads the patterns, and refuses two that people could not tell
// apart.
func (b *builder) feedback(p *Policy) {
	p.Feedback = DefaultFeedback()
	f := &b.f.Feedback
	for s, pattern := range [...]Pattern{
		SignalGranted: f.Granted, SignalDenied: f.Denied, SignalWait: f.Wait, SignalLeftOpen: f.LeftOpen, SignalOffline: f.Offline,
		SignalKey: f.Key,
	} {
		if pattern != nil {
			p.Feedback[s] = pattern
		}
	}
	for s := SignalGranted; s < SignalKey; s++ {
		pattern := p.Feedback[s].seen(true)
		if len(pattern) == 1 && pattern[0].Colour == Dark && !pattern[0].Beep {
			b.doc.Reject(feedbackPath(s), "this shows nothing: people must see or hear it")
			continue
		}
		for earlier := SignalGranted; earlier < s; earlier++ {
			if slices.Equal(p.Feedback[earlier].seen(true), pattern) {
				// The one of the two that the file sets is where it can be mended.
				at, other := s, earlier
				if !b.doc.Has(feedbackPath(s)...) {
					at, other = earlier, s
				}
				b.doc.Reject(feedbackPath(at), "the same as %s, which is %q: people must tell them apart", other, p.Feedback[other])
			}
		}
	}
}

func feedbackPath(s Signal) strict.Path { return strict.Path{"feedback", s.String()} }
