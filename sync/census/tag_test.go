package census

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"tombolo/sync/ledger"
)

func seeded(seed byte) io.Reader { return mathrand.NewChaCha8([32]byte{seed}) }

func testKey(t testing.TB, seed byte) Key {
	t.Helper()
	key, err := NewKey(seeded(seed))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// asked is what a gateway has of one evaluation.
type asked struct {
	input      []byte
	blind      Blind
	element    Element
	evaluation Evaluation
}

func ask(t testing.TB, key Key, input []byte, rnd io.Reader) asked {
	t.Helper()
	blind, err := NewBlind(rnd)
	if err != nil {
		t.Fatal(err)
	}
	element, err := blind.Element(input)
	if err != nil {
		t.Fatal(err)
	}
	evaluation, err := key.Evaluate(element)
	if err != nil {
		t.Fatal(err)
	}
	return asked{input, blind, element, evaluation}
}

func (a asked) finish(t testing.TB, pk PublicKey) Tag {
	t.Helper()
	tag, err := Finish(pk, a.input, a.blind, a.evaluation)
	if err != nil {
		t.Fatal(err)
	}
	return tag
}

// One passport has one tag in an epoch whatever the blinds, and what the
// evaluator sees of it is never the same twice.
func TestOnePassportOneTag(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		seed := rapid.Byte().Draw(rt, "key")
		passport, other := rapid.Uint64().Draw(rt, "passport"), rapid.Uint64().Draw(rt, "other passport")
		blinds := seeded(rapid.Byte().Draw(rt, "blinds"))
		key := testKey(t, seed)
		community, epoch := ledger.CharterID{1}, ledger.EpochID{2}
		first := ask(t, key, Input(community, epoch, passport), blinds)
		second := ask(t, key, Input(community, epoch, passport), blinds)
		tag := first.finish(t, key.Public())
		if tag != second.finish(t, key.Public()) {
			rt.Fatalf("passport %d has two tags", passport)
		}
		if first.element == second.element || first.evaluation.Element == second.evaluation.Element {
			rt.Fatal("the evaluator could link two asks")
		}
		if third := ask(t, key, Input(community, epoch, other), blinds); other != passport && third.finish(t, key.Public()) == tag {
			rt.Fatalf("passports %d and %d have one tag", passport, other)
		}
	})
}

// Another key, community or epoch gives another tag of the same passport.
func TestTagsOfTwoEpochsDiffer(t *testing.T) {
	t.Parallel()
	rnd := seeded(1)
	seen := map[Tag]string{}
	for _, key := range []Key{testKey(t, 1), testKey(t, 2)} {
		for _, community := range []ledger.CharterID{{1}, {2}} {
			for _, epoch := range []ledger.EpochID{{1}, {2}} {
				tag := ask(t, key, Input(community, epoch, 7), rnd).finish(t, key.Public())
				if was, ok := seen[tag]; ok {
					t.Errorf("key %x, community %x, epoch %x: the tag of %s", key.Public(), community, epoch, was)
				}
				seen[tag] = hex.EncodeToString(tag[:])
			}
		}
	}
}

func TestEvaluationIsDeterministic(t *testing.T) {
	t.Parallel()
	key := testKey(t, 3)
	again, err := ParseKey(key.Marshal())
	if err != nil {
		t.Fatal(err)
	}
	a := ask(t, key, []byte("input"), seeded(3))
	b, err := again.Evaluate(a.element)
	if err != nil || a.evaluation != b {
		t.Errorf("the same element was evaluated as %x and %x, %v", a.evaluation, b, err)
	}
	c := ask(t, key, []byte("input"), seeded(4))
	if bytes.Equal(a.evaluation.Proof[:], c.evaluation.Proof[:]) || key.nonce(a.element).IsEqual(key.nonce(c.element)) {
		t.Error("two elements share a nonce")
	}
}

