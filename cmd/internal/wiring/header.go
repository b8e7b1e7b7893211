package wiring

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"tombolo/edge/strict"
	"tombolo/hw/board"
)

// onHeader tells whether a chip's first lines are the BCM numbers of a Raspberry
// Pi's header, by whichever name: lines that are named in two ways are one.
func onHeader(chip string) bool {
	switch chip {
	case board.HeaderChip, "pinctrl-bcm2835", "pinctrl-bcm2711", "pinctrl-rp1":
		return true
	}
	return false
}

// bcm reads the key "pin" or "bcm".
func (b *builder) bcm(path strict.Path, key string, n naming) (bcm int, ok bool) {
	if key == "pin" {
		bcm, err := board.BCMOfPin(*n.pin)
		if err != nil {
			b.doc.Reject(path.With(key), "%s", strings.TrimPrefix(err.Error(), board.ErrPin.Error()+": "))
		}
		return bcm, err == nil
	}
	if *n.bcm < 0 || *n.bcm >= board.BCMs {
		b.doc.Reject(path.With(key), "want a BCM number of the header, 0 to %d, got %d", board.BCMs-1, *n.bcm)
		return 0, false
	}
	return *n.bcm, true
}

// headerName is a line of the header as people look for it.
func headerName(bcm int) string {
	if pin, ok := board.PinOfBCM(bcm); ok {
		return fmt.Sprintf("BCM %d (pin %d)", bcm, pin)
	}
	return fmt.Sprintf("BCM %d", bcm)
}

// busLines are the header's lines that a device of the kernel has for itself, as
// the Pi's own device trees put them (overlays/README in raspberrypi/firmware).
// A device that is none of these may be anywhere: it claims nothing.
func busLines(device string) []int {
	name, ok := strings.CutPrefix(device, "/dev/")
	if !ok {
		return nil
	}
	if strings.HasPrefix(name, "spidev0.") {
		return []int{7, 8, 9, 10, 11} // dtparam=spi=on takes both chip selects
	}
	if strings.HasPrefix(name, "spidev1.") {
		return []int{16, 17, 18, 19, 20, 21}
	}
	switch name {
	case "i2c-0":
		return []int{0, 1}
	case "i2c-1":
		return []int{2, 3}
	case "serial0", "ttyAMA0", "ttyS0":
		return []int{14, 15}
	}
	return nil
}

// occupied notes the lines of the buses that the file uses, in its order.
func (b *builder) occupied(f *file) {
	take := func(path, whose string) {
		device := filepath.Clean(path)
		for _, bcm := range busLines(device) {
			if _, taken := b.header[bcm]; !taken {
				b.header[bcm] = device + ", where " + whose + " is"
			}
		}
	}
	for _, name := range b.doc.Keys("buses") {
		if bus := f.Buses[strict.Slug(name)]; bus != nil {
			take(bus.Port, "the OSDP bus "+name)
		}
	}
	for _, name := range b.doc.Keys("adcs") {
		if adc := f.ADCs[strict.Slug(name)]; adc != nil {
			take(adc.Bus, "the adc "+name)
		}
	}
	for _, name := range b.doc.Keys("doors") {
		d := f.Doors[strict.Slug(name)]
		if d == nil {
			continue
		}
		for i, r := range d.Readers {
			whose := readerName(name, i)
			if _, path, ok := splitBus(r.Bus); ok {
				take(path, whose)
			}
			if r.Port != nil {
				take(*r.Port, whose)
			}
		}
	}
}

func itoa(n int) string { return strconv.Itoa(n) }
