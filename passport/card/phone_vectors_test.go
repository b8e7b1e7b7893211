package card_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"tombolo/passport"
	"tombolo/passport/card"
	"tombolo/passport/card/soft"
	"tombolo/passport/vectortest"
)

var update = flag.Bool("update", false, "write testdata/vectors/phone.txt anew: only before anything was signed in earnest")

const vectorHead = `# The phone's applet: whole sessions after passport/card/phone.md, whose names and
# sections these are, with every value in between. Both sides run from the private
# keys and random bytes that stand at the head of each case; ECDSA is RFC 6979's.
# Written once by the test of package passport/card with -update, and then checked
# with Python's hashlib and cryptography, so that both are held against another
# implementation; never made again: a change here is a change of what was signed.
# A value runs on over indented lines, and # starts a note. All values are
# hexadecimal but names and decimal numbers.
`

// session is what a case begins with.
type session struct {
	name                                 string
	issuerSeed, stewardSeed, gatewaySeed [32]byte
	readerPrivate, doorPrivate           [32]byte
	phoneEphemeral, gatewayEphemeral     [32]byte
	noise                                [113]byte
	community, node, knows               [32]byte // knows: the issuer that the phone does
	home                                 bool     // the phone's person has marked the gateway
	door                                 string
	time                                 uint64
	outcome                              string // "opens" or "stranger"
}

func secret(name string) [32]byte { return sha256.Sum256([]byte("tombolo test vector: " + name)) }

func sessions() []session {
	noise := secret("noise")
	var out []session
	for i, name := range []string{"a tap", "a tap without a clock", "a phone that does not know the issuer", "at home, where the phone does not know the issuer"} {
		s := session{
			name: name, issuerSeed: secret("issuer"), stewardSeed: secret("steward"), gatewaySeed: secret("gateway"),
			readerPrivate: secret("reader"), doorPrivate: secret("door key"),
			phoneEphemeral: secret(name + ", phone"), gatewayEphemeral: secret(name + ", gateway"),
			community: sha256.Sum256([]byte("a first charter")), node: sha256.Sum256([]byte("a node's first charter")),
			door: "front", time: tapTime, outcome: "opens",
		}
		for j := range s.noise {
			s.noise[j] = noise[j%32] + byte(j/32) + byte(i)
		}
		s.knows = edPublic(ed25519.NewKeyFromSeed(s.issuerSeed[:]))
		switch i {
		case 1:
			s.time = 0
		case 2:
			s.knows = secret("another issuer")
			s.outcome = "stranger"
		case 3:
			s.knows = secret("another issuer")
			s.home = true
		}
		out = append(out, s)
	}
	return out
}

func readSession(t *testing.T, c *vectortest.Case) session {
	t.Helper()
	return session{
		name: c.Name, issuerSeed: c.Hex32(t, "issuer_seed"), stewardSeed: c.Hex32(t, "steward_seed"), gatewaySeed: c.Hex32(t, "gateway_seed"),
		readerPrivate: c.Hex32(t, "reader_private"), doorPrivate: c.Hex32(t, "door_private"),
		phoneEphemeral: c.Hex32(t, "phone_ephemeral"), gatewayEphemeral: c.Hex32(t, "gateway_ephemeral"), noise: [113]byte(c.Hex(t, "noise")),
		community: c.Hex32(t, "community"), node: c.Hex32(t, "node"), knows: c.Hex32(t, "knows"),
		door: c.Text(t, "door_slug"), time: c.Uint(t, "time_s"), outcome: c.Text(t, "outcome"),
		home: c.Text(t, "marked") == "yes",
	}
}

// piece is some bytes of a value and what they are.
type piece struct {
	b    []byte
	note string
}

// value is one of a case's.
type value struct {
	key    string
	text   string // or:
	pieces []piece
}

func (v value) bytes() (out []byte) {
	for _, p := range v.pieces {
		out = append(out, p.b...)
	}
	return out
}

