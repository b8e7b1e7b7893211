package nfc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/passport/card"
)

// testTorn532 tears each card away at each of its APDUs.
func testTorn532(t *testing.T, r *reader532) {
	f := r.openWith(hasty)
	for _, s := range softCards(t) {
		var torn atomic.Bool
		torn.Store(true)
		for n := 0; torn.Load(); n++ {
			if n > 12 {
				t.Fatalf("%s takes more than %d APDUs", s.name, n)
			}
			torn.Store(false)
			count := 0
			r.field(func(apdu []byte) ([]byte, bool) {
				if count++; count > n {
					torn.Store(true)
					return nil, true
				}
				return s.answer(apdu)
			}, s.in)
			c := r.wait(f)
			bounded(t, "a torn tap", 2*time.Second, func() {
				if a, err := card.Tap(c, s.asker); torn.Load() && (!errors.Is(err, card.ErrGone) || a != (card.Answer{})) {
					t.Errorf("%s torn away at APDU %d: %v", s.name, n, err)
				} else if !torn.Load() && err != nil {
					t.Errorf("%s, %d APDUs: %v", s.name, n, err)
				}
			})
			if torn.Load() {
				if _, err := c.Transmit([]byte{0, 0xa4, 4, 0}); !errors.Is(err, card.ErrGone) {
					t.Errorf("%s after it left: %v", s.name, err)
				}
			}
			r.gone(f)
			if _, err := c.Transmit([]byte{0, 0xa4, 4, 0}); !errors.Is(err, card.ErrGone) {
				t.Errorf("%s after its turn: %v", s.name, err)
			}
		}
	}
	r.tap(f, softCards(t)[1])
}

// testRubbish532 has the card answer what no card may.
func testRubbish532(t *testing.T, r *reader532) {
	f := r.mustOpen()
	for _, n := range []int{0, 1, card.MaxResponse + 1, 262} {
		r.field(func([]byte) ([]byte, bool) { return make([]byte, n), false }, halo532)
		c := r.wait(f)
		if response, err := c.Transmit([]byte{0, 0xa4, 4, 0}); response != nil || !errors.Is(err, card.ErrAnswer) {
			t.Errorf("a response of %d bytes: %d bytes, %v", n, len(response), err)
		}
		r.gone(f)
	}
	// In parts without end, and in parts of nothing.
	for _, size := range []int{200, 0} {
		r.field(echo532, halo532)
		c := r.wait(f)
		part := append([]byte{0xd5, 0x41, 0x40}, make([]byte, size)...)
		r.order(peerOrder{Fault: &peerFault{Cmd: cmdInDataExchange, Kind: "replace", Data: encodeFrame(part[0], part[1:]), Times: 5}})
		bounded(t, "a response without end", 2*time.Second, func() {
			if _, err := c.Transmit([]byte{0, 0xa4, 4, 0}); !errors.Is(err, card.ErrAnswer) && !errors.Is(err, card.ErrGone) {
				t.Errorf("parts of %d bytes: %v", size, err)
			}
		})
		r.gone(f)
		r.order(peerOrder{})
	}
	r.tap(f, softCards(t)[0])
}

func testSlow532(t *testing.T, r *reader532) {
	f := r.mustOpen()
	stop := make(chan struct{})
	speak := sync.OnceFunc(func() { close(stop) })
	t.Cleanup(speak)
	r.field(func([]byte) ([]byte, bool) { <-stop; return []byte{0x90, 0}, false }, halo532)
	c := r.wait(f)
	begin := time.Now()
	_, err := c.Transmit([]byte{0, 0xa4, 4, 0})
	if d := time.Since(begin); !errors.Is(err, card.ErrGone) || d < CardTime-time.Second || d > CardTime+500*time.Millisecond {
		t.Errorf("a mute card: %v after %v", err, d)
	}
	bounded(t, "a card whose time is over", 10*time.Millisecond, func() {
		if _, err := c.Transmit([]byte{0, 0xa4, 4, 0}); !errors.Is(err, card.ErrGone) {
			t.Errorf("later: %v", err)
		}
	})
	r.gone(f)
	speak()
	s := softCards(t)[2]
	slow := s
	slow.transmit = func(apdu []byte) ([]byte, error) { time.Sleep(120 * time.Millisecond); return s.transmit(apdu) }
	r.tap(f, slow)
}

