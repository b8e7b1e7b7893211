package enroll

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"strings"
)

// Labels of what is hashed; each with its version, so that nothing that one
// step makes means anything in another, nor in another version.
const (
	exporterLabel   = "EXPORTER-tombolo-enroll-v1" // RFC 8446 §7.5
	channelLabel    = "tombolo/v1/enroll/channel"
	requestLabel    = "tombolo/v1/enroll/request"
	commitLabel     = "tombolo/v1/enroll/commit"
	gatewayLabel    = "tombolo/v1/enroll/gateway-code"
	deskLabel       = "tombolo/v1/enroll/desk-code"
	gatewayMACLabel = "tombolo/v1/enroll/gateway-proof"
	deskMACLabel    = "tombolo/v1/enroll/desk-proof"
)

// transcript commits to all that both sides have agreed on so far.
type transcript [sha256.Size]byte

// channel begins a transcript: this connection and no other, both sides' keys,
// and what the desk said. An exporter does not cover the client's certificate
// (RFC 8446 §7.1: exporter_master_secret reaches to the server's Finished), so
// that stands beside it.
func channel(cs tls.ConnectionState, gateway [32]byte, desk []byte, h *hello) (transcript, error) {
	exported, err := cs.ExportKeyingMaterial(exporterLabel, nil, sha256.Size)
	if err != nil {
		return transcript{}, err
	}
	return bind(exported, gateway, desk, h), nil
}

func bind(exported []byte, gateway [32]byte, desk []byte, h *hello) transcript {
	return digest(channelLabel, exported, gateway[:], desk, encode(h))
}

// with adds the gateway's request.
func (t transcript) with(request []byte) transcript {
	return digest(requestLabel, t[:], request)
}

// prove is a side's proof that it knows the code's secret.
func (t transcript) prove(label string, secret [16]byte) [32]byte {
	preimage := digest(label, t[:])
	mac := hmac.New(sha256.New, secret[:])
	mac.Write(preimage[:])
	return [32]byte(mac.Sum(nil))
}

func (t transcript) proved(label string, secret [16]byte, mac [32]byte) bool {
	want := t.prove(label, secret)
	return hmac.Equal(want[:], mac[:])
}

// commit binds the gateway to its nonce before it has seen the desk's.
func (t transcript) commit(nonce [32]byte) [32]byte {
	return digest(commitLabel, t[:], nonce[:])
}

// digits are the codes that people carry from one side to the other: what the
// gateway shows and what the desk shows. commitment and both nonces are in
// them, beside all that the transcript holds.
func (t transcript) digits(commitment, gateway, desk [32]byte) (ofGateway, ofDesk string) {
	of := func(label string) string {
		return six(digest(label, t[:], commitment[:], gateway[:], desk[:]))
	}
	return of(gatewayLabel), of(deskLabel)
}

// six maps a uniform seed to six digits, each number alike: words of 32 bits,
// big endian, those from 4,294,000,000 on passed over; a seed of which none is
// left is hashed.
func six(seed [32]byte) string {
	const numbers = 1_000_000
	for {
		for i := 0; i < len(seed); i += 4 {
			if n := binary.BigEndian.Uint32(seed[i:]); n < 1<<32/numbers*numbers {
				return fmt.Sprintf("%06d", n%numbers)
			}
		}
		seed = sha256.Sum256(seed[:])
	}
}

// typed tells whether a person typed these digits; spaces and dashes between
// them do not count.
func typed(text, digits string) bool {
	text = strings.NewReplacer(" ", "", "-", "", "\t", "").Replace(strings.TrimSpace(text))
	return subtle.ConstantTimeCompare([]byte(text), []byte(digits)) == 1
}
