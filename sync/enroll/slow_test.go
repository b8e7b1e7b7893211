package enroll

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// pipes is a network in memory, whose time is the bubble's.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

// slack is what TLS takes to end a connection where nobody reads any more, on a
// network that holds nothing; twice.
const slack = 10 * time.Second

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	select {
	case <-p.closed:
	default:
		close(p.closed)
	}
	return nil
}

func (p *pipes) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(192, 0, 2, 7), Port: 8662} }

func (p *pipes) dial() net.Conn {
	near, far := net.Pipe()
	p.conns <- far
	return near
}

// approve is Approve over the network in memory.
func (p *pipes) approve(t *testing.T, cfg ApproveConfig) error {
	own, err := DeskCertificate(authorKey, testNow)
	must(t, err)
	conn, err := handshake(t.Context(), p.dial(), tls.Client, cfg.config(own))
	if err != nil {
		return err
	}
	return cfg.speak(t.Context(), conn, own.Certificate[0])
}

// TestSlowDesk: whoever is silent, or slow, at any step is let go of in time,
// and does not keep the next one out.
func TestSlowDesk(t *testing.T) {
	t.Parallel()
	hi := frame(&hello{Way: wayShort, Community: community, Node: node})
	for name, tt := range map[string]struct {
		play func(t *testing.T, p *pipes) // returns when the other side has ended it
		want error
		took time.Duration
	}{
		"says nothing": {func(t *testing.T, p *pipes) { drain(p.dial()) }, ErrSlow, waitFirst},
		"one byte a second": {func(t *testing.T, p *pipes) {
			c := p.dial()
			go drain(c)
			for i := range 1000 {
				if _, err := c.Write([]byte{"\x16\x03\x01\x02\x00\x01"[min(i, 5)]}); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}, ErrSlow, waitFirst},
		"no hello":     {func(t *testing.T, p *pipes) { p.say(t) }, ErrSlow, waitFirst},
		"half a hello": {func(t *testing.T, p *pipes) { p.say(t, hi[:9]) }, ErrSlow, waitFirst},
		"no nonce":     {func(t *testing.T, p *pipes) { p.say(t, hi) }, ErrSlow, waitFrame},
		"nobody types": {func(t *testing.T, p *pipes) { p.say(t, hi, frame(&nonce{})) }, ErrSlow, waitPerson},
		"nobody here":  {func(t *testing.T, p *pipes) { p.say(t, hi, frame(&nonce{}), frame(&agreed{})) }, ErrSlow, waitPerson},
		"no approval":  {func(t *testing.T, p *pipes) { p.prove(t) }, ErrSlow, waitSteward},
		"stalls midway": {func(t *testing.T, p *pipes) {
			p.prove(t, frame(&approval{Size: 9}), frame(&chunk{Data: []byte("half")}))
		}, ErrSlow, waitFrame},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPipes()
				g := offeringOn(t, p, func(c *OfferConfig) {
					c.Screen = person{func(string) error { return nil }, func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }}
				})
				began := time.Now()
				tt.play(t, p)
				want(t, <-g.errs, tt.want)
				if took := time.Since(began); took < tt.took || took > tt.took+slack {
					t.Errorf("it was let go of after %v, want %v", took, tt.took)
				}
				cfg := approving(t, noise(20))
				cfg.Code = g.code()
				must(t, p.approve(t, cfg))
				g.took(noise(20))
			})
		})
	}
}

func drain(c net.Conn) {
	io.Copy(io.Discard, c)
	c.Close()
}

// say has a desk say that, and then read until the gateway ends it.
func (p *pipes) say(t *testing.T, frames ...[]byte) {
	s, _ := strangerOn(t, p.dial(), authorKey)
	go func() { // a pipe holds nothing: read meanwhile
		for _, b := range frames {
			if _, err := s.conn.Write(b); err != nil {
				t.Error(err)
			}
		}
	}()
	for a := range s.in {
		if a.err != nil {
			want(t, a.err, ErrSlow) // it is told why
			break
		}
	}
	s.conn.Close()
}

