package gateway

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"tombolo/cmd/internal/wiring"
	"tombolo/hw/nfc"
)

// pcscPatience bounds how long a pcscd that hangs is asked for its readers.
const pcscPatience = 3 * time.Second

// ports looks whether each reader, bus and converter is where the wiring says; it
// opens none: the daemon may be reading it.
func (f *findings) ports(w *wiring.Wiring) {
	once := owners{}
	for _, name := range slices.Sorted(maps.Keys(w.ADCs)) {
		f.device("adc/"+name, "", w.ADCs[name].Bus, i2cDevice)
	}
	for _, name := range slices.Sorted(maps.Keys(w.Buses)) {
		f.port(once, "bus/"+name, "", w.Buses[name].Port, rs485Device)
	}
	installed, err := ReadInstalled(w.Data)
	if err != nil {
		f.add(Fault, "osdp", "%v", err)
	}
	var pcsc []string
	var pcscErr error
	if slices.ContainsFunc(readersOf(w), func(r reader) bool { return r.cfg.Kind == wiring.PCSC }) {
		ctx, cancel := context.WithTimeout(context.Background(), pcscPatience)
		pcsc, pcscErr = nfc.PCSCReaders(ctx)
		cancel()
	}
	for _, r := range readersOf(w) {
		door := "door " + r.door + ": "
		switch r.cfg.Kind {
		case wiring.SimReader:
			f.add(OK, r.name, "%sa simulated reader, on %s", door, w.Sim.Socket)
		case wiring.Scanner:
			f.port(once, r.name, door, r.cfg.Port, serialDevice)
		case wiring.Keyboard:
			f.port(once, r.name, door, r.cfg.Port, inputDevice)
		case wiring.PN532:
			kind, path, _ := strings.Cut(r.cfg.Bus, ":")
			switch kind {
			case "i2c": // which other chips may be on, too
				f.device(r.name, door, path, i2cDevice)
			case "spi":
				f.port(once, r.name, door, path, spiDevice)
			case "uart":
				f.port(once, r.name, door, path, uartDevice)
			}
		case wiring.PCSC:
			f.pcsc(once, r, door, pcsc, pcscErr)
		case wiring.OSDP:
			f.osdp(r, door, installed, err != nil)
		}
	}
}

// deviceKind is what a device is called, what is missing without it, and what to
// do then.
type deviceKind struct{ is, gives, todo string }

var (
	serialDevice = deviceKind{"serial device", "reader", "plug it in, or correct its port in the wiring file"}
	inputDevice  = deviceKind{"input device", "scanner", "plug it in, or correct its port in the wiring file (ls -l /dev/input/by-id)"}
	uartDevice   = deviceKind{"serial device", "serial port", "switch it on (on a Raspberry Pi enable_uart=1 in config.txt), or correct the reader's bus in the wiring file"}
	rs485Device  = deviceKind{"serial device", "RS-485 adapter", "plug it in, or correct the bus's port in the wiring file"}
	i2cDevice    = deviceKind{"I²C device", "I²C bus", "switch it on (on a Raspberry Pi dtparam=i2c_arm=on in config.txt, and the module i2c-dev), or correct it in the wiring file"}
	spiDevice    = deviceKind{"SPI device", "SPI bus", "switch it on (on a Raspberry Pi dtparam=spi=on in config.txt), or correct it in the wiring file"}
)

// owners are the parts that have a device or a PC/SC reader for themselves. The
// wiring file refuses one name twice; here it is two names of one thing.
type owners map[string]string

// taken makes part the owner, or tells who that is already.
func (o owners) taken(what, part string) (by string, yes bool) {
	if by, yes = o[what]; !yes {
		o[what] = part
	}
	return by, yes
}

// port is device for one that has one use, by whichever of its names.
func (f *findings) port(once owners, part, door, path string, kind deviceKind) {
	if device, err := filepath.EvalSymlinks(path); err == nil {
		if by, taken := once.taken(device, part); taken {
			f.add(Fault, part, "%s%s is the device of %s, by another name: one port has one use", door, path, by)
			return
		}
	}
	f.device(part, door, path, kind)
}

