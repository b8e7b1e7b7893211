package wiring

import (
	"slices"
	"strings"

	"tombolo/edge/strict"
)

type fileBus struct {
	Port string `toml:"port" required:"name the serial device of its RS-485 adapter, as in \"/dev/serial/by-id/usb-…\""`
	Baud *int   `toml:"baud"`
}

type fileADC struct {
	Kind    Converter   `toml:"kind" required:"say what converter it is: \"ads1115\""`
	Bus     string      `toml:"bus" required:"name the I²C device that it is on, as in \"/dev/i2c-1\""`
	Address *int        `toml:"address"`
	Supply  *Millivolts `toml:"supply"`
}

type i2cID struct {
	bus     string
	address int
}

type addressID struct {
	bus     string
	address byte
}

// osdpBauds are those that OSDP 2.2 §5.1 names, and the one above them that
// readers have.
var osdpBauds = []int{9600, 19200, 38400, 57600, 115200, 230400}

// adsAddresses are what its pin ADDR chooses between: ground, supply, SDA and
// SCL (Texas Instruments, SBAS444, "I²C Address Selection").
const adsFirst, adsLast = 0x48, 0x4B

// adsChannels are an ADS1115's, from 0.
const adsChannels = 4

// pn532Address is the chip's only one (NXP PN532 user manual, UM0701-02, §6.2.4).
const pn532Address = 0x24

func (b *builder) declareBuses(f *file) map[string]*Bus {
	for _, name := range b.doc.Keys("buses") {
		fb := f.Buses[strict.Slug(name)]
		if fb == nil {
			continue
		}
		path := strict.Path{"buses", name}
		bus := &Bus{Name: name, Baud: b.baud(path.With("baud"), fb.Baud, osdpBauds)}
		if b.doc.Has(path.With("port")...) {
			bus.Port = b.port(path.With("port"), fb.Port, "the OSDP bus "+name)
		}
		if b.buses == nil {
			b.buses = map[string]*Bus{}
		}
		b.buses[name] = bus
	}
	return b.buses
}

func (b *builder) declareADCs(f *file) map[string]*ADC {
	for _, name := range b.doc.Keys("adcs") {
		fa := f.ADCs[strict.Slug(name)]
		if fa == nil {
			continue
		}
		path := strict.Path{"adcs", name}
		if name == SimADC {
			b.doc.RejectKey(path, "the adc %q is the simulated board's: call this one otherwise", SimADC)
		}
		a := &ADC{Name: name, Kind: fa.Kind, Address: DefaultAddress, Supply: DefaultSupply}
		if fa.Supply != nil {
			a.Supply = *fa.Supply
		}
		at := path
		if fa.Address != nil {
			at = path.With("address")
			if a.Address = *fa.Address; a.Address < adsFirst || a.Address > adsLast {
				b.doc.Reject(at, "want 72 to 75 (0x48 to 0x4B), as its pin ADDR is wired to ground, supply, SDA or SCL, got %d", a.Address)
			}
		}
		if b.doc.Has(path.With("bus")...) {
			a.Bus = b.path(path.With("bus"), fa.Bus)
			b.i2cDevice(at, i2cID{a.Bus, a.Address}, "the adc "+name)
		}
		if b.adcs == nil {
			b.adcs = map[string]*ADC{}
		}
		b.adcs[name] = a
	}
	return b.adcs
}

// idle rejects what is declared and not used: it is a reader or an input that
// somebody forgot, or a name that was mistyped.
func (b *builder) idle() {
	for _, name := range b.doc.Keys("buses") {
		if b.buses[name] != nil && !b.used["buses."+name] {
			b.doc.Reject(strict.Path{"buses", name}, "no reader is on this bus: add one with kind = \"osdp\" and bus = %s, or leave the bus out", strict.Quote(name))
		}
	}
	for _, name := range b.doc.Keys("adcs") {
		if b.adcs[name] != nil && !b.used["adcs."+name] {
			b.doc.Reject(strict.Path{"adcs", name}, "no input is on this adc: add one with adc = %s, or leave the adc out", strict.Quote(name))
		}
	}
}

// baud is a speed of a list, the default if the file does not say.
func (b *builder) baud(at strict.Path, f *int, known []int) int {
	if f == nil {
		return DefaultBaud
	}
	if !slices.Contains(known, *f) {
		words := make([]string, len(known))
		for i, n := range known {
			words[i] = itoa(n)
		}
		b.doc.Reject(at, "want one of %s, got %d", strings.Join(words, " "), *f)
	}
	return *f
}

// port takes a device for its one owner.
func (b *builder) port(at strict.Path, device, whose string) string {
	p := b.path(at, device)
	if p == "" {
		return p
	}
	if other, taken := b.ports[p]; taken {
		b.doc.Reject(at, "%s is %s already: one port has one use", strict.Quote(device), other)
		return p
	}
	b.ports[p] = whose
	return p
}

// i2cDevice takes an address of an I²C bus for its one owner.
func (b *builder) i2cDevice(at strict.Path, id i2cID, whose string) {
	if id.bus == "" {
		return
	}
	if other, taken := b.i2c[id]; taken {
		b.doc.Reject(at, "address %d (%#x) of %s is %s already", id.address, id.address, strict.Quote(id.bus), other)
		return
	}
	b.i2c[id] = whose
}
