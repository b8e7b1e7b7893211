package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
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
	cardPatience = time.Minute
)

// meter taps a card again and again, and keeps what the gateway took of the time
// and what the card and the bus did.
type meter struct {
	g           *gateway
	share, rest []time.Duration
	err         error
}

// timed is a card whose answers are timed.
type timed struct {
	card.Transceiver
	spent time.Duration
}

func (t *timed) Transmit(command []byte) ([]byte, error) {
	begin := time.Now()
	response, err := t.Transceiver.Transmit(command)
	t.spent += time.Since(begin)
	return response, err
}

func (m *meter) done() bool { return m.err != nil || len(m.share) >= cardTaps }

// round taps for a while, as long as it is needed.
func (m *meter) round(t card.Transceiver) {
	for end := time.Now().Add(cardRound); !m.done() && time.Now().Before(end); {
		if m.err = m.tap(&timed{Transceiver: t}); errors.Is(m.err, card.ErrGone) {
			m.err = nil // it comes again
			return
		}
	}
}

// tap is a whole one: from the first thing that the gateway does about a card in
// the field until the lock has moved and the reader shows it.
func (m *meter) tap(t *timed) error {
	n := len(m.share) % doors
	name := doorName(n)
	answered := m.g.readers[n].answered
	select {
	case <-answered: // of earlier
	default:
	}
	begin := time.Now()
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
	whole := time.Since(begin)
	if !<-answered {
		return errors.New("a card was refused")
	}
	m.share, m.rest = append(m.share, whole-t.spent), append(m.rest, t.spent)
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
	chip := soft.NewHalo(soft.HaloConfig{Key: keyOf(passport.KindHalo, 1), Rand: rand.Reader})
	for _, r := range []struct {
		name string
		over func(context.Context, *meter, *soft.Halo) error
	}{{"pcsc", overPCSC}, {"osdp", overOSDP}} {
		m := &meter{g: g}
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
func overPCSC(ctx context.Context, m *meter, chip *soft.Halo) (err error) {
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
func overOSDP(ctx context.Context, m *meter, chip *soft.Halo) (err error) {
	key := osdp.Key{1, 2, 3}
	device := osdptest.New(osdptest.Config{Address: 1, Key: (*[16]byte)(&key)})
	line, err := osdptest.NewLine(osdptest.LineConfig{Baud: 115200}, device)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, line.Close()) }()
	h := &osdpHandler{m: m, round: make(chan struct{}, 1)}
	bus, err := osdp.New(osdp.Config{
		Port: line.Path(), Baud: 115200, Log: slog.New(slog.DiscardHandler),
		Readers: []osdp.ReaderConfig{{Address: 1, Keys: []osdp.Key{key}, Handler: h}},
	})
	if err != nil {
		return err
	}
	read, stop := context.WithCancel(ctx)
	ran := make(chan error, 1)
	go func() { ran <- bus.Run(read) }()
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
