package gateway_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
)

// TestCheckReaders: of each kind of reader, bus and converter it is said what is
// missing and what to do.
func TestCheckReaders(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	request := h.init()
	h.approve(request)
	const text = `data = "."
[buses.wall]
port = %[1]q
[buses.yard]
port = "gone"
[adcs.hall]
kind = "ads1115"
bus = %[2]q
[adcs.attic]
kind = "ads1115"
bus = "/nowhere/i2c-9"
[sim]
socket = "sim.sock"
[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { adc = "hall", channel = 0, pull = "2.2k", series = "1k", parallel = "1k" }
rex = { adc = "attic", channel = 0, pull = "2.2k", series = "1k", parallel = "1k" }
[[doors.front.readers]]
kind = "osdp"
bus = "wall"
address = 1
[[doors.front.readers]]
kind = "osdp"
bus = "wall"
address = 2
[[doors.front.readers]]
kind = "osdp"
bus = "wall"
address = 3
[[doors.front.readers]]
kind = "osdp"
bus = "yard"
address = 1
insecure = true
[[doors.front.readers]]
kind = "pn532"
bus = "i2c:/nowhere/i2c-1"
[[doors.front.readers]]
kind = "pn532"
bus = "spi:/nowhere/spidev0.0"
[[doors.front.readers]]
kind = "pn532"
bus = "uart:/nowhere/ttyAMA0"
[[doors.front.readers]]
kind = "keyboard"
port = "/nowhere/event3"
[[doors.front.readers]]
kind = "keyboard"
port = "/dev/null"
[[doors.front.readers]]
kind = "pcsc"
name = "no such reader"
`
	file := filepath.Join(h.dir, "no-device")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.dir, gateway.OSDPFile), []byte(`{
  "format": 1,
  "readers": [
    {
      "bus": "wall",
      "address": 2,
      "generation": 1,
      "uid": "0102030405060708",
      "vendor": "5c2623",
      "model": 1,
      "version": 2,
      "serial": 77,
      "firmware": "1.4.9",
      "capabilities": "9:1/0",
      "at": "2026-11-21T03:00:00Z"
    },
    {
      "bus": "wall",
      "address": 3,
      "generation": 0,
      "pending": [
        1
      ],
      "uid": "",
      "vendor": "",
      "model": 0,
      "version": 0,
      "serial": 0,
      "firmware": "",
      "capabilities": "",
      "at": "0001-01-01T00:00:00Z"
    }
  ]
}
`), 0o600); err != nil {
		t.Fatal(err)
	}
	w := must(wiring.Parse(filepath.Join(h.dir, "gateway.toml"), fmt.Appendf(nil, text, h.port, file)))
	got := h.check(w, time.Now())
	for part, want := range map[string]string{
		"bus/wall":             "ok: a device is at " + h.port,
		"bus/yard":             "fault: no RS-485 adapter at " + filepath.Join(h.dir, "gone") + ": plug it in",
		"adc/hall":             "fault: " + file + " is no I²C device",
		"adc/attic":            "fault: no I²C bus at /nowhere/i2c-9: switch it on (on a Raspberry Pi dtparam=i2c_arm=on",
		"door/front/reader/1":  "fault: door front: OSDP reader wall/1 has no key yet: put it into its installation mode, start tombolod and run `tombolod osdp install --bus wall --address 1`",
		"door/front/reader/2":  "ok: door front: OSDP reader wall/2 has its key since 2026-11-21",
		"door/front/reader/3":  "fault: door front: OSDP reader wall/3 was sent a key and did not say that it took it",
		"door/front/reader/4":  "note: door front: OSDP reader yard/1, without Secure Channel",
		"door/front/reader/5":  "fault: door front: no I²C bus at /nowhere/i2c-1: switch it on",
		"door/front/reader/6":  "fault: door front: no SPI bus at /nowhere/spidev0.0: switch it on (on a Raspberry Pi dtparam=spi=on",
		"door/front/reader/7":  "fault: door front: no serial port at /nowhere/ttyAMA0: switch it on (on a Raspberry Pi enable_uart=1",
		"door/front/reader/8":  "fault: door front: no scanner at /nowhere/event3: plug it in",
		"door/front/reader/9":  "ok: door front: a device is at /dev/null",
		"door/front/reader/10": "fault: door front: ", // no PC/SC in this build, no pcscd, or no such reader
		"phones":               "note: phones cannot be used: no steward of node \"casa\" has vouched",
	} {
		if !strings.HasPrefix(got[part], want) || strings.Count(got[part], "\n") != 1 {
			t.Errorf("%s: %q, want %q", part, got[part], want)
		}
	}

	// What the folder knows of readers is damaged: that is said once, and nothing
	// of their keys.
	if err := os.WriteFile(filepath.Join(h.dir, gateway.OSDPFile), []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got = h.check(w, time.Now())
	if s := got["osdp"]; !strings.HasPrefix(s, "fault: "+filepath.Join(h.dir, gateway.OSDPFile)) || !strings.Contains(s, "install every OSDP reader again") || got["door/front/reader/2"] != "" {
		t.Errorf("%q and %q", s, got["door/front/reader/2"])
	}

	// Vouched for.
	h.vouch(request)
	h.carry()
	if s := h.check(w, time.Now())["phones"]; s != "" {
		t.Errorf("of phones it says %q", s)
	}
	// Where only codes are read nothing is said of phones.
	if s := h.check(h.wiring(""), time.Now())["phones"]; s != "" {
		t.Errorf("of phones it says %q", s)
	}
}
