package ledger

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// vector is one case of a file in testdata/vectors: a line "[name]", then lines
// "key value"; indented lines carry a value on and # starts a note.
type vector struct {
	name   string
	values map[string]string
	used   map[string]bool
}

// vectors reads a file that has so many cases, and checks when the test ends
// that it asked for every value there is.
func vectors(t testing.TB, file string, want int) (all []*vector) {
	t.Helper()
	f, err := os.Open(filepath.Join("../../testdata/vectors", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	key := ""
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			continue
		case line[0] == '[':
			all = append(all, &vector{strings.Trim(strings.TrimSpace(line), "[]"), map[string]string{}, map[string]bool{}})
			continue
		case line[0] != ' ':
			key, words = words[0], words[1:]
		}
		all[len(all)-1].values[key] += strings.Join(words, "")
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if len(all) != want || want == 0 {
		t.Fatalf("%s: %d cases instead of %d", file, len(all), want)
	}
	t.Cleanup(func() {
		for _, v := range all {
			for key := range v.values {
				if !v.used[key] {
					t.Errorf("%s: %s: %s was not checked", file, v.name, key)
				}
			}
		}
	})
	return all
}

func (v *vector) text(t testing.TB, key string) string {
	t.Helper()
	s, ok := v.values[key]
	if !ok {
		t.Fatalf("%s: no value %s", v.name, key)
	}
	v.used[key] = true
	return s
}

// hex is the value's bytes; "empty" stands for none.
func (v *vector) hex(t testing.TB, key string) []byte {
	t.Helper()
	s := v.text(t, key)
	if s == "empty" {
		return []byte{}
	}
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("%s: %s: %v", v.name, key, err)
	}
	return b
}

func (v *vector) int(t testing.TB, key string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(v.text(t, key), 10, 64)
	if err != nil {
		t.Fatalf("%s: %s: %v", v.name, key, err)
	}
	return n
}

// is asserts that the value is got.
func (v *vector) is(t testing.TB, key string, got []byte) {
	t.Helper()
	if want := v.hex(t, key); !bytes.Equal(got, want) {
		t.Errorf("%s: %s is\n%x, want\n%x", v.name, key, got, want)
	}
}

func (v *vector) key(t testing.TB, prefix string) ed25519.PrivateKey {
	t.Helper()
	k := ed25519.NewKeyFromSeed(v.hex(t, prefix+"_seed"))
	v.is(t, prefix+"_public", public(k))
	id := KeyIDOf(public(k))
	v.is(t, prefix+"_id", id[:])
	return k
}

func (v *vector) hashes(t testing.TB, key string) (out []tlog.Hash) {
	t.Helper()
	for b := v.hex(t, key); len(b) > 0; b = b[32:] {
		out = append(out, tlog.Hash(b[:32]))
	}
	return out
}

func TestBodyVectors(t *testing.T) {
	t.Parallel()
	seen := map[Kind]bool{KindForkSeen: true} // in fork.txt
	for _, v := range vectors(t, "bodies.txt", 68) {
		kind := Kind(v.int(t, "kind"))
		if !strings.HasPrefix(v.name, kind.String()) {
			t.Errorf("%s is kind %v", v.name, kind)
		}
		seen[kind] = true
		body, err := ParseBody(kind, v.hex(t, "body"))
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		again, err := MarshalBody(body)
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
		v.is(t, "body", again)
	}
	for _, k := range KnownKinds() {
		if !seen[k] {
			t.Errorf("bodies.txt has no %v", k)
		}
	}
}

func TestEntryVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "entries.txt", 4) {
		index, kind, critical := v.int(t, "index"), Kind(v.int(t, "kind")), v.int(t, "critical") == 1
		if critical != kind.Critical() {
			t.Errorf("%s: critical is %v", v.name, critical)
		}
		e := Seal(index, kind, critical, Salt(v.hex(t, "salt")), v.int(t, "time_ms"), v.hex(t, "body"))
		v.is(t, "leaf", e.Leaf)
		v.is(t, "preimage", preimage(index, kind, critical, e.Salt, e.Time, e.Body))
		hash := tlog.RecordHash(e.Leaf)
		v.is(t, "leaf_hash", hash[:])
		v.is(t, "entry", encode(e))
		v.is(t, "dropped", encode(e.Drop()))
		for _, form := range []string{"entry", "dropped"} {
			var again Entry
			if err := decodeWhole(v.hex(t, form), &again); err != nil {
				t.Errorf("%s: %v", v.name, err)
			}
			leaf, err := again.Check(index)
			if err != nil {
				t.Errorf("%s: %s: %v", v.name, form, err)
			}
			v.is(t, "commitment", leaf.Commitment[:])
		}
	}
}

