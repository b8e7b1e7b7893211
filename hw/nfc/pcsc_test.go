//go:build pcsc

package nfc_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/hw/nfc"
	"tombolo/hw/nfc/pcsctest"
	"tombolo/hw/nfc/vpcd"
	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

const soon = 5 * time.Second

// TestPCSC runs everything against one real pcscd with Debian's virtual reader,
// one thing after the other: there is one reader.
func TestPCSC(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 4*time.Minute)
	t.Cleanup(cancel)
	d, err := pcsctest.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	before := runtime.NumGoroutine()
	// What needs one of the virtual reader's slots runs beside what needs the
	// other; what ends pcscd runs alone.
	var slots sync.WaitGroup
	defer slots.Wait()
	slots.Go(func() {
		run(t, d, test{"Tap", testTap}, test{"Tear", testTear}, test{"Storage", testStorage}, test{"Held", testHeld})
	})
	slots.Go(func() {
		run(t, d.Second(), test{"Rubbish", testRubbish}, test{"Slow", testSlow}, test{"Mute", testMute})
	})
	slots.Wait()
	noLeak(t, before)
	run(t, d, test{"Open", testOpen}, test{"Killed", testKilled}, test{"Unplugged", testUnplugged}, test{"Hung", testHung})
	noLeak(t, before)
}

// reader is a slot of the virtual reader.
type reader interface {
	Reader() string
	Insert(vpcd.Card) (*pcsctest.Inserted, error)
	Kill() error
	Restart(context.Context) error
	RestartEmpty(context.Context) error
	Pause() error
	Resume() error
}

type test struct {
	name string
	run  func(*testing.T, reader)
}

func run(t *testing.T, d reader, tests ...test) {
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.run(t, d) })
	}
}

// noLeak waits until no more goroutines run than before.
func noLeak(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(soon); runtime.NumGoroutine() > before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%d goroutines, %d before:\n%s", runtime.NumGoroutine(), before, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// door runs a reader, taps each card and collects what comes of it.
type door struct {
	t       *testing.T
	asker   card.Asker
	taps    chan tap
	refused chan error
	states  chan error // nil: up
	stop    func()
}

type tap struct {
	answer card.Answer
	err    error
	took   time.Duration
}

func watch(t *testing.T, d reader) *door {
	t.Helper()
	return watchOpen(t, func(ctx context.Context) (nfc.Field, error) { return nfc.OpenPCSC(ctx, d.Reader()) })
}

func watchOpen(t *testing.T, open func(context.Context) (nfc.Field, error)) *door {
	t.Helper()
	r := &door{t: t, asker: asker(), taps: make(chan tap, 10), refused: make(chan error, 10), states: make(chan error, 10)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- nfc.Run(ctx, nfc.Config{
			Open:     open,
			RetryMin: 20 * time.Millisecond,
			RetryMax: 100 * time.Millisecond,
			Card: func(_ context.Context, c card.Transceiver) {
				began := time.Now()
				a, err := card.Tap(c, r.asker)
				r.taps <- tap{a, err, time.Since(began)}
			},
			Refused: func(err error) { r.refused <- err },
			State: func(up bool, err error) {
				if up != (err == nil) {
					t.Errorf("state %v with %v", up, err)
				}
				r.states <- err
			},
		})
	}()
	stopped := false
	r.stop = func() {
		t.Helper()
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := get(t, done, "end of Run"); err != nil {
			t.Error(err)
		}
		close(r.taps)
		close(r.refused)
		close(r.states)
		for a := range r.taps {
			t.Errorf("a tap too many: %v", a.err)
		}
		for err := range r.refused {
			t.Errorf("a refusal too many: %v", err)
		}
		for err := range r.states {
			t.Errorf("a state too many: %v", err)
		}
	}
	t.Cleanup(r.stop)
	return r
}

func get[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s", what)
		panic("unreachable")
	}
}

func (r *door) up() {
	r.t.Helper()
	if err := get(r.t, r.states, "state"); err != nil {
		r.t.Fatalf("the reader is not there: %v", err)
	}
}

