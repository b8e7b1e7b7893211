//go:build pcsc

package main_test

import (
	"crypto/rand"
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/accounts/keystore"

	"tombolo/cmd/internal/folder"
	"tombolo/hw/nfc/pcsctest"
	"tombolo/hw/nfc/vpcd"
	"tombolo/hw/sim"
	"tombolo/passport"
	"tombolo/passport/card/soft"
	"tombolo/sync/ledger"
)

const cardPolicy = `version = 2
node = "casa"
[zones.street]
outside = true
[zones.house]
[doors.front]
gateway = "gw1"
from = "street"
to = "house"
strike = "1s"
mechanical_exit = true
[levels.all]
doors = ["front"]
[classes.resident]
levels = ["all"]
`

const cardWiring = `data = "."
[sim]
socket = "sim.sock"
[doors.front]
lock = "fail-secure"
relay = { chip = "sim" }
contact = { chip = "sim" }
[[doors.front.readers]]
kind = "pcsc"
name = "Virtual PCD 00 00"
`

// tornCard counts the commands that reach a card, and leaves the field in the
// middle of one of them.
type tornCard struct {
	vpcd.Card
	count atomic.Int32
	tear  int32 // the command that it does not answer, from 1; 0 for none
}

var errTorn = errors.New("torn away")

func (c *tornCard) Transmit(command []byte) ([]byte, error) {
	if n := c.count.Add(1); c.tear > 0 && n >= c.tear {
		return nil, errTorn
	}
	return c.Card.Transmit(command)
}

// TestCards has cards enrolled at a desk and held to a door, all of it with the
// real programs, the real pcscd and the cards' own APDUs, and torn away at each
// of them.
func TestCards(t *testing.T) {
	t.Parallel()
	d, err := pcsctest.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	s := newSite(t)
	s.write("policy.toml", cardPolicy)
	s.tool("tombolo", "node", "policy", "sign", s.path("policy.toml"))

	chips := map[string]vpcd.Card{}
	numbers := []string{"1", "2", "3"}
	for i, kind := range []passport.KeyKind{passport.KindHalo, passport.KindKeycard, passport.KindPhone} {
		number := numbers[i]
		chips[number] = s.chip(kind)
		s.enroll(d, number, chips[number])
	}
	stranger := s.chip(passport.KindHalo)
	s.tool("tombolo", "gateway", "approve", s.path("gw/gateway.request"), "--yes") // with the policy and everybody's keys
	s.write("gw/gateway.toml", cardWiring)
	s.start()
	defer func() { s.end(syscall.SIGTERM) }()

	length := map[string]int32{}
	for _, number := range numbers {
		length[number] = s.tapOpens(d, chips[number])
		t.Logf("passport %s: %d APDUs", number, length[number])
	}
	s.tapOpensNothing(d, &tornCard{Card: stranger})
	for _, number := range numbers {
		for n := int32(1); n <= length[number]; n++ {
			s.tapOpensNothing(d, &tornCard{Card: chips[number], tear: n})
		}
		s.tapOpens(d, chips[number]) // nothing is wedged
	}
	granted := 0
	for _, one := range s.decisions() {
		if one.Body.Granted {
			granted++
		}
	}
	if granted != 2*len(numbers) {
		t.Errorf("%d grants were recorded, want %d", granted, 2*len(numbers))
	}
}

// chip makes a card of a kind with a key of its own.
func (s *site) chip(kind passport.KeyKind) vpcd.Card {
	s.t.Helper()
	key, err := passport.GenerateSoftKey(kind, rand.Reader)
	if err != nil {
		s.t.Fatal(err)
	}
	switch kind {
	case passport.KindHalo:
		return soft.NewHalo(soft.HaloConfig{Key: key, Rand: rand.Reader})
	case passport.KindKeycard:
		return soft.NewKeycard(soft.KeycardConfig{Key: key})
	}
	f, err := folder.Open(s.path("desk"), false)
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	community, err := f.Community()
	if err != nil {
		s.t.Fatal(err)
	}
	cfg := soft.PhoneConfig{Key: key, Community: passport.CommunityID(community.ID()), Rand: rand.Reader, Enrolling: func() bool { return true }}
	for _, a := range community.Latest().Authors {
		if a.Role == ledger.Issuer {
			cfg.Issuers = append(cfg.Issuers, a.Key)
		}
	}
	return soft.NewPhone(cfg)
}

