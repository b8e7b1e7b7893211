package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"tombolo/hw/sim"
)

// errLevel says what an input of the simulated board can be.
var errLevel = errors.New(`want "on" (active: an open door, a pressed button), "off", or for a supervised input what its channel reads, 0 to 1000`)

func (e *env) hwDrive() *cobra.Command {
	var socket string
	c := verb("drive NAME STATE", "Move an input of the simulated board, as in: hw drive --sim sim.sock front/contact on", func(_ *cobra.Command, args []string) (err error) {
		cmd, err := driveCommand(args[0], args[1])
		if err != nil {
			return err
		}
		board, err := sim.Dial(socket)
		if err != nil {
			return fmt.Errorf("%w; it is the socket of [sim] in gateway.toml, and the daemon, `hw watch` or `hw test` has to run", err)
		}
		if _, err = board.Do(cmd); errors.Is(err, sim.ErrRefused) {
			err = fmt.Errorf("%w (inputs are named as `tombolo hw watch` prints them: front/contact, front/rex, fire; a supervised one by the number of its channel)", err)
		}
		return errors.Join(err, board.Close())
	})
	c.Flags().StringVar(&socket, "sim", "", "the `SOCKET` of [sim] in the gateway's wiring")
	return need(c, "sim")
}

// driveCommand is what the board is told: an input by its name is on or off, a
// channel of an ADC by its number reads something.
func driveCommand(name, state string) (sim.Command, error) {
	channel, err := strconv.Atoi(name)
	if err != nil {
		switch state {
		case "on":
			return sim.DriveInput{Input: name, Active: true}, nil
		case "off":
			return sim.DriveInput{Input: name}, nil
		}
		return nil, usage("%q: %w", state, errLevel)
	}
	reading, err := strconv.Atoi(state)
	if err != nil || reading < 0 || reading > sim.MaxReading || channel < 0 || channel > sim.MaxChannel {
		return nil, usage("%q of channel %q: %w", state, name, errLevel)
	}
	return sim.DriveChannel{Channel: channel, Reading: reading}, nil
}
