package census

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cloudflare/circl/oprf"
	"github.com/cloudflare/circl/zk/dleq"

	"tombolo/sync/ledger"
)

// vector is one case of a file in testdata: a line "[name]", then lines "key
// value"; indented lines carry a value on and # starts a note.
type vector struct {
	name   string
	values map[string]string
	used   map[string]bool
}

// vectors reads a file that has so many cases, and checks when the test ends that
// it asked for every value of those whose name begins so.
func vectors(t testing.TB, file string, want int, prefix string) (all []*vector) {
	t.Helper()
	f, err := os.Open(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	key := ""
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	var v *vector
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
			continue
		case line[0] == '[':
			v = &vector{strings.Trim(strings.TrimSpace(line), "[]"), map[string]string{}, map[string]bool{}}
			if strings.HasPrefix(v.name, prefix) {
				all = append(all, v)
			}
			continue
		case line[0] != ' ':
			key, words = words[0], words[1:]
		}
		v.values[key] += strings.Join(words, "")
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	if len(all) != want || want == 0 {
		t.Fatalf("%s: %d cases %q instead of %d", file, len(all), prefix, want)
	}
	t.Cleanup(func() {
		for _, v := range all {
			for key := range v.values {
				if !v.used[key] {
					t.Errorf("%s: %s: %s was not checked", file, v.name, key)
				}
			}
		}
	})
	return all
}

func (v *vector) text(t testing.TB, key string) string {
	t.Helper()
	s, ok := v.values[key]
	if !ok {
		t.Fatalf("%s: no value %s", v.name, key)
	}
	v.used[key] = true
	return s
}

func (v *vector) hex(t testing.TB, key string) []byte {
	t.Helper()
	b, err := hex.DecodeString(v.text(t, key))
	if err != nil {
		t.Fatalf("%s: %s: %v", v.name, key, err)
	}
	return b
}

func (v *vector) uint(t testing.TB, key string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(v.text(t, key), 10, 64)
	if err != nil {
		t.Fatalf("%s: %s: %v", v.name, key, err)
	}
	return n
}

// is asserts that the value is got.
func (v *vector) is(t testing.TB, key string, got []byte) {
	t.Helper()
	if want := v.hex(t, key); !bytes.Equal(got, want) {
		t.Errorf("%s: %s is\n%x, want\n%x", v.name, key, got, want)
	}
}

// The suite is the one of RFC 9497, and ours adds nothing but where its scalars
// come from.
func TestRFC9497(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "rfc9497.txt", 2, "A.1.2.") {
		derived, err := oprf.DeriveKey(suite, oprf.VerifiableMode, v.hex(t, "seed"), v.hex(t, "info"))
		if err != nil {
			t.Fatal(err)
		}
		v.is(t, "secret", marshal(derived))
		key, err := ParseKey(v.hex(t, "secret"))
		if err != nil {
			t.Fatal(err)
		}
		public := key.Public()
		v.is(t, "public", public[:])
		input, blind := v.hex(t, "input"), Blind(v.hex(t, "blind"))
		element, err := blind.Element(input)
		if err != nil {
			t.Fatal(err)
		}
		v.is(t, "element", element[:])
		ours, err := key.Evaluate(element)
		if err != nil {
			t.Fatal(err)
		}
		v.is(t, "evaluation", ours.Element[:])

		nonce, ok := parseScalar(v.hex(t, "nonce"))
		blinded, ok2 := parseElement(element)
		evaluated, ok3 := parseElement(ours.Element)
		if !ok || !ok2 || !ok3 {
			t.Fatal("the vector's own values do not parse")
		}
		proof, err := dleq.Prover{Params: proofs()}.ProveWithRandomness(key.secret, ec.Generator(), key.public, blinded, evaluated, nonce)
		if err != nil {
			t.Fatal(err)
		}
		v.is(t, "proof", marshal(proof))
		for name, p := range map[string][64]byte{"RFC's": [64]byte(v.hex(t, "proof")), "our": ours.Proof} {
			tag, err := Finish(public, input, blind, Evaluation{Element: ours.Element, Proof: p})
			if err != nil {
				t.Fatalf("%s: the %s proof: %v", v.name, name, err)
			}
			if want := v.hex(t, "output")[:32]; !bytes.Equal(tag[:], want) {
				t.Errorf("%s: the tag is %x, want %x", v.name, tag, want)
			}
		}
	}
}

func vectorKey(t testing.TB) Key {
	v := vectors(t, "census.txt", 1, "key")[0]
	key, err := NewKey(bytes.NewReader(v.hex(t, "random")))
	if err != nil {
		t.Fatal(err)
	}
	public := key.Public()
	v.is(t, "secret", key.Marshal())
	v.is(t, "public", public[:])
	return key
}

func TestTagVectors(t *testing.T) {
	t.Parallel()
	key := vectorKey(t)
	for _, v := range vectors(t, "census.txt", 3, "tag of") {
		input := Input(ledger.CharterID(v.hex(t, "community")), ledger.EpochID(v.hex(t, "epoch")), v.uint(t, "passport"))
		v.is(t, "input", input)
		blind, err := NewBlind(bytes.NewReader(v.hex(t, "random")))
		if err != nil {
			t.Fatal(err)
		}
		v.is(t, "blind", blind[:])
		element, err := blind.Element(input)
		if err != nil {
			t.Fatal(err)
		}
		v.is(t, "element", element[:])
		evaluation, err := key.Evaluate(element)
		if err != nil {
			t.Fatal(err)
		}
		v.is(t, "nonce", marshal(key.nonce(element)))
		v.is(t, "evaluation", evaluation.Element[:])
		v.is(t, "proof", evaluation.Proof[:])
		tag, err := Finish(key.Public(), input, blind, evaluation)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(tag[:], v.hex(t, "output")[:32]) {
			t.Errorf("%s: the tag is %x", v.name, tag)
		}
	}
}

