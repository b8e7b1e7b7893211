//go:build pcsc

package gateway_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/hw/nfc/pcsctest"
	"tombolo/hw/nfc/vpcd"
	"tombolo/passport"
	"tombolo/passport/card/soft"
	"tombolo/sync/ledger"
)

// torn is a card that is taken away after so many commands.
type torn struct {
	vpcd.Card
	left atomic.Int32
}

var errTorn = errors.New("torn away")

func (c *torn) Transmit(command []byte) ([]byte, error) {
	if c.left.Add(-1) < 0 {
		return nil, errTorn
	}
	return c.Card.Transmit(command)
}

// TestPCSC has each kind of card, in software, held to a reader that a real pcscd
// drives: from its APDUs to the relay. Torn away between any two of them a card
// opens nothing, and the next one is read.
func TestPCSC(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), 4*time.Minute) // another package's tests may have the reader
	defer cancel()
	d, err := pcsctest.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}()
	h := newHouse(t)
	halo := h.halo()
	key := must(passport.GenerateSoftKey(passport.KindKeycard, rand.Reader))
	h.delegate(key, passport.ModeTap)
	keycard := soft.NewKeycard(soft.KeycardConfig{Key: key})
	phone := h.phoneCard()
	request := h.init()
	h.approve(request)
	h.readers = fmt.Sprintf("[[doors.front.readers]]\nkind = \"pcsc\"\nname = %q\n", strings.ToLower(d.Reader()))
	r := h.run()
	hold := func(what string, c vpcd.Card) *ledger.Decision {
		t.Helper()
		in := must(d.Insert(c))
		got := await(r, "a decision on "+what, every[*ledger.Decision])
		if err := in.Remove(); err != nil {
			t.Error(err)
		}
		return got
	}
	granted := func(what string, c vpcd.Card) {
		t.Helper()
		if g := hold(what, c); !g.Granted || g.Mode != "tap" || g.Passport != 7 || !h.board.Energised("front/relay") {
			t.Errorf("%s: %+v\n%s", what, g, h.log.String())
		}
		await(r, "the lock", func(s *ledger.DoorState) bool { return s.State == "locked" })
	}
	refused := func(what string, c vpcd.Card) {
		t.Helper()
		if g := hold(what, c); g.Granted || g.Reason != "unreadable" {
			t.Errorf("%s: %+v", what, g)
		}
		if h.board.Energised("front/relay") {
			t.Errorf("%s opens", what)
		}
	}

	granted("a HaLo", halo)
	granted("a Keycard", keycard)
	refused("a phone that nobody vouched for the gateway to", phone)
	// The approval of the reader key comes while the gateway runs.
	h.vouch(request)
	h.carry()
	h.phonesAsked()
	granted("a phone", phone)
	for name, c := range map[string]vpcd.Card{"a HaLo": halo, "a Keycard": keycard, "a phone": phone} {
		for n := int32(0); !tear(r, d, name, c, n); n++ {
		}
		await(r, "the lock", func(s *ledger.DoorState) bool { return s.State == "locked" })
	}
	r.stop()
	h.board.Check(t)
}

// tear holds a card to the reader that is torn away after n commands; it is true,
// and the door open, if that is all that the card needs.
func tear(r *running, d *pcsctest.Daemon, name string, c vpcd.Card, n int32) (whole bool) {
	r.h.t.Helper()
	before := len(r.h.board.Transitions())
	away := &torn{Card: c}
	away.left.Store(n)
	in := must(d.Insert(away))
	for end := time.Now().Add(20 * time.Second); away.left.Load() >= 0 && !whole; time.Sleep(5 * time.Millisecond) {
		if whole = len(r.h.board.Transitions()) > before; !whole && time.Now().After(end) {
			r.h.t.Fatalf("%s is not asked %d times", name, n+1)
		}
	}
	if err := in.Remove(); err != nil {
		r.h.t.Error(err)
	}
	if !whole && len(r.h.board.Transitions()) > before {
		r.h.t.Errorf("%s torn away after %d commands opens", name, n)
	}
	return whole
}
