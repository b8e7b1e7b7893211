package osdp

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"tombolo/passport/card"
)

func TestComesOnline(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.online()
	want := []byte{cmdID, cmdCap, cmdChlng, cmdSCrypt, cmdID, cmdCap, cmdACURxSize, cmdXWR}
	if !bytes.Equal(b.dev.heard, want) {
		t.Errorf("heard % X, want % X", b.dev.heard, want)
	}
	if want := []byte{0, 1, 2, 3, 1, 2, 3, 1}; !bytes.Equal(b.dev.numbers, want) {
		t.Errorf("sequence %v, want %v", b.dev.numbers, want)
	}
	if want := []byte{0, 0, scs11, scs13, scs17, scs17, scs17, scs17}; !bytes.Equal(b.dev.block, want) {
		t.Errorf("security blocks % X, want % X", b.dev.block, want)
	}
	if ids := events[identityEvent](b); len(ids) != 1 || !ids[0].identity.Capabilities.Transparent() {
		t.Errorf("identities %v", ids)
	}
	b.turns(6)
	if n := len(b.dev.heard); b.dev.heard[n-1] != cmdPoll || b.dev.heard[n-2] != cmdPoll {
		t.Errorf("heard % X: no polling", b.dev.heard)
	}
	if gap := b.next.Sub(b.lastTurn); gap != pollEvery {
		t.Errorf("polled every %v", gap)
	}
	if len(events[tamperEvent](b)) != 1 || len(events[powerEvent](b)) != 1 {
		t.Errorf("told %v: not how tamper and power are", b.told)
	}
}

// What keeps a reader offline, and what is said of it.
func TestRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config func(*ReaderConfig)
		device func(*device)
		want   error
	}{
		{"dead", nil, func(d *device) { d.mute = true }, ErrSilent},
		{"another key", nil, func(d *device) { d.key = Key{5} }, ErrWrongKey},
		{"says that it has no Secure Channel", nil, func(d *device) { d.clear = true }, ErrNoSecureChannel},
		{"the same is a downgrade", nil, func(d *device) { d.clear = true }, ErrDowngrade},
		{"refuses CHLNG as unsupported", nil, func(d *device) { d.nak = map[byte]byte{cmdChlng: nakSecureBlock} }, ErrDowngrade},
		{"refuses CHLNG as unknown", nil, func(d *device) { d.nak = map[byte]byte{cmdChlng: nakUnknown} }, ErrDowngrade},
		{"answers CHLNG in clear", nil, func(d *device) { d.nak = map[byte]byte{cmdChlng: nakEncrypted} }, ErrDowngrade},
		{"can less than was pinned", func(c *ReaderConfig) { c.Pinned = &Capabilities{FunctionBuzzer: {1, 1}} }, nil, ErrLess},
		{"less is a downgrade", func(c *ReaderConfig) { c.Pinned = &Capabilities{FunctionSmartCard: {3, 0}} }, nil, ErrDowngrade},
		{"a malformed PDID", nil, func(d *device) { d.say = map[byte][]frame{cmdID: many(frame{code: repPDID, data: []byte{1}})} }, ErrReply},
		{"an ACK to ID", nil, func(d *device) { d.say = map[byte][]frame{cmdID: many(frame{code: repACK})} }, ErrReply},
		{"garbled for ever", nil, func(d *device) { d.nak = map[byte]byte{cmdID: nakCheck} }, &NAKError{cmdID, nakCheck}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, c.config)
			if c.device != nil {
				c.device(b.dev)
			}
			b.run("a report", func() bool { return len(events[stateEvent](b)) > 0 })
			got := events[stateEvent](b)[0]
			var nak *NAKError
			if got.up || !errors.Is(got.err, c.want) && (!errors.As(c.want, &nak) || got.err.Error() != c.want.Error()) {
				t.Errorf("told %+v, want %v", got, c.want)
			}
			if b.phase == phaseOnline || b.session != nil {
				t.Error("and goes on all the same")
			}
			b.turns(20)
			if n := len(events[stateEvent](b)); n != 1 {
				t.Errorf("told %d times", n)
			}
			if d := b.next.Sub(b.now); d > refuseMax {
				t.Errorf("tried again after %v only", d)
			}
			b.dev.mute, b.dev.clear, b.dev.nak, b.dev.say, b.dev.key, b.config.Pinned = false, false, nil, nil, testKey, nil
			b.online()
		})
	}
}

func many(f frame) (all []frame) { return slices.Repeat([]frame{f}, 6000) }