func (r *door) down(want error) {
	r.t.Helper()
	if err := get(r.t, r.states, "state"); !errors.Is(err, want) {
		r.t.Fatalf("the reader is gone because of %v, want %v", err, want)
	}
}

// opens holds a good card to the reader, and has it answer.
func (r *door) opens(d reader) {
	r.t.Helper()
	k := newKey(r.t, passport.KindHalo)
	in := insert(r.t, d, soft.NewHalo(soft.HaloConfig{Key: k, Rand: rand.Reader}))
	r.answered(k)
	remove(r.t, in)
}

func (r *door) answered(k *passport.SoftKey) tap {
	r.t.Helper()
	a := get(r.t, r.taps, "tap")
	if a.err != nil {
		r.t.Fatal(a.err)
	}
	if a.answer.Key != k.Key() {
		r.t.Fatal("another key answered")
	}
	if err := a.answer.Key.Verify(a.answer.Challenge.Sum(), a.answer.Signature); err != nil {
		r.t.Fatal(err)
	}
	return a
}

func asker() card.Asker {
	gateway, place := [32]byte{1}, passport.Target{2}
	return card.Asker{
		Gateway: gateway, Door: place, Rand: rand.Reader,
		Challenge: func(nonce [32]byte) passport.Challenge {
			return passport.Challenge{Community: passport.CommunityID{3}, Place: passport.TapPlace(gateway, place), Time: 1, Nonce: nonce}
		},
	}
}

