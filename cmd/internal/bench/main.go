// Command bench measures what the door is judged by, everything in one run, and
// prints one line for each figure: its name, what was measured, the target, and
// pass or miss. It ends with 1 if anything missed. Ratios are against what the
// same machine does in the same seconds with the bare part alone, so that they
// mean the same on a Raspberry Pi as on a server.
//
//	go run ./cmd/internal/bench [--people 1000000] [--only taps]
package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	tombolod "tombolo/cmd/internal/gateway"
)

func main() {
	var o options
	flag.IntVar(&o.people, "people", 1_000_000, "passports in the roster, and in the ledger that a gateway catches up on")
	flag.IntVar(&o.gateways, "gateways", 1000, "gateways that a revocation reaches")
	flag.StringVar(&o.only, "only", "", "measure one thing alone, or all whose names begin so: "+strings.Join(names(), ", "))
	flag.StringVar(&o.memory, "memory", "", "measure the memory of a gateway with this roster (the program calls itself so)")
	flag.StringVar(&o.daemon, "daemon", "", "run the gateway of this folder, to be measured (the program calls itself so)")
	flag.StringVar(&o.broker, "broker", "", "run a broker in this folder (the program calls itself so)")
	flag.IntVar(&o.reporters, "reporters", seaGateways, "gateways that report to a hub, of 1000 passports each")
	flag.StringVar(&o.census, "census", "", "do a part of what is measured of a census (the program calls itself so)")
	flag.StringVar(&o.community, "community", "", "the broker's (the program calls itself so)")
	flag.Parse()
	if err := run(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// options are the command line, and where a run keeps its files.
type options struct {
	people, gateways, reporters               int
	only                                      string
	memory, daemon, broker, community, census string
	dir, roster                               string
}

// wants tells whether something is to be measured.
func (o options) wants(name string) bool { return strings.HasPrefix(name, o.only) }

var errMissed = errors.New("a target was missed")

// measurement prints some figures.
type measurement struct {
	name   string
	roster bool // it needs one
	run    func(*report, options) error
}

func measurements() []measurement {
	return []measurement{
		{"taps", true, func(b *report, o options) error { return taps(b, o.dir, o.roster, o.people) }},
		{"memory", true, func(b *report, o options) error { return memory(b, o.roster, o.people) }},
		{"node", false, func(b *report, o options) error { return nodeMemory(b, o.dir) }},
		{"journal", false, func(b *report, o options) error { return journal(b, o.dir) }},
		{"policies", false, func(b *report, o options) error { return policies(b) }},
		{"cards", true, func(b *report, o options) error { return cards(b, o.dir, o.roster) }},
		{"wire", false, func(b *report, o options) error { return wire(b, filepath.Join(o.dir, "wire")) }},
		{"events", false, func(b *report, o options) error { return doorEvents(b, filepath.Join(o.dir, "events")) }},
		{"idle", false, func(b *report, o options) error { return idle(b) }},
		{"catch-up", false, func(b *report, o options) error { return catchUp(b, filepath.Join(o.dir, "catch-up"), o.people) }},
		{"revocations", false, func(b *report, o options) error { return revocations(b, filepath.Join(o.dir, "isle"), o.gateways) }},
		{"census-evaluator", false, censusPart(evaluation)},
		{"census-intake", false, censusPart(intake)},
		{"census-close", false, censusPart(closing)},
	}
}

func names() (all []string) {
	for _, m := range measurements() {
		all = append(all, m.name)
	}
	return all
}

func run(o options) (err error) {
	if o.census != "" {
		runtime.GOMAXPROCS(min(2, runtime.NumCPU()))
		return obey(o.census)
	}
	tombolod.Tune() // as the daemon does
	switch {
	case o.memory != "":
		return printMemory(o.memory, o.people)
	case o.daemon != "":
		return runDaemon(o.daemon)
	case !slices.ContainsFunc(names(), o.wants):
		return fmt.Errorf("--only: there is no %q", o.only)
	}
	runtime.GOMAXPROCS(min(2, runtime.NumCPU())) // the targets speak of two cores
	if o.broker != "" {
		return runBroker(o.broker, o.community)
	}
	if o.dir, err = os.MkdirTemp("", "tombolo-bench-"); err != nil {
		return err
	}
	defer os.RemoveAll(o.dir)
	b := &report{}
	for _, m := range measurements() {
		if !o.wants(m.name) {
			continue
		}
		if m.roster && o.roster == "" {
			fmt.Fprintf(os.Stderr, "a roster of %d passports …\n", o.people)
			o.roster = filepath.Join(o.dir, "roster.db")
			if err := fill(o.roster, o.people); err != nil {
				return err
			}
		}
		if err := m.run(b, o); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
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
