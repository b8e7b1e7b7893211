package osdp

import (
	"encoding/binary"
	"fmt"
)

// Codes of replies, OSDP 2.2 Annex A.2.
const (
	repACK    = 0x40
	repNAK    = 0x41
	repPDID   = 0x45
	repPDCap  = 0x46
	repLStat  = 0x48
	repIStat  = 0x49
	repOStat  = 0x4A
	repRStat  = 0x4B
	repRaw    = 0x50
	repFmt    = 0x51 // deprecated
	repKeypad = 0x53
	repCom    = 0x54
	repCCrypt = 0x76
	repRMacI  = 0x78
	repBusy   = 0x79
	repFTStat = 0x7A
	repMfgSt  = 0x83
	repMfgErr = 0x84
	repMfg    = 0x90
	repXRD    = 0xB1
)

// A reply's parsed contents is one of these types.
type (
	replyACK  struct{}
	replyBusy struct{}
	replyNAK  struct{ code byte }
	replyID   struct { // Identity without capabilities and UID
		vendor         [3]byte
		model, version byte
		serial         uint32
		firmware       [3]byte
	}
	replyCap    struct{ capabilities Capabilities }
	replyLocal  struct{ tamper, power bool }
	replyInput  struct{ active []bool }
	replyOutput struct{ active []bool }
	replyReader struct{ state []byte }
	replyRaw    struct{ bits int }
	replyKeypad struct{ keys []byte }
	replyCom    struct {
		address byte
		baud    uint32
	}
	replyCCrypt struct {
		uid        [8]byte
		random     [8]byte
		cryptogram [16]byte
	}
	replyRMacI struct{ rmac [16]byte }
	replyFile  struct {
		interleave bool   // other commands may come between fragments
		pollFirst  bool   // a reply waits for a POLL
		delay      uint16 // ms before the next fragment
		status     int16
		maxMessage uint16 // largest FILETRANSFER message from now on, 0 as before
	}
	replyMfg struct {
		vendor [3]byte
		data   []byte
	}
	// Extended read, see xread.go.
	replyUnknown struct{ code byte }
)

func short(what string, got, want int) error {
	return fmt.Errorf("%w: %s has %d bytes of data, should have %d", ErrReply, what, got, want)
}

// parseReply reads the clear data of a reply, strictly and wholly. Slices point
// into data.
func parseReply(code byte, data []byte) (any, error) {
	fixed := func(what string, n int) error {
		if len(data) != n {
			return short(what, len(data), n)
		}
		return nil
	}
	switch code {
	case repACK: // §7.2
		return replyACK{}, fixed("ACK", 0)
	case repBusy: // §7.19
		return replyBusy{}, fixed("BUSY", 0)
	case repNAK: // §7.3: an error code, details may follow
		if len(data) < 1 {
			return nil, short("NAK", 0, 1)
		}
		return replyNAK{data[0]}, nil
	case repPDID: // §7.4
		if err := fixed("PDID", 12); err != nil {
			return nil, err
		}
		return replyID{[3]byte(data), data[3], data[4], binary.LittleEndian.Uint32(data[5:]), [3]byte(data[9:])}, nil
	case repPDCap:
		return parseCap(data)
	case repLStat: // §7.6
		if err := fixed("LSTATR", 2); err != nil {
			return nil, err
		}
		bits, err := flags("LSTATR", data)
		if err != nil {
			return nil, err
		}
		return replyLocal{tamper: bits[0], power: bits[1]}, nil
	case repIStat: // §7.7
		bits, err := flags("ISTATR", data)
		return replyInput{bits}, err
	case repOStat: // §7.8
		bits, err := flags("OSTATR", data)
		return replyOutput{bits}, err
	case repRStat: // §7.9
		for i, x := range data {
			if x > 2 {
				return nil, fmt.Errorf("%w: RSTATR: reader %d in state %d", ErrReply, i, x)
			}
		}
		if len(data) == 0 {
			return nil, short("RSTATR", 0, 1)
		}
		return replyReader{data}, nil
	case repRaw:
		return parseRaw(data)
	case repFmt: // a card's number in characters, of which nothing is kept
		return replyRaw{}, nil
	case repKeypad:
		return parseKeypad(data)
	case repCom: // §7.13
		if err := fixed("COM", 5); err != nil {
			return nil, err
		}
		if data[0] > maxAddress {
			return nil, fmt.Errorf("%w: COM: address %d", ErrReply, data[0])
		}
		return replyCom{data[0], binary.LittleEndian.Uint32(data[1:])}, nil
	case repCCrypt: // Annex D.4.2
		if err := fixed("CCRYPT", 32); err != nil {
			return nil, err
		}
		return replyCCrypt{[8]byte(data), [8]byte(data[8:]), [16]byte(data[16:])}, nil
	case repRMacI: // Annex D.4.4
		if err := fixed("RMAC_I", 16); err != nil {
			return nil, err
		}
		return replyRMacI{[16]byte(data)}, nil
	case repFTStat: // §7.25
		if err := fixed("FTSTAT", 7); err != nil {
			return nil, err
		}
		if data[0]&^0x07 != 0 {
			return nil, fmt.Errorf("%w: FTSTAT: reserved bits in %02X", ErrReply, data[0])
		}
		return replyFile{
			interleave: data[0]&1 != 0,
			pollFirst:  data[0]&4 != 0,
			delay:      binary.LittleEndian.Uint16(data[1:]),
			status:     int16(binary.LittleEndian.Uint16(data[3:])),
			maxMessage: binary.LittleEndian.Uint16(data[5:]),
		}, nil
	case repMfg, repMfgSt, repMfgErr: // §7.24
		if len(data) < 3 {
			return nil, short("MFGREP", len(data), 3)
		}
		return replyMfg{[3]byte(data), data[3:]}, nil
	case repXRD:
		return parseXRD(data)
	default:
		return replyUnknown{code}, nil
	}
}

