package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/access"
	"tombolo/passport"
	"tombolo/passport/qr"
	"tombolo/sync/ledger"
)

// patience is how long the demo waits for what should come at once.
const patience = 10 * time.Second

func (d *demo) runGateway() error {
	ctx, cancel := context.WithCancel(d.ctx)
	done := make(chan error, 1)
	go func() { done <- d.world.gateway.Run(ctx) }()
	d.world.stop = func() error {
		cancel()
		return <-done
	}
	select {
	case <-d.world.gateway.Ready():
		return nil
	case err := <-done:
		return err
	}
}

// await waits for the next record that is the one; others are passed over.
func await[T ledger.Body](d *demo, what string, is func(T) bool) (T, error) {
	var none T
	timeout := time.NewTimer(patience)
	defer timeout.Stop()
	for {
		select {
		case b := <-d.world.records:
			if t, ok := b.(T); ok && is(t) {
				return t, nil
			}
		case <-timeout.C:
			return none, fmt.Errorf("the gateway did not record %s within %v", what, patience)
		case <-d.ctx.Done():
			return none, d.ctx.Err()
		}
	}
}

func (d *demo) play() (err error) {
	stopped := false
	defer func() {
		if !stopped {
			err = errors.Join(err, d.world.stop())
		}
	}()
	for _, scene := range []func() error{d.afterStart, d.doors, d.refusals, d.nextWindow, d.codes, d.staleness, d.standing} {
		if err := scene(); err != nil {
			return err
		}
	}
	stopped = true
	if err := d.world.stop(); err != nil {
		return err
	}
	d.world.board.Check(boardCheck{d})
	return d.log()
}

// boardCheck turns a breach of the drivers' contract into a failed outcome.
type boardCheck struct{ d *demo }

func (boardCheck) Helper() {}
func (b boardCheck) Errorf(format string, args ...any) {
	b.d.expect("the simulated board", fmt.Sprintf(format, args...), "no breach of the drivers' contract")
}

// phone shows a code as the resident's phone does; ago is how old it is.
func (d *demo) phone(number uint64, ago time.Duration, door string) (string, error) {
	args := []string{"doorkey", "qr", "--key", d.keyFile("phone", number), "--passport", strconv.FormatUint(number, 10), "--window", demoWindow.String(), "--text"}
	if door != "" {
		args = append(args, "--door", door)
	}
	out, err := d.tombolo(func() time.Time { return d.Now().Add(-ago) }, d.steward(), args...)
	return strings.TrimSpace(out), err
}

// show presents a code at a door and compares the outcome.
func (d *demo) show(what, door, code string, want access.Reason) error {
	return d.present(what, door, want, func() error { return d.world.scanners[door].Scan(code) })
}

// shown makes a phone's code for the node and shows it.
func (d *demo) shown(what, door string, number uint64, want access.Reason) error {
	code, err := d.phone(number, 0, doorOf(door))
	if err != nil {
		return err
	}
	return d.show(what, door, code, want)
}

// doorOf is the door that a code has to name: the workshop wants its own.
func doorOf(door string) string {
	if door == "workshop" {
		return door
	}
	return ""
}

// present does something at a reader and compares the decision, and that the
// lock moved if it was a grant and did not if it was none.
func (d *demo) present(what, door string, want access.Reason, do func() error) error {
	expected := outcome(want <= access.Exit, want.String())
	d.tell(event{"event": "attempt", "what": what, "door": door, "expected": expected}, "%s → %s", what, expected)
	before := len(d.moves(door))
	if err := do(); err != nil {
		return err
	}
	decision, err := await(d, "a decision", func(b *ledger.Decision) bool { return b.Door == door })
	if err != nil {
		return err
	}
	d.expect(what, outcome(decision.Granted, decision.Reason), expected)
	if !decision.Granted {
		d.sleepFor(100 * time.Millisecond)
		if moved := len(d.moves(door)) - before; moved != 0 {
			d.expect(what, fmt.Sprintf("the relay moved %d times", moved), "the relay does not move")
		}
	}
	return nil
}

func outcome(granted bool, reason string) string {
	word := "refused"
	if granted {
		word = "opened"
	}
	return fmt.Sprintf("%s: %s (%s)", word, reason, access.TextOf(reason))
}

type move struct {
	at        time.Time
	energised bool
}

func (d *demo) moves(door string) (out []move) {
	for _, t := range d.world.board.Transitions() {
		if t.Relay == door+"/relay" {
			out = append(out, move{t.At, t.Energised})
		}
	}
	return out
}

func (d *demo) sleepFor(t time.Duration) { d.Sleep(d.ctx, t) } // ended early, the next wait says so

// walk goes through a door that was opened, or does not, and compares the
// passage and the strike.
func (d *demo) walk(door string, through bool) error {
	if through {
		for _, open := range []bool{true, false} {
			d.sleepFor(200 * time.Millisecond)
			if err := d.world.board.SetInput(door+"/contact", open); err != nil {
				return err
			}
		}
	}
	p, err := await(d, "a passage", func(b *ledger.Passage) bool { return b.Door == door })
	if err != nil {
		return err
	}
	word := map[bool]string{true: "somebody went through", false: "granted, no passage"}
	d.expect("passage", word[p.Entered], word[through])
	return d.strike(door)
}

// strike compares how long the relay was energised.
func (d *demo) strike(door string) error {
	for end := time.Now().Add(patience); ; {
		all := d.moves(door)
		if n := len(all); n >= 2 && !all[n-1].energised && all[n-2].energised {
			held := all[n-1].at.Sub(all[n-2].at)
			good := held >= demoStrike // a busy machine releases late; never early
			got := fmt.Sprintf("the relay was energised for %v", held.Round(time.Millisecond))
			want := got
			if !good {
				want = fmt.Sprintf("the relay is energised for %v", demoStrike)
			}
			d.expect("strike", got, want)
			return nil
		}
		if time.Now().After(end) || d.ctx.Err() != nil {
			return errors.New("the relay did not release")
		}
		d.sleepFor(10 * time.Millisecond)
	}
}

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

func (d *demo) doors() error {
	d.say("\nWhat needs no passport.")
	if err := d.present("Somebody inside presses the button at the front door", "front", access.Exit, func() error {
		return errors.Join(d.world.board.SetInput("front/rex", true), d.world.board.SetInput("front/rex", false))
	}); err != nil {
		return err
	}
	if err := d.walk("front", true); err != nil {
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
	shown, err := d.tombolo(d.Now, d.edge(), "ledger", "show", "--kind", "door")
	if err != nil {
		return err
	}
	d.say("%s", shown)
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
	got := "nobody noticed"
	if err != nil {
		d.say("  %v", err)
		if got = "the entry is named"; !strings.Contains(err.Error(), ": entry ") {
			got = "no entry is named"
		}
	}
	d.expect("tampering", got, "the entry is named")
	return nil
}
