package replica

import (
	"crypto/ed25519"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// Peer names a participant: the id of the key that it writes ledgers with. A
// gateway's is its signing key, a desk's its steward's or else its issuer's, the
// hub's its own.
type Peer = ledger.KeyID

const (
	// MaxTail bounds the entries that ride in a Head, encoded, in bytes.
	MaxTail = 8 << 10
	// MaxGive bounds the entries of a Give, encoded, in bytes, unless a single
	// one is larger.
	MaxGive = 120_000
	// GiveMessages is how many Gives answer one Want at most.
	GiveMessages = 8
)

// Message is one of the six that peers exchange. Nothing in one is believed but
// what a signature or a Merkle proof shows. Package link fixes the encoding; a
// message that needs another field is another version of it.
type Message interface{ message() }

// Head says which is the newest head of a ledger that the sender holds whole.
// Tail, when there is one, is entries From to the head's size, so that a change
// reaches whoever holds all before it in one message.
type Head struct {
	Author ed25519.PublicKey
	Note   []byte // signed, with the heartbeats' signatures
	From   int64
	Tail   []ledger.Entry // at most MaxTail encoded
}

// Held is an acknowledgement: a head's note with the sender's hold cosignature
// under it, and perhaps its witness's.
type Held struct {
	Author ed25519.PublicKey // of the ledger
	Note   []byte
}

// Want asks for a ledger's entries from From on. Note, unless it is empty, is
// the head that the sender holds, for the asked to compare with its own: what
// came did not fit.
type Want struct {
	Origin ledger.Origin
	From   int64
	Note   []byte
}

// Give is a [ledger.Stretch], with the head that it is proved against.
type Give struct {
	Author  ed25519.PublicKey
	Note    []byte
	From    int64
	Entries []ledger.Entry
	Proof   []tlog.Hash
}

// Proof is a [ledger.Fork], marshalled.
type Proof struct{ Evidence []byte }

// Charter is a [ledger.SignedCharter], marshalled.
type Charter struct{ Signed []byte }

func (Head) message()    {}
func (Held) message()    {}
func (Want) message()    {}
func (Give) message()    {}
func (Proof) message()   {}
func (Charter) message() {}
