package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/hw/osdp"
)

var (
	wall3 = Place{"wall", 3}
	whole = osdp.Identity{
		Vendor: [3]byte{0x5C, 0x26, 0x23}, Model: 1, Version: 2, Serial: 77, Firmware: [3]byte{1, 4, 9}, UID: [8]byte{1, 2, 3, 4, 5, 6, 7, 8},
		Capabilities: osdp.Capabilities{osdp.FunctionSecureChannel: {Level: 1}, osdp.FunctionSmartCard: {Level: 1}},
	}
	installedAt = time.Date(2026, 11, 21, 3, 0, 0, 0, time.UTC)
)

// reread is what a next process knows.
func reread(t *testing.T, k *osdpKeys) *osdpKeys {
	t.Helper()
	again, err := readOSDPKeys(filepath.Dir(k.path), k.master)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// TestOSDPKeys: wherever a process is killed, the next one has the key that the
// reader holds among those that it tries.
func TestOSDPKeys(t *testing.T) {
	t.Parallel()
	k, err := readOSDPKeys(t.TempDir(), [32]byte{9})
	if err != nil {
		t.Fatal(err)
	}
	var held osdp.Key // by the reader
	holds := func(what string, at int) {
		t.Helper()
		for _, keys := range [][]osdp.Key{k.try(wall3), reread(t, k).try(wall3)} {
			if i := slices.Index(keys, held); i != at {
				t.Errorf("%s: the reader's key is the %dth of %d to try, want %d", what, i, len(keys), at)
			}
		}
	}
	if n := len(k.try(wall3)); n != ahead {
		t.Errorf("%d keys of a reader that has none", n)
	}
	first, err := k.send(wall3, true)
	if err != nil || first.generation != 1 || first.again {
		t.Fatal(first, err)
	}
	held = first.key
	holds("killed after the first key", 0)
	if err := k.took(wall3, first.generation, whole, installedAt); err != nil {
		t.Fatal(err)
	}
	holds("installed", 0)
	if i, ok := reread(t, k).of(wall3); !ok || i.UID != "0102030405060708" || i.Vendor != "5c2623" || i.Firmware != "1.4.9" || i.Serial != 77 || i.Capabilities != whole.Capabilities || !i.At.Equal(installedAt) {
		t.Errorf("kept is %+v", i)
	}

	second, err := k.send(wall3, false)
	if err != nil || second.generation != 2 || second.again || second.key == first.key {
		t.Fatal(second, err)
	}
	holds("a rotation that did not arrive", 0)
	held = second.key
	holds("killed after a rotation", 1)
	if again, err := k.send(wall3, false); err != nil || again.generation != 2 || !again.again || again.key != second.key {
		t.Errorf("a rotation tried again sends %+v, %v", again, err)
	}
	third, err := k.send(wall3, true)
	if err != nil || third.generation != 3 || third.again || third.key == second.key {
		t.Errorf("an installation of perhaps another reader sends generation %d, %v", third.generation, err)
	}
	holds("a rotation and an installation that nobody answered", 2)
	if err := k.unsent(wall3, third.generation); err != nil {
		t.Fatal(err)
	}
	holds("the installation was refused", 1)
	if err := k.took(wall3, 2, whole, installedAt); err != nil {
		t.Fatal(err)
	}
	holds("rotated", 0)
	if n := len(k.try(wall3)); n != 1+ahead {
		t.Errorf("%d keys are tried once it is known which it is", n)
	}

	for range 3 * maxPending {
		s, err := k.send(wall3, true)
		if err != nil {
			t.Fatal(err)
		}
		held = s.key
	}
	if n := len(k.try(wall3)); n != 1+maxPending+ahead {
		t.Errorf("%d keys are tried", n)
	}
	holds("many installations that nobody answered", 1)
}

// TestOSDPKeysFromBackup: a file that is older than the last rotations, or is gone,
// still leads to the reader's key.
func TestOSDPKeysFromBackup(t *testing.T) {
	t.Parallel()
	k, err := readOSDPKeys(t.TempDir(), [32]byte{9})
	if err != nil {
		t.Fatal(err)
	}
	var backup []byte
	var held osdp.Key
	for n := range ahead {
		s, err := k.send(wall3, n == 0)
		if err == nil {
			err = k.took(wall3, s.generation, whole, installedAt)
		}
		if n == 0 && err == nil {
			backup, err = os.ReadFile(k.path)
		}
		if err != nil {
			t.Fatal(err)
		}
		held = s.key
	}
	for what, change := range map[string]func() error{
		"a backup": func() error { return os.WriteFile(k.path, backup, 0o600) },
		"no file":  func() error { return os.Remove(k.path) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(reread(t, k).try(wall3), held) {
			t.Errorf("%s: the reader's key is not tried", what)
		}
	}
}

// TestUntaken: only what is certain has a key forgotten.
func TestUntaken(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err             error
		install, rotate bool
	}{
		{osdp.ErrNotInInstallMode, true, true},
		{osdp.ErrNotRunning, true, true},
		{osdp.ErrUnknownReader, true, true},
		{osdp.ErrKeyNotTaken, false, true},
		{osdp.ErrWindow, false, false},
		{osdp.ErrWrongKey, false, false},
		{osdp.ErrOffline, false, false},
		{fmt.Errorf("%w: %w", osdp.ErrOffline, osdp.ErrDowngrade), false, false},
		{os.ErrDeadlineExceeded, false, false},
	} {
		if i, r := untaken(c.err, true), untaken(c.err, false); i != c.install || r != c.rotate {
			t.Errorf("%v: installing %v, rotating %v", c.err, i, r)
		}
	}
}

// TestExitCounts: nobody is denied the way out because a reader was changed, or is
// being given a key; on the way in nothing counts then.
func TestExitCounts(t *testing.T) {
	t.Parallel()
	for _, exit := range []bool{false, true} {
		for _, r := range []*osdpReader{{other: &otherReader{}}, {aside: true}, {}} {
			r.reader.exit = exit
			if want := exit || r.other == nil && !r.aside; r.counts() != want {
				t.Errorf("exit %v, another %v, aside %v: counts %v", exit, r.other, r.aside, !want)
			}
		}
	}
}

// TestSettled: of what flickers the door log hears of the first and the last.
func TestSettled(t *testing.T) {
	t.Parallel()
	told := make(chan string, 100)
	s := settled{every: 200 * time.Millisecond, tell: func(what string, err error) { told <- what }}
	s.is("", nil) // as it was
	for n := range 1000 {
		s.is([]string{"open", ""}[n%2], nil)
	}
	if first := <-told; first != "open" {
		t.Errorf("told %q first", first)
	}
	if len(told) != 0 {
		t.Errorf("told %d times more at once", len(told))
	}
	if last := <-told; last != "" {
		t.Errorf("told %q last", last)
	}
	s.is("", nil)
	s.is("open", nil)
	s.is("", nil)
	s.is("open", nil)
	time.Sleep(3 * s.every)
	if len(told) != 1 || <-told != "open" {
		t.Error("it stays open, and that is not what was told")
	}
}

// TestOSDPKeysDiffer: no two readers, generations or masters have one key.
func TestOSDPKeysDiffer(t *testing.T) {
	t.Parallel()
	seen := map[osdp.Key]string{}
	for _, master := range [][32]byte{{}, {1}} {
		k := osdpKeys{master: master}
		for _, p := range []Place{{"wall", 3}, {"wall", 4}, {"yard", 3}, {"wall/3", 3}} {
			for g := range uint32(4) {
				what := fmt.Sprint(master[0], p, g)
				if other, ok := seen[k.key(p, g)]; ok {
					t.Errorf("%s and %s have one key", what, other)
				}
				seen[k.key(p, g)] = what
			}
		}
	}
}

// TestOSDPKeysMet: a reader that was given its key by a process that did not live
// to write that down is known once it answers.
func TestOSDPKeysMet(t *testing.T) {
	t.Parallel()
	k, err := readOSDPKeys(t.TempDir(), [32]byte{9})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.send(wall3, true); err != nil {
		t.Fatal(err)
	}
	k = reread(t, k)
	if err := k.met(wall3, whole, installedAt); err != nil {
		t.Fatal(err)
	}
	if i, _ := reread(t, k).of(wall3); i.UID == "" || len(i.Pending) != 1 {
		t.Errorf("%+v", i)
	}
	// A refused first installation leaves nothing.
	other := Place{"wall", 4}
	s, err := k.send(other, true)
	if err = errors.Join(err, k.unsent(other, s.generation), k.unsent(other, s.generation)); err != nil {
		t.Fatal(err)
	}
	if _, ok := reread(t, k).of(other); ok {
		t.Error("a reader that refused its first key is kept")
	}
}

// TestOSDPKeysUnwritten: what cannot be written down is not sent.
func TestOSDPKeysUnwritten(t *testing.T) {
	t.Parallel()
	k, err := readOSDPKeys(t.TempDir(), [32]byte{9})
	if err != nil {
		t.Fatal(err)
	}
	k.path = filepath.Join(k.path, "nowhere", OSDPFile)
	if s, err := k.send(wall3, true); err == nil {
		t.Errorf("sent %v", s)
	}
	if _, ok := k.of(wall3); ok {
		t.Error("it is remembered all the same")
	}
}

const goodOSDPFile = `{
  "format": 1,
  "readers": [
    {
      "bus": "wall",
      "address": 3,
      "generation": 2,
      "pending": [
        3
      ],
      "uid": "0102030405060708",
      "vendor": "5c2623",
      "model": 1,
      "version": 2,
      "serial": 77,
      "firmware": "1.4.9",
      "capabilities": "9:1/0 12:1/0",
      "at": "2026-11-21T03:00:00Z"
    }
  ]
}
`

var malformedOSDPFiles = []struct {
	name, old, new string
	want           error
}{
	{"nothing", goodOSDPFile, "", folder.ErrJSON},
	{"cut", "\n  ]\n}\n", "", folder.ErrJSON},
	{"no line feed", "  ]\n}\n", "  ]\n}", folder.ErrRewrote},
	{"more after it", "  ]\n}\n", "  ]\n}\n{}\n", folder.ErrRewrote},
	{"another format", `"format": 1`, `"format": 2`, errOSDPFormat},
	{"an unknown key", `"model"`, `"key"`, folder.ErrJSON},
	{"a doubled key", `"model": 1,`, "\"model\": 1,\n      \"model\": 1,", folder.ErrRewrote},
	{"an address of all", `"address": 3`, `"address": 127`, errOSDPReader},
	{"an address too large", `"address": 3`, `"address": 256`, folder.ErrJSON},
	{"no bus", `"bus": "wall"`, `"bus": ""`, errOSDPReader},
	{"no generation", "\"generation\": 2,\n      \"pending\": [\n        3\n      ],", `"generation": 0,`, errOSDPReader},
	{"a generation of none", "\n        3\n", "\n        0\n", errOSDPReader},
	{"a negative generation", `"generation": 2`, `"generation": -2`, folder.ErrJSON},
	{"too many pending", "\n        3\n", "\n        3" + strings.Repeat(",\n        3", maxPending) + "\n", errOSDPReader},
	{"a UID too short", "0102030405060708", "01020304050607", errOSDPReader},
	{"a UID too long", "0102030405060708", "010203040506070809", errOSDPReader},
	{"a UID in capitals", "0102030405060708", "0102030405060A0B", errOSDPReader},
	{"a UID that is none", "0102030405060708", "010203040506070g", errOSDPReader},
	{"a capability that is none", "9:1/0", "99:1/0", folder.ErrJSON},
	{"a time that is none", "2026-11-21T03:00:00Z", "yesterday", folder.ErrJSON},
	{"spacing", "  \"format\"", " \"format\"", folder.ErrRewrote},
}

func TestOSDPFileMalformed(t *testing.T) {
	t.Parallel()
	good, err := parseOSDPFile([]byte(goodOSDPFile))
	if err != nil || len(good) != 1 {
		t.Fatal(good, err)
	}
	for _, c := range malformedOSDPFiles {
		if strings.Count(goodOSDPFile, c.old) != 1 {
			t.Fatalf("%s: %q stands %d times", c.name, c.old, strings.Count(goodOSDPFile, c.old))
		}
		if all, err := parseOSDPFile([]byte(strings.Replace(goodOSDPFile, c.old, c.new, 1))); !errors.Is(err, c.want) || all != nil {
			t.Errorf("%s: %v, %v, want %v", c.name, all, err, c.want)
		}
	}
	// Two readers of one place, and two out of order.
	for _, p := range []Place{wall3, {"wall", 2}, {"attic", 9}} {
		second := good[0]
		second.Place = p
		text, err := folder.EncodeJSON(osdpFile{osdpFormat, []Installed{good[0], second}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := parseOSDPFile(text); !errors.Is(err, errOSDPReader) {
			t.Errorf("%v after %v: %v", p, wall3, err)
		}
	}
}

// TestOSDPFileDamaged: what cannot be read is not written over.
func TestOSDPFileDamaged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), OSDPFile)
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	k, err := readOSDPKeys(filepath.Dir(path), [32]byte{9})
	if !errors.Is(err, ErrOSDPFile) || !strings.Contains(err.Error(), path) {
		t.Errorf("%v", err)
	}
	if len(k.try(wall3)) == 0 {
		t.Error("no key to try")
	}
	_, err = k.send(wall3, true)
	if !errors.Is(err, ErrOSDPFile) || !errors.Is(k.met(wall3, whole, installedAt), ErrOSDPFile) {
		t.Errorf("a key was sent: %v", err)
	}
	if b, err := os.ReadFile(path); err != nil || string(b) != "{" {
		t.Errorf("the file is %q now, %v", b, err)
	}
}

// FuzzOSDPFile: what is taken is written again in the same bytes.
func FuzzOSDPFile(f *testing.F) {
	f.Add([]byte(goodOSDPFile))
	for _, c := range malformedOSDPFiles {
		f.Add([]byte(strings.Replace(goodOSDPFile, c.old, c.new, 1)))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := parseOSDPFile(data)
		if err != nil {
			return
		}
		again, err := folder.EncodeJSON(osdpFile{osdpFormat, all})
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%q is written %q, %v", data, again, err)
		}
		for _, i := range all {
			if text, err := json.Marshal(i); err != nil || len(text) > 4*len(data) {
				t.Fatalf("%+v: %v", i, err)
			}
		}
	})
}
