package firmware_test

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"tombolo/firmware/qemu"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// tools are the commands, built for this machine.
type tools struct{ bin, guard string }

func hostTools(t *testing.T) tools {
	t.Helper()
	if _, err := exec.LookPath("gcc"); err != nil {
		t.Fatal("gcc is missing: apt-get install --no-install-recommends gcc libc6-dev")
	}
	c := tools{t.TempDir(), t.TempDir()}
	c.exec(t, "env", "CGO_ENABLED=1", "go", "build", "-o", c.bin, "tombolo/cmd/tombolo", "tombolo/cmd/tombolod")
	return c
}

func (c tools) exec(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "TOMBOLO_GUARD="+c.guard)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", cmd, err, out)
	}
	return string(out)
}

// gateway makes a community, its node and an approved gateway, as a steward
// would, and gives the gateway's folder.
func (c tools) gateway(t *testing.T) (dir string) {
	t.Helper()
	steward, dir := t.TempDir(), filepath.Join(t.TempDir(), "gw1")
	tombolo := func(args ...string) {
		t.Helper()
		c.exec(t, filepath.Join(c.bin, "tombolo"), append([]string{"--dir", steward}, args...)...)
	}
	tombolo("community", "new", "virt", "--chain-id", "31337", "--registry", "0x00000000000000000000000000000000000000ff")
	tombolo("node", "new", "casa")
	tombolo("node", "register", "--doors", "2")
	tombolo("node", "policy", "sign", "testdata/policy.toml")
	c.exec(t, filepath.Join(c.bin, "tombolod"), "init", "--dir", dir, "--name", "gw1")
	tombolo("gateway", "approve", "--yes", filepath.Join(dir, "gateway.request")) // the answer lies beside it
	return dir
}

// daemon builds tombolod for the guest.
func daemon(t *testing.T) string {
	t.Helper()
	return qemu.Build(t, qemu.BuildConfig{
		Package: "tombolo/cmd/tombolod", Cgo: true,
		// What the packages are built with: a static glibc can neither resolve
		// names nor load libraries.
		Tags: "netgo,osusergo,sqlite_omit_load_extension",
	})
}

// filesOf lists the files below a folder as virt.Config has them.
func filesOf(t *testing.T, dir, to string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files[path.Join(to, name)] = filepath.Join(dir, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// doorLog has `tombolo ledger verify` check a gateway's ledgers, and gives its
// one door log, an entry a line. The clock's jump is checked and left out: which
// entry it precedes is chance.
func (c tools) doorLog(t *testing.T, ledgers []byte) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "ledgers.db")
	if err := os.WriteFile(file, ledgers, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Log(c.exec(t, filepath.Join(c.bin, "tombolo"), "--dir", dir, "ledger", "verify"))
	s, err := store.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	all, err := s.Ledgers()
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	steps := 0
	for _, l := range all {
		if l.Origin.Kind != ledger.DoorLog {
			continue
		}
		index := int64(0)
		for e, err := range s.Entries(l, 0, l.Size) {
			if err != nil {
				t.Fatal(err)
			}
			_, body, err := e.Open(ledger.DoorLog, index)
			if err != nil {
				t.Fatal(err)
			}
			index++
			switch b := body.(type) {
			case *ledger.ClockStep:
				steps++
				continue
			case *ledger.Basis: // follows each boot, and the clock's jump
				continue
			case *ledger.Line:
				if b.Input == "rex" && b.State == "normal" { // let go, while other things happen
					continue
				}
			}
			fmt.Fprintln(&out, words(body))
		}
	}
	if steps != 1 {
		t.Errorf("%d steps of the clock were recorded, want 1", steps)
	}
	return out.String()
}

func words(body ledger.Body) string {
	switch b := body.(type) {
	case *ledger.Begin:
		return fmt.Sprintf("begin: generation %d", b.Generation)
	case *ledger.Boot:
		return fmt.Sprintf("boot: clock %s, policy %d", b.Clock, b.Policy)
	case *ledger.Line:
		return fmt.Sprintf("%s: %s %s", b.Door, b.Input, b.State)
	case *ledger.Decision:
		return fmt.Sprintf("%s: decision %d, %s, granted %t: %s", b.Door, b.Seq, b.Mode, b.Granted, b.Reason)
	case *ledger.Passage:
		return fmt.Sprintf("%s: passage %d, entered %t", b.Door, b.Seq, b.Entered)
	case *ledger.DoorState:
		return fmt.Sprintf("%s: %s", b.Door, b.State)
	}
	return fmt.Sprintf("%T: %+v", body, body)
}
