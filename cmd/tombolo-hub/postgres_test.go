package main_test

import (
	"strings"
	"syscall"
	"testing"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/store/pg"
	"tombolo/sync/store/pgtest"
)

// TestPostgres: a hub whose database is down when it starts waits and says so, takes
// over what its folder holds once it is up, is backed up while it runs, and restored
// into another database.
func TestPostgres(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := w.hub()
	server := pgtest.Start(t)
	url, other, foreign := server.URL(t), server.URL(t), server.URL(t)
	server.Stop()
	p := w.start("the database does not answer", append([]string{"run", "--data", dir, "--database", url}, freely...)...)
	if out := w.ok("status", "--data", dir); !strings.Contains(out, "waiting for the database") {
		t.Errorf("status: %s", out)
	}
	if _, errs, code := w.run("admit", "--data", dir, "--database", url, w.export()); code != 1 || !strings.Contains(errs, "PostgreSQL at") {
		t.Errorf("a command does not wait: %d %s", code, errs)
	}
	if err := server.Restart(); err != nil {
		t.Fatal(err)
	}
	p.Says("msg=ready")
	n := w.node("casa")
	w.ok("admit", "--data", dir, "--database", url, w.exportOf(n.desk, ledger.DirectoryLog))
	until(t, "the running hub does not hear of the node", func() bool {
		return strings.Contains(w.ok("status", "--data", dir), "1 gateway may")
	})
	file := w.path("hub.backup")
	w.ok("backup", "--data", dir, "--database", url, file)
	p.End(syscall.SIGTERM)
	if !strings.Contains(p.Log.String(), "PostgreSQL at") || strings.Contains(p.Log.String(), url) {
		t.Errorf("where the ledgers are: %s", p.Log.String())
	}

	again := w.path("again")
	w.ok("restore", "--data", again, "--database", other, file)
	s, err := pg.Open(t.Context(), other)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	directories := 0
	for _, l := range must(s.Ledgers()) {
		if l.Origin.Kind == ledger.DirectoryLog && l.Size == 2 {
			directories++
		}
	}
	if directories != 1 {
		t.Errorf("%d directories were restored", directories)
	}
	p = w.startHub(again, "--database", other)
	p.End(syscall.SIGTERM)
	if _, errs, code := w.run("restore", "--data", w.path("third"), "--database", other, file); code != 1 || errs == "" {
		t.Errorf("into a database that holds something: %d %s", code, errs)
	}

	// A database is one community's.
	stranger := newWorld(t)
	hub := stranger.hub()
	stranger.ok("check", "--data", hub, "--database", foreign)
	if _, errs, code := w.run("check", "--data", dir, "--database", foreign); code != 1 || !strings.Contains(errs, folder.ErrPinned.Error()) {
		t.Errorf("another community's: %d %s", code, errs)
	}
}
