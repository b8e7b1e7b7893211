package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tombolo/edge/access"
	"tombolo/sync/ledger"
)

// patience is how long the demo waits for what should come at once.
const patience = 10 * time.Second

// await waits for the next record that is the one; others are passed over.
func await[T ledger.Body](d *demo, what string, is func(T) bool) (T, error) {
	return awaitAt(d, d.world.demoGateway, what, is)
}

// awaitAt is await at one of several gateways.
func awaitAt[T ledger.Body](d *demo, g *demoGateway, what string, is func(T) bool) (T, error) {
	var none T
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case b := <-g.records:
			if t, ok := b.(T); ok && is(t) {
				return t, nil
			}
		case <-timeout.C:
			return none, fmt.Errorf("the gateway did not record %s within %v", what, patience)
		case <-d.ctx.Done():
			return none, d.ctx.Err()
		}
	}
}

func (d *demo) play() (err error) {
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, d.world.stop())
		}
	}()
	for _, scene := range []func() error{d.afterStart, d.doors, d.refusals, d.nextWindow, d.codes, d.staleness, d.guest, d.lockdown, d.standing} {
		if err := scene(); err != nil {
			return err
		}
	}
	stopped = true
	if err := d.world.stop(); err != nil {
		return err
	}
	d.world.board.Check(boardCheck{d})
	if err := d.log(); err != nil {
		return err
	}
	return d.islands()
}

// boardCheck turns a breach of the drivers' contract into a failed outcome.
type boardCheck struct{ d *demo }

func (boardCheck) Helper() {}
func (b boardCheck) Errorf(format string, args ...any) {
	b.d.expect("the simulated board", fmt.Sprintf(format, args...), "no breach of the drivers' contract")
}

// phone shows a code as the resident's phone does; ago is how old it is.
func (d *demo) phone(number uint64, ago time.Duration, door string) (string, error) {
	args := []string{"doorkey", "qr", "--key", d.keyFile("phone", number), "--passport", strconv.FormatUint(number, 10), "--window", demoWindow.String(), "--text"}
	if door != "" {
		args = append(args, "--door", door)
	}
	out, err := d.tombolo(func() time.Time { return d.Now().Add(-ago) }, d.steward(), args...)
	return strings.TrimSpace(out), err
}

// show presents a code at a door and compares the outcome.
func (d *demo) show(what, door, code string, want access.Reason) error {
	return d.present(what, door, want, func() error { return d.world.scanners[door].Scan(code) })
}

// shown makes a phone's code for the node and shows it.
func (d *demo) shown(what, door string, number uint64, want access.Reason) error {
	code, err := d.phone(number, 0, doorOf(door))
	if err != nil {
		return err
	}
	return d.show(what, door, code, want)
}

// doorOf is the door that a code has to name: the workshop wants its own.
func doorOf(door string) string {
	if door == "workshop" {
		return door
	}
	return ""
}

// present does something at a reader and compares the decision, and that the
// lock moved if it was a grant and did not if it was none.
func (d *demo) present(what, door string, want access.Reason, do func() error) error {
	expected := outcome(want.Grants(), want.String())
	d.tell(event{"event": "attempt", "what": what, "door": door, "expected": expected}, "%s → %s", what, expected)
	before := len(d.moves(door))
	if err := do(); err != nil {
		return err
	}
	decision, err := await(d, "a decision", func(b *ledger.Decision) bool { return b.Door == door })
	if err != nil {
		return err
	}
	d.expect(what, outcome(decision.Granted, decision.Reason), expected)
	if !decision.Granted {
		d.sleepFor(100 * time.Millisecond)
		if moved := len(d.moves(door)) - before; moved != 0 {
			d.expect(what, fmt.Sprintf("the relay moved %d times", moved), "the relay does not move")
		}
	}
	return nil
}

func outcome(granted bool, reason string) string {
	word := "refused"
	if granted {
		word = "opened"
	}
	return fmt.Sprintf("%s: %s (%s)", word, reason, access.TextOf(reason))
}

type move struct {
	at        time.Time
	energised bool
}

func (d *demo) moves(door string) (out []move) {
	for _, t := range d.world.board.Transitions() {
		if t.Relay == door+"/relay" {
			out = append(out, move{t.At, t.Energised})
		}
	}
	return out
}

func (d *demo) sleepFor(t time.Duration) { d.Sleep(d.ctx, t) } // ended early, the next wait says so

// walk goes through a door that was opened, or does not, and compares the
// passage and the strike.
func (d *demo) walk(door string, through bool) error {
	if through {
		for _, open := range []bool{true, false} {
			d.sleepFor(200 * time.Millisecond)
			if err := d.world.board.SetInput(door+"/contact", open); err != nil {
				return err
			}
		}
	}
	p, err := await(d, "a passage", func(b *ledger.Passage) bool { return b.Door == door })
	if err != nil {
		return err
	}
	word := map[bool]string{true: "somebody went through", false: "granted, no passage"}
	d.expect("passage", word[p.Entered], word[through])
	return d.strike(door)
}

// strike compares how long the relay was energised.
func (d *demo) strike(door string) error {
	for end := time.Now().Add(patience); ; {
		all := d.moves(door)
		if n := len(all); n >= 2 && !all[n-1].energised && all[n-2].energised {
			held := all[n-1].at.Sub(all[n-2].at)
			good := held >= demoStrike // a busy machine releases late; never early
			got := fmt.Sprintf("the relay was energised for %v", held.Round(time.Millisecond))
			want := got
			if !good {
				want = fmt.Sprintf("the relay is energised for %v", demoStrike)
			}
			d.expect("strike", got, want)
			return nil
		}
		if time.Now().After(end) || d.ctx.Err() != nil {
			return errors.New("the relay did not release")
		}
		d.sleepFor(10 * time.Millisecond)
	}
}