// A single turn that goes wrong in every way: what is repeated, and what is lost.
func TestWire(t *testing.T) {
	t.Parallel()
	in := func(f frame) []byte {
		f.address, f.reply = 5, true
		b, err := f.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	once := func(f func(*bench, []byte) []byte) func(*bench) {
		return func(b *bench) {
			done := false
			b.spoil = func(x []byte) []byte {
				if done {
					return x
				}
				done = true
				return f(b, x)
			}
		}
	}
	always := func(f func(*bench, []byte) []byte) func(*bench) {
		return func(b *bench) { b.spoil = func(x []byte) []byte { return f(b, x) } }
	}
	number := func(b *bench) byte { return b.link.number }
	for _, c := range []struct {
		name string
		wire func(*bench)
		down error // nil: the reader stays online in its Secure Channel
	}{
		{"a reply is lost", once(func(*bench, []byte) []byte { return nil }), nil},
		{"a reply is cut", once(func(_ *bench, x []byte) []byte { return x[:len(x)-1] }), nil},
		{"a wrong CRC", once(func(_ *bench, x []byte) []byte { x[len(x)-1]++; return x }), nil},
		{"a wrong MAC", once(func(_ *bench, x []byte) []byte { x[len(x)-3]++; return remade(x) }), nil},
		{"a reply in clear", once(func(b *bench, x []byte) []byte { return in(frame{sequence: number(b), code: repACK}) }), nil},
		{"BUSY", once(func(b *bench, x []byte) []byte { return in(frame{code: repBusy}) }), nil},
		{"BUSY with its number", once(func(b *bench, x []byte) []byte { return in(frame{sequence: number(b), code: repBusy}) }), nil},
		{"NAK 01", once(func(b *bench, x []byte) []byte {
			return in(frame{sequence: number(b), code: repNAK, data: []byte{nakCheck}})
		}), nil},
		{"the reply of another reader", once(func(b *bench, x []byte) []byte { x[1] ^= 1; return remade(x) }), nil},
		{"a command as reply", once(func(b *bench, x []byte) []byte { x[1] &^= replyBit; return remade(x) }), nil},
		{"a wrong number", once(func(b *bench, x []byte) []byte { x[4] ^= 3; return remade(x) }), nil},
		{"wrong MACs for ever", always(func(_ *bench, x []byte) []byte {
			if x[4]&controlSecurity != 0 && x[6] >= scs15 {
				x[len(x)-3]++
			}
			return remade(x)
		}), ErrTampered},
		{"digits in clear for ever", always(func(b *bench, x []byte) []byte {
			return in(frame{sequence: number(b), code: repKeypad, data: []byte{0, 1, '5'}})
		}), ErrDowngrade},
		{"a card in clear", always(func(b *bench, x []byte) []byte {
			return in(frame{sequence: number(b), code: repXRD, data: []byte{1, 1, 0, 2}})
		}), ErrDowngrade},
		{"digits with a MAC, not encrypted", always(func(b *bench, x []byte) []byte {
			return in(frame{sequence: number(b), security: scs16, code: repKeypad, data: []byte{0, 1, '5'}})
		}), ErrDowngrade},
		{"restarted: NAK 06", once(func(b *bench, x []byte) []byte {
			return in(frame{sequence: number(b), code: repNAK, data: []byte{nakEncrypted}})
		}), ErrRestarted},
		{"restarted: NAK 04 with another number", once(func(b *bench, x []byte) []byte {
			return in(frame{sequence: (number(b) + 1) % 4, code: repNAK, data: []byte{nakSequence}})
		}), ErrRestarted},
		{"busy for ever", always(func(b *bench, x []byte) []byte { return in(frame{code: repBusy}) }), ErrSilent},
		{"silent for ever", always(func(*bench, []byte) []byte { return nil }), ErrSilent},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.online()
			b.turns(5)
			session, told := b.session, len(b.told)
			c.wire(b)
			if c.down == nil {
				b.turns(4)
				if b.session != session || !b.up || b.misses > 0 {
					t.Errorf("the session was lost, or the reader: told %v", b.told[told:])
				}
			} else {
				b.run("offline", func() bool { return !b.up })
				if last := events[stateEvent](b); !errors.Is(last[len(last)-1].err, c.down) {
					t.Errorf("told %v, want %v", last[len(last)-1].err, c.down)
				}
				b.spoil = nil
				b.online()
			}
			// Nothing that came in clear was believed.
			if keys, cards := events[keyEvent](b), events[cardEvent](b); len(keys)+len(cards) > 0 {
				t.Errorf("believed: keys %v, cards %v", keys, cards)
			}
		})
	}
}

