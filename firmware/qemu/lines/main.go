// Lines prints what the kernel knows of each GPIO line, as package board tells
// it, for tests that look at a board while a daemon holds a door:
//
//	line: LABEL NUMBER NAME CONSUMER input|output
//
// A name or a consumer that there is not is "-".
package main

import (
	"cmp"
	"fmt"
	"os"

	"tombolo/hw/board"
)

func main() {
	lines, err := board.Lines()
	if err != nil {
		fmt.Println("lines:", err)
		os.Exit(1)
	}
	for _, l := range lines {
		direction := "input"
		if l.Output {
			direction = "output"
		}
		fmt.Println("line:", l.Chip.Label, l.Number, cmp.Or(l.Name, "-"), cmp.Or(l.Consumer, "-"), direction)
	}
}
