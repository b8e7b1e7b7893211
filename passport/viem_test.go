package passport_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ethereum/go-ethereum/crypto"
	"tombolo/passport"
)

// installViem runs npm ci in testdata/viem, unless what is there came from the
// same package-lock.json. A lock on that file keeps two test runs apart.
func installViem(t *testing.T, ctx context.Context, dir string) {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	lock, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	sum := fmt.Sprintf("%x\n", sha256.Sum256(lock))
	stamp := filepath.Join(dir, "node_modules", ".tombolo-installed")
	if b, err := os.ReadFile(stamp); err == nil && string(b) == sum {
		return
	}
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci (install nodejs and npm): %v\n%s", err, out)
	}
	if err := os.WriteFile(stamp, []byte(sum), 0o644); err != nil {
		t.Fatal(err)
	}
}

// question and answer are the lines of testdata/viem/wallet.mjs.
type question struct {
	Typed     json.RawMessage `json:"typed,omitempty"`
	Key       string          `json:"key,omitempty"`
	Address   string          `json:"address,omitempty"`
	Signature string          `json:"signature,omitempty"`
	Preimage  string          `json:"preimage,omitempty"`
	Point     string          `json:"point,omitempty"`
}

type answer struct {
	Digest, Address, Signature, Compact, Recovered, Point string
	Valid                                                 bool
}

// askViem puts all questions to one process.
func askViem(t *testing.T, questions []question) []answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	dir, err := filepath.Abs("../testdata/viem")
	if err != nil {
		t.Fatal(err)
	}
	installViem(t, ctx, dir)
	var in, stderr bytes.Buffer
	enc := json.NewEncoder(&in)
	for _, q := range questions {
		if err := enc.Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(ctx, "node", "wallet.mjs")
	cmd.Dir, cmd.Stdin, cmd.Stderr = dir, &in, &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("node wallet.mjs: %v\n%s", err, stderr.String())
	}
	var answers []answer
	for dec := json.NewDecoder(bytes.NewReader(out)); dec.More(); {
		var a answer
		if err := dec.Decode(&a); err != nil {
			t.Fatal(err)
		}
		answers = append(answers, a)
	}
	if len(answers) != len(questions) {
		t.Fatalf("%d answers to %d questions", len(answers), len(questions))
	}
	return answers
}

func hex0x(b []byte) string { return "0x" + hex.EncodeToString(b) }

func unhex0x(t *testing.T, s string) []byte {
	t.Helper()
	return unhex(t, strings.TrimPrefix(s, "0x"))
}

// sameAddress compares without the checksum's letter case.
func sameAddress(a [20]byte, s string) bool { return strings.EqualFold(hex0x(a[:]), s) }

// randomDelegation is valid, over the whole range of each field.
func randomDelegation(t *testing.T, r *rand.Rand) (passport.Domain, passport.Delegation, *passport.SoftKey) {
	kind := kinds[r.IntN(len(kinds))]
	key := softKey(t, kind, r.Uint64())
	d := passport.Delegation{Passport: passport.ID(r.Uint64() >> r.IntN(64)), Key: key.Key(), Mode: passport.ModeTap}
	d.Passport = max(d.Passport, 1)
	d.NotBefore = r.Uint64() >> (1 + r.IntN(63))
	d.NotAfter = d.NotBefore + 1 + r.Uint64N(1<<63)
	if r.IntN(3) > 0 {
		for i := range d.Scope {
			d.Scope[i] = byte(r.Uint32())
		}
	}
	if !kind.Card() {
		d.Mode = passport.Mode(1 + r.IntN(3))
	}
	dom := passport.Domain{ChainID: max(1, r.Uint64()>>r.IntN(64))}
	for i := range dom.Registry {
		dom.Registry[i] = byte(r.Uint32())
	}
	return dom, d, key
}

