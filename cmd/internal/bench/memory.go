package main

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"tombolo/edge/policy"
)

// memory measures a gateway in a process of its own.
func memory(b *report, path string, people int) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := exec.Command(self, "--memory", path, "--people", strconv.Itoa(people)).Output()
	if err != nil {
		return fmt.Errorf("the gateway that is measured: %w", err)
	}
	mb, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		return err
	}
	b.most("resident-memory-mb", mb, 64)
	return nil
}

// printMemory runs a gateway for a while and prints its resident memory in MB.
func printMemory(path string, people int) error {
	dir, err := os.MkdirTemp("", "tombolo-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	g, err := newGateway(dir, path)
	if err != nil {
		return err
	}
	for range 20 {
		all, err := g.presentations(people, 1, 0, keysOf, func(i int) string { return doorName(i % doors) })
		if err != nil {
			return err
		}
		for i, p := range all {
			if err := p.show(doorName(i % doors)); err != nil {
				return err
			}
		}
	}
	mb, err := status("VmRSS:")
	if err != nil {
		return err
	}
	fmt.Println(mb)
	return g.close()
}

// policies measures a policy of 500 doors and 200 levels, in milliseconds.
func policies(b *report) error {
	text := largePolicy()
	var times []float64
	for range 9 {
		begin := time.Now()
		if _, err := policy.Parse("policy.toml", text); err != nil {
			return err
		}
		times = append(times, time.Since(begin).Seconds()*1e3)
	}
	b.most("policy-500-doors-ms", median(times), 100)
	return nil
}

func largePolicy() []byte {
	var b strings.Builder
	b.WriteString("version = 1\nnode = \"town\"\ntimezone = \"Europe/Lisbon\"\n[zones.street]\noutside = true\n")
	b.WriteString("[schedules.office]\nweek = [\"mon-fri 08:00-18:00\"]\n")
	for i := range 500 {
		fmt.Fprintf(&b, "[zones.z%d]\n[doors.d%d]\ngateway = \"gw%d\"\nfrom = \"street\"\nto = \"z%d\"\nstrike = \"4s\"\nheld_open = \"1m\"\npre_alarm = \"10s\"\nrelock = \"close\"\nmechanical_exit = true\n", i, i, i%40, i)
	}
	for i := range 200 {
		fmt.Fprintf(&b, "[levels.l%d]\nschedule = \"office\"\ndoors = [", i)
		for j := range 50 {
			fmt.Fprintf(&b, "\"d%d\", ", (i*7+j*10)%500)
		}
		b.WriteString("]\n")
	}
	for i := range 20 {
		fmt.Fprintf(&b, "[classes.c%d]\nlevels = [\"l%d\", \"l%d\"]\n", i, i, 199-i)
	}
	return []byte(b.String())
}
