package evaluator

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"tombolo/sync/census"
)

// Errors of keys.
var (
	ErrTerm    = errors.New("an epoch has a number from 1 on, and times that follow each other: opens, closes, audit")
	ErrOver    = errors.New("the audit of that epoch is over, or its key was forgotten: it is not made again")
	ErrTooMany = fmt.Errorf("%d keys wait for their epochs' end already: forget those that no epoch was opened with (`tombolo-hub evaluator forget`)", maxKeys)
	ErrNoKey   = errors.New("no key of this evaluator's")
	ErrKeyOpen = errors.New("others may read this key: chmod 600 it (its folder 700), and think about who did")
	ErrKeyFile = errors.New("not a key's file as it was written; put it back as it was, or forget its epoch (`tombolo-hub evaluator forget`)")
)

// maxKeys bounds the keys that are there at a time: a stolen issuer's key fills no
// disk.
const maxKeys = 256

// Term is what an epoch's key is made for: one key for each. Times are Unix
// seconds, see ledger.EpochOpened.
type Term struct {
	Number               uint64
	Opens, Closes, Audit int64
}

// Check returns [ErrTerm].
func (t Term) Check() error {
	if t.Number == 0 || t.Opens < 0 || t.Closes <= t.Opens || t.Audit <= t.Closes {
		return fmt.Errorf("%w: got epoch %d, %d, %d, %d", ErrTerm, t.Number, t.Opens, t.Closes, t.Audit)
	}
	return nil
}

// name is the term's in the names of files.
func (t Term) name() string { return fmt.Sprintf("%d-%d-%d-%d", t.Number, t.Opens, t.Closes, t.Audit) }

func parseTerm(s string) (t Term, ok bool) {
	parts := strings.Split(s, "-")
	if len(parts) != 4 || len(s) > 100 {
		return t, false
	}
	var err error
	if t.Number, err = strconv.ParseUint(parts[0], 10, 64); err != nil {
		return t, false
	}
	for i, to := range []*int64{&t.Opens, &t.Closes, &t.Audit} {
		if *to, err = strconv.ParseInt(parts[i+1], 10, 64); err != nil {
			return t, false
		}
	}
	return t, t.name() == s && t.Check() == nil
}

// Held is a key that is there, or was.
type Held struct {
	Term
	Public census.PublicKey
	Gone   bool // a tombstone stands in its place

	half bool // what was to go is still there
}

const (
	keysFolder = "keys"
	lockFile   = ".lock"
	keySuffix  = ".key"
	goneSuffix = ".gone"
	keyTitle   = "tombolo evaluator key 1"
	goneTitle  = "tombolo evaluator tombstone 1"
	maxKeyFile = 512 // bytes
)

// keys is the folder of keys. The files are the truth, as another process may make
// and forget keys; what was read of them is kept only as long as they are there.
type keys struct {
	dir string

	mu   sync.Mutex
	read map[census.PublicKey]keyOf // under mu
}

type keyOf struct {
	Term
	key census.Key
}

func openKeys(dir string) (*keys, error) {
	k := &keys{dir: filepath.Join(dir, keysFolder), read: map[census.PublicKey]keyOf{}}
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return nil, err
	}
	if err := private(k.dir); err != nil {
		return nil, err
	}
	if err := k.tidy(); err != nil {
		return nil, err
	}
	_, err := k.list()
	return k, err
}

// private returns ErrKeyOpen for what others can read.
func private(path string) error {
	info, err := os.Stat(path)
	if err == nil && info.Mode().Perm()&0o077 != 0 {
		err = fmt.Errorf("%s: %w", path, ErrKeyOpen)
	}
	return err
}

