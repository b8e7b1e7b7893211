// Package passport holds the formats by which a person opens a door: door
// keys, the delegation that binds a door key to a passport, and the two
// presentations that a reader brings, a window (a QR code) and a tap (a card's
// or phone's answer to a challenge).
//
// A steward's side makes a [Delegation], lets the wallet sign its [Delegation.Digest]
// (or [Delegation.TypedData] in any wallet), lets the door key sign
// [PossessionChallenge], and joins the three with [NewSignedDelegation]. Whoever
// receives one calls [ParseSignedDelegation] and [SignedDelegation.Verify].
//
// A gateway makes a [Verifier] of a door key, with [Key.Once] if it has more of
// them than it could keep. For a code it
// calls qr.Decode, finds the key by its short id, then [Window.Verify] and
// [Window.At]. For a card it makes a [Challenge], has [Challenge.Sum] signed,
// and calls [Tap.Verify] on the answer.
//
// The package does not decide: it says who signed what, never whether a door
// opens. It does not know who owns a passport (the registry does), whether a
// nonce was seen before (the gateway does: by nonce, never by signature bytes,
// which are malleable), or whether a key was revoked (the roster does). A
// contract wallet's word (ERC-1271) needs the chain and is not checked here.
//
// Everything is pure: time and randomness are arguments. All integers on the
// wire are big endian. Signing is deterministic (RFC 6979).
//
// # How the formats may change
//
// Every signed hash starts with its own separator, "tombolo/v1/…\n", or is an
// EIP-712 digest with its type and version; every binary form starts with a
// version byte. What is signed under a separator never changes: a change is a
// new separator and a new version byte, and the old ones stay readable for as
// long as something signed under them may be presented or audited. No field is
// ever given a second meaning, and no parser skips what it does not know.
package passport
