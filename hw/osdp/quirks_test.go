package osdp

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"
)

// in gives what a device sends in clear with the number of the panel's command.
func (b *bench) in(f frame) []byte {
	b.Helper()
	f.address, f.reply = 5, true
	if f.code != repBusy {
		f.sequence = b.link.number
	}
	x, err := f.append(nil)
	if err != nil {
		b.Fatal(err)
	}
	return x
}

// Readers that are out there and keep to the specification in their own way, as
// their makers' or other panels' sources tell: with all of them the panel comes
// online in a Secure Channel, and stays.
func TestQuirks(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(b *bench, command, reply []byte) []byte{
		"RMAC_I in block 12": func(b *bench, _, x []byte) []byte { // OSDP.Net 4 and 5
			if b.link.command == cmdSCrypt {
				x[6] = scs12
				return remade(x)
			}
			return x
		},
		"the kind of key in block 14": func(b *bench, _, x []byte) []byte {
			if b.link.command == cmdSCrypt {
				x[7] = 0
				return remade(x)
			}
			return x
		},
		"nothing before a POLL": func() func(b *bench, _, x []byte) []byte { // Inner Range's SIFER
			polled := false
			return func(b *bench, _, x []byte) []byte {
				polled = polled || b.link.command == cmdPoll
				if polled {
					return x
				}
				return nil
			}
		}(),
		"nothing to a CRC": func(_ *bench, command, x []byte) []byte {
			if command[4]&controlCRC == 0 {
				return x
			}
			return nil
		},
		"NAK 01 to a CRC": func(b *bench, command, x []byte) []byte {
			if command[4]&controlCRC == 0 {
				return x
			}
			return b.in(frame{code: repNAK, data: []byte{nakCheck}})
		},
		"NAK 01 to a scan": func(b *bench, _, x []byte) []byte { // HID's RPK40
			if b.link.kind == scanCard().kind() {
				return b.in(frame{code: repNAK, data: []byte{nakCheck}})
			}
			return x
		},
		"nothing to a scan": func(b *bench, _, x []byte) []byte {
			if b.link.kind == scanCard().kind() {
				return nil
			}
			return x
		},
		"nothing to the light": func(b *bench, _, x []byte) []byte {
			if b.link.command == cmdLED {
				return nil
			}
			return x
		},
		"it does not know its buzzer": func(b *bench, _, x []byte) []byte {
			if b.link.command == cmdBuz {
				return nil
			}
			return x
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.dev.say = map[byte][]frame{cmdCap: many(frame{code: repPDCap, data: []byte{FunctionSecureChannel, 1, 0,
				FunctionSmartCard, 1, 0, FunctionLight, 4, 1, FunctionBuzzer, 2, 1}})}
			b.spoil = func(x []byte) []byte { return spoil(b, b.sent, x) }
			b.online()
			b.shown.setLight(Red, true)
			b.shown.setBeep(true)
			b.turns(200)
			session := b.session
			b.turns(400)
			if b.session != session || session == nil {
				t.Error("the session is begun anew again and again")
			}
			if !b.card.mode {
				t.Error("it is not in transparent mode")
			}
			if s := events[stateEvent](b); !s[len(s)-1].up {
				t.Errorf("told %v", s)
			}
			if n := len(events[noteEvent](b)); n > 5 {
				t.Errorf("%d notes in the log", n)
			}
			// It reports a card as HID's readers do, without a status.
			b.dev.say[cmdPoll] = []frame{{code: repXRD, data: []byte{1, 1, 0}}}
			b.run("a card", func() bool { return len(events[cardEvent](b)) == 1 })
		})
	}
}

// A server's cryptogram that the reader says is wrong is a wrong key, whatever
// R-MAC comes with it.
func TestRefusedCryptogram(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.spoil = func(x []byte) []byte {
		if b.link.command == cmdSCrypt {
			x[7] = 0xFF
			return remade(x)
		}
		return x
	}
	b.run("a report", func() bool { return len(events[stateEvent](b)) > 0 })
	if s := events[stateEvent](b)[0]; s.up || !errors.Is(s.err, ErrWrongKey) {
		t.Errorf("told %+v", s)
	}
}

