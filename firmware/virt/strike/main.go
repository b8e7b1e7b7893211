// Strike is the smallest door controller that package hw/board allows, for the
// emulated board: a REX button energises two relays for a second. Line 0 is a
// relay, line 1 an active-low one, line 2 an active-low contact that it tells
// of, line 4 the button, and line 5 an input whose edges it counts.
//
// "strike check" tries the driver's refusals while another strike runs.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"tombolo/hw/board"
)

const (
	chip    = "9030000.pl061"
	strike  = time.Second
	settled = 200 * time.Millisecond // without an edge, then the count is told
)

func main() {
	do := run
	if len(os.Args) == 2 && os.Args[1] == "check" {
		do = check
	}
	if err := do(); err != nil {
		fmt.Println("strike:", err)
		os.Exit(1)
	}
}

func run() error {
	wiring := []board.RelayConfig{{Chip: chip, Line: 0}, {Chip: chip, Line: 1, ActiveLow: true}}
	if err := board.SetSafe(wiring); err != nil {
		return err
	}
	uses := []board.LineUse{
		{Chip: chip, Line: 0, For: "relay"}, {Chip: chip, Line: 1, For: "active-low relay"},
		{Chip: chip, Line: 2, For: "contact"}, {Chip: chip, Line: 4, For: "REX"}, {Chip: chip, Line: 5, For: "counter"},
	}
	if err := board.CheckLines(uses); err != nil {
		return err
	}
	_, keeps, err := board.PersistSetting("/")
	fmt.Printf("strike: persist: %v, %v\n", keeps, err)

	var relays []*board.Relay
	for _, cfg := range wiring {
		r, err := board.OpenRelay(cfg)
		if err != nil {
			return err
		}
		defer r.Close()
		relays = append(relays, r)
	}
	type edge struct {
		active bool
		at     time.Time
	}
	rex, count := make(chan edge, 16), make(chan edge, 1024)
	for line, to := range map[int]chan edge{4: rex, 5: count} {
		in, err := board.OpenInput(board.InputConfig{Chip: chip, Line: line,
			Report: func(active bool, at time.Time) { to <- edge{active, at} }})
		if err != nil {
			return err
		}
		defer in.Close()
	}
	contact, err := board.OpenInput(board.InputConfig{Chip: chip, Line: 2, ActiveLow: true, Bias: board.PullUp,
		Report: func(active bool, _ time.Time) { fmt.Println("strike: contact", active) }})
	if err != nil {
		return err
	}
	defer contact.Close()
	// What CheckLines says of lines that are taken; this process holds them.
	fmt.Println("strike: taken:", board.CheckLines(uses[:1]))

	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	set := func(energised bool) error {
		for _, r := range relays {
			if err := r.Set(energised); err != nil {
				return err
			}
		}
		return nil
	}
	fmt.Println("strike: ready")
	var release, quiet <-chan time.Time
	var edges int
	var last edge
	shortest := time.Hour
	for {
		select {
		case e := <-rex:
			if !e.active {
				continue
			}
			if err := set(true); err != nil {
				return err
			}
			fmt.Println("strike: energised")
			release = time.After(strike)
		case <-release:
			if err := set(false); err != nil {
				return err
			}
			fmt.Println("strike: released")
		case e := <-count:
			if !last.at.IsZero() { // the first is the level, no edge
				edges++
				shortest = min(shortest, e.at.Sub(last.at))
			}
			last = e
			quiet = time.After(settled)
		case <-quiet:
			fmt.Printf("strike: %d edges, level %v, shortest gap %v\n", edges, last.active, shortest)
		case <-term:
			fmt.Println("strike: told to stop")
			return nil
		}
	}
}