// counted counts how often the card got each of its APDUs.
type counted struct {
	mu   sync.Mutex
	seen map[string]int
	card softCard
}

func (c *counted) answer(apdu []byte) ([]byte, bool) {
	c.mu.Lock()
	c.seen[string(apdu)]++
	c.mu.Unlock()
	return c.card.answer(apdu)
}

// testFaults532 spoils one frame on its way from the chip. Whatever comes of it,
// the card gets no APDU twice, it ends in bounded time, and the next card works;
// what can be healed is.
func testFaults532(t *testing.T, r *reader532) {
	s := softCards(t)[0]
	f := r.openWith(hasty)
	for _, tt := range []peerFault{
		{Kind: "cut", At: 0}, {Kind: "cut", At: 4}, {Kind: "cut", At: 9}, {Kind: "cut", At: -2},
		{Kind: "flip", At: 2}, {Kind: "flip", At: 3}, {Kind: "flip", At: 4}, {Kind: "flip", At: 5}, {Kind: "flip", At: 6}, {Kind: "flip", At: 7}, {Kind: "flip", At: -2},
		{Kind: "flip", At: -2, Times: 2}, {Kind: "flip", At: -2, Times: 4},
		{Kind: "drop"}, {Kind: "twice"}, {Kind: "code"},
		{Kind: "before", Data: unhex532("ff00ff")}, {Kind: "before", Data: unhex532("0000ff05fad543")}, {Kind: "before", Data: bytes.Repeat([]byte{0x55}, 40)},
		{Kind: "replace", Data: frameNACK}, {Kind: "replace", Data: frameError}, {Kind: "replace", Data: make([]byte, 12)},
		{Kind: "replace", Data: unhex532("0000ffffff0fff")}, {Kind: "replace", Data: unhex532("0000ff01ffd52b00")},
		{Delay: 20 * time.Millisecond}, {Delay: 70 * time.Millisecond}, {Delay: 900 * time.Millisecond},
	} {
		for _, cmd := range []byte{cmdInListPassiveTarget, cmdInDataExchange} {
			for _, ack := range []bool{true, false} {
				fault := tt
				fault.Cmd, fault.ACK, fault.Times = cmd, ack, max(tt.Times, 1)
				name := fmt.Sprintf("%02X ack=%v %s at %d × %d, %X, delay %v", cmd, ack, fault.Kind, fault.At, fault.Times, fault.Data, fault.Delay)
				err := r.spoiled(f, s, name, fault)
				if err != nil && heals(fault) { // or was the machine too busy?
					if err = r.spoiled(f, s, name, fault); err != nil {
						t.Errorf("%s: %v", name, err)
					}
				}
			}
		}
	}
	r.tap(f, s)
}

// heals says of which faults nobody may notice anything.
func heals(f peerFault) bool {
	switch {
	case f.Kind == "replace" && bytes.Equal(f.Data, frameError): // the chip says that it does not know its own commands
		return false
	case f.Cmd == cmdInListPassiveTarget, f.ACK: // it is sent again, and the response is enough
		return true
	}
	switch f.Kind {
	case "flip": // a start code is lost, and on a UART nobody knows that a frame was there
		return f.At != 2 && f.Times <= resends
	case "cut":
		return f.At == 9
	case "before", "twice":
		return true
	case "":
		return f.Delay < hasty.answer
	}
	return false
}

