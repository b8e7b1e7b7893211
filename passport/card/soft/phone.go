package soft

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/elliptic"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"slices"

	"tombolo/passport"
	"tombolo/passport/card"
)

// PhoneConfig says whose phone it is.
type PhoneConfig struct {
	Key       *passport.SoftKey // of kind phone; a phone without passports has one, too
	Community passport.CommunityID
	Issuers   [][32]byte // Ed25519, whom the phone believes in that community
	Homes     []Home     // the gateways that its person has marked as their home's
	Rand      io.Reader
	Enrolling func() bool // tells whether its person has chosen enrolment; nil: never
}

// Home is a gateway that a phone believes whoever vouches for it. §3
type Home struct {
	Gateway [32]byte
	Reader  [33]byte
}

// Phone is a phone with the app, as card/phone.md specifies it; the section
// signs are that file's. It shares no code with the gateway's side but the
// credential's, so that each is held against the other.
type Phone struct {
	cfg      PhoneConfig
	selected bool
	own      *ecdh.PrivateKey // nil once it was used, or a command was refused
	said     []byte           // the transcript
	done     bool             // it consented since its person chose enrolment
}

var _ card.Transceiver = (*Phone)(nil)

// NewPhone makes a phone. Key and Rand are needed.
func NewPhone(cfg PhoneConfig) *Phone { return &Phone{cfg: cfg} }

// ATR is what a reader shows for it.
func (p *Phone) ATR() []byte { return atr() }

const (
	phoneAID = "\xf0TOMBOLO\x01"

	selectedEnd = 1 + 33            // of the transcript, after SELECT
	helloEnd    = selectedEnd + 225 // after HELLO
	claimEnd    = helloEnd + 169    // after PROVE, without its signature
	proveEnd    = claimEnd + 64

	plainSize  = 33 + 64
	sealedSize = plainSize + 16
)

// Transmit answers a command; it returns no error.
func (p *Phone) Transmit(command []byte) ([]byte, error) {
	data, sw := p.answer(command)
	if sw != 0x9000 {
		p.own = nil // whatever was refused ends the session, §4.4
		return status(sw), nil
	}
	return ok(data), nil
}

func (p *Phone) answer(command []byte) ([]byte, uint16) {
	c, err := card.ParseCommand(command)
	if err != nil {
		return nil, 0x6700
	}
	if c.CLA == 0 && c.INS == 0xa4 {
		return p.choose(c)
	}
	size, known := map[byte]int{0x10: 225, 0x11: 233, 0x20: 0, 0x21: 32}[c.INS]
	switch {
	case !p.selected:
		return nil, 0x6a82 // the phone's system answers where no applet was selected
	case c.CLA != 0x80:
		return nil, 0x6e00
	case !known:
		return nil, 0x6d00
	case c.P1 != 0 || c.P2 != 0:
		return nil, 0x6a86
	case len(c.Data) != size:
		return nil, 0x6700
	}
	switch c.INS {
	case 0x10:
		return p.hello(c.Data)
	case 0x11:
		return p.prove(c.Data)
	case 0x20:
		return p.point()
	default:
		return p.consent([32]byte(c.Data))
	}
}

// choose answers SELECT with a fresh key, and nothing that tells this phone
// from another. §4.1
func (p *Phone) choose(c card.Command) ([]byte, uint16) {
	p.selected, p.own, p.said = false, nil, nil
	if c.P1 != 4 || c.P2 != 0 || string(c.Data) != phoneAID {
		return nil, 0x6a82
	}
	for range 8 {
		var d [32]byte
		if _, err := io.ReadFull(p.cfg.Rand, d[:]); err != nil {
			return nil, 0x6f00
		}
		key, err := ecdh.P256().NewPrivateKey(d[:])
		if err != nil {
			continue
		}
		public := key.PublicKey().Bytes()
		p.selected, p.own = true, key
		p.said = append([]byte{1, 2 | public[64]&1}, public[1:33]...)
		return append([]byte(nil), p.said...), 0x9000
	}
	return nil, 0x6f00
}

// hello only takes note: nothing that the phone thinks of it shows. §4.2
func (p *Phone) hello(data []byte) ([]byte, uint16) {
	if p.own == nil || len(p.said) != selectedEnd {
		return nil, 0x6985
	}
	p.said = append(p.said, data...)
	return nil, 0x9000
}

