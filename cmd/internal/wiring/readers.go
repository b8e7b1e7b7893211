package wiring

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"tombolo/edge/strict"
)

// bauds are the speeds that POSIX and Linux name and scanners have.
var bauds = []int{1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600}

// readerName is the i-th reader of a door as Check counts them.
func readerName(door string, i int) string { return fmt.Sprintf("door %s's reader %d", door, i+1) }

// owns says which keys a reader of each kind has, beside kind and side, and what
// is said of those that it has not.
var owns = map[Kind]struct {
	keys []string
	why  string
}{
	Scanner:  {[]string{"port", "baud", "green", "red", "beeper"}, "a scanner has none: it is on a serial port, with port and baud"},
	Keyboard: {[]string{"port", "green", "red", "beeper"}, "a scanner that types has none: it is an input device, with port"},
	PCSC:     {[]string{"name", "green", "red", "beeper"}, "a PC/SC reader has none: pcscd finds it, by name if there are several"},
	PN532:    {[]string{"bus", "green", "red", "beeper"}, "a PN532 has none: it is on a bus, as in \"i2c:/dev/i2c-1\""},
	OSDP:     {[]string{"bus", "address", "insecure"}, "an OSDP reader has none: it has an address on a bus of [buses]"},
}

var indicatorKeys = []string{"green", "red", "beeper"}

// reader reads the i-th reader of a door, which has those before it.
func (b *builder) reader(path strict.Path, d *Door, i int, f fileReader) Reader {
	r := Reader{Kind: f.Kind, Side: f.Side}
	if r.Kind == SimReader {
		b.simReader(path, d, f)
		return r
	}
	own, known := owns[r.Kind]
	if !known {
		return r // its kind was refused
	}
	for _, key := range []string{"port", "baud", "name", "bus", "address", "insecure", "green", "red", "beeper"} {
		switch {
		case slices.Contains(own.keys, key):
		case r.Kind == OSDP && slices.Contains(indicatorKeys, key):
			b.none(path, "an OSDP reader has none: it shows everything with its own lights and beeper", key)
		default:
			b.none(path, own.why, key)
		}
	}
	name, whose := fmt.Sprintf("%s/reader/%d", d.Name, i+1), readerName(d.Name, i)
	if r.Kind != OSDP {
		r.Green = b.output(path.With("green"), name+"/green", f.Green)
		r.Red = b.output(path.With("red"), name+"/red", f.Red)
		r.Beeper = b.output(path.With("beeper"), name+"/beeper", f.Beeper)
	}
	switch r.Kind {
	case Scanner:
		r.Baud = b.baud(path.With("baud"), f.Baud, bauds)
		r.Port = b.readerPort(path, f, whose, "name its serial device, as in \"/dev/serial/by-id/usb-…\"")
	case Keyboard:
		r.Port = b.readerPort(path, f, whose, "name its input device, as in \"/dev/input/by-id/usb-…-event-kbd\"")
	case PCSC:
		r.Name = b.pcscReader(path, f, whose)
	case PN532:
		r.Bus = b.pn532(path, f, whose)
	case OSDP:
		b.osdpReader(path, f, whose, &r)
	}
	return r
}

func (b *builder) readerPort(path strict.Path, f fileReader, whose, missing string) string {
	if f.Port == nil {
		b.doc.Reject(path.With("port"), "missing: %s", missing)
		return ""
	}
	return b.port(path.With("port"), *f.Port, whose)
}

// pcscName is what a PC/SC reader was called, and where.
type pcscName struct{ name, whose string }

// maxReaderName is PC/SC's MAX_READERNAME without its zero byte (pcsclite.h).
const maxReaderName = 127

