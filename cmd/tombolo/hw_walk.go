package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
	"tombolo/edge/strict"
)

// checkedJSON is one thing that was tested.
type checkedJSON struct {
	Part     string `json:"part"`
	Expected string `json:"expected"`
	Seen     string `json:"seen"`
	OK       bool   `json:"ok"`
}

// walk goes through a door part by part with whoever stands there.
type walk struct {
	*env
	door  *wiring.Door
	bench *gateway.Bench
	seen  chan seen
	wait  time.Duration
	yes   bool // nobody is asked what they saw
	lines chan string
	all   []checkedJSON
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
		if name == "" && len(w.Doors) == 1 {
			for name = range w.Doors {
			}
		}
		d := w.Doors[name]
		if d == nil {
			return usage("%s: --door: name one of %s", c.CommandPath(), strings.Join(slices.Sorted(maps.Keys(w.Doors)), ", "))
		}
		// Whatever ends or stops a program must not do so to this one while a lock is
		// let go: a terminal that hangs up, or stops it, ends the test, once. Who reads
		// its output may go, as whoever watches a simulated board may.
		ctx, stop := signal.NotifyContext(c.Context(), syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGTSTP)
		defer stop()
		pipe := make(chan os.Signal, 1)
		signal.Notify(pipe, syscall.SIGPIPE)
		defer signal.Stop(pipe)
		t := &walk{env: e, door: d, seen: make(chan seen, 256), wait: time.Duration(wait.Duration), yes: yes}
		o := &onlooker{now: e.Now, tell: func(s seen) {
			select {
			case t.seen <- s:
			default: // a line that chatters for longer than anybody reads
			}
		}}
		if err := e.onBench(ctx, w, o, func(ctx context.Context, b *gateway.Bench) error {
			t.bench = b
			return t.run(ctx)
		}); err != nil {
			return err
		}
		return t.report()
	})
	c.Long = c.Short + `.

Stop the daemon first, and stand at the door: each part is moved or asked for in
turn. Questions are answered with y or n. The lock is driven for one second.
The exit status is 0 if everything did what it should, 1 if something did not.`
	wiringFlag(c, &config)
	c.Flags().StringVar(&name, "door", "", "the door's `NAME` (default the only one)")
	c.Flags().Var(&wait, "wait", "for how long to wait for what somebody is asked to do")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask what was seen of relays and lights: they are driven, and that is all")
	return c
}

// result keeps and tells one.
func (t *walk) result(part, expected, saw string, ok bool) {
	part = t.door.Name + "/" + part
	t.all = append(t.all, checkedJSON{part, expected, saw, ok})
	t.note("%-4s  %s: %s", mark(ok), part, saw)
}

func mark(ok bool) string {
	if ok {
		return "ok"
	}
	return "FAIL"
}

// please tells whoever stands there what to do.
func (t *walk) please(part, what string) { t.note("\n%s: please %s", part, what) }

// ask asks whoever stands there; ok is false for no. The error is ctx's.
func (t *walk) ask(ctx context.Context, question string) (saw string, ok bool, err error) {
	if t.yes {
		return "driven; nobody was asked", true, ctx.Err()
	}
	if t.lines == nil {
		t.lines = make(chan string)
		go t.listen(ctx)
	}
	for {
		fmt.Fprintf(t.Err, "%s [y/n] ", question)
		select {
		case <-ctx.Done():
			t.note("")
			return "", false, ctx.Err()
		case line, more := <-t.lines:
			if !more {
				t.note("")
				return "nobody answered (--yes asks nobody)", false, nil
			}
			switch strings.ToLower(strings.TrimSpace(line)) {
			case "y", "yes":
				return "yes, says who stood there", true, nil
			case "n", "no":
				return "no, says who stood there", false, nil
			}
		}
	}
}

// listen reads answers: apart, as nothing ends a read from a terminal.
func (t *walk) listen(ctx context.Context) {
	defer close(t.lines)
	for s := bufio.NewScanner(t.In); s.Scan(); {
		select {
		case t.lines <- s.Text():
		case <-ctx.Done():
			return
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
			if s.Kind == "fault" || s.Kind == "fault over" {
				t.note("      %s: %s", s.Where, s.What)
			}
		case <-patience.C:
			return nil, nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// nothing is what was seen when nothing came.
func (t *walk) nothing() string { return fmt.Sprintf("nothing within %v", t.wait) }

var errWalk = errors.New("the door does not do what it should")

// report prints it all again, and fails if anything did.
func (t *walk) report() error {
	failed := 0
	for _, c := range t.all {
		if !c.OK {
			failed++
		}
	}
	t.note("")
	if err := table(t.env, t.all, "Nothing of this door can be tested.", []string{"PART", "RESULT", "SEEN", "EXPECTED"}, func(c checkedJSON) []string {
		return []string{c.Part, mark(c.OK), c.Seen, c.Expected}
	}); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%w: %d of %d failed", errWalk, failed, len(t.all))
	}
	return nil
}
