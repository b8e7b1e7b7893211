// Package i2cbus opens an I²C bus by the path of its device.
//
// It opens the kernel's own device and nothing else: periph's host package would
// also map the chip's registers and list GPIO, which no driver here has a use
// for, and would miss a bus that appears after it was first asked. Another name
// is looked up among the buses that a driver registered with periph's i2creg.
package i2cbus

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2creg"
	"periph.io/x/host/v3/sysfs"
)

const prefix = "/dev/i2c-"

// Open opens the bus at path: /dev/i2c-1, a link to it, or a registered name.
// The error says what to do about a bus that is missing or closed to us.
func Open(path string) (i2c.BusCloser, error) {
	real := path
	if to, err := filepath.EvalSymlinks(path); err == nil {
		real = to
	}
	digits, kernel := strings.CutPrefix(real, prefix)
	n, err := strconv.Atoi(digits)
	if !kernel || err != nil || n < 0 {
		if path != "" { // which would be the first that is registered
			if bus, err := i2creg.Open(path); err == nil {
				return bus, nil
			}
		}
		return nil, fmt.Errorf("%q is no I²C bus: name one as %s1", path, prefix)
	}
	if err := reachable(real); err != nil {
		return nil, err
	}
	bus, err := sysfs.NewI2C(n)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", real, err)
	}
	return bus, nil
}

// reachable tells a missing device from a forbidden one: sysfs flattens its
// errors to text.
func reachable(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: switch the bus on (Raspberry Pi: dtparam=i2c_arm=on in config.txt, then restart) and load i2c-dev", err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: the service's user has to be in the group i2c", err)
	}
	return err
}
