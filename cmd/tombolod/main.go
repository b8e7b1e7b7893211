// Command tombolod is the gateway's daemon: it opens doors. `tombolod init`
// makes a gateway's keys, `tombolod check` says what is wrong before anything
// moves, `tombolod run` runs, `tombolod safe` drives every relay safe.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata" // the zones of policies, where the machine has none

	"tombolo/cmd/internal/gateway"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	gateway.Tune()
	cmd := newCommand(environment{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr, Now: time.Now})
	cmd.SetArgs(os.Args[1:])
	if err := cmd.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "tombolod:", err)
		return 1
	}
	return 0
}