func newKey(t *testing.T, kind passport.KeyKind) *passport.SoftKey {
	t.Helper()
	k, err := passport.GenerateSoftKey(kind, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func insert(t *testing.T, d reader, c vpcd.Card) *pcsctest.Inserted {
	t.Helper()
	in, err := d.Insert(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Remove() })
	return in
}

func remove(t *testing.T, in *pcsctest.Inserted) {
	t.Helper()
	if err := in.Remove(); err != nil {
		t.Fatal(err)
	}
}

// halo is a good card, in front of which a test may stand.
func halo(t *testing.T) vpcd.Card {
	return soft.NewHalo(soft.HaloConfig{Key: newKey(t, passport.KindHalo), Rand: rand.Reader})
}

// front is a card whose APDUs pass a test first.
type front struct {
	vpcd.Card
	transmit func(command []byte) ([]byte, error)
}

func (f front) Transmit(command []byte) ([]byte, error) { return f.transmit(command) }

func testOpen(t *testing.T, d reader) {
	ctx := context.Background()
	readers, err := nfc.PCSCReaders(ctx)
	if err != nil || len(readers) < 2 {
		t.Fatalf("readers %q, %v", readers, err)
	}
	for _, c := range []struct {
		name string
		want error
	}{
		{d.Reader(), nil},
		{"virtual pcd 00 00", nil},
		{"00 01", nil},
		{"Virtual PCD", nfc.ErrAmbiguous},
		{"", nfc.ErrAmbiguous},
		{"ACS ACR1252", nfc.ErrNoReader},
	} {
		f, err := nfc.OpenPCSC(ctx, c.name)
		if !errors.Is(err, c.want) {
			t.Errorf("%q: %v, want %v", c.name, err, c.want)
		}
		if err != nil && !strings.Contains(err.Error(), d.Reader()) {
			t.Errorf("%q: %v does not say what is attached", c.name, err)
		}
		if err == nil {
			if _, err := nfc.OpenPCSC(ctx, c.name); !errors.Is(err, nfc.ErrOpen) {
				t.Errorf("opened twice: %v", err)
			}
			if err := errors.Join(f.Close(), f.Close()); err != nil {
				t.Error(err)
			}
		}
	}

	// A wait ends with its context, at once.
	f, err := nfc.OpenPCSC(ctx, d.Reader())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, err := f.Wait(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("the wait ended after %v", took)
	}
}

// testTap has both kinds of card answer a challenge, lie on the reader and come
// back; and a card that was there when the reader was opened is not read.
func testTap(t *testing.T, d reader) {
	lying := insert(t, d, halo(t))
	if err := lying.Seen(); err != nil {
		t.Fatal(err)
	}
	r := watch(t, d)
	r.up()
	time.Sleep(300 * time.Millisecond)
	if len(r.taps) > 0 {
		t.Fatal("a card was read that lay on the reader from before")
	}
	remove(t, lying)

	k := newKey(t, passport.KindHalo)
	c := soft.NewHalo(soft.HaloConfig{Key: k, Rand: rand.Reader})
	in := insert(t, d, c)
	t.Logf("HaLo: %v", r.answered(k).took)
	time.Sleep(700 * time.Millisecond) // pcscd looks every 0.4 s
	if len(r.taps) > 0 {
		t.Fatal("a card was read twice while it lay there")
	}
	remove(t, in)
	in = insert(t, d, c)
	r.answered(k)
	remove(t, in)

	k = newKey(t, passport.KindKeycard)
	in = insert(t, d, soft.NewKeycard(soft.KeycardConfig{Key: k}))
	t.Logf("Keycard: %v", r.answered(k).took)
	remove(t, in)

	in = insert(t, d, front{halo(t), func([]byte) ([]byte, error) { return []byte{0x6a, 0x82}, nil }})
	if a := get(t, r.taps, "tap"); !errors.Is(a.err, card.ErrUnknown) {
		t.Errorf("a card without our applets: %v", a.err)
	}
	remove(t, in)
	r.stop()
}

// testTear tears a card away at every APDU of a tap, before and after the card
// has carried it out, and in between APDUs; the next good card is read.
func testTear(t *testing.T, d reader) {
	r := watch(t, d)
	r.up()
	torn := errors.New("torn away")
	for at := 1; ; at++ {
		for _, how := range []string{"before the command", "before the response", "after the response"} {
			good, n := halo(t), 0
			var in atomic.Pointer[pcsctest.Inserted]
			in.Store(insert(t, d, front{good, func(command []byte) ([]byte, error) {
				if n++; n != at {
					return good.Transmit(command)
				}
				switch how {
				case "before the command":
					return nil, torn
				case "before the response":
					good.Transmit(command)
					return nil, torn
				}
				response, err := good.Transmit(command)
				// The response is on its way when the card leaves.
				time.AfterFunc(time.Millisecond, func() { go in.Load().Remove() })
				return response, err
			}}))
			a := get(t, r.taps, "tap")
			remove(t, in.Load())
			switch {
			case a.err == nil && how == "after the response": // it was quick enough
			case a.err == nil && at > 1 && n < at:
				t.Logf("a tap has %d APDUs", n)
				r.opens(d)
				r.stop()
				return
			case !errors.Is(a.err, card.ErrGone):
				t.Errorf("APDU %d, %s: %v", at, how, a.err)
			case a.took > time.Second:
				t.Errorf("APDU %d, %s: the tap took %v", at, how, a.took)
			}
		}
		if at > 10 {
			t.Fatal("a tap of more than 10 APDUs")
		}
		r.opens(d)
	}
}

// testRubbish has a card answer what no card should.
func testRubbish(t *testing.T, d reader) {
	r := watch(t, d)
	r.up()
	for name, response := range map[string][]byte{
		"a byte":         {0x90},
		"too long":       make([]byte, card.MaxResponse+1),
		"extended":       make([]byte, 65535),
		"zeros":          make([]byte, 2),
		"noise":          bytes.Repeat([]byte{0xa5}, card.MaxResponse),
		"endless 61":     {0x61, 0x00},
		"endless 6C":     {0x6c, 0x01},
		"good and empty": {0x90, 0x00},
	} {
		in := insert(t, d, front{halo(t), func([]byte) ([]byte, error) { return response, nil }})
		a := get(t, r.taps, "tap")
		if a.err == nil || a.took > time.Second {
			t.Errorf("%s: %v after %v", name, a.err, a.took)
		}
		if len(response) > card.MaxResponse && !errors.Is(a.err, card.ErrAnswer) && !errors.Is(a.err, card.ErrGone) {
			t.Errorf("%s: %v", name, a.err)
		}
		remove(t, in)
	}
	// The driver takes an empty response for a card that left.
	in := insert(t, d, front{halo(t), func([]byte) ([]byte, error) { return nil, nil }})
	if a := get(t, r.taps, "tap"); !errors.Is(a.err, card.ErrGone) {
		t.Errorf("empty: %v", a.err)
	}
	remove(t, in)
	r.opens(d)
	r.stop()
}

// testSlow: a card that answers after its time is gone for whoever asked, and
// the reader is as before.
func testSlow(t *testing.T, d reader) {
	r := watch(t, d)
	r.up()
	good := halo(t)
	in := insert(t, d, front{good, func(command []byte) ([]byte, error) {
		time.Sleep(nfc.CardTime + 500*time.Millisecond)
		return good.Transmit(command)
	}})
	a := get(t, r.taps, "tap")
	if !errors.Is(a.err, card.ErrGone) || a.took > nfc.CardTime+250*time.Millisecond {
		t.Errorf("%v after %v", a.err, a.took)
	}
	remove(t, in)
	r.opens(d)
	r.stop()
}

// testMute: a card that never answers wedges the driver; the reader is lost
// until the card leaves, with words that say so, and no longer.
func testMute(t *testing.T, d reader) {
	const patience = 500 * time.Millisecond
	r := watchOpen(t, func(ctx context.Context) (nfc.Field, error) {
		return nfc.OpenPCSCWithin(ctx, d.Reader(), patience)
	})
	r.up()
	left := make(chan struct{})
	in := insert(t, d, front{halo(t), func([]byte) ([]byte, error) { <-left; return nil, errors.New("left") }})
	a := get(t, r.taps, "tap")
	if !errors.Is(a.err, card.ErrGone) || a.took > nfc.CardTime+250*time.Millisecond {
		t.Errorf("%v after %v", a.err, a.took)
	}
	r.down(nfc.ErrStuck)
	time.Sleep(300 * time.Millisecond) // attempts to open it
	if len(r.states) > 0 {
		t.Errorf("the reader is back while it is stuck: %v", <-r.states)
	}
	close(left)
	remove(t, in)
	r.up()
	r.opens(d)
	r.stop()
}

// testHeld: a card that another program holds is refused with that reason, and
// the next one is not.
func testHeld(t *testing.T, d reader) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	in := insert(t, d, halo(t))
	if err := in.Seen(); err != nil {
		t.Fatal(err)
	}
	let, err := nfc.HoldPCSC(d.Reader())
	if err != nil {
		t.Fatal(err)
	}
	defer let()
	f, err := nfc.OpenPCSC(ctx, d.Reader())
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	began := time.Now()
	if _, err := f.Wait(ctx); !errors.Is(err, nfc.ErrHeld) {
		t.Errorf("held by another program: %v", err)
	}
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("refused after %v", took)
	}
	let()
	c, err := f.Wait(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := card.Tap(c, asker()); err != nil {
		t.Error(err)
	}
	if _, err := nfc.HoldPCSC(d.Reader()); err == nil {
		t.Error("another program got in during a tap")
	}
	remove(t, in)
	if err := f.Left(ctx); err != nil {
		t.Error(err)
	}
}