// An evaluation is worth nothing with another key, input or blind, and with any
// bit of it changed.
func TestAlteredEvaluationNeverPasses(t *testing.T) {
	t.Parallel()
	key, other := testKey(t, 1), testKey(t, 2)
	good := ask(t, key, []byte("input"), seeded(1))
	good.finish(t, key.Public())
	otherBlind := ask(t, key, []byte("input"), seeded(2)).blind
	for name, err := range map[string]error{
		"another key":   second(Finish(other.Public(), good.input, good.blind, good.evaluation)),
		"another input": second(Finish(key.Public(), []byte("inpuT"), good.blind, good.evaluation)),
		"another blind": second(Finish(key.Public(), good.input, otherBlind, good.evaluation)),
	} {
		if !errors.Is(err, ErrProof) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The evaluator that uses another key cannot prove that it used this one.
	cheat := Key{other.secret, key.public}
	evaluation, err := cheat.Evaluate(good.element)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Finish(key.Public(), good.input, good.blind, evaluation); !errors.Is(err, ErrProof) {
		t.Errorf("an evaluator with two keys: %v", err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		altered := good.evaluation
		bit := rapid.IntRange(0, 96*8-1).Draw(rt, "bit")
		if at := bit / 8; at < 32 {
			altered.Element[at] ^= 1 << (bit % 8)
		} else {
			altered.Proof[at-32] ^= 1 << (bit % 8)
		}
		if _, err := Finish(key.Public(), good.input, good.blind, altered); !errors.Is(err, ErrProof) && !errors.Is(err, ErrElement) {
			rt.Fatalf("with bit %d changed: %v", bit, err)
		}
	})
}

func second[T any](_ T, err error) error { return err }

// order is the group's, little-endian: the first scalar that is not canonical.
var order = unhex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010")

func unhex(s string) [32]byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return [32]byte(b)
}

