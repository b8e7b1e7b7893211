package sim

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Bounds of the control protocol.
const (
	MaxLine    = 1024 // of a line, in bytes without its end
	MaxAnswer  = 256  // of an answer to a challenge, in bytes
	MaxChannel = 63   // of an ADC's channels
	MaxReading = 1000 // of a channel: per mille of its full scale
)

// Why a command was refused.
var (
	ErrSyntax   = errors.New("sim: command is not one JSON object in UTF-8")
	ErrField    = errors.New("sim: command has a field that does not belong there")
	ErrTwice    = errors.New("sim: command has a field twice")
	ErrType     = errors.New("sim: command has a field of the wrong type")
	ErrValue    = errors.New("sim: command has a field of a value that cannot be")
	ErrMissing  = errors.New("sim: command lacks a field")
	ErrTrailing = errors.New("sim: command has something after the object")
	ErrLong     = errors.New("sim: command is longer than 1024 bytes")
)

// Command is one of DriveInput, DriveChannel, BreakChannel, AskChallenge,
// PresentTap and PressKey. It is written as one JSON object, whose fields stand
// once each and in any order.
type Command interface {
	json.Marshaler
	do(*Board) (challenge []byte, err error)
}

// DriveInput sets an input: {"input":"front/contact","active":true}.
type DriveInput struct {
	Input  string
	Active bool
}

// DriveChannel sets what an ADC's channel reads, per mille:
// {"channel":3,"reading":512}.
type DriveChannel struct{ Channel, Reading int }

// BreakChannel makes a channel fail until it is driven: {"channel":3,"fault":true}.
type BreakChannel struct{ Channel int }

// AskChallenge asks what a key has to sign at a reader: {"challenge":"front"},
// or {"challenge":"front","exit":true} for the reader on the way out. The reply
// has it in hexadecimal: {"ok":true,"challenge":"…"}.
type AskChallenge struct{ At Mount }

// PresentTap gives the answer to the reader's last challenge, in lower-case
// hexadecimal: {"tap":"front","answer":"…"}.
type PresentTap struct {
	At     Mount
	Answer string // 1 to MaxAnswer bytes, kept as they are
}

// PressKey presses one key of a keypad, of 0 to 9, * and #:
// {"press":"front","key":"1"}.
type PressKey struct {
	At  Mount
	Key byte
}

// commandJSON has every field of every command.
type commandJSON struct {
	Input     string `json:"input,omitempty"`
	Active    *bool  `json:"active,omitempty"`
	Channel   *int   `json:"channel,omitempty"`
	Reading   *int   `json:"reading,omitempty"`
	Fault     bool   `json:"fault,omitempty"`
	Challenge string `json:"challenge,omitempty"`
	Tap       string `json:"tap,omitempty"`
	Press     string `json:"press,omitempty"`
	Exit      bool   `json:"exit,omitempty"`
	Answer    string `json:"answer,omitempty"`
	Key       string `json:"key,omitempty"`
}

// MarshalJSON writes what ParseCommand reads.
func (c DriveInput) MarshalJSON() ([]byte, error) {
	return json.Marshal(commandJSON{Input: c.Input, Active: &c.Active})
}

// MarshalJSON writes what ParseCommand reads.
func (c DriveChannel) MarshalJSON() ([]byte, error) {
	return json.Marshal(commandJSON{Channel: &c.Channel, Reading: &c.Reading})
}

// MarshalJSON writes what ParseCommand reads.
func (c BreakChannel) MarshalJSON() ([]byte, error) {
	return json.Marshal(commandJSON{Channel: &c.Channel, Fault: true})
}

// MarshalJSON writes what ParseCommand reads.
func (c AskChallenge) MarshalJSON() ([]byte, error) {
	return json.Marshal(commandJSON{Challenge: c.At.Door, Exit: c.At.Exit})
}

// MarshalJSON writes what ParseCommand reads.
func (c PresentTap) MarshalJSON() ([]byte, error) {
	return json.Marshal(commandJSON{Tap: c.At.Door, Exit: c.At.Exit, Answer: hex.EncodeToString([]byte(c.Answer))})
}

// MarshalJSON writes what ParseCommand reads.
func (c PressKey) MarshalJSON() ([]byte, error) {
	return json.Marshal(commandJSON{Press: c.At.Door, Exit: c.At.Exit, Key: string(rune(c.Key))})
}

