package enroll

import (
	"context"
	"crypto/tls"
	"errors"
	mathrand "math/rand/v2"
	"net"
	"testing"
	"time"

	"tombolo/sync/ledger"
)

// middle sits between a desk and a gateway: it ends TLS on both connections
// with keys of its own, and holds one transcript of each.
type middle struct {
	gateway, desk   *session // towards each
	toGateway, seen transcript
	hello           *hello // the desk's
}

// between accepts one desk at at, and dials the gateway. community replaces
// the desk's towards the gateway, unless it is zero.
func between(t *testing.T, l net.Listener, g *gateway, community ledger.CharterID) *middle {
	t.Helper()
	own, err := SelfSigned(testKey("middle"), "gateway")
	if err != nil {
		t.Error(err)
		return nil
	}
	raw, err := l.Accept()
	if err != nil {
		t.Error(err)
		return nil
	}
	conn, err := handshake(t.Context(), raw, tls.Server, &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{own}, NextProtos: []string{alpn}, ClientAuth: tls.RequireAnyClientCert,
	})
	if err != nil {
		raw.Close()
		return nil // a desk that pins
	}
	m := &middle{desk: newSession(conn)}
	if m.hello, err = next[*hello](t.Context(), m.desk, waitFirst); err != nil {
		t.Error(err)
		return nil
	}
	cs := conn.ConnectionState()
	if m.seen, err = channel(cs, publicKey(testKey("middle")), cs.PeerCertificates[0].Raw, m.hello); err != nil {
		t.Error(err)
	}

	his, err := DeskCertificate(testKey("middle's desk"), testNow)
	if err != nil {
		t.Error(err)
	}
	if raw, err = net.Dial("tcp", g.at); err != nil {
		t.Error(err)
		return nil
	}
	if conn, err = handshake(t.Context(), raw, tls.Client, ApproveConfig{}.config(his)); err != nil {
		t.Error(err)
		return nil
	}
	h := *m.hello
	if !community.IsZero() {
		h.Community = community
	}
	m.gateway = newSession(conn)
	if m.toGateway, err = channel(conn.ConnectionState(), publicKey(gatewayKey), his.Certificate[0], &h); err != nil {
		t.Error(err)
	}
	if err := m.gateway.send(&h); err != nil {
		t.Error(err)
	}
	return m
}

// people are a steward who stands before the gateway with the tool: they type
// what they see, and nothing where nothing is shown.
func people() (gateway, desk Screen, shown func() string) {
	var b string // the tool's; the gateway's person reads it when the tool's has typed
	see, typed := make(chan string, 1), make(chan struct{})
	gateway = person{func(d string) error { see <- d; return nil },
		func(ctx context.Context) (string, error) {
			select {
			case <-typed:
			case <-ctx.Done():
			}
			return b, nil
		}}
	desk = person{func(d string) error { b = d; return nil },
		func(ctx context.Context) (string, error) {
			defer close(typed)
			select {
			case d := <-see:
				return d, nil
			case <-time.After(waitLast / 4): // there are no digits at the gateway
				return "", nil
			}
		}}
	return gateway, desk, func() string { return b }
}

