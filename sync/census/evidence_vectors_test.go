package census

import (
	"bytes"
	"testing"

	"tombolo/sync/ledger"
)

func TestCommitmentVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "evidence.txt", 1, "commitments") {
		secret := Salt(v.Hex(t, "secret"))
		tag, seen := secret.TagSalt(), secret.SeenSalt()
		v.Is(t, "tag-salt", tag[:])
		v.Is(t, "seen-salt", seen[:])
		leaf := LeafHash(ledger.Entry{Leaf: v.Hex(t, "leaf")})
		v.Is(t, "leaf-hash", leaf[:])
		c := Commit(tag, leaf, bytes.Repeat([]byte{1}, 248))
		v.Is(t, "commitment", c[:])
		origin, err := ledger.ParseOrigin(v.Text(t, "origin"))
		if err != nil {
			t.Fatal(err)
		}
		c = SeenCommit(seen, Seen{Log: origin, Decision: int64(v.Uint(t, "decision")), DecisionLeaf: [32]byte(v.Hex(t, "decision-leaf")),
			Passage: int64(v.Uint(t, "passage")), PassageLeaf: [32]byte(v.Hex(t, "passage-leaf"))})
		v.Is(t, "seen", c[:])
	}
}

func TestSummonsVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "evidence.txt", 1, "summons") {
		door := SummonsDoor(ledger.EpochID(v.Hex(t, "epoch")), Tag(v.Hex(t, "tag")))
		v.Is(t, "door", door[:])
		place := SummonsPlace(ledger.EpochID(v.Hex(t, "epoch")), Tag(v.Hex(t, "tag")), [32]byte(v.Hex(t, "auditor")))
		v.Is(t, "place", place[:])
	}
}
