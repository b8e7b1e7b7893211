package firmware_test

import (
	"maps"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// token is one part of a udev rule: a key, with what stands in its braces, an
// operator and a value.
type token struct{ key, attr, op, value string }

var tokenSyntax = regexp.MustCompile(`^([A-Z]+)(?:\{([A-Za-z_]+)\})?(==|!=|\+=|-=|=)"([^"]*)"$`)

// udevKeys are the keys of udev(7) that our rules use, with the operators that
// each may have; udev ignores a rule that it does not understand, with a line in
// its log.
var udevKeys = map[string]string{
	"ACTION": "== !=", "SUBSYSTEM": "== !=", "KERNEL": "== !=", "DRIVER": "== !=", "ATTRS": "== !=",
	"ENV": "== != =", "ATTR": "== != =", "TAG": "== != += -=", "GROUP": "=", "MODE": "=", "GOTO": "=", "LABEL": "=",
}

func udevRules(t *testing.T) (rules [][]token) {
	t.Helper()
	text, err := os.ReadFile("60-tombolo.rules")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		var rule []token
		for part := range strings.SplitSeq(line, ", ") {
			m := tokenSyntax.FindStringSubmatch(part)
			if m == nil {
				t.Fatalf("60-tombolo.rules: %q in %s", part, line)
			}
			ops, known := udevKeys[m[1]]
			braces := m[1] == "ATTR" || m[1] == "ATTRS" || m[1] == "ENV"
			if !known || !strings.Contains(" "+ops+" ", " "+m[3]+" ") || braces != (m[2] != "") {
				t.Fatalf("60-tombolo.rules: %q is none of %v", part, udevKeys)
			}
			rule = append(rule, token{m[1], m[2], m[3], m[4]})
		}
		rules = append(rules, rule)
	}
	return rules
}

// device is an event of udev: what rules match, by key as in `ENV{X}`. What they
// assign is added; TAG is one tag.
type device map[string]string

func (t token) name() string {
	if t.attr == "" {
		return t.key
	}
	return t.key + "{" + t.attr + "}"
}

// matches compares as udev does: alternatives with |, each a shell's pattern.
func (t token) matches(d device) bool {
	value, there := d[t.name()]
	// A missing attribute matches nothing; a missing variable is empty.
	hit := false
	for pattern := range strings.SplitSeq(t.value, "|") {
		ok, err := path.Match(pattern, value)
		hit = hit || err == nil && ok && (there || t.key != "ATTRS" && t.key != "ATTR")
	}
	return hit == (t.op == "==")
}

// applied is what becomes of a device.
func applied(t *testing.T, rules [][]token, in device) device {
	t.Helper()
	d := maps.Clone(in)
	label := ""
	for _, rule := range rules {
		if label != "" {
			if rule[0].key == "LABEL" && rule[0].value == label {
				label = ""
			}
			continue
		}
		match := true
		for _, tok := range rule {
			switch {
			case tok.op == "==" || tok.op == "!=":
				match = match && tok.matches(d)
			case !match || tok.key == "LABEL":
			case tok.key == "GOTO":
				label = tok.value
			case tok.key == "TAG" && tok.op == "-=":
				if d["TAG"] == tok.value {
					delete(d, "TAG")
				}
			default:
				d[tok.name()] = tok.value
			}
		}
	}
	if label != "" {
		t.Fatalf("60-tombolo.rules: no LABEL %q follows", label)
	}
	return d
}

func TestUdevRules(t *testing.T) {
	t.Parallel()
	rules := udevRules(t)
	scanner := func(kernel, vendor string) device {
		return device{"ACTION": "add", "SUBSYSTEM": "input", "KERNEL": kernel, "ATTRS{idVendor}": vendor, "TAG": "power-switch"}
	}
	for _, c := range []struct {
		name        string
		device      device
		group, mode string
	}{
		{"GPIO chip", device{"ACTION": "add", "SUBSYSTEM": "gpio", "KERNEL": "gpiochip4"}, "gpio", "0660"},
		{"I2C bus", device{"ACTION": "change", "SUBSYSTEM": "i2c-dev", "KERNEL": "i2c-1"}, "i2c", "0660"},
		{"SPI device", device{"ACTION": "add", "SUBSYSTEM": "spidev", "KERNEL": "spidev0.1"}, "spi", "0660"},
		{"GPIO chip that goes", device{"ACTION": "remove", "SUBSYSTEM": "gpio", "KERNEL": "gpiochip4"}, "", ""},
		{"old GPIO interface", device{"ACTION": "add", "SUBSYSTEM": "gpio", "KERNEL": "gpio512"}, "", ""},
		{"serial port", device{"ACTION": "add", "SUBSYSTEM": "tty", "KERNEL": "ttyACM0"}, "", ""},
		{"disk of a scanner's maker", device{"ACTION": "add", "SUBSYSTEM": "block", "KERNEL": "sda", "ATTRS{idVendor}": "05e0"}, "", ""},
		{"scanner", scanner("event3", "05e0"), "tombolo", "0660"},
		{"another scanner", scanner("event12", "0c2e"), "tombolo", "0660"},
		{"scanner's old interface", scanner("kbd0", "05f9"), "", ""},
		{"keyboard", scanner("event0", "046d"), "", ""},
		{"keyboard with a number that begins alike", scanner("event0", "05e01"), "", ""},
		{"power key of the board", device{"ACTION": "add", "SUBSYSTEM": "input", "KERNEL": "event0", "TAG": "power-switch"}, "", ""},
		{"scanner by the steward's word", device{"ACTION": "add", "SUBSYSTEM": "input", "KERNEL": "event1",
			"ATTRS{idVendor}": "1234", "ENV{TOMBOLO_SCANNER}": "1", "TAG": "power-switch"}, "tombolo", "0660"},
	} {
		got := applied(t, rules, c.device)
		if got["GROUP"] != c.group || got["MODE"] != c.mode {
			t.Errorf("%s: group %q, mode %q; want %q, %q", c.name, got["GROUP"], got["MODE"], c.group, c.mode)
		}
		if c.device["TAG"] == "" {
			continue
		}
		isScanner := got["ENV{TOMBOLO_SCANNER}"] == "1"
		if _, switches := got["TAG"]; switches == isScanner {
			t.Errorf("%s: its keys switch power: %v", c.name, switches)
		}
		if ignored := got["ENV{LIBINPUT_IGNORE_DEVICE}"] == "1"; ignored != isScanner {
			t.Errorf("%s: desktops ignore it: %v", c.name, ignored)
		}
	}
	for driver, want := range map[string]string{"ftdi_sio": "1", "cp210x": ""} {
		got := applied(t, rules, device{"ACTION": "add", "SUBSYSTEM": "usb-serial", "KERNEL": "ttyUSB0", "DRIVER": driver})
		if got["ATTR{latency_timer}"] != want {
			t.Errorf("%s: latency %q, want %q", driver, got["ATTR{latency_timer}"], want)
		}
	}
}
