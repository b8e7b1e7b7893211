package soft

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"

	"github.com/ethereum/go-ethereum/crypto"
	"tombolo/passport"
)

// Maker makes cards that are genuine to whoever has its root: its [Maker.Root]
// takes the place of Arx's or Status' key in card.Roots. It is for tests and
// demonstrations; the cards that it signs for are software.
type Maker struct{ root *ecdsa.PrivateKey }

// NewMaker makes a root key. It panics if rand fails.
func NewMaker(rand io.Reader) *Maker {
	k, err := passport.GenerateSoftKey(passport.KindKeycard, rand)
	if err != nil {
		panic(fmt.Sprintf("soft: a maker's root key: %v", err))
	}
	return &Maker{private(k)}
}

// Root is the public half of the root key, compressed.
func (m *Maker) Root() [33]byte { return [33]byte(crypto.CompressPubkey(&m.root.PublicKey)) }

// attest signs a HaLo chip's slot 2, in the form in which Arx's are published.
func (m *Maker) attest(pk2 []byte) []byte {
	digest := sha256.Sum256(append([]byte("\x19Attest pk2:\n"), pk2...))
	return append([]byte{0x02, 0xa1}, signDER(m.root, digest, false)...)
}

// identity makes a Keycard's identity key, the same for each card, and its
// certificate: key[33] ‖ r ‖ s ‖ v.
func (m *Maker) identity(card passport.Key) (*ecdsa.PrivateKey, []byte) {
	key := subkey("identity", crypto.FromECDSA(m.root), card.Point[:])
	point := crypto.CompressPubkey(&key.PublicKey)
	return key, append(point, signRecoverable(m.root, sha256.Sum256(point))...)
}

// private takes the private half out of a secp256k1 key: a card signs in more
// forms than the one that its kind has for doors.
func private(k *passport.SoftKey) *ecdsa.PrivateKey {
	text, err := k.MarshalText()
	if err == nil {
		var d []byte
		if d, err = hex.DecodeString(string(text[bytes.LastIndexByte(text, ':')+1:])); err == nil {
			var key *ecdsa.PrivateKey
			if key, err = crypto.ToECDSA(d); err == nil {
				return key
			}
		}
	}
	panic(fmt.Sprintf("soft: a door key of no use: %v", err))
}

// subkey makes a further key of a card, always the same.
func subkey(what string, parts ...[]byte) *ecdsa.PrivateKey {
	h := sha256.Sum256(append([]byte("tombolo soft card: "+what+"\n"), bytes.Join(parts, nil)...))
	key, err := crypto.ToECDSA(h[:])
	if err != nil { // with a probability below 2⁻¹²⁷
		panic(fmt.Sprintf("soft: %s: %v", what, err))
	}
	return key
}

// signRecoverable gives r ‖ s ‖ v, s low and v 0 or 1.
func signRecoverable(k *ecdsa.PrivateKey, digest [32]byte) []byte {
	rsv, err := crypto.Sign(digest[:], k)
	if err != nil {
		panic(fmt.Sprintf("soft: sign: %v", err))
	}
	return rsv
}

// signDER gives the signature as cards do: s low, or, if high is set, high.
func signDER(k *ecdsa.PrivateKey, digest [32]byte, high bool) []byte {
	sig := passport.Signature(signRecoverable(k, digest)[:64])
	if high {
		s := new(big.Int).SetBytes(sig[32:])
		s.Sub(k.Params().N, s).FillBytes(sig[32:])
	}
	return sig.AppendDER(nil)
}
