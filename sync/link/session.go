package link

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	randv2 "math/rand/v2"
	"net"
	"net/url"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// ErrRefused says that the broker granted less than the link needs; a
// [RefusedError] says what.
var ErrRefused = errors.New("the broker refuses")

// RefusedError is a subscription that was refused.
type RefusedError struct {
	Filter string
	Code   byte // MQTT 3.1.1 §3.9.3
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("%v the subscription %s (code %#02x): see whether it knows this participant's certificate, and what it may read", ErrRefused, e.Filter, e.Code)
}

func (e *RefusedError) Unwrap() error { return ErrRefused }

// run connects again and again, and carries events to the host meanwhile.
func (l *Link) run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	running.Go(func() {
		for {
			e, ok := l.in.pop(ctx)
			if !ok {
				return
			}
			select {
			case l.events <- e:
			case <-ctx.Done():
				return
			}
		}
	})
	for failures := 0; ; failures++ {
		began := time.Now()
		err := l.connect(ctx, &running)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) >= l.timing.settled && !errors.Is(err, errNeverUp) {
			failures = 0
		}
		wait := l.timing.wait(failures)
		l.note(err, failures, wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

// wait is how long to wait after so many failures in a row: exponential, with
// full jitter, so that a thousand gateways do not come back at once.
func (t timing) wait(failures int) time.Duration {
	most := min(t.backoff[0]<<min(failures, 20), t.backoff[1])
	return randv2.N(most)
}

// note logs why a connection ended: the first of a row as a warning.
func (l *Link) note(err error, failures int, wait time.Duration) {
	l.counts.with(func(c *counters) { c.lastError = err })
	log := l.log.Debug
	if failures == 0 {
		log = l.log.Warn
	}
	log("link is down", "err", err, "again_in", wait.Round(time.Millisecond))
}

// errNeverUp marks the end of an attempt that did not come up.
var errNeverUp = errors.New("not connected")

// session is one connection, from its CONNECT on.
type session struct {
	*Link
	client mqtt.Client
	birth  birth
	lost   chan error
	// release lets the connection outlive the context that it was opened in; it
	// is false when it did not. Written before the library's Connect is done.
	release func() bool
	conn    *guardedConn // likewise; nil if it was not opened
	failed  error        // likewise: why it was not
	running *sync.WaitGroup
	ended   chan struct{} // closed with the session

	mu sync.Mutex
	// Guarded by mu.
	over    bool // what still comes is not for the host
	bearing bool // the birth is about to be published again
	parts   joiner
	asks    exchanges
	reborn  time.Time // when the birth was last published again
	logged  time.Time // when something was last logged as dropped
}

// connect makes one connection and stays until it ends. The writer may outlast
// it by the library's write timeout; running waits for that.
func (l *Link) connect(ctx context.Context, running *sync.WaitGroup) error {
	s := &session{Link: l, lost: make(chan error, 1), running: running, ended: make(chan struct{})}
	var id [8]byte
	rand.Read(id[:])
	s.birth = birth{
		Version: version, Type: TypeBirth, ID: binary.BigEndian.Uint64(id[:]),
		Name: l.cfg.SelfName, Software: l.cfg.Software, Time: max(time.Now().Unix(), 0),
	}
	l.counts.with(func(c *counters) { c.attempts++ })
	if err := s.open(ctx); err != nil {
		err = s.because(err)
		s.end(err, false)
		return fmt.Errorf("%w: %w", errNeverUp, err)
	}
	l.out.open()
	l.in.up(l.cfg.Scopes)
	l.counts.with(func(c *counters) { c.up, c.since = true, time.Now(); c.connects++ })
	l.log.Info("link is up")

	writing, stop := context.WithCancel(ctx)
	idle := make(chan struct{})
	running.Go(func() {
		defer close(idle)
		s.write(writing)
	})
	running.Go(func() { s.repeat(writing) })
	var err error
	select {
	case err = <-s.lost:
		err = s.because(err)
	case <-ctx.Done():
		err = ctx.Err()
	}
	stop()
	if ctx.Err() != nil {
		select {
		case <-idle:
		case <-time.After(l.timing.goodbye):
		}
		s.goodbye()
	}
	s.end(err, true)
	return err
}

// because is why the connection ended, where that is better known than by what
// failed then.
func (s *session) because(err error) error {
	if s.conn == nil {
		return cmp.Or(s.failed, err)
	}
	if cut := s.conn.cut.Load(); cut != nil {
		return *cut
	}
	return err
}

// open connects, subscribes and announces. When it fails nothing is left.
func (s *session) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.timing.connect)
	defer cancel()
	filters := s.cfg.filters()
	s.client = mqtt.NewClient(s.options(ctx, len(filters)))
	connecting := s.client.Connect()
	<-connecting.Done() // ctx ends the dialling and closes the connection
	if err := connecting.Error(); err != nil {
		err = cmp.Or(context.Cause(ctx), err)
		if errors.Is(err, packets.ErrorRefusedNotAuthorised) {
			err = fmt.Errorf("%w: the broker does not know this participant's key, or not any more", err)
		}
		return fmt.Errorf("connect: %w", err)
	}
	err := s.subscribe(ctx, filters)
	if !s.release() {
		err = cmp.Or(err, context.Cause(ctx))
	}
	if err != nil {
		s.client.Disconnect(goodbyeMillis(s.timing))
	}
	return err
}

