package gateway

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/hw/osdp"
)

const (
	// OSDPFile says, in the gateway's folder, which readers were given a key.
	OSDPFile = "osdp.json"

	osdpFormat = 1
	maxOSDP    = 1 << 20
	// maxPending bounds how many keys may be out without anybody knowing whether
	// the reader took them.
	maxPending = 8
	// ahead is how many keys are tried that the file knows nothing of yet: one
	// that was put back from a backup is older than its readers' keys.
	ahead = 3
)

// Place is where an OSDP reader is.
type Place struct {
	Bus     string `json:"bus"`
	Address byte   `json:"address"`
}

func (p Place) String() string { return fmt.Sprintf("%s/%d", p.Bus, p.Address) }

// unit is what DeriveKey takes for a reader's name. A key has to be chosen
// before it is known which reader takes it, so it is the place's: no two
// generations of a place are one key, whichever readers were there.
func (p Place) unit() [8]byte {
	sum := sha256.Sum256([]byte("tombolo/v1/osdp-place\n" + p.String()))
	return [8]byte(sum[:])
}

// Installed is what is known of a reader that was given a key. The file that it
// stands in is this gateway's own; another form is another Format.
type Installed struct {
	Place
	Generation   uint32            `json:"generation"`        // of its key; 0 if none is known to have been taken
	Pending      []uint32          `json:"pending,omitempty"` // keys that were sent, newest first, and may have been taken since
	UID          string            `json:"uid"`               // which reader it is: 16 hexadecimal digits, "" as long as none was heard
	Vendor       string            `json:"vendor"`            // IEEE OUI, 6 hexadecimal digits
	Model        byte              `json:"model"`
	Version      byte              `json:"version"`
	Serial       uint32            `json:"serial"`
	Firmware     string            `json:"firmware"`     // as in "1.2.3"
	Capabilities osdp.Capabilities `json:"capabilities"` // pinned: less is refused
	At           time.Time         `json:"at"`           // it was given the key
}

// is takes what a reader said of itself.
func (i *Installed) is(id osdp.Identity, at time.Time) {
	i.UID, i.Vendor = hex.EncodeToString(id.UID[:]), hex.EncodeToString(id.Vendor[:])
	i.Model, i.Version, i.Serial = id.Model, id.Version, id.Serial
	i.Firmware = fmt.Sprintf("%d.%d.%d", id.Firmware[0], id.Firmware[1], id.Firmware[2])
	i.Capabilities, i.At = id.Capabilities, at.UTC().Truncate(time.Second)
}

type osdpFile struct {
	Format  int         `json:"format"`
	Readers []Installed `json:"readers"`
}

// ErrOSDPFile says that OSDPFile is not as it was written.
var ErrOSDPFile = errors.New("put the backup of this file in its place, or remove it and install every OSDP reader again")

// osdpKeys are the keys of the OSDP readers of a gateway. Its methods may be
// called from any goroutine.
type osdpKeys struct {
	path   string
	master [32]byte

	mu      sync.Mutex
	damaged error // the file cannot be read: nothing is written over it
	readers map[Place]Installed
}

// readOSDPKeys reads what is known of a folder's readers. Keys are given beside
// ErrOSDPFile, too: those of readers that were never given one.
func readOSDPKeys(dir string, master [32]byte) (*osdpKeys, error) {
	k := &osdpKeys{path: filepath.Join(dir, OSDPFile), master: master, readers: map[Place]Installed{}}
	all, err := ReadInstalled(dir)
	for _, i := range all {
		k.readers[i.Place] = i
	}
	k.damaged = err
	return k, err
}

// ReadInstalled is what a gateway's folder knows of its OSDP readers, by bus and
// address; nothing if none was ever installed. What is no such file is
// ErrOSDPFile.
func ReadInstalled(dir string) ([]Installed, error) {
	path := filepath.Join(dir, OSDPFile)
	data, err := folder.ReadFile(path, maxOSDP)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	all, err := parseOSDPFile(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", path, err, ErrOSDPFile)
	}
	return all, nil
}

// What parseOSDPFile refuses beside what folder.DecodeJSON does.
var (
	errOSDPFormat = errors.New("the file has another format")
	errOSDPReader = errors.New("a reader in it cannot be")
)