// A reply that comes twice, or late, is not taken for the next one's.
func TestLateAndDoubled(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.online()
	b.turns(5)
	b.dev.say = map[byte][]frame{cmdPoll: {{code: repKeypad, data: []byte{0, 1, '5'}}}}
	var last []byte
	b.spoil = func(x []byte) []byte { last = bytes.Clone(x); return x }
	session := b.session
	for range 12 {
		b.bursts = [][]byte{last, last}
		b.turn()
	}
	if keys := events[keyEvent](b); len(keys) != 1 {
		t.Errorf("keys %v of one", keys)
	}
	if b.session != session || b.misses > 0 {
		t.Error("the session was lost")
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.online()
	b.turns(5)
	b.told = nil
	b.dev.say = map[byte][]frame{cmdPoll: {
		{code: repKeypad, data: []byte{0, 3, '1', 0x7F, 0x0D}},
		{code: repLStat, data: []byte{1, 0}}, {code: repLStat, data: []byte{1, 1}}, {code: repRStat, data: []byte{2}}, {code: repLStat, data: []byte{0, 1}},
		{code: repRStat, data: []byte{0}},
		{code: repIStat, data: []byte{0, 1}}, {code: repIStat, data: []byte{1, 1}},
		{code: repRaw, data: []byte{0, 1, 8, 0, 0xFF}},
		{code: repXRD, data: []byte{1, 0, 9}},
		{code: repKeypad, data: []byte{0, 9}}, {code: 0x57, data: []byte{1}},
	}}
	b.turns(14)
	var got []any
	for _, e := range b.told {
		switch e.(type) {
		case noteEvent:
		default:
			got = append(got, e)
		}
	}
	want := []any{keyEvent{'1'}, keyEvent{'*'}, keyEvent{'#'}, tamperEvent{true}, powerEvent{true}, tamperEvent{false},
		inputEvent{0, false}, inputEvent{1, true}, inputEvent{0, true}}
	if len(got) < len(want) || !slices.Equal(got[:len(want)], want) {
		t.Errorf("told %v, want %v", got, want)
	}
	refused := events[refusedEvent](b)
	if len(refused) != 2 || !errors.Is(refused[0].err, ErrRaw) || !errors.Is(refused[1].err, ErrCard) {
		t.Errorf("refused %v", refused)
	}
	if notes := events[noteEvent](b); len(notes) != 2 || !errors.Is(notes[0].err, ErrReply) {
		t.Errorf("noted %v", notes)
	}
}

// A card comes, answers at once and then with a delay, and is torn away.
func TestCard(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.online()
	b.turns(5)
	present, absent := frame{code: repXRD, data: []byte{1, 1, 0, 2}}, frame{code: repXRD, data: []byte{1, 1, 0, 0}}
	answer := frame{code: repXRD, data: []byte{1, 2, 0, 0, 0x90, 0}}
	b.dev.say = map[byte][]frame{cmdPoll: {present}}
	b.run("a card", func() bool { return len(events[cardEvent](b)) == 1 })

	apdu := func(number int) *request {
		q := &request{command: sendAPDU([]byte{0, 0xA4, 4, 0}), card: number}
		b.transmit(q, b.now)
		return q
	}
	result := func(what string) resultEvent {
		t.Helper()
		n := len(events[resultEvent](b))
		b.run(what, func() bool { return len(events[resultEvent](b)) > n })
		return events[resultEvent](b)[n]
	}
	b.dev.say[cmdXWR] = []frame{answer}
	apdu(1)
	before := len(b.dev.heard)
	if e := result("a response"); e.err != nil || !bytes.Equal(e.reply.(xrdAPDU).response, []byte{0x90, 0}) {
		t.Errorf("%+v", e)
	}
	if n := len(b.dev.heard) - before; n > 2 {
		t.Errorf("the response took %d turns", n)
	}
	// The reader acknowledges the APDU, and has its response with a later POLL.
	b.dev.say[cmdPoll] = []frame{{code: repACK}, {code: repKeypad, data: []byte{0, 1, '1'}}, answer}
	apdu(1)
	asked := b.now
	if e := result("a deferred response"); e.err != nil {
		t.Errorf("%+v", e)
	}
	if took := b.now.Sub(asked); took > 25*time.Millisecond { // turns of 5 ms
		t.Errorf("a deferred response is asked for once in a while: %v", took)
	}
	// Another card's APDU is refused, and so is one that does not fit.
	apdu(2)
	if e := result("a refusal"); !errors.Is(e.err, card.ErrGone) {
		t.Errorf("%+v", e)
	}
	b.identity.Capabilities[FunctionReceiveBuffer] = Capability{Level: 24}
	apdu(1)
	if e := result("a refusal"); !errors.Is(e.err, ErrTooLong) {
		t.Errorf("%+v", e)
	}
	b.identity.Capabilities[FunctionReceiveBuffer] = Capability{}
	// Torn away in the middle.
	b.dev.say[cmdPoll] = []frame{absent}
	apdu(1)
	if e := result("the end"); !errors.Is(e.err, card.ErrGone) {
		t.Errorf("%+v", e)
	}
	if len(events[goneEvent](b)) != 1 {
		t.Error("nobody is told that the card has gone")
	}
	// Reported once more while it rests there, the same card is no new one; another is.
	b.dev.say[cmdPoll] = []frame{present}
	b.run("another card", func() bool { return len(events[cardEvent](b)) == 2 })
	b.endCard(2, b.now)
	b.dev.say[cmdPoll] = []frame{present, present, present}
	b.turns(8)
	if n := len(events[cardEvent](b)); n != 2 {
		t.Errorf("%d cards of 2", n)
	}
	b.turns(10)
	b.dev.say[cmdPoll] = []frame{present}
	b.run("the next card", func() bool { return len(events[cardEvent](b)) == 3 })
	b.dev.mute = true
	apdu(3)
	if e := result("the end of a silent reader"); !errors.Is(e.err, card.ErrGone) {
		t.Errorf("%+v", e)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	fresh := Key{8, 8}
	for _, c := range []struct {
		name string
		wire func(*bench)
		want error
		keys []Key
	}{
		{"taken", func(*bench) {}, nil, []Key{fresh}},
		{"refused", func(b *bench) { b.dev.nak = map[byte]byte{cmdKeySet: nakRecord} }, ErrKeyNotTaken, []Key{testKey}},
		{"taken, and its reply lost", func(b *bench) {
			n := 0
			b.spoil = func(x []byte) []byte {
				if b.link.command == cmdKeySet {
					if n++; n <= repeats+1 {
						return nil
					}
				}
				return x
			}
		}, nil, []Key{fresh}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, nil)
			b.online()
			b.turns(5)
			c.wire(b)
			b.add(&request{command: setKey(fresh), key: &fresh}, b.now)
			b.run("a result", func() bool { return len(events[resultEvent](b)) > 0 })
			if e := events[resultEvent](b)[0]; !errors.Is(e.err, c.want) {
				t.Errorf("%v, want %v", e.err, c.want)
			}
			b.run("online", func() bool { return b.phase == phaseOnline })
			if !slices.Equal(b.keys, c.keys) || b.dev.key != b.keys[b.key] {
				t.Errorf("keys %v, the reader's is %v", [][16]byte{[16]byte(b.keys[0])}, [16]byte(b.dev.key))
			}
			if n := len(events[stateEvent](b)); n != 1 {
				t.Errorf("told %d states: a rotation is none", n)
			}
			if i := slices.Index(b.dev.heard, cmdKeySet); b.dev.block[i] != scs17 {
				t.Errorf("KEYSET under security block %02X", b.dev.block[i])
			}
		})
	}
}

