package wiring

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"tombolo/edge/strict"
)

// file is gateway.toml as it is written. Tags: see package strict.
type file struct {
	Data  *string                   `toml:"data"`
	Name  *optionalSlug             `toml:"name"`
	Sim   *fileSim                  `toml:"sim"`
	Doors map[strict.Slug]*fileDoor `toml:"doors"`
}

type fileSim struct {
	Socket string `toml:"socket" required:"name the socket that shows and moves the simulated lines, as in \"sim.sock\""`
}

type fileDoor struct {
	Lock    Lock         `toml:"lock" required:"say what the lock does without power: \"fail-secure\" (it locks) or \"fail-safe\" (it unlocks)"`
	Relay   *fileRelay   `toml:"relay" required:"name the line that drives the lock, as in { chip = \"pinctrl-bcm2711\", line = 17 }"`
	Contact *fileInput   `toml:"contact"`
	Rex     *fileInput   `toml:"rex"`
	Readers []fileReader `toml:"readers"`
}

// fileRelay has no bias: an output needs none.
type fileRelay struct {
	Chip      string `toml:"chip" required:"name the chip: its label as in \"pinctrl-bcm2711\", its path as in \"/dev/gpiochip0\", or \"sim\""`
	Line      *int   `toml:"line" min:"0" max:"1023"`
	ActiveLow *bool  `toml:"active_low"`
}

type fileInput struct {
	Chip      string `toml:"chip" required:"name the chip: its label as in \"pinctrl-bcm2711\", its path as in \"/dev/gpiochip0\", or \"sim\""`
	Line      *int   `toml:"line" min:"0" max:"1023"`
	ActiveLow *bool  `toml:"active_low"`
	Bias      *Bias  `toml:"bias"`
}

type fileReader struct {
	Kind Kind   `toml:"kind" required:"say what kind of reader it is: \"scanner\""`
	Port string `toml:"port" required:"name its serial device, as in \"/dev/serial/by-id/usb-…\""`
	Baud *int   `toml:"baud"`
	Side Side   `toml:"side"`
}

// optionalSlug is a slug, or "" for none.
type optionalSlug string

func (s *optionalSlug) UnmarshalText(text []byte) error {
	var slug strict.Slug
	if len(text) > 0 {
		if err := slug.UnmarshalText(text); err != nil {
			return err
		}
	}
	*s = optionalSlug(slug)
	return nil
}

// bauds are the speeds that POSIX and Linux name and scanners have.
var bauds = []int{1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600}

// maxPath is Linux's PATH_MAX without its zero byte.
const maxPath = 4095

// Parse reads gateway.toml. path is where the file is: errors name it, and
// relative paths in it are relative to its folder. The error is strict.Errors:
// everything that is wrong, by position.
func Parse(path string, data []byte) (*Wiring, error) {
	var f file
	doc, err := strict.Decode(path, data, &f)
	if doc == nil {
		return nil, err
	}
	b := &builder{doc: doc, dir: filepath.Dir(path), lines: map[lineID]string{}, ports: map[string]string{}}
	w := b.build(&f)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return w, nil
}

type lineID struct {
	chip   string
	offset int
}

// builder makes the Wiring and rejects what does not fit together.
type builder struct {
	doc   *strict.Document
	dir   string            // the file's folder
	lines map[lineID]string // whose each line is
	ports map[string]string // whose each port is
	sims  int               // simulated lines
}

func (b *builder) build(f *file) *Wiring {
	w := &Wiring{Data: b.dir, Doors: make(map[string]*Door, len(f.Doors))}
	if f.Data != nil {
		w.Data = b.path(strict.Path{"data"}, *f.Data)
	}
	if f.Name != nil {
		w.Name = string(*f.Name)
	}
	// The file's order: of two doors that claim one line the later one is told.
	for _, name := range b.doc.Keys("doors") {
		if d := f.Doors[strict.Slug(name)]; d != nil {
			w.Doors[name] = b.door(name, d)
		}
	}
	switch {
	case f.Sim != nil:
		w.Sim.Socket = b.path(strict.Path{"sim", "socket"}, f.Sim.Socket)
		if b.sims == 0 {
			b.doc.Reject(strict.Path{"sim"}, "no line here is simulated: leave [sim] out")
		}
	case b.sims > 0 && !b.doc.Has("sim"):
		for _, l := range b.simulated(w) {
			b.doc.Reject(l, `a simulated line needs the socket that moves it: add [sim] with socket = "sim.sock"`)
		}
	}
	return w
}

