package door_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"tombolo/edge/door"
)

func TestParseLine(t *testing.T) {
	t.Parallel()
	for l := range door.LineShorted + 1 {
		if got, err := door.ParseLine(l.String()); got != l || err != nil {
			t.Errorf("%v: %v, %v", l, got, err)
		}
	}
	for _, s := range []string{"", " normal", "normal ", "Normal", "ACTIVE", "open", "closed", "short", "unknown 4", "0", "cut\n", "active\x00", strings.Repeat("cut", 1000)} {
		l, err := door.ParseLine(s)
		if !errors.Is(err, door.ErrLine) || l != 0 {
			t.Errorf("%.20q: %v, %v", s, l, err)
		} else if len(err.Error()) > 100 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	}
	if door.LineOf(true) != door.LineActive || door.LineOf(false) != door.LineNormal {
		t.Error("LineOf")
	}
}

func FuzzParseLine(f *testing.F) {
	for _, s := range []string{"normal", "active", "cut", "shorted", "", "short", "unknown 4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		switch l, err := door.ParseLine(s); {
		case err == nil && l.String() != s:
			t.Errorf("%q is %v", s, l)
		case err != nil && !errors.Is(err, door.ErrLine):
			t.Error(err)
		}
	})
}

// The values that installers have at hand.
var usual = [][3]int{
	{1000, 1000, 1000}, {2200, 1000, 1000}, {2200, 2200, 2200}, {2200, 1000, 2200}, {4700, 4700, 4700}, {4700, 2200, 4700}, {10_000, 4700, 6800}, {10_000, 10_000, 10_000},
}

// TestBands: 2k2 to the supply, 1k in series, 1k in parallel:
// closed 1000/3200 = 312 per mille, open 2000/4200 = 476.
func TestBands(t *testing.T) {
	t.Parallel()
	b, err := door.BandsOf(2200, 1000, 1000)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		reading int
		want    door.Line
	}{
		{-5, door.LineShorted}, {0, door.LineShorted}, {40, door.LineShorted}, {312, door.LineNormal}, {330, door.LineNormal},
		{476, door.LineActive}, {500, door.LineActive}, {990, door.LineCut}, {1000, door.LineCut}, {1024, door.LineCut},
	} {
		for last := range door.LineShorted + 1 {
			if got := b.Line(tt.reading, last); got != tt.want {
				t.Errorf("%d after %v is %v, want %v", tt.reading, last, got, tt.want)
			}
		}
	}
	for _, between := range []int{150, 400, 700} {
		for last := range door.LineShorted + 1 {
			if got := b.Line(between, last); got != last {
				t.Errorf("%d after %v is %v", between, last, got)
			}
		}
	}
	button := b.NormallyOpen()
	if button.Line(476, door.LineCut) != door.LineNormal || button.Line(312, door.LineCut) != door.LineActive ||
		button.Line(0, door.LineNormal) != door.LineShorted || button.Line(1000, door.LineNormal) != door.LineCut {
		t.Errorf("normally open: %+v", button)
	}
	if button.NormallyOpen() != b {
		t.Error("turned twice it is another")
	}
}

func TestBandsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name                   string
		pull, series, parallel int
		err                    error
		says                   string
	}{
		{"no pull-up", 0, 1000, 1000, door.ErrOhms, "pull-up resistor has 0"},
		{"no series", 2200, 0, 1000, door.ErrOhms, "series resistor has 0"},
		{"no parallel", 2200, 1000, 0, door.ErrOhms, "parallel resistor has 0"},
		{"negative", 2200, -1000, 1000, door.ErrOhms, "series resistor has -1000"},
		{"too small", 99, 1000, 1000, door.ErrOhms, "pull-up resistor has 99"},
		{"too large", 2200, 1000, 100_001, door.ErrOhms, "parallel resistor has 100001"},
		{"would overflow", math.MaxInt, math.MaxInt, math.MaxInt, door.ErrOhms, "pull-up"},
		{"series that is lost in the cable", 2200, 100, 2200, door.ErrBands, "shorted and normal"},
		{"pull-up so large that all is a short", 100_000, 1000, 2200, door.ErrBands, "shorted and normal"},
		{"parallel that is lost in the tolerance", 2200, 2200, 200, door.ErrBands, "normal and active"},
		{"pull-up so small that all is high", 500, 10_000, 10_000, door.ErrBands, "normal and active"},
		{"large resistors that a damp cable hides", 2200, 2200, 100_000, door.ErrBands, "active and cut"},
		{"pull-up so small that open is cut", 150, 1000, 10_000, door.ErrBands, "active and cut"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b, err := door.BandsOf(tt.pull, tt.series, tt.parallel)
			if !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.says) || b != (door.Bands{}) {
				t.Errorf("%v; want %v with %q", err, tt.err, tt.says)
			}
		})
	}
}

