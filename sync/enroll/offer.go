package enroll

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"tombolo/sync/ledger"
)

// Desk is who enrols a gateway, as the connection proved it.
type Desk struct {
	Author          [32]byte // Ed25519, the key that writes its ledgers
	Community, Node ledger.CharterID
	Remote          string // its address
}

// OfferConfig is a new gateway's side.
type OfferConfig struct {
	Listener net.Listener       // Offer closes it
	Key      ed25519.PrivateKey // its TLS key
	Request  []byte             // what it asks for, at most [MaxRequest] bytes
	Secret   [16]byte           // of the [Code] that it shows; zero: it shows none
	Screen   Screen             // for the short code; nil: it takes none
	Dir      string             // where an approval lies until it is whole
	// Take takes in an approval, which is whole and comes from desk. It must
	// refuse one that pins other charters than desk names: those are what the
	// steward's tool and the digits stand for. Its error is shown to the
	// steward. One at a time.
	Take func(desk Desk, approval io.ReadSeeker) error
	Log  *slog.Logger // nil: none
}

// Offer waits until a desk has enrolled this gateway, and returns nil when Take
// has taken its approval. What goes wrong with one desk is logged and told to
// it, and the next may come; other errors are the configuration's, the
// listener's and ctx's.
func Offer(ctx context.Context, cfg OfferConfig) error {
	defer cfg.Listener.Close()
	switch {
	case len(cfg.Request) == 0 || len(cfg.Request) > MaxRequest:
		return fmt.Errorf("a gateway's request of %d bytes, want 1 to %d", len(cfg.Request), MaxRequest)
	case cfg.Secret == [16]byte{} && cfg.Screen == nil:
		return errors.New("a gateway that shows neither a code nor digits cannot be enrolled over the network")
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	own, err := SelfSigned(cfg.Key, "gateway")
	if err != nil {
		return err
	}
	o := &offer{OfferConfig: cfg, key: [32]byte(cfg.Key.Public().(ed25519.PublicKey)), tls: &tls.Config{
		MinVersion:             tls.VersionTLS13,
		Certificates:           []tls.Certificate{own},
		NextProtos:             []string{alpn},
		ClientAuth:             tls.RequireAnyClientCert,
		SessionTicketsDisabled: true,
		VerifyConnection: func(cs tls.ConnectionState) error {
			_, err := DeskOf(cs, time.Time{}) // a new gateway may not know the time
			return err
		},
	}}
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	o.enrolled = func() { stop(errEnrolled) }
	defer context.AfterFunc(ctx, func() { cfg.Listener.Close() })()

	var all sync.WaitGroup
	defer all.Wait()
	open := make(chan struct{}, maxOpen)
	for {
		conn, err := cfg.Listener.Accept()
		if cause := context.Cause(ctx); cause != nil {
			if err == nil {
				conn.Close()
			}
			if errors.Is(cause, errEnrolled) {
				return nil
			}
			return cause
		}
		if err != nil {
			stop(err)
			return err
		}
		select {
		case open <- struct{}{}:
		default:
			conn.Close() // it costs nothing to come again
			continue
		}
		all.Go(func() {
			defer func() { <-open }()
			o.serve(ctx, conn)
		})
	}
}

// maxOpen bounds the connections at a time, most of which have yet to say who
// they are.
const maxOpen = 8

var errEnrolled = errors.New("enrolled")

type offer struct {
	OfferConfig
	key      [32]byte
	tls      *tls.Config
	enrolled func()

	// One desk at a time each way: a stranger who asks for the short code does
	// not take the place of a desk that has seen the long one.
	byCode, byShort sync.Mutex
	attempts        attempts // byShort's

	taking sync.Mutex // by one desk, whichever way it came; and then for good
}

// serve has one connection from its beginning to its end.
func (o *offer) serve(ctx context.Context, raw net.Conn) {
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	if tcp, ok := raw.(*net.TCPConn); ok {
		tcp.SetKeepAliveConfig(alive) // else the times of this package are what ends it
	}
	log := o.Log.With("remote", raw.RemoteAddr().String())
	conn, err := handshake(ctx, raw, tls.Server, o.tls)
	if err != nil {
		log.Warn("enrolment: not a desk", "err", err)
		return
	}
	s := newSession(conn)
	desk, err := o.enrol(ctx, s)
	s.end(err)
	switch {
	case err == nil:
		log.Info("enrolment: taken", "community", desk.Community, "node", desk.Node)
		o.enrolled()
	case ctx.Err() == nil:
		log.Warn("enrolment: failed", "err", err)
	}
}

func (o *offer) enrol(ctx context.Context, s *session) (desk Desk, err error) {
	cs := s.conn.ConnectionState()
	if desk.Author, err = DeskOf(cs, time.Time{}); err != nil {
		return desk, err
	}
	h, err := next[*hello](ctx, s, waitFirst)
	if err != nil {
		return desk, err
	}
	desk.Community, desk.Node, desk.Remote = h.Community, h.Node, s.conn.RemoteAddr().String()
	t, err := channel(cs, o.key, cs.PeerCertificates[0].Raw, h)
	if err != nil {
		return desk, err
	}
	var slot *sync.Mutex
	switch {
	case h.Way == wayCode && o.Secret != [16]byte{}:
		p, err := next[*proof](ctx, s, waitFirst)
		if err != nil {
			return desk, err
		}
		if !t.proved(deskMACLabel, o.Secret, p.MAC) {
			return desk, ErrSecret
		}
		slot = &o.byCode
	case h.Way == wayShort && o.Screen != nil:
		slot = &o.byShort
	default:
		return desk, ErrWay
	}
	if !slot.TryLock() {
		return desk, ErrBusy
	}
	defer slot.Unlock()
	if h.Way == wayCode {
		err = o.answer(s, t)
	} else {
		err = o.agree(ctx, s, t)
	}
	if err != nil {
		return desk, err
	}
	return desk, o.receive(ctx, s, desk)
}

// answer ends the way by code: the desk has proved itself.
func (o *offer) answer(s *session, t transcript) error {
	if err := s.send(&request{Request: o.Request}); err != nil {
		return err
	}
	return s.send(&proof{MAC: t.with(o.Request).prove(gatewayMACLabel, o.Secret)})
}

// agree is the way by short code; see the package's documentation.
func (o *offer) agree(ctx context.Context, s *session, t transcript) error {
	if !o.attempts.allow(time.Now()) {
		return ErrAttempts
	}
	if err := s.send(&request{Request: o.Request}); err != nil {
		return err
	}
	t = t.with(o.Request)
	var own [32]byte
	rand.Read(own[:]) // never fails
	commitment := t.commit(own)
	if err := s.send(&commit{Commitment: commitment}); err != nil {
		return err
	}
	other, err := next[*nonce](ctx, s, waitFrame)
	if err != nil {
		return err
	}
	if err := s.send(&nonce{Nonce: own}); err != nil {
		return err
	}
	shown, wanted := t.digits(commitment, own, other.Nonce)
	if err := o.Screen.Show(shown); err != nil {
		return err
	}
	if _, err := next[*agreed](ctx, s, waitPerson); err != nil {
		return err
	}
	if err := s.person(ctx, o.Screen, wanted); err != nil {
		return err
	}
	return s.send(&agreed{})
}

// person has the person on this side type the digits that the other shows.
func (s *session) person(ctx context.Context, screen Screen, digits string) error {
	return s.during(ctx, waitPerson, func(ctx context.Context) error {
		text, err := screen.Type(ctx)
		if err == nil && !typed(text, digits) {
			err = ErrDigits
		}
		return err
	})
}

// receive takes an approval: nothing of it before it is whole.
func (o *offer) receive(ctx context.Context, s *session, desk Desk) error {
	a, err := next[*approval](ctx, s, waitSteward)
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(o.Dir, "approval-*")
	if err != nil {
		return &notTaken{err}
	}
	defer os.Remove(f.Name())
	defer f.Close()
	for got := int64(0); got < a.Size; {
		c, err := next[*chunk](ctx, s, waitFrame)
		if err != nil {
			return err
		}
		if got += int64(len(c.Data)); got > a.Size {
			return fmt.Errorf("%w: more than the %d bytes that it announced", ErrFrame, a.Size)
		}
		if _, err := f.Write(c.Data); err != nil {
			return &notTaken{err}
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return &notTaken{err}
	}
	if err := o.take(desk, f); err != nil {
		return err
	}
	if err := s.send(&taken{}); err != nil {
		o.Log.Warn("enrolment: the desk was not told that it was taken", "err", err)
	}
	return nil
}

func (o *offer) take(desk Desk, approval io.ReadSeeker) error {
	if !o.taking.TryLock() {
		return ErrBusy
	}
	if err := o.Take(desk, approval); err != nil {
		o.taking.Unlock()
		return &notTaken{err}
	}
	return nil
}

// Attempts by short code, and the time in which there are no more.
const (
	maxAttempts   = 3
	attemptWindow = 10 * time.Minute
)

// attempts remembers when the last attempts began; the zero value has none.
type attempts [maxAttempts]time.Time

// allow counts an attempt, unless there were enough.
func (a *attempts) allow(now time.Time) bool {
	oldest := 0
	for i := range a {
		if a[i].Before(a[oldest]) {
			oldest = i
		}
	}
	if !a[oldest].IsZero() && now.Sub(a[oldest]) < attemptWindow {
		return false
	}
	a[oldest] = now
	return true
}
