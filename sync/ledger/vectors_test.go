package ledger

import (
	"crypto/ed25519"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/passport/vectortest"
)

// vectors reads a file that has so many cases, of which the test asks for every value.
func vectors(t testing.TB, file string, want int) []*vectortest.Case {
	t.Helper()
	return vectortest.Whole(t, vectortest.Load(t, file, want))
}

func vectorKey(t testing.TB, v *vectortest.Case, prefix string) ed25519.PrivateKey {
	t.Helper()
	k := ed25519.NewKeyFromSeed(v.Hex(t, prefix+"_seed"))
	v.Is(t, prefix+"_public", public(k))
	id := KeyIDOf(public(k))
	v.Is(t, prefix+"_id", id[:])
	return k
}

func vectorHashes(t testing.TB, v *vectortest.Case, key string) (out []tlog.Hash) {
	t.Helper()
	for b := v.Hex(t, key); len(b) > 0; b = b[32:] {
		out = append(out, tlog.Hash(b[:32]))
	}
	return out
}

func TestBodyVectors(t *testing.T) {
	t.Parallel()
	seen := map[Kind]bool{KindForkSeen: true} // in fork.txt
	for _, v := range vectors(t, "bodies.txt", 68) {
		kind := Kind(v.Int(t, "kind"))
		if !strings.HasPrefix(v.Name, kind.String()) {
			t.Errorf("%s is kind %v", v.Name, kind)
		}
		seen[kind] = true
		body, err := ParseBody(kind, v.Hex(t, "body"))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		again, err := MarshalBody(body)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		v.Is(t, "body", again)
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
		index, kind, critical := v.Int(t, "index"), Kind(v.Int(t, "kind")), v.Int(t, "critical") == 1
		if critical != kind.Critical() {
			t.Errorf("%s: critical is %v", v.Name, critical)
		}
		e := Seal(index, kind, critical, Salt(v.Hex(t, "salt")), v.Int(t, "time_ms"), v.Hex(t, "body"))
		v.Is(t, "leaf", e.Leaf)
		v.Is(t, "preimage", preimage(index, kind, critical, e.Salt, e.Time, e.Body))
		hash := tlog.RecordHash(e.Leaf)
		v.Is(t, "leaf_hash", hash[:])
		v.Is(t, "entry", encode(e))
		v.Is(t, "dropped", encode(e.Drop()))
		for _, form := range []string{"entry", "dropped"} {
			var again Entry
			if err := decodeWhole(v.Hex(t, form), &again); err != nil {
				t.Errorf("%s: %v", v.Name, err)
			}
			leaf, err := again.Check(index)
			if err != nil {
				t.Errorf("%s: %s: %v", v.Name, form, err)
			}
			v.Is(t, "commitment", leaf.Commitment[:])
		}
	}
}

func TestCheckpointVectors(t *testing.T) {
	t.Parallel()
	var tree Tree
	for i, v := range vectortest.Load(t, "entries.txt", 4) { // TestEntryVectors looks at the rest
		if i < 3 {
			tree.Append(v.Hex(t, "leaf"), nil)
		}
	}
	all := vectors(t, "checkpoints.txt", 2)
	v, co := all[0], all[1]
	author := vectorKey(t, v, "author")
	root := tree.Root()
	v.Is(t, "root", root[:])
	c := Checkpoint{
		Origin: Origin{CharterID(v.Hex(t, "community")), CommunityLog, KeyIDOf(public(author)), Incarnation(v.Hex(t, "incarnation"))},
		Size:   v.Int(t, "size"), Root: root,
	}
	v.Is(t, "text", []byte(c.Text()))
	time := uint64(v.Int(t, "time_s"))
	signer := cosigner{RoleAuthor, public(author), author, time}
	v.Is(t, "key_hash", []byte{byte(signer.KeyHash() >> 24), byte(signer.KeyHash() >> 16), byte(signer.KeyHash() >> 8), byte(signer.KeyHash())})
	v.Is(t, "message", cosigned(time, []byte(c.Text())))
	v.Is(t, "signature", ed25519.Sign(author, cosigned(time, []byte(c.Text()))))
	note, err := Sign(c, author, time)
	if err != nil {
		t.Fatal(err)
	}
	v.Is(t, "note", note)

	hold, beat := vectorKey(t, co, "hold"), vectorKey(t, co, "heartbeat")
	if note, err = Cosign(note, RoleHold, hold, uint64(co.Int(t, "hold_time_s"))); err != nil {
		t.Fatal(err)
	}
	if note, err = Cosign(note, RoleHeartbeat, beat, uint64(co.Int(t, "heartbeat_time_s"))); err != nil {
		t.Fatal(err)
	}
	co.Is(t, "note", note)
	h, err := OpenHead(co.Hex(t, "note"), public(author), Cosigner{RoleHeartbeat, public(beat)})
	if err != nil || h.Checkpoint != c || h.Time != time || h.Fresh() != uint64(co.Int(t, "heartbeat_time_s")) || h.Unknown != 1 {
		t.Errorf("%+v, %v", h, err)
	}
}

func TestForkVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "fork.txt", 2) {
		f, err := ParseFork(v.Hex(t, "evidence"))
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		v.Is(t, "evidence", f.Marshal())
		v.Is(t, "author", f.Author[:])
		a, b, err := f.Heads()
		if err != nil || a.Size != v.Int(t, "size_a") || b.Size != v.Int(t, "size_b") {
			t.Errorf("%s: %d, %d, %v", v.Name, a.Size, b.Size, err)
		}
		body, err := MarshalBody(&ForkSeen{Evidence: f.Marshal()})
		if err != nil {
			t.Error(err)
		}
		v.Is(t, "body", body)
	}
}

func TestCharterVectors(t *testing.T) {
	t.Parallel()
	all := vectors(t, "charters.txt", 3)
	chains := [2]Charters{}
	for i, v := range all {
		s, err := ParseSignedCharter(v.Hex(t, "signed"))
		if err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		v.Is(t, "signed", s.Marshal())
		v.Is(t, "charter", s.Charter)
		hash := s.Hash()
		v.Is(t, "hash", hash[:])
		chain := &chains[i/2]
		if *chain, err = CheckCharter(*chain, s); err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		c := chain.Latest()
		if int64(c.Version) != v.Int(t, "version") {
			t.Errorf("%s: version %d", v.Name, c.Version)
		}
		again, err := c.Marshal()
		if err != nil {
			t.Error(err)
		}
		v.Is(t, "charter", again)
	}
	community, node := chains[0], chains[1]
	if community.Len() != 2 || node.Latest().Community != community.ID() || community.Latest().Threshold != 1 {
		t.Errorf("%d versions of %v, a node of %v", community.Len(), community.ID(), node.Latest().Community)
	}
	again := SignCharter(all[1].Hex(t, "charter"), testKey("charter 2"), testKey("charter 1"))
	all[1].Is(t, "signed", again.Marshal())
}

func TestMerkleVectors(t *testing.T) {
	t.Parallel()
	m := newMemory()
	roots := map[int64]tlog.Hash{}
	for _, v := range vectors(t, "merkle.txt", 18) {
		size := v.Int(t, "size")
		var proof []tlog.Hash
		var err, valid error
		switch {
		case v.Has("root"):
			if size > 0 {
				m.addEntry(Entry{Leaf: v.Hex(t, "leaf")})
			}
			root := m.tree.Root()
			v.Is(t, "root", root[:])
			roots[size] = root
			continue
		case v.Has("index"):
			index := v.Int(t, "index")
			proof, err = tlog.ProveRecord(size, index, Hashes(m))
			valid = tlog.CheckRecord(proof, size, roots[size], index, tlog.RecordHash(m.entries[index].Leaf))
		default:
			old := v.Int(t, "old")
			proof, err = tlog.ProveTree(size, old, Hashes(m))
			valid = tlog.CheckTree(proof, size, roots[size], old, roots[old])
		}
		if err != nil || valid != nil || !slices.Equal(proof, vectorHashes(t, v, "proof")) {
			t.Errorf("%s: %v, %v, %v", v.Name, proof, err, valid)
		}
	}
}
