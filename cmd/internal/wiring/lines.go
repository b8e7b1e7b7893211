package wiring

import (
	"strings"

	"tombolo/edge/door"
	"tombolo/edge/strict"
)

type lineID struct {
	chip   string
	offset int
}

type channelID struct {
	adc     string
	channel int
}

// output reads the output line at path; nil if there is none.
func (b *builder) output(path strict.Path, name string, f *fileOutput) *Line {
	if f == nil {
		return nil
	}
	l := b.line(path, name, f.Chip, f.Line, f.ActiveLow)
	return &l
}

// input reads the input at path; nil if there is none.
func (b *builder) input(path strict.Path, name string, f *fileInput) *Input {
	if f == nil {
		return nil
	}
	hasChip, hasADC := b.doc.Has(path.With("chip")...), b.doc.Has(path.With("adc")...)
	switch {
	case hasChip && hasADC:
		b.doc.RejectKey(path.With("adc"), "chip is there too: an input is a GPIO line, with chip and line, or supervised, with adc and channel")
	case hasADC:
		return b.supervised(path, name, f)
	case !hasChip:
		b.doc.Reject(path.With("chip"), `missing: name the chip (its label as in "pinctrl-bcm2711", its path as in "/dev/gpiochip0", or "sim"), or for a supervised input its adc`)
	}
	in := &Input{}
	if f.Chip == nil {
		return in
	}
	b.none(path, "only a supervised input, which has an adc, has this", "channel", "pull", "series", "parallel", "normally_open")
	in.Line = b.line(path, name, *f.Chip, f.Line, f.ActiveLow)
	switch {
	case in.Simulated():
		b.noneSimulated(path, name, "bias")
	case f.Bias != nil:
		in.Bias = *f.Bias
	}
	return in
}

// none rejects keys that do not belong at path.
func (b *builder) none(path strict.Path, why string, keys ...string) {
	for _, key := range keys {
		if b.doc.Has(path.With(key)...) {
			b.doc.RejectKey(path.With(key), "%s", why)
		}
	}
}

func (b *builder) noneSimulated(path strict.Path, name string, keys ...string) {
	b.none(path, `a simulated line has none: it is the one named `+strict.Quote(name)+`; write { chip = "sim" }`, keys...)
}

// line reads a GPIO line or a simulated one.
func (b *builder) line(path strict.Path, name, chip string, offset *int, activeLow *bool) Line {
	l := Line{Chip: chip, Name: name}
	if chip == SimChip {
		b.sims = append(b.sims, path.With("chip"))
		b.noneSimulated(path, name, "line", "active_low")
		return l
	}
	if !validChip(chip) {
		b.doc.Reject(path.With("chip"), `want a label such as "pinctrl-bcm2711", a path such as "/dev/gpiochip0", or "sim", got %s`, strict.Quote(chip))
	}
	if offset == nil {
		b.doc.Reject(path.With("line"), "missing: give the line's number on the chip, as gpioinfo shows it")
		return l
	}
	l.Offset = *offset
	l.ActiveLow = activeLow != nil && *activeLow
	id := lineID{l.Chip, l.Offset}
	if owner, taken := b.lines[id]; taken {
		b.doc.Reject(path.With("line"), "line %d of %s is %s already", l.Offset, strict.Quote(l.Chip), owner)
		return l
	}
	b.lines[id] = l.Name
	return l
}

// supervised reads an input that hangs on an ADC.
func (b *builder) supervised(path strict.Path, name string, f *fileInput) *Input {
	s := &Supervised{NormallyOpen: f.NormallyOpen != nil && *f.NormallyOpen}
	in := &Input{Line: Line{Name: name}, Supervised: s}
	b.none(path, "a supervised input has none: its line is the adc's channel", "line")
	b.none(path, "a supervised input has none: its resistors are pull, series and parallel", "bias")
	b.none(path, "a supervised input has none: say normally_open = true if its contact is open while nothing is the matter, as a button's is", "active_low")
	if f.ADC != nil {
		s.ADC = *f.ADC
		if s.ADC != SimADC {
			b.doc.Reject(path.With("adc"), `there is no driver for %s: it comes with the readers; until then the only one is "sim"`, strict.Quote(s.ADC))
		} else {
			b.sims = append(b.sims, path.With("adc"))
		}
	}
	complete := true
	for _, r := range []struct {
		key, missing string
		value        *Ohms
		to           *Ohms
	}{
		{"pull", "give the pull-up resistor at the adc, as in \"2.2k\"", f.Pull, &s.Pull},
		{"series", "give the resistor in series with the contact, as in \"1k\"", f.Series, &s.Series},
		{"parallel", "give the resistor in parallel to the contact, as in \"1k\"", f.Parallel, &s.Parallel},
	} {
		if r.value == nil {
			complete = false
			b.doc.Reject(path.With(r.key), "missing: %s", r.missing)
			continue
		}
		*r.to = *r.value
		complete = complete && *r.value > 0 // of a value that was refused nothing is left
	}
	if complete {
		bands, err := door.BandsOf(int(s.Pull), int(s.Series), int(s.Parallel))
		if err != nil {
			b.doc.Reject(path.With("pull"), "%v", err)
		}
		if s.Bands = bands; s.NormallyOpen {
			s.Bands = bands.NormallyOpen()
		}
	}
	if f.Channel == nil {
		b.doc.Reject(path.With("channel"), "missing: give the number of the adc's channel, from 0")
		return in
	}
	s.Channel = *f.Channel
	id := channelID{s.ADC, s.Channel}
	if owner, taken := b.channels[id]; taken {
		b.doc.Reject(path.With("channel"), "channel %d of %s is %s already", s.Channel, strict.Quote(s.ADC), owner)
		return in
	}
	b.channels[id] = name
	return in
}

// validChip tells a label (the kernel's have at most 31 bytes, linux/gpio.h
// GPIO_MAX_NAME_SIZE) or a device's path from all else.
func validChip(chip string) bool {
	if n, ok := strings.CutPrefix(chip, "/dev/gpiochip"); ok {
		return n != "" && len(n) <= 4 && strings.Trim(n, "0123456789") == ""
	}
	if chip == "" || len(chip) > 31 || strings.Contains(chip, "/") {
		return false
	}
	for _, c := range []byte(chip) {
		if c <= ' ' || c > '~' {
			return false
		}
	}
	return true
}
