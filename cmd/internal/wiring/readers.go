package wiring

import (
	"fmt"
	"slices"
	"strings"

	"tombolo/edge/strict"
)

// bauds are the speeds that POSIX and Linux name and scanners have.
var bauds = []int{1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600}

// reader reads the i-th reader of a door, which has those before it.
func (b *builder) reader(path strict.Path, d *Door, i int, f fileReader) Reader {
	r := Reader{Kind: f.Kind, Side: f.Side}
	if r.Kind == SimReader {
		b.simReader(path, d, f)
		return r
	}
	name := fmt.Sprintf("%s/reader/%d", d.Name, i+1)
	r.Green = b.output(path.With("green"), name+"/green", f.Green)
	r.Red = b.output(path.With("red"), name+"/red", f.Red)
	r.Beeper = b.output(path.With("beeper"), name+"/beeper", f.Beeper)
	r.Baud = DefaultBaud
	if f.Baud != nil {
		r.Baud = *f.Baud
		if !slices.Contains(bauds, r.Baud) {
			b.doc.Reject(path.With("baud"), "want one of %s, got %d", strings.Trim(fmt.Sprint(bauds), "[]"), r.Baud)
		}
	}
	if f.Port == nil {
		if !b.doc.Has(path.With("port")...) {
			b.doc.Reject(path.With("port"), "missing: name its serial device, as in \"/dev/serial/by-id/usb-…\"")
		}
		return r
	}
	r.Port = b.path(path.With("port"), *f.Port)
	if other, taken := b.ports[r.Port]; taken && r.Port != "" {
		b.doc.Reject(path.With("port"), "%s is %s already: one reader, one port", strict.Quote(*f.Port), other)
		return r
	}
	b.ports[r.Port] = fmt.Sprintf("door %s's reader %d", d.Name, i+1) // as Check counts them
	return r
}

// simReader checks a simulated reader: its socket is the board's, and named by
// the door and the side.
func (b *builder) simReader(path strict.Path, d *Door, f fileReader) {
	b.sims = append(b.sims, path.With("kind"))
	for _, key := range []string{"port", "baud"} {
		if b.doc.Has(path.With(key)...) {
			b.doc.RejectKey(path.With(key), "a simulated reader has none: it is on the socket of [sim]")
		}
	}
	for _, key := range []string{"green", "red", "beeper"} {
		if b.doc.Has(path.With(key)...) {
			b.doc.RejectKey(path.With(key), "a simulated reader has no indicator lines: what it shows is told on the socket of [sim]")
		}
	}
	if slices.ContainsFunc(d.Readers, func(r Reader) bool { return r.Kind == SimReader && r.Side == f.Side }) {
		b.doc.Reject(path.With("kind"), "door %s has a simulated reader on its side %q already: on the socket nobody could tell them apart", d.Name, f.Side)
	}
}
