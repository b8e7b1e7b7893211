package osdp

import (
	"fmt"
	"slices"
)

// link is the exchange of numbered messages with one reader, OSDP 2.2 §5.9 and
// Annex D: one command at a time, repeated as the same bytes under the same
// number until its reply has come.
type link struct {
	address  byte
	checksum bool     // checksum instead of CRC
	sequence byte     // of the next command: 0 resets, then 1 to 3 around
	session  *session // nil: in clear

	sent     []byte // the command that waits for its reply; empty: none
	command  byte   // its code
	kind     [3]byte
	number   byte // its sequence number
	security byte // its security block
	tries    int  // how often it was sent
}

// reset forgets the Secure Channel and begins with sequence 0, on which the
// reader forgets it too (§5.9.5).
func (l *link) reset() {
	l.session, l.sequence, l.sent, l.tries = nil, 0, l.sent[:0], 0
}

func (l *link) waiting() bool { return len(l.sent) > 0 }

// repeat gives the waiting command once more.
func (l *link) repeat() []byte {
	l.tries++
	return l.sent
}

// send encodes a command and waits for its reply from now on.
func (l *link) send(c command) ([]byte, error) {
	f := frame{address: l.address, sequence: l.sequence, checksum: l.checksum, code: c.code}
	return l.encode(f, c.data, l.session)
}

// sendHandshake encodes CHLNG or SCRYPT, Annex D.4: in clear, in a security
// block that says which key is meant: 0 SCBK-D, 1 the reader's own.
func (l *link) sendHandshake(c command, security, key byte) ([]byte, error) {
	f := frame{address: l.address, sequence: l.sequence, checksum: l.checksum, code: c.code,
		security: security, key: key}
	return l.encode(f, c.data, nil)
}

func (l *link) encode(f frame, data []byte, s *session) (encoded []byte, err error) {
	if s != nil {
		l.sent, err = s.seal(l.sent[:0], f, data)
	} else {
		f.data = data
		l.sent, err = f.append(l.sent[:0])
	}
	if err != nil {
		l.sent = l.sent[:0]
		return nil, err
	}
	l.command, l.number, l.tries = f.code, f.sequence, 1
	l.kind = command{f.code, data}.kind()
	l.security = f.security
	return l.sent, nil
}

// received ends the wait.
func (l *link) received() {
	l.sent = l.sent[:0]
	l.sequence = l.number%3 + 1
}

// overhead is what stands around the data of a frame in the session, or in clear.
func (l *link) overhead() int {
	f := frame{checksum: l.checksum}
	if l.session != nil {
		f.security = scs17
	}
	return f.size()
}

// fits says how much data a frame of at most size bytes carries.
func (l *link) fits(size int) int {
	n := min(size, maxFrame) - l.overhead()
	if l.session != nil {
		n = n/16*16 - 1 // at least one byte of padding
	}
	return max(n, 0)
}

// answer is what link.take made of a frame.
type answer struct {
	kind answerKind
	code byte
	data []byte // in clear
	key  byte   // of a handshake's security block
	err  error
}

type answerKind int

const (
	answerForeign answerKind = iota // not the reply to what was sent: late, doubled, somebody else's
	answerReply                     // the reply, as authentic as this link can tell
	answerBusy                      // repeat later
	answerGarbled                   // NAK 01: repeat now
	answerKeySet                    // KEYSET was taken, says somebody in clear: see which key the reader has
	answerSuspect                   // must not count; err says why. The true reply may still come
)

// take judges a frame that came while a command waits.
func (l *link) take(f frame, encoded []byte) answer {
	switch {
	case !f.reply || f.address != l.address || !l.waiting():
		return answer{kind: answerForeign}
	case f.security == 0 && f.code == repBusy && len(f.data) == 0 && (f.sequence == 0 || f.sequence == l.number):
		return answer{kind: answerBusy} // §7.19: in clear, number 0
	case f.security == 0 && f.code == repNAK && len(f.data) > 0 && f.data[0] == nakCheck:
		return answer{kind: answerGarbled}
	case f.security == 0 && f.code == repNAK && len(f.data) > 0 && f.data[0] == nakSequence && f.sequence != l.number:
		// The reader counts differently: its NAK bears its own number.
		if l.session != nil {
			return answer{kind: answerSuspect, err: ErrRestarted}
		}
		return answer{kind: answerSuspect, err: ErrSequence}
	case f.sequence != l.number:
		return answer{kind: answerForeign}
	}
	if l.session != nil {
		return l.takeSealed(f, encoded)
	}
	switch want := l.security; { // of the handshake: 11 is answered with 12, 13 with 14
	case f.security == 0:
		if want != 0 && f.code != repNAK {
			return answer{kind: answerSuspect, err: fmt.Errorf("%w: reply %02X in clear to %s", ErrReply, f.code, commandName(l.command))}
		}
	case want == scs13 && f.security == scs12 && f.code == repRMacI:
		// OSDP.Net's devices before version 6. The R-MAC is what proves it.
	case want == 0 || f.security != want+1:
		return answer{kind: answerSuspect, err: fmt.Errorf("%w: security block %02X", ErrReply, f.security)}
	}
	return answer{kind: answerReply, code: f.code, data: f.data, key: f.key}
}

// takeSealed is take inside the Secure Channel, where nothing counts that has
// no MAC.
func (l *link) takeSealed(f frame, encoded []byte) answer {
	if !f.sealed() {
		if l.command == cmdKeySet && f.security == 0 && f.code == repACK && len(f.data) == 0 {
			return answer{kind: answerKeySet} // some drop the session with its key
		}
		err := fmt.Errorf("%w: reply %02X in clear inside the Secure Channel", ErrDowngrade, f.code)
		if f.code == repNAK && len(f.data) > 0 && slices.Contains([]byte{nakSequence, nakSecureBlock, nakEncrypted}, f.data[0]) {
			err = ErrRestarted
		}
		return answer{kind: answerSuspect, err: err}
	}
	// A MAC alone keeps nothing from the wire: SCS 16 is for replies without data
	// (Annex D.1.4), and some use it for what is no secret.
	if !f.encrypted() && len(f.data) > 0 && !slices.Contains([]byte{repNAK, repLStat, repIStat, repOStat, repRStat}, f.code) {
		return answer{kind: answerSuspect, err: fmt.Errorf("%w: reply %02X not encrypted", ErrDowngrade, f.code)}
	}
	data, err := l.session.open(f, encoded)
	if err != nil {
		return answer{kind: answerSuspect, err: err}
	}
	return answer{kind: answerReply, code: f.code, data: data}
}
