// Package nfc reads cards and phones at a contactless reader: any that PC/SC
// knows, and the PN532.
//
// Call [Run] with a function that opens the reader, [OpenPCSC] or [OpenPN532]
// in a closure: it hands over each card that is held there, once, opens the
// reader again when it was unplugged, and goes on until its context ends. What
// is said to the card is the callee's business (passport/card): this package
// carries APDUs and bounds them in length and in time. A steward's desk, where
// one card is looked at, calls [Field.Wait] itself.
//
// It does not know what a card is, keeps no list of them, does not read UIDs,
// and speaks only ISO 14443-4: an NTAG or a MIFARE Classic is [ErrNotISO].
package nfc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"tombolo/passport/card"
)

// CardTime is what a card has for all of its APDUs together, from when Wait
// returned it. A HaLo chip signs in about 0.2 s; whoever waits for longer than
// this has walked into the door.
const CardTime = 3 * time.Second

// LieTime is how long something may lie at the reader until State is told: nobody
// else's card is read there meanwhile.
const LieTime = 30 * time.Second

var (
	// ErrConfig is wrapped by Run when it cannot start at all.
	ErrConfig = errors.New("nfc: configuration")
	// ErrSeveral: more than one card is in the field.
	ErrSeveral = errors.New("nfc: more than one card is at the reader: hold one of them there alone")
	// ErrNotISO: what is in the field does not speak ISO 14443-4.
	ErrNotISO = errors.New("nfc: what was held to the reader is no card of ISO 14443-4")
	// ErrHeld: another program talks to the card.
	ErrHeld = errors.New("nfc: another program holds the card: end it (often gpg-agent's scdaemon, or a second tombolo), a door's reader is read by one program")
	// ErrLies: what was held to the reader was not taken away for LieTime.
	ErrLies = fmt.Errorf("nfc: something has lain at the reader for %v, which reads nothing else until it is taken away", LieTime)
	// ErrNoPCSC: the program was built without PC/SC.
	ErrNoPCSC = errors.New("nfc: this program was built without PC/SC: install libpcsclite-dev and build with -tags pcsc")
)

// Field is an open reader. Its methods and those of its cards are called one
// at a time.
type Field interface {
	// Wait returns the card once exactly one is in the field and it speaks
	// ISO 14443-4. Errors that wrap ErrSeveral, ErrNotISO, ErrHeld or
	// card.ErrGone (it left before it could be selected) are ordinary events;
	// any other means that the reader is lost, or that ctx ended.
	//
	// The card ends when it leaves, CardTime after Wait returned it or when ctx
	// ends: a Transmit that is under way returns an error that wraps
	// card.ErrGone then, as does every later one.
	Wait(ctx context.Context) (card.Transceiver, error)

	// Left returns nil once what was in the field has left it, which is at once
	// if it is empty. It ends the card that Wait returned. An error means that
	// the reader is lost, or that ctx ended, after which it may be called again.
	Left(ctx context.Context) error

	// Close lets go of the reader, whatever it is doing.
	Close() error
}

// Config says which reader, and who hears of it. All functions are called from
// Run's own goroutine, one at a time.
type Config struct {
	// Open opens the reader, as OpenPCSC and OpenPN532 do. Required.
	Open func(ctx context.Context) (Field, error)

	// Card is told of each card, once for each time that it is held to the
	// reader, and may talk to it until it returns. ctx ends with the card's
	// time. Required.
	Card func(ctx context.Context, t card.Transceiver)

	// Refused hears that something was held to the reader which could not be
	// read: an error that wraps ErrSeveral, ErrNotISO or ErrHeld, or card.ErrGone
	// of a card that left before it could be selected. May be nil.
	Refused func(err error)

	// State is called when the reader comes up (true, nil) and when it goes or
	// is missing (false, why): on the first outcome and on each change, not on
	// each attempt. A reader that something lies at for long counts as one that
	// went: ErrLies. May be nil.
	State func(up bool, err error)

	// RetryMin and RetryMax bound the wait between attempts to open the
	// reader, which doubles from one to the other; 0 is 250 ms and 2 s.
	RetryMin, RetryMax time.Duration

	Log *slog.Logger // nil discards
}
