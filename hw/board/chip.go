package board

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/warthog618/go-gpiocdev"
)

// What is wrong with a chip or a line that a configuration names.
var (
	ErrNoChip        = errors.New("board: no such GPIO chip")
	ErrAmbiguousChip = errors.New("board: GPIO chip label is not unique")
	ErrNoLine        = errors.New("board: GPIO chip has no such line")
	ErrLineTwice     = errors.New("board: GPIO line is named twice")
	ErrLineInUse     = errors.New("board: GPIO line is in use")
	ErrHeaderPath    = errors.New("board: a line of the header is named by its chip's path")
)

// consumer is what gpioinfo and CheckLines of another process show.
const consumer = "tombolo"

// Chip is one GPIO character device.
type Chip struct {
	Path  string // e.g. /dev/gpiochip0; its number may change between boots
	Label string // the driver's name, e.g. pinctrl-bcm2711; stable
	Lines int
}

func (c Chip) String() string {
	return fmt.Sprintf("%s (%s, %d lines)", c.Label, c.Path, c.Lines)
}

// Chips lists the GPIO chips of this machine, by path. A chip that cannot be
// opened (permissions) is an error, so that it is not taken for absent.
func Chips() ([]Chip, error) {
	var chips []Chip
	for _, name := range gpiocdev.Chips() { // leaves out symlinks to the same device
		c, err := gpiocdev.NewChip(name)
		if err != nil {
			return nil, fmt.Errorf("board: /dev/%s: %w", name, err)
		}
		chips = append(chips, Chip{Path: filepath.Join("/dev", c.Name), Label: c.Label, Lines: c.Lines()})
		c.Close()
	}
	return chips, nil
}

// find picks the chip that a configuration names by path, by label, or as the
// header's.
func find(chips []Chip, name string) (Chip, error) {
	if name == HeaderChip {
		return headerOf(chips)
	}
	var found []Chip
	for _, c := range chips {
		if c.Path == name || c.Label == name {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return Chip{}, fmt.Errorf("%w: %q; this machine has %s", ErrNoChip, name, list(chips))
	default:
		return Chip{}, fmt.Errorf("%w: %q is %s: name one by its path", ErrAmbiguousChip, name, list(found))
	}
}

// findLine is find for a chip that has to have that line.
func findLine(chips []Chip, name string, line int) (Chip, error) {
	chip, err := find(chips, name)
	if err != nil {
		return Chip{}, err
	}
	lines := chip.Lines
	if chip.Header() {
		lines = min(lines, BCMs) // what follows is the board's own: its SD card, its LEDs
	}
	if line < 0 || line >= lines {
		return Chip{}, fmt.Errorf("%w: line %d of %s: use 0 to %d", ErrNoLine, line, chip, lines-1)
	}
	return chip, nil
}

func list(chips []Chip) string {
	if len(chips) == 0 {
		return "none"
	}
	s := make([]string, len(chips))
	for i, c := range chips {
		s[i] = c.String()
	}
	return strings.Join(s, ", ")
}

// openChip opens the chip that a configuration names, and looks at its line.
// The caller closes it.
func openChip(name string, line int) (*gpiocdev.Chip, gpiocdev.LineInfo, error) {
	chips, err := Chips()
	if err != nil {
		return nil, gpiocdev.LineInfo{}, err
	}
	chip, err := findLine(chips, name, line)
	if err != nil {
		return nil, gpiocdev.LineInfo{}, err
	}
	c, err := gpiocdev.NewChip(chip.Path, gpiocdev.WithConsumer(consumer))
	if err != nil {
		return nil, gpiocdev.LineInfo{}, fmt.Errorf("board: %s: %w", chip.Path, err)
	}
	info, err := c.LineInfo(line)
	if err != nil {
		c.Close()
		return nil, gpiocdev.LineInfo{}, fmt.Errorf("board: line %d of %s: %w", line, chip, err)
	}
	if info.Used {
		c.Close()
		return nil, info, inUse(chip.String(), line, info)
	}
	return c, info, nil
}

func inUse(chip string, line int, info gpiocdev.LineInfo) error {
	by := info.Consumer
	if by == "" {
		by = "the kernel or another program"
	}
	return fmt.Errorf("%w: line %d of %s is held by %s: stop it, or wire another line", ErrLineInUse, line, chip, by)
}

// LineUse is one line that a configuration claims.
type LineUse struct {
	Chip string // label, path or HeaderChip
	Line int
	For  string // what it is for, as the error should call it: "relay of door front"
}

// CheckLines says everything that would keep these lines from being opened: a
// chip that is unknown or ambiguous, a line that the chip does not have, that
// two uses claim, or that somebody holds. A line of the header whose chip is
// named by its path is a finding too: from the path alone nobody could tell that
// [Reserved] and [PowerOnPull] concern it. It requests nothing and moves
// nothing. The result joins one error for each finding.
func CheckLines(uses []LineUse) error {
	chips, err := Chips()
	if err != nil {
		return err
	}
	return checkLines(chips, uses, lineInfo)
}

func lineInfo(path string, line int) (gpiocdev.LineInfo, error) {
	c, err := gpiocdev.NewChip(path)
	if err != nil {
		return gpiocdev.LineInfo{}, err
	}
	defer c.Close()
	return c.LineInfo(line)
}

func checkLines(chips []Chip, uses []LineUse, info func(path string, line int) (gpiocdev.LineInfo, error)) error {
	type line struct {
		path string
		n    int
	}
	claimed := make(map[line]string)
	var errs []error
	for _, u := range uses {
		fail := func(err error) { errs = append(errs, fmt.Errorf("%s: %w", u.For, err)) }
		chip, err := findLine(chips, u.Chip, u.Line)
		if err != nil {
			fail(err)
			continue
		}
		if chip.Header() && u.Chip == chip.Path {
			fail(fmt.Errorf("%w: line %d of %s: name it by pin or bcm, so that power-on levels and reserved pins are looked at", ErrHeaderPath, u.Line, chip))
		}
		l := line{chip.Path, u.Line}
		if other, twice := claimed[l]; twice {
			fail(fmt.Errorf("%w: line %d of %s is also the %s", ErrLineTwice, u.Line, chip, other))
			continue
		}
		claimed[l] = u.For
		switch i, err := info(chip.Path, u.Line); {
		case err != nil:
			fail(fmt.Errorf("board: line %d of %s: %w", u.Line, chip, err))
		case i.Used:
			fail(inUse(chip.String(), u.Line, i))
		}
	}
	return errors.Join(errs...)
}
