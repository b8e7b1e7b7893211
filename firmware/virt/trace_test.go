package virt

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestTransitions(t *testing.T) {
	t.Parallel()
	const trace = `4711@1700000000.000001:pl061_update /machine/unattached/device[7] GPIODIR 0x0 GPIODATA 0x2 pullups 0x0 pulldowns 0xff
4711@1700000000.000002:pl061_read /machine/unattached/device[7] offset 0x3fc value 0x0
4711@1700000000.000002:pl061_read /machine/unattached/device[7] offset 0x8 value 0x2
4711@1700000000.000003:pl061_update /machine/unattached/device[7] GPIODIR 0x1 GPIODATA 0x2 pullups 0x0 pulldowns 0xff
4711@1700000000.000004:pl061_update /machine/unattached/device[7] GPIODIR 0x3 GPIODATA 0x3 pullups 0x0 pulldowns 0xff
4711@1700000000.000004:pl061_update /machine/unattached/device[7] GPIODIR 0x3 GPIODATA 0x3 pullups 0x0 pulldowns 0xff
4711@1700000000.000005:pl061_update /machine/unattached/device[7] GPIODIR 0x82 GPIODATA 0x0 pullups 0x0 pulldowns 0xff
`
	at := func(us int64) time.Time { return time.Unix(1700000000, us*1000) }
	want := []Transition{
		{at(3), 0, Low}, {at(4), 0, High}, {at(4), 1, High}, {at(5), 0, Floating}, {at(5), 1, Low}, {at(5), 7, Low},
	}
	got, err := transitions([]byte(trace))
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v\nwant %v", got, err, want)
	}
	for line, want := range []int{0, 1, 0} {
		if n := reads([]byte(trace), line); n != want {
			t.Errorf("line %d was read %d times", line, n)
		}
	}
	for _, bad := range []string{
		":pl061_update x GPIODIR 0x0 GPIODATA 0x0",
		"1@1:pl061_update x GPIODIR 0x0 GPIODATA 0x0",
		"1@a.1:pl061_update x GPIODIR 0x0 GPIODATA 0x0",
		"1@1.1:pl061_update x GPIODIR 0x100 GPIODATA 0x0",
		"1@1.1:pl061_update x GPIODIR 0x0 GPIODATA zz",
		"1@1.1:pl061_update x GPIODIR 0x0",
		"1@1.1:pl061_update x DIR 0x0 GPIODATA 0x0",
	} {
		if got, err := transitions([]byte(bad + "\n")); err == nil {
			t.Errorf("%q gave %v; a trace that is not understood must not read as a quiet line", bad, got)
		}
	}
}

// TestInitramfs reads the archive back as the kernel does (init/initramfs.c):
// headers on multiples of four, sizes in hexadecimal, a trailer.
func TestInitramfs(t *testing.T) {
	t.Parallel()
	b := initramfs(map[string]file{"/init": {0o755, []byte("one")}, "/etc/a/b": {0o600, []byte("two two")}, "/etc/c": {0o644, nil}})
	var got []string
	for at := 0; ; {
		const header = 110
		if at%4 != 0 || len(b) < at+header || string(b[at:at+6]) != "070701" {
			t.Fatalf("no header at %d of %d", at, len(b))
		}
		field := func(n int) int {
			v, err := strconv.ParseUint(string(b[at+6+8*n:at+14+8*n]), 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			return int(v)
		}
		mode, size, nameSize := field(1), field(6), field(11)
		name := string(b[at+header : at+header+nameSize])
		at = (at + header + nameSize + 3) &^ 3
		got = append(got, fmt.Sprintf("%o %q %q", mode, name, b[at:at+size]))
		at = (at + size + 3) &^ 3
		if name == "TRAILER!!!\x00" {
			if at != len(b) {
				t.Errorf("%d bytes follow the trailer", len(b)-at)
			}
			break
		}
	}
	want := []string{
		`40755 "etc\x00" ""`,
		`40755 "etc/a\x00" ""`,
		`100600 "etc/a/b\x00" "two two"`,
		`100644 "etc/c\x00" ""`,
		`100755 "init\x00" "one"`,
	}
	if !slices.Equal(got[:len(got)-1], want) {
		t.Errorf("archive holds\n%s", strings.Join(got, "\n"))
	}
}
