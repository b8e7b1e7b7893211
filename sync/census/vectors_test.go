package census

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cloudflare/circl/oprf"
	"github.com/cloudflare/circl/zk/dleq"

	"tombolo/passport/vectortest"
	"tombolo/sync/ledger"
)

// vectors reads a file's cases whose names begin so; the test asks for every value of them.
func vectors(t testing.TB, file string, want int, prefix string) []*vectortest.Case {
	t.Helper()
	return vectortest.Whole(t, vectortest.LoadFrom(t, filepath.Join("testdata", file), prefix, want))
}

// The suite is the one of RFC 9497, and ours adds nothing but where its scalars
// come from.
func TestRFC9497(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "rfc9497.txt", 2, "A.1.2.") {
		derived, err := oprf.DeriveKey(suite, oprf.VerifiableMode, v.Hex(t, "seed"), v.Hex(t, "info"))
		if err != nil {
			t.Fatal(err)
		}
		v.Is(t, "secret", marshal(derived))
		key, err := ParseKey(v.Hex(t, "secret"))
		if err != nil {
			t.Fatal(err)
		}
		public := key.Public()
		v.Is(t, "public", public[:])
		input, blind := v.Hex(t, "input"), Blind(v.Hex(t, "blind"))
		element, err := blind.Element(input)
		if err != nil {
			t.Fatal(err)
		}
		v.Is(t, "element", element[:])
		ours, err := key.Evaluate(element)
		if err != nil {
			t.Fatal(err)
		}
		v.Is(t, "evaluation", ours.Element[:])

		nonce, ok := parseScalar(v.Hex(t, "nonce"))
		blinded, ok2 := parseElement(element)
		evaluated, ok3 := parseElement(ours.Element)
		if !ok || !ok2 || !ok3 {
			t.Fatal("the vector's own values do not parse")
		}
		proof, err := dleq.Prover{Params: proofs()}.ProveWithRandomness(key.secret, ec.Generator(), key.public, blinded, evaluated, nonce)
		if err != nil {
			t.Fatal(err)
		}
		v.Is(t, "proof", marshal(proof))
		for name, p := range map[string][64]byte{"RFC's": [64]byte(v.Hex(t, "proof")), "our": ours.Proof} {
			tag, err := Finish(public, input, blind, Evaluation{Element: ours.Element, Proof: p})
			if err != nil {
				t.Fatalf("%s: the %s proof: %v", v.Name, name, err)
			}
			if want := v.Hex(t, "output")[:32]; !bytes.Equal(tag[:], want) {
				t.Errorf("%s: the tag is %x, want %x", v.Name, tag, want)
			}
		}
	}
}

func vectorKey(t testing.TB) Key {
	v := vectors(t, "census.txt", 1, "key")[0]
	key, err := NewKey(bytes.NewReader(v.Hex(t, "random")))
	if err != nil {
		t.Fatal(err)
	}
	public := key.Public()
	v.Is(t, "secret", key.Marshal())
	v.Is(t, "public", public[:])
	return key
}

func TestTagVectors(t *testing.T) {
	t.Parallel()
	key := vectorKey(t)
	for _, v := range vectors(t, "census.txt", 3, "tag of") {
		input := Input(ledger.CharterID(v.Hex(t, "community")), ledger.EpochID(v.Hex(t, "epoch")), v.Uint(t, "passport"))
		v.Is(t, "input", input)
		blind, err := NewBlind(bytes.NewReader(v.Hex(t, "random")))
		if err != nil {
			t.Fatal(err)
		}
		v.Is(t, "blind", blind[:])
		element, err := blind.Element(input)
		if err != nil {
			t.Fatal(err)
		}
		v.Is(t, "element", element[:])
		evaluation, err := key.Evaluate(element)
		if err != nil {
			t.Fatal(err)
		}
		v.Is(t, "nonce", marshal(key.nonce(element)))
		v.Is(t, "evaluation", evaluation.Element[:])
		v.Is(t, "proof", evaluation.Proof[:])
		tag, err := Finish(key.Public(), input, blind, evaluation)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(tag[:], v.Hex(t, "output")[:32]) {
			t.Errorf("%s: the tag is %x", v.Name, tag)
		}
	}
}

