package osdp

import (
	"fmt"

	"tombolo/passport/card"
)

// Extended read, OSDP 2.2 §7.26, Tables 69 to 77: mode, reply, its data.
type (
	xrdError struct { // 00 00 and 01 00
		mode, code byte
	}
	xrdMode struct{ mode byte } // 00 01
	// xrdInfo is the report of a card that the reader found, 00 02. Its serial
	// number is nobody's business here.
	xrdInfo struct{ protocol byte } // 0 contact, 1 ISO 14443
	// xrdPresent is 01 01. Table 76 can be read to have it as 01 00, and there are
	// readers that send it so, which is told from an error by its length.
	xrdPresent struct {
		status  byte // see below
		asError bool // as 01 00: not meant as a reply to an APDU
	}
	xrdAPDU struct{ response []byte }    // 01 02
	xrdPIN  struct{ status, tries byte } // 01 03
)

// States of a card, Table 75.
const (
	cardAbsent      = 0
	cardPresent     = 1 // on an interface that is not said
	cardContactless = 2
	cardContact     = 3
)

func parseXRD(data []byte) (any, error) {
	if len(data) < 2 {
		return nil, short("XRD", len(data), 2)
	}
	mode, code, data := data[0], data[1], data[2:]
	bad := func() (any, error) {
		return nil, fmt.Errorf("%w: XRD %02X %02X with %d bytes", ErrReply, mode, code, len(data))
	}
	if mode > 1 {
		return bad()
	}
	switch {
	case mode == 1 && code == 0 && len(data) == 2 && data[0] == 0 && data[1] >= cardPresent && data[1] <= cardContact:
		return xrdPresent{status: data[1], asError: true}, nil
	case code == 0: // PR00ERROR, PR01ERROR
		if len(data) != 1 {
			return bad()
		}
		return xrdError{mode, data[0]}, nil
	case mode == 0 && code == 1: // PR00REQR: mode, and its configuration if it has one
		if len(data) < 1 || len(data) > 2 {
			return bad()
		}
		return xrdMode{data[0]}, nil
	case mode == 0 && code == 2: // PR00CIRR: reader, protocol, two lengths, serial number, protocol data
		if len(data) < 4 || len(data) != 4+int(data[2])+int(data[3]) || data[1] > 1 {
			return bad()
		}
		return xrdInfo{data[1]}, nil
	case mode == 1 && code == 1: // PR01PRES: reader, and a status that some leave out
		if len(data) == 1 {
			return xrdPresent{status: cardPresent}, nil
		}
		if len(data) != 2 || data[1] > cardContact {
			return bad()
		}
		return xrdPresent{status: data[1]}, nil
	case mode == 1 && code == 2: // PR01SCREP: reader, status, response
		if len(data) < 2 || len(data) == 3 || len(data) > 2+card.MaxResponse {
			return bad()
		}
		return xrdAPDU{data[2:]}, nil
	case mode == 1 && code == 3: // PR01SPER: reader, status, tries
		if len(data) != 3 {
			return bad()
		}
		return xrdPIN{data[1], data[2]}, nil
	default:
		return bad()
	}
}
