package census

import (
	"bytes"
	"testing"

	"tombolo/sync/ledger"
)

func TestCommitmentVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "evidence.txt", 1, "commitments") {
		secret := Salt(v.hex(t, "secret"))
		tag, seen := secret.TagSalt(), secret.SeenSalt()
		v.is(t, "tag-salt", tag[:])
		v.is(t, "seen-salt", seen[:])
		leaf := LeafHash(ledger.Entry{Leaf: v.hex(t, "leaf")})
		v.is(t, "leaf-hash", leaf[:])
		c := Commit(tag, leaf, bytes.Repeat([]byte{1}, 248))
		v.is(t, "commitment", c[:])
		origin, err := ledger.ParseOrigin(v.text(t, "origin"))
		if err != nil {
			t.Fatal(err)
		}
		c = SeenCommit(seen, Seen{Log: origin, Decision: int64(v.uint(t, "decision")), DecisionLeaf: [32]byte(v.hex(t, "decision-leaf")),
			Passage: int64(v.uint(t, "passage")), PassageLeaf: [32]byte(v.hex(t, "passage-leaf"))})
		v.is(t, "seen", c[:])
	}
}

func TestSummonsVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "evidence.txt", 1, "summons") {
		door := SummonsDoor(ledger.EpochID(v.hex(t, "epoch")), Tag(v.hex(t, "tag")))
		v.is(t, "door", door[:])
		place := SummonsPlace(ledger.EpochID(v.hex(t, "epoch")), Tag(v.hex(t, "tag")), [32]byte(v.hex(t, "auditor")))
		v.is(t, "place", place[:])
	}
}
