package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"tombolo/cmd/internal/wiring"
	"tombolo/edge"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
)

// click is for how long a test energises a relay.
const click = time.Second

// run tests the door's parts in turn. It returns ctx's error, or that of a relay
// that cannot be let go.
func (t *walk) run(ctx context.Context) error {
	hardware := t.bench.Doors()[t.door.Name]
	t.note("door %s, part by part; interrupt to stop", t.door.Name)
	lock := "the lock lets go for a second, and holds again"
	if t.door.Lock == wiring.FailSafe {
		lock = "the lock holds for a second, and lets go again"
	}
	for _, r := range []struct {
		part, expected string
		relay          edge.Relay
	}{
		{"relay", lock, hardware.Relay},
		{"operator", "the operator swings the door", hardware.Operator},
		{"sounder", "the sounder sounds for a second", hardware.Sounder},
	} {
		if r.relay == nil {
			continue
		}
		if err := t.relay(ctx, r.part, r.expected, r.relay); err != nil {
			return err
		}
	}
	for _, in := range []inputTest{
		{panel.Contact, t.door.Contact, "close the door", "open the door", "close it again"},
		{panel.Rex, t.door.Rex, "let go of the exit button", "press the exit button", "let go of it"},
		{panel.Tamper, t.door.Tamper, "close the reader and its box", "open the reader's case, or its box", "close it again"},
	} {
		if in.wired == nil {
			continue
		}
		if err := t.input(ctx, in); err != nil {
			return err
		}
	}
	for i, r := range t.door.Readers {
		shows := hardware.In
		if r.Side == wiring.Out {
			shows = hardware.Out
		}
		if err := t.reader(ctx, fmt.Sprintf("reader/%d", i+1), r, shows); err != nil {
			return err
		}
	}
	return nil
}

// errEnergised is what a test ends with that cannot let go of what it energised.
var errEnergised = errors.New("the relay may still be energised: cut its power")

// pulse energises a relay for a second at most: less if ctx ends. Whatever else
// happens it lets go of it again, in a panic too.
func pulse(ctx context.Context, r edge.Relay) (err error) {
	defer func() {
		off := r.Set(false)
		for try := 0; off != nil && try < 3; try++ {
			time.Sleep(20 * time.Millisecond)
			off = r.Set(false)
		}
		if off != nil {
			err = errors.Join(err, fmt.Errorf("%w: %w", errEnergised, off))
		}
	}()
	if err := r.Set(true); err != nil {
		return err
	}
	select {
	case <-ctx.Done():
	case <-time.After(click):
	}
	return nil
}

func (t *walk) relay(ctx context.Context, part, expected string, r edge.Relay) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	t.note("\n%s: %s", part, expected)
	if err := pulse(ctx, r); err != nil {
		t.result(part, expected, err.Error(), false)
		if errors.Is(err, errEnergised) {
			return fmt.Errorf("%s/%s: %w", t.door.Name, part, err)
		}
		return ctx.Err()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	saw, ok, err := t.ask(ctx, "Did it?")
	if err != nil {
		return err
	}
	t.result(part, expected, saw, ok)
	return nil
}

// inputTest is an input, and how somebody moves it.
type inputTest struct {
	input              panel.Input
	wired              *wiring.Input
	rest, active, back string
}

// wrongWay is what to do about an input that is wired the wrong way round.
func (in inputTest) wrongWay() string {
	if in.wired.Supervised != nil {
		return "it is wired the other way round: change its normally_open"
	}
	return "it is wired the other way round: change its active_low"
}

