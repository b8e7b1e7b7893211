package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/gateway"
)

const osdpWiring = `data = "."
[buses.wall]
port = "/dev/ttyUSB0"
[doors.front]
lock = "fail-secure"
relay = { pin = 11 }
[[doors.front.readers]]
kind = "osdp"
bus = "wall"
address = 3
[[doors.front.readers]]
kind = "osdp"
bus = "wall"
address = 4
side = "out"
insecure = true
[doors.yard]
lock = "fail-secure"
relay = { pin = 13 }
[[doors.yard.readers]]
kind = "osdp"
bus = "wall"
address = 5
`

const osdpState = `{
  "format": 1,
  "readers": [
    {
      "bus": "wall",
      "address": 3,
      "generation": 2,
      "uid": "0102030405060708",
      "vendor": "5c2623",
      "model": 1,
      "version": 2,
      "serial": 77,
      "firmware": "1.4.9",
      "capabilities": "9:1/0",
      "at": "2026-11-21T03:00:00Z"
    }
  ]
}
`

// osdp runs `tombolod osdp …` in dir.
func osdp(t *testing.T, dir string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, told bytes.Buffer
	cmd := newCommand(environment{Stdout: &out, Stderr: &told, Now: time.Now})
	cmd.SetArgs(append([]string{"--config", filepath.Join(dir, "gateway.toml"), "osdp"}, args...))
	err = cmd.ExecuteContext(t.Context())
	return out.String(), told.String(), err
}

// TestOSDPCommands as they are without a daemon: what is known is listed, and
// nothing is done.
func TestOSDPCommands(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("gateway.toml", osdpWiring)
	write(gateway.OSDPFile, osdpState)
	const want = `PLACE   DOOR   READER   KEY                       STATE                        MAKER
wall/3  front  1        generation 2, 2026-11-21  not known: no tombolod runs  vendor 5c2623, model 1, serial 77, firmware 1.4.9
wall/4  front  2 (out)  insecure                  not known: no tombolod runs  
wall/5  yard   1        none yet                  not known: no tombolod runs  
`
	if out, _, err := osdp(t, dir, "list"); err != nil || out != want {
		t.Errorf("got\n%s%v, want\n%s", out, err, want)
	}
	out, _, err := osdp(t, dir, "list", "--json")
	var all []struct {
		Bus       string `json:"bus"`
		Address   int    `json:"address"`
		Known     bool   `json:"known"`
		Online    bool   `json:"online"`
		Installed *struct {
			Generation int `json:"generation"`
		} `json:"installed"`
	}
	if err == nil {
		err = json.Unmarshal([]byte(out), &all)
	}
	if err != nil || len(all) != 3 || all[0].Bus != "wall" || all[0].Address != 3 || all[0].Known || all[0].Online || all[0].Installed.Generation != 2 || all[2].Installed != nil {
		t.Errorf("%s is %+v, %v", out, all, err)
	}

	for _, args := range []string{"install --bus wall --address 3", "rotate --bus wall --address 3"} {
		if out, _, err := osdp(t, dir, strings.Fields(args)...); !errors.Is(err, gateway.ErrNoDaemon) || out != "" {
			t.Errorf("%s: %q, %v", args, out, err)
		}
	}
	for args, want := range map[string]string{
		"install --bus wall":                           `required flag(s) "address" not set`,
		"install --address 3":                          `required flag(s) "bus" not set`,
		"rotate":                                       `required flag(s) "address", "bus" not set`,
		"install --bus wall --address 256":             "256",
		"install --bus wall --address x":               "x",
		"install --bus wall --address 3 --window 2m1s": "at most 2m0s",
		"install --bus wall --address 3 --window 0s":   "more than none",
		"install --bus wall --address 3 --window -1s":  "more than none",
		"rotate --bus wall --address 3 --window 1s":    "unknown flag",
		"list wall": "unknown command",
		"install --bus wall --address 3 --config nofile": "no wiring file",
	} {
		if _, _, err := osdp(t, dir, strings.Fields(args)...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}

	write(gateway.OSDPFile, strings.Replace(osdpState, "generation\": 2", "generation\": 3 ", 1))
	if out, _, err := osdp(t, dir, "list"); !errors.Is(err, gateway.ErrOSDPFile) || out != "" {
		t.Errorf("a file that was edited: %q, %v", out, err)
	}
	write("gateway.toml", "data = \".\"\n")
	if out, _, err := osdp(t, dir, "list"); err == nil || out != "" {
		t.Errorf("%q, %v", out, err) // the file is damaged still, and hides nothing
	}
	if err := os.Remove(filepath.Join(dir, gateway.OSDPFile)); err != nil {
		t.Fatal(err)
	}
	if out, _, err := osdp(t, dir, "list"); err != nil || out != "The wiring file has no OSDP reader.\n" {
		t.Errorf("%q, %v", out, err)
	}
}