// prove is say, behind a hello and a proof by the long code.
func (p *pipes) prove(t *testing.T, frames ...[]byte) {
	own, err := DeskCertificate(authorKey, testNow)
	must(t, err)
	conn, err := handshake(t.Context(), p.dial(), tls.Client, ApproveConfig{}.config(own))
	must(t, err)
	h := &hello{Way: wayCode, Community: community, Node: node}
	tr, err := channel(conn.ConnectionState(), publicKey(gatewayKey), own.Certificate[0], h)
	must(t, err)
	for _, b := range append([][]byte{frame(h), frame(&proof{MAC: tr.prove(deskMACLabel, theSecret)})}, frames...) {
		_, err := conn.Write(b)
		must(t, err)
		if b[5] == byte(kindProof) { // a pipe holds nothing: read what the gateway answers
			for range 2 {
				_, err := readFrame(conn)
				must(t, err)
			}
		}
	}
	m, err := readFrame(conn)
	if r, ok := m.(*refusal); !ok || !errors.Is(reasons[r.Code], ErrSlow) {
		t.Errorf("the gateway said %#v, %v", m, err)
	}
	conn.Close()
}

// TestSlowGateway: the desk does not wait for ever either.
func TestSlowGateway(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		cfg  func(t *testing.T, g *gateway) ApproveConfig
		want error
		took time.Duration
	}{
		"nobody types at the gateway": {func(t *testing.T, g *gateway) ApproveConfig {
			cfg := undecided(t)
			cfg.Screen = person{func(string) error { return nil }, func(context.Context) (string, error) { return <-g.digits, nil }}
			return cfg
		}, ErrSlow, waitPerson},
		"nobody types at the desk": {func(t *testing.T, g *gateway) ApproveConfig {
			cfg := undecided(t)
			cfg.Screen = person{unasked(t).show, func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }}
			return cfg
		}, ErrSlow, waitPerson},
		"a steward who thinks": {func(t *testing.T, g *gateway) ApproveConfig {
			cfg := undecided(t)
			cfg.Code = g.code()
			cfg.Decide = func(ctx context.Context, _ Gateway) (Approval, error) { <-ctx.Done(); return Approval{}, ctx.Err() }
			return cfg
		}, ErrSlow, waitSteward},
		"a gateway that takes an hour": {func(t *testing.T, g *gateway) ApproveConfig {
			cfg := approving(t, noise(5))
			cfg.Code = g.code()
			return cfg
		}, ErrUnknown, waitTake},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p, digits := newPipes(), make(chan string, 1)
				g := offeringOn(t, p, func(c *OfferConfig) {
					c.Screen = person{func(d string) error { digits <- d; return nil }, func(ctx context.Context) (string, error) { <-ctx.Done(); return "", ctx.Err() }}
					c.Take = func(Desk, io.ReadSeeker) error { time.Sleep(time.Hour); return errors.New("no") }
				})
				g.digits = digits
				began := time.Now()
				want(t, p.approve(t, tt.cfg(t, g)), tt.want)
				if took := time.Since(began); took < tt.took || took > tt.took+slack {
					t.Errorf("it was let go of after %v, want %v", took, tt.took)
				}
				<-g.errs
				g.tookNothing()
			})
		})
	}
}

// TestAttempts: three by short code in ten minutes, whoever makes them; then it
// is as before.
func TestAttempts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := newPipes()
		there, here := screens()
		g := offeringOn(t, p, func(c *OfferConfig) { c.Screen = there })
		wrong := undecided(t)
		wrong.Screen = person{unasked(t).show, func(context.Context) (string, error) { <-here.reads; return "0", nil }}
		for i := range 2 * maxAttempts {
			err := p.approve(t, wrong)
			<-g.errs
			if i < maxAttempts {
				want(t, err, ErrDigits)
			} else {
				want(t, err, ErrAttempts)
			}
			time.Sleep(time.Minute)
		}
		time.Sleep(attemptWindow - 2*maxAttempts*time.Minute - time.Second)
		want(t, p.approve(t, wrong), ErrAttempts)
		<-g.errs
		time.Sleep(time.Second)
		cfg := approving(t, noise(7))
		cfg.Screen = here
		must(t, p.approve(t, cfg))
		g.took(noise(7))
	})
}
