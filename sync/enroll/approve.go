package enroll

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"tombolo/sync/ledger"
)

// DefaultPort is where a gateway waits for a desk when nothing else is said.
const DefaultPort = "8662"

// Gateway is who asks to be enrolled, as the connection proved it.
type Gateway struct {
	Key     [32]byte // its TLS key: the request must name the same
	Request []byte
}

// Approval is the answer: Size bytes of Reader, 1 to [MaxApproval].
type Approval struct {
	Size   int64
	Reader io.Reader
}

// ApproveConfig is the steward's side.
type ApproveConfig struct {
	Address string // host or host:port; "" with a Code: as that says
	Code    *Code  // what the gateway shows; nil: the short code
	Screen  Screen // for the short code

	Author          ed25519.PrivateKey // the steward's key
	Community, Node ledger.CharterID

	// Decide answers a gateway that is the one that the person meant. It
	// refuses a request whose TLS key is not the gateway's. Its error ends the
	// enrolment, and comes back from Approve. ctx ends when the gateway goes
	// away.
	Decide   func(ctx context.Context, g Gateway) (Approval, error)
	Progress func(done, size int64) // of the approval, in bytes; may be nil
	Now      time.Time
}

// Approve enrols the gateway at an address, or that shows a code, and returns
// nil when the gateway has taken the approval in. Whatever the error, nothing is
// lost by beginning again. Errors: the network's; those of this package, wrapped
// in [Refused] where the gateway's side found them; those of Decide, Screen and
// ctx.
func Approve(ctx context.Context, cfg ApproveConfig) error {
	if cfg.Code == nil && cfg.Screen == nil {
		return errors.New("without the gateway's code somebody has to type digits")
	}
	own, err := DeskCertificate(cfg.Author, cfg.Now)
	if err != nil {
		return err
	}
	conn, err := dial(ctx, cfg, own)
	if err != nil {
		return err
	}
	return cfg.speak(ctx, conn, own.Certificate[0])
}

// speak has the connection from its handshake to its end.
func (cfg ApproveConfig) speak(ctx context.Context, conn *tls.Conn, certificate []byte) error {
	defer context.AfterFunc(ctx, func() { conn.NetConn().Close() })()
	s := newSession(conn)
	err := cfg.approve(ctx, s, certificate)
	s.end(err)
	if cause := context.Cause(ctx); err != nil && cause != nil {
		return cause
	}
	return err
}

// dial connects to the first address that answers with the right key.
func dial(ctx context.Context, cfg ApproveConfig, own tls.Certificate) (*tls.Conn, error) {
	addresses := []string{withPort(cfg.Address)}
	if cfg.Address == "" {
		if cfg.Code == nil {
			return nil, errors.New("the gateway's address is missing")
		}
		addresses = cfg.Code.At
	}
	t := cfg.config(own)
	var failed []error
	for _, at := range addresses {
		raw, err := (&net.Dialer{Timeout: waitFirst, KeepAliveConfig: alive}).DialContext(ctx, "tcp", at)
		if err != nil {
			failed = append(failed, err)
			continue
		}
		conn, err := handshake(ctx, raw, tls.Client, t)
		if err == nil {
			return conn, nil
		}
		raw.Close()
		failed = append(failed, fmt.Errorf("%s: %w", at, err))
	}
	return nil, errors.Join(failed...)
}

func (cfg ApproveConfig) config(own tls.Certificate) *tls.Config {
	t := ClientConfig(own, func(gateway [32]byte) error {
		if cfg.Code != nil && cfg.Code.Key != gateway {
			return ErrKey
		}
		return nil // a short code: people compare
	})
	t.NextProtos = []string{alpn}
	return t
}

// withPort adds the default port to an address that has none.
func withPort(address string) string {
	if _, _, err := net.SplitHostPort(address); err == nil || address == "" {
		return address
	}
	if n := len(address); address[0] == '[' && address[n-1] == ']' {
		address = address[1 : n-1]
	}
	return net.JoinHostPort(address, DefaultPort)
}

