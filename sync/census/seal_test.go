package census_test

import (
	"bytes"
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"testing"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// auditorKey makes an auditor and what an opening is sealed for.
func auditorKey(tb testing.TB, w *world, tag census.Tag) (*ecdh.PrivateKey, census.Sealing) {
	tb.Helper()
	var seed [32]byte
	w.rnd.Read(seed[:])
	key, err := ecdh.X25519().NewPrivateKey(seed[:])
	if err != nil {
		tb.Fatal(err)
	}
	return key, census.Sealing{Community: w.community, Epoch: w.opened.ID(), Draw: [32]byte{5}, Tag: tag, Auditor: [32]byte(key.PublicKey().Bytes())}
}

func TestSealedForOneUse(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	v := w.visits[0]
	key, s := auditorKey(t, w, v.tag)
	box, err := census.Seal(s, w.open(t, v, false))
	if err != nil {
		t.Fatal(err)
	}
	full, err := census.Seal(s, w.open(t, v, true))
	if err != nil {
		t.Fatal(err)
	}
	if len(box) != len(full) || len(box) != 10<<10 {
		t.Errorf("sealed %d bytes, disclosed %d: the length tells what is in it", len(box), len(full))
	}
	t.Logf("an opening has %d bytes, disclosed %d", len(w.open(t, v, false).Marshal()), len(w.open(t, v, true).Marshal()))
	other, _ := auditorKey(t, w, v.tag)
	for _, tt := range []struct {
		name   string
		change func(s *census.Sealing, key **ecdh.PrivateKey, box *[]byte)
		want   error
	}{
		{"another community", func(s *census.Sealing, _ **ecdh.PrivateKey, _ *[]byte) { s.Community[0] ^= 1 }, census.ErrSealed},
		{"another epoch", func(s *census.Sealing, _ **ecdh.PrivateKey, _ *[]byte) { s.Epoch[0] ^= 1 }, census.ErrSealed},
		{"another draw", func(s *census.Sealing, _ **ecdh.PrivateKey, _ *[]byte) { s.Draw[0] ^= 1 }, census.ErrSealed},
		{"another tag", func(s *census.Sealing, _ **ecdh.PrivateKey, _ *[]byte) { s.Tag[0] ^= 1 }, census.ErrSealed},
		{"another auditor", func(_ *census.Sealing, key **ecdh.PrivateKey, _ *[]byte) { *key = other }, census.ErrSealed},
		{"no key", func(_ *census.Sealing, key **ecdh.PrivateKey, _ *[]byte) { *key = nil }, census.ErrAuditorKey},
		{"an altered box", func(_ *census.Sealing, _ **ecdh.PrivateKey, box *[]byte) { (*box)[500] ^= 1 }, census.ErrSealed},
		{"an altered ephemeral key", func(_ *census.Sealing, _ **ecdh.PrivateKey, box *[]byte) { (*box)[5] ^= 1 }, census.ErrSealed},
		{"another version", func(_ *census.Sealing, _ **ecdh.PrivateKey, box *[]byte) { (*box)[0] = 2 }, census.ErrSealed},
		{"a shorter box", func(_ *census.Sealing, _ **ecdh.PrivateKey, box *[]byte) { *box = (*box)[:len(*box)-1] }, census.ErrSealed},
		{"a longer box", func(_ *census.Sealing, _ **ecdh.PrivateKey, box *[]byte) { *box = append(*box, 0) }, census.ErrSealed},
		{"hardly a box", func(_ *census.Sealing, _ **ecdh.PrivateKey, box *[]byte) { *box = (*box)[:50] }, census.ErrSealed},
		{"no box", func(_ *census.Sealing, _ **ecdh.PrivateKey, box *[]byte) { *box = nil }, census.ErrSealed},
		{"a giant", func(_ *census.Sealing, _ **ecdh.PrivateKey, box *[]byte) { *box = make([]byte, ledger.MaxSealed+1) }, census.ErrSealed},
	} {
		s, key, box := s, key, bytes.Clone(box)
		tt.change(&s, &key, &box)
		if _, err := census.Unseal(key, s, box); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
	weak := s
	weak.Auditor = [32]byte{} // RFC 7748 §6.1: of small order
	if _, err := census.Seal(weak, w.open(t, v, false)); !errors.Is(err, census.ErrAuditorKey) {
		t.Errorf("sealed to a key of small order: %v", err)
	}
	p256, err := ecdh.P256().GenerateKey(w.rnd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := census.Unseal(p256, s, box); !errors.Is(err, census.ErrAuditorKey) {
		t.Errorf("opened with a key of another curve: %v", err)
	}
	huge := w.open(t, v, false)
	huge.Report.Note = make([]byte, ledger.MaxSealed)
	if _, err := census.Seal(s, huge); !errors.Is(err, census.ErrSealedSize) {
		t.Errorf("sealed what does not fit: %v", err)
	}
}

// TestSealedHostile: who seals may put anything into the box.
func TestSealedHostile(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	v := w.visits[0]
	key, s := auditorKey(t, w, v.tag)
	info := append([]byte("tombolo/v1/census/opening\n"), s.Community[:]...)
	for _, part := range [][32]byte{s.Epoch, s.Draw, s.Tag, s.Auditor} {
		info = append(info, part[:]...)
	}
	to, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(s.Auditor[:])
	if err != nil {
		t.Fatal(err)
	}
	text := w.open(t, v, false).Marshal()
	whole := append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
	for name, padded := range map[string][]byte{
		"nothing":                   {},
		"half a length":             {0, 0},
		"a length beyond the box":   {0, 0, 0, 1},
		"the longest length":        {255, 255, 255, 255},
		"no opening":                {0, 0, 0, 0},
		"something behind the end":  append(bytes.Clone(whole), 0, 0, 1),
		"an opening cut short":      append(binary.BigEndian.AppendUint32(nil, uint32(len(text)-1)), text[:len(text)-1]...),
		"another encoding of it":    append([]byte{0, 0, 0, 3}, 0x9f, 0x01, 0xff),
		"an array of other things":  append([]byte{0, 0, 0, 2}, 0x81, 0x01),
		"a map":                     append([]byte{0, 0, 0, 1}, 0xa0),
		"nesting without an end":    append([]byte{0, 0, 0, 64}, bytes.Repeat([]byte{0x81}, 64)...),
		"a giant that is announced": append([]byte{0, 0, 0, 5}, 0x9a, 0xff, 0xff, 0xff, 0xff),
	} {
		box, err := hpke.Seal(to, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info, padded)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := census.Unseal(key, s, append([]byte{1}, box...)); !errors.Is(err, census.ErrMalformed) && !errors.Is(err, census.ErrSealed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	good, err := hpke.Seal(to, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), info, append(whole, 0, 0))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := census.Unseal(key, s, append([]byte{1}, good...)); err != nil {
		t.Errorf("the info is another than is documented: %v", err)
	}
}

// malformed openings: each is refused for its own reason.
func TestMalformedOpenings(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	v := w.visits[0]
	for name, change := range map[string]func(o *census.Opening){
		"a negative index":            func(o *census.Opening) { o.Index = -1 },
		"a long proof":                func(o *census.Opening) { o.Proof = make([][32]byte, 49) },
		"a long proof of admission":   func(o *census.Opening) { o.Admission.Proof = make([][32]byte, 49) },
		"a long proof of the report":  func(o *census.Opening) { o.Report.Proof = make([][32]byte, 49) },
		"a long head":                 func(o *census.Opening) { o.Report.Note = make([]byte, ledger.MaxNote+1) },
		"a long issuer's head":        func(o *census.Opening) { o.Admission.Note = make([]byte, ledger.MaxNote+1) },
		"a long disclosed head":       func(o *census.Opening) { o.Full.Decision.Note = make([]byte, ledger.MaxNote+1) },
		"a negative disclosed index":  func(o *census.Opening) { o.Full.Passage.Index = -1 },
		"no delegation":               func(o *census.Opening) { o.Delegation = nil },
		"a long delegation":           func(o *census.Opening) { o.Delegation = append(o.Delegation, 0) },
		"a line of an empty list":     func(o *census.Opening) { o.Tags.Size = 0 },
		"a line behind the list":      func(o *census.Opening) { o.Tags.Index = o.Tags.Size },
		"a long proof in the list":    func(o *census.Opening) { o.Tags.Hashes = make([][32]byte, 65) },
		"more than may be sealed":     func(o *census.Opening) { o.Attendance.Body = make([]byte, ledger.MaxSealed) },
		"an admission before nothing": func(o *census.Opening) { o.Admission.Index = -5 },
	} {
		o := w.open(t, v, true)
		if _, err := census.ParseOpening(o.Marshal()); err != nil {
			t.Fatal(err)
		}
		change(&o)
		if _, err := census.ParseOpening(o.Marshal()); !errors.Is(err, census.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzOpening(f *testing.F) {
	w := aWorld(f, plain)
	for _, v := range w.visits {
		f.Add(w.open(f, v, false).Marshal())
		f.Add(w.open(f, v, true).Marshal())
	}
	f.Add([]byte{})
	rules, entry := w.rules(), w.listed(f, w.visits[0])
	real := w.open(f, w.visits[0], false)
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := census.ParseOpening(b)
		if err != nil {
			if !errors.Is(err, census.ErrMalformed) {
				t.Errorf("%v", err)
			}
			return
		}
		if !bytes.Equal(o.Marshal(), b) {
			t.Error("it comes back as other bytes")
		}
		// Signatures under a head can be added and taken away, what is signed cannot.
		if err := o.Verify(rules, entry); err == nil && (o.Passport != real.Passport || o.Tag != real.Tag || string(o.Attendance.Body) != string(real.Attendance.Body)) {
			t.Error("an opening that nobody made verifies")
		}
	})
}
