package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/cmd/internal/wiring"
)

const tapPolicy = `version = 1
node = "casa"
[zones.street]
outside = true
[zones.house]
[zones.safe]
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
strike = "1s"
mechanical_exit = true
[doors.safe]
gateway = "gw1"
from = "house"
to = "safe"
strike = "1s"
pin = "always"
mechanical_exit = true
[levels.all]
doors = ["front", "safe"]
[classes.resident]
levels = ["all"]
`

const tapWiring = `data = "."
[sim]
socket = "sim.sock"
[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
[[doors.front.readers]]
kind = "sim"
[[doors.front.readers]]
kind = "sim"
side = "out"
[doors.safe]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
[[doors.safe.readers]]
kind = "sim"
`

// tapDesk is a steward's desk, and a gateway with simulated readers beside it.
type tapDesk struct {
	t   *testing.T
	dir string
}

func (d *tapDesk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *tapDesk) try(args ...string) (out, errs string, code int) {
	var o, e bytes.Buffer
	code = (&env{Now: time.Now, Sleep: sleep, In: strings.NewReader(""), Out: &o, Err: &e}).run(d.t.Context(), append([]string{"--dir", d.path("desk")}, args...))
	return o.String(), e.String(), code
}

func (d *tapDesk) run(args ...string) (out, errs string) {
	d.t.Helper()
	out, errs, code := d.try(args...)
	if code != 0 {
		d.t.Fatalf("%q: exit status %d: %s", args, code, errs)
	}
	return out, errs
}

func (d *tapDesk) write(name, text string) string {
	d.t.Helper()
	if err := os.WriteFile(d.path(name), []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return d.path(name)
}

// serve runs the daemon's code on the gateway's folder until the test ends.
func (d *tapDesk) serve() {
	d.t.Helper()
	path := d.write("gw/gateway.toml", tapWiring)
	wires, err := wiring.Parse(path, []byte(tapWiring))
	if err != nil {
		d.t.Fatal(err)
	}
	g, err := gateway.Open(gateway.Config{Wiring: wires, Software: "test", Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		d.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- g.Run(ctx) }()
	d.t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			d.t.Error(err)
		}
	})
	select {
	case <-g.Ready():
	case err := <-ended:
		ended <- nil
		d.t.Fatal(err)
	}
}

// TestDoorkeyTap: with two programs and no hardware a newcomer sees a card, a
// stranger's, the way out and a PIN.
func TestDoorkeyTap(t *testing.T) {
	t.Setenv("TOMBOLO_GUARD", t.TempDir())
	d := &tapDesk{t, t.TempDir()}
	d.run("community", "new", "isla", "--chain-id", "100", "--registry", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")
	d.run("node", "new", "casa")
	f, err := folder.Open(d.path("gw"), true)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.NewGateway("gw1"); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	d.run("node", "policy", "sign", d.write("policy.toml", tapPolicy))
	d.run("gateway", "approve", d.path("gw/gateway.request"), "--yes", "--out", d.path("gw/gateway.approval"))
	d.run("passport", "issue", "--owner", "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf", "--class", "resident")
	wallet, err := newKeystore("1", "sesame")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"card", "stranger"} {
		if _, errs := d.run("doorkey", "new", "--kind", "halo", "--simulated", "--out", d.path(name+".key")); !strings.Contains(errs, "this is no card") {
			t.Errorf("said %q", errs)
		}
	}
	d.run("doorkey", "delegate", "--key", d.path("card.key"), "--passport", "1", "--out", d.path("card.delegation"),
		"--wallet", d.write("wallet.json", string(wallet)), "--password-file", d.write("password", "sesame\n"))
	d.run("doorkey", "add", d.path("card.delegation"))
	d.run("pin", "set", "--passport", "1", "--pin-file", d.write("pin", "739104\n"))
	d.run("gateway", "approve", d.path("gw/gateway.request"), "--yes", "--out", d.path("gw/gateway.approval"))
	d.serve()

	tap := func(args ...string) []string {
		return append([]string{"doorkey", "tap", "--sim", d.path("gw/sim.sock"), "--key", d.path("card.key")}, args...)
	}
	green, waits, opens := "green+beep 200ms", "/reader: amber 300ms, off 300ms, again", "/relay: energised"
	for _, c := range []struct {
		name      string
		args      []string
		want      []string // in the output
		never     string
		complains string
	}{
		{"in", tap("--door", "front"), []string{"front/reader: " + green, "front" + opens, "front/relay: released"}, "out", ""},
		{"a stranger", tap("--door", "front", "--key", d.path("stranger.key")), []string{"front/reader: red+beep"}, "energised", ""},
		{"out", tap("--door", "front", "--exit", "--key", d.path("stranger.key")), []string{"front/reader/out: " + green, "front" + opens}, "red", ""},
		{"a PIN that nobody asks for", tap("--door", "front", "--pin", "739104"), []string{"front/reader: " + green}, "", "the reader does not wait for anything: the PIN was not typed"},
		{"no PIN yet", tap("--door", "safe"), []string{"safe" + waits}, "energised", ""},
		{"the PIN", tap("--door", "safe", "--pin", "739104"), []string{"safe" + waits, "safe/reader: " + green, "safe" + opens, "safe/reader: dark", "safe/relay: released"}, "", ""}, // who waited before is refused at first
		{"a wrong PIN", tap("--door", "safe", "--pin", "739105"), []string{"safe" + waits, "safe/reader: red+beep"}, "energised", ""},
		{"JSON", tap("--door", "front", "--json"), []string{`"reader":"front","steps":[{"colour":"green","beep":true,"for":"200ms"}`, `"relay":"front/relay","energised":true}`}, "", ""},
	} {
		out, errs := d.run(c.args...)
		for _, want := range c.want {
			if !strings.Contains(out, want) {
				t.Errorf("%s: no %q in\n%s", c.name, want, out)
			}
		}
		if c.never != "" && strings.Contains(out, c.never) {
			t.Errorf("%s: %q in\n%s", c.name, c.never, out)
		}
		if errs != "" && c.complains == "" || !strings.Contains(errs, c.complains) {
			t.Errorf("%s: said %q", c.name, errs)
		}
	}
	for _, c := range []struct {
		args []string
		want string
	}{
		{tap("--door", "side"), `has door "side" a reader of kind "sim" there`},
		{tap("--door", "safe", "--exit"), `has door "safe" a reader of kind "sim" there`},
		// Nor does anybody else get at its hardware meanwhile.
		{[]string{"hw", "watch", "--config", d.path("gw/gateway.toml")}, "holds the hardware: stop it first (systemctl stop tombolod)"},
		{[]string{"hw", "test", "--config", d.path("gw/gateway.toml"), "--door", "front"}, "holds the hardware: stop it first"},
	} {
		if _, errs, code := d.try(c.args...); code != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("%q: exit status %d, %s", c.args, code, errs)
		}
	}
}
