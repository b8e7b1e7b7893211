package main

import (
	"bufio"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
	"tombolo/edge"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/edge/strict"
)

// click is for how long a test energises a relay.
const click = time.Second

// checkJSON is one thing that was tested.
type checkedJSON struct {
	Part     string `json:"part"`
	Expected string `json:"expected"`
	Seen     string `json:"seen"`
	OK       bool   `json:"ok"`
}

// walk goes through a door part by part with whoever stands there.
type walk struct {
	*env
	door   *wiring.Door
	bench  *gateway.Bench
	seen   chan seen
	wait   time.Duration
	yes    bool // nobody is asked what they saw
	answer *bufio.Scanner
	all    []checkedJSON
}

func (e *env) hwTest() *cobra.Command {
	var config, name string
	var yes bool
	wait := lasting{strict.Duration(30 * time.Second)}
	c := verb("test", "Walk through a door with whoever stands there: lock, contact, button, readers, lights; says what was expected and what was seen", func(c *cobra.Command, _ []string) error {
		w, err := readWiring(config)
		if err != nil {
			return err
		}
		d := w.Doors[name]
		if name == "" && len(w.Doors) == 1 {
			for _, d = range w.Doors {
			}
		}
		if d == nil {
			var names []string
			for n := range w.Doors {
				names = append(names, n)
			}
			slices.Sort(names)
			return usage("%s: --door: name one of %s", c.CommandPath(), strings.Join(names, ", "))
		}
		t := &walk{env: e, door: d, seen: make(chan seen, 256), wait: time.Duration(wait.Duration), yes: yes, answer: bufio.NewScanner(e.In)}
		o := &onlooker{now: e.Now, tell: func(s seen) {
			select {
			case t.seen <- s:
			default: // a line that chatters for longer than anybody reads
			}
		}}
		err = e.onBench(c.Context(), w, o, func(ctx context.Context, b *gateway.Bench) error {
			t.bench = b
			return t.run(ctx)
		})
		if err != nil {
			return err
		}
		return t.report()
	})
	wiringFlag(c, &config)
	c.Flags().StringVar(&name, "door", "", "the door (default the only one)")
	c.Flags().Var(&wait, "wait", "for how long to wait for what somebody is asked to do")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask what was seen of relays and lights: they are driven, and that is all")
	return c
}

func (t *walk) run(ctx context.Context) error {
	hardware := t.bench.Doors()[t.door.Name]
	t.note("door %s: lock, contact, button and readers, one after the other", t.door.Name)
	steps := []func(context.Context) error{
		func(ctx context.Context) error {
			expected := "the lock lets go for a second, and holds again"
			if t.door.Lock == wiring.FailSafe {
				expected = "the lock holds for a second, and lets go again"
			}
			return t.relay(ctx, "relay", hardware.Relay, expected)
		},
		func(ctx context.Context) error {
			return t.relay(ctx, "operator", hardware.Operator, "the operator swings the door")
		},
		func(ctx context.Context) error {
			return t.relay(ctx, "sounder", hardware.Sounder, "the sounder sounds for a second")
		},
		func(ctx context.Context) error {
			return t.input(ctx, t.door.Contact, panel.Contact, "closed", "open the door", "close it again")
		},
		func(ctx context.Context) error {
			return t.input(ctx, t.door.Rex, panel.Rex, "not pressed", "press the exit button", "let go of it")
		},
		func(ctx context.Context) error {
			return t.input(ctx, t.door.Tamper, panel.Tamper, "closed", "open the reader's case, or its box", "close it again")
		},
	}
	for _, s := range steps {
		if err := s(ctx); err != nil {
			return err
		}
	}
	for i, r := range t.door.Readers {
		shows := hardware.In
		if r.Side == wiring.Out {
			shows = hardware.Out
		}
		if err := t.reader(ctx, i, r, shows); err != nil {
			return err
		}
	}
	return nil
}

// result keeps and tells one.
func (t *walk) result(part, expected, saw string, ok bool) {
	part = t.door.Name + "/" + part
	t.all = append(t.all, checkedJSON{part, expected, saw, ok})
	mark := "ok  "
	if !ok {
		mark = "FAIL"
	}
	t.note("%s  %s: %s", mark, part, saw)
}

// ask asks whoever stands there; ok is false for no.
func (t *walk) ask(question string) (saw string, ok bool) {
	if t.yes {
		return "driven; nobody was asked", true
	}
	for {
		fmt.Fprintf(t.Err, "%s [y/n] ", question)
		if !t.answer.Scan() {
			return "nobody answered", false
		}
		switch strings.ToLower(strings.TrimSpace(t.answer.Text())) {
		case "y", "yes":
			return "yes, says who stood there", true
		case "n", "no":
			return "no, says who stood there", false
		}
	}
}

// forget drops what was told before somebody was asked for it.
func (t *walk) forget() {
	for {
		select {
		case <-t.seen:
		default:
			return
		}
	}
}

