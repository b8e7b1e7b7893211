package osdp

import (
	"maps"
	"slices"
	"strings"
)

// shown is what a reader shall show, and what it has been told of that.
type shown struct {
	lights  []Colour // those that are on, the latest last
	beep    bool
	text    string
	outputs map[byte]bool

	light, buzzer, display bool // to be told
	output                 map[byte]bool
	length                 int // of the text that stands there
	ever                   [3]bool
}

func (s *shown) setLight(c Colour, on bool) {
	s.lights = slices.DeleteFunc(s.lights, func(x Colour) bool { return x == c })
	if on {
		s.lights = append(s.lights, c)
	}
	s.light, s.ever[0] = true, true
}

func (s *shown) setBeep(on bool) { s.beep, s.buzzer, s.ever[1] = on, true, true }

func (s *shown) setText(text string) { s.text, s.display, s.ever[2] = text, true, true }

func (s *shown) setOutput(n byte, on bool) {
	if s.outputs == nil {
		s.outputs, s.output = make(map[byte]bool), make(map[byte]bool)
	}
	s.outputs[n], s.output[n] = on, true
}

// all makes the reader be told everything again: it may have been restarted.
func (s *shown) all() {
	s.light, s.buzzer, s.display = s.ever[0], s.ever[1], s.ever[2]
	for n := range s.outputs {
		s.output[n] = true
	}
}

func (s *shown) dirty() bool {
	return s.light || s.buzzer || s.display || len(s.output) > 0
}

// next gives the next command that tells the reader something; what it says it
// cannot is left out, and what it was found to lack.
func (s *shown) next(c Capabilities, unknown *lacks) (command, bool) {
	lacks := func(code byte, f int) bool {
		return c != (Capabilities{}) && c[f] == (Capability{}) || unknown.any(ask(code))
	}
	if unknown.any(ask(cmdOut)) {
		clear(s.output)
	}
	if len(s.output) > 0 {
		n := slices.Min(slices.Collect(maps.Keys(s.output)))
		delete(s.output, n)
		return setOutput(n, s.outputs[n]), true
	}
	if s.light {
		s.light = false
		if !lacks(cmdLED, FunctionLight) {
			colour := Black
			if n := len(s.lights); n > 0 {
				colour = s.lights[n-1]
			}
			return setLight(colour), true
		}
	}
	if s.buzzer {
		s.buzzer = false
		if !lacks(cmdBuz, FunctionBuzzer) {
			return setBuzzer(s.beep), true
		}
	}
	if s.display {
		s.display = false
		if !lacks(cmdText, FunctionText) {
			// What stood there is written over.
			text := s.text + strings.Repeat(" ", max(0, s.length-len(s.text)))
			s.length = min(len(s.text), maxText)
			return setText(text), true
		}
	}
	return command{}, false
}