// testStorage: a reader's made-up ATR of a card without ISO 14443-4, and an ATR
// that is none.
func testStorage(t *testing.T, d reader) {
	r := watch(t, d)
	r.up()
	for _, atr := range [][]byte{
		// an NTAG, as PC/SC part 3 §3.1.3.2.3.1 has readers show it
		{0x3b, 0x8f, 0x80, 0x01, 0x80, 0x4f, 0x0c, 0xa0, 0x00, 0x00, 0x03, 0x06, 0x03, 0x00, 0x03, 0x00, 0x00, 0x00, 0x00, 0x68},
	} {
		in := insert(t, d, odd{front{halo(t), func([]byte) ([]byte, error) { return nil, errors.New("a storage card was sent an APDU") }}, atr})
		if err := get(t, r.refused, "refusal"); !errors.Is(err, nfc.ErrNotISO) {
			t.Errorf("ATR % x: %v", atr, err)
		}
		remove(t, in)
	}
	r.opens(d)
	r.stop()
}

// odd is a card with an ATR of its own.
type odd struct {
	vpcd.Card
	atr []byte
}

func (o odd) ATR() []byte { return o.atr }

// testKilled has pcscd crash with an empty reader, with a card lying there and
// in the middle of an exchange, and come back.
func testKilled(t *testing.T, d reader) {
	ctx := context.Background()
	r := watch(t, d)
	r.up()
	kill := func() {
		if err := d.Kill(); err != nil {
			t.Error(err)
		}
	}
	back := func() {
		t.Helper()
		if err := d.Restart(ctx); err != nil {
			t.Fatal(err)
		}
		r.up()
	}
	kill()
	r.down(nfc.ErrNoService)
	if _, err := nfc.PCSCReaders(ctx); !errors.Is(err, nfc.ErrNoService) || !strings.Contains(fmt.Sprint(err), "systemctl start pcscd") {
		t.Errorf("without pcscd: %v", err)
	}
	back()
	r.opens(d)

	in := insert(t, d, halo(t))
	if a := get(t, r.taps, "tap"); a.err != nil {
		t.Fatal(a.err)
	}
	kill()
	r.down(nfc.ErrNoService)
	remove(t, in)
	back()
	r.opens(d)

	good := halo(t)
	in = insert(t, d, front{good, func(command []byte) ([]byte, error) { kill(); return good.Transmit(command) }})
	if a := get(t, r.taps, "tap"); !errors.Is(a.err, card.ErrGone) || a.took > time.Second {
		t.Errorf("%v after %v", a.err, a.took)
	}
	r.down(nfc.ErrNoService)
	remove(t, in)
	back()
	r.opens(d)
	r.stop()
}

