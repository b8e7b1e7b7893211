package main_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

// TestBackup: a backup of a hub that runs restores to a folder whose ledgers
// verify, and whose census ledger begins anew.
func TestBackup(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := w.hub()
	f := must(folder.Open(dir, false))
	defer f.Close()
	closed := func(i byte) *ledger.EpochClosed {
		return &ledger.EpochClosed{Epoch: ledger.EpochID{i}, Size: 20, Root: [32]byte{1}, Rules: 1, Reports: 1, Covers: [32]byte{2}}
	}
	write(t, f, ledger.CensusLog, closed(1))
	p := w.startHub(dir)
	file := w.path("hub.backup")
	w.ok("backup", "--data", dir, file)
	if info := must(os.Stat(file)); info.Mode().Perm() != 0o600 {
		t.Errorf("others may read it: %v", info.Mode())
	}
	if _, errs, code := w.run("backup", "--data", dir, file); code != 1 || !strings.Contains(errs, "is there already") {
		t.Errorf("over another: %d %s", code, errs)
	}
	p.End(syscall.SIGTERM)
	write(t, f, ledger.CensusLog, closed(2)) // which the backup does not have

	again := w.path("again")
	w.ok("restore", "--data", again, file)
	g := must(folder.Open(again, false))
	defer g.Close()
	before, after := must(f.Public(folder.HubKey)), must(g.Public(folder.HubKey))
	if before != after || must(f.CommunityID()) != must(g.CommunityID()) {
		t.Error("it is another hub")
	}
	a := must(g.Author(ledger.CensusLog))
	if a.Head().Size != 0 {
		t.Errorf("the census ledger goes on at %d: its author signed more than the backup has", a.Head().Size)
	}
	write(t, g, ledger.CensusLog, closed(3))
	census := 0
	for _, l := range must(g.Store().Ledgers()) {
		if l.Origin.Kind == ledger.CensusLog {
			census++
		}
	}
	if census != 2 {
		t.Errorf("%d census ledgers", census)
	}
	p = w.startHub(again)
	p.End(syscall.SIGTERM)
}

// TestRestoreMalformed: what is no backup leaves nothing behind.
func TestRestoreMalformed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir := w.hub()
	file := w.path("hub.backup")
	w.ok("backup", "--data", dir, file)
	whole := must(os.ReadFile(file))
	type entry struct {
		tar.Header
		body []byte
	}
	var all []entry
	for r := tar.NewReader(bytes.NewReader(whole)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry{*h, must(io.ReadAll(r))})
	}
	written := func(change func([]entry) []entry) []byte {
		var b bytes.Buffer
		tw := tar.NewWriter(&b)
		for _, e := range change(append([]entry(nil), all...)) {
			e.Header.Size = int64(len(e.body))
			if e.Header.Typeflag == tar.TypeSymlink {
				e.Header.Size = 0
			}
			if err := tw.WriteHeader(&e.Header); err != nil {
				t.Fatal(err)
			}
			if e.Header.Size > 0 {
				must(tw.Write(e.body))
			}
		}
		if err := tw.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	last := len(all) - 1
	target := w.path("new")
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":         {nil, "not a backup"},
		"no archive":      {[]byte(strings.Repeat("backup ", 1000)), "not a backup"},
		"cut":             {whole[:len(whole)/2], "not a backup"},
		"cut in its head": {whole[:700], "not a backup"},
		"another version": {written(func(e []entry) []entry { e[0].Name = "tombolo-hub-backup-v2"; return e }), "not a backup"},
		"without a title": {written(func(e []entry) []entry { return e[1:] }), "not a backup"},
		"a key missing":   {written(func(e []entry) []entry { return append(e[:2:2], e[3:]...) }), "not a backup"},
		"keys in another order": {written(func(e []entry) []entry {
			e[1], e[2] = e[2], e[1]
			return e
		}), "not a backup"},
		"a path outside": {written(func(e []entry) []entry { e[1].Name = "../keys/hub.pem"; return e }), "not a backup"},
		"a link":         {written(func(e []entry) []entry { e[1].Typeflag, e[1].Linkname = tar.TypeSymlink, "/etc/passwd"; return e }), "not a backup"},
		"a large key":    {written(func(e []entry) []entry { e[1].body = make([]byte, 5000); return e }), "not a backup"},
		"no key":         {written(func(e []entry) []entry { e[1].body = []byte("-----BEGIN"); return e }), "PRIVATE KEY"},
		"more behind it": {written(func(e []entry) []entry { return append(e, e[0]) }), "not a backup"},
		"no ledgers":     {written(func(e []entry) []entry { return e[:last] }), "not a backup"},
		"no database":    {written(func(e []entry) []entry { e[last].body = []byte(strings.Repeat("no database ", 1000)); return e }), "hub.bad"},
	} {
		bad := w.path("hub.bad")
		if err := os.WriteFile(bad, c.data, 0o600); err != nil {
			t.Fatal(err)
		}
		_, errs, code := w.run("restore", "--data", target, bad)
		if code != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("%s: %d %s", name, code, errs)
		}
		if left := must(filepath.Glob(filepath.Join(target, "*"))); len(left) > 0 {
			t.Fatalf("%s: it leaves %v", name, left)
		}
	}
	w.ok("restore", "--data", target, file)
}
