// Command tombolo-hub is what a community's hub and its evaluator run: `run` is the
// hub, which takes in the nodes' reports and closes epochs; `evaluator run`, on
// another machine and in other hands, keeps the epochs' keys.
//
// Commands work on a folder (--data). What a program would read comes as JSON with
// --json. The exit status is 0, 1 after an error and 2 when the command line was
// not understood.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"

	"tombolo/sync/hub"
)

func main() {
	hub.Tune()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	e := &env{Now: time.Now, In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	code := e.run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}