// A cable that is touched, or a reader that is switched off, while the panel asks
// for something that it can do without costs nothing for good.
func TestGlitch(t *testing.T) {
	t.Parallel()
	for _, kind := range [][3]byte{scanCard().kind(), setMode(1).kind(), endCard().kind(), ask(cmdLStat).kind(), ask(cmdACURxSize).kind()} {
		for _, off := range []time.Duration{1500 * time.Millisecond, 4 * time.Second, time.Minute} {
			b := newBench(t, nil)
			b.online()
			var begun time.Time
			if kind == setMode(1).kind() || kind == ask(cmdACURxSize).kind() {
				b.restart(b.now)
			}
			if kind == endCard().kind() {
				b.work = append(b.work, endCard())
			}
			b.spoil = func(x []byte) []byte {
				if b.link.kind == kind && begun.IsZero() {
					begun = b.now
				}
				if !begun.IsZero() && b.now.Sub(begun) < off {
					return nil
				}
				return x
			}
			b.run("the glitch", func() bool { return !begun.IsZero() && b.now.Sub(begun) > off })
			b.run("online", func() bool { return b.up && b.phase == phaseOnline && b.session != nil })
			if !b.card.mode {
				t.Errorf("%v of silence on % X: no transparent mode any more", off, kind)
			}
			from := len(b.dev.heard)
			b.turns(800)
			if !slices.Contains(b.dev.heard[from:], cmdXWR) || !slices.Contains(b.dev.heard[from:], cmdLStat) {
				t.Errorf("%v of silence on % X: it is not asked for cards, or for how it is, any more", off, kind)
			}
		}
	}
}

// Whoever is refused a reading is told of it: at a door's inside it opens.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		reply frame
		want  error
	}{
		"RAW":                 {frame{code: repRaw, data: []byte{0, 1, 8, 0, 0xFF}}, ErrRaw},
		"RAW, malformed":      {frame{code: repRaw, data: []byte{0, 1, 26, 0, 1, 2}}, ErrRaw},
		"FMT":                 {frame{code: repFmt, data: []byte{0, 0, 3, '1', '2', '3'}}, ErrRaw},
		"an error":            {frame{code: repXRD, data: []byte{1, 0, 0x6A}}, ErrCard},
		"XRD, malformed":      {frame{code: repXRD, data: []byte{1, 1, 0, 9}}, ErrCard},
		"XRD of another mode": {frame{code: repXRD, data: []byte{7, 1, 0, 1}}, ErrCard},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.online()
			b.turns(5)
			b.dev.say = map[byte][]frame{cmdPoll: {c.reply}}
			b.run("a refusal", func() bool { return len(events[refusedEvent](b)) > 0 })
			b.turns(5)
			if r := events[refusedEvent](b); len(r) != 1 || !errors.Is(r[0].err, c.want) {
				t.Errorf("refused %v, want %v", r, c.want)
			}
		})
	}
	// 01 00 with reader and status is a card's presence, as one table has it; to an
	// APDU it is an error.
	b := newBench(t, nil)
	b.online()
	b.turns(5)
	b.dev.say = map[byte][]frame{cmdPoll: {{code: repXRD, data: []byte{1, 0, 0, 2}}}}
	b.run("a card", func() bool { return len(events[cardEvent](b)) == 1 })
	b.dev.say[cmdXWR] = []frame{{code: repXRD, data: []byte{1, 0, 0, 2}}}
	b.transmit(&request{command: sendAPDU([]byte{0, 0xA4, 4, 0}), card: 1}, b.now)
	b.run("an end", func() bool { return len(events[resultEvent](b)) == 1 })
	if e := events[resultEvent](b)[0]; !isGone(e.err) {
		t.Errorf("%+v", e)
	}
}

