package door

import (
	"errors"
	"fmt"
	"slices"
)

// Line is what an input says. A plain input is normal or active; a supervised
// one, with resistors at its end, tells a cut or shorted cable from both.
type Line uint8

// The states of a line.
const (
	LineNormal Line = iota
	LineActive
	LineCut
	LineShorted
)

var lines = [...]string{"normal", "active", "cut", "shorted"}

func (l Line) String() string { return word(lines[:], int(l)) }

// ErrLine says that a word names no state of a line.
var ErrLine = errors.New("a line is normal, active, cut or shorted")

// ParseLine is the inverse of String.
func ParseLine(s string) (Line, error) {
	i := slices.Index(lines[:], s)
	if i < 0 {
		return 0, fmt.Errorf("%w, not %.20q", ErrLine, s)
	}
	return Line(i), nil
}

// LineOf is the line of a plain input.
func LineOf(active bool) Line {
	if active {
		return LineActive
	}
	return LineNormal
}