// device looks whether a character device is there, and whether this user may
// open it.
func (f *findings) device(part, door, path string, kind deviceKind) {
	switch info, err := os.Stat(path); {
	case errors.Is(err, fs.ErrNotExist):
		f.add(Fault, part, "%sno %s at %s: %s", door, kind.gives, path, kind.todo)
	case err != nil:
		f.add(Fault, part, "%s%v", door, err)
	case info.Mode()&fs.ModeCharDevice == 0:
		f.add(Fault, part, "%s%s is no %s: correct it in the wiring file", door, path, kind.is)
	case !mayOpen(path):
		f.add(Fault, part, "%sthis user may not open %s: run this as the user that tombolod runs as, and give that the device's group (ls -l %s)", door, path, path)
	default:
		f.add(OK, part, "%sa device is at %s", door, path)
	}
}

func (f *findings) pcsc(once owners, r reader, door string, all []string, err error) {
	var found []string
	for _, name := range all {
		if name == r.cfg.Name {
			found = []string{name}
			break
		}
		if strings.Contains(strings.ToLower(name), strings.ToLower(r.cfg.Name)) { // as nfc.OpenPCSC
			found = append(found, name)
		}
	}
	there := "none is there"
	if len(all) > 0 {
		there = fmt.Sprintf("there are %q", all)
	}
	switch {
	case err != nil:
		f.add(Fault, r.name, "%s%v", door, err)
	case len(found) == 1:
		if by, taken := once.taken("PC/SC "+found[0], r.name); taken {
			f.add(Fault, r.name, "%sthe PC/SC reader %q is that of %s, by another part of its name: give each a reader of its own", door, found[0], by)
			return
		}
		f.add(OK, r.name, "%sPC/SC has the reader %q", door, found[0])
	case len(found) == 0 && r.cfg.Name == "":
		f.add(Fault, r.name, "%sPC/SC has no reader: plug it in, and look whether its driver is installed (Debian's libccid, or its maker's)", door)
	case len(found) == 0:
		f.add(Fault, r.name, "%sPC/SC has no reader named %q, %s: plug it in, or correct its name in the wiring file", door, r.cfg.Name, there)
	case r.cfg.Name == "":
		f.add(Fault, r.name, "%sPC/SC has several readers, %s: give the reader's name, or a part of it, in the wiring file", door, there)
	default:
		f.add(Fault, r.name, "%s%q is a part of several readers' names, %s: give more of it in the wiring file", door, r.cfg.Name, there)
	}
}

// osdp tells whether a reader has a key; damaged is told of all of them at once.
func (f *findings) osdp(r reader, door string, installed []Installed, damaged bool) {
	at := Place{r.cfg.Bus, r.cfg.Address}
	n := slices.IndexFunc(installed, func(i Installed) bool { return i.Place == at })
	const how = "`tombolod osdp install --bus %s --address %d`"
	switch {
	case r.cfg.Insecure:
		f.add(Note, r.name, "%sOSDP reader %v, without Secure Channel", door, at)
	case damaged:
	case n < 0:
		f.add(Fault, r.name, "%sOSDP reader %v has no key yet: put it into its installation mode, start tombolod and run "+how, door, at, at.Bus, at.Address)
	case installed[n].Generation == 0:
		f.add(Fault, r.name, "%sOSDP reader %v was sent a key and did not say that it took it: look at `tombolod osdp list`, and if it is offline run "+how+" again", door, at, at.Bus, at.Address)
	default:
		f.add(OK, r.name, "%sOSDP reader %v has its key since %s", door, at, installed[n].At.Format(time.DateOnly))
	}
}

// mayOpen tells whether this process may read and write a device, as access(2)
// does for its effective user.
func mayOpen(path string) bool {
	return unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK|unix.W_OK, unix.AT_EACCESS) == nil
}
