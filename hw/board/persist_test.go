package board

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestPersistSetting(t *testing.T) {
	t.Parallel()
	type files map[string]string   // module: value
	type drivers map[string]string // driver: the device that it drives
	const bcm, rp1 = "pinctrl_bcm2835.persist_gpio_outputs", "pinctrl_rp1.persist_gpio_outputs"
	for _, c := range []struct {
		name    string
		files   files
		drivers drivers
		want    string
		keeps   bool
		err     error
	}{
		{"Pi 4, default", files{"pinctrl_bcm2835": "Y\n"}, nil, bcm, true, nil},
		{"Pi 4, off", files{"pinctrl_bcm2835": "N\n"}, nil, bcm, false, nil},
		{"Pi 5, off", files{"pinctrl_rp1": "n"}, nil, rp1, false, nil},
		{"numbers", files{"pinctrl_rp1": "1\n"}, nil, rp1, true, nil},
		{"one of two keeps", files{"pinctrl_bcm2835": "N\n", "pinctrl_rp1": "Y\n"}, nil, rp1, true, nil},
		{"both off", files{"pinctrl_bcm2835": "N\n", "pinctrl_rp1": "N\n"}, nil, rp1, false, nil},
		{"Pi 3, where only its own is off", files{"pinctrl_bcm2835": "N\n", "pinctrl_rp1": "Y\n"},
			drivers{"pinctrl-bcm2835": "3f200000.gpio", "pinctrl-rp1": ""}, bcm, false, nil},
		{"Pi 5, default", files{"pinctrl_bcm2835": "Y\n", "pinctrl_rp1": "Y\n"},
			drivers{"pinctrl-bcm2835": "", "pinctrl-rp1": "1f000d0000.gpio"}, rp1, true, nil},
		{"both drive", files{"pinctrl_bcm2835": "Y\n", "pinctrl_rp1": "N\n"},
			drivers{"pinctrl-bcm2835": "a.gpio", "pinctrl-rp1": "b.gpio"}, bcm, true, nil},
		{"another board with the Pi's kernel", files{"pinctrl_bcm2835": "N\n", "pinctrl_rp1": "N\n"},
			drivers{"pinctrl-bcm2835": "", "pinctrl-rp1": ""}, "", false, ErrPersistUnknown},
		{"nonsense of a driver that drives nothing", files{"pinctrl_bcm2835": "N\n", "pinctrl_rp1": "?"},
			drivers{"pinctrl-bcm2835": "3f200000.gpio", "pinctrl-rp1": ""}, bcm, false, nil},
		{"no such driver", files{}, nil, "", false, ErrPersistUnknown},
		{"other module", files{"gpio_bcm": "N\n"}, nil, "", false, ErrPersistUnknown},
		{"empty", files{"pinctrl_rp1": ""}, nil, rp1, true, ErrPersistValue},
		{"not a flag", files{"pinctrl_rp1": "maybe\n"}, nil, rp1, true, ErrPersistValue},
	} {
		root := t.TempDir()
		for module, value := range c.files {
			dir := filepath.Join(root, "sys/module", module, "parameters")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "persist_gpio_outputs"), []byte(value), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for driver, device := range c.drivers {
			dir := filepath.Join(root, "sys/bus/platform/drivers", driver)
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "uevent"), nil, 0o200); err != nil {
				t.Fatal(err)
			}
			for name, link := range map[string]bool{"module": true, device: device != ""} {
				if link {
					if err := os.Symlink("elsewhere", filepath.Join(dir, name)); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
		name, keeps, err := PersistSetting(root)
		if name != c.want || keeps != c.keeps || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v, %v", c.name, name, keeps, err)
		}
	}

	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "sys/module/pinctrl_rp1/parameters/persist_gpio_outputs"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, _, err := PersistSetting(root); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("unreadable: %v", err)
	}
}
