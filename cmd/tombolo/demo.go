package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
)

func (e *env) demoCmd() *cobra.Command {
	var headless, keep bool
	c := verb("demo", "Show it all on this machine: a community, a node with two simulated doors, residents at them", func(c *cobra.Command, _ []string) error {
		return e.demo(c.Context(), headless, keep)
	})
	c.Long = `The demo makes everything in a new folder with the same commands that a steward
types, runs the daemon's own code on simulated doors, and lets residents try
them. Each outcome is announced first; the exit status is 1 if any differs.`
	c.Flags().BoolVar(&headless, "headless", false, "for programs and logs: no QR code, no colours")
	c.Flags().BoolVar(&keep, "keep", false, "keep the folder afterwards")
	return c
}

// demo is one run: the teller, and the world that demo_world.go builds.
type demo struct {
	*env
	ctx      context.Context
	headless bool
	dir      string
	world    demoWorld
	muted    bool // commands are not shown, there are too many alike

	mu     sync.Mutex // over what is told: records come from the gateway's goroutines
	failed int        // under mu
	began  time.Time
}

func (e *env) demo(ctx context.Context, headless, keep bool) (err error) {
	dir, err := os.MkdirTemp("", "tombolo-demo-")
	if err != nil {
		return err
	}
	d := &demo{env: e, ctx: ctx, headless: headless, dir: dir, began: time.Now()}
	defer func() {
		if keep {
			d.say("The folder is %s.", dir)
			return
		}
		err = errors.Join(err, os.RemoveAll(dir))
	}()
	// The guard of everything made here goes with it.
	if err := os.Setenv("TOMBOLO_GUARD", filepath.Join(dir, "guard")); err != nil {
		return err
	}
	if err := d.build(); err != nil {
		return err
	}
	if err := d.play(); err != nil {
		return err
	}
	return d.end()
}

// end tells how it went, and fails if an outcome was another than announced.
func (d *demo) end() error {
	took := time.Since(d.began).Seconds()
	d.tell(event{"event": "end", "failed": d.failed, "seconds": took}, "\nDone in %.0f s.", took)
	if d.failed > 0 {
		return fmt.Errorf("%d outcomes differ from what was announced", d.failed)
	}
	return nil
}

// event is one line of --json.
type event map[string]any

// tell says something: an object for programs, a line for people.
func (d *demo) tell(e event, text string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.json {
		fmt.Fprintf(d.Out, text+"\n", args...)
		return
	}
	e["t"] = time.Since(d.began).Seconds()
	if err := d.printJSON(e); err != nil {
		fmt.Fprintln(d.Err, "tombolo:", err)
	}
}

func (d *demo) say(text string, args ...any) {
	d.tell(event{"event": "say", "text": strings.TrimSpace(fmt.Sprintf(text, args...))}, text, args...)
}

// expect compares an outcome with what was announced.
func (d *demo) expect(what, got, want string) {
	ok := got == want
	mark := d.colour("32", "✓")
	if !ok {
		d.mu.Lock()
		d.failed++
		d.mu.Unlock()
		mark = d.colour("31", "✗ expected "+want+":")
	}
	d.tell(event{"event": "outcome", "what": what, "outcome": got, "expected": want, "ok": ok}, "  %s %s", mark, got)
}

func (d *demo) colour(code, text string) string {
	if d.headless || !terminal(d.Out) {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// tombolo runs one of this program's own commands, as typed at time now in a
// folder, and returns what it printed.
func (d *demo) tombolo(now func() time.Time, dir string, args ...string) (string, error) {
	shown := strings.ReplaceAll(strings.Join(args, " "), d.dir+"/", "")
	if !d.muted {
		d.tell(event{"event": "command", "command": "tombolo " + shown}, "  $ tombolo %s", shown)
	}
	var out, errs bytes.Buffer
	child := &env{Now: now, Sleep: d.Sleep, In: strings.NewReader(""), Out: &out, Err: &errs}
	if code := child.run(d.ctx, append([]string{"--dir", dir}, args...)); code != 0 {
		return "", fmt.Errorf("tombolo %s: exit status %d: %s", shown, code, errs.String())
	}
	return out.String(), nil
}

// tomboloJSON runs a command with --json and reads its one answer into v.
func (d *demo) tomboloJSON(v any, now func() time.Time, dir string, args ...string) error {
	out, err := d.tombolo(now, dir, append(args, "--json")...)
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(out), v)
}

func (d *demo) path(name string) string { return filepath.Join(d.dir, name) }
