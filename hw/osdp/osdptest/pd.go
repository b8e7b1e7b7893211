package osdptest

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"maps"
	"slices"
	"sync"
	"time"
)

// PD is a peripheral device. Its methods may be called from any goroutine.
type PD struct {
	cfg Config

	mu       sync.Mutex
	state    State
	session  *session
	heard    time.Time // last good command
	last     *exchange // what a repeated number is answered with
	events   []reply   // for the next POLLs
	seen     []Seen
	polls    []time.Time
	turns    []time.Time
	faults   []Fault
	before   []byte // the reply before last, for Replayed
	inputs   []bool
	tamper   bool
	power    bool
	card     Card
	visit    int  // of cards so far
	told     int  // the visit that the panel knows of; 0: it knows of no card
	linked   bool // the panel exchanges APDUs with the card
	config   byte // of mode 0
	pending  *response
	file     *file
	moving   *move // COMSET, once its reply is out
	newKey   bool  // KEYSET, once its reply is out
	listener func(Seen)
}

// exchange is a command and its reply.
type exchange struct {
	sequence byte
	command  []byte
	plain    reply
	channel  *session // that the reply goes through, or nil
	reply    []byte   // the frame
}

// reply is a reply before it is put into a frame.
type reply struct {
	code byte
	data []byte
}

type response struct {
	reply
	at time.Time
}

type move struct {
	address byte
	baud    int
}

// New makes a device that has just been switched on.
func New(cfg Config) *PD {
	if cfg.ReceiveBuffer == 0 {
		cfg.ReceiveBuffer = 512
	}
	if cfg.SecureFor == 0 {
		cfg.SecureFor = 8 * time.Second
	}
	if cfg.Rand == nil {
		cfg.Rand = rand.Reader
	}
	p := &PD{cfg: cfg, inputs: make([]bool, cfg.Inputs)}
	p.state = State{Address: cfg.Address, Baud: cfg.Baud, Outputs: make([]bool, cfg.Outputs),
		LEDs: map[byte]LEDState{}, Temporary: map[byte]LEDState{}, Files: map[byte][]byte{}, Naks: map[byte]int{}}
	if cfg.Key != nil {
		p.state.Key, p.state.Installed = *cfg.Key, true
	}
	return p
}

// Capabilities are what the device says that it can.
func (p *PD) Capabilities() []Capability {
	if p.cfg.Capabilities != nil {
		return p.cfg.Capabilities
	}
	c := []Capability{
		{CapInputs, 1, byte(p.cfg.Inputs)}, {CapOutputs, 1, byte(p.cfg.Outputs)}, {CapCard, 1, 0},
		{CapLED, 4, 1}, {CapAudible, 2, 1}, {CapText, 1, 1}, {CapCheck, 1, 0},
		{CapReceiveBuffer, byte(p.cfg.ReceiveBuffer), byte(p.cfg.ReceiveBuffer >> 8)},
		{CapCombined, byte(p.cfg.ReceiveBuffer), byte(p.cfg.ReceiveBuffer >> 8)},
		{CapReaders, 0, 1}, {CapVersion, 2, 0},
	}
	if !p.cfg.Insecure {
		c = append(c, Capability{CapSecurity, 1, 1})
	}
	if !p.cfg.Dumb {
		c = append(c, Capability{CapSmartCard, 1, 0})
	}
	return c
}

// State is a copy of what the device is now.
func (p *PD) State() State {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.state
	s.LEDs, s.Temporary, s.Naks = maps.Clone(s.LEDs), maps.Clone(s.Temporary), maps.Clone(s.Naks)
	s.Outputs, s.Vendor, s.Files = slices.Clone(s.Outputs), slices.Clone(s.Vendor), maps.Clone(s.Files)
	s.Secure = p.session != nil && p.session.isSet
	s.Default = s.Secure && p.session.isDefault
	return s
}

const remembered = 20000 // commands, and polls

// Seen gives the commands that the device took, oldest first, without POLL.
func (p *PD) Seen() []Seen {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.seen)
}

// Polls gives the times at which POLLs were heard whole.
func (p *PD) Polls() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.polls)
}

