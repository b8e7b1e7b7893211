package main_test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// TestRestoredBackup restores a gateway's folder from an old backup, with and
// without the copy that was exported in between: it never signs a second
// history, and whoever holds every copy finds nothing wrong.
func TestRestoredBackup(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.write("gw/gateway.toml", fmt.Sprintf(e2eWiring, newScanner(t).Path(), newScanner(t).Path()))
	s.boot()
	first := s.incarnations()
	if len(first) != 1 {
		t.Fatalf("%d incarnations after the first start: %v", len(first), first)
	}
	s.backup("gw", "backup")

	s.boot()
	if again := s.incarnations(); !slices.Equal(again, first) {
		t.Errorf("a restart within one boot began a new incarnation: %v, then %v", first, again)
	}
	s.export("later.tombolo")

	s.backup("backup", "gw") // the disk of a while ago
	s.boot()
	second := s.incarnations()
	if len(second) != 2 {
		t.Fatalf("after the restore: %v", second)
	}
	s.export("restored.tombolo")

	s.backup("backup", "gw") // and once more, but now the exported copy comes back first
	s.tool("tombolo", "ledger", "import", s.path("restored.tombolo"), "--dir", s.path("gw"))
	s.tool("tombolo", "ledger", "import", s.path("later.tombolo"), "--dir", s.path("gw"))
	s.boot()
	if recovered := s.incarnations(); !slices.Equal(recovered, second) {
		t.Errorf("with its own head back it began a new incarnation: %v, then %v", second, recovered)
	}
	s.export("recovered.tombolo")

	// Somebody who was given every copy.
	s.tool("tombolo", "ledger", "export", "--out", s.path("stick"))
	auditor := s.path("auditor")
	s.tool("tombolo", "ledger", "import", s.path("stick"), "--pin", "--dir", auditor)
	for _, copy := range []string{"later.tombolo", "restored.tombolo", "recovered.tombolo"} {
		s.tool("tombolo", "ledger", "import", s.path(copy), "--dir", auditor)
	}
	s.tool("tombolo", "ledger", "verify", "--dir", auditor)
	f, err := folder.Open(auditor, false)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if forks, err := f.Store().Forks(); err != nil || len(forks) != 0 {
		t.Errorf("%d forks, %v", len(forks), err)
	}
	all, err := f.Store().Ledgers()
	if err != nil {
		t.Fatal(err)
	}
	doors := slices.DeleteFunc(all, func(i store.Info) bool { return i.Origin.Kind != ledger.DoorLog })
	if len(doors) != 2 || doors[0].Generation+doors[1].Generation != 1 {
		t.Errorf("the auditor holds %d door logs", len(doors))
	}
}

// boot runs the daemon until a button was pressed and recorded.
func (s *site) boot() {
	s.t.Helper()
	s.start()
	if out, err := s.try("tombolod", "run", "--config", s.path("gw/gateway.toml")); err == nil || !strings.Contains(err.Error(), "runs on") {
		s.t.Errorf("a second daemon on the folder: %v %s", err, out)
	}
	before := len(s.decisions())
	if err := s.relay.SetInput("front/rex", true); err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(10 * time.Second); len(s.decisions()) == before; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("the button was not recorded:\n%s", s.daemon.Log)
		}
	}
	s.end(syscall.SIGTERM)
}

// incarnations are the origins of the gateway's own door logs, sorted.
func (s *site) incarnations() (out []string) {
	s.t.Helper()
	text := s.tool("tombolo", "ledger", "show", "--dir", s.path("gw"), "--kind", "door", "--kind", "Begin", "--json")
	for line := range strings.Lines(text) {
		var one struct{ Origin string }
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			s.t.Fatal(err)
		}
		out = append(out, one.Origin)
	}
	slices.Sort(out)
	return out
}

func (s *site) export(name string) {
	s.t.Helper()
	s.tool("tombolo", "ledger", "export", "--dir", s.path("gw"), "--kind", "door", "--out", s.path(name))
}

// backup replaces one folder by a copy of another.
func (s *site) backup(from, to string) {
	s.t.Helper()
	if err := os.RemoveAll(s.path(to)); err != nil {
		s.t.Fatal(err)
	}
	s.tool("cp", "-a", s.path(from), s.path(to))
}