func (v value) write(b *strings.Builder) {
	switch {
	case v.text != "":
		fmt.Fprintf(b, "%-18s %s\n", v.key, v.text)
	case len(v.pieces) == 1:
		fmt.Fprintf(b, "%-18s %x%s\n", v.key, v.pieces[0].b, note(v.pieces[0].note))
	default:
		fmt.Fprintln(b, v.key)
		for _, p := range v.pieces {
			fmt.Fprintf(b, "  %x%s\n", p.b, note(p.note))
		}
	}
}

func note(s string) string {
	if s == "" {
		return ""
	}
	return "  # " + s
}

func one(key string, b []byte, note string) value { return value{key: key, pieces: []piece{{b, note}}} }

func softKey(t *testing.T, d [32]byte) *passport.SoftKey {
	t.Helper()
	k, err := passport.GenerateSoftKey(passport.KindPhone, bytes.NewReader(d[:]))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// run has gateway and phone talk, and lists every value.
func (s session) run(t *testing.T) []value {
	t.Helper()
	reader, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), s.readerPrivate[:])
	if err != nil {
		t.Fatal(err)
	}
	w := &town{
		issuer: ed25519.NewKeyFromSeed(s.issuerSeed[:]), steward: ed25519.NewKeyFromSeed(s.stewardSeed[:]),
		gateway: ed25519.NewKeyFromSeed(s.gatewaySeed[:]), reader: reader, door: passport.DoorTarget(s.node, s.door),
	}
	w.credential = card.Credential{Community: s.community, Issuer: edPublic(w.issuer), Node: s.node, Steward: edPublic(w.steward),
		Gateway: edPublic(w.gateway), Reader: readerPoint(t, reader)}
	w.sign()
	door := softKey(t, s.doorPrivate)
	marked, homes := "no", []soft.Home(nil)
	if s.home {
		marked, homes = "yes", []soft.Home{{Gateway: w.credential.Gateway, Reader: w.credential.Reader}}
	}
	over := &wire{Transceiver: soft.NewPhone(soft.PhoneConfig{Key: door, Community: s.community, Issuers: [][32]byte{s.knows}, Homes: homes,
		Rand: bytes.NewReader(append(s.phoneEphemeral[:], s.noise[:]...))})}
	asked := 0
	a := w.asker(bytes.NewReader(s.gatewayEphemeral[:]), &asked)
	changed(func(c *passport.Challenge) { c.Time = s.time })(&a)
	answer, err := card.Tap(over, a)
	switch {
	case s.outcome == "opens" && err != nil, s.outcome == "stranger" && !errors.Is(err, card.ErrStranger):
		t.Fatalf("%s: %v", s.name, err)
	case err == nil:
		if err := w.accepts(answer); err != nil {
			t.Fatal(err)
		}
	}

	// From here on by phone.md alone.
	said := over.said[1:] // without the HaLo applet's SELECT
	t2 := bytes.Join([][]byte{data(said[0][1]), body(said[1][0])}, nil)
	t4 := append(bytes.Clone(t2), body(said[2][0])...)
	t3 := t4[:len(t4)-64]
	z := agree(t, s.gatewayEphemeral[:], t2[1:34])
	ch := passport.Challenge{Community: s.community, Place: passport.TapPlace(w.credential.Gateway, w.door), Time: s.time,
		Nonce: [32]byte(derived(t, z, t2, "tombolo/v1/phone/nonce\n"))}
	place, when := ch.PlaceCommitment(), ch.TimeCommitment()
	h2, h3, h4 := sha256.Sum256(t2), sha256.Sum256(t3), sha256.Sum256(t4)
	point := door.Key().Point
	sum := ch.Sum()
	signed, what := sum, "ECDSA-SHA-256 over challenge"
	if s.outcome == "stranger" {
		signed = sha256.Sum256(append([]byte("tombolo/v1/phone/nobody\n"), sum[:]...))
		what = "ECDSA-SHA-256 over \"tombolo/v1/phone/nobody\\n\" and SHA-256(challenge): thrown away"
	}
	sig, err := door.Sign(signed)
	if err != nil {
		t.Fatal(err)
	}
	key := derived(t, z, t4, "tombolo/v1/phone/session\n")
	sealed := gcm(t, key).Seal(nil, make([]byte, 12), append(point[:], sig[:]...), nil)
	if got := data(said[2][1]); s.outcome == "opens" && !bytes.Equal(got, sealed) || s.outcome == "stranger" && !bytes.Equal(got, s.noise[:]) {
		t.Errorf("%s: the answer is %x", s.name, got)
	}
	c := w.credential
	sw := piece{[]byte{0x90, 0}, "status"}
	header := func(b []byte) piece { return piece{b[:5], "header and length"} }
	le := piece{[]byte{0}, "Le"}
	prove := body(said[2][0])
	answered := "noise"
	if s.outcome == "opens" {
		answered = "sealed"
	}
	return []value{
		{key: "outcome", text: s.outcome},
		one("issuer_seed", s.issuerSeed[:], "Ed25519, RFC 8032"), one("steward_seed", s.stewardSeed[:], ""), one("gateway_seed", s.gatewaySeed[:], ""),
		one("reader_private", s.readerPrivate[:], "P-256"), one("door_private", s.doorPrivate[:], "P-256"),
		one("phone_ephemeral", s.phoneEphemeral[:], "P-256, private half of E_p"), one("gateway_ephemeral", s.gatewayEphemeral[:], "P-256, private half of E_g"),
		one("noise", s.noise[:], "what a stranger gets"),
		one("knows", s.knows[:], "the issuer that the phone knows in this community"),
		{key: "marked", text: marked},
		one("community", s.community[:], ""), one("node", s.node[:], ""),
		{key: "door_slug", text: s.door}, one("door", w.door[:], "passport.DoorTarget"), {key: "time_s", text: strconv.FormatUint(s.time, 10)},
		one("issuer", c.Issuer[:], ""), one("steward", c.Steward[:], ""), one("gateway", c.Gateway[:], ""), one("reader", c.Reader[:], ""),
		{key: "node_link", pieces: []piece{{[]byte("tombolo/v1/credential/node\n"), "separator"}, {c.Community[:], "community"}, {c.Node[:], "node"}, {c.Steward[:], "steward"}}},
		one("node_sig", c.NodeSig[:], "Ed25519 by issuer over node_link"),
		{key: "gateway_link", pieces: []piece{{[]byte("tombolo/v1/credential/gateway\n"), "separator"}, {c.Community[:], "community"}, {c.Node[:], "node"}, {c.Gateway[:], "gateway"}, {c.Reader[:], "reader"}}},
		one("gateway_sig", c.GatewaySig[:], "Ed25519 by steward over gateway_link"),
		{key: "select", pieces: []piece{header(said[0][0]), {body(said[0][0]), "AID"}, le}},
		{key: "select_answer", pieces: []piece{{said[0][1][:1], "version"}, {said[0][1][1:34], "E_p"}, sw}},
		{key: "hello", pieces: []piece{header(said[1][0]), {t2[34:67], "E_g"}, {t2[67:99], "community"}, {t2[99:131], "issuer"}, {t2[131:163], "node"}, {t2[163:195], "steward"}, {t2[195:259], "NodeSig"}, le}},
		{key: "hello_answer", pieces: []piece{sw}},
		one("t2_hash", h2[:], "SHA-256(T2)"),
		one("z", z, "ECDH"),
		one("nonce", ch.Nonce[:], "HKDF, salt t2_hash, info \"tombolo/v1/phone/nonce\\n\""),
		one("t3_hash", h3[:], "SHA-256(T3)"),
		{key: "gateway_claim", pieces: []piece{{[]byte("tombolo/v1/phone/gateway\n"), "separator"}, {h3[:], "SHA-256(T3)"}}},
		{key: "prove", pieces: []piece{header(said[2][0]), {prove[:32], "gateway"}, {prove[32:65], "reader"}, {prove[65:129], "GatewaySig"}, {prove[129:161], "door"}, {prove[161:169], "time"},
			{prove[169:], "ReaderSig: ECDSA-SHA-256 over gateway_claim"}, le}},
		one("place", ch.Place[:], "passport.TapPlace of gateway and door"),
		{key: "challenge", pieces: []piece{{[]byte("tombolo/v1/tap\n"), "separator"}, {c.Community[:], "community"}, {place[:], "P"}, {when[:], "T"}}},
		one("signature", sig[:], what),
		one("point", point[:], "of the door key"),
		one("t4_hash", h4[:], "SHA-256(T4)"),
		one("session_key", key, "HKDF, salt t4_hash, info \"tombolo/v1/phone/session\\n\""),
		{key: "sealed", pieces: []piece{{sealed[:97], "AES-256-GCM of point and signature"}, {sealed[97:], "tag"}}},
		{key: "prove_answer", pieces: []piece{{data(said[2][1]), answered}, sw}},
	}
}

