package replica

import "tombolo/sync/ledger"

// Action is what the host has to do. Actions are carried out in order. One that
// cannot be (a link that just went, a ledger that cannot be read) is left out;
// only Store, Forget, StoreCharter and StoreFork are answered.
type Action interface{ action() }

// Send sends a message as it is. To is zero for a broadcast.
type Send struct {
	Link    LinkID
	Scope   Scope
	To      Peer
	Message Message // Want, Proof or Charter
}

// SendHead broadcasts a ledger's newest whole head as the store has it now, with
// the entries from TailFrom on as its tail; without a tail when they do not fit
// MaxTail, or when TailFrom is the head's size.
type SendHead struct {
	Link     LinkID
	Scope    Scope
	Origin   ledger.Origin
	TailFrom int64
}

// SendGive answers a Want: at most GiveMessages Gives of consecutive entries
// from From on, proved against the newest whole head.
type SendGive struct {
	Link   LinkID
	Scope  Scope
	To     Peer
	Origin ledger.Origin
	From   int64
}

// SendHeld broadcasts a head, which is whole and durable, with this participant's hold
// cosignature under it, and with its witness's if Witness is set.
type SendHeld struct {
	Link    LinkID
	Scope   Scope
	Head    ledger.Head
	Witness bool
}

// Store stores a verified extension durably. It is answered by Stored or
// NotStored; several may be stored in one transaction.
type Store struct {
	Extension ledger.Extension
	Giver     Peer
}

// Forget lets go of the part of a ledger that is stored beyond its whole head:
// it does not fit what others have. It is answered by Stored.
type Forget struct{ Origin ledger.Origin }

// StoreCharter stores a charter that follows the chain that the host holds; the
// host answers with ChartersChanged, and with RightsChanged for what it says.
type StoreCharter struct{ Signed ledger.SignedCharter }

// StoreFork stores verified evidence durably. It is answered by Convicted.
type StoreFork struct{ Fork ledger.Fork }

// StoreHeld notes a peer's acknowledgement: Head.Others holds the cosignatures
// of that peer that verified.
type StoreHeld struct {
	Peer Peer
	Head ledger.Head
}

// Compare asks the host whether an author's head, which verified and is no
// longer than what is held, conflicts with what is held. If it does, the host
// stores the evidence and says Convicted; otherwise nothing follows.
type Compare struct {
	Link  LinkID
	Scope Scope
	With  Peer
	Head  ledger.Head
}

// Blame is for the log and the counters: a peer sent what does not verify.
type Blame struct {
	Peer   Peer
	Origin ledger.Origin // zero if what came named none
	Err    error
}

func (Send) action()         {}
func (SendHead) action()     {}
func (SendGive) action()     {}
func (SendHeld) action()     {}
func (Store) action()        {}
func (Forget) action()       {}
func (StoreCharter) action() {}
func (StoreFork) action()    {}
func (StoreHeld) action()    {}
func (Compare) action()      {}
func (Blame) action()        {}
