package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tombolo/hw/nfc"
	"tombolo/hw/nfc/pcsctest"
	"tombolo/hw/osdp"
	"tombolo/hw/osdp/osdptest"
	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

const (
	cardTaps     = 400                     // over each reader
	cardRound    = 1500 * time.Millisecond // of taps while a card lies there, well within its time
	cardPatience = 2 * time.Minute

	osdpBaud       = 115200
	osdpTurnaround = 3 * time.Millisecond
	osdpGap        = 2 * 10 * time.Second / osdpBaud
)

// meter taps a card again and again, and keeps what the gateway took of the time
// and what was not its own. Over PC/SC that is the card's own time and no more:
// pcscd counts as the gateway's. Over OSDP it is what passes while the panel waits
// for a reader's bytes, and the gap that the line has to keep; what comes between a
// reply's last byte and the next command beside it is the gateway's.
type meter struct {
	g           *gateway
	path        string                                  // of the roster
	watch       func(card.Transceiver) card.Transceiver // times an APDU, where that is done on this side
	others      func() time.Duration                    // what was not the gateway's so far
	share, rest []time.Duration
	err         error
}

// stopwatch adds up.
type stopwatch struct{ spent atomic.Int64 }

func (s *stopwatch) add(d time.Duration)  { s.spent.Add(int64(d)) }
func (s *stopwatch) total() time.Duration { return time.Duration(s.spent.Load()) }

// timed is a card that is timed at its own end.
type timed struct {
	*soft.Halo
	stopwatch
}

func (t *timed) Transmit(command []byte) ([]byte, error) {
	begin := time.Now()
	defer func() { t.add(time.Since(begin)) }()
	return t.Halo.Transmit(command)
}

func (m *meter) done() bool { return m.err != nil || len(m.share) >= cardTaps }

// round taps for a while, as long as it is needed.
func (m *meter) round(t card.Transceiver) {
	if m.err = keepCached(m.path); m.err != nil {
		return
	}
	if m.watch != nil {
		t = m.watch(t)
	}
	for end := time.Now().Add(cardRound); !m.done() && time.Now().Before(end); {
		if m.err = m.tap(t); errors.Is(m.err, card.ErrGone) {
			m.err = nil // it comes again
			return
		}
	}
}

// tap is a whole one: from the first thing that the gateway does about a card in
// the field until the lock has moved and the reader shows it.
func (m *meter) tap(t card.Transceiver) error {
	n := len(m.share) % doors
	name := doorName(n)
	answered := m.g.readers[n].answered
	select {
	case <-answered: // of earlier
	default:
	}
	begin, before := time.Now(), m.others()
	a, err := card.Tap(t, card.Asker{
		Gateway: self, Door: passport.DoorTarget(node, name), Rand: rand.Reader,
		Challenge: func(nonce [32]byte) passport.Challenge { return m.g.Challenge(name, nonce) },
	})
	if err != nil {
		return err
	}
	if err := m.g.Tap(context.Background(), name, false, a.Challenge, a.Key, a.Signature); err != nil {
		return err
	}
	whole, rest := time.Since(begin), m.others()-before
	if !<-answered {
		return errors.New("a card was refused")
	}
	m.share, m.rest = append(m.share, whole-rest), append(m.rest, rest)
	return nil
}

// percentile is of the sorted values.
func percentile(v []time.Duration, p float64) time.Duration {
	v = slices.Sorted(slices.Values(v))
	return v[min(len(v)-1, int(p*float64(len(v))))]
}

// cards measures what the gateway adds to a card's own time and the bus's.
func cards(b *report, dir, path string) error {
	dir = filepath.Join(dir, "cards")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	g, err := newGateway(dir, path)
	if err != nil {
		return err
	}
	chip := &timed{Halo: soft.NewHalo(soft.HaloConfig{Key: keyOf(passport.KindHalo, 1), Rand: rand.Reader})}
	for _, r := range []struct {
		name string
		over func(context.Context, *meter, *timed) error
	}{{"pcsc", overPCSC}, {"osdp", overOSDP}} {
		m := &meter{g: g, path: path, others: chip.total}
		ctx, cancel := context.WithTimeout(context.Background(), cardPatience)
		err := r.over(ctx, m, chip)
		cancel()
		if err = errors.Join(err, m.err); err == nil && !m.done() {
			err = fmt.Errorf("%d taps in %v, want %d", len(m.share), cardPatience, cardTaps)
		}
		if err != nil {
			return fmt.Errorf("taps over %s: %w", r.name, err)
		}
		b.most("gateway-share-p99-ms-"+r.name, percentile(m.share, 0.99).Seconds()*1e3, 2)
		fmt.Printf("# %s: the gateway's share is %v at the median; card and bus take %v at the median, %v at the 99th percentile\n", r.name,
			percentile(m.share, 0.5).Round(time.Microsecond), percentile(m.rest, 0.5).Round(time.Microsecond), percentile(m.rest, 0.99).Round(time.Microsecond))
	}
	return g.close()
}

