package card

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"

	"tombolo/passport"
)

// The phone's applet as the gateway and the desk speak to it. phone.md is the
// specification; the section signs here are its.

// Sentinels of phones.
var (
	// ErrStranger is returned when a phone's answer does not open: it holds no
	// passport of this community, or did not believe the gateway. A phone never
	// says which. It wraps [ErrUnknown].
	ErrStranger error = stranger{}
	// ErrNotEnrolling is returned for a phone whose person has not asked it to
	// show its door key.
	ErrNotEnrolling = errors.New("the phone is not ready to be enrolled: have its person choose enrolment in the app, then hold it to the reader again")
	// ErrIdentity is returned for an Identity that is not the Asker's gateway's,
	// or whose key is not its credential's: a mistake of the program.
	ErrIdentity = errors.New("the identity is not this gateway's: report this as a defect")
)

type stranger struct{}

func (stranger) Error() string {
	return "the phone holds no passport of this community, or does not believe this gateway: have its app fetch the community's newest charter"
}

func (stranger) Unwrap() error { return ErrUnknown }

// phoneAID selects the applet: F begins an unregistered AID (ISO 7816-4
// §8.2.1.2), the last byte is the protocol's version. §2
var phoneAID = []byte{0xf0, 'T', 'O', 'M', 'B', 'O', 'L', 'O', 0x01}

// Commands of the applet, §4 and §7.
const (
	phoneCLA   = 0x80
	insHello   = 0x10
	insProve   = 0x11
	insPoint   = 0x20
	insConsent = 0x21
)

// phoneTap proves the gateway to the phone and has it answer. It returns an
// error that wraps [ErrStranger], [ErrAnswer], [ErrGone], [ErrAsker],
// [ErrIdentity], a [*StatusError], or the Asker's Rand's own.
func phoneTap(t Transceiver, selected []byte, a Asker) (Answer, error) {
	if a.Identity == nil || a.Identity.Credential.Gateway != a.Gateway || !a.Identity.holdsKey() {
		return Answer{}, ErrIdentity
	}
	credential := a.Identity.Credential
	s, err := newPhoneSession(selected, a.Rand)
	if err != nil {
		return Answer{}, err
	}
	hello := credential.appendNode(append(make([]byte, 0, helloSize), s.own...))
	s.hear(hello)
	if _, err := phoneAsk(t, "phone HELLO", insHello, hello, 0); err != nil {
		return Answer{}, err
	}
	nonce, err := s.nonce()
	if err != nil {
		return Answer{}, err
	}
	ch := a.Challenge(nonce)
	if ch.Nonce != nonce || ch.Place != passport.TapPlace(a.Gateway, a.Door) || ch.Community != credential.Community {
		return Answer{}, ErrAsker
	}
	prove := credential.appendGateway(make([]byte, 0, proveSize))
	prove = binary.BigEndian.AppendUint64(append(prove, a.Door[:]...), ch.Time)
	s.hear(prove)
	sig, err := s.sign(a.Identity.Key)
	if err != nil {
		return Answer{}, err
	}
	s.hear(sig[:])
	sealed, err := phoneAsk(t, "phone PROVE", insProve, append(prove, sig[:]...), sealedSize)
	if err != nil {
		return Answer{}, err
	}
	key, answer, err := s.open(sealed)
	if err != nil {
		return Answer{}, err
	}
	tap, err := passport.NewTap(ch, key, answer)
	if err != nil {
		return Answer{}, fmt.Errorf("phone PROVE: %w: %w", ErrAnswer, err)
	}
	return Answer{Challenge: ch, Key: key, Signature: tap.Sig}, nil
}

// phoneAsk sends a command of the applet whose answer has size bytes.
func phoneAsk(t Transceiver, what string, ins byte, data []byte, size int) ([]byte, error) {
	resp, err := expectOK(t, what, phoneCLA, ins, 0, 0, data)
	if err == nil && len(resp) != size {
		err = fmt.Errorf("%s: %w: %d bytes instead of %d", what, ErrAnswer, len(resp), size)
	}
	return resp, err
}

// phoneIdentify has a phone in enrolment show its door key. It returns an error
// that wraps [ErrNotEnrolling], [ErrAnswer], [ErrGone] or a [*StatusError].
func phoneIdentify(t Transceiver, selected []byte) (Info, error) {
	if _, err := parseSelected(selected); err != nil {
		return Info{}, err
	}
	key, err := phonePoint(t)
	if err != nil {
		return Info{}, err
	}
	return Info{
		Key:     key,
		Version: strconv.Itoa(int(selected[0])),
		Genuine: fmt.Errorf("phone: %w: it shows that it holds the key, not that the key cannot leave it", ErrNoProof),
	}, nil
}

// phonePossess has a phone in enrolment consent to a delegation. It returns an
// error that wraps [ErrNotEnrolling], [ErrOtherCard], [ErrAnswer], [ErrGone] or a
// [*StatusError].
func phonePossess(t Transceiver, selected []byte, key passport.Key, digest [32]byte) (passport.Signature, error) {
	if _, err := parseSelected(selected); err != nil {
		return passport.Signature{}, err
	}
	if now, err := phonePoint(t); err != nil {
		return passport.Signature{}, err
	} else if now != key {
		return passport.Signature{}, ErrOtherCard
	}
	resp, err := enrolling(phoneAsk(t, "phone CONSENT", insConsent, digest[:], 64))
	if err != nil {
		return passport.Signature{}, err
	}
	return passport.Signature(resp), nil
}

func phonePoint(t Transceiver) (passport.Key, error) {
	resp, err := enrolling(phoneAsk(t, "phone POINT", insPoint, nil, 1+33))
	if err != nil {
		return passport.Key{}, err
	}
	if resp[0] != 1 {
		return passport.Key{}, fmt.Errorf("phone POINT: %w: version %d of the answer; a newer app wants a newer program", ErrAnswer, resp[0])
	}
	key, err := passport.NewKey(passport.KindPhone, resp[1:])
	if err != nil {
		return passport.Key{}, fmt.Errorf("phone POINT: %w: %w", ErrAnswer, err)
	}
	return key, nil
}

// enrolling gives a phone's refusal its reason.
func enrolling(resp []byte, err error) ([]byte, error) {
	if refused, ok := errors.AsType[*StatusError](err); ok && refused.SW == 0x6985 {
		err = fmt.Errorf("%w (%w)", ErrNotEnrolling, err)
	}
	return resp, err
}
