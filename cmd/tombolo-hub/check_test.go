package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

// TestCheck: each thing that can be wrong with a hub's folder is found, alone, and
// its remedy is named.
func TestCheck(t *testing.T) {
	t.Parallel()
	type finding struct{ Level, Part, What string }
	check := func(w *world, dir string) (all []finding, code int) {
		t.Helper()
		out, errs, code := w.run("check", "--data", dir, "--json")
		for d := json.NewDecoder(strings.NewReader(out)); d.More(); {
			var f finding
			if err := d.Decode(&f); err != nil {
				t.Fatalf("%v: %s%s", err, out, errs)
			}
			all = append(all, f)
		}
		return all, code
	}
	w := newWorld(t)
	good := w.hub()
	all, code := check(w, good)
	if code != 0 || slices.ContainsFunc(all, func(f finding) bool { return f.Level == "fault" }) {
		t.Fatalf("of a good folder: %d, %v", code, all)
	}
	for _, part := range []string{"ledgers", "charter", "evaluator", "nodes"} {
		if !slices.ContainsFunc(all, func(f finding) bool { return f.Part == part }) {
			t.Errorf("nothing is said of %s: %v", part, all)
		}
	}
	put := func(dir, name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		harm       func(w *world, dir string)
		part, want string
	}{
		"a key is missing": {func(_ *world, dir string) {
			if err := os.Remove(filepath.Join(dir, "keys", "hub-hold.pem")); err != nil {
				t.Fatal(err)
			}
		}, "keys", "hub-hold.pem"},
		"a key that others read": {func(_ *world, dir string) {
			if err := os.Chmod(filepath.Join(dir, "keys", "hub.pem"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, "keys", "others may read this private key"},
		"an evaluator's folder": {func(_ *world, dir string) { put(dir, "keys/evaluator.pem", "key") }, "keys", "name that of the hub with --data"},
		"a key that is none":    {func(_ *world, dir string) { put(dir, "keys/hub-witness.pem", "junk") }, "keys", "hub-witness.pem"},
		"links that are none":   {func(_ *world, dir string) { put(dir, "links.toml", "[links.a]\nbroker = 3\n") }, "links", "links.toml"},
		"a link of a node":      {func(_ *world, dir string) { put(dir, "links.toml", "[links.a]\nbroker = \"tls://x\"\nown = true\n") }, "links", "take `own = true` out"},
		"links to nobody":       {func(_ *world, dir string) { put(dir, "links.toml", "# none\n") }, "links", "names no broker"},
		"a link without authority": {func(_ *world, dir string) {
			put(dir, "links.toml", "[links.a]\nbroker = \"tls://x\"\nca = \"ca.pem\"\ncert = \"hub.pem\"\n")
		}, "links/a", "ca.pem"},
		"a ledger of the future": {func(w *world, dir string) {
			f := must(folder.Open(dir, false))
			defer f.Close()
			w.desk.Now = func() time.Time { return time.Now().Add(48 * time.Hour) }
			write(w.t, w.desk, ledger.CommunityLog, &ledger.Suspend{Passport: 7, Why: "moved"})
			must(f.Import(must(os.Open(w.export())), nil, nil))
		}, "clock", "set it (NTP)"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			dir := w.hub()
			c.harm(w, dir)
			all, code := check(w, dir)
			var faults []finding
			for _, f := range all {
				if f.Level == "fault" {
					faults = append(faults, f)
				}
			}
			if code != 1 || len(faults) != 1 || faults[0].Part != c.part || !strings.Contains(faults[0].What, c.want) {
				t.Errorf("%d, %v", code, faults)
			}
		})
	}
	t.Run("a charter with half of its keys", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		dir := w.path("hub")
		w.ok("init", "--data", dir, w.export())
		s := must(folder.ParseService(must(os.ReadFile(filepath.Join(dir, folder.ServiceFile(ledger.Hub))))))
		next := must(w.desk.Community()).Next()
		next.Authors = append(next.Authors, ledger.Author{Role: ledger.Hub, Key: s.Keys[ledger.Hub]})
		slices.SortFunc(next.Authors, func(a, b ledger.Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
		if _, _, err := w.desk.Store().AddCharter(ledger.SignCharter(must(next.Marshal()), must(w.desk.Key(folder.CharterKey)))); err != nil {
			t.Fatal(err)
		}
		w.ok("admit", "--data", dir, w.export())
		if out, _, code := w.run("check", "--data", dir); code != 1 || !strings.Contains(out, "but not the keys that it acknowledges and witnesses with") {
			t.Errorf("%d, %s", code, out)
		}
	})
}
