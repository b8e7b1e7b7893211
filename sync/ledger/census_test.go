package ledger

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"
)

func TestEpochVectors(t *testing.T) {
	t.Parallel()
	v := vectors(t, "epoch.txt", 1)[0]
	evaluator := vectorKey(t, v, "evaluator")
	body, err := ParseBody(KindEpochOpened, v.Hex(t, "body"))
	if err != nil {
		t.Fatal(err)
	}
	b := body.(*EpochOpened)
	id := b.ID()
	v.Is(t, "id", id[:])
	said := b.OfferText(CharterID(v.Hex(t, "community")))
	v.Is(t, "offer_text", said)
	v.Is(t, "signature", b.Offer[:])
	if b.Evaluator != [32]byte(public(evaluator)) || !ed25519.Verify(b.Evaluator[:], said, b.Offer[:]) {
		t.Error("the offer's signature does not verify")
	}
}

// What reads the vectors of the census must see that they belong together.
func TestCensusVectorsAgree(t *testing.T) {
	t.Parallel()
	of := map[string]Body{}
	for _, v := range vectors(t, "bodies.txt", 68) {
		body, err := ParseBody(Kind(v.Int(t, "kind")), v.Hex(t, "body"))
		if err != nil {
			t.Fatal(err)
		}
		of[v.Name] = body
	}
	opened, tags, reported := of["EpochOpened"].(*EpochOpened), of["CensusTags"].(*CensusTags), of["Reported"].(*Reported)
	if tags.Epoch != opened.ID() || reported.Epoch != tags.Epoch || of["Draw"].(*Draw).Epoch != tags.Epoch {
		t.Errorf("epoch %v, and %v", opened.ID(), tags.Epoch)
	}
	var tree Tree
	for leaf := tags.Tags; len(leaf) > 0; leaf = leaf[TagSize:] {
		tree.Append(leaf[:TagSize], nil)
	}
	if tree.Size() != int64(reported.Count) || tree.Root() != tlog.Hash(reported.Root) {
		t.Errorf("%d tags with the root %v", tree.Size(), tree.Root())
	}
	if of["Reported of nobody"].(*Reported).Root != sha256.Sum256(nil) {
		t.Error("the root of no tags")
	}
}

// An epoch's name covers all that was opened; what the evaluator signs covers what
// the key is for, and nothing that the issuer adds.
func TestEpochIsWhatItSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := generators[KindEpochOpened](t).(*EpochOpened)
		b := generators[KindEpochOpened](t).(*EpochOpened)
		x, err := MarshalBody(a)
		if err != nil {
			t.Fatal(err)
		}
		y, err := MarshalBody(b)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Equal(x, y) != (a.ID() == b.ID()) {
			t.Fatal("two epochs of one name")
		}
		same := *a
		same.Beacon, same.Sample, same.Quota, same.Auditors = b.Beacon, b.Sample, b.Quota, b.Auditors
		if !bytes.Equal(same.OfferText(testCommunity), a.OfferText(testCommunity)) {
			t.Fatal("the offer covers what the issuer adds")
		}
		same.Key = b.Key
		if bytes.Equal(same.OfferText(testCommunity), a.OfferText(testCommunity)) != (a.Key == b.Key) {
			t.Fatal("the offer does not cover the key")
		}
		if bytes.Equal(a.OfferText(testCommunity), a.OfferText(CharterID{1})) {
			t.Fatal("the offer does not cover the community")
		}
		for _, change := range []func(*EpochOpened){
			func(e *EpochOpened) { e.Number++ }, func(e *EpochOpened) { e.Opens++ }, func(e *EpochOpened) { e.Closes++ }, func(e *EpochOpened) { e.Audit++ },
		} {
			other := *a
			change(&other)
			if bytes.Equal(other.OfferText(testCommunity), a.OfferText(testCommunity)) {
				t.Fatal("the offer does not cover its times")
			}
		}
	})
}
