package panel_test

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/door"
	"tombolo/edge/panel"
	"tombolo/passport"
)

// commands are what a transcript can say. Times are those of the policy's zone;
// T is HH:MM[:SS[.mmm]], after a date if it is not today's, and END is "until T"
// or "for DURATION".
var commands = map[string]func(*story, *args){
	// Time, power and the clock.
	"begin": begin,    // begin DATE T: the gateway has been running for an hour
	"now":   setNow,   // now DATE T: nothing runs yet
	"start": start,    // the gateway starts
	"at":    at,       // at T: time goes on until then; at T WEST in the hour that comes twice
	"wait":  waitFor,  // wait DURATION
	"power": power,    // power cut [kept], back: what waits for the disk is lost, or was kept
	"stop":  stop,     // the service is stopped
	"clock": setClock, // clock ntp, rtc, floor, unknown; clock set T; clock signed T: the latest time that an author signed
	"disk":  setDisk,  // disk ok; slow: it does not answer until it is ok or fails; fails; fails last: it loses the last record that waits; fails kept: it has the record, and says it has not

	// Wires.
	"wired":   wired,   // wired DOOR [fail-safe] [no-contact] [operator], before the start
	"contact": contact, // contact DOOR open, closed, cut, shorted; told once it has rested for 20 ms
	"rex":     rex,     // rex DOOR [DURATION]: a button pressed for so long
	"line":    line,    // line [DOOR] INPUT normal, active, cut, shorted: at this instant
	"fire":    own("fire", map[string]door.Line{"on": door.LineActive, "off": door.LineNormal, "cut": door.LineCut, "shorted": door.LineShorted}),
	"mains":   own("mains", map[string]door.Line{"fails": door.LineActive, "back": door.LineNormal}),
	"battery": own("battery", map[string]door.Line{"low": door.LineActive, "good": door.LineNormal}),

	// People at doors.
	"tap":        tap,      // tap WHO DOOR [exit]
	"code":       code,     // code WHO DOOR [exit] [door]: for the node, or this door; [made DURATION], [again]
	"stranger":   stranger, // stranger DOOR [exit]: a key that nobody delegated
	"pin":        pin,      // pin DOOR right, wrong, duress, none; [checked DURATION]: so long that takes
	"look":       look,     // how the doors are
	"inside":     inside,   // inside ZONE: how many are
	"people":     people,   // people WHO=CLASS …: they are admitted
	"suspend":    standing(func(h *access.Holder) { h.Suspended = true }),
	"reinstate":  standing(func(h *access.Holder) { h.Suspended = false }),
	"expel":      standing(func(h *access.Holder) { h.Expelled = true }),
	"revoke":     standing(func(h *access.Holder) { h.Revoked, h.ClosedAtHome = true, true }), // another key is left
	"revokelast": standing(func(h *access.Holder) { h.Revoked = true }),
	"expires":    expires, // expires WHO END: the key does

	// Stewards' orders.
	"policy":   setPolicy,    // policy: what follows, to a blank line, is the next version; policy none; policy warnings
	"lockdown": lockdown,     // lockdown DOOR or all, END
	"lift":     lift,         // lift DOOR or all
	"bar":      bar,          // bar WHO END
	"home":     home,         // home DOOR WHO; home DOOR WHO ends END
	"guest":    guest,        // guest WHO PASS level=LEVEL [uses=N] [from T] END
	"endguest": endGuest,     // endguest WHO PASS
	"forgive":  forgive,      // forgive WHO or everybody
	"open":     openFromAfar, // open DOOR [ago DURATION] [ahead DURATION]; open DOOR again: the same order, as the roster was made again
	"tried":    triedPolicy,  // tried VERSION kept; tried VERSION WHY
	"heard":    heard,        // heard DURATION: so long ago were the issuers

	// Other gateways of the node.
	"siblings":  enrol,      // siblings NAME …: they are enrolled
	"mint":      mint,       // mint WHO: makes a code for the node
	"removed":   removed,    // removed NAME: a steward takes the gateway out of the node
	"there":     there,      // there NAME WHO DOOR [exit] [granted] [code]: somebody passes there, or is only let in, with WHO's last code; there NAME restarts; there NAME ahead DURATION: its clock
	"cut":       cut(true),  // cut NAME: nothing comes from there
	"heal":      cut(false), // heal NAME
	"forgotten": forgotten,  // forgotten NAME: its log is not at hand for the replay
}

// args are the words of a command that have not been understood yet.
type args struct {
	*story
	line  string
	words []string
	text  string
}

func (a *args) fail(format string, args ...any) {
	a.t.Helper()
	a.t.Fatalf("line %d: %q: %s", a.story.line, a.line, fmt.Sprintf(format, args...))
}

func (a *args) more() bool { return len(a.words) > 0 }

func (a *args) next() string {
	if len(a.words) == 0 {
		a.fail("a word is missing")
	}
	w := a.words[0]
	a.words = a.words[1:]
	return w
}

