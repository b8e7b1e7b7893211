package vpcd

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// stub is a card that answers what it is told to.
type stub struct {
	atr    []byte
	answer func([]byte) ([]byte, error)
	resets int
}

func (s *stub) ATR() []byte                             { return s.atr }
func (s *stub) Transmit(command []byte) ([]byte, error) { return s.answer(command) }
func (s *stub) Reset()                                  { s.resets++ }

func echo(command []byte) ([]byte, error) {
	return append(command[:len(command):len(command)], 0x90, 0), nil
}

// reader is the driver's side of a card that is served.
type reader struct {
	t    *testing.T
	conn net.Conn
	done chan error
}

func hold(t *testing.T, ctx context.Context, c Card) *reader {
	t.Helper()
	near, far := net.Pipe()
	r := &reader{t: t, conn: near, done: make(chan error, 1)}
	go func() { r.done <- Serve(ctx, far, c) }()
	t.Cleanup(func() { near.Close() })
	near.SetDeadline(time.Now().Add(5 * time.Second))
	return r
}

func (r *reader) send(wire ...byte) {
	r.t.Helper()
	if _, err := r.conn.Write(wire); err != nil {
		r.t.Fatal(err)
	}
}

func (r *reader) want(wire ...byte) {
	r.t.Helper()
	got := make([]byte, len(wire))
	if _, err := io.ReadFull(r.conn, got); err != nil || !bytes.Equal(got, wire) {
		r.t.Fatalf("got % x (%v), want % x", got, err, wire)
	}
}

// ends wants Serve to return want, and to have hung up.
func (r *reader) ends(want error) {
	r.t.Helper()
	select {
	case err := <-r.done:
		if !errors.Is(err, want) || want == nil && err != nil {
			r.t.Errorf("Serve: %v, want %v", err, want)
		}
	case <-time.After(5 * time.Second):
		r.t.Fatal("Serve goes on")
	}
	if _, err := r.conn.Read(make([]byte, 1)); err != io.EOF && !errors.Is(err, io.ErrClosedPipe) {
		r.t.Errorf("the connection is not closed: %v", err)
	}
}

func TestServe(t *testing.T) {
	t.Parallel()
	c := &stub{atr: []byte{0x3b, 0x80, 0x80, 0x01, 0x01}, answer: echo}
	r := hold(t, context.Background(), c)
	r.send(0, 1, 4) // ATR
	r.want(0, 5, 0x3b, 0x80, 0x80, 0x01, 0x01)
	r.send(0, 1, 1, 0, 1, 2, 0, 1, 0) // power on, reset, power off: no answer
	r.send(0, 4, 0, 0xa4, 4, 0)
	r.want(0, 6, 0, 0xa4, 4, 0, 0x90, 0)
	if c.resets != 3 {
		t.Errorf("the card was reset %d times", c.resets)
	}
	r.send(append([]byte{1, 6}, make([]byte, 262)...)...)
	r.want(0, 2, 0x67, 0)
	r.conn.Close()
	r.ends(nil)
}

func TestServeEnds(t *testing.T) {
	t.Parallel()
	torn := errors.New("torn away")
	atr := []byte{0x3b, 0}
	fine := func() *stub { return &stub{atr: atr, answer: echo} }
	for _, c := range []struct {
		name string
		card *stub
		send []byte
		want error
	}{
		{"the card is torn away", &stub{atr, func([]byte) ([]byte, error) { return nil, torn }, 0}, []byte{0, 4, 0, 0, 0, 0}, torn},
		{"no response", &stub{atr, func([]byte) ([]byte, error) { return nil, nil }, 0}, []byte{0, 4, 0, 0, 0, 0}, ErrCard},
		{"a response without end", &stub{atr, func([]byte) ([]byte, error) { return make([]byte, 65536), nil }, 0}, []byte{0, 4, 0, 0, 0, 0}, ErrTooLong},
		{"no ATR", &stub{nil, echo, 0}, []byte{0, 1, 4}, ErrCard},
		{"an ATR of a byte", &stub{atr[:1], echo, 0}, []byte{0, 1, 4}, ErrCard},
		{"an ATR of 34 bytes", &stub{make([]byte, 34), echo, 0}, []byte{0, 1, 4}, ErrCard},
		{"an empty message", fine(), []byte{0, 0}, ErrEmpty},
		{"an unknown control", fine(), []byte{0, 1, 9}, ErrControl},
		{"a command of two bytes", fine(), []byte{0, 2, 0, 0}, ErrShort},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := hold(t, context.Background(), c.card)
			r.send(c.send...)
			r.ends(c.want)
		})
	}
	t.Run("the reader hangs up in a message", func(t *testing.T) {
		r := hold(t, context.Background(), fine())
		r.send(0, 9, 1)
		r.conn.Close()
		r.ends(ErrTruncated)
	})
	t.Run("the context ends", func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		r := hold(t, ctx, fine())
		r.send(0, 1, 1)
		cancel()
		r.ends(nil)
	})
}

func TestDialSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := Dial(context.Background(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	l.Close()
	if _, err := Dial(context.Background(), l.Addr().String()); err == nil || !strings.Contains(err.Error(), "vsmartcard-vpcd") {
		t.Errorf("nobody listens: %v", err)
	}
}