func TestMessageVectors(t *testing.T) {
	t.Parallel()
	v := vectors(t, "census.txt", 1, "evaluate ask")[0]
	elements := make([]Element, v.uint(t, "elements"))
	for i := range elements {
		elements[i] = Element(marshal(ec.NewElement().MulGen(ec.NewScalar().SetUint64(uint64(i + 1)))))
	}
	sized := func(v *vector, b []byte) {
		t.Helper()
		if len(b) != int(v.uint(t, "size")) {
			t.Errorf("%s: %d bytes", v.name, len(b))
		}
		sum := sha256.Sum256(b)
		v.is(t, "sha256", sum[:])
	}
	ask := EvaluateAsk{sha256.Sum256([]byte("epoch")), elements}.Marshal()
	v.is(t, "head", ask[:len(v.hex(t, "head"))])
	sized(v, ask)

	v = vectors(t, "census.txt", 1, "evaluate answer")[0]
	answer := EvaluateAnswer{Evaluations: make([]Evaluation, v.uint(t, "evaluations")), Left: uint32(v.uint(t, "left"))}
	for i, e := range elements {
		answer.Evaluations[i] = Evaluation{Element: e, Proof: [64]byte(append(e[:], e[:]...))}
	}
	sized(v, answer.Marshal())

	v = vectors(t, "census.txt", 1, "evaluate refused")[0]
	v.is(t, "bytes", EvaluateAnswer{Left: uint32(v.uint(t, "left")), Refused: v.text(t, "refused")}.Marshal())

	v = vectors(t, "census.txt", 1, "offer ask")[0]
	v.is(t, "bytes", OfferAsk{v.uint(t, "number"), int64(v.uint(t, "opens")), int64(v.uint(t, "closes")), int64(v.uint(t, "audit"))}.Marshal())

	v = vectors(t, "census.txt", 1, "offer answer")[0]
	v.is(t, "bytes", OfferAnswer{
		Key: PublicKey(v.hex(t, "key")), Evaluator: [32]byte(v.hex(t, "evaluator")), Signature: [64]byte(v.hex(t, "signature")),
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
	for i := range v.uint(t, "lines") {
		tags = append(tags, madeLine("commitment", uint32(i))...)
	}
	for i := range v.uint(t, "again") {
		tags = append(tags, madeLine("again", uint32(i))...)
	}
	l, err := NewList(Merge(tags, nil))
	if err != nil {
		t.Fatal(err)
	}
	sum, root := sha256.Sum256(l.tags), l.Root(nil)
	v.is(t, "sha256", sum[:])
	v.is(t, "root", root[:])

	v = vectors(t, "census.txt", 1, "inclusion")[0]
	proof, err := ParseProof(v.hex(t, "bytes"))
	if err != nil || proof.Verify(root) != nil || proof.Index != int64(v.uint(t, "index")) {
		t.Errorf("%s: %v %v, line %d", v.name, err, proof.Verify(root), proof.Index)
	}
	ours, err := l.Prove(Tag(v.hex(t, "tag")))
	if err != nil {
		t.Fatal(err)
	}
	v.is(t, "bytes", ours.Marshal())

	for _, v := range vectors(t, "census.txt", 2, "absence") {
		tag := Tag(v.hex(t, "tag"))
		absence, err := ParseAbsence(v.hex(t, "bytes"))
		if err != nil || absence.Verify(root, tag) != nil || absence.Before.Index != int64(v.uint(t, "before")) {
			t.Errorf("%s: %v %v, before it line %d", v.name, err, absence.Verify(root, tag), absence.Before.Index)
		}
		ours, err := l.ProveAbsent(tag)
		if err != nil {
			t.Fatal(err)
		}
		v.is(t, "bytes", ours.Marshal())
	}
}

func TestCoversVectors(t *testing.T) {
	t.Parallel()
	v := vectors(t, "census.txt", 1, "covers")[0]
	var all []Covered
	for _, name := range []string{"first", "second"} {
		origin, err := ledger.ParseOrigin(v.text(t, name))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, Covered{
			Origin: origin, Size: int64(v.uint(t, name+"-size")), Root: [32]byte(v.hex(t, name+"-root")),
			Node: ledger.CharterID(v.hex(t, name+"-node")), Count: v.uint(t, name+"-count"), TagsRoot: [32]byte(v.hex(t, name+"-tags")), Salt: [32]byte(v.hex(t, name+"-salt")),
		})
	}
	v.is(t, "bytes", MarshalCovers(all))
	sum := CoversHash(all)
	v.is(t, "hash", sum[:])
}

func TestDrawVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors(t, "census.txt", 4, "draw") {
		lines := Indices([32]byte(v.hex(t, "seed")), [32]byte(v.hex(t, "root")), v.uint(t, "size"), uint32(v.uint(t, "sample")))
		var texts []string
		for _, i := range lines {
			texts = append(texts, strconv.FormatUint(i, 10))
		}
		if got, want := strings.Join(texts, ","), v.text(t, "lines"); got != want {
			t.Errorf("%s: lines %s, want %s", v.name, got, want)
		}
	}
}
