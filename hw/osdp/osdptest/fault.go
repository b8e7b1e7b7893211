package osdptest

import (
	"bytes"
	"slices"
	"time"
)

// Kind is a way of breaking the protocol.
type Kind int

// The ways.
const (
	Silent        Kind = iota + 1 // does not hear the command
	Mute                          // hears it, but the reply is lost
	BusyNow                       // answers BUSY
	WrongSequence                 // another number in the reply
	BadCheck                      // a bit of the CRC is wrong
	NoCRC                         // a checksum, although the command had a CRC
	Late                          // the reply comes By later
	Twice                         // the reply comes two times
	Garbage                       // noise before the reply, with what looks like beginnings of frames
	Truncated                     // only the first half of the reply
	Oversized                     // a length of 65,535
	OtherAddress                  // another device's address in the reply
	AsCommand                     // the reply looks like a panel's command
	InClear                       // in clear, although the Secure Channel is open
	SignedOnly                    // data in clear but with a MAC, under SCS_16, or the block that Code says
	BadMAC                        // a bit of the MAC is wrong
	Replayed                      // the reply before this one, once more
	BadCryptogram                 // CCRYPT proves another key
	WrongUID                      // CCRYPT names another device
	NoSecurity                    // PDCAP without Secure Channel
	Forged                        // Code and Data in clear instead of the reply
)

// Fault is one kind of misbehaviour and when it shows.
type Fault struct {
	Kind  Kind
	On    byte          // the command that brings it out; 0: any
	Times int           // how often; 0: once; negative: until Behave
	By    time.Duration // Late
	Code  byte          // Forged, SignedOnly
	Data  []byte
}

// Misbehave has the device break the protocol from now on. Of several faults
// that a command could bring out, the first that was told counts.
func (p *PD) Misbehave(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = append(p.faults, f)
}

// Behave ends all misbehaviour.
func (p *PD) Behave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.faults = nil
}

// Misbehaving tells whether a fault is still to come.
func (p *PD) Misbehaving() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.faults) > 0
}

// fault gives the fault that a command brings out, and counts it.
func (p *PD) fault(code byte) Fault {
	for i := range p.faults {
		f := p.faults[i]
		if f.On != 0 && f.On != code {
			continue
		}
		if f.Times > 0 {
			if p.faults[i].Times--; p.faults[i].Times == 0 {
				p.faults = slices.Delete(p.faults, i, i+1)
			}
		}
		return f
	}
	return Fault{}
}

// spoils tells whether the panel cannot make use of the reply.
func (f Fault) spoils() bool {
	switch f.Kind {
	case Mute, BadCheck, Truncated, Oversized, OtherAddress, AsCommand, WrongSequence, BadMAC, Replayed, InClear, Forged:
		return true
	}
	return false
}

// lie changes what a reply says before it is put into a frame.
func (f Fault) lie(r reply) {
	switch {
	case f.Kind == BadCryptogram && r.code == CCrypt:
		r.data[31] ^= 1
	case f.Kind == WrongUID && r.code == CCrypt:
		r.data[0] ^= 1
	case f.Kind == NoSecurity && r.code == PDCap:
		for i := 0; i+3 <= len(r.data); i += 3 {
			if r.data[i] == CapSecurity {
				r.data[i+1], r.data[i+2] = 0, 0
			}
		}
	}
}

// misanswer makes of the right reply what goes over the line. A frame that is
// built anew has a MAC that fits, so that only the fault is wrong about it.
func (p *PD) misanswer(e exchange, fault Fault) []Answer {
	out, err := Parse(e.reply)
	if err != nil {
		panic("osdptest: own reply: " + err.Error())
	}
	mac := func(covered []byte) []byte {
		m := e.channel.mac(e.channel.cmac, covered)
		return m[:4]
	}
	if e.channel == nil {
		mac = nil
	}
	b := bytes.Clone(e.reply)
	switch fault.Kind {
	case Mute:
		return nil
	case Late:
		return []Answer{{After: fault.By, Bytes: b}}
	case Twice:
		return []Answer{{Bytes: b}, {Bytes: b}}
	case Garbage:
		return answer(append(noise(out.Address), b...))
	case Truncated:
		return answer(b[:len(b)/2])
	case Oversized:
		b[2], b[3] = 0xFF, 0xFF
		return answer(b)
	case Replayed:
		if p.before != nil {
			return answer(p.before)
		}
		return answer(b)
	case BadCheck:
		b[len(b)-1] ^= 0x10
		return answer(b)
	case WrongSequence:
		out.Sequence = out.Sequence%3 + 1
	case OtherAddress:
		out.Address ^= 1
	case AsCommand:
		out.Reply = false
	case BadMAC:
		if mac = nil; out.secured() {
			out.MAC[0] ^= 0x80
		}
	case InClear:
		out.Block, out.Data = nil, e.plain.data
	case Forged:
		out.Block, out.Code, out.Data = nil, fault.Code, fault.Data
	default:
		return answer(b)
	}
	return answer(out.Encode(mac))
}

// noise is what a bad line may carry, ending with what looks like frames: one
// longer than any may be, one shorter than any, and two mere beginnings.
func noise(address byte) []byte {
	var b []byte
	for i := range byte(24) {
		b = append(b, i*29+7)
	}
	b = append(b, som, address|0x80, 0xFF, 0xFF, 4)
	b = append(b, som, address|0x80, 3, 0)
	return append(b, som, som)
}
