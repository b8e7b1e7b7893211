// Command bench measures what the door is judged by, everything in one run, and
// prints one line for each figure: its name, what was measured, the target, and
// pass or miss. It ends with 1 if anything missed. Ratios are against what the
// same machine does in the same seconds with the bare part alone, so that they
// mean the same on a Raspberry Pi as on a server.
//
//	go run ./cmd/internal/bench [--people 1000000]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	tombolod "tombolo/cmd/internal/gateway"
)

func main() {
	people := flag.Int("people", 1_000_000, "passports in the roster")
	child := flag.String("memory", "", "measure the memory of a gateway with this roster (the program calls itself so)")
	daemon := flag.String("daemon", "", "run the gateway of this folder, to be measured (the program calls itself so)")
	flag.Parse()
	if err := run(*people, *child, *daemon); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

var errMissed = errors.New("a target was missed")

func run(people int, child, daemon string) error {
	tombolod.Tune() // as the daemon does
	switch {
	case child != "":
		return printMemory(child, people)
	case daemon != "":
		return runDaemon(daemon)
	}
	runtime.GOMAXPROCS(min(2, runtime.NumCPU())) // the targets speak of two cores
	dir, err := os.MkdirTemp("", "tombolo-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := &report{}
	fmt.Fprintf(os.Stderr, "a roster of %d passports …\n", people)
	path := filepath.Join(dir, "roster.db")
	if err := fill(path, people); err != nil {
		return err
	}
	for _, measure := range []func() error{
		func() error { return taps(b, dir, path, people) },
		func() error { return memory(b, path, people) },
		func() error { return nodeMemory(b, dir) },
		func() error { return journal(b, dir) },
		func() error { return policies(b) },
		func() error { return cards(b, dir, path) },
	} {
		if err := measure(); err != nil {
			return err
		}
	}
	if b.missed {
		return errMissed
	}
	return nil
}

// report prints figures.
type report struct{ missed bool }

// most is a figure that must not be above its target.
func (r *report) most(name string, got, target float64) { r.line(name, got, target, got <= target) }

// least is one that must not be below.
func (r *report) least(name string, got, target float64) { r.line(name, got, target, got >= target) }

func (r *report) line(name string, got, target float64, pass bool) {
	verdict := "pass"
	if !pass {
		verdict, r.missed = "miss", true
	}
	fmt.Printf("%-28s %8.2f %8.2f %s\n", name, got, target, verdict)
}

// journal measures what the journal makes of a disk, beside bare SQLite.
func journal(b *report, dir string) error {
	got, bare, err := journalRate(dir)
	if err != nil {
		return err
	}
	b.least("journal-to-bare-sqlite", got/bare, 0.8)
	fmt.Printf("# journal: %.0f entries a second, bare SQLite %.0f\n", got, bare)
	return nil
}