// spoiled is a tap with a fault.
func (r *reader532) spoiled(f Field, s softCard, name string, fault peerFault) (err error) {
	t := r.t
	seen := &counted{seen: map[string]int{}, card: s}
	bounded(t, name, 3*time.Second, func() {
		r.field(seen.answer, s.in)
		r.order(peerOrder{Fault: &fault})
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		var c card.Transceiver
		if c, err = f.Wait(ctx); err != nil {
			return
		}
		var a card.Answer
		if a, err = card.Tap(c, s.asker); err == nil {
			err = a.Key.Verify(a.Challenge.Sum(), a.Signature)
		}
		if err != nil && !errors.Is(err, card.ErrGone) && !errors.Is(err, card.ErrAnswer) {
			t.Errorf("%s: %v", name, err)
		}
	})
	seen.mu.Lock()
	for apdu, n := range seen.seen {
		if n > 1 {
			t.Errorf("%s: the card got %X %d times", name, apdu, n)
		}
	}
	seen.mu.Unlock()
	r.gone(f)
	return err
}

// testInjected532 has the simulator inject its own faults into a tap.
func testInjected532(t *testing.T, r *reader532) {
	s := softCards(t)[0]
	yes := true
	for _, tt := range []struct {
		name  string
		order peerOrder
		heals bool // the tap must still succeed
	}{
		{"a wrong checksum", peerOrder{Checksum: true}, false}, // the simulator sends it wrong again
		{"no ACK", peerOrder{DropACK: true}, true},
		{"one command that is not acknowledged", peerOrder{ACKFailures: 1}, true},
		{"two commands that are not acknowledged", peerOrder{ACKFailures: 2}, true},
		{"garbage before the ACK", peerOrder{Garbage: unhex532("ff00550013")}, true},
		{"a power glitch", peerOrder{Glitch: 5}, false},
		{"a chip that only acknowledges", peerOrder{Zombie: &yes}, false},
	} {
		f := r.openWith(hasty)
		r.field(s.answer, s.in)
		r.order(tt.order) // hits the next command, InListPassiveTarget
		bounded(t, tt.name, 4*time.Second, func() {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			c, err := f.Wait(ctx)
			if err == nil {
				_, err = card.Tap(c, s.asker)
			}
			if tt.heals && err != nil {
				t.Errorf("%s: %v", tt.name, err)
			}
		})
		f.Close()
		if tt.order.Zombie != nil {
			no := false
			r.order(peerOrder{Zombie: &no})
		}
		f = r.openWith(hasty)
		r.field(nil)
		r.tap(f, s)
		f.Close()
	}
	// Two cards whose collision the chip cannot resolve are none.
	f := r.openWith(hasty)
	r.field(s.answer, halo532, phone532)
	r.order(peerOrder{Collision: true})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if c, err := f.Wait(ctx); c != nil || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a collision: %v, %v", c, err)
	}
}

// testDead532 looks for a reader that is not there, and loses one.
func testDead532(t *testing.T, r *reader532) {
	f := r.mustOpen()
	r.field(echo532, halo532)
	c := r.wait(f)
	r.unplug()
	bounded(t, "an exchange with a reader that is gone", CardTime+time.Second, func() {
		if _, err := c.Transmit([]byte{0, 0xa4, 4, 0}); !errors.Is(err, card.ErrGone) {
			t.Errorf("Transmit: %v", err)
		}
	})
	for what, f := range map[string]func(context.Context) error{
		"Left": f.Left,
		"Wait": func(ctx context.Context) error { _, err := f.Wait(ctx); return err },
	} {
		bounded(t, what, 3*time.Second, func() {
			if err := f(t.Context()); err == nil || errors.Is(err, ErrSeveral) || errors.Is(err, ErrNotISO) {
				t.Errorf("%s of a reader that is gone: %v", what, err)
			}
		})
	}
	bounded(t, "Close", time.Second, func() { f.Close() })
	if err := f.Close(); err != nil {
		t.Errorf("closing again: %v", err)
	}
	bounded(t, "OpenPN532", 3*time.Second, func() {
		if f, err := OpenPN532(t.Context(), r.config()); f != nil || err == nil {
			t.Errorf("a reader that is not there: %v", err)
		}
	})
	yes := true
	r.plug()
	r.order(peerOrder{Zombie: &yes})
	bounded(t, "opening a chip that only acknowledges", 3*time.Second, func() {
		_, err := OpenPN532(t.Context(), r.config())
		if err == nil || !strings.Contains(err.Error(), "check its wires") {
			t.Errorf("a chip that only acknowledges: %v", err)
		}
	})
}
