package wiring

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tombolo/edge/policy"
	"tombolo/edge/strict"
)

// Severity is how much a Problem matters.
type Severity uint8

// Severities.
const (
	Note  Severity = iota // works, and somebody should know
	Fault                 // does not work as the policy says; the daemon runs what does
	Stop                  // the daemon must not run: this is not the gateway that it takes itself for
)

func (s Severity) String() string {
	return [...]string{Note: "note", Fault: "fault", Stop: "stop"}[s]
}

// Problem is one thing about a gateway's wiring and its policy.
type Problem struct {
	Severity Severity
	Door     string // "" if it concerns the gateway as a whole
	Msg      string // what is so, and what to do
}

func (p Problem) String() string { return fmt.Sprintf("%s: %s", p.Severity, p.What()) }

// What is the problem without its severity.
func (p Problem) What() string {
	if p.Door == "" {
		return p.Msg
	}
	return fmt.Sprintf("door %s: %s", p.Door, p.Msg)
}

// Check holds the wiring of a gateway against the node's policy. The gravest
// problems come first, then by door. A nil policy (none signed yet) leaves out
// what only a policy can tell; an empty gateway (not enrolled yet) likewise.
func Check(w *Wiring, p *policy.Policy, gateway string) []Problem {
	c := &checker{w: w, p: p, gateway: gateway}
	c.gatewayName()
	if p != nil && gateway != "" {
		c.coverage()
	}
	if in := w.Inputs.Fire; in != nil && cutUnseen(in) {
		c.add(Note, "", "fire: a cut cable reads as no fire: have the fire panel open a closed contact (with bias = \"pull-up\" and active_low = false), or supervise the line")
	}
	if p != nil {
		c.fire()
	}
	c.links()
	for _, d := range w.sorted() {
		c.wires(d)
	}
	slices.SortStableFunc(c.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(b.Severity, a.Severity), cmp.Compare(a.Door, b.Door))
	})
	return c.problems
}

type checker struct {
	w        *Wiring
	p        *policy.Policy
	gateway  string
	problems []Problem
}

func (c *checker) add(s Severity, door, format string, args ...any) {
	c.problems = append(c.problems, Problem{s, door, fmt.Sprintf(format, args...)})
}

func (c *checker) gatewayName() {
	if c.w.Name != "" && c.gateway != "" && c.w.Name != c.gateway {
		c.add(Stop, "", "this file is for gateway %s, and this machine is enrolled as %s: bring the right file, or correct its name", c.w.Name, c.gateway)
	}
	if len(c.w.Doors) == 0 {
		c.add(Note, "", "no door is wired: add [doors.NAME] to the wiring file")
	}
}

// coverage compares the doors that the policy gives this gateway with those
// that are wired.
func (c *checker) coverage() {
	var mine []string
	for _, name := range slices.Sorted(maps.Keys(c.p.Doors)) {
		if c.p.Doors[name].Gateway != c.gateway {
			continue
		}
		mine = append(mine, name)
		if c.w.Doors[name] == nil {
			c.add(Fault, name, "the policy gives it to this gateway, and it is not wired: nobody can open it; add [doors.%s] to the wiring file", name)
		}
	}
	if len(mine) == 0 {
		c.add(Fault, "", "the policy gives gateway %s no door%s", c.gateway, c.otherGateways())
	}
	for _, name := range slices.Sorted(maps.Keys(c.w.Doors)) {
		d := c.p.Doors[name]
		switch {
		case d == nil:
			c.add(Fault, name, "it is wired, and the policy does not know it: nobody opens it from here%s",
				strict.Hint(name, slices.Collect(maps.Keys(c.p.Doors)), "no doors are named"))
		case d.Gateway != c.gateway:
			c.add(Fault, name, "it is wired here, and the policy gives it to gateway %s: nobody opens it from here; move the wires or change the policy", d.Gateway)
		}
	}
}

func (c *checker) otherGateways() fmt.Stringer {
	set := map[string]bool{}
	for _, d := range c.p.Doors {
		set[d.Gateway] = true
	}
	return strict.Hint(c.gateway, slices.Sorted(maps.Keys(set)), "it names no gateway")
}

// wires tells what follows from what is wired at one door, and is not.
func (c *checker) wires(d *Door) {
	var pd *policy.Door
	if c.p != nil {
		pd = c.p.Doors[d.Name]
	}
	home := pd != nil && pd.Home
	if d.Lock == FailSafe {
		whose := "it"
		if home {
			whose = "this home"
		}
		c.add(Note, d.Name, "fail-safe lock: a power cut or a stopped daemon leaves %s unlocked, and the relay is energised for as long as it is locked", whose)
	}
	if d.Contact == nil {
		extra := ""
		if home {
			extra = "; at a home, nobody will know that it was broken open"
		}
		c.add(Note, d.Name, "no contact: an entry cannot be told from a door that nobody went through, and a door held or forced open is not noticed%s", extra)
	}
	if d.Contact != nil && d.Rex == nil {
		c.add(Note, d.Name, "no rex: each time somebody leaves by the mechanical way out it is reported as forced open")
	}
	if d.Lock == FailSafe && d.Rex == nil {
		c.add(Note, d.Name, "fail-safe lock without rex: no button unlocks it from inside; unless the handle itself frees the door (not so with a magnet), wire one, and one that cuts the lock's power")
	}
	for i, r := range d.Readers {
		if r.Insecure {
			c.add(Note, d.Name, "reader %d speaks OSDP without Secure Channel: whoever gets at its cable hears what is read and typed, and can answer for it; leave insecure out, and give it a key with `tombolod osdp install`", i+1)
		}
	}
	if pd == nil {
		return
	}
	entering := slices.ContainsFunc(d.Readers, func(r Reader) bool { return r.Side == In })
	scannersOnly := !slices.ContainsFunc(d.Readers, func(r Reader) bool { return r.Side == In && r.Kind.Taps() })
	switch {
	case !entering:
		c.add(Note, d.Name, "no reader on the side of zone %s: it opens by command or from inside only", pd.From)
	case pd.Codes == policy.CodesNone && scannersOnly:
		c.add(Fault, d.Name, "its only readers are scanners, and the policy takes no codes here: nobody can open it; change codes in the policy or add a reader")
	}
	if home && scannersOnly && entering {
		c.add(Note, d.Name, "a home's people are promised entry by tap, and scanners read codes only: add a reader for taps")
	}
	c.rules(d, pd)
}

// Text is one line for each problem.
func Text(problems []Problem) string {
	var b strings.Builder
	for _, p := range problems {
		b.WriteString(p.String())
		b.WriteByte('\n')
	}
	return b.String()
}