// body is a command's data, data a response's.
func body(c []byte) []byte { return c[5 : 5+int(c[4])] }
func data(r []byte) []byte { return r[:len(r)-2] }

// enrolment is the last case: POINT and CONSENT.
func enrolment(t *testing.T, private, digest [32]byte) []value {
	t.Helper()
	door := softKey(t, private)
	phone := soft.NewPhone(soft.PhoneConfig{Key: door, Rand: seeded(t), Enrolling: func() bool { return true }})
	over := &wire{Transceiver: phone}
	sig, err := card.Possess(over, door.Key(), digest)
	if err != nil {
		t.Fatal(err)
	}
	p, c := over.said[1], over.said[2]
	point := door.Key().Point
	sw := piece{[]byte{0x90, 0}, "status"}
	return []value{
		one("door_private", private[:], "P-256"), one("digest", digest[:], "EIP-712, of the delegation"),
		one("point", p[0], ""),
		{key: "point_answer", pieces: []piece{{p[1][:1], "version"}, {point[:], "point"}, sw}},
		{key: "consent", pieces: []piece{{c[0][:5], "header and length"}, {c[0][5:37], "digest"}, {c[0][37:], "Le"}}},
		{key: "possession", pieces: []piece{{[]byte("tombolo/v1/possession\n"), "separator"}, {digest[:], "digest"}}},
		{key: "consent_answer", pieces: []piece{{sig[:], "ECDSA-SHA-256 over possession"}, sw}},
	}
}

