package attached

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

func touch(t *testing.T, root string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func names(all []Device) (out []string) {
	for _, d := range all {
		out = append(out, d.Name)
	}
	return out
}

func TestSerial(t *testing.T) {
	t.Parallel()
	dev, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	touch(t, dev, "ttyACM0", "ttyUSB0", "ttyUSB1", "ttyAMA0", "ttyS0", "tty1", "serial/by-id/x")
	byID := filepath.Join(dev, "serial/by-id/usb-Some_Scanner_1-if00")
	if err := os.Symlink("../../ttyACM0", byID); err != nil {
		t.Fatal(err)
	}
	got, err := serial(dev)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{byID, filepath.Join(dev, "serial/by-id/x"), filepath.Join(dev, "ttyUSB0"), filepath.Join(dev, "ttyUSB1"), filepath.Join(dev, "ttyAMA0")}
	if !reflect.DeepEqual(names(got), want) {
		t.Errorf("%q, want %q", names(got), want)
	}
	if none, err := serial(t.TempDir()); err != nil || len(none) != 0 {
		t.Errorf("%v, %v", none, err)
	}
}

func TestBuses(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	touch(t, root, "dev/i2c-1", "dev/i2c-20", "dev/spidev0.0", "dev/spidev0.1")
	name := filepath.Join(root, "sys/class/i2c-dev/i2c-1/name")
	touch(t, root, "sys/class/i2c-dev/i2c-1/name")
	if err := os.WriteFile(name, []byte("bcm2835 (i2c@7e804000)\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := buses(root, I2C)
	if err != nil || len(got) != 2 || got[0].What != "I²C bus, bcm2835 (i2c@7e804000)" || got[1].What != "I²C bus" {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := buses(root, SPI); err != nil || len(got) != 2 || got[1].Name != filepath.Join(root, "dev/spidev0.1") {
		t.Errorf("%+v, %v", got, err)
	}
}

// What cannot be listed keeps nothing else back, whatever this machine has.
func TestList(t *testing.T) {
	t.Parallel()
	_, problems := List(t.Context())
	for _, p := range problems {
		if p.Err == nil {
			t.Errorf("%s: a problem without an error", p.Kind)
		}
	}
}
