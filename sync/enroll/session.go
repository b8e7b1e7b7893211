package enroll

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// How long each step may take.
const (
	waitFirst   = 10 * time.Second // for a connection to say who it is
	waitFrame   = 30 * time.Second // for a frame that nobody has to think about
	waitPerson  = 5 * time.Minute  // for digits to be read, walked over and typed
	waitSteward = 15 * time.Minute // for the steward's tool to ask, and to write an approval
	waitTake    = 15 * time.Minute // for a small board to take in a large approval
	waitLast    = 2 * time.Second  // for a refusal to get through
)

const alpn = "tombolo-enroll" // RFC 7301: a key's other links cannot be taken for this one

// Screen is one side's person: what is shown to them, and what they type. It is
// used by one enrolment at a time.
type Screen interface {
	// Show shows six digits, which somebody types at the other side. They stay
	// until the next Show or the end.
	Show(digits string) error
	// Type asks for the six digits that the other side shows, and returns them
	// as typed. It must return when ctx ends: the other side went away.
	Type(ctx context.Context) (string, error)
}

// session is a connection in the state between handshake and end. Its methods
// belong to the goroutine that opened it; only read runs beside it.
type session struct {
	conn *tls.Conn
	in   chan arrival // from read; not buffered
	done chan struct{}
}

type arrival struct {
	message message
	err     error
}

func newSession(conn *tls.Conn) *session {
	s := &session{conn, make(chan arrival), make(chan struct{})}
	go s.read()
	return s
}

// read gives one frame after another until the first error, or the end: so that
// it is known at once when the other side goes away while a person is asked.
func (s *session) read() {
	for {
		m, err := readFrame(s.conn)
		if r, ok := m.(*refusal); ok {
			reason := reasons[r.Code]
			if reason == nil {
				reason = errOther
			}
			err = &Refused{reason, r.Why}
		} else if err != nil && !errors.Is(err, ErrFrame) && !errors.Is(err, ErrVersion) {
			err = fmt.Errorf("%w: %w", ErrLost, err)
		}
		select {
		case s.in <- arrival{m, err}:
		case <-s.done:
			return
		}
		if err != nil {
			return
		}
	}
}

// next is the next message, of type M, within that time. Errors: [Refused],
// [ErrFrame], [ErrVersion], [ErrSlow], [ErrLost].
func next[M message](ctx context.Context, s *session, wait time.Duration) (m M, err error) {
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case a := <-s.in:
		if a.err != nil {
			return m, a.err
		}
		m, ok := a.message.(M)
		if !ok {
			return m, fmt.Errorf("%w: a %T where a %T was due", ErrFrame, a.message, m)
		}
		return m, nil
	case <-t.C:
		return m, ErrSlow
	case <-ctx.Done():
		return m, context.Cause(ctx)
	}
}

// send writes a message. Where that fails because the other side has refused
// meanwhile, its refusal is the error.
func (s *session) send(m message) error {
	err := s.conn.SetWriteDeadline(time.Now().Add(waitFrame))
	if err == nil {
		_, err = s.conn.Write(appendFrame(nil, m))
	}
	if err == nil {
		return nil
	}
	t := time.NewTimer(waitLast)
	defer t.Stop()
	select {
	case a := <-s.in:
		if a.err != nil {
			return a.err
		}
	case <-t.C:
	}
	return fmt.Errorf("%w: %w", ErrLost, err)
}

// heard is the other side's refusal, or whatever else it said while it was not
// its turn; nil if it said nothing yet.
func (s *session) heard() error {
	select {
	case a := <-s.in:
		return a.outOfTurn()
	default:
		return nil
	}
}

func (a arrival) outOfTurn() error {
	if a.err == nil {
		return fmt.Errorf("%w: a %T out of turn", ErrFrame, a.message)
	}
	return a.err
}

// during runs fn, whose context ends after that time, or when the other side
// goes away or says anything: it is not its turn.
func (s *session) during(ctx context.Context, wait time.Duration, fn func(context.Context) error) error {
	ctx, stop := context.WithTimeoutCause(ctx, wait, ErrSlow)
	defer stop()
	ctx, cancel := context.WithCancelCause(ctx)
	ran, watched := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(watched)
		select {
		case a := <-s.in:
			cancel(a.outOfTurn())
		case <-ran:
		}
	}()
	err := fn(ctx)
	close(ran)
	<-watched
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// end closes the connection; the other side is told of err before, as far as it
// concerns it, and given the time to read that.
func (s *session) end(err error) {
	close(s.done)
	defer s.conn.Close()
	m := told(err)
	if _, refusedUs := errors.AsType[*Refused](err); m == nil || refusedUs {
		return
	}
	if s.conn.SetDeadline(time.Now().Add(waitLast)) != nil {
		return
	}
	if _, err := s.conn.Write(appendFrame(nil, m)); err != nil || s.conn.CloseWrite() != nil {
		return
	}
	// What is still under way from there is read: a connection that is closed
	// over unread bytes is reset, and the refusal would be lost with it.
	io.Copy(io.Discard, s.conn)
}

// alive lets a connection end within half a minute when the other side is gone
// without a word: its cable, its power.
var alive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4}

// handshake makes a session of a connection, within [waitFirst].
func handshake(ctx context.Context, raw net.Conn, wrap func(net.Conn, *tls.Config) *tls.Conn, cfg *tls.Config) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, waitFirst, ErrSlow)
	defer cancel()
	conn := wrap(raw, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	if conn.ConnectionState().NegotiatedProtocol != alpn {
		return nil, fmt.Errorf("%w: it does not offer %s", ErrFrame, alpn)
	}
	return conn, nil
}