// The old key is tried when the current one fails; the default key never is.
func TestKeysInTurn(t *testing.T) {
	t.Parallel()
	b := newBench(t, func(c *ReaderConfig) { c.Keys = []Key{{1}, {2}, testKey} })
	b.online()
	b.dev.key = DefaultKey
	b.fail(ErrRestarted, b.now)
	b.run("a report", func() bool { s := events[stateEvent](b); return errors.Is(s[len(s)-1].err, ErrWrongKey) })
	if _, err := New(Config{Port: "x", Readers: []ReaderConfig{{Keys: []Key{DefaultKey}, Handler: struct{ Handler }{}}}}); !errors.Is(err, ErrConfig) {
		t.Errorf("the default key is taken: %v", err)
	}
}

func TestShown(t *testing.T) {
	t.Parallel()
	var s shown
	s.setLight(Red, true)
	s.setLight(Green, true)
	s.setBeep(true)
	s.setText("Hello")
	s.setText("ö!")
	s.setOutput(1, true)
	next := func() (all []command) {
		for s.dirty() {
			if c, ok := s.next(Capabilities{}, &lacks{}); ok {
				all = append(all, c)
			}
		}
		return all
	}
	is := func(want ...command) {
		t.Helper()
		got := next()
		if !slices.EqualFunc(got, want, func(a, b command) bool { return a.code == b.code && bytes.Equal(a.data, b.data) }) {
			t.Errorf("% X, want % X", got, want)
		}
	}
	is(setOutput(1, true), setLight(Green), setBuzzer(true), command{cmdText, []byte{0, 2, 0, 1, 1, 2, '?', '!'}})
	is()
	s.setLight(Green, false)
	is(setLight(Red))
	s.setLight(Red, false)
	s.setText("")
	is(setLight(Black), setText("   ")) // what stood there is written over
	s.all()
	is(setOutput(1, true), setLight(Black), setBuzzer(true), setText(""))
	if n := len(setText(string(make([]byte, 1000))).data); n != 6+maxText {
		t.Errorf("a text of %d bytes", n)
	}
	if at := setLight(Blue).data; at[9] != 1 || at[12] != byte(Blue) || len(at) != 14 {
		t.Errorf("LED % X", at)
	}
}

