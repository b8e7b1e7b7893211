package board

import (
	"fmt"

	"github.com/warthog618/go-gpiocdev"
)

// Line is what the kernel knows of a line.
type Line struct {
	Chip      Chip
	Number    int    // offset on the chip; the BCM number on the header's chip
	Name      string // from the device tree, as "GPIO17"; "" if it has none
	Used      bool
	Consumer  string // who holds it; "" where the kernel does not say
	Output    bool
	ActiveLow bool
}

// Lines lists every line of every GPIO chip of this machine, by path and
// number. It asks the kernel for what it has written down about each
// (GPIO_V2_GET_LINEINFO): no line is requested, and no level read, so that
// nothing moves while a daemon holds a door.
func Lines() ([]Line, error) {
	chips, err := Chips()
	if err != nil {
		return nil, err
	}
	var lines []Line
	for _, chip := range chips {
		if lines, err = appendLines(lines, chip); err != nil {
			return nil, err
		}
	}
	return lines, nil
}

func appendLines(lines []Line, chip Chip) ([]Line, error) {
	c, err := gpiocdev.NewChip(chip.Path)
	if err != nil {
		return nil, fmt.Errorf("board: %s: %w", chip.Path, err)
	}
	defer c.Close()
	for n := range chip.Lines {
		info, err := c.LineInfo(n)
		if err != nil {
			return nil, fmt.Errorf("board: line %d of %s: %w", n, chip, err)
		}
		lines = append(lines, Line{
			Chip: chip, Number: n, Name: info.Name, Used: info.Used, Consumer: info.Consumer,
			Output:    info.Config.Direction == gpiocdev.LineDirectionOutput,
			ActiveLow: info.Config.ActiveLow,
		})
	}
	return lines, nil
}
