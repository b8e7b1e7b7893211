package folder

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	missing := filepath.Join(dir, "missing")
	if _, err := Open(missing, false); !errors.Is(err, ErrNoFolder) {
		t.Errorf("missing: %v", err)
	}
	if _, err := os.Stat(missing); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a refused folder was made: %v", err)
	}
	if _, err := Open(dir, false); !errors.Is(err, ErrNoFolder) {
		t.Errorf("empty: %v", err)
	}
	plain := filepath.Join(dir, "file")
	if err := os.WriteFile(plain, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(plain, true); err == nil {
		t.Error("a file was opened as a folder")
	}
	f := open(t, missing)
	for _, name := range []string{"", ledgersFile} {
		info, err := os.Stat(file(t, f, name))
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%q: %v, %v", name, info.Mode(), err)
		}
	}
	if _, err := f.Community(); !errors.Is(err, ErrUnpinned) {
		t.Errorf("community: %v", err)
	}
	if _, err := f.Node(); !errors.Is(err, ErrNoNode) {
		t.Errorf("node: %v", err)
	}
	for _, kind := range everything {
		if _, err := f.Author(kind); !errors.Is(err, ErrUnpinned) {
			t.Errorf("author of %s: %v", kind, err)
		}
	}
}

func TestFoundOnce(t *testing.T) {
	t.Parallel()
	a, b := found(t, "isla"), found(t, "otra")
	chain, err := b.Community()
	if err != nil {
		t.Fatal(err)
	}
	_, foreign := chain.Version(1)
	if _, err := a.Found(foreign); !errors.Is(err, ErrPinned) {
		t.Errorf("a second community: %v", err)
	}
	_, own := must(a.Community()).Version(1)
	if _, err := a.Found(own); err != nil {
		t.Errorf("the same again: %v", err)
	}
	_, node := must(b.Node()).Version(1)
	if _, err := a.Found(node); err == nil || errors.Is(err, ErrPinned) {
		t.Errorf("a node of another community: %v", err)
	}
	got, err := a.Registries()
	if want := (passport.Domain{ChainID: 1, Registry: [20]byte{1}}); err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("registries %v, %v", got, err)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func TestAuthorsRights(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	write(t, f, ledger.CommunityLog, admit(1))
	if _, err := f.Author(ledger.DoorLog); !errors.Is(err, ErrNoKey) {
		t.Errorf("door log without a gateway's key: %v", err)
	}
	// Another key in the issuer's place is not named by the charter.
	path := file(t, f, "keys/issuer.pem")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Author(ledger.CommunityLog); !errors.Is(err, ErrNoKey) {
		t.Errorf("without a key: %v", err)
	}
	if err := f.NewKey(IssuerKey); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Author(ledger.CommunityLog); !errors.Is(err, ErrNotAuthor) {
		t.Errorf("with another key: %v", err)
	}
}

func TestReadable(t *testing.T) {
	t.Parallel()
	f := found(t, "isla")
	g := gateway(t, f, "gw1")
	write(t, g, ledger.DoorLog, &ledger.Boot{Software: "old", Kinds: []ledger.Kind{ledger.KindBegin, ledger.KindAdmit}, Clock: "known"})
	var later []ledger.Body
	for range 3 * ledger.ChunkSize {
		later = append(later, &ledger.DoorState{Door: "front", State: "locked"})
	}
	write(t, g, ledger.DoorLog, later...)
	if err := f.Readable(ledger.KindExpel); err != nil {
		t.Errorf("nothing is known of the gateway: %v", err)
	}
	carry(t, g, f, ledger.DoorLog)
	if err := f.Readable(ledger.KindAdmit); err != nil {
		t.Error(err)
	}
	if err := f.Readable(ledger.KindExpel); !errors.Is(err, ErrOldGateway) || !strings.Contains(err.Error(), `"gw1"`) {
		t.Errorf("an old gateway: %v", err)
	}
	write(t, g, ledger.DoorLog, &ledger.Boot{Software: "new", Kinds: ledger.KnownKinds(), Clock: "known"})
	carry(t, g, f, ledger.DoorLog)
	if err := f.Readable(ledger.KindExpel); err != nil {
		t.Error(err)
	}
}

func TestWriteFileReplacesWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "x")
	if err := WriteFile(path, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	failed := errors.New("the stick was pulled")
	err := WriteTo(path, 0o600, func(w io.Writer) error {
		if _, err := w.Write([]byte("tw")); err != nil {
			return err
		}
		return failed
	})
	if !errors.Is(err, failed) {
		t.Errorf("got %v", err)
	}
	if b, err := ReadFile(path, 3); err != nil || string(b) != "one" {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := ReadFile(path, 2); err == nil {
		t.Error("a file beyond the limit was read")
	}
	if left := must(os.ReadDir(dir)); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}
