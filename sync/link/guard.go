package link

import (
	"bufio"
	"errors"
	"fmt"
	"io"
)

// MaxPacket bounds a packet behind its fixed header, in bytes: a payload, and
// room for its topic.
const MaxPacket = MaxPayload + 4096

// Errors that end a connection to a broker.
var (
	ErrOversize = errors.New("the broker sent a packet that is too large")
	ErrProtocol = errors.New("the broker does not keep to MQTT 3.1.1")
)

// guard follows the framing of what a broker sends (MQTT 3.1.1 §2.2) and ends
// the stream before a packet that the library would allocate without a bound, or
// that it does not survive: it indexes a SUBACK's codes by its own filters, and
// takes an unknown CONNACK code for a success. After CONNACK only PUBLISH at
// QoS 0, SUBACK and PINGRESP can come: nothing else was asked for.
type guard struct {
	r       *bufio.Reader
	filters int // of the one SUBSCRIBE

	greeted bool   // CONNACK came
	header  []byte // of the packet under way, what the reader has not taken yet
	left    int    // bytes of its body
	err     error
}

// MQTT 3.1.1 §2.2.1, with the flags of §2.2.2.
const (
	packetConnack  = 0x20
	packetPublish  = 0x30
	packetSuback   = 0x90
	packetPingresp = 0xd0
)

func (g *guard) Read(b []byte) (int, error) {
	if len(b) == 0 || g.err != nil {
		return 0, g.err
	}
	if len(g.header) == 0 && g.left == 0 {
		if g.err = g.next(); g.err != nil {
			return 0, g.err
		}
	}
	if len(g.header) > 0 {
		n := copy(b, g.header)
		g.header = g.header[n:]
		return n, nil
	}
	n, err := g.r.Read(b[:min(len(b), g.left)])
	g.left -= n
	g.err = cutShort(err)
	return n, g.err
}

// cutShort is the error of a read within a packet.
func cutShort(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// next reads a fixed header and judges it.
func (g *guard) next() error {
	first, err := g.r.ReadByte()
	if err != nil {
		return err
	}
	g.header = append(g.header[:0], first)
	length := 0
	for shift := 0; ; shift += 7 { // §2.2.3
		if shift > 21 {
			return fmt.Errorf("%w: a length of more than four bytes", ErrProtocol)
		}
		b, err := g.r.ReadByte()
		if err != nil {
			return cutShort(err)
		}
		g.header = append(g.header, b)
		length |= int(b&0x7f) << shift
		if b < 0x80 {
			break
		}
	}
	if length > MaxPacket {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrOversize, length, MaxPacket)
	}
	g.left = length
	return g.allowed(first, length)
}

func (g *guard) allowed(first byte, length int) error {
	bad := func(what string) error { return fmt.Errorf("%w: %s", ErrProtocol, what) }
	if !g.greeted {
		if first != packetConnack || length != 2 {
			return bad("its first packet is no CONNACK")
		}
		code, err := g.r.Peek(2)
		if err != nil {
			return cutShort(err)
		}
		if code[1] > 5 { // §3.2.2.3
			return bad(fmt.Sprintf("CONNACK with code %d", code[1]))
		}
		g.greeted = true
		return nil
	}
	switch {
	case first&^1 == packetPublish: // QoS 0, with or without retain
		if length < 2 {
			return bad("PUBLISH without a topic")
		}
	case first == packetSuback:
		if length != 2+g.filters {
			return bad("SUBACK for other filters than were asked for")
		}
	case first == packetPingresp:
		if length != 0 {
			return bad("PINGRESP with a body")
		}
	default:
		return bad(fmt.Sprintf("a packet %#02x that nothing asked for", first))
	}
	return nil
}
