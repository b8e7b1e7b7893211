package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"tombolo/hw/attached"
	"tombolo/hw/board"
)

func (e *env) hwCmd() *cobra.Command {
	return group("hw", "The hardware: what is attached, and whether it does what it should", e.hwList(), e.hwTest(), e.hwWatch(), e.hwDrive())
}

// deviceJSON is one device, or a kind of them that cannot be listed.
type deviceJSON struct {
	Kind   attached.Kind `json:"kind"`
	Name   string        `json:"name,omitempty"`
	What   string        `json:"what,omitempty"`
	Wiring string        `json:"wiring,omitempty"`
	Error  string        `json:"error,omitempty"`
}

// lineJSON is a GPIO line as the kernel tells of it.
type lineJSON struct {
	Chip   string `json:"chip"`
	Line   int    `json:"line"`
	Pin    int    `json:"pin,omitempty"` // of a Raspberry Pi's header
	Name   string `json:"name,omitempty"`
	Holder string `json:"holder,omitempty"`
	Output bool   `json:"output"`
}

func (e *env) hwList() *cobra.Command {
	var lines bool
	c := verb("list", "List what is attached that a gateway could use, and how gateway.toml names it; opens and moves nothing", func(c *cobra.Command, _ []string) error {
		if lines {
			return e.listLines()
		}
		return e.printDevices(listed(attached.List(c.Context())))
	})
	c.Flags().BoolVar(&lines, "lines", false, "the GPIO lines one by one: pin, name and who holds them")
	return c
}

// listed puts what could not be listed to its kind.
func listed(devices []attached.Device, problems []attached.Problem) (rows []deviceJSON) {
	for _, kind := range attached.Kinds() {
		for _, d := range devices {
			if d.Kind == kind {
				rows = append(rows, deviceJSON{Kind: kind, Name: d.Name, What: d.What, Wiring: d.Wiring})
			}
		}
		for _, p := range problems {
			if p.Kind == kind {
				rows = append(rows, deviceJSON{Kind: kind, Error: p.Err.Error()})
			}
		}
	}
	return rows
}

func (e *env) printDevices(rows []deviceJSON) error {
	if e.json {
		return table(e, rows, "", nil, nil)
	}
	found := slices.DeleteFunc(slices.Clone(rows), func(d deviceJSON) bool { return d.Error != "" })
	if err := table(e, found, "Nothing is attached that a gateway could use.", []string{"KIND", "NAME", "WHAT", "IN GATEWAY.TOML"}, func(d deviceJSON) []string {
		return []string{string(d.Kind), d.Name, d.What, d.Wiring}
	}); err != nil {
		return err
	}
	for _, d := range rows {
		if d.Error != "" {
			e.warn("%s: %s", d.Kind, d.Error)
		}
	}
	return nil
}

func (e *env) listLines() error {
	all, err := board.Lines()
	if err != nil {
		return err
	}
	var rows []lineJSON
	for _, l := range all {
		row := lineJSON{Chip: l.Chip.Label, Line: l.Number, Name: l.Name, Holder: l.Consumer, Output: l.Output}
		if l.Chip.Header() {
			row.Pin, _ = board.PinOfBCM(l.Number)
		}
		if l.Used && row.Holder == "" {
			row.Holder = "the kernel or another program"
		}
		rows = append(rows, row)
	}
	return table(e, rows, "This machine has no GPIO lines.", []string{"CHIP", "LINE", "PIN", "NAME", "DIRECTION", "HELD BY"}, func(l lineJSON) []string {
		pin, direction, holder := "-", "input", l.Holder
		if l.Pin > 0 {
			pin = fmt.Sprint(l.Pin)
		}
		if l.Output {
			direction = "output"
		}
		if holder == "" {
			holder = "-"
		}
		return []string{l.Chip, fmt.Sprint(l.Line), pin, l.Name, direction, holder}
	})
}
