// Package attached tells what is attached to this machine that a gateway could
// use: GPIO chips, serial ports, I²C and SPI buses, PC/SC readers, scanners that
// are keyboards.
//
// Call [List]. It opens no port and requests no line, so that it may run beside a
// gateway: what hangs on a bus it does not know, only that the bus is there.
package attached

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tombolo/hw/board"
	"tombolo/hw/keyboard"
	"tombolo/hw/nfc"
)

// Kind is a kind of device.
type Kind string

// Kinds.
const (
	GPIO     Kind = "gpio"
	Serial   Kind = "serial"
	I2C      Kind = "i2c"
	SPI      Kind = "spi"
	PCSC     Kind = "pcsc"
	Keyboard Kind = "keyboard"
)

// Kinds are all, in the order in which List gives them.
func Kinds() []Kind { return []Kind{GPIO, Serial, I2C, SPI, PCSC, Keyboard} }

// Device is something attached.
type Device struct {
	Kind   Kind
	Name   string // label, path or name, as a wiring file names it
	What   string // in words
	Wiring string // an example of what a wiring file says to use it; "" if nothing can
}

// Problem is a kind of devices that could not be listed.
type Problem struct {
	Kind Kind
	Err  error
}

// patience bounds how long one kind may take: a pcscd that hangs.
const patience = 3 * time.Second

// List tells what is attached. A kind that cannot be listed is a problem and
// keeps none of the others back.
func List(ctx context.Context) ([]Device, []Problem) {
	var all []Device
	var problems []Problem
	for _, k := range []struct {
		kind Kind
		list func(context.Context) ([]Device, error)
	}{
		{GPIO, gpio},
		{Serial, func(context.Context) ([]Device, error) { return serial("/dev") }},
		{I2C, func(context.Context) ([]Device, error) { return buses("/", I2C) }},
		{SPI, func(context.Context) ([]Device, error) { return buses("/", SPI) }},
		{PCSC, pcsc},
		{Keyboard, func(context.Context) ([]Device, error) { return keyboards() }},
	} {
		wait, cancel := context.WithTimeout(ctx, patience)
		found, err := k.list(wait)
		cancel()
		if err != nil {
			problems = append(problems, Problem{k.kind, err})
		}
		all = append(all, found...)
	}
	return all, problems
}

func gpio(context.Context) (out []Device, err error) {
	chips, err := board.Chips()
	if err != nil {
		return nil, err
	}
	for _, c := range chips {
		out = append(out, Device{GPIO, c.Label, fmt.Sprintf("%s, %d lines", c.Path, c.Lines), fmt.Sprintf("relay = { chip = %q, line = 0 }", c.Label)})
	}
	return out, nil
}

// serialPorts are what the kernel calls ports that something may hang on; a PC's
// ttyS are left out, which stand there whether or not there is a plug.
var serialPorts = []string{"ttyACM*", "ttyUSB*", "ttyAMA*", "serial[0-9]"}

// serial lists ports, by the name that stays when they are plugged in elsewhere.
func serial(dev string) ([]Device, error) {
	var out []Device
	stable := map[string]bool{} // ports that have such a name
	add := func(path string) {
		what := "serial port"
		if real, err := filepath.EvalSymlinks(path); err == nil && real != path {
			what += " " + real
			stable[real] = true
		}
		out = append(out, Device{Serial, path, what, fmt.Sprintf("kind = \"scanner\", port = %[1]q; or a bus of OSDP readers: [buses.NAME] port = %[1]q", path)})
	}
	for _, pattern := range append([]string{filepath.Join("serial", "by-id", "*")}, serialPorts...) {
		paths, err := filepath.Glob(filepath.Join(dev, pattern))
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			if !stable[path] {
				add(path)
			}
		}
	}
	return out, nil
}

// buses lists the machine's I²C or SPI buses, below root.
func buses(root string, kind Kind) ([]Device, error) {
	pattern := map[Kind]string{I2C: "i2c-*", SPI: "spidev*"}[kind]
	paths, err := filepath.Glob(filepath.Join(root, "dev", pattern))
	if err != nil {
		return nil, err
	}
	var out []Device
	for _, path := range paths {
		what, wiring := "SPI device", fmt.Sprintf("kind = \"pn532\", bus = \"spi:%s\"", path)
		if kind == I2C {
			what, wiring = "I²C bus", fmt.Sprintf("kind = \"pn532\", bus = \"i2c:%[1]s\"; or [adcs.NAME] kind = \"ads1115\", bus = %[1]q", path)
			name, err := os.ReadFile(filepath.Join(root, "sys/class/i2c-dev", filepath.Base(path), "name"))
			if err == nil {
				what += ", " + strings.TrimSpace(string(name))
			} else if !errors.Is(err, fs.ErrNotExist) {
				return nil, err
			}
		}
		out = append(out, Device{kind, path, what, wiring})
	}
	return out, nil
}

func pcsc(ctx context.Context) (out []Device, err error) {
	names, err := nfc.PCSCReaders(ctx)
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	for _, name := range names {
		out = append(out, Device{PCSC, name, "PC/SC reader", fmt.Sprintf("kind = \"pcsc\", name = %q", name)})
	}
	return out, nil
}

func keyboards() (out []Device, err error) {
	all, err := keyboard.List()
	if err != nil {
		return nil, err
	}
	for _, k := range all {
		out = append(out, Device{Keyboard, k.Path, k.Name, fmt.Sprintf("kind = \"keyboard\", port = %q: if it is a scanner", k.Path)})
	}
	return out, nil
}
