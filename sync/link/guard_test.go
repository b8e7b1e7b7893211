package link

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// remaining is MQTT's length (3.1.1 §2.2.3).
func remaining(n int) []byte {
	var b []byte
	for {
		d := byte(n % 128)
		if n /= 128; n > 0 {
			b = append(b, d|0x80)
			continue
		}
		return append(b, d)
	}
}

func packet(first byte, body ...byte) []byte {
	return append(append([]byte{first}, remaining(len(body))...), body...)
}

func publishPacket(topic string, payload []byte) []byte {
	return packet(packetPublish, append(append([]byte{byte(len(topic) >> 8), byte(len(topic))}, topic...), payload...)...)
}

var connack = packet(packetConnack, 0, 0)

func through(b []byte, filters int) ([]byte, error) {
	g := guard{r: bufio.NewReader(bytes.NewReader(b)), filters: filters}
	return io.ReadAll(&g)
}

func TestGuardPasses(t *testing.T) {
	t.Parallel()
	suback := packet(packetSuback, 0, 1, 0, 0, 0x80)
	stream := bytes.Join([][]byte{connack, suback, packet(packetPingresp), publishPacket("a/b", bytes.Repeat([]byte{7}, MaxPacket-5)),
		publishPacket("a", nil), packet(packetPublish|1, 0, 1, 'a')}, nil)
	if got, err := through(stream, 3); err != nil || !bytes.Equal(got, stream) {
		t.Errorf("%d bytes of %d, %v", len(got), len(stream), err)
	}
	// In any sizes of read.
	g := guard{r: bufio.NewReader(iotest.HalfReader(bytes.NewReader(stream))), filters: 3}
	if got, err := io.ReadAll(iotest.OneByteReader(&g)); err != nil || !bytes.Equal(got, stream) {
		t.Errorf("byte by byte: %d bytes of %d, %v", len(got), len(stream), err)
	}
}

func TestGuardCuts(t *testing.T) {
	t.Parallel()
	after := func(b []byte) []byte { return append(bytes.Clone(connack), b...) }
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"100 MB announced":           {after(append([]byte{packetPublish}, remaining(100<<20)...)), ErrOversize},
		"a byte too many":            {after(append([]byte{packetPublish}, remaining(MaxPacket+1)...)), ErrOversize},
		"100 MB before CONNACK":      {append([]byte{packetConnack}, remaining(100<<20)...), ErrOversize},
		"a length without end":       {after([]byte{packetPublish, 0xff, 0xff, 0xff, 0xff, 1}), ErrProtocol},
		"PUBLISH before CONNACK":     {publishPacket("a", nil), ErrProtocol},
		"an unknown CONNACK code":    {packet(packetConnack, 0, 42), ErrProtocol},
		"a long CONNACK":             {packet(packetConnack, 0, 0, 0), ErrProtocol},
		"CONNACK again":              {after(connack), ErrProtocol},
		"SUBACK of too many filters": {after(packet(packetSuback, 0, 1, 0, 0, 0)), ErrProtocol},
		"SUBACK of too few":          {after(packet(packetSuback, 0, 1, 0)), ErrProtocol},
		"PUBLISH at QoS 1":           {after(packet(packetPublish|2, 0, 1, 'a', 0, 1)), ErrProtocol},
		"PUBLISH at QoS 3":           {after(packet(packetPublish|6, 0, 1, 'a', 0, 1)), ErrProtocol},
		"PUBLISH without a topic":    {after(packet(packetPublish, 0)), ErrProtocol},
		"PUBACK":                     {after(packet(0x40, 0, 1)), ErrProtocol},
		"PUBREL":                     {after(packet(0x62, 0, 1)), ErrProtocol},
		"UNSUBACK":                   {after(packet(0xb0, 0, 1)), ErrProtocol},
		"PINGRESP with a body":       {after(packet(packetPingresp, 0)), ErrProtocol},
		"packet type 0":              {after(packet(0)), ErrProtocol},
		"packet type 15":             {after(packet(0xf0)), ErrProtocol},
	} {
		got, err := through(c.b, 2)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if len(got) > len(connack) {
			t.Errorf("%s: %x came through", name, got)
		}
	}
	// A stream that ends within a packet is cut short.
	stream := after(publishPacket("a", []byte("xyz")))
	for n := range stream {
		_, err := through(stream[:n], 2)
		if whole := n == 0 || n == len(connack); whole != (err == nil) || !whole && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

// FuzzGuard holds that what comes through is what came, and framed within the
// bound.
func FuzzGuard(f *testing.F) {
	f.Add(append(bytes.Clone(connack), publishPacket("a/b", []byte("x"))...), uint8(2))
	f.Add(append(bytes.Clone(connack), packet(packetSuback, 0, 1, 0, 0)...), uint8(2))
	f.Add(append([]byte{packetPublish}, remaining(100<<20)...), uint8(2))
	f.Add([]byte("0"), uint8(0))
	f.Fuzz(func(t *testing.T, b []byte, filters uint8) {
		got, err := through(b, int(filters))
		if !bytes.HasPrefix(b, got) || err == nil && len(got) < len(b) {
			t.Fatalf("%x came of %x, %v", got, b, err)
		}
		for rest := got; len(rest) > 0; {
			n, i := 0, 1
			for ; i < len(rest); i++ {
				n |= int(rest[i]&0x7f) << (7 * (i - 1))
				if rest[i] < 0x80 {
					break
				}
			}
			if n > MaxPacket {
				t.Fatalf("a packet of %d bytes came through", n)
			}
			rest = rest[min(len(rest), i+1+n):]
		}
	})
}
