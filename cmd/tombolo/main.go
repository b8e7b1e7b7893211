// Command tombolo is what stewards, issuers and residents type: it makes
// communities and nodes, admits people, binds their door keys, signs a node's
// policy, enrols gateways, carries and verifies ledgers, and opens, closes and
// audits epochs. Only what asks others needs a network.
//
// Commands are a noun and a verb; `tombolo help` lists them. What a program
// would read comes as JSON with --json. The exit status is 0, 1 after an error,
// 2 when the command line was not understood, and 3 when an audit had to leave a
// check undone.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // the zones of policies, where the machine has none

	"golang.org/x/term"
)

func main() {
	ctx, _ := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// What follows the context ends with it; whatever else runs is cut off. Files
	// and ledgers change whole or not at all, so that any moment will do.
	before, err := term.GetState(int(os.Stdin.Fd()))
	context.AfterFunc(ctx, func() {
		time.Sleep(2 * time.Second)
		if err == nil {
			// It may have been reading a password, without an echo. What cannot be
			// put right here, the shell's `reset` can.
			err = term.Restore(int(os.Stdin.Fd()), before)
		}
		os.Exit(130)
	})
	e := &env{Now: time.Now, Sleep: sleep, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	code := e.run(ctx, os.Args[1:])
	os.Exit(code)
}