// flags reads bytes that are 0 or 1.
func flags(what string, data []byte) ([]bool, error) {
	if len(data) == 0 {
		return nil, short(what, 0, 1)
	}
	on := make([]bool, len(data))
	for i, x := range data {
		if x > 1 {
			return nil, fmt.Errorf("%w: %s: %d is %02X", ErrReply, what, i, x)
		}
		on[i] = x == 1
	}
	return on, nil
}

// parseCap reads triples of function, level and items, §7.5 and Annex B.
func parseCap(data []byte) (any, error) {
	if len(data)%3 != 0 || len(data) == 0 {
		return nil, fmt.Errorf("%w: PDCAP of %d bytes", ErrReply, len(data))
	}
	var c Capabilities
	var seen [256]bool
	for ; len(data) > 0; data = data[3:] {
		code := data[0]
		if seen[code] {
			return nil, fmt.Errorf("%w: PDCAP has function %d twice", ErrReply, code)
		}
		seen[code] = true
		if code == 0 || code >= functions {
			continue // reserved or a maker's own
		}
		c[code] = Capability{Level: data[1], Items: data[2]}
	}
	return replyCap{c}, nil
}

// parseRaw reads a card's bits, §7.10: reader, format, count u16, bits. Of the
// number itself nothing is kept.
func parseRaw(data []byte) (any, error) {
	if len(data) < 4 {
		return nil, short("RAW", len(data), 4)
	}
	bits := int(binary.LittleEndian.Uint16(data[2:]))
	if len(data)-4 != (bits+7)/8 {
		return nil, fmt.Errorf("%w: RAW: %d bytes for %d bits", ErrReply, len(data)-4, bits)
	}
	return replyRaw{bits}, nil
}

// parseKeypad reads digits, §7.12: reader, count, one byte each. They are
// 0 to 9 in ASCII, 7F for '*' and 0D for '#', which some send as the characters
// that they are, and 'A' to 'H' for function keys, which mean nothing here.
func parseKeypad(data []byte) (any, error) {
	if len(data) < 2 {
		return nil, short("KEYPAD", len(data), 2)
	}
	if n := int(data[1]); len(data)-2 != n {
		return nil, fmt.Errorf("%w: KEYPAD: %d bytes for %d digits", ErrReply, len(data)-2, n)
	}
	keys := make([]byte, 0, len(data)-2)
	for _, x := range data[2:] {
		switch {
		case x >= '0' && x <= '9', x == '*', x == '#':
		case x == 0x7F:
			x = '*'
		case x == 0x0D:
			x = '#'
		case x >= 'A' && x <= 'H':
			continue
		default:
			return nil, fmt.Errorf("%w: KEYPAD: no key has the code %02X", ErrReply, x)
		}
		keys = append(keys, x)
	}
	return replyKeypad{keys}, nil
}
