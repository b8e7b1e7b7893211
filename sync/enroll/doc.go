// Package enroll gives peers their certificates, and brings a new gateway into a
// node over a network: nobody has to carry files, and nobody in between can put
// another gateway, or another steward, in the place of the one that was meant.
//
// On the gateway call [Offer], with a [Code] to show as a QR, a [Screen] for six
// digits, or both; on the steward's side [Approve]. Both are about bytes that
// they do not read: the gateway's request and the approval that answers it are
// the files that can be carried instead. Links and brokers want [SelfSigned],
// [DeskCertificate], [KeyOf], [DeskOf] and [ClientConfig]; an outside broker,
// which knows no ledgers, [Authority].
//
// The package decides nothing about rights. A certificate says which key is at
// the other end; what that key may do, and until when, stands in the ledgers. It
// reads no request, writes no ledger, pins nothing and draws no QR.
//
// # Enrolment
//
// The gateway listens, the desk dials, TLS 1.3 with a certificate on either
// side: the gateway's key signs its own, the desk's is signed by its author's
// key. Neither knows the other's key yet, so a man in the middle can end both
// connections and hold one of each. What he cannot do is make them the same
// connection. Both sides hash into a transcript: keying material exported from
// TLS (it differs on his two connections), the gateway's key, the desk's
// certificate, the community and the node that the desk names, and the gateway's
// request.
//
// By long code, which the desk was shown: it has the gateway's key whole, and a
// secret of 128 bits. The desk goes on with that key only, and sends
// HMAC(secret, transcript); the gateway, once that is right, answers in kind
// over its own label. Who sits in between has neither key nor secret. Who
// photographs the code can be the desk, until somebody was.
//
// By short code, for which the desk has only an address:
//
//	gateway → desk     request, SHA-256(transcript, nonce G)
//	desk → gateway     nonce D
//	gateway → desk     nonce G, which the desk holds against the hash
//	gateway shows A    six digits of a hash of transcript, hash and both nonces
//	person at desk     types A; the tool compares, and tells nobody on failure what it wanted
//	desk shows B       six others, over another label; only now
//	person at gateway  types B; the gateway compares
//
// When the first nonce is shown, all else that goes into the digits is fixed.
// Who holds both connections must fix his nonce to the gateway before he sees
// the gateway's, which the hash hides; and must commit to his nonce to the desk
// before the desk has drawn its own. So on each connection the last thing that
// goes into the digits is random and not his, in whatever order he plays them,
// and the digits of the two agree by chance alone: 10⁻⁶ for each attempt of the
// two people, with new nonces. Had he the last word on either side he would try
// nonces until the digits fit: a million hashes, a second's work.
//
// A proves the gateway to the desk: the steward types what the gateway that they
// stand before shows. B proves the desk to the gateway: someone who talks to the
// gateway alone can make it show an A, but the person there has a tool before
// them that shows nothing, and cannot type B. Both are typed and compared by the
// machine, as people say yes to six digits that they have not read. An attempt
// takes a person at each side, so machines cannot try; the gateway nevertheless
// begins at most three in ten minutes. That bound lets whoever is in the network
// use the attempts up: then the long code helps, which has none, or the file.
//
// Only then does the desk write anything, and the gateway take anything in, and
// that when it is whole. The gateway's last word tells the steward that it
// worked, or what it lacked.
package enroll
