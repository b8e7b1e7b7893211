package wiring

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tombolo/edge/policy"
)

// Lights are the indicator lines of a reader that are on.
type Lights struct{ Green, Red, Beep bool }

// Lights are what a step switches on of what is wired. Two colours make amber,
// which also stands for blue and white: a light of the wrong colour says more
// than none.
func (r Reader) Lights(s policy.Step) Lights {
	both := s.Colour == policy.Amber || s.Colour == policy.Blue || s.Colour == policy.White
	return Lights{
		Green: r.Green != nil && (both || s.Colour == policy.Green),
		Red:   r.Red != nil && (both || s.Colour == policy.Red),
		Beep:  r.Beeper != nil && s.Beep,
	}
}

// signals are those that people have to tell apart.
var signals = []policy.Signal{policy.SignalGranted, policy.SignalDenied, policy.SignalWait, policy.SignalLeftOpen, policy.SignalOffline}

// indicators tells which signals the i-th reader of a door cannot show, or not
// apart.
func (c *checker) indicators(door string, i int, r Reader) {
	if len(r.Indicators()) == 0 {
		return
	}
	var dark []string
	var alike []string
	seen := map[string]policy.Signal{}
	for _, s := range signals {
		looks := r.looks(s, c.p.Feedback[s])
		first, twice := seen[looks]
		switch {
		case looks == "":
			dark = append(dark, s.String())
		case twice:
			alike = append(alike, fmt.Sprintf("%s and %s", first, s))
		default:
			seen[looks] = s
		}
	}
	const advice = "wire more of green, red and beeper, or change its feedback in the policy"
	if len(dark) > 0 {
		c.add(Note, door, "reader %d shows nothing for %s with the lines that are wired: %s", i+1, strings.Join(dark, ", "), advice)
	}
	if len(alike) > 0 {
		c.add(Note, door, "reader %d shows %s alike with the lines that are wired: %s", i+1, strings.Join(alike, ", "), advice)
	}
}

// looks is what a reader makes of a pattern, as a text to compare; empty if that
// is nothing at all.
func (r Reader) looks(signal policy.Signal, p policy.Pattern) string {
	type part struct {
		Lights
		d time.Duration
	}
	var parts []part
	for _, s := range p {
		l := r.Lights(s)
		if n := len(parts); n > 0 && parts[n-1].Lights == l {
			parts[n-1].d += s.For
			continue
		}
		parts = append(parts, part{l, s.For})
	}
	once := signal == policy.SignalGranted || signal == policy.SignalDenied
	if n := len(parts); n > 0 && once && parts[n-1].Lights == (Lights{}) {
		parts = parts[:n-1] // the dark afterwards is not seen
	}
	if !slices.ContainsFunc(parts, func(p part) bool { return p.Lights != Lights{} }) {
		return ""
	}
	return fmt.Sprint(parts)
}