// simulated are the paths of all simulated lines' chips.
func (b *builder) simulated(w *Wiring) []strict.Path {
	var paths []strict.Path
	for _, name := range slices.Sorted(maps.Keys(w.Doors)) {
		d := w.Doors[name]
		for _, l := range []*Line{&d.Relay, d.Contact, d.Rex} {
			if l != nil && l.Simulated() {
				_, what, _ := strings.Cut(l.Name, "/")
				paths = append(paths, strict.Path{"doors", name, what, "chip"})
			}
		}
	}
	return paths
}

func (b *builder) door(name string, f *fileDoor) *Door {
	path := strict.Path{"doors", name}
	d := &Door{Name: name, Lock: f.Lock}
	if f.Relay != nil {
		d.Relay = *b.line(path.With("relay"), fileInput{Chip: f.Relay.Chip, Line: f.Relay.Line, ActiveLow: f.Relay.ActiveLow})
	}
	if f.Contact != nil {
		d.Contact = b.line(path.With("contact"), *f.Contact)
	}
	if f.Rex != nil {
		d.Rex = b.line(path.With("rex"), *f.Rex)
	}
	for i, r := range f.Readers {
		d.Readers = append(d.Readers, b.reader(path.With("readers").At(i), name, r))
	}
	return d
}

// line reads the line at path, which ends in its door and what it is there.
func (b *builder) line(path strict.Path, f fileInput) *Line {
	l := &Line{Chip: f.Chip, Name: strings.Join(path[1:], "/")}
	if f.Chip == SimChip {
		b.sims++
		for _, key := range []string{"line", "active_low", "bias"} {
			if b.doc.Has(path.With(key)...) {
				b.doc.RejectKey(path.With(key), "a simulated line has none: it is the one named %q; write { chip = \"sim\" }", l.Name)
			}
		}
		return l
	}
	if !validChip(f.Chip) {
		b.doc.Reject(path.With("chip"), `want a label such as "pinctrl-bcm2711", a path such as "/dev/gpiochip0", or "sim", got %s`, strict.Quote(f.Chip))
	}
	if f.Line == nil {
		b.doc.Reject(path.With("line"), "missing: give the line's number on the chip, as gpioinfo shows it")
		return l
	}
	l.Offset = *f.Line
	l.ActiveLow = f.ActiveLow != nil && *f.ActiveLow
	if f.Bias != nil {
		l.Bias = *f.Bias
	}
	id := lineID{l.Chip, l.Offset}
	if owner, taken := b.lines[id]; taken {
		b.doc.Reject(path.With("line"), "line %d of %s is %s already", l.Offset, strict.Quote(l.Chip), owner)
		return l
	}
	b.lines[id] = l.Name
	return l
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

func (b *builder) reader(path strict.Path, door string, f fileReader) Reader {
	r := Reader{Kind: f.Kind, Baud: DefaultBaud, Side: f.Side, Port: b.path(path.With("port"), f.Port)}
	if f.Baud != nil {
		r.Baud = *f.Baud
		if !slices.Contains(bauds, r.Baud) {
			b.doc.Reject(path.With("baud"), "want one of %s, got %d", strings.Trim(fmt.Sprint(bauds), "[]"), r.Baud)
		}
	}
	owner := fmt.Sprintf("door %s's reader %s", door, path[len(path)-1])
	if other, taken := b.ports[r.Port]; taken && r.Port != "" {
		b.doc.Reject(path.With("port"), "%s is %s already: one reader, one port", strict.Quote(f.Port), other)
		return r
	}
	b.ports[r.Port] = owner
	return r
}

// path makes a path of the file absolute in the sense of Wiring.
func (b *builder) path(at strict.Path, p string) string {
	switch {
	case p == "":
		b.doc.Reject(at, "empty: want a path")
		return ""
	case len(p) > maxPath || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }):
		b.doc.Reject(at, "want a path of at most %d bytes without control characters", maxPath)
		return ""
	case filepath.IsAbs(p):
		return filepath.Clean(p)
	}
	return filepath.Join(b.dir, p)
}
