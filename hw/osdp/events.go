package osdp

// What a reader's state machine tells, in the order in which it happened; the
// bus hands the first eight kinds to the reader's Handler.
type (
	stateEvent struct {
		up  bool
		err error
	}
	identityEvent struct{ identity Identity }
	cardEvent     struct{ card int } // a card has come: number counts up
	refusedEvent  struct{ err error }
	keyEvent      struct{ key byte }
	tamperEvent   struct{ active bool }
	powerEvent    struct{ failed bool }
	inputEvent    struct {
		n      int
		active bool
	}

	goneEvent struct {
		card int
		err  error
	} // that card is no longer there
	resultEvent struct {
		request *request
		reply   any // nil with err
		err     error
	}
	visitEvent struct { // a reader that is visited is online, or is not
		identity Identity
		err      error
	}
	noteEvent struct {
		text string
		err  error
	} // for the log
)

// request is a command that somebody waits for.
type request struct {
	command command
	// key is the new key of a KEYSET: the request ends when the Secure Channel
	// stands with it, or with the old one.
	key *Key
	// card is the card that an APDU is for; 0 for all other commands.
	card     int
	deferred bool // the reader acknowledged an APDU: its response comes with a POLL

	result chan resultEvent // the bus's business
}