func (cfg ApproveConfig) approve(ctx context.Context, s *session, certificate []byte) error {
	cs := s.conn.ConnectionState()
	g := Gateway{}
	var err error
	if g.Key, err = KeyOf(cs); err != nil {
		return err
	}
	h := &hello{Way: wayShort, Community: cfg.Community, Node: cfg.Node}
	agree := cfg.agree
	if cfg.Code != nil {
		h.Way, agree = wayCode, cfg.check
	}
	if err := h.check(); err != nil {
		return err
	}
	t, err := channel(cs, g.Key, certificate, h)
	if err != nil {
		return err
	}
	if err := s.send(h); err != nil {
		return err
	}
	if cfg.Code != nil {
		if err := s.send(&proof{MAC: t.prove(deskMACLabel, cfg.Code.Secret)}); err != nil {
			return err
		}
	}
	r, err := next[*request](ctx, s, waitFrame)
	if err != nil {
		return err
	}
	g.Request = r.Request
	if err := agree(ctx, s, t.with(r.Request)); err != nil {
		return err
	}
	var a Approval
	if err := s.during(ctx, waitSteward, func(ctx context.Context) (err error) {
		if a, err = cfg.Decide(ctx, g); err != nil {
			err = &declined{err}
		}
		return err
	}); err != nil {
		return err
	}
	if err := cfg.give(s, a); err != nil {
		return err
	}
	_, err = next[*taken](ctx, s, waitTake)
	if errors.Is(err, ErrLost) || errors.Is(err, ErrSlow) {
		if _, said := errors.AsType[*Refused](err); !said {
			err = fmt.Errorf("%w (%w)", ErrUnknown, err)
		}
	}
	return err
}

// check ends the way by code: the gateway, whose key was pinned, knows the
// secret, too.
func (cfg ApproveConfig) check(ctx context.Context, s *session, t transcript) error {
	p, err := next[*proof](ctx, s, waitFrame)
	if err != nil {
		return err
	}
	if !t.proved(gatewayMACLabel, cfg.Code.Secret, p.MAC) {
		return ErrSecret
	}
	return nil
}

// agree is the way by short code; see the package's documentation.
func (cfg ApproveConfig) agree(ctx context.Context, s *session, t transcript) error {
	c, err := next[*commit](ctx, s, waitFrame)
	if err != nil {
		return err
	}
	var own [32]byte
	rand.Read(own[:]) // never fails
	if err := s.send(&nonce{Nonce: own}); err != nil {
		return err
	}
	opened, err := next[*nonce](ctx, s, waitFrame)
	if err != nil {
		return err
	}
	if t.commit(opened.Nonce) != c.Commitment {
		return ErrOpening
	}
	wanted, shown := t.digits(c.Commitment, opened.Nonce, own)
	if err := s.person(ctx, cfg.Screen, wanted); err != nil {
		return err
	}
	if err := s.send(&agreed{}); err != nil {
		return err
	}
	if err := cfg.Screen.Show(shown); err != nil { // not before: it proves this desk at the gateway
		return err
	}
	_, err = next[*agreed](ctx, s, waitPerson)
	return err
}

// give sends the approval.
func (cfg ApproveConfig) give(s *session, a Approval) error {
	m := &approval{Size: a.Size}
	if err := m.check(); err != nil {
		return &declined{fmt.Errorf("%w, want 1 to %d", err, MaxApproval)}
	}
	if err := s.send(m); err != nil {
		return err
	}
	piece := make([]byte, chunkSize)
	for done := int64(0); done < a.Size; {
		n := min(chunkSize, a.Size-done)
		if _, err := io.ReadFull(a.Reader, piece[:n]); err != nil {
			return &declined{fmt.Errorf("reading the approval at byte %d of %d: %w", done, a.Size, err)}
		}
		if err := s.heard(); err != nil {
			return err
		}
		if err := s.send(&chunk{Data: piece[:n]}); err != nil {
			return err
		}
		done += n
		if cfg.Progress != nil {
			cfg.Progress(done, a.Size)
		}
	}
	return nil
}

// declined is [ErrDeclined] to the gateway, and what the host said here.
type declined struct{ err error }

func (e *declined) Error() string   { return e.err.Error() }
func (e *declined) Unwrap() []error { return []error{ErrDeclined, e.err} }