// testUnplugged has pcscd come back without the reader, and with it again.
func testUnplugged(t *testing.T, d reader) {
	ctx := context.Background()
	r := watch(t, d)
	r.up()
	if err := d.RestartEmpty(ctx); err != nil {
		t.Fatal(err)
	}
	r.down(nfc.ErrNoService)
	if readers, err := nfc.PCSCReaders(ctx); err != nil || len(readers) > 0 {
		t.Errorf("without a reader: %q, %v", readers, err)
	}
	for _, name := range []string{"", d.Reader()} {
		if _, err := nfc.OpenPCSC(ctx, name); !errors.Is(err, nfc.ErrNoReader) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if err := d.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	r.up()
	r.opens(d)
	r.stop()

	f, err := nfc.OpenPCSCRenamed(ctx, d.Reader(), "Virtual PCD 00 09") // pcscd has forgotten the reader
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Wait(ctx); !errors.Is(err, nfc.ErrUnplugged) {
		t.Errorf("a reader that is gone: %v", err)
	}
	if err := f.Left(ctx); !errors.Is(err, nfc.ErrUnplugged) {
		t.Errorf("a reader that is gone: %v", err)
	}
}

// testHung: a pcscd that hangs is a reader that is lost, in bounded time and
// with a bounded number of threads, until it goes on.
func testHung(t *testing.T, d reader) {
	r := watchOpen(t, func(ctx context.Context) (nfc.Field, error) {
		return nfc.OpenPCSCWithin(ctx, d.Reader(), 100*time.Millisecond)
	})
	r.up()
	if err := d.Pause(); err != nil {
		t.Fatal(err)
	}
	r.down(nfc.ErrStuck)
	if err := d.Resume(); err != nil {
		t.Fatal(err)
	}
	r.up()
	r.opens(d)
	r.stop()
}
