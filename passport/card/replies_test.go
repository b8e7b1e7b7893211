package card

import (
	"bytes"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"
	"tombolo/passport"
	"tombolo/passport/vectortest"
)

// malformed are answers that a parser must refuse, each with its own error.
// Every one is a good answer with one thing wrong.
type malformed struct {
	name  string
	bytes []byte
	want  error
}

func refuse(t *testing.T, good []byte, parse func([]byte) error, tests []malformed) {
	t.Helper()
	if len(tests) < 10 {
		t.Fatalf("only %d malformed answers", len(tests))
	}
	if err := parse(good); err != nil {
		t.Fatalf("the good answer: %v", err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if bytes.Equal(tt.bytes, good) {
				t.Fatal("is the good answer")
			}
			err := parse(tt.bytes)
			if !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if !errors.Is(err, ErrAnswer) && !errors.Is(err, ErrCommand) {
				t.Errorf("error %v says neither answer nor command", err)
			}
		})
	}
}

// with is b with what follows offset at replaced by the bytes of v, in
// hexadecimal, for as long as v goes.
func with(b []byte, at int, v string) []byte {
	c := slices.Clone(b)
	copy(c[at:], unhex(v))
	return c
}

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

var (
	zeros  = strings.Repeat("00", 32)
	ones   = strings.Repeat("ff", 32)
	orderN = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141" // SEC 2 §2.4.1
)

