package main

import (
	"errors"
	"fmt"
	"runtime"
	"time"

	"tombolo/hw/board"
)

// check tries what must fail while another process runs a door, and what must
// leave nothing behind. It moves no line that the door has; line 6 is its own
// relay and line 7 its own input.
func check() error {
	door := board.RelayConfig{Chip: chip, Line: 0}
	own := board.RelayConfig{Chip: chip, Line: 6, ActiveLow: true}
	nobody := func(bool, time.Time) {}
	want := func(what string, got, err error) error {
		if !errors.Is(got, err) {
			return fmt.Errorf("%s: %v, want %v", what, got, err)
		}
		return nil
	}
	_, taken := board.OpenRelay(door)
	_, takenInput := board.OpenInput(board.InputConfig{Chip: chip, Line: 4, Report: nobody})
	_, noLine := board.OpenRelay(board.RelayConfig{Chip: chip, Line: 8})
	_, noChip := board.OpenInput(board.InputConfig{Chip: "pinctrl-bcm2711", Line: 4, Report: nobody})
	errs := []error{
		want("relay of another process", taken, board.ErrLineInUse),
		want("input of another process", takenInput, board.ErrLineInUse),
		want("line 8 of 8", noLine, board.ErrNoLine),
		want("another board's chip", noChip, board.ErrNoChip),
		want("CheckLines", board.CheckLines([]board.LineUse{{Chip: chip, Line: 0, For: "relay"}}), board.ErrLineInUse),
		// The one that can be made safe is, whatever the other says.
		want("SetSafe", board.SetSafe([]board.RelayConfig{door, own}), board.ErrLineInUse),
	}

	r, err := board.OpenRelay(own)
	if err != nil {
		return errors.Join(append(errs, err)...)
	}
	_, twice := board.OpenRelay(own)
	errs = append(errs, want("relay of this process", twice, board.ErrLineInUse),
		r.Set(true), r.Close(), r.Close(), want("closed relay", r.Set(true), board.ErrClosed))

	before := runtime.NumGoroutine()
	for i := range 50 {
		reports := 0
		in, err := board.OpenInput(board.InputConfig{Chip: chip, Line: 7, ActiveLow: i%2 == 0, Bias: []board.Bias{board.Float, board.PullUp, board.PullDown}[i%3],
			Report: func(active bool, at time.Time) {
				reports++
				if active != (i%2 == 0) || time.Since(at) > time.Second { // the line is low
					errs = append(errs, fmt.Errorf("input %d: active %v at %v", i, active, at))
				}
			}})
		if err != nil {
			return errors.Join(append(errs, err)...)
		}
		errs = append(errs, in.Close(), in.Close())
		if reports != 1 {
			errs = append(errs, fmt.Errorf("input %d: %d reports", i, reports))
		}
	}
	if after := runtime.NumGoroutine(); after > before {
		errs = append(errs, fmt.Errorf("%d goroutines before 50 inputs, %d after", before, after))
	}
	return errors.Join(errs...)
}
