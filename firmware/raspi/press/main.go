// Press drives an input of a simulated board from inside an emulated machine
// whose own inputs cannot be driven from outside:
//
//	press SOCKET INPUT on|off
package main

import (
	"errors"
	"fmt"
	"os"

	"tombolo/hw/sim"
)

func main() {
	if err := press(os.Args[1:]); err != nil {
		fmt.Println("press:", err)
		os.Exit(1)
	}
}

func press(args []string) error {
	if len(args) != 3 || args[2] != "on" && args[2] != "off" {
		return errors.New("want SOCKET INPUT on|off")
	}
	board, err := sim.Dial(args[0])
	if err != nil {
		return err
	}
	defer board.Close()
	return board.SetInput(args[1], args[2] == "on")
}
