package folder

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestOSDPKey is made once, stays, and is nobody else's to read.
func TestOSDPKey(t *testing.T) {
	t.Parallel()
	f := must(Open(t.TempDir(), true))
	defer f.Close()
	if _, err := f.OSDPKey(); !errors.Is(err, ErrNoKey) {
		t.Errorf("before it is made: %v", err)
	}
	key := must(f.EnsureOSDPKey())
	if key == [32]byte{} {
		t.Error("the key is zero")
	}
	if again := must(f.EnsureOSDPKey()); again != key {
		t.Error("it is made twice")
	}
	if again := must(f.OSDPKey()); again != key {
		t.Error("another key is read")
	}
	path := filepath.Join(f.Dir(), OSDPKeyFile)
	good := must(os.ReadFile(path))
	if info := must(os.Stat(path)); info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	if err := os.Chmod(path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := f.EnsureOSDPKey(); !errors.Is(err, ErrKeyOpen) {
		t.Errorf("readable by others: %v", err)
	}
	if err := os.Chmod(path, 0o600); err != nil {
		t.Fatal(err)
	}
	text := strings.TrimSpace(string(good))
	for name, bad := range map[string]string{
		"empty":             "",
		"a line feed":       "\n",
		"no line feed":      text,
		"CRLF":              text + "\r\n",
		"two line feeds":    text + "\n\n",
		"a digit short":     text[1:] + "\n",
		"a byte short":      text[2:] + "\n",
		"a digit long":      text + "0\n",
		"a byte long":       text + "00\n",
		"capitals":          "AB" + text[2:] + "\n",
		"no digit":          "g" + text[1:] + "\n",
		"a space before":    " " + text + "\n",
		"binary":            string(key[:]),
		"a PEM block":       "-----BEGIN PRIVATE KEY-----\n",
		"a key in two rows": text[:32] + "\n" + text[32:] + "\n",
	} {
		if err := os.WriteFile(path, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.EnsureOSDPKey(); !errors.Is(err, ErrOSDPKey) || len(text) > 8 && strings.Contains(err.Error(), text[8:20]) {
			t.Errorf("%s: %v", name, err)
		}
		if b := must(os.ReadFile(path)); !bytes.Equal(b, []byte(bad)) {
			t.Errorf("%s was replaced", name)
		}
	}
}
