package census

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"tombolo/sync/ledger"
)

func FuzzOpenAsk(f *testing.F) {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, 32))
	community, evaluator := ledger.CharterID{1}, [32]byte{2}
	by := ledger.KeyIDOf(key.Public().(ed25519.PublicKey))
	f.Add(SignAsk(key, community, evaluator, []byte("an ask")))
	f.Add(SignAsk(key, community, [32]byte{3}, []byte("an ask")))
	f.Add([]byte{})
	f.Add([]byte{signedForm})
	f.Fuzz(func(t *testing.T, body []byte) {
		from, ask, err := OpenAsk(community, evaluator, body)
		if err == nil && (from != by || !bytes.Equal(SignAsk(key, community, evaluator, ask), body)) {
			t.Errorf("%v asked %x", from, ask)
		}
	})
}
