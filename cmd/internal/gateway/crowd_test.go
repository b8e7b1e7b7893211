package gateway_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// resident admits one more, with a phone.
func (e *estate) resident(number uint64) (*ecdsa.PrivateKey, *passport.SoftKey) {
	e.t.Helper()
	wallet, phone := must(crypto.GenerateKey()), must(passport.GenerateSoftKey(passport.KindPhone, rand.Reader))
	d := passport.Delegation{Passport: passport.ID(number), Key: phone.Key(), NotBefore: 1, NotAfter: 1 << 40, Mode: passport.ModeTap}
	sig := must(passport.SignDelegation(wallet, domain, d))
	s := must(passport.NewSignedDelegation(domain, d, sig[:], must(phone.Sign(passport.PossessionChallenge(d.Digest(domain))))))
	e.write(ledger.CommunityLog,
		&ledger.Admit{Passport: number, Owner: crypto.PubkeyToAddress(wallet.PublicKey), Class: "resident", NotAfter: time.Now().Add(time.Hour).Unix()},
		&ledger.DoorKeyAdded{Delegation: must(s.MarshalBinary())})
	return wallet, phone
}

// policy signs the estate's policy with something else in the zone and at the
// doors, and waits until everybody lives by it.
func (e *estate) policy(version int, zone string, door func(n int) string) {
	e.t.Helper()
	var doors strings.Builder
	for n := range 3 {
		fmt.Fprintf(&doors, estateDoor, n+1, n+1)
		doors.WriteString(door(n + 1))
	}
	file := fmt.Sprintf(estatePolicy, version, zone+"\n"+doors.String())
	e.write(ledger.NodeLog, &ledger.Policy{Version: uint64(version), File: []byte(file)})
	e.settle()
}

// settle waits until every gateway that runs decides by all that the desk wrote.
func (e *estate) settle() {
	e.t.Helper()
	all := must(e.desk.Store().Ledgers())
	for _, u := range e.gws {
		e.eventually(10*time.Second, func() error {
			s := u.StatusNow()
			for _, l := range all {
				if o := l.Origin.String(); (l.Origin.Kind == ledger.NodeLog || l.Origin.Kind == ledger.CommunityLog) && s.Projected[o] < l.Size {
					return fmt.Errorf("%s has %d of %d entries of %s; problems %v", u.Name, s.Projected[o], l.Size, o, s.Problems)
				}
			}
			return nil
		})
	}
}

// TestSharedZone: a house with room for one, and three doors at three gateways. Who
// is inside by one door fills it at the others; what a gateway that lies says keeps
// nobody out of a home, nobody in, and speaks for no other's door; and while the
// broker is away doors go on, and their log says whom they do not hear.
func TestSharedZone(t *testing.T) {
	t.Parallel()
	e := newEstate(t).run()
	gw1, gw2, gw3 := e.gws[0], e.gws[1], e.gws[2]
	wallet, second := e.resident(8)
	e.policy(2, "occupancy = 1", func(n int) string { return map[int]string{3: "home = true\n"}[n] })
	e.write(ledger.NodeLog, &ledger.Home{Door: "d3", Passport: 8, Owner: crypto.PubkeyToAddress(wallet.PublicKey), Notice: 1000})
	e.settle()
	want := func(what string, d *ledger.Decision, reason string, granted bool) {
		t.Helper()
		if d.Reason != reason || d.Granted != granted {
			t.Errorf("%s: %+v, want %s", what, d, reason)
		}
	}

	want("7 at gw1", gw1.tap(), "granted", true)
	gw1.enter()
	e.eventually(5*time.Second, func() error {
		if d := gw2.present(second, false); d.Reason != "zone-full" || d.Granted || len(gw2.missing) > 0 {
			return fmt.Errorf("8 at gw2: %+v; it does not hear %v", d, gw2.missing)
		}
		return nil
	})

	// gw1 lies: 8 is inside by its door, and others by a door that is not its.
	if err := gw1.Claim(
		&ledger.Decision{Seq: 1 << 40, Door: "d1", Granted: true, Mode: "tap", Reason: "granted", Passport: 8}, &ledger.Passage{Seq: 1 << 40, Door: "d1", Entered: true},
		&ledger.Decision{Seq: 1<<40 + 1, Door: "d2", Granted: true, Mode: "tap", Reason: "granted", Passport: 99}, &ledger.Passage{Seq: 1<<40 + 1, Door: "d2", Entered: true},
	); err != nil {
		t.Fatal(err)
	}
	want("7 goes out by gw1", gw1.present(e.phone, true), "exit", true)
	gw1.enter()
	e.eventually(5*time.Second, func() error {
		if d := gw2.present(second, false); d.Reason != "passback-noted" || !d.Granted {
			return fmt.Errorf("8 at gw2, where nobody else is inside: %+v", d)
		}
		return nil
	})
	gw2.enter()
	want("8 comes home, whoever says that they are in", gw3.present(second, false), "home", true)
	gw3.enter()
	want("8 leaves", gw3.present(second, true), "exit", true)
	gw3.enter()

	e.eventually(5*time.Second, func() error {
		if d := gw1.tap(); !d.Granted {
			return fmt.Errorf("7 at gw1, which everybody has left: %+v", d)
		}
		return nil
	})
	gw1.enter()
	want("7 goes out again", gw1.present(e.phone, true), "exit", true)
	gw1.enter()

	if err := gw1.CutBroker(func() {
		e.eventually(5*time.Second, func() error {
			if s := gw2.StatusNow(); !slices.Equal(s.Missing, []string{"gw1", "gw3"}) {
				return fmt.Errorf("gw2 misses %v", s.Missing)
			}
			return nil
		})
		e.eventually(5*time.Second, func() error { // the controller is told right after
			if gw2.present(second, false); !slices.Equal(gw2.missing, []string{"gw1", "gw3"}) {
				return fmt.Errorf("gw2's log says that it does not hear %v", gw2.missing)
			}
			return nil
		})
		want("8 goes out, and nobody is heard", gw2.present(second, true), "exit", true)
		gw2.enter()
		want("8 comes home, and nobody is heard", gw3.present(second, false), "home", true)
		gw3.enter()
		want("7 at gw1, which does not know", gw1.tap(), "granted", true)
		gw1.enter()
	}); err != nil {
		t.Fatal(err)
	}
	e.eventually(20*time.Second, func() error {
		if d := gw2.present(e.phone, false); len(gw2.missing) > 0 || d.Reason != "zone-full" {
			return fmt.Errorf("7 at gw2, where 8 is at home: %+v; it does not hear %v", d, gw2.missing)
		}
		return nil
	})
}