// has takes a word from anywhere.
func (a *args) has(word string) bool {
	i := slices.Index(a.words, word)
	if i >= 0 {
		a.words = slices.Delete(a.words, i, i+1)
	}
	return i >= 0
}

// value takes KEY=VALUE from anywhere; "" if there is none.
func (a *args) value(key string) string {
	for i, w := range a.words {
		if v, ok := strings.CutPrefix(w, key+"="); ok {
			a.words = slices.Delete(a.words, i, i+1)
			return v
		}
	}
	return ""
}

func (a *args) who() passport.ID { return a.passport(a.next()) }

func (a *args) passport(word string) passport.ID {
	var n uint64
	if _, err := fmt.Sscanf(word, "p%d", &n); err != nil || n == 0 {
		a.fail("%q is no p1, p2, …", word)
	}
	return passport.ID(n)
}

func (a *args) door() string {
	name := a.next()
	if _, ok := a.hardware[name]; !ok && a.panel != nil {
		a.fail("there is no door %q", name)
	}
	return name
}

func (a *args) duration() time.Duration {
	d, err := time.ParseDuration(a.next())
	if err != nil {
		a.fail("%v", err)
	}
	return d
}

// time reads [DATE] T [ZONE].
func (a *args) time() time.Time {
	date, clock := a.now.In(a.location()).Format(time.DateOnly), a.next()
	if strings.Count(clock, "-") == 2 {
		date, clock = clock, a.next()
	}
	if strings.Count(clock, ":") == 1 {
		clock += ":00"
	}
	t, err := time.ParseInLocation(time.DateTime, date+" "+clock, a.location())
	if err != nil {
		a.fail("%v", err)
	}
	for _, zone := range []string{"WET", "WEST"} {
		if !a.has(zone) {
			continue
		}
		for _, shift := range []time.Duration{0, time.Hour, -time.Hour} {
			if u := t.Add(shift); u.Format("MST 15:04:05") == zone+t.Format(" 15:04:05") {
				return u
			}
		}
		a.fail("no such time")
	}
	return t
}

// end is END, in Unix seconds.
func (a *args) end() int64 {
	switch word := a.next(); word {
	case "until":
		return a.time().Unix()
	case "for":
		return a.now.Add(a.duration()).Unix()
	default:
		a.fail("%q is neither until nor for", word)
		return 0
	}
}

func begin(s *story, a *args) {
	setNow(s, a)
	s.now = s.now.Add(-time.Hour)
	s.silently(func() {
		s.start()
		s.wait(time.Hour)
	})
}

func setNow(s *story, a *args) { s.now = a.time() }

func start(s *story, _ *args) { s.start() }

func at(s *story, a *args) {
	until := a.time()
	if until.Before(s.now) {
		a.fail("it is %s", s.wall(s.now))
	}
	s.wait(until.Sub(s.now))
}

func waitFor(s *story, a *args) { s.wait(a.duration()) }

func power(s *story, a *args) {
	if a.next() == "back" {
		s.start()
		return
	}
	if !a.has("kept") {
		for _, f := range s.first {
			s.lose(f.Body)
		}
	}
	s.panel, s.first = nil, nil
	clear(s.driven)
	for _, name := range slices.Sorted(maps.Keys(s.hardware)) {
		state := "locked"
		if s.hardware[name].FailSafe {
			state = "unlocked"
		}
		s.note("%s: without power the lock is %s", name, state)
	}
}

func stop(s *story, _ *args) { s.step(panel.Stopped{}) }

func setClock(s *story, a *args) {
	switch word := a.next(); word {
	case "set":
		from := s.now
		s.now = a.time()
		s.step(panel.ClockSet{From: from.UnixMilli(), To: s.now.UnixMilli()})
	case "signed":
		s.change(func(b *access.Basis) { b.Floor = a.time().Unix() })
	default:
		s.trust = access.ParseTrust(word)
		if s.trust.String() != word {
			a.fail("no clock is %q", word)
		}
		if s.panel != nil {
			s.changed()
		}
	}
}

func setDisk(s *story, a *args) {
	s.disk, s.kept, s.last = a.next(), a.has("kept"), a.has("last")
	if s.disk != "ok" && s.disk != "slow" && s.disk != "fails" {
		a.fail("no disk is %q", s.disk)
	}
	s.answer()
}

func wired(s *story, a *args) {
	name := a.next()
	s.hardware[name] = panel.Hardware{FailSafe: a.has("fail-safe"), Contact: !a.has("no-contact")}
	s.operators[name] = a.has("operator")
}

func (s *story) move(w wire, l door.Line) {
	s.lines[w] = l
	if s.panel != nil {
		s.step(panel.Moved{Door: w.door, Input: w.input, Line: l})
	}
}