// Turns gives the times at which any command was heard whole.
func (p *PD) Turns() []time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.turns)
}

// Listen has f hear of every command that the device takes. It is called with
// the device locked and must not call it.
func (p *PD) Listen(f func(Seen)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.listener = f
}

// Reboot forgets all that a power cut makes a device forget.
func (p *PD) Reboot() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.session, p.last, p.events, p.pending, p.file, p.before = nil, nil, nil, nil, nil, nil
	p.linked, p.config, p.told, p.state.Mode, p.state.ACUReceive = false, 0, 0, 0, 0
	clear(p.state.LEDs)
	clear(p.state.Temporary)
	clear(p.state.Outputs)
	p.state.Sound, p.state.Display = BuzzerState{}, ""
}

// SetKey puts another base key into the device behind the panel's back.
func (p *PD) SetKey(key [16]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.state.Key, p.state.Installed, p.session = key, true, nil
}

// Hear takes a frame off the line at now and gives what the device answers.
func (p *PD) Hear(raw []byte, now time.Time) []Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	f, err := Parse(raw)
	if len(raw) < minimum || f.Reply || f.Address != p.state.Address && f.Address != Everybody {
		return nil
	}
	if len(raw) > p.cfg.ReceiveBuffer || err != nil {
		return p.refuse(f, err, len(raw))
	}
	if p.session != nil && now.Sub(p.heard) > p.cfg.SecureFor {
		p.session = nil
	}
	fault := p.fault(f.Code)
	switch fault.Kind {
	case Silent:
		return nil
	case BusyNow:
		// A BUSY has the number 0 and stands in clear; the command is not
		// carried out and comes again with the same number, OSDP 2.2, osdp_BUSY.
		return answer(Frame{Address: f.Address, Reply: true, CRC: f.CRC, Code: Busy}.Encode(nil))
	}
	again := p.last != nil && f.Sequence != 0 && f.Sequence == p.last.sequence
	if again {
		p.state.Repeats++
		if !bytes.Equal(raw, p.last.command) {
			p.state.Odd++
		}
		return p.give(fault)
	}
	switch {
	case f.Sequence == 0: // OSDP 2.2 §5.9: the panel begins anew
		p.state.Resets++
		p.session, p.pending = nil, nil
	case p.last == nil || f.Sequence != p.last.sequence%3+1:
		return answer(p.nak(f, NakSequence))
	}
	p.heard = now
	if p.last != nil {
		p.before = p.last.reply
	}
	e := &exchange{sequence: f.Sequence, command: bytes.Clone(raw)}
	e.plain, e.channel = p.receive(f, raw, now)
	fault.lie(e.plain)
	e.reply = p.send(f, e.plain, e.channel, fault)
	p.last = e
	answers := p.give(fault)
	if e.plain.code == XRead && f.Code == XWrite && len(answers) > 0 {
		answers[0].After += p.cfg.CardTime
	}
	return answers
}

// give answers with the last reply, as the fault has it.
func (p *PD) give(fault Fault) []Answer {
	answers := p.misanswer(*p.last, fault)
	if !fault.spoils() {
		p.settle()
	}
	return answers
}

// refuse answers a frame that cannot be taken.
func (p *PD) refuse(f Frame, err error, n int) []Answer {
	if f.Address != p.state.Address {
		return nil
	}
	reason := byte(NakCheck)
	if err == nil || n > p.cfg.ReceiveBuffer {
		reason = NakLength
	}
	return answer(p.nak(f, reason))
}

