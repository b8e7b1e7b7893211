package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/hw/sim"
)

func TestHwWatch(t *testing.T) {
	t.Parallel()
	scanner, err := sim.NewScanner()
	if err != nil {
		t.Fatal(err)
	}
	defer scanner.Close()
	s := newHwSite(t, hwWiring+hwFront+hwTamper+hwReader+fmt.Sprintf("[[doors.front.readers]]\nkind = \"scanner\"\nside = \"out\"\nport = %q\n[[doors.front.readers]]\nkind = \"scanner\"\nport = %q\n", scanner.Path(), filepath.Join(t.TempDir(), "unplugged")))
	s.start("watch")
	s.errs.after(t, "interrupt to end")
	for _, first := range []string{"fire                no fire", "front/contact       closed", "front/rex           not pressed", "front/tamper        closed"} {
		s.out.has(t, "  "+first+", to begin with\n")
	}
	s.input("front/contact", true)
	s.out.after(t, "  front/contact       open\n")
	s.input("front/rex", true)
	s.out.after(t, "  front/rex           pressed\n")
	s.input("fire", true)
	s.out.after(t, "  fire                fire\n")
	s.reading(5, tamperOpen)
	s.out.after(t, "  front/tamper        open\n")
	s.reading(5, tamperShort)
	s.out.after(t, "  front/tamper        its cable is shorted\n")
	key := s.card(sim.Mount{Door: "front"}, 0)
	s.out.after(t, "  front/reader        a HaLo chip, key "+key.Key().ID().String()[:16]+", signs as it should\n")
	s.card(sim.Mount{Door: "front"}, 1)
	s.out.after(t, "  front/reader        a HaLo chip whose signature is wrong")
	s.press('7')
	s.press('#')
	s.out.after(t, "  front/reader        key 7\n")
	s.out.after(t, "  front/reader        key #\n")
	if err := scanner.Scan(sampleCode(t)); err != nil {
		t.Fatal(err)
	}
	s.out.after(t, "  front/reader/out    a code of passport 9, for 30 s from ")
	if err := scanner.Scan("4006381333931"); err != nil {
		t.Fatal(err)
	}
	s.out.after(t, "  front/reader/out    something that it cannot read\n")
	s.errs.after(t, `msg="what was shown cannot be read" reader=door/front/reader/2 err=`)
	s.wants(s.out.String(), "  front/reader/3      FAULT: no reader at ")
	// What another terminal drives.
	s.run(0, "hw", "drive", "--sim", s.path("sim.sock"), "front/contact", "off")
	s.out.after(t, "  front/contact       closed\n")
	s.run(0, "hw", "drive", "--sim", s.path("sim.sock"), "5", fmt.Sprint(tamperClosed))
	s.out.after(t, "  front/tamper        closed\n")
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{1, `no such line: input "front/window"`, []string{"front/window", "on"}},
		{1, "inputs are named as `tombolo hw watch` prints them", []string{"front/window", "on"}},
		{1, "refused", []string{"6", "500"}},
		{2, `want "on"`, []string{"front/contact", "open"}},
		{2, "0 to 1000", []string{"5", "1001"}},
		{2, "0 to 1000", []string{"5", "-1"}},
		{2, "0 to 1000", []string{"64", "5"}},
		{2, "STATE is missing", []string{"front/contact"}},
	} {
		if _, errs := s.run(c.status, append([]string{"hw", "drive", "--sim", s.path("sim.sock"), "--"}, c.args...)...); !strings.Contains(errs, c.says) {
			t.Errorf("%q: %s", c.args, errs)
		}
	}
	s.stop()
	s.ends(0)
	_, errs := s.run(1, "hw", "drive", "--sim", s.path("sim.sock"), "front/contact", "on")
	s.wants(errs, "no board answers there", "it is the socket of [sim] in gateway.toml")
	s.run(2, "hw", "drive", "front/contact", "on")
}

// hungUp is a pipe whose reader has gone.
type hungUp struct{ after int }

var errHungUp = errors.New("broken pipe")

func (h *hungUp) Write(b []byte) (int, error) {
	if h.after--; h.after < 0 {
		return 0, errHungUp
	}
	return len(b), nil
}

func TestHwWatchJSON(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront)
	s.start("watch", "--json")
	s.errs.after(t, "interrupt to end")
	s.input("front/rex", true)
	s.out.after(t, `"what":"pressed"`)
	s.stop()
	s.ends(0)
	var last seen
	for line := range strings.Lines(s.out.String()) {
		if err := json.Unmarshal([]byte(line), new(map[string]any)); err != nil {
			t.Errorf("%q: %v", line, err)
		}
		if err := json.Unmarshal([]byte(strings.Replace(line, `"time"`, `"when"`, 1)), &last); err != nil {
			t.Error(err)
		}
	}
	if last.Where != "front/rex" || last.Kind != "input" || last.What != "pressed" || last.State != "active" {
		t.Errorf("the last is %+v", last)
	}
	// Nobody reads it any more.
	x := new(screen)
	e := &env{Now: time.Now, Sleep: sleep, Out: &hungUp{after: 1}, Err: x}
	if code := e.run(t.Context(), []string{"hw", "watch", "--config", s.path("gateway.toml")}); code != 1 || !strings.Contains(x.String(), "tombolo: broken pipe\n") {
		t.Errorf("exit status %d: %s", code, x)
	}
}
