package osdptest

import (
	"io"
	"time"
)

// Config is how a device is built and set up.
type Config struct {
	Address  byte
	Baud     int // 0: what the line runs at
	Vendor   [3]byte
	Model    byte
	Version  byte
	Serial   uint32
	Firmware [3]byte
	UID      [8]byte // the client UID of CCRYPT

	Key           *[16]byte    // base key; nil: not installed, so that only SCBK-D works
	AlwaysDefault bool         // SCBK-D works although a key is set
	Willing       bool         // answers with SCBK-D when it is asked for a key that it does not have
	Insecure      bool         // cannot do Secure Channel at all
	Required      bool         // does next to nothing without Secure Channel
	Forgetful     bool         // drops the Secure Channel once a new key is set
	Capabilities  []Capability // nil: everything that this package does

	Inputs, Outputs int // terminals, at most 32
	ReceiveBuffer   int // longest frame that it takes; 0: 512

	Polled     bool          // answers an APDU with ACK, and gives the card's response to a later POLL
	Talkative  bool          // answers with a report where an ACK would do
	CardTime   time.Duration // what the card takes for an APDU
	CardStatus byte          // status byte in front of a card's response
	Dumb       bool          // knows no transparent mode: sends a card's number

	FileMax     int           // longest FILETRANSFER fragment that it wants; 0: does not say
	FileDelay   time.Duration // it wants between two of them
	FileIdle    int           // idle commands it wants after the last fragment
	SecureFor   time.Duration // silence after which the Secure Channel ends; 0: 8 s
	Rand        io.Reader     // nil: crypto/rand
	FileRefused int16         // status that a file's first fragment gets instead, when negative
}

// Card is a card in the device's field: a card.Transceiver.
type Card interface {
	Transmit(command []byte) (response []byte, err error)
}

// Answer is what a device sends, and how long after it began to.
type Answer struct {
	After time.Duration
	Bytes []byte
}

// Seen is a command that the device took.
type Seen struct {
	At       time.Time
	Code     byte
	Data     []byte
	Sequence byte
	Block    byte // security block's type; 0: in clear
}

// State is what the panel made of the device.
type State struct {
	Address byte
	Baud    int
	Key     [16]byte // base key, if Installed
	Mode    byte     // of XWR/XRD

	Installed bool
	Secure    bool // a Secure Channel is open
	Default   bool // with SCBK-D

	LEDs       map[byte]LEDState // by number
	Temporary  map[byte]LEDState
	Sound      BuzzerState
	Display    string
	Outputs    []bool
	ACUReceive int // from ACURXSIZE, 0: not said
	Files      map[byte][]byte
	Aborts     int
	Vendor     [][]byte // what MFG carried

	Sessions int          // Secure Channels opened
	Resets   int          // commands with sequence 0
	Repeats  int          // commands that came again with the same number
	Odd      int          // those among them that were not the same: the panel broke the rules
	Naks     map[byte]int // by reason; misbehaviour does not count
	APDUs    int
}

// LEDState is one LED as told, times in units of 100 ms.
type LEDState struct {
	Control, On, Off    byte
	OnColour, OffColour byte
	Timer               uint16 // of a temporary state
}

// BuzzerState is the last tone as told, times in units of 100 ms.
type BuzzerState struct{ Tone, On, Off, Count byte }
