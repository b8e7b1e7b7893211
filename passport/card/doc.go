// Package card asks what is in a reader's field for its door key's signature:
// an Arx HaLo chip, a Status Keycard, or a phone with our own applet (phone.md
// is its specification). It speaks to the card through a [Transceiver], which a
// reader's driver gives for as long as the card stays.
//
// A gateway calls [Tap] for each card and hands the [Answer] to
// edge.Controller.Tap. At a steward's desk [Identify] says what the card is and
// whether its maker's signatures vouch for it, and [Possess] has its door key
// sign a delegation, as passport.NewSignedDelegation wants it. Package soft
// holds the cards' side in software.
//
// Tap verifies nothing but shape: the controller checks the signature under
// the key that the roster holds, and nothing on a tap's way is done twice. What
// Tap does refuse is an answer that could not be one: a key that is no point of
// its curve, an r or s that is out of range, a byte too many.
//
// A card is hostile: every answer is bounded, parsed strictly and whole, and
// whatever the card says a tap sends at most 44 commands (2 to 6 in earnest).
// A card that was torn away, or was too slow, ends a call with an error that
// wraps [ErrGone]; there is never half an answer.
//
// The package does not decide whether a door opens, does not know who holds a
// card, retries nothing and has no clock: time is the driver's. It cannot tell
// a card from somebody who relays one from afar.
//
// # What a proof of genuineness proves
//
// A HaLo chip's maker signs the public key of slot 2, which is the door key
// itself: if [Info].Genuine is nil, the key that opens the door was made in one
// of Arx's chips and signed a challenge that was fresh.
//
// A Keycard's certificate is for another key, which identifies the card and
// signs nothing else. If Info.Genuine is nil, a card that Status certified
// answered a fresh challenge during this call, and so did the door key. Nothing
// binds the two: a reader in the middle could have had a genuine Keycard
// answer the one and software the other. Enrol Keycards that a steward took out
// of their packing, or on a reader that the steward holds in hand; the
// certificate then says that it is no imitation.
//
// A phone proves possession only, never what it is: [ErrNoProof].
package card
