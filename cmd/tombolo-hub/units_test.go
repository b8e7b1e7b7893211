package main_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"tombolo/cmd/internal/daemontest"
	"tombolo/cmd/internal/service/servicetest"
)

// unit is a service as the package installs it: the values of each key.
func unit(t *testing.T, name string) map[string][]string {
	t.Helper()
	u := map[string][]string{}
	for line := range strings.Lines(string(must(os.ReadFile(filepath.Join("..", "..", "firmware", name+".service"))))) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), "="); ok && key[0] != '#' {
			u[key] = append(u[key], value)
		}
	}
	return u
}

// TestUnits runs what the units say, with their environment, as systemd would, apart
// from the sandbox: the daemon says that it is ready, is fed, and says that it ends.
func TestUnits(t *testing.T) {
	t.Parallel()
	for name, given := range map[string]struct {
		init  []string
		flags string // TOMBOLO_HUB_FLAGS of hub.env
		files map[string]string
	}{
		"tombolo-hub":       {[]string{"init"}, strings.Join(freely, " "), nil},
		"tombolo-evaluator": {[]string{"evaluator", "init"}, "", map[string]string{"links.toml": "[links.hub]\nbroker = \"tls://127.0.0.1:1\"\n"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, u, m := newWorld(t), unit(t, name), servicetest.Listen(t)
			state, run := w.path("lib"), w.path("run")
			whole := strings.NewReplacer("%S", state, "%t", run, "$TOMBOLO_HUB_FLAGS", given.flags)
			dir := filepath.Join(state, u["StateDirectory"][0])
			if missing := whole.Replace(u["ConditionPathExists"][0]); exists(missing) {
				t.Fatalf("%s is there before init", missing)
			}
			w.ok(append(given.init, "--data", dir, w.export())...)
			for file, text := range given.files {
				if err := os.WriteFile(filepath.Join(dir, file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if needed := whole.Replace(u["ConditionPathExists"][0]); !exists(needed) {
				t.Fatalf("the unit waits for %s", needed)
			}
			// What is typed goes to the same folder.
			if out := w.ok(append(given.init, "--help")...); !strings.Contains(out, `"/var/lib/`+u["StateDirectory"][0]+`"`) {
				t.Errorf("the folder of commands is another one:\n%s", out)
			}

			argv := strings.Fields(whole.Replace(u["ExecStart"][0]))
			if filepath.Base(argv[0]) != filepath.Base(bin) {
				t.Fatalf("it runs %s", argv[0])
			}
			cmd := exec.Command("sh", append([]string{"-c", "umask " + u["UMask"][0] + `; exec "$0" "$@"`, bin}, argv[1:]...)...)
			cmd.Dir = "/"
			cmd.Env = []string{"NOTIFY_SOCKET=" + m.Socket(), "WATCHDOG_USEC=300000"}
			for _, e := range u["Environment"] {
				cmd.Env = append(cmd.Env, whole.Replace(e))
			}
			var log daemontest.Log
			cmd.Stdout, cmd.Stderr = &log, &log
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			defer cmd.Process.Kill() // it may have ended
			defer func() {
				if t.Failed() {
					t.Log(log.String())
				}
			}()
			m.Want("READY=1")
			m.Want("WATCHDOG=1")
			m.Want("WATCHDOG=1")
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			for got := ""; got != "STOPPING=1"; {
				if got = m.Told(20 * time.Second); got != "WATCHDOG=1" && got != "STOPPING=1" {
					t.Fatalf("at the end the service manager was told %q", got)
				}
			}
			if err := cmd.Wait(); err != nil {
				t.Errorf("it ended with %v", err)
			}
			if err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
				if err != nil {
					return err
				}
				info, err := d.Info()
				if err == nil && info.Mode().Perm()&0o077 != 0 && !strings.HasSuffix(path, ".request") {
					t.Errorf("others may read %s", path)
				}
				return err
			}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestUnitWaits: while there is no database the service manager is asked for as much
// time as it gave at first, again and again.
func TestUnitWaits(t *testing.T) {
	t.Parallel()
	w, m := newWorld(t), servicetest.Listen(t)
	dir := w.hub()
	first := must(time.ParseDuration(strings.Replace(unit(t, "tombolo-hub")["TimeoutStartSec"][0], "min", "m", 1)))
	cmd := exec.Command(bin, append([]string{"run", "--data", dir}, freely...)...)
	cmd.Env = append(environment(), "NOTIFY_SOCKET="+m.Socket(), fmt.Sprintf("TOMBOLO_HUB_DATABASE=postgres://hub@%s/hub?sslmode=disable&connect_timeout=1", taken(t)))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", first.Microseconds())
	m.Want(want)
	m.Want(want)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("stopped while it waits: %v", err)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
