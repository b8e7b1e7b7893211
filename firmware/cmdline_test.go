package firmware_test

import (
	"os"
	"strings"
	"testing"
)

// commandLine is what image and package add to the kernel's command line. The
// Pi's boot firmware reads one line and no more.
func commandLine(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("cmdline.txt")
	if err != nil {
		t.Fatal(err)
	}
	line, ok := strings.CutSuffix(string(b), "\n")
	if !ok || line == "" || strings.ContainsAny(line, "\r\n") {
		t.Fatalf("cmdline.txt is not one line: %q", b)
	}
	return line
}
