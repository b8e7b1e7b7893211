package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"tombolo/hw/attached"
)

func TestHwUsage(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring+hwFront+strings.ReplaceAll(hwFront, "front", "back"))
	at := func(verb string, more ...string) []string {
		return append([]string{"hw", verb, "--config", s.path("gateway.toml")}, more...)
	}
	for _, c := range []struct {
		status int
		says   string
		args   []string
	}{
		{2, "--door: name one of back, front", at("test")},
		{2, "--door: name one of back, front", at("test", "--door", "side")},
		{2, "want a duration", at("test", "--wait", "soon")},
		{2, "one argument too many", at("test", "front")},
		{2, "one argument too many", at("watch", "front")},
		{1, "absent.toml: no such file", []string{"hw", "watch", "--config", s.path("absent.toml")}},
		{1, "absent.toml: no such file", []string{"hw", "test", "--config", s.path("absent.toml")}},
		{2, "say what: drive, list, test, watch", []string{"hw"}},
		{2, `did you mean "list"`, []string{"hw", "lst"}},
	} {
		if _, errs := s.run(c.status, c.args...); !strings.Contains(errs, c.says) {
			t.Errorf("%q: %s", c.args, errs)
		}
	}
	out, _ := s.run(0, "hw", "test", "--help")
	s.wants(out, "Stop the daemon first", "exit status", "--door NAME ", "--wait DURATION ", "--config FILE ")
	for _, verb := range []string{"read", "enroll"} {
		out, _ = s.run(0, "card", verb, "--help")
		s.wants(out, "--reader NAME ", "--pn532 BUS ")
	}
	out, _ = s.run(0, "card", "simulate", "--help")
	s.wants(out, "--key FILE ", "--vpcd ADDRESS ", "(default \"127.0.0.1:35963\")")
}

func TestHwList(t *testing.T) {
	t.Parallel()
	s := newHwSite(t, hwWiring)
	if out, _ := s.run(0, "hw", "list"); !strings.HasPrefix(out, "KIND ") && out != "Nothing is attached that a gateway could use.\n" {
		t.Errorf("list: %s", out)
	}
	if out, _ := s.run(0, "hw", "list", "--lines"); !strings.HasPrefix(out, "CHIP ") && out != "This machine has no GPIO lines.\n" {
		t.Errorf("lines: %s", out)
	}
	out, _ := s.run(0, "hw", "list", "--json")
	for line := range strings.Lines(out) {
		var d deviceJSON
		if err := json.Unmarshal([]byte(line), &d); err != nil || d.Kind == "" || (d.Name == "") != (d.Error != "") {
			t.Errorf("%q: %v", line, err)
		}
	}
}

// TestListed: each kind in its place, and what could not be listed is told apart.
func TestListed(t *testing.T) {
	t.Parallel()
	rows := listed([]attached.Device{
		{Kind: attached.PCSC, Name: "ACS", What: "PC/SC reader", Wiring: `kind = "pcsc"`},
		{Kind: attached.GPIO, Name: "pinctrl-bcm2711", What: "58 lines"},
	}, []attached.Problem{{Kind: attached.Serial, Err: errHungUp}})
	for _, c := range []struct {
		json         bool
		out, problem string
	}{
		{false, "|KIND NAME WHAT IN GATEWAY.TOML|\n|gpio pinctrl-bcm2711 58 lines|\n|pcsc ACS PC/SC reader kind = \"pcsc\"|\n", "warning: serial: broken pipe\n"},
		{true, "|{\"kind\":\"gpio\",\"name\":\"pinctrl-bcm2711\",\"what\":\"58 lines\"}|\n|{\"kind\":\"serial\",\"error\":\"broken pipe\"}|\n|{\"kind\":\"pcsc\",\"name\":\"ACS\",\"what\":\"PC/SC reader\",\"wiring\":\"kind = \\\"pcsc\\\"\"}|\n", ""},
	} {
		var out, errs bytes.Buffer
		e := &env{Out: &out, Err: &errs, json: c.json}
		if err := e.printDevices(rows); err != nil || squeeze(out.String()) != c.out || errs.String() != c.problem {
			t.Errorf("JSON %v: %v\n%s%s", c.json, err, squeeze(out.String()), &errs)
		}
	}
}