func TestDeriveKey(t *testing.T) {
	t.Parallel()
	// HMAC-SHA-256 of 32 zeros over the separator, 8 zeros and generation 1.
	a := DeriveKey([32]byte{}, [8]byte{}, 1)
	if a == DeriveKey([32]byte{}, [8]byte{}, 2) || a == DeriveKey([32]byte{}, [8]byte{1}, 1) || a == DeriveKey([32]byte{1}, [8]byte{}, 1) {
		t.Error("keys are not diversified")
	}
	if a != DeriveKey([32]byte{}, [8]byte{}, 1) {
		t.Error("not the same twice")
	}
}

// libosdp 3.2 sends status replies in a command's security block, not encrypted.
// Their MAC is right, and they are no secret; a digit is one.
func TestStatusNotEncrypted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code, security byte
		data           []byte
		kind           answerKind
	}{
		{repLStat, scs15, []byte{1, 0}, answerReply},
		{repIStat, scs16, []byte{1, 0}, answerReply},
		{repKeypad, scs15, []byte{0, 1, '5'}, answerSuspect},
		{repKeypad, scs16, []byte{0, 1, '5'}, answerSuspect},
		{repXRD, scs15, []byte{1, 1, 0, 2}, answerSuspect},
		{repRaw, scs16, []byte{0, 0, 0, 0}, answerSuspect},
	} {
		panel, dev := sessions()
		l := link{address: 5, session: panel}
		command, err := l.send(poll())
		if err != nil {
			t.Fatal(err)
		}
		sent, err := parseFrame(command)
		if err != nil {
			t.Fatal(err)
		}
		chain := dev.session.cbcMAC(dev.session.reply, sent.covered(command))
		f := frame{address: 5, reply: true, code: c.code, data: c.data, security: c.security}
		b, err := f.append(nil)
		if err != nil {
			t.Fatal(err)
		}
		chain = dev.session.cbcMAC(chain, f.covered(b))
		copy(f.mac[:], chain[:])
		if b, err = f.append(nil); err != nil {
			t.Fatal(err)
		}
		got, err := parseFrame(b)
		if err != nil {
			t.Fatal(err)
		}
		a := l.take(got, b)
		if a.kind != c.kind || a.kind == answerSuspect && !errors.Is(a.err, ErrDowngrade) || a.kind == answerReply && !bytes.Equal(a.data, c.data) {
			t.Errorf("%02X under %02X: %+v", c.code, c.security, a)
		}
	}
}

// A reader that does not even refuse what it does not know comes online without it.
func TestDeafToCommands(t *testing.T) {
	t.Parallel()
	b := newBench(t, nil)
	b.spoil = func(x []byte) []byte {
		if c := b.link.command; c == cmdACURxSize || c == cmdXWR || c == cmdLStat {
			return nil
		}
		return x
	}
	b.online()
	session := b.session
	b.run("quiet polling", func() bool {
		n := len(b.dev.heard)
		return n > 20 && !slices.ContainsFunc(b.dev.heard[n-20:], func(c byte) bool { return c != cmdPoll })
	})
	if b.card.mode || b.session == session {
		t.Error("it was never begun anew, or is in transparent mode")
	}
	if s := events[stateEvent](b); len(s) != 1 && !s[len(s)-1].up {
		t.Errorf("told %v", s)
	}
}
