package qemu

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
)

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
