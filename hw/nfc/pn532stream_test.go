package nfc

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ZaparooProject/go-pn532"

	"tombolo/passport/card"
)

// stream is a bus on which the chip has said everything already, whatever it is
// asked.
type stream struct {
	b     []byte
	again bool     // it says it for ever
	wrote [][]byte // frames
	reads int
}

func (s *stream) kind() pn532.TransportType { return pn532.TransportUART }
func (s *stream) wake() error               { return nil }
func (s *stream) flush() error              { return nil }
func (s *stream) close() error              { return nil }

func (s *stream) write(frame []byte) error {
	s.wrote = append(s.wrote, bytes.Clone(frame))
	return nil
}

func (s *stream) read(context.Context, int) (frame, error) {
	s.reads++
	f, used, _, err := decodeFrame(s.b)
	if errors.Is(err, errFrameShort) {
		return frame{}, context.DeadlineExceeded
	}
	if !s.again {
		s.b = s.b[used:]
	}
	return f, err
}

// at gives the field and the card of a chip that says this.
func (s *stream) at(t testing.TB) (*pn532Field, *pn532Card) {
	f := &pn532Field{chip: &chip{bus: s, times: hasty}, times: hasty}
	return f, &pn532Card{field: f, ctx: t.Context(), target: 1, until: time.Now().Add(hasty.card)}
}

// TestPN532Flood: a chip that says one thing for ever is not listened to for ever.
func TestPN532Flood(t *testing.T) {
	t.Parallel()
	for name, b := range map[string][]byte{
		"ACK": frameACK, "NACK": frameNACK, "its error": frameError,
		"another's response":   encodeFrame(tfiChip, []byte{cmdSetParameters + 1}),
		"our own command":      encodeFrame(tfiHost, []byte{cmdInDataExchange, 1}),
		"a wrong checksum":     {0, 0, 0xff, 2, 0xfe, 0xd5, 0x41, 0, 0},
		"more, and nothing":    encodeFrame(tfiChip, []byte{cmdInDataExchange + 1, statusMore}),
		"more, without an end": encodeFrame(tfiChip, append([]byte{cmdInDataExchange + 1, statusMore}, make([]byte, 100)...)),
	} {
		s := &stream{b: b, again: true}
		_, c := s.at(t)
		if response, err := c.Transmit([]byte{0, 0xa4, 4, 0}); response != nil || !errors.Is(err, card.ErrGone) && !errors.Is(err, card.ErrAnswer) {
			t.Errorf("%s: %x, %v", name, response, err)
		}
		if s.reads > 20 {
			t.Errorf("%s was read %d times", name, s.reads)
		}
		s = &stream{b: b, again: true}
		f, _ := s.at(t)
		if list, err := f.look(t.Context()); list != nil || err == nil {
			t.Errorf("%s: %v, %v", name, list, err)
		}
		if s.reads > 20 {
			t.Errorf("%s was read %d times", name, s.reads)
		}
	}
}

// FuzzPN532Exchange: whatever the chip says to an APDU, the response is one or
// there is none, the card gets the command once, and what is read is bounded.
func FuzzPN532Exchange(f *testing.F) {
	response := func(status byte, data string) []byte {
		return encodeFrame(tfiChip, append([]byte{cmdInDataExchange + 1, status}, unhex532(data)...))
	}
	join := func(frames ...[]byte) []byte { return bytes.Join(frames, nil) }
	for _, b := range [][]byte{
		nil,
		join(frameACK, response(0, "9000")),
		response(0, "9000"), // its ACK was lost
		join(frameACK, frameACK, response(0, "6a82")),
		join(frameACK, response(statusMore, "0102"), frameACK, response(0, "9000")),
		join(frameACK, response(statusMore, "")),
		join(frameACK, response(0, "90")),
		join(frameACK, response(0x01, "")), // UM0701-02 §7.1: time out
		join(frameACK, response(statusNAD, "009000")),
		join(frameACK, encodeFrame(tfiChip, append([]byte{cmdInDataExchange + 1, 0}, make([]byte, card.MaxResponse)...))),
		join(frameACK, encodeFrame(tfiChip, append([]byte{cmdInDataExchange + 1, 0}, make([]byte, card.MaxResponse+1)...))),
		join(frameACK, encodeFrame(tfiChip, []byte{cmdInDataExchange + 1})),
		join(frameACK, frameError),
		join([]byte{0x55, 0, 0xff, 3}, frameACK, response(0, "9000")),
	} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &stream{b: b}
		_, c := s.at(t)
		command := unhex532("00a4040007f0000000000001")
		response, err := c.Transmit(command)
		switch {
		case err == nil && (len(response) < 2 || len(response) > card.MaxResponse):
			t.Fatalf("a response of %d bytes", len(response))
		case err != nil && (response != nil || !errors.Is(err, card.ErrGone) && !errors.Is(err, card.ErrAnswer)):
			t.Fatalf("%x, %v", response, err)
		case err != nil:
			if again, err := c.Transmit(command); again != nil || !errors.Is(err, card.ErrGone) {
				t.Fatalf("after an error: %x, %v", again, err)
			}
		}
		sent := 0
		for _, frame := range s.wrote {
			if bytes.Contains(frame, command) {
				sent++
			}
		}
		if sent != 1 {
			t.Fatalf("the command was sent %d times", sent)
		}
		if limit := 8 + len(b); s.reads > limit {
			t.Fatalf("%d reads of %d bytes", s.reads, len(b))
		}
	})
}