// TestManInTheMiddle: an active one on the short code, who ends TLS on both
// connections and relays all that he may. The digits differ; the steward's tool
// is not asked and shows no digits; the gateway takes nothing, though he tells it
// that the desk agreed.
func TestManInTheMiddle(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	for name, play := range map[string]struct {
		attack func(m *middle) error
		want   error // at the desk
	}{
		// he hands on everything, bit for bit: what the gateway committed to
		// was another transcript
		"relays all": {func(m *middle) error {
			r, err := next[*request](ctx, m.gateway, waitFrame)
			c, err2 := next[*commit](ctx, m.gateway, waitFrame)
			if err := errors.Join(err, err2, m.desk.send(r), m.desk.send(c)); err != nil {
				return err
			}
			d, err := next[*nonce](ctx, m.desk, waitFrame)
			if err := errors.Join(err, m.gateway.send(d)); err != nil {
				return err
			}
			n, err := next[*nonce](ctx, m.gateway, waitFrame)
			return errors.Join(err, m.desk.send(n))
		}, ErrOpening},
		// he plays each side's part well, and uses the desk's nonce again
		"commits himself": {func(m *middle) error {
			r, err := next[*request](ctx, m.gateway, waitFrame)
			_, err2 := next[*commit](ctx, m.gateway, waitFrame)
			his := [32]byte{1}
			if err := errors.Join(err, err2, m.desk.send(r), m.desk.send(&commit{Commitment: m.seen.with(r.Request).commit(his)})); err != nil {
				return err
			}
			d, err := next[*nonce](ctx, m.desk, waitFrame)
			if err := errors.Join(err, m.gateway.send(d)); err != nil {
				return err
			}
			_, err = next[*nonce](ctx, m.gateway, waitFrame)
			return errors.Join(err, m.desk.send(&nonce{Nonce: his}))
		}, ErrDigits},
		// he waits for the gateway's digits before he opens to the desk, and
		// opens to whatever fits them
		"opens to what fits": {func(m *middle) error {
			r, err := next[*request](ctx, m.gateway, waitFrame)
			c, err2 := next[*commit](ctx, m.gateway, waitFrame)
			t := m.seen.with(r.Request)
			first := t.commit([32]byte{1})
			if err := errors.Join(err, err2, m.desk.send(r), m.desk.send(&commit{Commitment: first})); err != nil {
				return err
			}
			d, err := next[*nonce](ctx, m.desk, waitFrame)
			if err := errors.Join(err, m.gateway.send(&nonce{Nonce: [32]byte{3}})); err != nil {
				return err
			}
			n, err := next[*nonce](ctx, m.gateway, waitFrame)
			if err != nil {
				return err
			}
			a, _ := m.toGateway.with(r.Request).digits(c.Commitment, n.Nonce, [32]byte{3})
			fits, tries := search(mathrand.New(mathrand.NewPCG(1, 2)), func(nonce [32]byte) bool {
				got, _ := t.digits(first, nonce, d.Nonce)
				return got[:3] == a[:3] // three of six, to be quick: it fails before they are compared
			})
			if tries == 0 {
				return errors.New("nothing fits")
			}
			return m.desk.send(&nonce{Nonce: fits})
		}, ErrOpening},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			atGateway, atDesk, shown := people()
			g := offering(t, func(c *OfferConfig) { c.Screen = atGateway })
			l, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer l.Close()
			played := make(chan error, 1)
			go func() {
				m := between(t, l, g, ledger.CharterID{})
				if m == nil {
					played <- errors.New("no connection")
					return
				}
				defer m.desk.end(nil)
				defer m.gateway.end(nil)
				if err := play.attack(m); err != nil {
					played <- err
					return
				}
				_, err := next[*agreed](ctx, m.desk, waitPerson) // the desk never says so
				if err == nil {
					played <- errors.New("the desk agreed")
					return
				}
				// he says it instead, and an approval of his behind it
				err = m.gateway.send(&agreed{})
				if !errors.Is(play.want, ErrDigits) { // nobody is at the tool any more
					err = nil
				} else if _, got := next[*agreed](ctx, m.gateway, waitPerson); !errors.Is(got, ErrDigits) {
					err = got
				}
				played <- err
			}()
			cfg := undecided(t)
			cfg.Address, cfg.Screen = l.Addr().String(), atDesk
			err = Approve(ctx, cfg)
			want(t, err, play.want)
			if _, his := errors.AsType[*Refused](err); his {
				t.Errorf("it was not the desk that found out: %v", err)
			}
			if err := <-played; err != nil {
				t.Errorf("the attack did not come to its end: %v", err)
			}
			if b := shown(); b != "" {
				t.Errorf("the desk showed %s", b)
			}
			if play.want == ErrDigits {
				want(t, <-g.errs, ErrDigits)
			} else {
				g.cancel()
			}
			g.tookNothing()
		})
	}
}

