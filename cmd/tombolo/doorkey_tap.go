package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// How long a tap is followed: what a reader answers comes at once, with the strike
// after it, and a PIN has to be checked first, which is made slow.
const (
	tapAnswers = 10 * time.Second
	pinAnswers = 20 * time.Second
	tapQuiet   = 500 * time.Millisecond // after the last of it
)

// tapFlags are those of `doorkey tap`.
type tapFlags struct {
	socket, key, pin string
	at               sim.Mount
}

func (e *env) doorkeyTap() *cobra.Command {
	var t tapFlags
	c := verb("tap", "Hold a door key to a simulated reader, as a card would be held to a real one, and say what the reader shows", func(c *cobra.Command, _ []string) error {
		if err := ledger.CheckSlug("door", t.at.Door); err != nil {
			return usageError{Err: err}
		}
		if strings.Trim(t.pin, "0123456789") != "" || c.Flags().Changed("pin") && t.pin == "" {
			return usage("%s: --pin: want digits", c.CommandPath())
		}
		key, err := readSoftKey(t.key)
		if err != nil {
			return err
		}
		board, err := sim.Dial(t.socket)
		if err != nil {
			return fmt.Errorf("%w; it is the socket of [sim] in gateway.toml, and the daemon has to run", err)
		}
		return errors.Join(e.tap(c.Context(), board, key, &t), board.Close())
	})
	c.Flags().StringVar(&t.socket, "sim", "", "the socket of [sim] in the gateway's wiring")
	c.Flags().StringVar(&t.at.Door, "door", "", "the door that has the reader")
	c.Flags().StringVar(&t.key, "key", "", "the door key's file")
	c.Flags().BoolVar(&t.at.Exit, "exit", false, "the reader on the way out")
	c.Flags().StringVar(&t.pin, "pin", "", "type this PIN and # when the reader asks for more")
	return need(c, "sim", "door", "key")
}

// tap presents the key, and the PIN.
func (e *env) tap(ctx context.Context, board *sim.Client, key *passport.SoftKey, t *tapFlags) error {
	w := &tapWatch{env: e, board: board, tapFlags: t}
	if err := w.present(key); err != nil {
		return err
	}
	shown, err := w.follow(ctx, tapAnswers, func(*sim.Shown) bool { return true })
	if err != nil {
		return err
	}
	if !shown {
		e.warn("the reader shows nothing within %v", tapAnswers)
	}
	switch {
	case t.pin == "":
		return nil
	case !w.waits:
		e.warn("the reader does not wait for anything: the PIN was not typed")
		return nil
	}
	if err := board.Press(t.at, t.pin+"#"); err != nil {
		return err
	}
	// Each key is answered by itself; that nobody is waited for any more ends it.
	_, err = w.follow(ctx, pinAnswers, func(s *sim.Shown) bool { return s.Loop })
	return err
}

// tapWatch tells what happens at a reader and its door.
type tapWatch struct {
	*env
	*tapFlags
	board *sim.Client

	began time.Time // when it was told how everything stood
	rest  bool      // whether the door's relay was energised then
	moved bool      // it is otherwise now
	waits bool      // the reader shows something again and again
}

func (w *tapWatch) present(key *passport.SoftKey) error {
	challenge, err := w.board.Challenge(w.at)
	if err != nil {
		return fmt.Errorf("%w: has door %q a reader of kind \"sim\" there, and is the daemon ready?", err, w.at.Door)
	}
	if len(challenge) != 32 {
		return fmt.Errorf("the reader's challenge has %d bytes, and 32 are signed", len(challenge))
	}
	sig, err := key.Sign([32]byte(challenge))
	if err != nil {
		return err
	}
	answer, err := key.Key().AppendBinary(nil)
	if err != nil {
		return err
	}
	return w.board.Tap(w.at, append(answer, sig[:]...))
}

// follow prints what the reader shows and how the door's relay moves: until the
// relay is back and nothing more comes after an answer, or patience ends. It tells
// whether there was one.
func (w *tapWatch) follow(ctx context.Context, patience time.Duration, answers func(*sim.Shown) bool) (answered bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		still := patience // within ctx
		if answered && !w.moved {
			still = tapQuiet
		}
		wait, stop := context.WithTimeout(ctx, still)
		ev, err := w.board.Next(wait)
		stop()
		if errors.Is(err, context.DeadlineExceeded) {
			return answered, nil
		}
		if err != nil {
			return answered, err
		}
		if w.began.IsZero() {
			w.began = ev.T // a new watcher is told first how everything stands, all at one time
		}
		if told := ev.T.After(w.began); w.takes(ev, told) {
			answered = answered || told && ev.Shown != nil && answers(ev.Shown)
			if err := w.print(ev, "%s\n", eventWords(ev)); err != nil {
				return answered, err
			}
		}
	}
}

// takes tells whether an event is to be printed; now is false for what was so
// before.
func (w *tapWatch) takes(ev sim.Event, now bool) bool {
	switch {
	case ev.Shown != nil && ev.Shown.Mount == w.at:
		if ev.Shown.Loop || !now {
			w.waits = len(ev.Shown.Steps) > 0
		}
		return now || w.waits
	case ev.Relay == w.at.Door+"/relay":
		if !now {
			w.rest = ev.Energised
		}
		w.moved = ev.Energised != w.rest
		return now
	}
	return false
}

func eventWords(ev sim.Event) string {
	switch {
	case ev.Shown != nil:
		return ev.Shown.String()
	case ev.Energised:
		return ev.Relay + ": energised"
	}
	return ev.Relay + ": released"
}