// prove answers a gateway that has proved itself, and everybody else with as
// many random bytes, after the same work; so, too, where something breaks: what
// is broken may be a key that only some phones hold. §4.3
func (p *Phone) prove(data []byte) ([]byte, uint16) {
	if p.own == nil || len(p.said) != helloEnd {
		return nil, 0x6985
	}
	own := p.own
	p.own = nil
	p.said = append(p.said, data...)
	noise := make([]byte, sealedSize)
	if _, err := io.ReadFull(p.cfg.Rand, noise); err != nil {
		return nil, 0x6f00
	}

	peer, fine := point(p.said[selectedEnd : selectedEnd+33])
	if !fine {
		peer = own.PublicKey()
	}
	secret, err := own.ECDH(peer)
	if err != nil {
		return noise, 0x9000
	}
	credential, door, time := claims(p.said)
	fine = credential.Community == p.cfg.Community && fine
	vouched := credential.Verify(p.cfg.Issuers) == nil
	home := slices.Contains(p.cfg.Homes, Home{credential.Gateway, credential.Reader})
	fine = (vouched || home) && fine
	fine = proved(credential.Reader, p.said[:claimEnd], p.said[claimEnd:]) && fine

	challenge := passport.Challenge{
		Community: credential.Community,
		Place:     passport.TapPlace(credential.Gateway, door), // of the gateway that proved itself, and no other
		Time:      time,
	}
	nonce, err := derive(secret, p.said[:helloEnd], "tombolo/v1/phone/nonce\n")
	if err != nil {
		return noise, 0x9000
	}
	challenge.Nonce = [32]byte(nonce)
	sum := challenge.Sum()
	if !fine { // §5.4: what is signed for nobody can never be a tap
		sum = sha256.Sum256(append([]byte("tombolo/v1/phone/nobody\n"), sum[:]...))
	}
	sealed, err := p.seal(secret, sum)
	if err != nil || !fine {
		return noise, 0x9000
	}
	return sealed, 0x9000
}

// seal signs, and encrypts point[33] ‖ r ‖ s[64] under a key that is used once.
func (p *Phone) seal(secret []byte, sum [32]byte) ([]byte, error) {
	sig, err := p.cfg.Key.Sign(sum)
	if err != nil {
		return nil, err
	}
	key, err := derive(secret, p.said[:proveEnd], "tombolo/v1/phone/session\n")
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	point := p.cfg.Key.Key().Point
	return gcm.Seal(nil, make([]byte, 12), append(point[:], sig[:]...), nil), nil
}

// point shows the door key, by its person's wish. §7
func (p *Phone) point() ([]byte, uint16) {
	if !p.enrolling() {
		return nil, 0x6985
	}
	point := p.cfg.Key.Key().Point
	return append([]byte{1}, point[:]...), 0x9000
}

// consent signs a delegation's digest, by its person's wish. §7
func (p *Phone) consent(digest [32]byte) ([]byte, uint16) {
	if !p.enrolling() {
		return nil, 0x6985
	}
	sig, err := p.cfg.Key.Sign(passport.PossessionChallenge(digest))
	if err != nil {
		return nil, 0x6f00
	}
	p.done = true
	return sig[:], 0x9000
}

// enrolling lasts from its person's wish to the first consent. §7
func (p *Phone) enrolling() bool {
	asked := p.cfg.Enrolling != nil && p.cfg.Enrolling()
	p.done = p.done && asked
	return asked && !p.done
}

// claims are what HELLO and PROVE say of the gateway, of a whole transcript.
func claims(said []byte) (c card.Credential, door passport.Target, time uint64) {
	b := said[selectedEnd+33:]
	for _, field := range [][]byte{c.Community[:], c.Issuer[:], c.Node[:], c.Steward[:], c.NodeSig[:], c.Gateway[:], c.Reader[:], c.GatewaySig[:], door[:]} {
		b = b[copy(field, b):]
	}
	return c, door, binary.BigEndian.Uint64(b)
}

// proved checks the reader key's signature over what was said before it. §5.1
func proved(reader [33]byte, said, sig []byte) bool {
	hash := sha256.Sum256(said)
	digest := sha256.Sum256(append([]byte("tombolo/v1/phone/gateway\n"), hash[:]...))
	key := passport.Key{Kind: passport.KindPhone, Point: reader} // ECDSA on P-256, as the phone's own
	return key.Verify(digest, passport.Signature(sig)) == nil
}

// derive is HKDF-SHA-256 over the agreed secret, 32 bytes. §5.2, §5.3
func derive(secret, said []byte, info string) ([]byte, error) {
	salt := sha256.Sum256(said)
	return hkdf.Key(sha256.New, secret, salt[:], info, 32)
}

// point reads a compressed point of P-256.
func point(b []byte) (*ecdh.PublicKey, bool) {
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), b)
	if x == nil {
		return nil, false
	}
	long := append(make([]byte, 0, 65), 4)
	long = append(long, x.FillBytes(make([]byte, 32))...)
	key, err := ecdh.P256().NewPublicKey(append(long, y.FillBytes(make([]byte, 32))...))
	return key, err == nil
}