// TestManInTheMiddleByCode: he has neither the key nor the secret.
func TestManInTheMiddleByCode(t *testing.T) {
	t.Parallel()
	g := offering(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer l.Close()
	go between(t, l, g, ledger.CharterID{})
	cfg := undecided(t)
	cfg.Code = g.code()
	cfg.Code.At = []string{l.Addr().String()} // he has bent the way, not the code
	want(t, Approve(t.Context(), cfg), ErrKey)

	// he gets hold of a desk's proof, as if its key had not been pinned, and
	// plays it to the gateway on his own connection
	his, tr := g.stranger(testKey("middle's desk"))
	must(t, his.send(&hello{Way: wayCode, Community: community, Node: node}))
	overheard := tr
	overheard[0]++
	must(t, his.send(&proof{MAC: overheard.prove(deskMACLabel, theSecret)}))
	_, err = next[*request](t.Context(), his, waitFrame)
	want(t, err, ErrSecret)
	his.conn.Close()
	want(t, <-g.errs, ErrSecret)
	g.again()
}

// impostor plays a gateway with that key to one desk after another.
func impostor(t *testing.T, key [32]byte, own tls.Certificate, play func(s *session, tr transcript) error) (at string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			raw, err := l.Accept()
			if err != nil {
				return
			}
			conn, err := handshake(t.Context(), raw, tls.Server, &tls.Config{Certificates: []tls.Certificate{own}, NextProtos: []string{alpn}, ClientAuth: tls.RequireAnyClientCert})
			if err != nil {
				t.Error(err)
				return
			}
			s := newSession(conn)
			h, err := next[*hello](t.Context(), s, waitFirst)
			if err != nil {
				t.Error(err)
				return
			}
			cs := conn.ConnectionState()
			tr, err := channel(cs, key, cs.PeerCertificates[0].Raw, h)
			if err := errors.Join(err, s.send(&request{Request: theRequest}), play(s, tr.with(theRequest))); err != nil {
				t.Error(err)
			}
			<-s.in // until the desk goes
			s.end(nil)
		}
	}()
	return l.Addr().String()
}

// TestImpostorByCode: who has the gateway's key, but has not shown the code.
func TestImpostorByCode(t *testing.T) {
	t.Parallel()
	own, err := SelfSigned(gatewayKey, "")
	must(t, err)
	for name, mac := range map[string]func(t transcript) [32]byte{
		"none":       func(transcript) [32]byte { return [32]byte{} },
		"the desk's": func(t transcript) [32]byte { return t.prove(deskMACLabel, theSecret) },
		"another":    func(t transcript) [32]byte { return t.prove(gatewayMACLabel, [16]byte{9}) },
	} {
		at := impostor(t, publicKey(gatewayKey), own, func(s *session, tr transcript) error {
			_, err := next[*proof](t.Context(), s, waitFirst)
			return errors.Join(err, s.send(&proof{MAC: mac(tr)}))
		})
		cfg := undecided(t)
		cfg.Code = &Code{publicKey(gatewayKey), theSecret, []string{at}}
		if err := Approve(t.Context(), cfg); !errors.Is(err, ErrSecret) {
			t.Errorf("%s: %v, want %v", name, err, ErrSecret)
		}
	}
}

// TestAlone: somebody who talks to the gateway alone gets it to show digits, and
// has nobody who would type his.
func TestAlone(t *testing.T) {
	t.Parallel()
	shown := make(chan string, 1)
	g := offering(t, func(c *OfferConfig) {
		// even a person who types the only digits in sight
		c.Screen = person{func(d string) error { shown <- d; return nil }, func(context.Context) (string, error) { return <-shown, nil }}
	})
	s, _ := g.stranger(testKey("stranger"))
	must(t, s.send(&hello{Way: wayShort, Community: community, Node: node}))
	_, err := next[*request](t.Context(), s, waitFrame)
	must(t, err)
	_, err = next[*commit](t.Context(), s, waitFrame)
	must(t, err)
	must(t, s.send(&nonce{}))
	_, err = next[*nonce](t.Context(), s, waitFrame)
	must(t, err)
	must(t, s.send(&agreed{}))
	_, err = next[*agreed](t.Context(), s, waitFrame)
	want(t, err, ErrDigits)
	g.again()
}
