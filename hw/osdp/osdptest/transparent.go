package osdptest

import (
	"bytes"
	"slices"
	"time"
)

// Modes and codes of XWR and XRD, OSDP 2.2, osdp_XWR and osdp_XRD.
const (
	getMode  = 1 // mode 0: commands
	setMode  = 2
	xError   = 0 // both modes: the reader could not do it
	modeIs   = 1 // mode 0: replies
	cardInfo = 2
	sendAPDU = 1 // mode 1: commands
	cardDone = 2
	scanCard = 4
	cardIs   = 1 // mode 1: replies
	cardSays = 2

	noCard      = 0 // of cardIs
	contactless = 2

	// Reasons in an error reply. The specification leaves them to the maker.
	errMode   = 1
	errAbsent = 2
	errFormat = 3
)

func xread(mode, code byte, data ...byte) reply {
	return reply{XRead, append([]byte{mode, code}, data...)}
}

// Present puts a card into the field. In transparent mode the panel hears of
// it at the next POLL; without, it gets the card's number.
func (p *PD) Present(c Card) { p.PresentNumber(c, []byte{0x08, 0x12, 0x34, 0x56}) }

// PresentNumber is Present for a card with a serial number of its own.
func (p *PD) PresentNumber(c Card, csn []byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.card, p.linked = c, false
	p.visit++
	switch {
	case p.state.Mode == 1: // see presence
	case p.config == 1:
		info := []byte{0, 1 /* ISO 14443 */, byte(len(csn)), 0}
		p.events = append(p.events, xread(0, cardInfo, slices.Concat(info, csn)...))
	default:
		p.events = append(p.events, rawCard(csn, 8*len(csn)))
	}
}

// Remove takes the card out of the field.
func (p *PD) Remove() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.card, p.linked = nil, false
}

// Idle tells whether the panel was told all that there is to tell.
func (p *PD) Idle() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.events) == 0 && p.pending == nil && (p.state.Mode != 1 || p.told == p.here())
}

// here is the number of the visit of the card that is in the field, 0 for none.
func (p *PD) here() int {
	if p.card == nil {
		return 0
	}
	return p.visit
}

// presence is what is to be told of the field in transparent mode: that the
// card that was there has left, and then that another has come.
func (p *PD) presence() (r reply, news bool) {
	switch here := p.here(); {
	case p.state.Mode != 1 || p.told == here:
		return reply{}, false
	case p.told != 0:
		p.told = 0
		return xread(1, cardIs, 0, noCard), true
	default:
		p.told = here
		return xread(1, cardIs, 0, contactless), true
	}
}

func (p *PD) xwrite(data []byte, now time.Time) reply {
	if len(data) < 2 {
		return nakFor(NakLength)
	}
	switch mode, code, rest := data[0], data[1], data[2:]; {
	case mode == 0 && code == getMode && len(rest) == 0:
		return xread(0, modeIs, p.state.Mode, p.config)
	case mode == 0 && code == setMode && len(rest) == 2:
		if rest[0] > 1 || rest[1] > 1 {
			return xread(0, xError, errMode)
		}
		if rest[0] != p.state.Mode {
			p.told = 0
		}
		p.state.Mode, p.config, p.linked = rest[0], rest[1], false
		if p.cfg.Talkative {
			return xread(0, modeIs, p.state.Mode, p.config)
		}
		return reply{code: ACK}
	case mode > 1 || mode == 0:
		return xread(0, xError, errFormat)
	case p.state.Mode != 1:
		return xread(0, xError, errMode)
	case len(rest) < 1 || rest[0] != 0:
		return xread(1, xError, errFormat)
	case code == sendAPDU && len(rest) > 1:
		return p.apdu(rest[1:], now)
	case code == cardDone && len(rest) == 1:
		p.linked, p.pending = false, nil
		return reply{code: ACK}
	case code == scanCard && len(rest) == 1:
		if p.told = p.here(); p.told == 0 {
			return xread(1, cardIs, 0, noCard)
		}
		p.linked = true
		return xread(1, cardIs, 0, contactless)
	}
	return xread(1, xError, errFormat)
}

// apdu runs a command on the card and gives its response, or has it ready for
// a later POLL.
func (p *PD) apdu(command []byte, now time.Time) reply {
	p.state.APDUs++
	if p.card == nil {
		return xread(1, xError, errAbsent)
	}
	p.linked = true
	r := xread(1, xError, errAbsent)
	if says, err := p.card.Transmit(bytes.Clone(command)); err == nil {
		r = xread(1, cardSays, slices.Concat([]byte{0, p.cfg.CardStatus}, says)...)
	} else {
		p.card, p.linked = nil, false
	}
	if !p.cfg.Polled {
		return r
	}
	p.pending = &response{r, now.Add(p.cfg.CardTime)}
	return reply{code: ACK}
}

// Press queues keys for the panel: digits, '*', '#', or codes as they are.
func (p *PD) Press(keys string) {
	b := []byte(keys)
	for i, k := range b {
		switch k { // OSDP 2.2, osdp_KEYPAD
		case '*':
			b[i] = 0x7F
		case '#':
			b[i] = 0x0D
		}
	}
	p.Say(Keypad, append([]byte{0, byte(len(b))}, b...)...)
}

// Swipe queues a card number of so many bits, as a reader without transparent
// mode sends it.
func (p *PD) Swipe(number []byte, bits int) { r := rawCard(number, bits); p.Say(r.code, r.data...) }

// rawCard is OSDP 2.2, osdp_RAW: reader, format (not specified), bits, data.
func rawCard(number []byte, bits int) reply {
	return reply{Raw, append([]byte{0, 0, byte(bits), byte(bits >> 8)}, number...)}
}

// Tamper opens or closes the device's case.
func (p *PD) Tamper(on bool) { p.change(func() reply { p.tamper = on; return p.local() }) }

// PowerFails is the device's own supply failing, or coming back.
func (p *PD) PowerFails(on bool) { p.change(func() reply { p.power = on; return p.local() }) }

// Input sets an input terminal.
func (p *PD) Input(n int, on bool) {
	p.change(func() reply { p.inputs[n] = on; return reply{IStatR, flags(p.inputs)} })
}

func (p *PD) change(f func() reply) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.events = append(p.events, f())
}

// Say queues any reply for a POLL to come.
func (p *PD) Say(code byte, data ...byte) {
	p.change(func() reply { return reply{code, bytes.Clone(data)} })
}
