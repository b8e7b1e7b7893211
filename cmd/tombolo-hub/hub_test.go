package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

// TestHub is a hub's life: set up, named, run, asked how it is, told of a node, and
// ended.
func TestHub(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := w.path("hub")
	out := w.ok("init", "--data", dir, w.export())
	f := must(folder.Open(dir, false))
	key := must(f.Public(folder.HubKey))
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out, folder.Fingerprint(key)) || !strings.Contains(out, fmt.Sprintf("%x", key)) || !strings.Contains(out, "hub.request") {
		t.Errorf("init says %q", out)
	}
	if again := w.ok("init", "--data", dir, "--json", w.export()); !strings.Contains(again, folder.Fingerprint(key)) || !strings.Contains(again, `"named":false`) {
		t.Errorf("init again says %q", again)
	}
	if out, _, status := w.run("check", "--data", dir); status != 1 || !strings.Contains(out, "does not name this hub") {
		t.Errorf("check of a hub that no charter names: %d, %s", status, out)
	}

	p := w.startHub(dir)
	p.Says("does not name this hub")
	web := "http://" + p.After("http=")
	for _, path := range []string{"/healthz", "/v1/community"} {
		if status, body := get(t, web+path); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	status := func() (s struct {
		State  string `json:"state"`
		Named  bool   `json:"named"`
		Broker struct {
			Clients  int `json:"clients"`
			Gateways int `json:"gateways_known"`
		} `json:"broker"`
		Links []struct {
			Up bool `json:"up"`
		} `json:"links"`
	}) {
		if err := json.Unmarshal([]byte(w.ok("status", "--data", dir, "--json")), &s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	until(t, "the hub is not its own client", func() bool { s := status(); return len(s.Links) == 1 && s.Links[0].Up })
	if s := status(); s.State != "running" || s.Named || s.Broker.Gateways != 0 {
		t.Errorf("%+v", s)
	}
	w.name(dir, ledger.Hub)
	out = w.ok("admit", "--data", dir, w.export())
	if !strings.Contains(out, "charter of community islands, version 2: taken in") {
		t.Errorf("admit says %q", out)
	}
	until(t, "a running hub does not hear that it is named", func() bool { return status().Named })

	n := w.node("casa")
	bundle := w.exportOf(n.desk, ledger.DirectoryLog)
	out, errs, code := w.run("admit", "--data", dir, bundle)
	if code != 0 || !strings.Contains(out, "charter of node casa, version 1: taken in") || !strings.Contains(out, "2 entries, 2 of them new") {
		t.Errorf("admit: %d\n%s%s", code, out, errs)
	}
	if !strings.Contains(errs, `no issuer has registered the node "casa"`) {
		t.Errorf("a node that is not registered: %q", errs)
	}
	until(t, "the node's gateway may not connect", func() bool { return status().Broker.Gateways == 1 })
	write(t, w.desk, ledger.CommunityLog, &ledger.NodeRegistered{Node: n.id, Slug: "casa", Doors: 3, Floor: 100})
	if out, errs, code := w.run("admit", "--data", dir, w.export(), bundle); code != 0 || errs != "" {
		t.Errorf("admit, registered: %d\n%s%s", code, out, errs)
	}
	if out := w.ok("check", "--data", dir); !strings.Contains(out, "1 gateway of 1 registered node may report") {
		t.Errorf("check: %s", out)
	}
	if out := w.ok("status", "--data", dir); !strings.Contains(out, "1 gateway may") || !strings.Contains(out, "named by the charter") {
		t.Errorf("status: %s", out)
	}
	for _, second := range [][]string{{"run", "--data", dir, "--listen", "127.0.0.1:0", "--http", "127.0.0.1:0"}} {
		if _, errs, code := w.run(second...); code != 1 || !strings.Contains(errs, "another process works on this folder") {
			t.Errorf("a second one: %d %s", code, errs)
		}
	}
	p.End(syscall.SIGTERM)
	if _, errs, code := w.run("status", "--data", dir); code != 1 || !strings.Contains(errs, "no hub runs on this folder") {
		t.Errorf("status of none: %d %s", code, errs)
	}
	// It was killed: what is left of it is in nobody's way.
	p = w.startHub(dir)
	p.End(syscall.SIGKILL)
	p = w.startHub(dir)
	status()
	p.End(syscall.SIGTERM)
}

// TestAdmitRefused: what is not this community's is not taken in, and each says why.
func TestAdmitRefused(t *testing.T) {
	t.Parallel()
	w, other := newWorld(t), newWorld(t)
	dir := w.hub()
	stranger := other.node("casa")
	junk := w.path("junk")
	if err := os.WriteFile(junk, []byte("no bundle"), 0o600); err != nil {
		t.Fatal(err)
	}
	own := w.node("casa")
	write(t, own.desk, ledger.NodeLog, &ledger.Bar{Passport: 3, Ends: 1 << 40, Why: "a private matter"})
	for name, c := range map[string]struct {
		file string
		code int
		want string
	}{
		"another community":    {other.export(), 1, "of another community or node than this folder's"},
		"its node":             {other.exportOf(stranger.desk, ledger.DirectoryLog), 1, "of another community or node than this folder's"},
		"no bundle":            {junk, 1, "junk"},
		"no file":              {w.path("nothing"), 1, "no such file"},
		"a folder":             {w.dir, 1, "not a plain file"},
		"a node's own ledgers": {w.exportOf(own.desk, ledger.NodeLog, ledger.DirectoryLog), 0, "left out: it is the node's own"},
	} {
		out, errs, code := w.run("admit", "--data", dir, c.file)
		if code != c.code || !strings.Contains(out+errs, c.want) {
			t.Errorf("%s: %d\n%s%s", name, code, out, errs)
		}
	}
	f := must(folder.Open(dir, false))
	defer f.Close()
	for _, l := range must(f.Store().Ledgers()) {
		if l.Origin.Kind == ledger.NodeLog || l.Origin.Community != must(w.desk.CommunityID()) {
			t.Errorf("%v is held", l.Origin)
		}
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := w.hub()
	for _, c := range []struct {
		args string
		want string
	}{
		{"", "say what"},
		{"runn", "unknown command"},
		{"run --data " + dir + " now", "one argument too many"},
		{"run --data " + dir + " --port 3", "unknown flag"},
		{"run --data " + dir + " --listen 8883", "want ADDRESS:PORT"},
		{"run --data " + dir + " --listen :88830", "want a port"},
		{"run --data " + dir + " --listen :x", "want a port"},
		{"run --data " + dir + " --http localhost", "want ADDRESS:PORT"},
		{"run --data " + dir + " --http hub.example:80", "not a name"},
		{"run --data " + dir + " --http 127.0.0.1:-1", "want a port"},
		{"run --data " + dir + " --grace soon", "invalid argument"},
		{"run --data " + dir + " --database mysql://x/y", "want postgres://"},
		{"run --data " + dir + " --database postgres:", "want postgres://"},
		{"run --data " + dir + " --broker mqtt://x", "want tls://HOST"},
		{"run --data " + dir + " --broker tls://", "want tls://HOST"},
		{"run --data " + dir + " --broker tls://a --broker tls://b --broker tls://c --broker tls://d", "at most 3"},
		{"init --data " + w.path("x"), "FILE is missing"},
		{"init --data " + w.path("x") + " a b", "one argument too many"},
		{"admit --data " + dir, "FILE… is missing"},
		{"backup --data " + dir, "FILE is missing"},
		{"restore --data " + dir, "FILE is missing"},
		{"evaluator", "say what"},
		{"evaluator key --data " + dir, "--number is missing"},
		{"evaluator key --data " + dir + " --number 0 --opens 1 --closes 2 --audit 3", "has a number from 1 on"},
		{"evaluator key --data " + dir + " --number 1 --opens 3 --closes 2 --audit 3", "times that follow each other"},
		{"evaluator key --data " + dir + " --number 1 --opens yesterday --closes 2 --audit 3", "invalid argument"},
		{"evaluator forget --data " + dir + " 12", "64 hexadecimal digits"},
		{"evaluator admit --data " + dir + " --database postgres://x/y f", "unknown flag"},
		{"init --data " + w.path("x") + " --database postgres://x/y f", "unknown flag"},
		{"status --data " + dir + " --database postgres://x/y", "unknown flag"},
		{"status --data " + dir + " now", "one argument too many"},
		{"check --data " + dir + " --listen :1", "unknown flag"},
		{"run --data", "needs an argument"},
		{"keys", `did you mean "evaluator keys"?`},
		{"evaluator rnu", `did you mean "run"?`},
		{"evaluator keys --data " + dir + " --database postgres://x/y", "unknown flag"},
	} {
		if _, errs, code := w.run(strings.Fields(c.args)...); code != 2 || !strings.Contains(errs, c.want) || !strings.Contains(errs, "--help") {
			t.Errorf("%s: %d %s", c.args, code, errs)
		}
	}
}

// TestBadFolder: every command says what the folder lacks.
func TestBadFolder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	hub := w.hub()
	evaluator := w.path("evaluator")
	w.ok("evaluator", "init", "--data", evaluator, w.export())
	open := w.path("open")
	w.ok("init", "--data", open, w.export())
	if err := os.Chmod(filepath.Join(open, "keys", "hub.pem"), 0o644); err != nil {
		t.Fatal(err)
	}
	bad := w.path("bad")
	w.ok("evaluator", "init", "--data", bad, w.export())
	if err := os.WriteFile(filepath.Join(bad, "links.toml"), []byte("[links.a]\nbroker = 3\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	none := w.path("none")
	run := func(dir string) string { return "run --listen 127.0.0.1:0 --http 127.0.0.1:0 --data " + dir }
	for _, c := range []struct{ args, want string }{
		{run(none), "tombolo-hub init"},
		{"status --data " + none, "tombolo-hub init"},
		{"check --data " + none, "tombolo-hub init"},
		{"admit --data " + none + " f", "tombolo-hub init"},
		{"backup --data " + none + " f", "tombolo-hub init"},
		{"evaluator run --data " + none, "tombolo-hub evaluator init"},
		{"evaluator keys --data " + none, "tombolo-hub evaluator init"},
		{run(evaluator), "this is no hub's folder"},
		{"evaluator run --data " + hub, "this is no evaluator's folder"},
		{"evaluator run --data " + evaluator, "there is no " + filepath.Join(evaluator, "links.toml")},
		{"evaluator run --data " + bad, "links.toml"},
		{"evaluator init --data " + hub + " " + w.export(), "use another folder, and another machine"},
		{"init --data " + evaluator + " " + w.export(), "use another folder, and another machine"},
		{run(open), "others may read this private key"},
		{"run --http " + taken(t) + " --listen 127.0.0.1:0 --data " + hub, "address already in use"},
		{"run --http 127.0.0.1:0 --listen " + taken(t) + " --data " + hub, "name another address with --listen"},
		{"init --data " + w.path("x") + " " + w.path("no-file"), "no such file"},
		{"restore --data " + hub + " " + w.export(), "there is something already"},
		{"restore --data " + w.path("new") + " " + w.export(), "not a backup"},
	} {
		if _, errs, code := w.run(strings.Fields(c.args)...); code != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("%s: %d %s", c.args, code, errs)
		}
	}
	if _, err := os.Stat(none); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder was made by a command that should not: %v", err)
	}
}

// TestDatabaseDown: a hub whose database does not answer waits, says so, and is
// healthy but not ready.
func TestDatabaseDown(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := w.hub()
	l := taken(t) // takes connections and says nothing
	p := w.start("the database does not answer", append([]string{"run", "--data", dir, "--database", fmt.Sprintf("postgres://hub:secret-word@%s/hub?sslmode=disable&connect_timeout=1", l)}, freely...)...)
	out := w.ok("status", "--data", dir, "--json")
	var s struct{ State, HTTP, Ledgers_in string }
	if err := json.Unmarshal([]byte(out), &s); err != nil || s.State != "waiting for the database" {
		t.Fatalf("%s: %v", out, err)
	}
	if status, _ := get(t, "http://"+s.HTTP+"/healthz"); status != 200 {
		t.Errorf("healthz: %d", status)
	}
	if status, body := get(t, "http://"+s.HTTP+"/readyz"); status != 503 || !strings.Contains(body, "starting") {
		t.Errorf("readyz: %d %s", status, body)
	}
	p.End(syscall.SIGTERM)
	if strings.Contains(p.Log.String()+out, "secret-word") {
		t.Error("the password is told")
	}
}