// input has somebody move an input, and waits for both edges.
func (t *walk) input(ctx context.Context, in inputTest) error {
	part := in.input.String()
	expected := inputStates[in.input][door.LineNormal] + " to begin with"
	line, known := t.bench.Line(t.door.Name, in.input)
	if !known { // a supervised one is sampled
		saw, err := t.await(ctx, func(s seen) bool { return s.door == t.door.Name && s.Kind == "input" && s.input == in.input })
		if err != nil {
			return err
		}
		if saw == nil {
			t.result(part, expected, "it cannot be read", false)
			return nil
		}
		line = saw.line
	}
	words := inputSays(in.input, line)
	switch line {
	case door.LineNormal:
		t.result(part, expected, words, true)
	case door.LineActive:
		if t.yes {
			t.result(part, expected, fmt.Sprintf("%s; %s, and if it was %s, %s", words, in.rest, inputStates[in.input][door.LineNormal], in.wrongWay()), false)
			return nil
		}
		t.note("\n%s: it reads as %s", part, words)
		_, is, err := t.ask(ctx, "Is that so?")
		if err != nil {
			return err
		}
		if !is {
			t.result(part, expected, words+"; "+in.wrongWay(), false)
			return nil
		}
		if ok, err := t.edge(ctx, in.input, door.LineNormal, in.rest); err != nil || !ok {
			return err
		}
	default:
		t.result(part, expected, words+": look at it from its resistors to the gateway", false)
		return nil
	}
	if ok, err := t.edge(ctx, in.input, door.LineActive, in.active); err != nil || !ok {
		return err
	}
	_, err := t.edge(ctx, in.input, door.LineNormal, in.back)
	return err
}

// edge has somebody bring an input to a state, and tells whether it came there.
func (t *walk) edge(ctx context.Context, input panel.Input, want door.Line, what string) (ok bool, err error) {
	part, expected := input.String(), inputSays(input, want)
	t.forget()
	t.please(part, what)
	if line, _ := t.bench.Line(t.door.Name, input); line == want { // quicker than the question
		t.result(part, expected, inputSays(input, line), true)
		return true, nil
	}
	began := time.Now()
	saw, err := t.await(ctx, func(s seen) bool {
		return s.Kind == "input" && s.door == t.door.Name && s.input == input && (s.line == want || s.line > door.LineActive)
	})
	switch {
	case err != nil:
		return false, err
	case saw == nil:
		t.result(part, expected, t.nothing(), false)
		return false, nil
	}
	ok = saw.line == want
	t.result(part, expected, fmt.Sprintf("%s, after %v", inputSays(input, saw.line), time.Since(began).Round(100*time.Millisecond)), ok)
	return ok, nil
}

func (t *walk) reader(ctx context.Context, part string, r wiring.Reader, shows edge.Reader) error {
	if shows != nil {
		if err := t.lights(ctx, part+"/light", shows); err != nil {
			return err
		}
	}
	what, expected, kind := "hold a code to it", "a code is read", "code"
	if r.Kind.Taps() {
		what, expected, kind = "hold a door key's card to it", "a card is read", "card"
	}
	if err := t.read(ctx, part, what, expected, r.Side == wiring.Out, kind, "unread"); err != nil || !r.Kind.Keypad() {
		return err
	}
	if !t.yes {
		if _, has, err := t.ask(ctx, "Has it a keypad?"); err != nil || !has {
			return err
		}
	}
	return t.read(ctx, part+"/keypad", "press a key of its keypad", "a key is read", r.Side == wiring.Out, "key")
}

// lights has a reader show what it will show.
func (t *walk) lights(ctx context.Context, part string, shows edge.Reader) error {
	const expected = "one pattern for granted, another for denied"
	t.note("\n%s: first \"granted\", then \"denied\"", part)
	feedback := policy.DefaultFeedback()
	for _, s := range []policy.Signal{policy.SignalGranted, policy.SignalDenied} {
		shows.Show(feedback[s], false)
		select {
		case <-ctx.Done():
			shows.Show(nil, false)
			return ctx.Err()
		case <-time.After(length(feedback[s])):
		}
	}
	saw, ok, err := t.ask(ctx, "Did it show two different lights, or sounds?")
	if err != nil {
		return err
	}
	t.result(part, expected, saw, ok)
	return nil
}

// read has somebody use a reader at one side of the door: well is the first of
// the kinds. Of several at one side it cannot be told which of them read.
func (t *walk) read(ctx context.Context, part, what, expected string, exit bool, kinds ...string) error {
	t.forget()
	t.please(part, what)
	saw, err := t.await(ctx, func(s seen) bool {
		return s.door == t.door.Name && s.exit == exit && slices.Contains(kinds, s.Kind)
	})
	switch {
	case err != nil:
		return err
	case saw == nil:
		t.result(part, expected, t.nothing(), false)
	default:
		t.result(part, expected, saw.What, saw.Kind == kinds[0])
	}
	return nil
}

func length(p policy.Pattern) (d time.Duration) {
	for _, s := range p {
		d += s.For
	}
	return d
}