func TestMessageVectors(t *testing.T) {
	t.Parallel()
	v := vectors(t, "census.txt", 1, "evaluate ask")[0]
	elements := make([]Element, v.Uint(t, "elements"))
	for i := range elements {
		elements[i] = Element(marshal(ec.NewElement().MulGen(ec.NewScalar().SetUint64(uint64(i + 1)))))
	}
	sized := func(v *vectortest.Case, b []byte) {
		t.Helper()
		if len(b) != int(v.Uint(t, "size")) {
			t.Errorf("%s: %d bytes", v.Name, len(b))
		}
		sum := sha256.Sum256(b)
		v.Is(t, "sha256", sum[:])
	}
	ask := EvaluateAsk{sha256.Sum256([]byte("epoch")), elements}.Marshal()
	v.Is(t, "head", ask[:len(v.Hex(t, "head"))])
	sized(v, ask)

	v = vectors(t, "census.txt", 1, "evaluate answer")[0]
	answer := EvaluateAnswer{Evaluations: make([]Evaluation, v.Uint(t, "evaluations")), Left: uint32(v.Uint(t, "left"))}
	for i, e := range elements {
		answer.Evaluations[i] = Evaluation{Element: e, Proof: [64]byte(append(e[:], e[:]...))}
	}
	sized(v, answer.Marshal())

	v = vectors(t, "census.txt", 1, "evaluate refused")[0]
	v.Is(t, "bytes", EvaluateAnswer{Left: uint32(v.Uint(t, "left")), Refused: v.Text(t, "refused")}.Marshal())

	v = vectors(t, "census.txt", 1, "offer ask")[0]
	v.Is(t, "bytes", OfferAsk{v.Uint(t, "number"), int64(v.Uint(t, "opens")), int64(v.Uint(t, "closes")), int64(v.Uint(t, "audit"))}.Marshal())

	v = vectors(t, "census.txt", 1, "offer answer")[0]
	v.Is(t, "bytes", OfferAnswer{
		Key: PublicKey(v.Hex(t, "key")), Evaluator: [32]byte(v.Hex(t, "evaluator")), Signature: [64]byte(v.Hex(t, "signature")),
	}.Marshal())
}

// madeLine is a line of the vectors' list.
func madeLine(commitment string, i uint32) []byte {
	n := binary.BigEndian.AppendUint32(nil, i)
	tag, c := sha256.Sum256(append([]byte("tag"), n...)), sha256.Sum256(append([]byte(commitment), n...))
	return append(tag[:], c[:]...)
}

func TestListVectors(t *testing.T) {
	t.Parallel()
	v := vectors(t, "census.txt", 1, "list")[0]
	var tags []byte
	for i := range v.Uint(t, "lines") {
		tags = append(tags, madeLine("commitment", uint32(i))...)
	}
	for i := range v.Uint(t, "again") {
		tags = append(tags, madeLine("again", uint32(i))...)
	}
	l, err := NewList(Merge(tags, nil))
	if err != nil {
		t.Fatal(err)
	}
	sum, root := sha256.Sum256(l.tags), l.Root(nil)
	v.Is(t, "sha256", sum[:])
	v.Is(t, "root", root[:])

	v = vectors(t, "census.txt", 1, "inclusion")[0]
	proof, err := ParseProof(v.Hex(t, "bytes"))
	if err != nil || proof.Verify(root) != nil || proof.Index != int64(v.Uint(t, "index")) {
		t.Errorf("%s: %v %v, line %d", v.Name, err, proof.Verify(root), proof.Index)
	}
	ours, err := l.Prove(Tag(v.Hex(t, "tag")))
	if err != nil {
		t.Fatal(err)
	}
	v.Is(t, "bytes", ours.Marshal())

	for _, v := range vectors(t, "census.txt", 2, "absence") {
		tag := Tag(v.Hex(t, "tag"))
		absence, err := ParseAbsence(v.Hex(t, "bytes"))
		if err != nil || absence.Verify(root, tag) != nil || absence.Before.Index != int64(v.Uint(t, "before")) {
			t.Errorf("%s: %v %v, before it line %d", v.Name, err, absence.Verify(root, tag), absence.Before.Index)
		}
		ours, err := l.ProveAbsent(tag)
		if err != nil {
			t.Fatal(err)
		}
		v.Is(t, "bytes", ours.Marshal())
	}
}

func TestCoversVectors(t *testing.T) {
	t.Parallel()
	v := vectors(t, "census.txt", 1, "covers")[0]
	var all []Covered
	for _, name := range []string{"first", "second"} {
		origin, err := ledger.ParseOrigin(v.Text(t, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Covered{
			Origin: origin, Size: int64(v.Uint(t, name+"-size")), Root: [32]byte(v.Hex(t, name+"-root")),
			Node: ledger.CharterID(v.Hex(t, name+"-node")), Count: v.Uint(t, name+"-count"), TagsRoot: [32]byte(v.Hex(t, name+"-tags")), Salt: [32]byte(v.Hex(t, name+"-salt")),
		})
	}
	v.Is(t, "bytes", MarshalCovers(all))
	sum := CoversHash(all)
	v.Is(t, "hash", sum[:])
}

func TestDrawVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "census.txt", 4, "draw") {
		lines := Indices([32]byte(v.Hex(t, "seed")), [32]byte(v.Hex(t, "root")), v.Uint(t, "size"), uint32(v.Uint(t, "sample")))
		var texts []string
		for _, i := range lines {
			texts = append(texts, strconv.FormatUint(i, 10))
		}
		if got, want := strings.Join(texts, ","), v.Text(t, "lines"); got != want {
			t.Errorf("%s: lines %s, want %s", v.Name, got, want)
		}
	}
}
