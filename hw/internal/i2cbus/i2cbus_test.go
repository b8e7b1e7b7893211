package i2cbus

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2creg"
	"periph.io/x/conn/v3/i2c/i2ctest"
)

func TestOpen(t *testing.T) {
	bus := &i2ctest.Playback{}
	if err := i2creg.Register("i2cbus-test", []string{"/dev/serial/i2cbus-test"}, -1, func() (i2c.BusCloser, error) { return bus, nil }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { i2creg.Unregister("i2cbus-test") })
	for _, path := range []string{"i2cbus-test", "/dev/serial/i2cbus-test"} {
		if got, err := Open(path); err != nil || got != bus {
			t.Errorf("%s: %v, %v", path, got, err)
		}
	}
	link := filepath.Join(t.TempDir(), "bus")
	if err := os.Symlink("/dev/i2c-4711", link); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		path, says string
		is         error
	}{
		{"", "is no I²C bus", nil},
		{"no-such-bus", "is no I²C bus", nil},
		{"/dev/null", "is no I²C bus", nil},
		{"/dev/i2c-", "is no I²C bus", nil},
		{"/dev/i2c-x", "is no I²C bus", nil},
		{"/dev/i2c--1", "is no I²C bus", nil},
		{"/dev/i2c-1 ", "is no I²C bus", nil},
		{"/dev/i2c-99999999999999999999", "is no I²C bus", nil},
		{"/dev/i2c-4711", "dtparam=i2c_arm=on", os.ErrNotExist},
		{link, "is no I²C bus", nil}, // it leads nowhere
	} {
		got, err := Open(tt.path)
		if got != nil || err == nil || !strings.Contains(err.Error(), tt.says) || tt.is != nil && !errors.Is(err, tt.is) {
			t.Errorf("%q: %v, %v", tt.path, got, err)
		}
	}
}
