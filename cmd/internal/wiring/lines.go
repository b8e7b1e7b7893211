package wiring

import (
	"strings"

	"tombolo/edge/strict"
	"tombolo/hw/board"
)

type lineID struct {
	chip   string
	offset int
}

// naming is how the file names a line: by header pin, by BCM number, or by chip
// and line.
type naming struct {
	chip           *string
	line, pin, bcm *int
	activeLow      *bool
}

// output reads the output line at path; nil if there is none.
func (b *builder) output(path strict.Path, name string, f *fileOutput) *Line {
	if f == nil {
		return nil
	}
	l, _ := b.line(path, name, naming{f.Chip, f.Line, f.Pin, f.BCM, f.ActiveLow})
	if l.Simulated() {
		b.noneSimulated(path, name, "resistor")
	}
	return &l
}

// power is output for a line that moves something: while the board starts
// nobody drives it, and what pulls it then must not energise it.
func (b *builder) power(path strict.Path, name string, f *fileOutput) *Line {
	l := b.output(path, name, f)
	if l == nil || l.Chip == "" || l.Simulated() {
		return l
	}
	what := name[strings.LastIndexByte(name, '/')+1:]
	if f.Resistor != nil && *f.Resistor != 0 {
		if (*f.Resistor == ResistorUp) != l.ActiveLow {
			b.doc.Reject(path.With("resistor"), "a %v would energise the %s, which is active %s, whenever no program drives it: solder the other one",
				*f.Resistor, what, level(!l.ActiveLow))
		}
		return l
	}
	if !onHeader(l.Chip) {
		return l // what pulls there at power-on nobody has told us
	}
	key := nameKey(f)
	switch pull := board.PowerOnPull(l.Offset); {
	case pull == board.PullUp && !l.ActiveLow:
		b.doc.Reject(path.With(key), "BCM %d is pulled up from power-on until a program drives it, which would energise this %s (active high): use one of BCM 9 to 27, or solder a pull-down of a few kilo-ohms and write resistor = \"pull-down\"", l.Offset, what)
	case pull == board.PullDown && l.ActiveLow:
		b.doc.Reject(path.With(key), "BCM %d is pulled down from power-on until a program drives it, which would energise this %s (active low): use one of BCM 2 to 8, or solder a pull-up of a few kilo-ohms and write resistor = \"pull-up\"", l.Offset, what)
	}
	return l
}

func level(high bool) string {
	if high {
		return "high"
	}
	return "low"
}

func nameKey(f *fileOutput) string {
	switch {
	case f.Pin != nil:
		return "pin"
	case f.BCM != nil:
		return "bcm"
	}
	return "line"
}

// input reads the input at path; nil if there is none.
func (b *builder) input(path strict.Path, name string, f *fileInput) *Input {
	if f == nil {
		return nil
	}
	if f.ADC != nil {
		for _, key := range []string{"chip", "pin", "bcm"} {
			if b.doc.Has(path.With(key)...) {
				b.doc.RejectKey(path.With("adc"), "%s is there too: an input is a GPIO line, by pin, by bcm or by chip and line, or supervised, with adc and channel", key)
				return &Input{}
			}
		}
		return b.supervised(path, name, f)
	}
	b.none(path, "only a supervised input, which has an adc, has this", "channel", "pull", "series", "parallel", "normally_open")
	in := &Input{}
	in.Line, _ = b.line(path, name, naming{f.Chip, f.Line, f.Pin, f.BCM, f.ActiveLow})
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

// line reads a GPIO line or a simulated one; ok is false where the file does not
// say which, or one that cannot be had.
func (b *builder) line(path strict.Path, name string, n naming) (l Line, ok bool) {
	l = Line{Name: name, ActiveLow: n.activeLow != nil && *n.activeLow}
	key := ""
	for _, way := range []struct {
		key   string
		there bool
	}{{"pin", n.pin != nil}, {"bcm", n.bcm != nil}, {"chip", n.chip != nil}} {
		switch {
		case !way.there:
		case key != "":
			b.doc.RejectKey(path.With(way.key), "%s is there too: name a line in one way, by pin, by bcm, or by chip and line", key)
			return l, false
		default:
			key = way.key
		}
	}
	switch key {
	case "":
		b.doc.Reject(path.With("chip"), `missing: name the line by its header pin, as in { pin = 11 }, by its BCM number, as in { bcm = 17 }, or name the chip (its label as in "pinctrl-bcm2711", its path as in "/dev/gpiochip0", or "sim") and its line`)
		return l, false
	case "chip":
		if *n.chip == SimChip {
			b.sims = append(b.sims, path.With("chip"))
			b.noneSimulated(path, name, "line", "active_low")
			return Line{Chip: SimChip, Name: name}, true
		}
		l.Chip = *n.chip
		if !validChip(l.Chip) {
			b.doc.Reject(path.With("chip"), `want a label such as "pinctrl-bcm2711", a path such as "/dev/gpiochip0", or "sim", got %s`, strict.Quote(l.Chip))
		}
		if n.line == nil {
			b.doc.Reject(path.With("line"), "missing: give the line's number on the chip, as gpioinfo shows it")
			return l, false
		}
		l.Offset, key = *n.line, "line"
	default:
		b.none(path, key+" says already which line it is", "line")
		l.Chip = board.HeaderChip
		if l.Offset, ok = b.bcm(path, key, n); !ok {
			return l, false
		}
	}
	return l, b.claim(path.With(key), l)
}

// claim takes the line for its owner, unless it cannot be had.
func (b *builder) claim(at strict.Path, l Line) bool {
	id := lineID{l.Chip, l.Offset}
	what := "line " + itoa(l.Offset) + " of " + strict.Quote(l.Chip)
	if onHeader(l.Chip) {
		if l.Offset >= board.BCMs {
			b.doc.Reject(at, "%s is the board's own, its SD card's or an LED's: the header has 0 to %d", what, board.BCMs-1)
			return false
		}
		id.chip, what = board.HeaderChip, headerName(l.Offset) // whatever it is called here
		if why, reserved := board.Reserved(l.Offset); reserved {
			b.doc.Reject(at, "%s is reserved: it is %s; wire another pin", what, why)
			return false
		}
		if bus, taken := b.header[l.Offset]; taken {
			b.doc.Reject(at, "%s belongs to %s: wire another pin", what, bus)
			return false
		}
	}
	if owner, taken := b.lines[id]; taken {
		b.doc.Reject(at, "%s is %s already", what, owner)
		return false
	}
	b.lines[id] = l.Name
	return true
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