// reads is what a converter reads of a line: the resistors with their errors in
// percent, a cable of so many ohms, damp by a leak, and the converter's own error.
func reads(pull, line, cable, leak, adc float64) int {
	line += cable
	line = line * leak / (line + leak)
	return min(max(int(1000*line/(pull+line)+adc), 0), 1000)
}

// TestBandsTolerance: whatever values are accepted, each state reads as itself,
// however the 5% of the resistors, the cable and the converter fall.
func TestBandsTolerance(t *testing.T) {
	t.Parallel()
	for _, v := range usual {
		if _, err := door.BandsOf(v[0], v[1], v[2]); err != nil {
			t.Errorf("%v: %v", v, err)
		}
	}
	accepted := 0
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.SampledFrom(usual).Draw(t, "values")
		if rapid.Bool().Draw(t, "odd values") {
			for i := range v {
				v[i] = rapid.IntRange(100, 20_000).Draw(t, "ohms")
			}
		}
		b, err := door.BandsOf(v[0], v[1], v[2])
		if err != nil {
			return
		}
		accepted++
		off := func(ohms int) float64 { return float64(ohms) * rapid.Float64Range(0.95, 1.05).Draw(t, "tolerance") }
		pull, series, parallel := off(v[0]), off(v[1]), off(v[2])
		cable := rapid.Float64Range(0, 100).Draw(t, "cable")
		leak := rapid.Float64Range(100_000, 1e9).Draw(t, "leak")
		adc := rapid.Float64Range(-5, 5).Draw(t, "converter")
		last := door.Line(rapid.IntRange(0, 3).Draw(t, "last"))
		for _, tt := range []struct {
			ohms float64
			want door.Line
		}{{0, door.LineShorted}, {series, door.LineNormal}, {series + parallel, door.LineActive}, {1e12, door.LineCut}} {
			if got := b.Line(reads(pull, tt.ohms, cable, leak, adc), last); got != tt.want {
				t.Fatalf("%v of %v ohms reads %d: %v", tt.want, tt.ohms, reads(pull, tt.ohms, cable, leak, adc), got)
			}
		}
	})
	if accepted == 0 {
		t.Error("no values were accepted")
	}
}

// FuzzBands: what is accepted tells four states apart, in the order of their
// voltages, and a reading is one of them or says what was.
func FuzzBands(f *testing.F) {
	f.Add(2200, 1000, 1000, 476)
	f.Add(0, -1, math.MaxInt, -1)
	f.Add(100_000, 100, 100, 1001)
	f.Fuzz(func(t *testing.T, pull, series, parallel, reading int) {
		b, err := door.BandsOf(pull, series, parallel)
		if err != nil {
			if !errors.Is(err, door.ErrOhms) && !errors.Is(err, door.ErrBands) {
				t.Error(err)
			}
			return
		}
		last, order := door.LineShorted, []door.Line{door.LineShorted}
		for r := range 1001 {
			if l := b.Line(r, last); l != last {
				order, last = append(order, l), l
			}
		}
		if len(order) != 4 || order[1] != door.LineNormal || order[2] != door.LineActive || order[3] != door.LineCut {
			t.Errorf("rising: %v", order)
		}
		for last := range door.LineShorted + 1 {
			if l := b.Line(reading, last); l != last && l != b.Line(reading, l) || l > door.LineShorted {
				t.Errorf("%d after %v: %v", reading, last, l)
			}
		}
	})
}