func parseOSDPFile(data []byte) ([]Installed, error) {
	var file osdpFile
	if err := folder.DecodeJSON(data, &file); err != nil {
		return nil, err
	}
	if file.Format != osdpFormat {
		return nil, fmt.Errorf("%w: it has %d, and this software reads %d", errOSDPFormat, file.Format, osdpFormat)
	}
	for n, i := range file.Readers {
		uid, bad := hex.DecodeString(i.UID)
		switch {
		case n > 0 && comparePlaces(file.Readers[n-1].Place, i.Place) >= 0:
			return nil, fmt.Errorf("%w: %v stands out of order", errOSDPReader, i.Place)
		case i.Address > 126 || i.Bus == "":
			return nil, fmt.Errorf("%w: there is no place %v", errOSDPReader, i.Place)
		case bad != nil || len(uid) != 0 && len(uid) != 8 || i.UID != strings.ToLower(i.UID):
			return nil, fmt.Errorf("%w: the UID of %v is not 16 hexadecimal digits", errOSDPReader, i.Place)
		case len(i.Pending) > maxPending || slices.Contains(i.Pending, 0) || i.Generation == 0 && len(i.Pending) == 0:
			return nil, fmt.Errorf("%w: the generations of %v", errOSDPReader, i.Place)
		}
	}
	return file.Readers, nil
}

func comparePlaces(a, b Place) int {
	return cmp.Or(cmp.Compare(a.Bus, b.Bus), cmp.Compare(a.Address, b.Address))
}

// of is what is known of a reader; ok is false if it was never given a key.
func (k *osdpKeys) of(p Place) (_ Installed, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	i, ok := k.readers[p]
	return i, ok
}

// try lists the keys that a reader may have, the likeliest first. One that was
// never given any has none of ours.
func (k *osdpKeys) try(p Place) (keys []osdp.Key) {
	i, _ := k.of(p)
	if i.Generation > 0 {
		keys = append(keys, k.key(p, i.Generation))
	}
	for _, g := range i.Pending {
		keys = append(keys, k.key(p, g))
	}
	for n := range uint32(ahead) {
		keys = append(keys, k.key(p, i.next()+n))
	}
	return keys
}

// next is the generation of the key that the reader is to be sent next.
func (i *Installed) next() uint32 {
	return max(i.Generation, slices.Max(append(i.Pending, 0))) + 1
}

func (k *osdpKeys) key(p Place, generation uint32) osdp.Key {
	return osdp.DeriveKey(k.master, p.unit(), generation)
}

// sending is a key that a reader is about to be sent.
type sending struct {
	key        osdp.Key
	generation uint32
	again      bool // it was sent before: the reader may have it whatever it says now
}

// send notes, durably, that a reader is about to be sent a new key, and gives it.
// Without fresh it is one that was sent before, if nobody knows whether the
// reader took it: it is the same reader, which is asked again.
func (k *osdpKeys) send(p Place, fresh bool) (sending, error) {
	i, _ := k.of(p)
	if !fresh && len(i.Pending) > 0 {
		return sending{k.key(p, i.Pending[0]), i.Pending[0], true}, nil
	}
	i.Place = p
	next := i.next()
	i.Pending = append([]uint32{next}, i.Pending[:min(len(i.Pending), maxPending-1)]...)
	return sending{k.key(p, next), next, false}, k.put(i)
}

// took notes that a reader has the key of a generation.
func (k *osdpKeys) took(p Place, generation uint32, id osdp.Identity, at time.Time) error {
	i, _ := k.of(p)
	i.Generation, i.Pending = generation, nil
	i.is(id, at)
	return k.put(i)
}

// unsent notes that a key was not taken after all: nobody has it.
func (k *osdpKeys) unsent(p Place, generation uint32) error {
	i, ok := k.of(p)
	i.Pending = slices.DeleteFunc(slices.Clone(i.Pending), func(g uint32) bool { return g == generation })
	switch {
	case !ok:
		return nil
	case i.Generation == 0 && len(i.Pending) == 0:
		return k.forget(p)
	}
	return k.put(i)
}

// met notes which reader answered to a key that was sent to it, of which nobody
// knew until now whether it was taken.
func (k *osdpKeys) met(p Place, id osdp.Identity, at time.Time) error {
	i, ok := k.of(p)
	if !ok {
		i = Installed{Place: p, Generation: 1}
	}
	i.is(id, at)
	return k.put(i)
}

func (k *osdpKeys) put(i Installed) error {
	return k.change(func(all map[Place]Installed) { all[i.Place] = i })
}

func (k *osdpKeys) forget(p Place) error {
	return k.change(func(all map[Place]Installed) { delete(all, p) })
}

// change changes the file first, and then what is known here.
func (k *osdpKeys) change(how func(map[Place]Installed)) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.damaged != nil {
		return k.damaged
	}
	changed := maps.Clone(k.readers)
	how(changed)
	file := osdpFile{Format: osdpFormat}
	file.Readers = slices.SortedFunc(maps.Values(changed), func(a, b Installed) int { return comparePlaces(a.Place, b.Place) })
	text, err := folder.EncodeJSON(file)
	if err != nil {
		return err
	}
	if err := folder.WriteFile(k.path, text, 0o600); err != nil {
		return err
	}
	k.readers = changed
	return nil
}
