package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/access"
	"tombolo/passport"
	"tombolo/passport/qr"
	"tombolo/sync/ledger"
)

// The scenes of the demo, in the order in which play has them.

func (d *demo) afterStart() error {
	d.say("\nResidents come to the doors.")
	d.world.started = d.Now()
	return d.shown("Passport 2 shows a code at the front door, right after the gateway started", "front", 2, access.CodeBeforeStart)
}

// nextWindow waits until codes are of a window that began after the start.
func (d *demo) nextWindow() error {
	next := d.world.started.Add(demoWindow).Truncate(demoWindow).Add(demoWindow + 100*time.Millisecond)
	wait := next.Sub(d.Now())
	d.say("\nThe first code could have been used before the gateway started, for all that it knows; codes of the next\nwindow open. Waiting %v.", wait.Round(time.Second))
	return d.Sleep(d.ctx, wait)
}

func (d *demo) codes() error {
	code, err := d.phone(2, 0, "")
	if err != nil {
		return err
	}
	if !d.headless && !d.json {
		if out, err := d.tombolo(d.Now, d.steward(), "doorkey", "qr", "--key", d.keyFile("phone", 2), "--passport", "2", "--window", demoWindow.String()); err == nil {
			d.say("%s", out)
		}
	}
	if err := d.show("Passport 2 shows the next code", "front", code, access.Granted); err != nil {
		return err
	}
	if err := d.walk("front", true); err != nil {
		return err
	}
	return d.show("Somebody shows a photo of that same code", "front", code, access.CodeReplayed)
}

// cardCode signs a window with a card's key, which no card should be made to do.
func (d *demo) cardCode(number uint64) (string, error) {
	card, err := d.card(number)
	if err != nil {
		return "", err
	}
	node, err := hexID(d.world.node)
	if err != nil {
		return "", err
	}
	f, err := folder.Open(d.steward(), false)
	if err != nil {
		return "", err
	}
	community, err := f.CommunityID()
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	s := passport.WindowStatement{
		Community: passport.CommunityID(community), Passport: passport.ID(number), Target: passport.NodeTarget(passport.NodeID(node)),
		Start: uint32(d.Now().Unix()), Length: uint8(demoWindow / time.Second),
	}
	if _, err := rand.Read(s.Nonce[:]); err != nil {
		return "", err
	}
	sig, err := card.Sign(s.Sum())
	if err != nil {
		return "", err
	}
	return qr.Encode(s.Window(card.Key().ID(), sig)), nil
}

func (d *demo) card(number uint64) (*passport.SoftKey, error) {
	text, err := os.ReadFile(d.keyFile("halo", number))
	if err != nil {
		return nil, err
	}
	return passport.ParseSoftKey(text)
}

func (d *demo) refusals() error {
	d.say("\nWhat opens nothing.")
	code, err := d.phone(2, time.Minute, "")
	if err != nil {
		return err
	}
	if err := d.show("A screenshot from a minute ago", "front", code, access.CodeExpired); err != nil {
		return err
	}
	if code, err = d.phone(2, 0, "workshop"); err != nil {
		return err
	}
	if err := d.show("A code made for the workshop, at the front door", "front", code, access.OutOfScope); err != nil {
		return err
	}
	if code, err = d.cardCode(1); err != nil {
		return err
	}
	if err := d.show("A code that somebody had passport 1's card sign", "front", code, access.WrongMode); err != nil {
		return err
	}
	if err := d.show("The code on a packet of tea", "front", "4006381333931", access.Unreadable); err != nil {
		return err
	}
	return d.shown("Passport 3, a visitor, at the workshop", "workshop", 3, access.NoLevel)
}

func (d *demo) staleness() error {
	d.say("\nThe workshop wants issuers that were heard within a day; these were heard two days ago.")
	if err := d.shown("Passport 2 at the workshop", "workshop", 2, access.StaleRoster); err != nil {
		return err
	}
	d.say("A steward comes by with a fresh export on a stick.")
	if err := d.bring(d.Now); err != nil {
		return err
	}
	if err := d.shown("Passport 2 at the workshop, again", "workshop", 2, access.Granted); err != nil {
		return err
	}
	return d.walk("workshop", false)
}

// bring carries ledgers to the running gateway and waits until it has taken
// them in.
func (d *demo) bring(now func() time.Time) error {
	was := d.world.gateway.Generation()
	if err := d.carry(now); err != nil {
		return err
	}
	for end := time.Now().Add(patience); d.world.gateway.Generation() == was; {
		if time.Now().After(end) || d.ctx.Err() != nil {
			return errors.New("the gateway did not take the ledgers in")
		}
		d.sleepFor(20 * time.Millisecond)
	}
	return nil
}

// button lets somebody out who has no passport to show.
func (d *demo) button() error {
	if err := d.present("Somebody inside presses the button at the front door", "front", access.Exit, func() error {
		err := d.world.board.SetInput("front/rex", true)
		d.sleepFor(100 * time.Millisecond) // a finger's; what is shorter is noise
		return errors.Join(err, d.world.board.SetInput("front/rex", false))
	}); err != nil {
		return err
	}
	return d.walk("front", true)
}

func (d *demo) doors() error {
	d.say("\nWhat needs no passport.")
	if err := d.button(); err != nil {
		return err
	}
	d.tell(event{"event": "attempt", "what": "The workshop's door is forced", "door": "workshop", "expected": "the log says forced-open"}, "The workshop's door is forced → the log says forced-open")
	if err := d.world.board.SetInput("workshop/contact", true); err != nil {
		return err
	}
	s, err := await(d, "the workshop's state", func(b *ledger.DoorState) bool { return b.Door == "workshop" })
	if err != nil {
		return err
	}
	d.expect("forced", "the log says "+s.State, "the log says forced-open")
	return d.world.board.SetInput("workshop/contact", false)
}