// badElements are RFC 9496's, appendix A.3, and the identity.
var badElements = map[string][]string{
	"the identity": {"0000000000000000000000000000000000000000000000000000000000000000"},
	"non-canonical field elements": {
		"00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	},
	"negative field elements": {
		"0100000000000000000000000000000000000000000000000000000000000000",
		"01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
		"c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562",
		"c940e5a4404157cfb1628b108db051a8d439e1a421394ec4ebccb9ec92a8ac78",
		"47cfc5497c53dc8e61c91d17fd626ffb1c49e2bca94eed052281b510b1117a24",
		"f1c6165d33367351b0da8f6e4511010c68174a03b6581212c71c0e1d026c3c72",
		"87260f7a2f12495118360f02c26a470f450dadf34a413d21042b43b9d93e1309",
	},
	"non-square x²": {
		"26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
		"4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
		"de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b",
		"bcab477be20861e01e4a0e295284146a510150d9817763caf1a6f4b422d67042",
		"2a292df7e32cababbd9de088d1d1abec9fc0440f637ed2fba145094dc14bea08",
		"f4a9e534fc0d216c44b218fa0c42d99635a0127ee2e53c712f70609649fdff22",
		"8268436f8c4126196cf64b3c7ddbda90746a378625f9813dd9b8457077256731",
		"2810e5cbc2cc4d4eece54f61c6f69758e289aa7ab440b3cbeaa21995c2f4232b",
	},
	"negative xy": {
		"3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
		"a45fdc55c76448c049a1ab33f17023edfb2be3581e9c7aade8a6125215e04220",
		"d483fe813c6ba647ebbfd3ec41adca1c6130c2beeee9d9bf065c8d151c5f396e",
		"8a2e1d30050198c65a54483123960ccc38aef6848e1ec8f5f780e8523769ba32",
		"32888462f8b486c68ad7dd9610be5192bbeaf3b443951ac1a8118419d9fa097b",
		"227142501b9d4355ccba290404bde41575b037693cef1f438c47f8fbf35d1165",
		"5c37cc491da847cfeb9281d407efc41e15144c876e0170b499a96a22ed31e01e",
		"445425117cb8c90edcbc7c1cc0e74f747f2c1efa5630a967c64f287792a48a4b",
	},
	"y = 0": {"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"},
}

func TestBadElementsAreRefused(t *testing.T) {
	t.Parallel()
	key := testKey(t, 1)
	good := ask(t, key, []byte("input"), seeded(1))
	for what, all := range badElements {
		for _, s := range all {
			bad := unhex(s)
			if _, err := key.Evaluate(bad); !errors.Is(err, ErrElement) {
				t.Errorf("%s was evaluated: %s, %v", what, s, err)
			}
			if _, err := Finish(key.Public(), good.input, good.blind, Evaluation{Element: bad, Proof: good.evaluation.Proof}); !errors.Is(err, ErrElement) {
				t.Errorf("%s passed as an evaluation: %s, %v", what, s, err)
			}
			if _, err := Finish(bad, good.input, good.blind, good.evaluation); !errors.Is(err, ErrKey) {
				t.Errorf("%s passed as a key: %s, %v", what, s, err)
			}
			if err := PublicKey(bad).Check(); !errors.Is(err, ErrKey) {
				t.Errorf("%s checks as a key: %s, %v", what, s, err)
			}
		}
	}
}

// circl reduces a scalar that is too large; a second encoding of a proof would be
// a second opening of one tag.
func TestBadScalarsAreRefused(t *testing.T) {
	t.Parallel()
	key := testKey(t, 1)
	good := ask(t, key, []byte("input"), seeded(1))
	top := order
	top[31] |= 0xe0
	for name, scalar := range map[string][32]byte{"0": {}, "the order": order, "the order, high bits": top, "all ones": [32]byte(bytes.Repeat([]byte{0xff}, 32))} {
		if _, err := ParseKey(scalar[:]); !errors.Is(err, ErrKey) {
			t.Errorf("%s as a key: %v", name, err)
		}
		if _, err := Blind(scalar).Element(good.input); !errors.Is(err, ErrBlind) {
			t.Errorf("%s as a blind: %v", name, err)
		}
		if _, err := Finish(key.Public(), good.input, Blind(scalar), good.evaluation); !errors.Is(err, ErrBlind) {
			t.Errorf("%s as a blind to finish with: %v", name, err)
		}
		altered := good.evaluation
		copy(altered.Proof[32:], scalar[:])
		if _, err := Finish(key.Public(), good.input, good.blind, altered); !errors.Is(err, ErrProof) {
			t.Errorf("%s as a proof's second scalar: %v", name, err)
		}
	}
	for _, half := range []int{0, 32} { // a scalar plus the order: the same for who reduces
		altered := good.evaluation
		carry := 0
		for i, b := range order {
			sum := int(altered.Proof[half+i]) + int(b) + carry
			altered.Proof[half+i], carry = byte(sum), sum>>8
		}
		if _, err := Finish(key.Public(), good.input, good.blind, altered); !errors.Is(err, ErrProof) {
			t.Errorf("the same proof in another encoding, at %d: %v", half, err)
		}
	}
	for _, b := range [][]byte{nil, {1}, make([]byte, 31), append(key.Marshal(), 0)} {
		if _, err := ParseKey(b); !errors.Is(err, ErrKey) {
			t.Errorf("a key of %d bytes: %v", len(b), err)
		}
	}
}

func TestNoKeyNoRandomnessNoEndlessInput(t *testing.T) {
	t.Parallel()
	var none Key
	if _, err := none.Evaluate(Element{1}); !errors.Is(err, ErrKey) {
		t.Errorf("no key evaluates: %v", err)
	}
	if none.Marshal() != nil || none.Public() != (PublicKey{}) {
		t.Error("no key has an encoding")
	}
	short := func() io.Reader { return bytes.NewReader(make([]byte, 20)) }
	for what, err := range map[string]error{
		"key": second(NewKey(short())), "blind": second(NewBlind(short())), "padding": second(Padding(short())),
	} {
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("a %s of too little randomness: %v", what, err)
		}
	}
	key, long := testKey(t, 1), make([]byte, 1<<16)
	good := ask(t, key, long[1:], seeded(1))
	good.finish(t, key.Public())
	if _, err := good.blind.Element(long); !errors.Is(err, ErrInput) {
		t.Errorf("an input of 64 KiB: %v", err)
	}
	if _, err := Finish(key.Public(), long, good.blind, good.evaluation); !errors.Is(err, ErrInput) {
		t.Errorf("an input of 64 KiB to finish with: %v", err)
	}
}

// Padding is evaluated as any element is, and no two are the same.
func TestPaddingIsEvaluated(t *testing.T) {
	t.Parallel()
	key, rnd := testKey(t, 1), seeded(1)
	seen := map[Element]bool{}
	for range BatchSize {
		e, err := Padding(rnd)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := key.Evaluate(e); err != nil || seen[e] {
			t.Errorf("padding %x: %v, seen %v", e, err, seen[e])
		}
		seen[e] = true
	}
}
