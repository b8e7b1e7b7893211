// Package pin keeps the PINs that people type beside a card: as argon2id hashes,
// sealed to the gateways of a node, so that neither a policy nor a ledger nor
// whoever carries them shows one.
//
// The steward's side: [Hash] what was chosen (or what [FromRandom] drew), then
// [Secret.Seal] it once for each gateway. The gateway's side: [Open] its box,
// then [Secret.Check] what was typed. A check takes memory and a while, see
// [Cost]: do one at a time, away from whatever has to answer.
//
// It counts no attempts: see the lockout of package edge/policy. It is pure but
// for Seal, which draws one ephemeral key: crypto/hpke lets nobody bring it.
//
// # What protects a PIN
//
// Four digits are ten thousand guesses, and no hash makes that many: it is the
// box that keeps them from everybody but the gateway. The hash makes the whole
// search cost minutes instead of nothing to whoever holds a gateway's key.
//
// # Duress
//
// A second PIN opens like the first and raises an alarm that the door does not
// show. A PIN without one is hashed beside a value that nothing hashes to, so
// that boxes with and without look alike and checks take the same time. One slip
// of a finger never leads from one to the other.
package pin
