package osdptest

import (
	"bytes"
	"encoding/binary"
	"slices"
	"time"
)

// do carries a command out and gives the reply's content.
func (p *PD) do(code byte, data []byte, now time.Time) reply {
	if want, fixed := lengths[code]; fixed && len(data) != want {
		return nakFor(NakLength)
	}
	switch code {
	case Poll:
		return p.poll(now)
	case ID:
		return p.identify(data)
	case Cap:
		var b []byte
		for _, c := range p.Capabilities() {
			b = append(b, c.Function, c.Compliance, c.Number)
		}
		return reply{PDCap, b}
	case LStat:
		return p.local()
	case IStat:
		return reply{IStatR, flags(p.inputs)}
	case OStat:
		return reply{OStatR, flags(p.state.Outputs)}
	case RStat:
		return reply{RStatR, []byte{0}}
	case Out:
		return p.output(data)
	case LED:
		return p.led(data)
	case Buzzer:
		if len(data) == 0 || len(data)%5 != 0 {
			return nakFor(NakLength)
		}
		d := data[len(data)-5:]
		if d[0] != 0 || d[1] > 2 {
			return nakFor(NakRecord)
		}
		p.state.Sound = BuzzerState{d[1], d[2], d[3], d[4]}
		return reply{code: ACK}
	case Text:
		return p.text(data)
	case ComSet:
		return p.comset(data)
	case KeySet:
		return p.keyset(data)
	case ACURxSize:
		p.state.ACUReceive = u16(data)
		return reply{code: ACK}
	case KeepActive:
		return reply{code: ACK}
	case FileTransfer:
		return p.fileTransfer(data)
	case Abort:
		p.state.Aborts++
		p.file, p.pending, p.linked = nil, nil, false
		return reply{code: ACK}
	case Mfg:
		if len(data) < mfgSize {
			return nakFor(NakLength)
		}
		if [3]byte(data) != p.cfg.Vendor {
			return nakFor(NakRecord)
		}
		p.state.Vendor = append(p.state.Vendor, bytes.Clone(data[mfgSize:]))
		return reply{MfgRep, bytes.Clone(data)}
	case XWrite:
		if p.cfg.Dumb {
			return nakFor(NakUnknown)
		}
		return p.xwrite(data, now)
	case Challenge, SCrypt:
		return nakFor(NakBlock) // without its security block
	}
	return nakFor(NakUnknown)
}

// lengths of the data of the commands that have just one.
var lengths = map[byte]int{
	Poll: 0, ID: 1, Cap: 1, LStat: 0, IStat: 0, OStat: 0, RStat: 0, ComSet: 5, KeySet: 18, ACURxSize: 2, Abort: 0, KeepActive: 2,
}

// poll gives the oldest thing that the panel has not heard yet.
func (p *PD) poll(now time.Time) reply {
	if p.pending != nil && !now.Before(p.pending.at) {
		r := p.pending.reply
		p.pending = nil
		return r
	}
	if r, news := p.presence(); news {
		return r
	}
	if len(p.events) > 0 {
		r := p.events[0]
		p.events = p.events[1:]
		return r
	}
	return reply{code: ACK}
}

// identify is OSDP 2.2, osdp_ID: only the standard form of an ID is asked for.
func (p *PD) identify(data []byte) reply {
	if data[0] != 0 {
		return nakFor(NakRecord)
	}
	b := append(p.cfg.Vendor[:3:3], p.cfg.Model, p.cfg.Version)
	b = binary.LittleEndian.AppendUint32(b, p.cfg.Serial)
	return reply{PDID, append(b, p.cfg.Firmware[:]...)}
}

func (p *PD) local() reply { return reply{LStatR, flags([]bool{p.tamper, p.power})} }

func flags(b []bool) []byte {
	out := make([]byte, len(b))
	for i, on := range b {
		if on {
			out[i] = 1
		}
	}
	return out
}

// output is OSDP 2.2, osdp_OUT: number, control code, timer in 100 ms.
func (p *PD) output(data []byte) reply {
	if len(data) == 0 || len(data)%4 != 0 {
		return nakFor(NakLength)
	}
	for d := range slices.Chunk(data, 4) {
		if int(d[0]) >= len(p.state.Outputs) || d[1] > 6 {
			return nakFor(NakRecord)
		}
		switch d[1] {
		case 1, 3, 6:
			p.state.Outputs[d[0]] = false
		case 2, 4, 5:
			p.state.Outputs[d[0]] = true
		}
	}
	if p.cfg.Talkative {
		return reply{OStatR, flags(p.state.Outputs)}
	}
	return reply{code: ACK}
}

// led is OSDP 2.2, osdp_LED: reader, LED, 7 bytes of temporary and 5 of permanent
// settings.
func (p *PD) led(data []byte) reply {
	if len(data) == 0 || len(data)%14 != 0 {
		return nakFor(NakLength)
	}
	for d := range slices.Chunk(data, 14) {
		if d[0] != 0 || d[2] > 2 || d[9] > 1 || max(d[5], d[6], d[12], d[13]) > 7 {
			return nakFor(NakRecord)
		}
		switch d[2] {
		case 1:
			delete(p.state.Temporary, d[1])
		case 2:
			p.state.Temporary[d[1]] = LEDState{Control: d[2], On: d[3], Off: d[4], OnColour: d[5], OffColour: d[6],
				Timer: uint16(u16(d[7:]))}
		}
		if d[9] == 1 {
			p.state.LEDs[d[1]] = LEDState{Control: d[9], On: d[10], Off: d[11], OnColour: d[12], OffColour: d[13]}
		}
	}
	return reply{code: ACK}
}

// text is OSDP 2.2, osdp_TEXT: reader, command, time, row, column, length, text.
func (p *PD) text(data []byte) reply {
	if len(data) < 6 || int(data[5]) != len(data)-6 {
		return nakFor(NakLength)
	}
	if data[0] != 0 || data[1] < 1 || data[1] > 4 || data[3] == 0 || data[4] == 0 {
		return nakFor(NakRecord) // rows and columns count from 1
	}
	for _, c := range data[6:] {
		if c < 0x20 || c > 0x7E {
			return nakFor(NakRecord)
		}
	}
	p.state.Display = string(data[6:])
	return reply{code: ACK}
}

// comset is OSDP 2.2, osdp_COMSET: the reply goes out at the old address and rate and
// says the new ones, which hold from then on.
func (p *PD) comset(data []byte) reply {
	baud := int(binary.LittleEndian.Uint32(data[1:]))
	if data[0] > 126 || !slices.Contains([]int{9600, 19200, 38400, 57600, 115200, 230400}, baud) {
		// What it does not take it answers with what it keeps.
		return reply{Com, binary.LittleEndian.AppendUint32([]byte{p.state.Address}, uint32(p.state.Baud))}
	}
	p.moving = &move{data[0], baud}
	return reply{Com, bytes.Clone(data)}
}

// keyset is OSDP 2.2, osdp_KEYSET: type 1 is the base key. It counts for the next
// Secure Channel.
func (p *PD) keyset(data []byte) reply {
	if data[0] != 1 || data[1] != 16 {
		return nakFor(NakRecord)
	}
	p.state.Key, p.state.Installed, p.newKey = [16]byte(data[2:]), true, true
	return reply{code: ACK}
}
