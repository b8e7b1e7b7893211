package virt

import (
	"bufio"
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tombolo/firmware/qemu"
)

// Level is what the guest does to a line.
type Level = qemu.Level

// Levels.
const (
	Floating = qemu.Floating
	Low      = qemu.Low
	High     = qemu.High
)

// Transition is a change of what the guest does to a line.
type Transition struct {
	At    time.Time // the host's clock
	Line  int
	Level Level
}

func (t Transition) String() string {
	return fmt.Sprintf("%s line %d %v", t.At.UTC().Format("15:04:05.000000"), t.Line, t.Level)
}

// transitions reads QEMU's trace of the PL061. The device computes its outputs
// in one function, after each write to a register and each change of an input,
// and that function traces the direction and data registers first: so the list
// is complete, however short a pulse was. A line of the trace is
//
//	PID@SECONDS.MICROSECONDS:pl061_update PATH GPIODIR 0x1 GPIODATA 0x0 pullups 0x0 pulldowns 0xff
func transitions(trace []byte) ([]Transition, error) {
	var out []Transition
	var was [8]Level
	lines := bufio.NewScanner(bytes.NewReader(trace))
	for lines.Scan() {
		head, rest, ok := strings.Cut(lines.Text(), ":pl061_update ")
		if !ok {
			continue
		}
		bad := func() ([]Transition, error) {
			return nil, fmt.Errorf("virt: trace line %q", lines.Text())
		}
		_, stamp, ok := strings.Cut(head, "@")
		sec, usec, ok2 := strings.Cut(stamp, ".")
		if !ok || !ok2 {
			return bad()
		}
		s, err1 := strconv.ParseInt(sec, 10, 64)
		us, err2 := strconv.ParseInt(usec, 10, 64)
		f := strings.Fields(rest)
		if err1 != nil || err2 != nil || len(f) < 5 || f[1] != "GPIODIR" || f[3] != "GPIODATA" {
			return bad()
		}
		dir, err1 := strconv.ParseUint(f[2], 0, 8)
		data, err2 := strconv.ParseUint(f[4], 0, 8)
		if err1 != nil || err2 != nil {
			return bad()
		}
		for n := range was {
			now := level(dir, data, n)
			if now != was[n] {
				was[n] = now
				out = append(out, Transition{time.Unix(s, us*1000), n, now})
			}
		}
	}
	return out, lines.Err()
}

func level(dir, data uint64, n int) Level {
	switch {
	case dir>>n&1 == 0:
		return Floating
	case data>>n&1 == 0:
		return Low
	default:
		return High
	}
}

// reads counts in a trace how often the guest has read the level of a line.
func reads(trace []byte, line int) int {
	// ARM DDI 0190B §3.3.1: the address of a read of GPIODATA is its mask.
	offset := fmt.Sprintf(" offset %#x ", 4<<line)
	n := 0
	for l := range bytes.Lines(trace) {
		if bytes.Contains(l, []byte(":pl061_read ")) && bytes.Contains(l, []byte(offset)) {
			n++
		}
	}
	return n
}