// lock is held while keys are made or forgotten, over all processes.
func (k *keys) lock() (unlock func() error, err error) {
	f, err := os.OpenFile(filepath.Join(k.dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f.Close, nil
}

// tidy removes what a crash left of keys that nobody was offered.
func (k *keys) tidy() error {
	unlock, err := k.lock()
	if err != nil {
		return err
	}
	all, err := os.ReadDir(k.dir)
	for _, f := range all {
		if err == nil && strings.HasPrefix(f.Name(), tempPrefix) {
			err = erase(filepath.Join(k.dir, f.Name()))
		}
	}
	return errors.Join(err, unlock())
}

// list reads the folder: keys and tombstones, by name.
func (k *keys) list() ([]Held, error) {
	all, err := os.ReadDir(k.dir)
	if err != nil {
		return nil, err
	}
	found := map[Term]*Held{}
	var order []Term
	for _, f := range all {
		name, suffix := f.Name(), keySuffix
		if strings.HasPrefix(name, ".") {
			continue
		}
		if strings.HasSuffix(name, goneSuffix) {
			suffix = goneSuffix
		}
		path := filepath.Join(k.dir, name)
		base, is := strings.CutSuffix(name, suffix)
		t, ok := parseTerm(base)
		if !is || !ok {
			return nil, fmt.Errorf("%s: %w", path, ErrKeyFile)
		}
		if there := found[t]; there != nil { // "gone" comes before "key" in the folder's order
			there.half = true
			continue
		}
		h := Held{Term: t, Gone: suffix == goneSuffix}
		if h.Public, _, err = readFile(path, h.Gone); errors.Is(err, fs.ErrNotExist) {
			continue // forgotten just now
		}
		if err != nil {
			return nil, err
		}
		found[t], order = &h, append(order, t)
	}
	var out []Held
	for _, t := range order {
		out = append(out, *found[t])
	}
	return out, nil
}

// readFile reads a key's file, or a tombstone, which has no secret.
func readFile(path string, gone bool) (pk census.PublicKey, key census.Key, err error) {
	if err := private(path); err != nil {
		return pk, key, err
	}
	f, err := os.Open(path)
	if err != nil {
		return pk, key, err
	}
	defer f.Close()
	text := make([]byte, maxKeyFile+1)
	n, err := f.Read(text)
	if err != nil {
		return pk, key, fmt.Errorf("%s: %w", path, ErrKeyFile)
	}
	if pk, key, err = parseFile(text[:n], gone); err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return pk, key, err
}

// keyText is a key's file.
func keyText(key census.Key) []byte {
	pk := key.Public()
	return fmt.Appendf(nil, "%s\npublic %x\nsecret %x\n", keyTitle, pk[:], key.Marshal())
}

// goneText is a tombstone.
func goneText(pk census.PublicKey) []byte {
	return fmt.Appendf(nil, "%s\npublic %x\n", goneTitle, pk[:])
}

// parseFile reads what keyText or goneText wrote, and only those bytes. No error
// quotes them.
func parseFile(text []byte, gone bool) (pk census.PublicKey, key census.Key, err error) {
	lines := strings.Split(string(text), "\n")
	want := 4
	if gone {
		want = 3
	}
	if len(text) > maxKeyFile || len(lines) != want || !fill(pk[:], lines[1], "public ") {
		return pk, key, ErrKeyFile
	}
	if gone {
		if !bytes.Equal(goneText(pk), text) {
			return pk, key, ErrKeyFile
		}
		return pk, key, nil
	}
	var secret [32]byte
	if !fill(secret[:], lines[2], "secret ") {
		return pk, key, ErrKeyFile
	}
	if key, err = census.ParseKey(secret[:]); err != nil || key.Public() != pk || !bytes.Equal(keyText(key), text) {
		return pk, census.Key{}, ErrKeyFile
	}
	return pk, key, nil
}

func fill(dst []byte, line, label string) bool {
	digits, ok := strings.CutPrefix(line, label)
	if !ok || len(digits) != hex.EncodedLen(len(dst)) {
		return false
	}
	_, err := hex.Decode(dst, []byte(digits))
	return err == nil
}

// make is a term's key, made if there is none. It returns ErrOver, ErrTooMany.
func (k *keys) make(t Term) (pk census.PublicKey, err error) {
	if err := t.Check(); err != nil {
		return pk, err
	}
	unlock, err := k.lock()
	if err != nil {
		return pk, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	all, err := k.list()
	if err != nil {
		return pk, err
	}
	live := 0
	for _, h := range all {
		switch {
		case h.Term == t && h.Gone:
			return pk, ErrOver
		case h.Term == t:
			return h.Public, nil
		case !h.Gone:
			live++
		}
	}
	if live >= maxKeys {
		return pk, ErrTooMany
	}
	key, err := census.NewKey(rand.Reader)
	if err != nil {
		return pk, err
	}
	return key.Public(), writeFile(filepath.Join(k.dir, t.name()+keySuffix), keyText(key))
}

// find is the key of which this is the public half: ErrOver, ErrNoKey.
func (k *keys) find(pk census.PublicKey) (keyOf, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if known, ok := k.read[pk]; ok {
		if _, err := os.Stat(filepath.Join(k.dir, known.name()+keySuffix)); err == nil {
			_, err = os.Stat(filepath.Join(k.dir, known.name()+goneSuffix))
			if errors.Is(err, fs.ErrNotExist) {
				return known, nil
			}
		}
		delete(k.read, pk)
	}
	all, err := k.list()
	if err != nil {
		return keyOf{}, err
	}
	for _, h := range all {
		if h.Public != pk {
			continue
		}
		if h.Gone {
			return keyOf{h.Term, census.Key{}}, ErrOver
		}
		_, key, err := readFile(filepath.Join(k.dir, h.name()+keySuffix), false)
		if err == nil {
			k.read[pk] = keyOf{h.Term, key}
		}
		return k.read[pk], err
	}
	return keyOf{}, ErrNoKey
}

// forget sets the tombstone and destroys the key; what a crash left of that it
// finishes.
func (k *keys) forget(t Term, pk census.PublicKey) (err error) {
	unlock, err := k.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	k.mu.Lock()
	delete(k.read, pk)
	k.mu.Unlock()
	if err := writeFile(filepath.Join(k.dir, t.name()+goneSuffix), goneText(pk)); err != nil {
		return err
	}
	return erase(filepath.Join(k.dir, t.name()+keySuffix))
}
