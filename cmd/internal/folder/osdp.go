package folder

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// OSDPKeyFile holds a gateway's master key for OSDP readers, in its folder: 32
// bytes as 64 lower-case hexadecimal digits and a line feed, mode 0600.
const OSDPKeyFile = "keys/osdp.key"

// ErrOSDPKey says that the file of the master key is none.
var ErrOSDPKey = errors.New("not 64 lower-case hexadecimal digits in one line: put the backup of this file in its place, or remove it and install every OSDP reader again")

// OSDPKey is the master key that the keys of this gateway's OSDP readers are
// derived from (osdp.DeriveKey), or [ErrNoKey]. A master that is lost means that
// every reader has to be installed again.
func (f *Folder) OSDPKey() (key [32]byte, err error) {
	path := filepath.Join(f.dir, filepath.FromSlash(OSDPKeyFile))
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return key, fmt.Errorf("%w: no %s", ErrNoKey, path)
	}
	if err != nil {
		return key, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return key, fmt.Errorf("%s: %w", path, ErrKeyOpen)
	}
	text, err := ReadFile(path, maxKeyFile)
	if err != nil {
		return key, err
	}
	if n, bad := hex.Decode(key[:], text[:min(len(text), 2*len(key))]); bad != nil || n != len(key) || !bytes.Equal(osdpKeyText(key), text) {
		return [32]byte{}, fmt.Errorf("%s: %w", path, ErrOSDPKey) // no error quotes the key
	}
	return key, nil
}

// EnsureOSDPKey is OSDPKey, made if it is missing.
func (f *Folder) EnsureOSDPKey() (key [32]byte, err error) {
	if key, err = f.OSDPKey(); !errors.Is(err, ErrNoKey) {
		return key, err
	}
	path := filepath.Join(f.dir, filepath.FromSlash(OSDPKeyFile))
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return key, err
	}
	_, _ = rand.Read(key[:]) // never fails (crypto/rand)
	return key, WriteFile(path, osdpKeyText(key), 0o600)
}

func osdpKeyText(key [32]byte) []byte { return append(hex.AppendEncode(nil, key[:]), '\n') }
