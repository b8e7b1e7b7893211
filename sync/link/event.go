package link

import "tombolo/sync/replica"

// Event is what a link tells its host. Between Up and the Down that ends it
// come the others; what a broker had retained comes right after Up.
type Event interface{ event() }

// Up says that the link is connected and that every subscription was granted.
type Up struct {
	Link   replica.LinkID
	Scopes []replica.Scope
}

// Down says that the connection that Up announced is gone. The link goes on
// trying; [Stats] has the errors of attempts that failed.
type Down struct {
	Link replica.LinkID
	Err  error
}

// PeerUp says that a peer is there, or is there anew. Name and Software are what
// it says of itself: for people to read, and for nothing else.
type PeerUp struct {
	Link     replica.LinkID
	Peer     replica.Peer
	Name     string // [a-z0-9-]{1,32}, or empty
	Software string // printable ASCII, at most 64 bytes
}

// PeerDown says that a peer left.
type PeerDown struct {
	Link replica.LinkID
	Peer replica.Peer
}

// Received is a message of well-formed content; nothing in it is verified. From
// is this participant itself only for what the broker had retained in its name,
// which tells an author that lost its disk how far it had signed.
type Received struct {
	Link    replica.LinkID
	Scope   replica.Scope
	From    replica.Peer
	Message replica.Message
	Live    bool // the broker had not retained it: it was sent now
}

// Asked is a well-formed question from a peer, in the scope Hub; see [Link.Answer].
type Asked struct {
	Link replica.LinkID
	From replica.Peer
	Ask  Ask
}

// Answered is a well-formed answer from a peer: to what it was asked, if it was.
type Answered struct {
	Link   replica.LinkID
	From   replica.Peer
	Answer Answer
}

func (Up) event()       {}
func (Down) event()     {}
func (PeerUp) event()   {}
func (PeerDown) event() {}
func (Received) event() {}
func (Asked) event()    {}
func (Answered) event() {}
