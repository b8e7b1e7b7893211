package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

const incidentWiring = `data = "."
[sim]
socket = "sim.sock"
[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
rex = { chip = "sim" }
[doors.store]
lock = "fail-secure"
relay = { chip = "sim" }
`

// incidentTool runs the daemon's own code on the folder of an enrolled gateway
// with two simulated doors, lets things happen, and stops it:
//
//	incident DIR tap:KEYFILE:DOOR walk:DOOR push:DOOR button:DOOR …
//
// Walk opens and closes the door, push does it without waiting for a passage,
// button asks to leave. The gateway's clock begins at NOW.
func incidentTool(args []string) (err error) {
	path := filepath.Join(args[0], "gateway.toml")
	if err := os.WriteFile(path, []byte(incidentWiring), 0o600); err != nil {
		return err
	}
	w, err := wiring.Parse(path, []byte(incidentWiring))
	if err != nil {
		return err
	}
	begin, real := testNow(), time.Now()
	i := &simulated{board: sim.New(gateway.SimConfig(w)), records: make(chan ledger.Body, 1024)}
	i.gateway, err = gateway.Open(gateway.Config{
		Wiring: w, Board: i.board, Software: "tombolod test", Now: func() time.Time { return begin.Add(time.Since(real)) },
		Log:     slog.New(slog.NewTextHandler(io.Discard, nil)),
		Observe: func(b ledger.Body, _ time.Time) { i.records <- b },
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- i.gateway.Run(ctx) }()
	defer func() {
		cancel()
		err = errors.Join(err, <-done)
	}()
	select {
	case <-i.gateway.Ready():
	case err := <-done:
		done <- nil
		return err
	}
	for _, step := range args[1:] {
		if err := i.step(ctx, step); err != nil {
			return fmt.Errorf("%s: %w", step, err)
		}
	}
	return nil
}

// forgetTool drops bodies of a gateway's door log: forget DIR FIRST LAST.
func forgetTool(args []string) error {
	f, err := folder.Open(args[0], false)
	if err != nil {
		return err
	}
	defer f.Close()
	f.Now = testNow
	a, err := f.Author(ledger.DoorLog)
	if err != nil {
		return err
	}
	var first, last int64
	if _, err := fmt.Sscan(args[1]+" "+args[2], &first, &last); err != nil {
		return err
	}
	return a.Drop(first, last, "retention")
}

// simulated is a gateway that runs on a simulated board.
type simulated struct {
	gateway *gateway.Gateway
	board   *sim.Board
	records chan ledger.Body
}

func (i *simulated) step(ctx context.Context, step string) error {
	what, rest, _ := strings.Cut(step, ":")
	switch what {
	case "tap":
		file, door, _ := strings.Cut(rest, ":")
		if err := i.tap(ctx, file, door); err != nil {
			return err
		}
		return i.await(ledger.KindDecision)
	case "button":
		if err := i.board.SetInput(rest+"/rex", true); err != nil {
			return err
		}
		if err := i.await(ledger.KindDecision); err != nil {
			return err
		}
		return i.board.SetInput(rest+"/rex", false)
	case "walk", "push":
		if err := i.board.SetInput(rest+"/contact", true); err != nil {
			return err
		}
		state := ledger.KindDoorState
		if what == "walk" {
			state = ledger.KindPassage
		}
		if err := i.await(state); err != nil {
			return err
		}
		if err := i.board.SetInput(rest+"/contact", false); err != nil {
			return err
		}
		return i.await(ledger.KindLine)
	}
	return errors.New("what is that?")
}

// tap is what a card reader's driver does.
func (i *simulated) tap(ctx context.Context, file, door string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	key, err := passport.ParseSoftKey(text)
	if err != nil {
		return err
	}
	var nonce [32]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return err
	}
	c := i.gateway.Controller.Challenge(door, nonce)
	sig, err := key.Sign(c.Sum())
	if err != nil {
		return err
	}
	return i.gateway.Controller.Tap(ctx, door, false, c, key.Key(), sig)
}

func (i *simulated) await(kind ledger.Kind) error {
	timeout := time.After(20 * time.Second)
	for {
		select {
		case b := <-i.records:
			if b.Kind() == kind {
				return nil
			}
		case <-timeout:
			return fmt.Errorf("no %v was recorded", kind)
		}
	}
}
