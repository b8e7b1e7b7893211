// Package ledger holds the one idea that everything else serves: an
// append-only log with exactly one author, whose signed head commits to every
// entry, and whose bodies can be dropped without the log ceasing to verify.
//
// It is pure: it opens nothing, waits for nothing and reads no clock. Storage
// is [Reader] on the way out and the caller's affair on the way in (package
// sync/store is the SQLite form); time and salts come in with the call.
//
// Start with [Seal], which makes an [Entry] of a body; [Tree], which takes the
// entries' leaves and yields the root; [Sign], which makes the head's
// checkpoint; and [OpenHead], which checks one. [Verifier] reads a whole ledger
// back and says what is wrong and where. [CheckChunk] verifies any aligned run
// of entries against a head by itself, as a file brings them; [CheckStretch] any
// run at all from where its receiver stands, as they come over a wire.
// [Entry.Open] checks one entry as far as it shows by itself, and [Missing] tells
// bodies that were let go from withheld ones. [Reduce] finds what of a community's
// ledger means nothing any more. [CheckCharter] follows the chain of documents
// that says whose ledgers count. [Fork] is proof that an author signed two
// histories.
//
// # What is signed, and how it may change
//
// The leaf, the checkpoint and the charter are fixed by version 1 of their own
// formats. The body of a kind never changes: a new field is a new [Kind]. A
// reader that meets a kind it does not know goes on when the entry is not
// critical and stops when it is, so a critical kind is announced (a gateway's
// [Boot] lists the kinds it knows) before anyone writes it.
//
// # Why an entry's commitment covers its place
//
// The salted hash in a leaf covers the index and the header beside time and
// body. So a swapped, moved or altered entry is found where it stands, by
// itself, without the 255 others of its bundle; only an entry whose body was
// dropped needs its bundle to be found out.
package ledger