// pcscReader is the name, or a part of it, of a reader that no other means; case
// does not count (nfc.OpenPCSC).
func (b *builder) pcscReader(path strict.Path, f fileReader, whose string) string {
	n, at := pcscName{whose: whose}, path.With("kind")
	if f.Name != nil {
		n.name, at = *f.Name, path.With("name")
		switch {
		case n.name == "":
			b.doc.Reject(at, "empty: leave it out where there is one PC/SC reader, else give a part of the reader's name, as `pcsc_scan` lists it")
			return ""
		case len(n.name) > maxReaderName || strings.ContainsFunc(n.name, func(r rune) bool { return r < ' ' || r == 0x7f }):
			b.doc.Reject(at, "want at most %d bytes of a PC/SC reader's name, without control characters", maxReaderName)
			return ""
		}
	}
	for _, o := range b.pcsc {
		switch {
		case n.name == "" || o.name == "":
			b.doc.Reject(at, "%s is on PC/SC too: give each the name of its reader, or a part of it that the other's has not", o.whose)
		case strings.EqualFold(n.name, o.name):
			b.doc.Reject(at, "%s is %s already: one reader, one place", strict.Quote(n.name), o.whose)
		case within(n.name, o.name):
			b.doc.Reject(at, "%s is a part of %s, which is %s: nobody could tell the two apart; give more of the name", strict.Quote(n.name), strict.Quote(o.name), o.whose)
		case within(o.name, n.name):
			b.doc.Reject(at, "%s, a part of this name, is %s: nobody could tell the two apart; give more of the name there", strict.Quote(o.name), o.whose)
		default:
			continue
		}
		return n.name
	}
	b.pcsc = append(b.pcsc, n)
	return n.name
}

func within(part, name string) bool {
	return strings.Contains(strings.ToLower(name), strings.ToLower(part))
}

const pn532Words = `want "i2c:", "spi:" or "uart:" and its device, as in "i2c:/dev/i2c-1", "spi:/dev/spidev0.0" or "uart:/dev/ttyAMA0"`

// pn532 is the bus of a PN532, with its path made clean.
func (b *builder) pn532(path strict.Path, f fileReader, whose string) string {
	at := path.With("bus")
	if f.Bus == nil {
		b.doc.Reject(at, "missing: %s", pn532Words)
		return ""
	}
	kind, device, ok := splitBus(f.Bus)
	if !ok {
		b.doc.Reject(at, "%s, got %s", pn532Words, strict.Quote(*f.Bus))
		return ""
	}
	if kind == "i2c" {
		device = b.path(at, device)
		b.i2cDevice(at, i2cID{device, pn532Address}, whose)
	} else {
		device = b.port(at, device, whose)
	}
	return kind + ":" + device
}

// splitBus parts "i2c:/dev/i2c-1" and its like.
func splitBus(bus *string) (kind, device string, ok bool) {
	if bus == nil {
		return "", "", false
	}
	kind, device, ok = strings.Cut(*bus, ":")
	ok = ok && (kind == "i2c" || kind == "spi" || kind == "uart") && filepath.IsAbs(device)
	return kind, device, ok
}

// osdpReader reads where an OSDP reader is.
func (b *builder) osdpReader(path strict.Path, f fileReader, whose string, r *Reader) {
	r.Insecure = f.Insecure != nil && *f.Insecure
	switch {
	case f.Bus == nil:
		b.doc.Reject(path.With("bus"), "missing: name the bus of [buses] that it is on")
		return
	case b.buses[*f.Bus] == nil:
		known := slices.Clone(b.doc.Keys("buses"))
		b.doc.Reject(path.With("bus"), "there is no bus %s%s", strict.Quote(*f.Bus), strict.Hint(*f.Bus, known, "add [buses.NAME] with the port of its RS-485 adapter"))
		return
	}
	r.Bus = *f.Bus
	b.used["buses."+r.Bus] = true
	if f.Address == nil {
		b.doc.Reject(path.With("address"), "missing: give its address on the bus, 0 to 126, as it is set at the reader")
		return
	}
	r.Address = byte(*f.Address)
	id := addressID{r.Bus, r.Address}
	if other, taken := b.addresses[id]; taken {
		b.doc.Reject(path.With("address"), "address %d of the bus %s is %s already: set another at one of the readers", r.Address, r.Bus, other)
		return
	}
	b.addresses[id] = whose
}

// simReader checks a simulated reader: its socket is the board's, and named by
// the door and the side.
func (b *builder) simReader(path strict.Path, d *Door, f fileReader) {
	b.sims = append(b.sims, path.With("kind"))
	b.none(path, "a simulated reader has none: it is on the socket of [sim]", "port", "baud", "name", "bus", "address", "insecure")
	b.none(path, "a simulated reader has no indicator lines: what it shows is told on the socket of [sim]", indicatorKeys...)
	if slices.ContainsFunc(d.Readers, func(r Reader) bool { return r.Kind == SimReader && r.Side == f.Side }) {
		b.doc.Reject(path.With("kind"), "door %s has a simulated reader on its side %q already: on the socket nobody could tell them apart", d.Name, f.Side)
	}
}
