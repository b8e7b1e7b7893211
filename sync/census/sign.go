package census

import (
	"crypto/ed25519"
	"errors"

	"tombolo/sync/ledger"
)

// An ask comes through brokers, of which the hub runs one, and what a broker says
// of a sender is its word alone: whoever runs it could ask in the name of every
// gateway, for every passport of the roster. So asks are signed, by the key that
// gives the right to ask:
//
//	01 ‖ key[32] ‖ signature[64] ‖ ask
//
// The signature is Ed25519's over separator ‖ community[32] ‖ evaluator[32] ‖ ask.
// Whoever repeats one gets the answer again, which is of use to nobody without the
// blinds. Another form is another first byte; no bare ask begins with this one
// (RFC 8949 §3.1: it is an array).

const (
	signedForm   = 1
	signedHead   = 1 + 32 + ed25519.SignatureSize
	askSeparator = "tombolo/v1/ask\n"
)

// ErrSigned marks an ask that is not signed by the key that it names.
var ErrSigned = errors.New("the ask is not signed by the key that it names")

// SignAsk puts an ask into the form in which an evaluator takes it: signed by a
// gateway's signing key, or an issuer's.
func SignAsk(key ed25519.PrivateKey, community ledger.CharterID, evaluator [32]byte, ask []byte) []byte {
	b := append([]byte{signedForm}, key.Public().(ed25519.PublicKey)...)
	b = append(b, ed25519.Sign(key, signedText(community, evaluator, ask))...)
	return append(b, ask...)
}

func signedText(community ledger.CharterID, evaluator [32]byte, ask []byte) []byte {
	b := append([]byte(askSeparator), community[:]...)
	return append(append(b, evaluator[:]...), ask...)
}

// OpenAsk is who signed, and the ask.
func OpenAsk(community ledger.CharterID, evaluator [32]byte, body []byte) (by ledger.KeyID, ask []byte, err error) {
	if len(body) < signedHead || body[0] != signedForm {
		return by, nil, ErrSigned
	}
	key, signature, ask := body[1:33], body[33:signedHead], body[signedHead:]
	if !ed25519.Verify(key, signedText(community, evaluator, ask), signature) {
		return by, nil, ErrSigned
	}
	return ledger.KeyIDOf(key), ask, nil
}