func contact(s *story, a *args) {
	w, word := wire{a.door(), panel.Contact}, a.next()
	levels := map[string]door.Line{"open": door.LineActive, "closed": door.LineNormal, "cut": door.LineCut, "shorted": door.LineShorted}
	l, ok := levels[word]
	if !ok {
		a.fail("no contact is %q", word)
	}
	s.move(w, l)
	s.wait(door.SettleTime)
}

func rex(s *story, a *args) {
	w, long := wire{a.door(), panel.Rex}, 100*time.Millisecond
	if a.more() {
		long = a.duration()
	}
	s.move(w, door.LineActive)
	s.wait(long)
	s.move(w, door.LineNormal)
	s.wait(door.SettleTime)
}

func line(s *story, a *args) {
	var w wire
	if len(a.words) == 3 {
		w.door = a.door()
	}
	input, ok := panel.ParseInput(a.next())
	level, err := door.ParseLine(a.next())
	if !ok || err != nil {
		a.fail("no such input or level")
	}
	w.input = input
	s.move(w, level)
}

// own is a command for an input of the gateway's own.
func own(name string, levels map[string]door.Line) func(*story, *args) {
	return func(s *story, a *args) {
		input, _ := panel.ParseInput(name)
		l, ok := levels[a.next()]
		if !ok {
			a.fail("%s is one of %v", name, slices.Sorted(maps.Keys(levels)))
		}
		s.move(wire{"", input}, l)
		if s.panel != nil {
			s.wait(door.SettleTime)
		}
	}
}

func tap(s *story, a *args) {
	who, name := a.who(), a.door()
	h, key := s.holder(who), keyOf(who)
	s.taps++
	c := passport.Challenge{
		Community: community, Place: passport.TapPlace(gatewayKey, passport.DoorTarget(casa, name)), Time: uint64(s.now.Unix()), Nonce: [32]byte{31: byte(s.taps)},
	}
	sig, err := key.Sign(c.Sum())
	if err != nil {
		a.fail("%v", err)
	}
	t, err := passport.NewTap(c, key.Key(), sig)
	if err != nil {
		a.fail("%v", err)
	}
	raw, _ := t.MarshalBinary() // it returns no error
	s.step(panel.Presented{
		Door: name, Mode: "tap", Holder: h, Raw: raw,
		Presentation: access.Presentation{Mode: passport.ModeTap, Exit: a.has("exit")},
	})
}

func code(s *story, a *args) {
	who, name := a.who(), a.door()
	h := s.holder(who)
	w := s.codes[who]
	if !a.has("again") {
		target := passport.NodeTarget(casa)
		if a.has("door") {
			target = passport.DoorTarget(casa, name)
		}
		made := s.now
		if a.has("made") {
			made = made.Add(-a.duration())
		}
		w = s.mint(a, who, target, made)
	}
	raw, err := w.MarshalBinary()
	if err != nil {
		a.fail("%v", err)
	}
	door := passport.DoorTarget(casa, name)
	s.step(panel.Presented{
		Door: name, Mode: "window", Holder: h, Raw: raw,
		Presentation: access.Presentation{Mode: passport.ModeWindow, Exit: a.has("exit"), Window: w, ForDoor: w.Target == door.Short()},
	})
}

// mint makes somebody's next code.
func (s *story) mint(a *args, who passport.ID, target passport.Target, made time.Time) passport.Window {
	nonce := s.codes[who].Nonce
	binary.BigEndian.PutUint64(nonce[8:], binary.BigEndian.Uint64(nonce[8:])+1)
	w, err := passport.SignWindow(keyOf(who), passport.WindowStatement{Community: community, Passport: who, Target: target, Start: uint32(made.Unix()), Length: 20, Nonce: nonce})
	if err != nil {
		a.fail("%v", err)
	}
	s.codes[who] = w
	return w
}

func stranger(s *story, a *args) {
	s.step(panel.Presented{
		Door: a.door(), Mode: "tap", Refused: access.UnknownKey,
		Presentation: access.Presentation{Mode: passport.ModeTap, Exit: a.has("exit")},
	})
}

func pin(s *story, a *args) {
	name := a.door()
	pins := map[string]access.Pin{"right": access.PinRight, "wrong": access.PinWrong, "duress": access.PinDuress, "none": access.PinMissing}
	p, ok := pins[a.next()]
	if !ok {
		a.fail("a PIN is right, wrong, duress or none")
	}
	d, _ := s.panel.Door(name)
	if d.AwaitsPin == 0 {
		s.note("%s: nobody's PIN is waited for", name)
		return
	}
	if a.has("checked") { // slowly
		s.step(panel.Entered{Door: name, Wait: d.Wait})
		s.wait(a.duration())
	}
	s.step(panel.Typed{Door: name, Wait: d.Wait, Pin: p})
}

func look(s *story, _ *args) {
	for _, name := range slices.Sorted(maps.Keys(s.hardware)) {
		d, _ := s.panel.Door(name)
		lock := "locked"
		if d.State.Unlocked() {
			lock = "unlocked"
		}
		s.note("%s is %s, its lock %s", name, d.State.Name, lock)
	}
}
