package folder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestHubGuard: what is typed in the folder of a hub that is a service goes by the
// service's guard, and by nobody else's.
func TestHubGuard(t *testing.T) {
	if unit, err := os.ReadFile("../../../firmware/tombolo-hub.service"); err != nil || !strings.Contains(string(unit), "\nRuntimeDirectory="+hubGuard+"\n") {
		t.Errorf("the unit has its guard elsewhere: %v", err)
	}
	own, err := Guard()
	if err != nil {
		t.Fatal(err)
	}
	f := open(t, filepath.Join(t.TempDir(), "hub"))
	run := t.TempDir()
	service := filepath.Join(run, "tombolo-hub")
	is := func(want string) {
		t.Helper()
		if g, err := f.hubGuard(run); err != nil || g.Dir != want || g.Boot != own.Boot {
			t.Errorf("%v, %v, want %s", g, err, want)
		}
	}
	is(own.Dir) // as TOMBOLO_GUARD says
	t.Setenv("TOMBOLO_GUARD", "")
	if own, err = Guard(); err != nil {
		t.Fatal(err)
	}
	is(own.Dir) // no service
	if err := os.Mkdir(service, 0o700); err != nil {
		t.Fatal(err)
	}
	is(service)

	if os.Geteuid() != 0 {
		return // only root can give a folder away
	}
	const other = 65534
	if err := os.Chown(service, other, other); err != nil {
		t.Fatal(err)
	}
	is(own.Dir) // another's hub
	if err := os.Chown(f.dir, other, other); err != nil {
		t.Fatal(err)
	}
	if _, err := f.hubGuard(run); !errors.Is(err, ErrHubUser) || !strings.Contains(err.Error(), "sudo -u '") {
		t.Errorf("root beside a service: %v", err)
	}
}
