package edge_test

import (
	"context"
	"encoding/binary"
	"log/slog"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/edge"
	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/passport/qr"
	"tombolo/sync/ledger"
)

// fixed is a Roster of one holder.
type fixed struct {
	access.Holder
	view *roster.View
}

func (f *fixed) ByWindow(passport.ID, [8]byte) (access.Holder, error) { return f.Holder, nil }
func (f *fixed) ByKey(passport.KeyID) (access.Holder, error)          { return f.Holder, nil }
func (f *fixed) View() *roster.View                                   { return f.view }

// nowhere is a Journal that keeps nothing.
type nowhere struct{}

func (nowhere) Record(ledger.Body, time.Time) error { return nil }
func (nowhere) RecordFirst(ledger.Body, time.Time) func(context.Context) error {
	return func(context.Context) error { return nil }
}

// counting is a Relay that notes how much had been allocated when it was
// energised last.
type counting struct{ mallocs uint64 }

func (c *counting) Set(energised bool) error {
	if energised {
		c.mallocs = mallocs()
	}
	return nil
}

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// TestAllocations: from the frame to the relay a code or a tap allocates no more
// than this, the signature check included, and the panel's step least of all. It
// counts what the process allocates, so it runs alone.
func TestAllocations(t *testing.T) {
	const rounds, most, mostOfPanel = 20, 40, 10
	synctest.Test(t, func(t *testing.T) {
		phone, card := softKey(t, passport.KindPhone, 1), softKey(t, passport.KindHalo, 2)
		relay := &counting{}
		people := &fixed{view: &roster.View{Basis: access.Basis{Generation: 1, Policy: parsePolicy(t, policyDoor("front", ""))}}}
		c := edge.New(edge.Config{
			Community: community, Node: node, Gateway: self, Name: "gw1", Doors: map[string]edge.Door{"front": {Relay: relay, Contact: true}},
			Roster: people, Journal: nowhere{}, Software: "test", Log: slog.New(slog.DiscardHandler),
			Clock: func() access.Clock { return access.Clock{Now: time.Now(), Trust: access.TrustNTP} },
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		time.Sleep(time.Minute)
		n := uint64(0)
		// measure is the mean of several rounds, with the lock at rest before each.
		measure := func(k *passport.SoftKey, prepare func() func() error) float64 {
			people.Holder = access.Holder{
				Known: true, KeyID: k.Key().ID(), ByOwner: true, Admitted: true, Class: "resident", NotAfter: 1 << 40,
				Delegation: passport.Delegation{Passport: 7, Key: k.Key(), NotAfter: 1 << 40, Mode: passport.ModeTap | passport.ModeWindow},
			}
			sum := uint64(0)
			for i := range rounds + 1 {
				n++
				present := prepare()
				time.Sleep(10 * time.Second)
				synctest.Wait()
				relay.mallocs = 0
				before := mallocs()
				if err := present(); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
				if relay.mallocs == 0 {
					t.Fatal("not let in")
				}
				if i > 0 { // the first fills buffers that stay
					sum += relay.mallocs - before
				}
			}
			return float64(sum) / rounds
		}
		code := measure(phone, func() func() error {
			s := passport.WindowStatement{Community: community, Passport: 7, Target: passport.NodeTarget(node), Start: uint32(time.Now().Unix()), Length: 20}
			binary.BigEndian.PutUint64(s.Nonce[:], n)
			frame := []byte(qr.Encode(must(passport.SignWindow(phone, s))))
			return func() error { return c.Code(ctx, "front", false, frame) }
		})
		tapped := func(k *passport.SoftKey) func() func() error {
			return func() func() error {
				var nonce [32]byte
				binary.BigEndian.PutUint64(nonce[:], n)
				ch := c.Challenge("front", nonce)
				sig := must(k.Sign(ch.Sum()))
				return func() error { return c.Tap(ctx, "front", false, ch, k.Key(), sig) }
			}
		}
		tap, card256k1 := measure(phone, tapped(phone)), measure(card, tapped(card))
		t.Logf("allocations: code %.1f, tap of a phone %.1f, of a card %.1f", code, tap, card256k1)
		for what, got := range map[string]float64{"a code": code, "a tap of a phone": tap, "a tap of a card": card256k1} {
			if got > most {
				t.Errorf("%s: %.1f allocations from the frame to the relay, at most %d", what, got, most)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := grantAllocations(people, card, rounds); got > mostOfPanel {
			t.Errorf("%.1f allocations of the panel for a grant, at most %d", got, mostOfPanel)
		} else {
			t.Logf("the panel: %.1f", got)
		}
	})
}

// grantAllocations is what Panel.Step allocates for a grant that unlocks.
func grantAllocations(people *fixed, k *passport.SoftKey, rounds int) float64 {
	p := panel.New(panel.Config{Node: node, Gateway: "gw1", Doors: map[string]panel.Hardware{"front": {Contact: true}}, Software: "test"})
	start := time.Now()
	at := func(up time.Duration) panel.Moment {
		return panel.Moment{Up: up, Clock: access.Clock{Now: start.Add(up), Trust: access.TrustNTP}}
	}
	p.Step(at(0), panel.Started{Basis: &people.view.Basis})
	sum := uint64(0)
	for i := range rounds + 1 {
		up := time.Duration(i+1) * time.Minute
		p.Step(at(up-time.Second), panel.Ticked{})
		var e panel.Event = panel.Presented{
			Door: "front", Mode: "tap", Holder: people.Holder, Raw: make([]byte, 100),
			Presentation: access.Presentation{Mode: passport.ModeTap},
		}
		before := mallocs()
		p.Step(at(up), e)
		if i > 0 {
			sum += mallocs() - before
		}
		if d, _ := p.Door("front"); !d.State.Unlocked() {
			panic("not let in")
		}
	}
	return float64(sum) / float64(rounds)
}