func (c DriveInput) do(b *Board) ([]byte, error)   { return nil, b.SetInput(c.Input, c.Active) }
func (c DriveChannel) do(b *Board) ([]byte, error) { return nil, b.SetReading(c.Channel, c.Reading) }
func (c BreakChannel) do(b *Board) ([]byte, error) { return nil, b.BreakChannel(c.Channel) }
func (c AskChallenge) do(b *Board) ([]byte, error) { return b.Challenge(c.At) }
func (c PresentTap) do(b *Board) ([]byte, error)   { return nil, b.Tap(c.At, []byte(c.Answer)) }
func (c PressKey) do(b *Board) ([]byte, error)     { return nil, b.Press(c.At, c.Key) }

// ParseCommand reads one line, without its end. It returns one of the errors
// above, with the field that is meant.
func ParseCommand(line []byte) (Command, error) {
	if len(line) > MaxLine {
		return nil, ErrLong
	}
	f, err := parseFields(line)
	if err != nil {
		return nil, err
	}
	at := func(verb string) Mount { return Mount{f.text[verb], f.flag["exit"]} }
	switch {
	case f.has("input"):
		return f.make(DriveInput{f.text["input"], f.flag["active"]}, "input", "active")
	case f.has("channel") && f.has("fault"):
		return f.make(BreakChannel{f.number["channel"]}, "channel", "fault")
	case f.has("channel"):
		return f.make(DriveChannel{f.number["channel"], f.number["reading"]}, "channel", "reading")
	case f.has("challenge"):
		return f.make(AskChallenge{at("challenge")}, "challenge", "?exit")
	case f.has("tap"):
		return f.make(PresentTap{at("tap"), f.text["answer"]}, "tap", "answer", "?exit")
	case f.has("press"):
		return f.make(PressKey{at("press"), f.key}, "press", "key", "?exit")
	}
	return nil, fmt.Errorf(`%w: one of "input", "channel", "challenge", "tap" and "press"`, ErrMissing)
}

// fields are those of a command, each right by itself.
type fields struct {
	names  []string
	text   map[string]string
	flag   map[string]bool
	number map[string]int
	key    byte
}

func (f *fields) has(name string) bool { return slices.Contains(f.names, name) }

// make gives the command if the fields are those that belong to it; "?exit" may
// be missing.
func (f *fields) make(c Command, want ...string) (Command, error) {
	for _, name := range f.names {
		if !slices.Contains(want, name) && !slices.Contains(want, "?"+name) {
			return nil, fmt.Errorf("%w: %q beside %q", ErrField, name, want[0])
		}
	}
	for _, name := range want {
		if name[0] != '?' && !f.has(name) {
			return nil, fmt.Errorf("%w: %q", ErrMissing, name)
		}
	}
	return c, nil
}

func parseFields(line []byte) (*fields, error) {
	if !utf8.Valid(line) {
		return nil, ErrSyntax
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, ErrSyntax
	}
	f := &fields{text: map[string]string{}, flag: map[string]bool{}, number: map[string]int{}}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, ErrSyntax
		}
		value, err := d.Token()
		if err != nil {
			return nil, ErrSyntax
		}
		name, _ := key.(string) // JSON has no other keys
		if err := f.set(name, value); err != nil {
			return nil, fmt.Errorf("%w: %q", err, name)
		}
		if f.has(name) {
			return nil, fmt.Errorf("%w: %q", ErrTwice, name)
		}
		f.names = append(f.names, name)
	}
	if _, err := d.Token(); err != nil {
		return nil, ErrSyntax
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, ErrTrailing
	}
	return f, nil
}

// set checks and keeps one field.
func (f *fields) set(name string, value json.Token) error {
	switch name {
	case "input", "challenge", "tap", "press":
		s, ok := value.(string)
		if !ok || s == "" {
			return ErrType
		}
		f.text[name] = s
	case "answer":
		s, ok := value.(string)
		if !ok {
			return ErrType
		}
		b, err := hex.DecodeString(s)
		if err != nil || len(b) == 0 || len(b) > MaxAnswer || hex.EncodeToString(b) != s {
			return ErrValue
		}
		f.text[name] = string(b)
	case "key":
		s, ok := value.(string)
		if !ok {
			return ErrType
		}
		if len(s) != 1 || !IsKey(s[0]) {
			return ErrValue
		}
		f.key = s[0]
	case "active", "fault", "exit":
		v, ok := value.(bool)
		if !ok {
			return ErrType
		}
		if name == "fault" && !v {
			return ErrValue // a channel is mended by driving it
		}
		f.flag[name] = v
	case "channel", "reading":
		n, ok := value.(json.Number)
		if !ok {
			return ErrType
		}
		most := map[string]uint64{"channel": MaxChannel, "reading": MaxReading}[name]
		v, err := strconv.ParseUint(string(n), 10, 16)
		if err != nil || v > most {
			return ErrValue
		}
		f.number[name] = int(v)
	default:
		return ErrField
	}
	return nil
}