// enroll makes a passport and has the card enrolled for it at the desk.
func (s *site) enroll(d *pcsctest.Daemon, number string, chip vpcd.Card) {
	s.t.Helper()
	ks := keystore.NewKeyStore(s.path("wallets"+number), keystore.LightScryptN, keystore.LightScryptP)
	account, err := ks.NewAccount("a wallet's password")
	if err != nil {
		s.t.Fatal(err)
	}
	s.tool("tombolo", "passport", "issue", "--owner", account.Address.Hex(), "--class", "resident", "--number", number)
	in, err := d.Insert(chip)
	if err != nil {
		s.t.Fatal(err)
	}
	// Nobody but their makers makes cards that are genuine.
	args := []string{"card", "enroll", "--reader", d.Reader(), "--passport", number, "--wallet", account.URL.Path, "--password-file", s.path("password"), "--out", s.path("card-" + number)}
	if _, isPhone := chip.(*soft.Phone); !isPhone {
		if out, err := s.try("tombolo", args...); err == nil {
			s.t.Errorf("a card whose maker nobody knows was enrolled: %s", out)
		}
		if _, err := os.Stat(s.path("card-" + number)); err == nil {
			s.t.Error("a refused card left a delegation")
		}
		if err := in.Remove(); err != nil {
			s.t.Fatal(err)
		}
		if in, err = d.Insert(chip); err != nil {
			s.t.Fatal(err)
		}
		args = append(args, "--unproved")
	}
	s.tool("tombolo", args...)
	if err := in.Remove(); err != nil {
		s.t.Fatal(err)
	}
	s.tool("tombolo", "doorkey", "add", s.path("card-"+number))
}

// tapOpens holds a card to the door until its relay has moved and is back, and
// gives the number of its APDUs.
func (s *site) tapOpens(d *pcsctest.Daemon, chip vpcd.Card) int32 {
	s.t.Helper()
	c := &tornCard{Card: chip}
	in, err := d.Insert(c)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, energised := range []bool{true, false} {
		if e := s.moved(); e != energised {
			s.t.Fatalf("the relay is energised: %v, want %v", e, energised)
		}
	}
	if err := in.Remove(); err != nil {
		s.t.Fatal(err)
	}
	return c.count.Load()
}

// change is the next event that is not how things stood.
func (s *site) change() sim.Event {
	s.t.Helper()
	for {
		e := s.event()
		if s.began.IsZero() {
			s.began = e.T
		}
		if e.T.After(s.began) {
			return e
		}
	}
}

// moved waits for the relay's next move.
func (s *site) moved() bool {
	s.t.Helper()
	for {
		if e := s.change(); e.Relay == "front/relay" {
			return e.Energised
		}
	}
}

// tapOpensNothing holds a card to the door until it was refused, and sees that
// no relay moves.
func (s *site) tapOpensNothing(d *pcsctest.Daemon, c *tornCard) {
	s.t.Helper()
	in, err := d.Insert(c)
	if err != nil {
		s.t.Fatal(err)
	}
	want := max(c.tear, 1)
	for end := time.Now().Add(10 * time.Second); c.count.Load() < want; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("the card got %d commands, want %d:\n%s", c.count.Load(), want, s.daemon.Log)
		}
	}
	time.Sleep(100 * time.Millisecond) // what a relay that moves wrongly would need
	if err := in.Remove(); err != nil {
		s.t.Fatal(err)
	}
	// The board tells all in one order: once it tells of another line's change
	// nothing is under way.
	for _, active := range []bool{true, false} {
		if err := s.relay.SetInput("front/contact", active); err != nil {
			s.t.Fatal(err)
		}
		for marked := false; !marked; {
			e := s.change()
			if e.Relay != "" && e.Energised {
				s.t.Errorf("torn at %d: %s was energised", c.tear, e.Relay)
			}
			marked = e.Input == "front/contact" && e.Active == active
		}
	}
}
