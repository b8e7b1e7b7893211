package gateway

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tombolo/cmd/internal/wiring"
)

// TestOneReaderTwice: two readers of the wiring file that are one, by two of its
// names, are told; the file itself cannot know.
func TestOneReaderTwice(t *testing.T) {
	t.Parallel()
	pcsc := func(name string) reader {
		return reader{name: "door/" + name + "/reader/1", door: name, cfg: wiring.Reader{Kind: wiring.PCSC, Name: name}}
	}
	const acs, omnikey = "ACS ACR1252 Dual Reader 00 00", "HID OMNIKEY 5022 CL 01 00"
	for _, c := range []struct {
		name  string
		all   []string
		err   error
		names []string
		want  []string // of each
	}{
		{"each its own", []string{acs, omnikey}, nil, []string{"ACR1252", "omnikey"}, []string{"ok ", "ok "}},
		{"one by two parts of its name", []string{acs, omnikey}, nil, []string{"ACR1252", "dual", "5022"},
			[]string{"ok ", `fault door dual: the PC/SC reader "` + acs + `" is that of door/ACR1252/reader/1`, "ok "}},
		{"by its whole name and a part", []string{acs}, nil, []string{acs, "ACS"}, []string{"ok ", "fault door ACS: the PC/SC reader"}},
		{"none", nil, nil, []string{"ACS", ""}, []string{`fault door ACS: PC/SC has no reader named "ACS", none is there`, "fault door : PC/SC has no reader"}},
		{"a part of two names", []string{acs, omnikey}, nil, []string{"0"}, []string{`fault door 0: "0" is a part of several readers' names`}},
		{"not named", []string{acs, omnikey}, nil, []string{""}, []string{"fault door : PC/SC has several readers"}},
		{"no pcscd", nil, errors.New("no pcscd"), []string{"ACS"}, []string{"fault door ACS: no pcscd"}},
	} {
		var f findings
		once := owners{}
		for _, name := range c.names {
			f.pcsc(once, pcsc(name), "door "+name+": ", c.all, c.err)
		}
		if len(f) != len(c.want) {
			t.Errorf("%s: %v", c.name, f)
			continue
		}
		for i, want := range c.want {
			if got := string(f[i].Level) + " " + f[i].What; !strings.HasPrefix(got, want) {
				t.Errorf("%s: %q, want %q", c.name, got, want)
			}
		}
	}

	dir := t.TempDir()
	link := filepath.Join(dir, "by-id")
	if err := os.Symlink("/dev/null", link); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(dir, "gone")
	var f findings
	once := owners{}
	for _, c := range []struct{ part, path, want string }{
		{"bus/wall", "/dev/null", "ok a device is at /dev/null"},
		{"door/front/reader/1", link, "fault " + link + " is the device of bus/wall, by another name: one port has one use"},
		{"bus/yard", "/dev/zero", "ok a device is at /dev/zero"},
		{"bus/gone", gone, "fault no RS-485 adapter at " + gone},
	} {
		f.port(once, c.part, "", c.path, rs485Device)
		if got := string(f[len(f)-1].Level) + " " + f[len(f)-1].What; !strings.HasPrefix(got, c.want) {
			t.Errorf("%s: %q, want %q", c.part, got, c.want)
		}
	}
}
