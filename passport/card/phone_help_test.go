package card_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
)

// town is a community with a node and its gateway.
type town struct {
	issuer, steward, gateway ed25519.PrivateKey
	reader                   *ecdsa.PrivateKey
	credential               card.Credential
	door                     passport.Target
}

func ed(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

func edPublic(k ed25519.PrivateKey) [32]byte { return [32]byte(k.Public().(ed25519.PublicKey)) }

func p256(t testing.TB, name string) *ecdsa.PrivateKey {
	t.Helper()
	d := sha256.Sum256([]byte(name))
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func readerPoint(t testing.TB, k *ecdsa.PrivateKey) [33]byte {
	t.Helper()
	p, err := k.PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return [33]byte(append([]byte{2 | p[64]&1}, p[1:33]...))
}

// newTown is the town of a name; the gateways of one town share all but their
// own keys.
func newTown(t testing.TB, name, gateway string) *town {
	t.Helper()
	w := &town{issuer: ed(name + " issuer"), steward: ed(name + " steward"), gateway: ed(gateway), reader: p256(t, gateway+" reader")}
	w.credential = card.Credential{
		Community: sha256.Sum256([]byte(name)), Issuer: edPublic(w.issuer),
		Node: sha256.Sum256([]byte(name + " node")), Steward: edPublic(w.steward),
		Gateway: edPublic(w.gateway), Reader: readerPoint(t, w.reader),
	}
	w.door = passport.DoorTarget(w.credential.Node, "front")
	w.sign()
	return w
}

// sign signs both links of the credential as it is.
func (w *town) sign() {
	c := &w.credential
	c.NodeSig = [64]byte(ed25519.Sign(w.issuer, card.NodeLinkPreimage(c.Community, c.Node, c.Steward)))
	c.GatewaySig = [64]byte(ed25519.Sign(w.steward, card.GatewayLinkPreimage(c.Community, c.Node, c.Gateway, c.Reader)))
}

const tapTime = 1767225600

// asker is the gateway's, which counts its challenges.
func (w *town) asker(rand io.Reader, asked *int) card.Asker {
	return card.Asker{
		Gateway: w.credential.Gateway, Door: w.door,
		Challenge: func(nonce [32]byte) passport.Challenge {
			*asked++
			return passport.Challenge{Community: w.credential.Community, Place: passport.TapPlace(w.credential.Gateway, w.door), Time: tapTime, Nonce: nonce}
		},
		Identity: &card.Identity{Credential: w.credential, Key: w.reader},
		Rand:     rand,
	}
}

func (w *town) tap(t testing.TB, c card.Transceiver) (card.Answer, error) {
	t.Helper()
	asked := 0
	answer, err := card.Tap(c, w.asker(seeded(t), &asked))
	if err == nil && asked != 1 {
		t.Errorf("%d challenges for one answer", asked)
	}
	if err != nil && answer != (card.Answer{}) {
		t.Errorf("an answer with the error %v", err)
	}
	return answer, err
}

// resident's phone knows the town.
func (w *town) resident(t testing.TB) *soft.Phone {
	t.Helper()
	return soft.NewPhone(soft.PhoneConfig{Key: doorKey(t), Community: w.credential.Community, Issuers: [][32]byte{{9}, w.credential.Issuer}, Rand: seeded(t)})
}

// opens asserts that an answer is a tap at the town's door.
func (w *town) opens(t testing.TB, a card.Answer) {
	t.Helper()
	if a.Key != doorKey(t).Key() {
		t.Errorf("key %v", a.Key)
	}
	if err := w.accepts(a); err != nil {
		t.Error(err)
	}
}

// accepts is what edge.Controller.Tap checks.
func (w *town) accepts(a card.Answer) error {
	tap, err := passport.NewTap(a.Challenge, a.Key, a.Signature)
	if err != nil {
		return err
	}
	return tap.Verify(a.Key.Once(), w.credential.Community, passport.TapPlace(w.credential.Gateway, w.door))
}

func doorKey(t testing.TB) *passport.SoftKey {
	t.Helper()
	d := sha256.Sum256([]byte("door key"))
	k, err := passport.GenerateSoftKey(passport.KindPhone, bytes.NewReader(d[:]))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// seeded is a random source that a failing test can be run with again.
func seeded(t testing.TB) io.Reader {
	t.Helper()
	seed := [32]byte{}
	for i := range seed {
		seed[i] = byte(rand.Uint32())
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %x", seed)
		}
	})
	return rand.NewChaCha8(seed)
}

// wire sees and changes what a reader and a card say to each other.
type wire struct {
	card.Transceiver
	command  func(n int, c []byte) []byte           // nil: unchanged; n counts from 0
	response func(n int, c []byte, r []byte) []byte // nil: unchanged
	gone     int                                    // the card is torn away before this one; 0 is never
	said     [][2][]byte
}

func (w *wire) Transmit(c []byte) ([]byte, error) {
	n := len(w.said)
	if w.gone != 0 && n >= w.gone-1 {
		return nil, errTorn
	}
	c = bytes.Clone(c)
	if w.command != nil {
		c = w.command(n, c)
	}
	r, err := w.Transceiver.Transmit(c)
	if err == nil && w.response != nil {
		r = w.response(n, c, bytes.Clone(r))
	}
	w.said = append(w.said, [2][]byte{c, bytes.Clone(r)})
	return r, err
}

// errTorn is a driver's.
var errTorn = errors.Join(errors.New("the field is empty"), card.ErrGone)

// ins is a command's instruction: 0x10 is HELLO, 0x11 PROVE.
func ins(c []byte) byte {
	if len(c) < 2 || c[0] != 0x80 {
		return 0
	}
	return c[1]
}

const (
	hello   = 0x10
	prove   = 0x11
	point   = 0x20
	consent = 0x21
)