// A rotation never loses the key that the reader has.
func TestRotationKeepsKey(t *testing.T) {
	t.Parallel()
	second := Key{2}
	rotate := func(b *bench) resultEvent {
		b.Helper()
		q := &request{command: setKey(second), key: &second}
		b.add(q, b.now)
		b.run("a result", func() bool { return len(events[resultEvent](b)) > 0 })
		return events[resultEvent](b)[0]
	}
	t.Run("taken before, refused now", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, func(c *ReaderConfig) { c.Keys = []Key{testKey, second} })
		b.dev.key, b.dev.nak = second, map[byte]byte{cmdKeySet: nakRecord}
		b.online()
		b.turns(5)
		if e := rotate(b); e.err != nil {
			t.Errorf("the reader has it: %v", e.err)
		}
		if slices.Contains(b.dev.heard, cmdKeySet) {
			t.Error("a key was sent that the reader has")
		}
		b.restart(b.now)
		b.turns(3)
		b.online()
		if !slices.Equal(b.keys, []Key{second}) {
			t.Errorf("%d keys", len(b.keys))
		}
	})
	t.Run("acknowledged in clear", func(t *testing.T) { // some drop the session with its key
		t.Parallel()
		b := newBench(t, nil)
		b.online()
		b.turns(5)
		b.spoil = func(x []byte) []byte {
			if b.link.command == cmdKeySet {
				return b.in(frame{code: repACK})
			}
			return x
		}
		if e := rotate(b); e.err != nil || b.dev.key != second {
			t.Errorf("%v", e.err)
		}
		if s := events[stateEvent](b); len(s) != 1 {
			t.Errorf("told %v", s)
		}
	})
	t.Run("acknowledged by somebody else", func(t *testing.T) {
		t.Parallel()
		b := newBench(t, nil)
		b.online()
		b.turns(5)
		b.dev.nak = map[byte]byte{cmdKeySet: nakRecord} // it never took it
		b.spoil = func(x []byte) []byte {
			if b.link.command == cmdKeySet {
				return b.in(frame{code: repACK})
			}
			return x
		}
		if e := rotate(b); !errors.Is(e.err, ErrKeyNotTaken) || b.dev.key != testKey {
			t.Errorf("%v", e.err)
		}
		if !slices.Equal(b.keys, []Key{testKey}) {
			t.Error("the reader's key is lost")
		}
	})
}

// Somebody who breaks the channel again and again has the door's log grow slowly,
// and a reader that restarts once is back at once.
func TestFlapping(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]frame{
		"NAK 06":     {code: repNAK, data: []byte{nakEncrypted}},
		"a key":      {code: repKeypad, data: []byte{0, 1, '5'}},
		"not a card": {code: repXRD, data: []byte{1, 1, 0, 2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.online()
			b.turns(20)
			attack := func() {
				b.Helper()
				b.spoil = func([]byte) []byte { return b.in(f) }
				b.run("offline", func() bool { return !b.up })
				b.spoil = nil
				b.online()
			}
			lost := b.now
			attack()
			if took := b.now.Sub(lost); f.code == repNAK && took > time.Second {
				t.Errorf("a restart took %v", took)
			}
			start := b.now
			for range 10 {
				attack()
			}
			if took := b.now.Sub(start); took < 50*time.Second {
				t.Errorf("ten changes in %v", took)
			}
			b.run("a while", func() bool { return b.now.Sub(b.onlineAt) > steadyAfter+time.Second })
			if b.wait != 0 {
				t.Error("what is over is not forgotten")
			}
		})
	}
}

// A hostile reader fills no log.
func TestNotes(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.online()
	b.turns(5)
	b.dev.say = map[byte][]frame{cmdPoll: nil}
	for n := range 2000 {
		b.dev.say[cmdPoll] = append(b.dev.say[cmdPoll], frame{code: repKeypad, data: bytes.Repeat([]byte{0}, n%300+2)}, frame{code: 0xC0 + byte(n%16)})
	}
	start, before := b.now, len(events[noteEvent](b))
	b.turns(4000)
	if n, most := len(events[noteEvent](b))-before, int(b.now.Sub(start)/noteEvery+1)*2; n > most {
		t.Errorf("%d notes in %v", n, b.now.Sub(start))
	}
}