func TestCheckpointVectors(t *testing.T) {
	t.Parallel()
	var tree Tree
	for i, v := range vectors(t, "entries.txt", 4) {
		if i < 3 {
			tree.Append(v.hex(t, "leaf"), nil)
		}
		for key := range v.values { // TestEntryVectors looks at the rest
			v.used[key] = true
		}
	}
	all := vectors(t, "checkpoints.txt", 2)
	v, co := all[0], all[1]
	author := v.key(t, "author")
	root := tree.Root()
	v.is(t, "root", root[:])
	c := Checkpoint{
		Origin: Origin{CharterID(v.hex(t, "community")), CommunityLog, KeyIDOf(public(author)), Incarnation(v.hex(t, "incarnation"))},
		Size:   v.int(t, "size"), Root: root,
	}
	v.is(t, "text", []byte(c.Text()))
	time := uint64(v.int(t, "time_s"))
	signer := cosigner{RoleAuthor, public(author), author, time}
	v.is(t, "key_hash", []byte{byte(signer.KeyHash() >> 24), byte(signer.KeyHash() >> 16), byte(signer.KeyHash() >> 8), byte(signer.KeyHash())})
	v.is(t, "message", cosigned(time, []byte(c.Text())))
	v.is(t, "signature", ed25519.Sign(author, cosigned(time, []byte(c.Text()))))
	note, err := Sign(c, author, time)
	if err != nil {
		t.Fatal(err)
	}
	v.is(t, "note", note)

	hold, beat := co.key(t, "hold"), co.key(t, "heartbeat")
	if note, err = Cosign(note, RoleHold, hold, uint64(co.int(t, "hold_time_s"))); err != nil {
		t.Fatal(err)
	}
	if note, err = Cosign(note, RoleHeartbeat, beat, uint64(co.int(t, "heartbeat_time_s"))); err != nil {
		t.Fatal(err)
	}
	co.is(t, "note", note)
	h, err := OpenHead(co.hex(t, "note"), public(author), Cosigner{RoleHeartbeat, public(beat)})
	if err != nil || h.Checkpoint != c || h.Time != time || h.Fresh() != uint64(co.int(t, "heartbeat_time_s")) || h.Unknown != 1 {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestForkVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "fork.txt", 2) {
		f, err := ParseFork(v.hex(t, "evidence"))
		if err != nil {
			t.Errorf("%s: %v", v.name, err)
			continue
		}
		v.is(t, "evidence", f.Marshal())
		v.is(t, "author", f.Author[:])
		a, b, err := f.Heads()
		if err != nil || a.Size != v.int(t, "size_a") || b.Size != v.int(t, "size_b") {
			t.Errorf("%s: %d, %d, %v", v.name, a.Size, b.Size, err)
		}
		body, err := MarshalBody(&ForkSeen{Evidence: f.Marshal()})
		if err != nil {
			t.Error(err)
		}
		v.is(t, "body", body)
	}
}

func TestCharterVectors(t *testing.T) {
	t.Parallel()
	all := vectors(t, "charters.txt", 3)
	chains := [2]Charters{}
	for i, v := range all {
		s, err := ParseSignedCharter(v.hex(t, "signed"))
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		v.is(t, "signed", s.Marshal())
		v.is(t, "charter", s.Charter)
		hash := s.Hash()
		v.is(t, "hash", hash[:])
		chain := &chains[i/2]
		if *chain, err = CheckCharter(*chain, s); err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		c := chain.Latest()
		if int64(c.Version) != v.int(t, "version") {
			t.Errorf("%s: version %d", v.name, c.Version)
		}
		again, err := c.Marshal()
		if err != nil {
			t.Error(err)
		}
		v.is(t, "charter", again)
	}
	community, node := chains[0], chains[1]
	if community.Len() != 2 || node.Latest().Community != community.ID() || community.Latest().Threshold != 1 {
		t.Errorf("%d versions of %v, a node of %v", community.Len(), community.ID(), node.Latest().Community)
	}
	again := SignCharter(all[1].hex(t, "charter"), testKey("charter 2"), testKey("charter 1"))
	all[1].is(t, "signed", again.Marshal())
}

func TestMerkleVectors(t *testing.T) {
	t.Parallel()
	m := newMemory()
	roots := map[int64]tlog.Hash{}
	for _, v := range vectors(t, "merkle.txt", 18) {
		size := v.int(t, "size")
		var proof []tlog.Hash
		var err, valid error
		switch {
		case v.values["root"] != "":
			if size > 0 {
				m.addEntry(Entry{Leaf: v.hex(t, "leaf")})
			}
			root := m.tree.Root()
			v.is(t, "root", root[:])
			roots[size] = root
			continue
		case v.values["index"] != "":
			index := v.int(t, "index")
			proof, err = tlog.ProveRecord(size, index, Hashes(m))
			valid = tlog.CheckRecord(proof, size, roots[size], index, tlog.RecordHash(m.entries[index].Leaf))
		default:
			old := v.int(t, "old")
			proof, err = tlog.ProveTree(size, old, Hashes(m))
			valid = tlog.CheckTree(proof, size, roots[size], old, roots[old])
		}
		if err != nil || valid != nil || !slices.Equal(proof, v.hashes(t, "proof")) {
			t.Errorf("%s: %v, %v, %v", v.name, proof, err, valid)
		}
	}
}