// TestPhoneVectors: both sides, run from a case's keys, say what stands there.
func TestPhoneVectors(t *testing.T) {
	if *update {
		var b strings.Builder
		b.WriteString(vectorHead)
		for _, s := range sessions() {
			fmt.Fprintf(&b, "\n[%s]\n", s.name)
			for _, v := range s.run(t) {
				v.write(&b)
			}
		}
		fmt.Fprintf(&b, "\n[enrolment]\n")
		for _, v := range enrolment(t, secret("door key"), secret("digest")) {
			v.write(&b)
		}
		if err := os.WriteFile("../../testdata/vectors/phone.txt", []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for i, c := range vectortest.Load(t, "phone.txt", 5) {
		t.Run(c.Name, func(t *testing.T) {
			var values []value
			if i < 4 {
				values = readSession(t, c).run(t)
			} else {
				values = enrolment(t, c.Hex32(t, "door_private"), c.Hex32(t, "digest"))
			}
			for _, v := range values {
				if v.text != "" {
					if got := c.Text(t, v.key); got != v.text {
						t.Errorf("%s is %s, want %s", v.key, v.text, got)
					}
				} else if got := c.Hex(t, v.key); !bytes.Equal(got, v.bytes()) {
					t.Errorf("%s is\n%x, want\n%x", v.key, v.bytes(), got)
				}
			}
			c.Done(t)
		})
	}
}