// order has the steward type a command, and carries it to the gateway.
func (d *demo) order(args ...string) error {
	if _, err := d.tombolo(d.Now, d.steward(), args...); err != nil {
		return err
	}
	return d.bring(d.Now)
}

func (d *demo) guest() error {
	d.say("\nPassport 3 helps in the workshop today, and gets a pass for one entry.")
	if err := d.order("guest", "add", "--passport", "3", "--level", "all", "--until", d.Now().Add(12*time.Hour).UTC().Format(time.RFC3339),
		"--uses", "1", "--why", "helps today"); err != nil {
		return err
	}
	if err := d.shown("Passport 3 at the workshop", "workshop", 3, access.Guest); err != nil {
		return err
	}
	if err := d.walk("workshop", true); err != nil {
		return err
	}
	return d.shown("Passport 3 at the workshop, once more", "workshop", 3, access.PassUsedUp)
}

func (d *demo) lockdown() error {
	d.say("\nA steward locks all doors down for an hour.")
	if err := d.order("door", "lockdown", "--all", "--for", "1h", "--why", "a drill"); err != nil {
		return err
	}
	if err := d.shown("Passport 2 at the front door", "front", 2, access.Lockdown); err != nil {
		return err
	}
	if err := d.button(); err != nil {
		return err
	}
	if err := d.present("Passport 1 taps its card at its own home", "front", access.Home, d.tap); err != nil {
		return err
	}
	if err := d.walk("front", true); err != nil {
		return err
	}
	d.say("The drill is over before its end.")
	if err := d.order("door", "lift", "--all"); err != nil {
		return err
	}
	if err := d.shown("Passport 2 at the front door, again", "front", 2, access.Granted); err != nil {
		return err
	}
	return d.walk("front", true)
}

func (d *demo) standing() error {
	d.say("\nThe issuer suspends passports 1 and 2 and revokes the visitor's lost phone; the ledgers travel again.")
	for _, args := range [][]string{
		{"passport", "suspend", "1", "--why", "a dispute"},
		{"passport", "suspend", "2", "--why", "a dispute"},
		{"doorkey", "revoke", "--passport", "3", "--key", d.keyFile("phone", 3), "--why", "lost"},
	} {
		if _, err := d.tombolo(d.Now, d.steward(), args...); err != nil {
			return err
		}
	}
	if err := d.bring(d.Now); err != nil {
		return err
	}
	if err := d.shown("Passport 2 at the front door", "front", 2, access.Suspended); err != nil {
		return err
	}
	if err := d.shown("Passport 3's lost phone", "front", 3, access.Revoked); err != nil {
		return err
	}
	if err := d.shown("Passport 1 with a code, at its own home", "front", 1, access.Suspended); err != nil {
		return err
	}
	if err := d.present("Passport 1 taps its card at its own home: nobody is locked out of there", "front", access.Home, d.tap); err != nil {
		return err
	}
	return d.walk("front", true)
}

// tap is what a card reader's driver does: a fresh challenge, the card's
// answer.
func (d *demo) tap() error {
	card, err := d.card(1)
	if err != nil {
		return err
	}
	var nonce [32]byte
	if _, err := rand.Read(nonce[:]); err != nil {
		return err
	}
	c := d.world.gateway.Controller
	challenge := c.Challenge("front", nonce)
	sig, err := card.Sign(challenge.Sum())
	if err != nil {
		return err
	}
	return c.Tap(d.ctx, "front", false, challenge, card.Key(), sig)
}

// log verifies the door log, and shows that a changed byte is found.
func (d *demo) log() error {
	d.say("\nThe gateway has stopped. Its door log, as anybody can check it who has its public key:")
	shown, err := d.tombolo(d.Now, d.edge(), "log")
	if err != nil {
		return err
	}
	d.say("%s", shown)
	d.say("Every decision can be made again, from that log and the ledgers of its moment:")
	again, err := d.tombolo(d.Now, d.edge(), "log", "replay", "--quiet")
	got := "the same"
	if err != nil {
		got = err.Error()
	}
	d.say("%s", again)
	d.expect("replay", got, "the same")
	file := d.path("door.tombolo")
	if _, err := d.tombolo(d.Now, d.edge(), "ledger", "export", "--kind", "door", "--out", file); err != nil {
		return err
	}
	f, err := folder.Open(d.edge(), false)
	if err != nil {
		return err
	}
	key, err := f.Public(folder.SigningKey)
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	proof, err := d.tombolo(d.Now, d.path("nobody"), "ledger", "verify", file, "--key", fmt.Sprintf("%x", key))
	if err != nil {
		d.expect("verify", err.Error(), "the log verifies")
		return nil
	}
	d.say("%s", proof)
	d.expect("verify", "the log verifies", "the log verifies")

	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(filepath.Join(d.dir, "forged.tombolo"), data, 0o600); err != nil {
		return err
	}
	d.say("One bit in the middle of that file is changed → the entry is named")
	_, err = d.tombolo(d.Now, d.path("nobody"), "ledger", "verify", d.path("forged.tombolo"), "--key", fmt.Sprintf("%x", key))
	got = "nobody noticed"
	if err != nil {
		d.say("  %v", err)
		if got = "the entry is named"; !strings.Contains(err.Error(), ": entry ") {
			got = "no entry is named"
		}
	}
	d.expect("tampering", got, "the entry is named")
	return nil
}