func (t *walk) relay(ctx context.Context, part string, r edge.Relay, expected string) error {
	if r == nil {
		return nil
	}
	t.note("\n%s: %s", part, expected)
	err := r.Set(true)
	select {
	case <-ctx.Done():
	case <-time.After(click):
	}
	if off := r.Set(false); err == nil {
		err = off
	}
	if err != nil {
		t.result(part, expected, err.Error(), false)
		return ctx.Err()
	}
	saw, ok := t.ask("Did it?")
	t.result(part, expected, saw, ok)
	return ctx.Err()
}

// input has somebody move an input, and waits for both edges.
func (t *walk) input(ctx context.Context, in *wiring.Input, input panel.Input, rest, active, back string) error {
	if in == nil {
		return nil
	}
	part := input.String()
	line, known := t.bench.Line(t.door.Name, input)
	switch {
	case !known:
		t.result(part, rest, "it cannot be read", false)
		return nil
	case line != door.LineNormal:
		t.result(part, rest+" to begin with", line.String()+": is it wired the other way (active_low, normally_open)?", false)
	default:
		t.result(part, rest+" to begin with", line.String(), true)
	}
	if line != door.LineActive {
		if err := t.edge(ctx, input, door.LineActive, active); err != nil {
			return err
		}
	}
	return t.edge(ctx, input, door.LineNormal, back)
}

// edge has somebody bring an input to a state.
func (t *walk) edge(ctx context.Context, input panel.Input, want door.Line, please string) error {
	part, expected := input.String(), fmt.Sprintf("%v: %s", want, please)
	if line, _ := t.bench.Line(t.door.Name, input); line == want { // quicker than the question
		t.result(part, expected, want.String(), true)
		return nil
	}
	t.note("\n%s: please %s", part, please)
	began := t.Now()
	saw, err := t.await(ctx, func(got seen) bool {
		return got.Kind == "input" && got.door == t.door.Name && got.input == input && (got.line == want || got.line > door.LineActive)
	})
	switch {
	case err != nil:
		return err
	case saw == nil:
		t.result(part, expected, fmt.Sprintf("nothing within %v", t.wait), false)
	default:
		t.result(part, expected, fmt.Sprintf("%v after %v", saw.line, t.Now().Sub(began).Round(100*time.Millisecond)), saw.line == want)
	}
	return nil
}

// await waits for something that was seen; nil if it did not come.
func (t *walk) await(ctx context.Context, is func(seen) bool) (*seen, error) {
	patience := time.NewTimer(t.wait)
	defer patience.Stop()
	for {
		select {
		case s := <-t.seen:
			if is(s) {
				return &s, nil
			}
			if s.Kind == "fault" {
				t.note("      %s: %s", s.Where, s.What)
			}
		case <-patience.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (t *walk) reader(ctx context.Context, i int, r wiring.Reader, shows edge.Reader) error {
	part := fmt.Sprintf("reader/%d", i+1)
	if shows != nil {
		t.note("\n%s: its light for \"granted\" and then for \"denied\"", part)
		feedback := policy.DefaultFeedback()
		for _, s := range []policy.Signal{policy.SignalGranted, policy.SignalDenied} {
			shows.Show(feedback[s], false)
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(length(feedback[s])):
			}
		}
		saw, ok := t.ask("Did it show two different lights, or sounds?")
		t.result(part+"/light", "one pattern for granted, another for denied", saw, ok)
	}
	what := "hold a code to it"
	if r.Kind.Taps() {
		what = "hold a card or phone to it"
	}
	t.forget()
	t.note("\n%s: please %s", part, what)
	saw, err := t.await(ctx, func(s seen) bool {
		return (s.Kind == "code" || s.Kind == "card" || s.Kind == "unread") && s.door == t.door.Name && s.exit == (r.Side == wiring.Out)
	})
	if err != nil {
		return err
	}
	if saw == nil {
		t.result(part, "something is read", fmt.Sprintf("nothing within %v", t.wait), false)
	} else {
		t.result(part, "something is read", saw.What, saw.Kind != "unread")
	}
	if !r.Kind.Keypad() {
		return nil
	}
	if !t.yes {
		if _, has := t.ask("Has it a keypad?"); !has {
			return nil
		}
	}
	t.forget()
	t.note("\n%s: please press a key of its keypad", part)
	if saw, err = t.await(ctx, func(s seen) bool { return s.Kind == "key" && s.door == t.door.Name }); err != nil {
		return err
	}
	if saw == nil {
		t.result(part+"/keypad", "a key is told of", fmt.Sprintf("nothing within %v", t.wait), false)
	} else {
		t.result(part+"/keypad", "a key is told of", saw.What, true)
	}
	return nil
}

func length(p policy.Pattern) (d time.Duration) {
	for _, s := range p {
		d += s.For
	}
	return d
}

// report prints it all again, and fails if anything did.
func (t *walk) report() error {
	failed := 0
	for _, c := range t.all {
		if !c.OK {
			failed++
		}
	}
	t.note("")
	if err := table(t.env, t.all, "Nothing of this door can be tested.", []string{"PART", "EXPECTED", "SEEN", "RESULT"}, func(c checkedJSON) []string {
		mark := "ok"
		if !c.OK {
			mark = "FAIL"
		}
		return []string{c.Part, c.Expected, c.Seen, mark}
	}); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d did not do what they should", failed, len(t.all))
	}
	return nil
}