func (s *session) options(ctx context.Context, filters int) *mqtt.ClientOptions {
	o := mqtt.NewClientOptions()
	o.Servers = []*url.URL{{Scheme: "tcp", Host: s.broker.address}} // only named: dial opens it
	o.SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) {
		conn, err := s.dial(ctx, filters)
		if err != nil {
			s.failed = err
			return nil, err
		}
		s.conn, s.release = conn, context.AfterFunc(ctx, func() { conn.Close() })
		return conn, nil
	})
	// Whoever knows a client's ID can take over its session, so the ID is random
	// and the session clean. §3.1.3.1 has every broker take 23 letters and digits.
	o.SetClientID(rand.Text()[:23]).SetCleanSession(true).SetProtocolVersion(4)
	o.SetAutoReconnect(false).SetConnectRetry(false)
	o.SetKeepAlive(s.timing.keepAlive).SetWriteTimeout(s.timing.write)
	o.SetOrderMatters(true) // one handler at a time; it never blocks
	if s.cfg.Login != nil {
		o.SetCredentialsProvider(s.cfg.Login)
	}
	will := encode(gone{Version: version, Type: TypeGone, ID: s.birth.ID})
	o.SetBinaryWill(s.cfg.alive().String(), will, 0, true)
	o.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { s.handle(m.Topic(), m.Retained(), m.Payload()) })
	o.SetConnectionLostHandler(func(_ mqtt.Client, err error) { s.lost <- err })
	return o
}

// subscribe asks for every filter at once and publishes the birth when all are
// granted.
func (s *session) subscribe(ctx context.Context, filters []string) error {
	ask := map[string]byte{}
	for _, f := range filters {
		ask[f] = 0
	}
	t := s.client.SubscribeMultiple(ask, nil)
	select {
	case <-t.Done():
	case err := <-s.lost:
		return fmt.Errorf("subscribe: %w", err)
	case <-ctx.Done():
		return fmt.Errorf("subscribe: %w", ctx.Err())
	}
	if err := t.Error(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	granted := t.(*mqtt.SubscribeToken).Result()
	for _, f := range filters {
		if code, ok := granted[f]; !ok || code != 0 { // a refusal is 0x80; the token calls that no error
			return &RefusedError{f, code}
		}
	}
	return s.publish(s.cfg.alive().String(), TypeBirth, true, encode(s.birth))
}

// repeat publishes the birth again a while after the connection came up: a broker
// may give what is published while another subscribes to neither of its hands, the
// live one or the one that hands out what is retained (nats-server does).
func (s *session) repeat(ctx context.Context) {
	for _, wait := range s.timing.again {
		t := time.NewTimer(wait + randv2.N(wait))
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
		}
		if s.publish(s.cfg.alive().String(), TypeBirth, true, encode(s.birth)) != nil {
			return
		}
	}
}

func (s *session) publish(topic string, t Type, retain bool, payload []byte) error {
	token := s.client.Publish(topic, 0, retain, payload)
	if err := token.Error(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	s.counts.with(func(c *counters) { c.sent[t].add(len(payload)) })
	return nil
}

// write publishes what waits until the session ends.
func (s *session) write(ctx context.Context) {
	for {
		m := s.out.pop(ctx)
		if m == nil {
			return
		}
		b, err := encodeMessage(m.message)
		if err != nil {
			s.log.Error("message cannot be sent", "type", m.typ, "err", err)
			s.out.dropped(m.typ)
			continue
		}
		topic := m.topic.String()
		typ := m.typ
		if len(b) > MaxPayload {
			typ = TypePart
		}
		for _, payload := range split(b, randv2.Uint64()) {
			if err := s.publish(topic, typ, m.topic.Type != TypeWant, payload); err != nil {
				s.out.dropped(m.typ)
				break
			}
		}
	}
}

// goodbye says that this participant is gone, which the will then need not.
func (s *session) goodbye() {
	t := s.client.Publish(s.cfg.alive().String(), 0, true, encode(gone{Version: version, Type: TypeGone, ID: s.birth.ID}))
	t.WaitTimeout(s.timing.goodbye)
	s.client.Disconnect(goodbyeMillis(s.timing))
}

func goodbyeMillis(t timing) uint { return uint(t.goodbye.Milliseconds()) }

// end closes the session for the host.
func (s *session) end(err error, was bool) {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	close(s.ended)
	s.out.close()
	s.in.down(err, was)
	s.peers.clear()
	if was {
		s.counts.with(func(c *counters) { c.up, c.since = false, time.Now() })
	}
}
