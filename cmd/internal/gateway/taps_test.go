package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/hw/nfc"
	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

// transceiver is a card that answers everything alike, or not at all.
type transceiver struct {
	answer []byte
	err    error
}

func (c transceiver) Transmit([]byte) ([]byte, error) { return c.answer, c.err }

// tapAt is a reader of the front door, and who hears of it.
func tapAt(ctx context.Context, d *tapDoor, exit bool) taps {
	node := passport.NodeID{1}
	d.place = passport.TapPlace([32]byte{2}, passport.DoorTarget(node, "front"))
	rd := &reading{to: d, gateway: [32]byte{2}, node: node, identity: func() *card.Identity { return nil }}
	return rd.taps(ctx, reader{name: "door/front/reader/1", door: "front", exit: exit}, slog.New(slog.DiscardHandler))
}

// TestTaps: a card's answer is presented, and whatever is none is refused on the
// way in and told on the way out.
func TestTaps(t *testing.T) {
	t.Parallel()
	key, err := passport.GenerateSoftKey(passport.KindHalo, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	halo := soft.NewHalo(soft.HaloConfig{Key: key, Rand: rand.Reader})
	for _, c := range []struct {
		name string
		card card.Transceiver
		want string
	}{
		{"a HaLo", halo, "tap"},
		{"torn away", transceiver{err: fmt.Errorf("driver: %w", card.ErrGone)}, "unread"},
		{"the driver's trouble", transceiver{err: errors.New("no memory")}, "unread"},
		{"without a passport", transceiver{answer: []byte{0x6A, 0x82}}, "unread"},
		{"that refuses", transceiver{answer: []byte{0x69, 0x82}}, "unread"},
		{"that says yes to everything", transceiver{answer: []byte{0x90, 0x00}}, "unread"},
		{"that says nothing", transceiver{}, "unread"},
		{"that says half a status", transceiver{answer: []byte{0x90}}, "unread"},
		{"that says too much", transceiver{answer: make([]byte, card.MaxResponse+1)}, "unread"},
		{"that has ever more to say", transceiver{answer: []byte{0x61, 0xFF}}, "unread"},
		{"that wants another length for ever", transceiver{answer: []byte{0x6C, 0x01}}, "unread"},
		{"of zeros", transceiver{answer: make([]byte, card.MaxResponse)}, "unread"},
	} {
		for _, exit := range []bool{false, true} {
			d := &tapDoor{}
			x := tapAt(t.Context(), d, exit)
			x.card(c.card)
			x.stop()
			if want := []string{fmt.Sprintf("%s front %v", c.want, exit)}; !slices.Equal(d.heard, want) {
				t.Errorf("%s: heard %q, want %q", c.name, d.heard, want)
			}
			if c.want == "tap" {
				if d.tap != d.challenges[0] || d.key != key.Key() || d.tap.Nonce == [32]byte{} {
					t.Errorf("tapped %+v by %v", d.tap, d.key)
				}
				if err := d.key.Verify(d.tap.Sum(), d.sig); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// TestTapsNoise: what cannot be read is refused once a second, on the way out the
// last of it late, and a card among it at once.
func TestTapsNoise(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for exit, want := range map[bool][]string{
			false: {"unread front false", "tap front false", "unread front false"},
			true:  {"unread front true", "tap front true", "unread front true", "unread front true"},
		} {
			key, err := passport.GenerateSoftKey(passport.KindHalo, rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			d := &tapDoor{}
			x := tapAt(t.Context(), d, exit)
			noise := func() {
				for range 100 {
					x.refused(errors.New("two cards"))
				}
			}
			noise()
			x.card(soft.NewHalo(soft.HaloConfig{Key: key, Rand: rand.Reader}))
			time.Sleep(unreadableEvery + time.Millisecond)
			synctest.Wait()
			noise()
			time.Sleep(3 * unreadableEvery)
			x.stop()
			synctest.Wait()
			if !slices.Equal(d.heard, want) {
				t.Errorf("exit %v: heard %q, want %q", exit, d.heard, want)
			}
		}
	})
}

// TestPassed: what could not even be asked is refused on the way in, but for a
// card that just passed by; on the way out all of it opens.
func TestPassed(t *testing.T) {
	t.Parallel()
	for err, in := range map[error]bool{
		nfc.ErrSeveral:                           true,
		fmt.Errorf("%w (mute)", nfc.ErrNotISO):   true,
		nfc.ErrHeld:                              true,
		fmt.Errorf("driver: %w", card.ErrGone):   false,
		fmt.Errorf("%w: too fast", card.ErrGone): false,
	} {
		for _, exit := range []bool{false, true} {
			d := &tapDoor{}
			x := tapAt(t.Context(), d, exit)
			x.passed(err)
			x.stop()
			var want []string
			if in || exit {
				want = []string{fmt.Sprintf("unread front %v", exit)}
			}
			if !slices.Equal(d.heard, want) {
				t.Errorf("%v, exit %v: heard %q", err, exit, d.heard)
			}
		}
	}
}

// TestReaderState: what a driver says of its reader becomes a fault that is
// cleared, and one that was there from the start is none.
func TestReaderState(t *testing.T) {
	t.Parallel()
	var heard []string
	tried := 0
	rd := &reading{fault: func(_ context.Context, part, what string, cleared bool) {
		heard = append(heard, fmt.Sprintf("%s %v: %s", part, cleared, what))
	}}
	state := rd.state(t.Context(), "door/front/reader/1", "no reader at PC/SC", func() { tried++ })
	state(true, nil)
	state(false, nfc.ErrLies)
	state(true, nil)
	state(false, errors.New("unplugged"))
	state(true, nil)
	want := []string{
		"door/front/reader/1 false: " + nfc.ErrLies.Error(), "door/front/reader/1 true: it answers again",
		"door/front/reader/1 false: no reader at PC/SC: unplugged", "door/front/reader/1 true: it answers again",
	}
	if !slices.Equal(heard, want) || tried != 5 {
		t.Errorf("%d times, %q", tried, heard)
	}
}
