package osdp

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"tombolo/passport/card"
)

// Config says which bus, and which readers hang on it.
type Config struct {
	Port string // device path; prefer a stable name under /dev/serial/by-id
	Baud int    // 9600, 19200, 38400, 57600, 115200 or 230400; 0 is 9600; always 8N1

	// Open gives the line instead of Port; it is called again after a failure.
	// Close has to end a Read that waits. May be nil.
	Open func() (io.ReadWriteCloser, error)

	Log     *slog.Logger // nil discards
	Readers []ReaderConfig

	// State is called when the bus's port comes up (true, nil) and when it goes
	// or is missing (false, why): on the first outcome and on each change, from
	// Run's goroutine. May be nil.
	State func(up bool, err error)

	Rand io.Reader // nil is crypto/rand.Reader: the challenges of Secure Channels
}

// ReaderConfig is one reader of the bus.
type ReaderConfig struct {
	Address  byte          // 0..126
	Keys     []Key         // Secure Channel base keys to try, the current one first; none with Insecure
	Insecure bool          // without Secure Channel: neither keypad digits nor a card's answer are kept from the wire
	Pinned   *Capabilities // what it said it can when it was installed: less is a downgrade, refused. May be nil
	Handler  Handler       // required
}

// Key is a Secure Channel base key (SCBK), AES-128.
type Key [16]byte

// String never shows the key.
func (Key) String() string { return "osdp.Key" }

// Handler hears of one reader. Calls come one at a time, from a goroutine of
// the bus that serves this reader alone; while one runs (Card may take its
// time) the next wait, and of more than a few hundred the keys and refusals
// are dropped.
type Handler interface {
	// State tells that the reader is online (in its Secure Channel, unless it is
	// Insecure), or is not, and why: on the first outcome and on each change,
	// a change of the reason among them.
	State(up bool, err error)
	// Identity comes before each State(true, nil).
	Identity(Identity)
	// Card is an ISO 14443-4 card in transparent mode. The context ends when the
	// card has left, the reader is lost, or CardTime is over; so does t, with
	// card.ErrGone. t is for use within this call only.
	Card(ctx context.Context, t card.Transceiver)
	// Refused is a card that was held there in vain: ErrRaw, ErrCard, ErrNoTransparent.
	Refused(err error)
	// Key is '0' to '9', '*' or '#'.
	Key(key byte)
	// Tamper and Power come once after each State(true, nil) and on each change.
	Tamper(active bool)
	Power(failed bool)
	// Input is a contact that hangs on the reader, n from 0; as Tamper.
	Input(n int, active bool)
}

// Colour is one of a reader's light, by its number in OSDP 2.2 §6.10, Table 18.
type Colour byte

const (
	Black Colour = iota
	Red
	Green
	Amber
	Blue
	Magenta
	Cyan
	White
)

// Identity is who a reader says it is (PDID, PDCAP), heard inside its Secure
// Channel unless it is Insecure.
type Identity struct {
	Vendor         [3]byte // IEEE OUI, as on the wire
	Model, Version byte
	Serial         uint32
	Firmware       [3]byte // major, minor, build
	UID            [8]byte // its name for the derivation of its key (cUID of CCRYPT); zero when Insecure
	Capabilities   Capabilities
}

// DefaultKey is SCBK-D, which everybody knows (OSDP 2.2 Annex D). Readers take
// it in their installation mode only, and only Bus.Install uses it.
var DefaultKey = Key{0x30, 0x31, 0x32, 0x33, 0x34, 0x35, 0x36, 0x37, 0x38, 0x39, 0x3A, 0x3B, 0x3C, 0x3D, 0x3E, 0x3F}

// DeriveKey gives a reader its own key: the first 16 bytes of HMAC-SHA-256
// under the node's master key of "tombolo/v1/osdp-scbk\n" ‖ uid ‖ generation
// (big-endian). Another generation is another key, for Bus.Rotate. The form
// never changes: readers out there hold what it gave.
func DeriveKey(master [32]byte, uid [8]byte, generation uint32) Key {
	mac := hmac.New(sha256.New, master[:])
	mac.Write([]byte("tombolo/v1/osdp-scbk\n"))
	mac.Write(uid[:])
	mac.Write(binary.BigEndian.AppendUint32(nil, generation))
	return Key(mac.Sum(nil)[:16])
}

// Bauds are the rates of a bus, OSDP 2.2 §5.1.
var Bauds = [...]int{9600, 19200, 38400, 57600, 115200, 230400}

func (c Config) withDefaults() (Config, error) {
	if c.Baud == 0 {
		c.Baud = 9600
	}
	if !slices.Contains(Bauds[:], c.Baud) {
		return c, fmt.Errorf("%w: baud %d is none of %v", ErrConfig, c.Baud, Bauds)
	}
	if c.Port == "" && c.Open == nil {
		return c, fmt.Errorf("%w: port is empty: name the RS-485 adapter, e.g. /dev/serial/by-id/…", ErrConfig)
	}
	seen := make(map[byte]bool)
	for _, r := range c.Readers {
		switch {
		case r.Address > maxAddress:
			return c, fmt.Errorf("%w: reader address %d: use 0 to %d", ErrConfig, r.Address, maxAddress)
		case seen[r.Address]:
			return c, fmt.Errorf("%w: two readers have address %d: give each its own", ErrConfig, r.Address)
		case r.Handler == nil:
			return c, fmt.Errorf("%w: reader %d has no Handler", ErrConfig, r.Address)
		case r.Insecure && len(r.Keys) > 0:
			return c, fmt.Errorf("%w: reader %d is insecure and has keys: choose", ErrConfig, r.Address)
		case !r.Insecure && len(r.Keys) == 0:
			return c, fmt.Errorf("%w: reader %d has no key: install it, or set it to insecure", ErrConfig, r.Address)
		case slices.Contains(r.Keys, DefaultKey):
			return c, fmt.Errorf("%w: reader %d: the default key is for installation only", ErrConfig, r.Address)
		}
		seen[r.Address] = true
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.State == nil {
		c.State = func(bool, error) {}
	}
	if c.Rand == nil {
		c.Rand = rand.Reader
	}
	return c, nil
}
