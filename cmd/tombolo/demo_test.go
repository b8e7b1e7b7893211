package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

// TestDemo runs the demo as a program reads it: every line is an object, every
// outcome is as announced, and what a newcomer should see is among them.
func TestDemo(t *testing.T) {
	t.Setenv("TOMBOLO_GUARD", "") // the demo sets it for its process
	var out, errs bytes.Buffer
	e := &env{Now: time.Now, Sleep: sleep, In: strings.NewReader(""), Out: &out, Err: &errs}
	if code := e.run(t.Context(), []string{"demo", "--headless", "--json"}); code != 0 {
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		t.Fatalf("exit status %d: %s\nat the end of:\n%s", code, errs.String(), strings.Join(lines[max(0, len(lines)-12):], "\n"))
	}
	seen := map[string]int{}
	for line := range strings.Lines(out.String()) {
		var event struct {
			Event, What, Outcome, Expected string
			OK                             bool
			Failed                         int
		}
		if err := json.Unmarshal([]byte(line), &event); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		switch event.Event {
		case "outcome":
			if !event.OK || event.Outcome != event.Expected {
				t.Errorf("%s: %s, expected %s", event.What, event.Outcome, event.Expected)
			}
			seen[strings.Fields(strings.TrimPrefix(strings.TrimPrefix(event.Outcome, "refused: "), "opened: "))[0]]++
		case "end":
			seen["end"]++
		}
	}
	if n := seen[fmt.Sprint(demoGuests)]; n != 2 {
		t.Errorf("the census came out %d times at %d, as announced; want the figure and the openings", n, demoGuests)
	}
	for _, want := range []string{"code-before-start", "granted", "code-replayed", "code-expired", "out-of-scope", "wrong-mode", "unreadable",
		"no-level", "stale-roster", "suspended", "revoked", "home", "exit", "somebody", "granted,", "end"} {
		if seen[want] == 0 {
			t.Errorf("the demo did not show %s: %v", want, seen)
		}
	}
}

// TestDemoDiffers: an outcome that differs makes the demo fail.
func TestDemoDiffers(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	d := &demo{env: &env{Out: &out}, headless: true, began: time.Now()}
	d.expect("a door", "refused", "opened")
	if d.end() == nil || !strings.Contains(out.String(), "✗") {
		t.Errorf("a difference passed: %s", out.String())
	}
}
