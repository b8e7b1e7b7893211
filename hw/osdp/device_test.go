package osdp

import (
	"bytes"
	"crypto/cipher"
	"testing"
	"time"
)

// sessions gives both ends of a Secure Channel.
func sessions() (panel *session, d *device) {
	rndA := [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
	panel, d = newSession(testKey, rndA), &device{address: 5, key: testKey}
	d.session = newSession(testKey, rndA)
	for _, s := range []*session{panel, d.session} {
		s.reply = [16]byte{9, 9, 9}
	}
	return panel, d
}

var testKey = Key{1, 2, 3, 4}

// device is the other end of a reader's state machine, as these tests need it: it
// uses this package's codec, so it says nothing about the wire. What holds
// the codec to the specification are the vectors and the package osdptest.
type device struct {
	address byte
	key     Key
	session *session
	mute    bool
	clear   bool // no capability for a Secure Channel
	nak     map[byte]byte
	say     map[byte][]frame // replies to a command in place of its own: code and data
	heard   []byte           // codes of the commands
	numbers []byte           // their sequence numbers
	block   []byte           // their security blocks
	last    [2][]byte        // the last command and its reply, which is given again to its repetition
}

// reply seals a reply to an encoded command.
func (d *device) reply(t testing.TB, command []byte, code byte, data []byte) []byte {
	f, err := parseFrame(command)
	if err != nil {
		t.Fatal(err)
	}
	s := d.session
	s.command = s.cbcMAC(s.reply, f.covered(command))
	g := frame{address: d.address, reply: true, sequence: f.sequence, code: code, security: scs16}
	if len(data) > 0 {
		g.security, g.data = scs18, pad(data)
		iv := complement(s.command)
		cipher.NewCBCEncrypter(s.enc, iv[:]).CryptBlocks(g.data, g.data)
	}
	b, err := g.append(nil)
	if err != nil {
		t.Fatal(err)
	}
	s.reply = s.cbcMAC(s.command, g.covered(b))
	copy(b[g.prefix()+len(g.data):], s.reply[:macSize])
	return remade(b)
}

// open decrypts a command's data.
func (d *device) open(f frame) []byte {
	if f.security != scs17 {
		return f.data
	}
	data := make([]byte, len(f.data))
	iv := complement(d.session.reply)
	cipher.NewCBCDecrypter(d.session.enc, iv[:]).CryptBlocks(data, f.data)
	data, _ = unpad(data)
	return data
}

// answer gives the device's frame to a command, nil for none.
func (d *device) answer(t testing.TB, command []byte) []byte {
	if !bytes.Equal(command, d.last[0]) || d.mute || command[4]&controlSequence == 0 {
		d.last = [2][]byte{bytes.Clone(command), d.fresh(t, command)}
	}
	return bytes.Clone(d.last[1])
}

func (d *device) fresh(t testing.TB, command []byte) []byte {
	f, err := parseFrame(command)
	if err != nil {
		t.Fatal(err)
	}
	d.heard, d.numbers, d.block = append(d.heard, f.code), append(d.numbers, f.sequence), append(d.block, f.security)
	if d.mute {
		return nil
	}
	if f.sequence == 0 {
		d.session = nil
	}
	code, data, security, key := byte(repACK), []byte(nil), byte(0), byte(0)
	switch f.code {
	case cmdID:
		code, data = repPDID, make([]byte, 12)
	case cmdCap:
		code, data = repPDCap, []byte{FunctionSecureChannel, 1, 0, FunctionSmartCard, 1, 0}
		if d.clear {
			data = data[3:]
		}
	case cmdLStat:
		code, data = repLStat, []byte{0, 0}
	case cmdChlng:
		d.session = newSession(d.key, [8]byte(f.data))
		rndB := [8]byte{7, 7, 7, 7, 7, 7, 7, 7}
		var x [16]byte
		copy(x[:8], f.data)
		copy(x[8:], rndB[:])
		d.session.enc.Encrypt(x[:], x[:])
		d.session.prove(replyCCrypt{random: rndB, cryptogram: x})
		code, data, security, key = repCCrypt, append(append(make([]byte, 8), rndB[:]...), x[:]...), scs12, f.key
	case cmdSCrypt:
		d.session.begin(replyRMacI{})
		b, err := (&frame{address: d.address, reply: true, sequence: f.sequence, code: repRMacI, security: scs14, key: 1,
			data: d.session.reply[:]}).append(nil)
		if err != nil {
			t.Fatal(err)
		}
		return b
	case cmdKeySet:
		if d.nak[cmdKeySet] == 0 {
			d.key = Key(d.open(f)[2:])
		}
	}
	if c, ok := d.nak[f.code]; ok {
		code, data, security = repNAK, []byte{c}, 0
	}
	if said := d.say[f.code]; len(said) > 0 {
		code, data = said[0].code, said[0].data
		d.say[f.code] = said[1:]
	}
	if f.sealed() {
		return d.reply(t, command, code, data)
	}
	b, err := (&frame{address: d.address, reply: true, sequence: f.sequence, code: code, data: data, security: security, key: key}).append(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// bench runs a reader against a device in synthetic time.
type bench struct {
	testing.TB
	*reader
	dev    *device
	now    time.Time
	told   []any
	spoil  func([]byte) []byte // what the wire makes of a reply, nil for nothing
	bursts [][]byte            // frames that come ahead of the next reply
}

func newBench(t testing.TB, how func(*ReaderConfig)) *bench {
	c := ReaderConfig{Address: 5, Keys: []Key{testKey}}
	if how != nil {
		how(&c)
	}
	now := time.Unix(1e9, 0)
	b := &bench{TB: t, dev: &device{address: 5, key: testKey}, now: now}
	n := byte(0)
	b.reader = newReader(c, func() [8]byte { n++; return [8]byte{n, 1, 2, 3} }, now)
	return b
}

// turn lets the reader have one turn.
func (b *bench) turn() {
	b.Helper()
	if d := b.next.Sub(b.now); d > 0 {
		b.now = b.now.Add(d)
	}
	command, err := b.reader.turn(b.now)
	if err == nil {
		reply := b.dev.answer(b, command)
		if b.spoil != nil && reply != nil {
			reply = b.spoil(reply)
		}
		frames := append(b.bursts, reply)
		b.bursts = nil
		b.now = b.now.Add(5 * time.Millisecond)
		over := false
		for _, x := range frames {
			if f, err := parseFrame(x); err == nil && !over {
				over = b.reader.heard(f, x, b.now)
			}
		}
		if !over {
			b.now = b.now.Add(replyTimeout)
			b.silence(b.now)
		}
	}
	b.told = append(b.told, b.drain()...)
}

func (b *bench) turns(n int) {
	b.Helper()
	for range n {
		b.turn()
	}
}

// run gives turns until done.
func (b *bench) run(what string, done func() bool) {
	b.Helper()
	for range 5000 {
		if done() {
			return
		}
		b.turn()
	}
	b.Fatalf("%s: never came; told %v", what, b.told)
}

func (b *bench) online() {
	b.Helper()
	b.run("online", func() bool { return b.up && b.phase == phaseOnline })
}

// events gives those of one type that were told.
func events[E any](b *bench) (all []E) {
	for _, x := range b.told {
		if e, ok := x.(E); ok {
			all = append(all, e)
		}
	}
	return all
}
