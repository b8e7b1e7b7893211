package wiring

import (
	"path/filepath"
	"strings"

	"tombolo/edge/strict"
)

// file is gateway.toml as it is written. Tags: see package strict.
type file struct {
	Data   *string                   `toml:"data"`
	Name   *optionalSlug             `toml:"name"`
	Sim    *fileSim                  `toml:"sim"`
	Inputs fileInputs                `toml:"inputs"`
	Buses  map[strict.Slug]*fileBus  `toml:"buses"`
	ADCs   map[strict.Slug]*fileADC  `toml:"adcs"`
	Doors  map[strict.Slug]*fileDoor `toml:"doors"`

	Broker    *fileBroker               `toml:"broker"`
	Links     map[strict.Slug]*fileLink `toml:"links"`
	Metrics   *fileMetrics              `toml:"metrics"`
	Retention *fileRetention            `toml:"retention"`
	Census    *fileCensus               `toml:"census"`
}

type fileSim struct {
	Socket string `toml:"socket" required:"name the socket that shows and moves what is simulated, as in \"sim.sock\""`
}

type fileInputs struct {
	Fire    *fileInput `toml:"fire"`
	Tamper  *fileInput `toml:"tamper"`
	Mains   *fileInput `toml:"mains"`
	Battery *fileInput `toml:"battery"`
}

type fileDoor struct {
	Lock     Lock         `toml:"lock" required:"say what the lock does without power: \"fail-secure\" (it locks) or \"fail-safe\" (it unlocks)"`
	Relay    *fileOutput  `toml:"relay" required:"name the line that drives the lock, as in { pin = 11 }"`
	Operator *fileOutput  `toml:"operator"`
	Sounder  *fileOutput  `toml:"sounder"`
	Contact  *fileInput   `toml:"contact"`
	Rex      *fileInput   `toml:"rex"`
	Tamper   *fileInput   `toml:"tamper"`
	Readers  []fileReader `toml:"readers"`
}

// fileOutput has no bias: an output needs none. resistor is one on the board.
type fileOutput struct {
	Chip      *string   `toml:"chip"`
	Line      *int      `toml:"line" min:"0" max:"1023"`
	Pin       *int      `toml:"pin"`
	BCM       *int      `toml:"bcm"`
	ActiveLow *bool     `toml:"active_low"`
	Resistor  *Resistor `toml:"resistor"`
}

// fileInput is a GPIO line, or a supervised input, with an adc.
type fileInput struct {
	Chip      *string `toml:"chip"`
	Line      *int    `toml:"line" min:"0" max:"1023"`
	Pin       *int    `toml:"pin"`
	BCM       *int    `toml:"bcm"`
	ActiveLow *bool   `toml:"active_low"`
	Bias      *Bias   `toml:"bias"`

	ADC          *string `toml:"adc"`
	Channel      *int    `toml:"channel" min:"0" max:"63"`
	Pull         *Ohms   `toml:"pull"`
	Series       *Ohms   `toml:"series"`
	Parallel     *Ohms   `toml:"parallel"`
	NormallyOpen *bool   `toml:"normally_open"`
}

// fileReader has what any kind of reader may have; readers.go says which.
type fileReader struct {
	Kind     Kind        `toml:"kind" required:"say what kind of reader it is: \"scanner\", \"keyboard\", \"pcsc\", \"pn532\", \"osdp\" or \"sim\""`
	Side     Side        `toml:"side"`
	Port     *string     `toml:"port"`
	Baud     *int        `toml:"baud"`
	Name     *string     `toml:"name"`
	Bus      *string     `toml:"bus"`
	Address  *int        `toml:"address" min:"0" max:"126"`
	Insecure *bool       `toml:"insecure"`
	Green    *fileOutput `toml:"green"`
	Red      *fileOutput `toml:"red"`
	Beeper   *fileOutput `toml:"beeper"`
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
	b := &builder{
		doc: doc, dir: filepath.Dir(path), lines: map[lineID]string{}, channels: map[channelID]string{},
		ports: map[string]string{}, i2c: map[i2cID]string{}, header: map[int]string{},
		addresses: map[addressID]string{}, used: map[string]bool{},
	}
	w := b.build(&f)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return w, nil
}

// builder makes the Wiring and rejects what does not fit together.
type builder struct {
	doc      *strict.Document
	dir      string               // the file's folder
	lines    map[lineID]string    // whose each line is
	channels map[channelID]string // whose each ADC's channel is
	ports    map[string]string    // whose each port is
	i2c      map[i2cID]string     // whose each address of an I²C bus is
	header   map[int]string       // the bus that has each BCM line of the header

	addresses map[addressID]string // whose each address of an OSDP bus is
	pcsc      []pcscName           // of the PC/SC readers so far
	buses     map[string]*Bus      // as declared, right or not
	adcs      map[string]*ADC
	used      map[string]bool // "buses.wall": something is on it
	sims      []strict.Path   // where something simulated is named
}

func (b *builder) build(f *file) *Wiring {
	w := &Wiring{Data: b.dir, Doors: make(map[string]*Door, len(f.Doors))}
	if f.Data != nil {
		w.Data = b.path(strict.Path{"data"}, *f.Data)
	}
	if f.Name != nil {
		w.Name = string(*f.Name)
	}
	// Before any line: a bus has lines of its own.
	b.occupied(f)
	w.Buses, w.ADCs = b.declareBuses(f), b.declareADCs(f)
	in := strict.Path{"inputs"}
	w.Inputs = Inputs{
		Fire:    b.input(in.With("fire"), "fire", f.Inputs.Fire),
		Tamper:  b.input(in.With("tamper"), "tamper", f.Inputs.Tamper),
		Mains:   b.input(in.With("mains"), "mains", f.Inputs.Mains),
		Battery: b.input(in.With("battery"), "battery", f.Inputs.Battery),
	}
	// The file's order: of two doors that claim one line the later one is told.
	for _, name := range b.doc.Keys("doors") {
		if d := f.Doors[strict.Slug(name)]; d != nil {
			w.Doors[name] = b.door(name, d)
		}
	}
	b.idle()
	b.network(w, f)
	switch {
	case f.Sim != nil:
		w.Sim.Socket = b.path(strict.Path{"sim", "socket"}, f.Sim.Socket)
		if len(b.sims) == 0 {
			b.doc.Reject(strict.Path{"sim"}, "nothing here is simulated: leave [sim] out")
		}
	case !b.doc.Has("sim"):
		for _, l := range b.sims {
			b.doc.Reject(l, `what is simulated needs the socket that moves it: add [sim] with socket = "sim.sock"`)
		}
	}
	return w
}

func (b *builder) door(name string, f *fileDoor) *Door {
	path := strict.Path{"doors", name}
	d := &Door{Name: name, Lock: f.Lock}
	if relay := b.power(path.With("relay"), name+"/relay", f.Relay); relay != nil {
		d.Relay = *relay
	}
	d.Operator = b.power(path.With("operator"), name+"/operator", f.Operator)
	d.Sounder = b.power(path.With("sounder"), name+"/sounder", f.Sounder)
	d.Contact = b.input(path.With("contact"), name+"/contact", f.Contact)
	d.Rex = b.input(path.With("rex"), name+"/rex", f.Rex)
	d.Tamper = b.input(path.With("tamper"), name+"/tamper", f.Tamper)
	for i, r := range f.Readers {
		d.Readers = append(d.Readers, b.reader(path.With("readers").At(i), d, i, r))
	}
	return d
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