// receive takes a command out of its frame and carries it out. channel is the
// Secure Channel that the reply goes through, nil for one in clear.
func (p *PD) receive(f Frame, raw []byte, now time.Time) (r reply, channel *session) {
	kind := byte(0)
	if f.Block != nil {
		kind = f.Block[0]
	}
	p.note(f, kind, now)
	open := p.session != nil && p.session.isSet
	switch kind {
	case 0:
		if open { // OSDP 2.2 annex D: a message in clear ends the channel
			p.session = nil
			return nakFor(NakEncryption), nil
		}
		if p.cfg.Required && f.Code != ID && f.Code != Cap {
			return nakFor(NakEncryption), nil
		}
		if f.Code == KeySet {
			return nakFor(NakEncryption), nil
		}
		return p.do(f.Code, f.Data, now), nil
	case scs11:
		if f.Code != Challenge {
			return nakFor(NakBlock), nil
		}
		return p.challenge(f), nil
	case scs13:
		if f.Code != SCrypt {
			return nakFor(NakBlock), nil
		}
		return p.scrypt(f), nil
	case scs15, scs17:
		if !open {
			return nakFor(NakEncryption), nil
		}
		if !p.session.verify(raw[:len(raw)-checkSize(f)-4], f.MAC) {
			p.session = nil
			return nakFor(NakEncryption), nil
		}
		data := f.Data
		if kind == scs17 {
			var err error
			if data, err = p.session.decrypt(f.Data); err != nil {
				p.session = nil
				return nakFor(NakEncryption), nil
			}
			if n := len(p.seen); n > 0 && f.Code != Poll {
				p.seen[n-1].Data = bytes.Clone(data)
			}
		} else if len(f.Data) > 0 { // data are never only signed, OSDP 2.2 annex D
			p.session = nil
			return nakFor(NakBlock), nil
		}
		return p.do(f.Code, data, now), p.session
	}
	return nakFor(NakBlock), nil
}

func (p *PD) note(f Frame, kind byte, now time.Time) {
	s := Seen{At: now, Code: f.Code, Data: f.Data, Sequence: f.Sequence, Block: kind}
	if len(p.turns) < remembered {
		p.turns = append(p.turns, now)
	}
	if f.Code == Poll {
		if len(p.polls) < remembered {
			p.polls = append(p.polls, now)
		}
	} else if len(p.seen) < remembered {
		p.seen = append(p.seen, s)
	}
	if p.listener != nil {
		p.listener(s)
	}
}

// send puts a reply into a frame.
func (p *PD) send(f Frame, r reply, channel *session, fault Fault) []byte {
	out := Frame{Address: f.Address, Reply: true, Sequence: f.Sequence, CRC: f.CRC && fault.Kind != NoCRC, Code: r.code, Data: r.data}
	if r.code == NAK {
		p.state.Naks[r.data[0]]++
	}
	switch {
	case r.code == CCrypt && f.Code == Challenge:
		out.Block = []byte{scs12, 1}
		if p.session.isDefault {
			out.Block[1] = 0
		}
	case r.code == RMacI && f.Code == SCrypt:
		out.Block = []byte{scs14, 0x01}
		if p.session == nil {
			out.Block[1] = 0xFF // the panel's cryptogram was wrong, OSDP 2.2 annex D, SCS_14
		}
	case channel != nil && (len(r.data) == 0 || fault.Kind == SignedOnly):
		out.Block = []byte{scs16}
		if fault.Kind == SignedOnly && fault.Code != 0 {
			out.Block[0] = fault.Code
		}
		return out.Encode(channel.sign)
	case channel != nil:
		out.Block, out.Data = []byte{scs18}, channel.encrypt(r.data)
		return out.Encode(channel.sign)
	}
	return out.Encode(nil)
}

// settle does what takes hold once a reply is out.
func (p *PD) settle() {
	if p.moving != nil {
		p.state.Address, p.state.Baud, p.moving = p.moving.address, p.moving.baud, nil
		p.session, p.last = nil, nil
	}
	if p.newKey {
		p.newKey = false
		if p.cfg.Forgetful {
			p.session = nil
		}
	}
}

func (p *PD) nak(f Frame, reason byte) []byte {
	p.state.Naks[reason]++
	return Frame{Address: f.Address, Reply: true, Sequence: f.Sequence, CRC: f.CRC, Code: NAK, Data: []byte{reason}}.Encode(nil)
}

func nakFor(reason byte) reply { return reply{NAK, []byte{reason}} }

func answer(b []byte) []Answer { return []Answer{{Bytes: b}} }

func checkSize(f Frame) int {
	if f.CRC {
		return 2
	}
	return 1
}

func u16(b []byte) int { return int(binary.LittleEndian.Uint16(b)) }
