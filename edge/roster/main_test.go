package roster_test

import (
	"fmt"
	"os"
	"testing"
)

// TestMain keeps the many small databases in memory where the machine has a
// place for that: none of these tests is about a disk.
func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("/dev/shm", "roster-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		if err := os.Setenv("TMPDIR", dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return m.Run()
}