// TestViem holds delegations and revocations against a JavaScript wallet
// library, both ways: digest, signature, compact form and recovery.
func TestViem(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(source(seed))
	type sample struct {
		dom        passport.Domain
		d          passport.Delegation
		r          passport.Revocation
		revokes    bool
		owner      [20]byte
		digest     [32]byte
		compact    [64]byte
		possession passport.Signature
	}
	var samples []sample
	var questions []question
	for i := range 120 {
		var s sample
		var key *passport.SoftKey
		s.dom, s.d, key = randomDelegation(t, r)
		s.r = passport.Revocation{Passport: s.d.Passport, Point: s.d.Key.Point}
		s.revokes = i%6 == 5
		seed := sha256.Sum256(binary.BigEndian.AppendUint64(nil, r.Uint64()))
		w := wallet(t, seed)
		s.owner = crypto.PubkeyToAddress(w.PublicKey)
		var typed []byte
		var err, signErr error
		if s.revokes {
			s.digest = s.r.Digest(s.dom)
			typed, err = s.r.TypedData(s.dom)
			s.compact, signErr = passport.SignRevocation(w, s.dom, s.r)
		} else {
			s.digest = s.d.Digest(s.dom)
			typed, err = s.d.TypedData(s.dom)
			s.compact, signErr = passport.SignDelegation(w, s.dom, s.d)
		}
		if err != nil || signErr != nil {
			t.Fatal(err, signErr)
		}
		if s.possession, err = key.Sign(passport.PossessionChallenge(s.digest)); err != nil {
			t.Fatal(err)
		}
		rsv := append(bytes.Clone(s.compact[:]), 27+s.compact[32]>>7)
		rsv[32] &= 0x7f
		samples = append(samples, s)
		questions = append(questions,
			question{Typed: typed, Key: hex0x(seed[:])},
			question{Typed: typed, Address: hex0x(s.owner[:]), Signature: hex0x(rsv)})
	}
	answers := askViem(t, questions)
	for i, s := range samples {
		theirs, ofOurs := answers[2*i], answers[2*i+1]
		if theirs.Digest != hex0x(s.digest[:]) {
			t.Errorf("%d: digest %x, viem %s", i, s.digest, theirs.Digest)
		}
		if !sameAddress(s.owner, theirs.Address) {
			t.Errorf("%d: owner %x, viem %s", i, s.owner, theirs.Address)
		}
		if !ofOurs.Valid || !sameAddress(s.owner, ofOurs.Recovered) {
			t.Errorf("%d: viem refuses our signature: recovered %s", i, ofOurs.Recovered)
		}
		fromWallet := unhex0x(t, theirs.Signature)
		compact, err := passport.CompactSignature(fromWallet)
		if err != nil || hex0x(compact[:]) != theirs.Compact {
			t.Errorf("%d: compact %x, viem %s, %v", i, compact, theirs.Compact, err)
		}
		if s.revokes {
			if signer, err := passport.RecoverRevocation(s.dom, s.r, compact); err != nil || signer != s.owner {
				t.Errorf("%d: revocation recovers %x, %v", i, signer, err)
			}
			continue
		}
		signed, err := passport.NewSignedDelegation(s.dom, s.d, fromWallet, s.possession)
		if err != nil {
			t.Errorf("%d: %v", i, err)
			continue
		}
		if signer, err := signed.Verify([]passport.Domain{s.dom}); err != nil || signer != s.owner {
			t.Errorf("%d: recovers %x, %v", i, signer, err)
		}
	}
}

// TestWebCrypto: a browser's non-extractable P-256 key signs the preimages with
// "ECDSA with SHA-256", and its signatures are windows, taps and possessions.
func TestWebCrypto(t *testing.T) {
	t.Parallel()
	s, c, digest := statement(), challenge(), [32]byte{1}
	var questions []question
	preimages := [][]byte{s.Preimage(), c.Preimage(), passport.PossessionPreimage(digest)}
	for i := range 8 * len(preimages) {
		questions = append(questions, question{Preimage: hex0x(preimages[i%len(preimages)])})
	}
	ours := softKey(t, passport.KindPhone, 3)
	sig, err := ours.Sign(s.Sum())
	if err != nil {
		t.Fatal(err)
	}
	point, err := passport.UncompressedPoint(ours.Key())
	if err != nil {
		t.Fatal(err)
	}
	questions = append(questions, question{Preimage: hex0x(preimages[0]), Point: hex0x(point[:]), Signature: hex0x(sig[:])})
	answers := askViem(t, questions)
	if !answers[len(answers)-1].Valid {
		t.Error("the browser refuses our phone key's signature")
	}
	high := 0
	for i, a := range answers[:len(answers)-1] {
		key, err := passport.NewKey(passport.KindPhone, unhex0x(t, a.Point))
		if err != nil {
			t.Fatal(err)
		}
		raw := unhex0x(t, a.Signature)
		if len(raw) != 64 {
			t.Fatalf("signature of %d bytes", len(raw))
		}
		sig, v := passport.Signature(raw), verifier(t, key)
		if sig.HighS(passport.P256) {
			high++
		}
		switch i % len(preimages) {
		case 0:
			err = s.Window(key.ID(), sig).Verify(v, s.Community, s.Target)
		case 1:
			var answer passport.Tap
			if answer, err = passport.NewTap(c, key, sig); err == nil {
				err = answer.Verify(v, c.Community, c.Place)
			}
		case 2:
			err = v.Verify(passport.PossessionChallenge(digest), sig)
		}
		if err != nil {
			t.Errorf("%d: %v (high s: %v)", i, err, sig.HighS(passport.P256))
		}
	}
	t.Logf("%d of %d signatures had a high s", high, len(answers)-1)
}