// keyPair is a secp256k1 key whose public half comes in 65 bytes, as cards send it.
func keyPair(t testing.TB, seed byte) (*passport.SoftKey, []byte) {
	t.Helper()
	k, err := passport.GenerateSoftKey(passport.KindKeycard, bytes.NewReader(bytes.Repeat([]byte{seed}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	point := k.Key().Point
	pub, err := crypto.DecompressPubkey(point[:])
	if err != nil {
		t.Fatal(err)
	}
	return k, crypto.FromECDSAPub(pub)
}

func TestParseCommandRefuses(t *testing.T) {
	t.Parallel()
	good := unhex("00a4040002aabb00")
	parse := func(b []byte) error { _, err := ParseCommand(b); return err }
	refuse(t, good, parse, []malformed{
		{"empty", nil, ErrCommand},
		{"three bytes", good[:3], ErrCommand},
		{"data cut off", good[:6], ErrCommand},
		{"length without data", unhex("00a4040002"[:8] + "02aa"), ErrCommand},
		{"two bytes after the data", append(slices.Clone(good), 0), ErrCommand},
		{"length of zero with data", with(good, 4, "00"), ErrCommand},
		{"length of one", with(good, 4, "01"), ErrCommand},
		{"length of four", with(good, 4, "04"), ErrCommand},
		{"extended length", unhex("00a404000000 02 aabb 0000"), ErrCommand},
		{"too long", append(unhex("00a40400ff"), make([]byte, 257)...), ErrCommand},
		{"extended expected length", unhex("00a40400 000000"), ErrCommand},
	})
}

func TestParseResponseRefuses(t *testing.T) {
	t.Parallel()
	for _, n := range []int{0, 1, MaxResponse + 1, MaxResponse + 2, 4096, 65538} {
		if _, _, err := parseResponse(make([]byte, n)); !errors.Is(err, errSize) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	for _, n := range []int{2, 3, MaxResponse} {
		b := bytes.Repeat([]byte{0x61}, n)
		data, sw, err := parseResponse(b)
		if err != nil || len(data) != n-2 || sw != 0x6161 {
			t.Errorf("%d bytes: %d of data, %04X, %v", n, len(data), sw, err)
		}
	}
}

func TestReadTLVRefuses(t *testing.T) {
	t.Parallel()
	good := append(unhex("a08180"), make([]byte, 0x80)...)
	parse := func(b []byte) error {
		_, rest, err := wantTLV(b, 0xa0)
		if err == nil && len(rest) > 0 {
			err = errTrailing
		}
		return err
	}
	refuse(t, good, parse, []malformed{
		{"empty", nil, errCut},
		{"tag alone", good[:1], errCut},
		{"length cut off", good[:2], errCut},
		{"value missing", good[:3], errCut},
		{"value cut off", good[:len(good)-1], errCut},
		{"length one too large", with(good, 2, "81"), errCut},
		{"length one too small is trailing", append(slices.Clone(good), 0), errTrailing},
		{"another tag", with(good, 0, "a1"), errTag},
		{"tag of two bytes", with(good, 0, "bf"), errTagForm},
		{"tag of two bytes, class of its own", with(good, 0, "1f"), errTagForm},
		{"indefinite length", with(good, 1, "80"), errLenForm},
		{"length of two bytes", append(unhex("a0820080"), make([]byte, 0x80)...), errLenForm},
		{"length of 127 bytes", with(good, 1, "ff"), errLenForm},
		{"length not in its shortest form", with(good, 2, "7f"), errLenForm},
	})
}

// haloReply is the published reply to sign challenge.
func haloReply(t testing.TB) []byte {
	t.Helper()
	return vectortest.Load(t, "card.txt", 3)[0].Hex(t, "reply")
}

func TestHaloAnswerRefuses(t *testing.T) {
	t.Parallel()
	good := haloReply(t) // 0: DER of 71 bytes, 71: key, 136: attestation
	parse := func(b []byte) error {
		_, _, _, err := haloSign(script{[][]byte{append(slices.Clone(b), 0x90, 0)}}.play(), [32]byte{})
		return err
	}
	refuse(t, good, parse, []malformed{
		{"empty", nil, errCut},
		{"one byte", good[:1], errCut},
		{"no sequence", with(good, 0, "31"), errTag},
		{"signature cut off", good[:70], errCut},
		{"signature of 73 bytes", with(good, 1, "47"), errSize},
		{"signature of 257 bytes", with(good, 1, "ff"), errSize},
		{"signature alone", good[:71], errCut},
		{"key cut off", good[:135], errCut},
		{"signature one byte short", with(good[:136], 1, "44"), passport.ErrPoint},
		{"r is no integer", with(good, 2, "03"), passport.ErrDERTag},
		{"r longer than there is", with(good, 3, "7f"), passport.ErrDERLength},
		{"r negative", with(good, 4, "ff"), passport.ErrDERInteger},
		{"r zero-padded", with(good, 4, "0001"), passport.ErrDERInteger},
		{"r zero", slices.Concat(unhex("3026 020100"), good[36:]), passport.ErrSignatureRange},
		{"s the order of the curve", with(good, 39, orderN), passport.ErrSignatureRange},
		{"key compressed", with(good, 71, "02"), passport.ErrPoint},
		{"key hybrid", with(good, 71, "06"), passport.ErrPoint},
		{"key off the curve", with(good, 135, "cb"), passport.ErrPoint},
		{"key's x above the field", with(good, 72, ones), passport.ErrPoint},
		{"key zero", with(good, 72, zeros+zeros), passport.ErrPoint},
		{"attestation too long", append(slices.Clone(good), 0, 0), errTrailing},
		{"as much as fits", append(slices.Clone(good), make([]byte, 256-len(good))...), errTrailing},
	})
}

func TestHaloKeysRefuse(t *testing.T) {
	t.Parallel()
	_, pk := keyPair(t, 1)
	good := slices.Concat([]byte{65}, pk, []byte{65}, pk, []byte{0})
	parse := func(b []byte) error { _, err := parseHaloKeys(b); return err }
	refuse(t, good, parse, []malformed{
		{"length alone", good[:1], errCut},
		{"first key cut off", good[:65], errCut},
		{"second length alone", good[:67], errCut},
		{"second key cut off", good[:131], errCut},
		{"compressed key", with(good, 0, "21"), errSize},
		{"length one too small", with(good, 0, "40"), errSize},
		{"length one too large", with(good, 0, "42"), errSize},
		{"length of 255", with(good, 66, "ff"), errSize},
		{"ends, then goes on", with(good, 66, "00"), errTrailing},
		{"begins with its end", slices.Concat([]byte{0}, good), errTrailing},
		{"a byte after the end", append(slices.Clone(good), 1), errTrailing},
	})
	if keys, err := parseHaloKeys(append(good, 0, 0)); err != nil || len(keys) != 2 {
		t.Errorf("%d keys, %v", len(keys), err)
	}
	if keys, err := parseHaloKeys(nil); err != nil || len(keys) != 0 {
		t.Errorf("no keys: %d, %v", len(keys), err)
	}
}

func TestHaloKeyInfoRefuses(t *testing.T) {
	t.Parallel()
	_, pk := keyPair(t, 1)
	good := slices.Concat([]byte{2, haloFormat2, 0}, pk, make([]byte, 2+72))
	old := slices.Concat([]byte{2, 0}, pk)
	parse := func(b []byte) error { _, err := parseHaloKeyInfo(b); return err }
	if i, err := parseHaloKeyInfo(old); err != nil || !bytes.Equal(i.pk, pk) || len(i.attestation) != 0 {
		t.Errorf("in format 1: %+v, %v", i, err)
	}
	refuse(t, good, parse, []malformed{
		{"empty", nil, errCut},
		{"one byte", good[:1], errCut},
		{"flags alone", good[:2], errCut},
		{"no key", good[:3], errCut},
		{"key cut off", good[:67], errCut},
		{"format 1's key cut off", old[:66], errCut},
		{"format 2 announced in format 1", with(old, 1, "02"), errCut},
		{"format 1 announced in format 2", with(good[:68], 1, "00"), passport.ErrPoint},
		{"key off the curve", with(good, 67, "ff"), passport.ErrPoint},
		{"key at infinity", with(good, 3, "00"), passport.ErrPoint},
		{"attestation too long", append(slices.Clone(good), 0), errTrailing},
	})
}

func TestHaloRandomRefuses(t *testing.T) {
	t.Parallel()
	good := slices.Concat(make([]byte, 32), haloReply(t)[:136])
	parse := func(b []byte) error {
		_, r, err := parseHaloRandom(b)
		if err == nil {
			_, err = signature(r.der)
		}
		return err
	}
	refuse(t, good, parse, []malformed{
		{"empty", nil, errCut},
		{"payload cut off", good[:31], errCut},
		{"payload alone", good[:32], errCut},
		{"one byte of signature", good[:33], errCut},
		{"no sequence", with(good, 32, "04"), errTag},
		{"signature too long", with(good, 33, "48"), errSize},
		{"signature cut off", good[:40], errCut},
		{"key cut off", good[:167], errCut},
		{"a byte after the key", append(slices.Clone(good), 0), errTrailing},
		{"an attestation after the key", append(slices.Clone(good), make([]byte, 74)...), errTrailing},
		{"r negative", with(good, 36, "80"), passport.ErrDERInteger},
	})
}

// keycardReply is {80 41 point ‖ DER} over digest, in its template.
func keycardReply(t testing.TB, digest [32]byte) []byte {
	k, pk := keyPair(t, 1)
	der, err := k.SignDER(digest)
	if err != nil {
		t.Fatal(err)
	}
	inner := slices.Concat([]byte{0x80, 0x41}, pk, der)
	return slices.Concat([]byte{0xa0, 0x81, byte(len(inner))}, inner)
}

// rawReply is 80 41 r ‖ s ‖ v over digest.
func rawReply(t testing.TB, digest [32]byte) []byte {
	k, _ := keyPair(t, 1)
	sig, err := k.Sign(digest)
	if err != nil {
		t.Fatal(err)
	}
	for v := range byte(2) {
		b := slices.Concat([]byte{0x80, 0x41}, sig[:], []byte{v})
		if key, _, err := parseKeycardSignature(b, digest); err == nil && key == k.Key() {
			return b
		}
	}
	t.Fatal("no recovery id gives the key")
	return nil
}

func TestKeycardSignatureRefuses(t *testing.T) {
	t.Parallel()
	digest := [32]byte{1}
	good := keycardReply(t, digest) // 3: key element, 5: key, 70: DER
	parse := func(b []byte) error { _, _, err := parseKeycardSignature(b, digest); return err }
	refuse(t, good, parse, []malformed{
		{"empty", nil, errCut},
		{"tag alone", good[:1], errCut},
		{"cut off", good[:len(good)-1], errCut},
		{"a byte after it", append(slices.Clone(good), 0), errTrailing},
		{"another template", with(good, 0, "a1"), errTag},
		{"template's length indefinite", with(good, 1, "80"), errLenForm},
		{"no key", with(good, 3, "81"), errTag},
		{"key's tag of two bytes", with(good, 3, "9f"), errTagForm},
		{"key of 127 bytes", with(good, 4, "7f"), errSize},
		{"key longer than the template", with(good, 4, "81ff"), errCut},
		{"key of 64 bytes", with(good, 4, "40"), errSize},
		{"key compressed in form", with(good, 5, "03"), passport.ErrPoint},
		{"key off the curve", with(good, 69, hex.EncodeToString([]byte{good[69] ^ 1})), passport.ErrPoint},
		{"signature without its tag", with(good, 70, "31"), passport.ErrDERTag},
		{"signature's length", with(good, 71, "40"), passport.ErrDERLength},
		{"r's tag", with(good, 72, "04"), passport.ErrDERTag},
		{"no signature", slices.Concat([]byte{0xa0, 67}, good[3:70]), passport.ErrDERLength},
	})
	raw := rawReply(t, digest) // 2: r, 34: s, 66: v
	refuse(t, raw, parse, []malformed{
		{"empty element", unhex("8000"), errSize},
		{"without v", slices.Concat([]byte{0x80, 64}, raw[2:66]), errSize},
		{"a byte more", slices.Concat([]byte{0x80, 66}, raw[2:], []byte{0}), errSize},
		{"a byte after it", append(slices.Clone(raw), 0), errTrailing},
		{"cut off", raw[:66], errCut},
		{"v of 4", with(raw, 66, "04"), errRecovery},
		{"v as Ethereum writes it", with(raw, 66, "1b"), errRecovery},
		{"v of 255", with(raw, 66, "ff"), errRecovery},
		{"v that says r overflowed", with(raw, 66, "02"), errRecovery},
		{"r zero", with(raw, 2, zeros), passport.ErrSignatureRange},
		{"s zero", with(raw, 34, zeros), passport.ErrSignatureRange},
		{"r the order", with(raw, 2, orderN), passport.ErrSignatureRange},
		{"s above the order", with(raw, 34, ones), passport.ErrSignatureRange},
		{"r no point's x", with(raw, 2, strings.Repeat("00", 31)+"05"), errRecovery},
	})
}

func TestIdentityRefuses(t *testing.T) {
	t.Parallel()
	good := vectortest.Load(t, "card.txt", 3)[2].Hex(t, "reply") // 3: 8a62, 5: key, 38: r s v, 103: DER
	parse := func(b []byte) error { _, _, err := parseIdentity(b); return err }
	refuse(t, good, parse, []malformed{
		{"empty", nil, errCut},
		{"another template", with(good, 0, "80"), errTag},
		{"cut off", good[:len(good)-1], errCut},
		{"a byte after it", append(slices.Clone(good), 0), errTrailing},
		{"no certificate", with(good, 3, "8b"), errTag},
		{"certificate of 97 bytes", with(good, 4, "61"), errSize},
		{"certificate of 99 bytes", with(good, 4, "63"), errSize},
		{"certificate longer than the template", slices.Concat([]byte{0xa0, 4, 0x8a, 98}, good[5:7]), errCut},
		{"identity key uncompressed in form", with(good, 5, "04"), passport.ErrPoint},
		{"identity key of no point", with(good, 6, ones), passport.ErrPoint},
		{"maker's r zero", with(good, 38, zeros), passport.ErrSignatureRange},
		{"maker's s above the order", with(good, 70, ones), passport.ErrSignatureRange},
		{"maker's v", with(good, 102, "04"), errRecovery},
		{"no signature", slices.Concat([]byte{0xa0, 100}, good[3:103]), passport.ErrDERLength},
		{"signature's tag", with(good, 103, "a0"), passport.ErrDERTag},
		{"signature's length", with(good, 104, "46"), passport.ErrDERLength},
		{"signature's r", with(good, 107, "80"), passport.ErrDERInteger},
	})
}

func TestCertificateRefuses(t *testing.T) {
	t.Parallel()
	good := vectortest.Load(t, "card.txt", 3)[2].Hex(t, "reply")[5:103]
	parse := func(b []byte) error { _, err := parseCertificate(b); return err }
	refuse(t, good, parse, []malformed{
		{"empty", nil, errSize},
		{"key alone", good[:33], errSize},
		{"a byte short", good[:97], errSize},
		{"a byte long", append(slices.Clone(good), 0), errSize},
		{"key of tag zero", with(good, 0, "00"), passport.ErrPoint},
		{"key of tag five", with(good, 0, "05"), passport.ErrPoint},
		{"key of no point", with(good, 1, ones), passport.ErrPoint},
		{"r zero", with(good, 33, zeros), passport.ErrSignatureRange},
		{"r the order", with(good, 33, orderN), passport.ErrSignatureRange},
		{"s zero", with(good, 65, zeros), passport.ErrSignatureRange},
		{"s above the order", with(good, 65, ones), passport.ErrSignatureRange},
		{"v of 27", with(good, 97, "1b"), errRecovery},
	})
}