// overPCSC has the card lie on a virtual reader of the real pcscd.
func overPCSC(ctx context.Context, m *meter, chip *timed) (err error) {
	d, err := pcsctest.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	read, stop := context.WithCancel(ctx)
	ran, round := make(chan error, 1), make(chan struct{}, 1)
	go func() {
		ran <- nfc.Run(read, nfc.Config{
			Open: func(ctx context.Context) (nfc.Field, error) { return nfc.OpenPCSC(ctx, d.Reader()) },
			Log:  slog.New(slog.DiscardHandler),
			Card: func(_ context.Context, t card.Transceiver) { m.round(t); round <- struct{}{} },
		})
	}()
	for over := false; !over; {
		in, err := d.Insert(chip)
		if err != nil {
			stop()
			return errors.Join(err, <-ran)
		}
		select {
		case <-round:
			over = m.done()
		case <-ctx.Done():
			over = true
		}
		if err := in.Remove(); err != nil {
			stop()
			return errors.Join(err, <-ran)
		}
	}
	stop()
	return <-ran
}

// overOSDP has the card lie on a reader at 115,200 baud, in Secure Channel.
func overOSDP(ctx context.Context, m *meter, chip *timed) (err error) {
	key := osdp.Key{1, 2, 3}
	device := osdptest.New(osdptest.Config{Address: 1, Key: (*[16]byte)(&key)})
	port := &watchedPort{}
	m.others, m.watch = port.waited.total, func(t card.Transceiver) card.Transceiver { return &asked{t, port} }
	line, err := osdptest.NewLine(osdptest.LineConfig{Baud: osdpBaud, Turnaround: osdpTurnaround}, device)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, line.Close()) }()
	h := &osdpHandler{m: m, round: make(chan struct{}, 1)}
	panel, err := osdp.New(osdp.Config{
		Port: line.Path(), Baud: osdpBaud,
		Open: func() (_ io.ReadWriteCloser, err error) {
			port.ReadWriteCloser, err = line.Open()
			return port, err
		}, Log: slog.New(slog.DiscardHandler),
		Readers: []osdp.ReaderConfig{{Address: 1, Keys: []osdp.Key{key}, Handler: h}},
	})
	if err != nil {
		return err
	}
	read, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- panel.Run(read) }()
	for device.State().Mode == 0 && ctx.Err() == nil { // until then it would send a card's number
		time.Sleep(10 * time.Millisecond)
	}
	for over := false; !over; {
		device.Present(chip)
		select {
		case <-h.round:
			over = m.done()
		case <-ctx.Done():
			over = true
		}
		device.Remove()
		time.Sleep(200 * time.Millisecond) // for the panel to see that it left
	}
	stop()
	return <-ran
}

type osdpHandler struct {
	m     *meter
	round chan struct{}
}

func (h *osdpHandler) Card(_ context.Context, t card.Transceiver) {
	h.m.round(t)
	h.round <- struct{}{}
}
func (h *osdpHandler) Refused(err error)      { h.m.err = errors.Join(h.m.err, err) }
func (h *osdpHandler) State(bool, error)      {}
func (h *osdpHandler) Identity(osdp.Identity) {}
func (h *osdpHandler) Key(byte)               {}
func (h *osdpHandler) Tamper(bool)            {}
func (h *osdpHandler) Power(bool)             {}
func (h *osdpHandler) Input(int, bool)        {}

// watchedPort is the panel's end of a line. While an APDU is under way it adds up
// what is waited for: from a command that was written to the last of its reply.
type watchedPort struct {
	io.ReadWriteCloser
	waited stopwatch

	mu    sync.Mutex
	asked bool
	since time.Time // since then the panel waits
}

func (p *watchedPort) Write(b []byte) (int, error) {
	p.mu.Lock()
	if p.asked { // the line has to be idle for two characters between messages, OSDP 2.2 §5.7
		p.waited.add(min(time.Since(p.since), osdpGap))
	}
	p.mu.Unlock()
	n, err := p.ReadWriteCloser.Write(b)
	p.mu.Lock()
	p.since = time.Now()
	p.mu.Unlock()
	return n, err
}

func (p *watchedPort) Read(b []byte) (int, error) {
	n, err := p.ReadWriteCloser.Read(b)
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); p.asked && n > 0 {
		p.waited.add(now.Sub(p.since))
		p.since = now
	}
	return n, err
}

// asked is a card behind a watched port.
type asked struct {
	card.Transceiver
	port *watchedPort
}

func (a *asked) Transmit(command []byte) ([]byte, error) {
	a.set(true)
	defer a.set(false)
	return a.Transceiver.Transmit(command)
}

func (a *asked) set(on bool) {
	a.port.mu.Lock()
	a.port.asked, a.port.since = on, time.Now()
	a.port.mu.Unlock()
}
