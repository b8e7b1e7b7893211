package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// logged is a door log of so many entries as a file, its author's public key,
// and a folder for the test's files. The salts come from seed.
func logged(t *testing.T, entries int, seed byte) (data []byte, key string, dir string) {
	t.Helper()
	dir = t.TempDir()
	guard := store.Guard{Dir: filepath.Join(dir, "guard"), Boot: "boot"}
	s, err := store.Open(filepath.Join(dir, "log.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := folder.Open(filepath.Join(dir, "gateway"), true)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.NewGateway("front"); err != nil {
		t.Fatal(err)
	}
	priv, err := f.Key(folder.SigningKey)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Unix(1_800_000_000, 0)
	a, err := s.OpenAuthor(store.AuthorConfig{Key: priv, Community: ledger.CharterID{1}, Kind: ledger.DoorLog, Charter: ledger.CharterID{2},
		Guard: guard, Now: func() time.Time { return now }, Rand: bytes.NewReader(bytes.Repeat([]byte{seed}, 1<<20))})
	if err != nil {
		t.Fatal(err)
	}
	var drafts []store.Draft
	for i := range entries - 1 {
		drafts = append(drafts, store.Draft{Body: &ledger.Decision{Seq: uint64(i) + 1, Door: "front", Mode: "tap", Reason: "granted", Granted: true, Passport: uint64(i)}, Time: now})
	}
	if _, err := a.Append(drafts...); err != nil {
		t.Fatal(err)
	}
	info, err := s.Ledger(a.Head().Origin)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := ledger.NewBundleWriter(&b)
	if err := w.Head(info.Author, info.Note); err != nil {
		t.Fatal(err)
	}
	for c, err := range s.Chunks(info, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Chunk(c); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), fmt.Sprintf("%x", info.Author), dir
}

// edited writes the bundle anew with one thing changed.
func edited(t *testing.T, data []byte, edit func(*ledger.BundleHead, *ledger.Chunk)) []byte {
	t.Helper()
	r, err := ledger.NewBundleReader(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := ledger.NewBundleWriter(&b)
	for {
		item, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		edit(item.Head, item.Chunk)
		switch {
		case item.Head != nil:
			err = w.Head(item.Head.Author, item.Head.Note)
		case len(item.Chunk.Entries) > 0:
			err = w.Chunk(*item.Chunk)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// verified runs `ledger verify FILE --json` where no folder is, and returns the
// first verdict.
func verified(t *testing.T, dir string, data []byte, args ...string) (status int, v struct {
	Error *struct {
		First, Last *int64
		What        string
	}
	Vouched bool
}, stderr string) {
	t.Helper()
	path := filepath.Join(dir, "log.tombolo")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	e := &env{Now: time.Now, Sleep: sleep, In: strings.NewReader(""), Out: &out, Err: &errs}
	status = e.run(t.Context(), append([]string{"--dir", filepath.Join(dir, "none"), "--json", "ledger", "verify", path}, args...))
	if out.Len() > 0 {
		if err := json.NewDecoder(&out).Decode(&v); err != nil {
			t.Fatal(err)
		}
	}
	return status, v, errs.String()
}

func TestVerifyNamesTheBadEntry(t *testing.T) {
	t.Parallel()
	const entries = 300
	data, key, dir := logged(t, entries, 7)
	if status, v, errs := verified(t, dir, data, "--key", key); status != 0 || !v.Vouched || v.Error != nil {
		t.Fatalf("the log as it is: %d, %+v, %s", status, v, errs)
	}
	seed := uint64(time.Now().UnixNano())
	random := rand.New(rand.NewPCG(seed, 0))
	at := func(c *ledger.Chunk, i int) *ledger.Entry {
		if c == nil || int64(i) < c.Start || int64(i) >= c.Start+int64(len(c.Entries)) {
			return nil
		}
		return &c.Entries[int64(i)-c.Start]
	}
	names := func(what string, i int, data []byte) {
		t.Helper()
		status, v, errs := verified(t, dir, data, "--key", key)
		if status != 1 || v.Error == nil || v.Error.First == nil || *v.Error.First != int64(i) || *v.Error.Last != int64(i) {
			t.Errorf("seed %d: %s at entry %d: status %d, %+v, %s", seed, what, i, status, v.Error, errs)
		}
		if !strings.Contains(errs, fmt.Sprintf("entry %d: ", i)) {
			t.Errorf("seed %d: %s at entry %d: stderr is %q", seed, what, i, errs)
		}
	}
	for i := range entries {
		names("a flipped byte", i, edited(t, data, func(_ *ledger.BundleHead, c *ledger.Chunk) {
			e := at(c, i)
			if e == nil {
				return
			}
			bit := byte(1) << random.IntN(8)
			switch random.IntN(4) {
			case 0:
				e.Leaf[random.IntN(len(e.Leaf))] ^= bit
			case 1:
				e.Salt[random.IntN(len(e.Salt))] ^= bit
			case 2:
				e.Time ^= int64(bit)
			default:
				e.Body[random.IntN(len(e.Body))] ^= bit
			}
		}))
	}
	for range 20 {
		i := 1 + random.IntN(ledger.ChunkSize-2)
		names("swapped with the next", i, edited(t, data, func(_ *ledger.BundleHead, c *ledger.Chunk) {
			if e := at(c, i); e != nil {
				next := at(c, i+1)
				*e, *next = *next, *e
			}
		}))
	}
}

func TestVerifyRefusesTheWhole(t *testing.T) {
	t.Parallel()
	data, key, dir := logged(t, 300, 7)
	other, otherKey, _ := logged(t, 300, 8)
	for _, c := range []struct {
		name, key string
		data      []byte
		want      string
	}{
		{"the tail cut, head and all", key, data[:len(data)-200], "it ends early"},
		{"the tail cut at a chunk", key, edited(t, data, func(_ *ledger.BundleHead, c *ledger.Chunk) {
			if c != nil && c.Start > 0 {
				c.Entries = nil
			}
		}), "entries 256 to 299: entries are missing that the head covers"},
		{"the tail cut in a chunk", key, edited(t, data, func(_ *ledger.BundleHead, c *ledger.Chunk) {
			if c != nil && c.Start > 0 {
				c.Entries = c.Entries[:len(c.Entries)-1]
			}
		}), "not an aligned chunk"},
		{"re-signed by another key", key, other, "nobody here vouches for its author " + otherKey},
		{"no key given", "", data, "nobody here vouches for its author " + key},
		{"the head of another log", key, edited(t, data, func(h *ledger.BundleHead, _ *ledger.Chunk) {
			if h != nil {
				edited(t, other, func(o *ledger.BundleHead, _ *ledger.Chunk) {
					if o != nil {
						*h = *o
					}
				})
			}
		}), "entries 0 to 255: does not prove against the head"},
		{"a head with another size", key, edited(t, data, func(h *ledger.BundleHead, _ *ledger.Chunk) {
			if h != nil {
				h.Note = bytes.Replace(h.Note, []byte("\n300\n"), []byte("\n299\n"), 1)
			}
		}), "its head: no valid signature of the author"},
		{"another author's name on it", key, edited(t, data, func(h *ledger.BundleHead, _ *ledger.Chunk) {
			if h != nil {
				h.Author[0] ^= 1
			}
		}), "its head: "},
	} {
		var args []string
		if c.key != "" {
			args = []string{"--key", c.key}
		}
		if status, _, errs := verified(t, dir, c.data, args...); status != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("%s: status %d, %q, want %q", c.name, status, errs, c.want)
		}
	}
}
