package passport_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"tombolo/passport"
)

func challenge() passport.Challenge {
	door := passport.DoorTarget(passport.NodeID{2}, "front")
	return passport.Challenge{
		Community: passport.CommunityID{1},
		Place:     passport.TapPlace([32]byte{5}, door),
		Time:      1_767_225_600,
		Nonce:     [32]byte{6, 31: 7},
	}
}

func tap(t testing.TB, kind passport.KeyKind) (passport.Tap, *passport.SoftKey) {
	t.Helper()
	key, c := softKey(t, kind, 31), challenge()
	sig, err := key.Sign(c.Sum())
	if err != nil {
		t.Fatal(err)
	}
	answer, err := passport.NewTap(c, key.Key(), sig)
	if err != nil {
		t.Fatal(err)
	}
	return answer, key
}

func TestTapVerify(t *testing.T) {
	t.Parallel()
	c := challenge()
	for _, kind := range kinds {
		answer, key := tap(t, kind)
		v := verifier(t, key.Key())
		if err := answer.Verify(v, c.Community, c.Place); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if answer.Challenge(c.Community, c.Place) != c {
			t.Errorf("%s: the challenge is lost", kind)
		}
		// A card may answer with a high s: what is stored is one form of it.
		high, err := passport.NewTap(c, key.Key(), highS(kind.Curve(), answer.Sig))
		if err != nil {
			t.Fatal(err)
		}
		if kind.Curve() == passport.Secp256k1 && high != answer {
			t.Errorf("%s: one signature, two taps", kind)
		}
		if err := high.Verify(v, c.Community, c.Place); err != nil {
			t.Errorf("%s, high s: %v", kind, err)
		}
		if err := passport.VerifyTapOpened(v, c.Community, c.PlaceCommitment(), c.TimeCommitment(), answer.Sig); err != nil {
			t.Errorf("%s, opened: %v", kind, err)
		}
		otherTime, otherNonce, otherKind := answer, answer, answer
		otherTime.Time = 0
		otherNonce.Nonce[0]++
		otherKind.Key.Kind = passport.KindKeycard + passport.KindHalo - kind
		otherGateway := passport.TapPlace([32]byte{9}, passport.DoorTarget(passport.NodeID{2}, "front"))
		for _, bad := range []struct {
			name      string
			tap       passport.Tap
			community passport.CommunityID
			place     passport.Target
			want      error
		}{
			{"another community", answer, passport.CommunityID{8}, c.Place, passport.ErrSignature},
			{"another gateway at the door", answer, c.Community, otherGateway, passport.ErrSignature},
			{"the bare door", answer, c.Community, passport.DoorTarget(passport.NodeID{2}, "front"), passport.ErrSignature},
			{"another time", otherTime, c.Community, c.Place, passport.ErrSignature},
			{"another nonce", otherNonce, c.Community, c.Place, passport.ErrSignature},
			{"another kind", otherKind, c.Community, c.Place, passport.ErrKeyMismatch},
		} {
			if err := bad.tap.Verify(v, bad.community, bad.place); !errors.Is(err, bad.want) {
				t.Errorf("%s, %s: %v", kind, bad.name, err)
			}
		}
	}
}

// TestTapIsNoWindow: an answer to a tap cannot pass for a code, nor a code's
// signature for a tap, even where nonce, place and time agree.
func TestTapIsNoWindow(t *testing.T) {
	t.Parallel()
	c, key := challenge(), softKey(t, passport.KindPhone, 1)
	v := verifier(t, key.Key())
	tapped, err := key.Sign(c.Sum())
	if err != nil {
		t.Fatal(err)
	}
	place, time := c.PlaceCommitment(), c.TimeCommitment()
	if err := passport.VerifyOpened(v, c.Community, 1, place, time, tapped); !errors.Is(err, passport.ErrSignature) {
		t.Errorf("a tap as a code: %v", err)
	}
	s := statement()
	w, err := passport.SignWindow(key, s)
	if err != nil {
		t.Fatal(err)
	}
	if err := passport.VerifyTapOpened(v, s.Community, s.Place(), s.Time(), w.Sig); !errors.Is(err, passport.ErrSignature) {
		t.Errorf("a code as a tap: %v", err)
	}
}

// TestPreimages: what a phone signs with "ECDSA with SHA-256" hashes to the
// challenge that is verified.
func TestPreimages(t *testing.T) {
	t.Parallel()
	c, s, digest := challenge(), statement(), [32]byte{1, 2}
	for name, pair := range map[string]struct {
		preimage []byte
		sum      [32]byte
	}{
		"tap":        {c.Preimage(), c.Sum()},
		"window":     {s.Preimage(), s.Sum()},
		"possession": {passport.PossessionPreimage(digest), passport.PossessionChallenge(digest)},
	} {
		if sha256.Sum256(pair.preimage) != pair.sum {
			t.Errorf("%s: the sum is not the preimage's", name)
		}
		if !bytes.HasPrefix(pair.preimage, []byte("tombolo/v1/"+name+"\n")) {
			t.Errorf("%s: preimage %q", name, pair.preimage)
		}
	}
}

func TestParseTapMalformed(t *testing.T) {
	t.Parallel()
	n := passport.Secp256k1.Order()
	half := unhex(t, "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1")
	// Where the fields begin, as the type's comment has them.
	const kind, point, r, s = 41, 42, 75, 107
	for _, c := range []struct {
		name   string
		kind   passport.KeyKind
		change func([]byte) []byte
		want   error
	}{
		{"nothing", 1, func(b []byte) []byte { return nil }, passport.ErrLength},
		{"a byte less", 1, func(b []byte) []byte { return b[:138] }, passport.ErrLength},
		{"a byte more", 1, func(b []byte) []byte { return append(b, 0) }, passport.ErrLength},
		{"version 0", 1, func(b []byte) []byte { b[0] = 0; return b }, passport.ErrVersion},
		{"version 2", 1, func(b []byte) []byte { b[0] = 2; return b }, passport.ErrVersion},
		{"kind 0", 1, func(b []byte) []byte { b[kind] = 0; return b }, passport.ErrKeyKind},
		{"kind 5", 1, func(b []byte) []byte { b[kind] = 5; return b }, passport.ErrKeyKind},
		{"no point", 1, func(b []byte) []byte { clear(b[point:r]); return b }, passport.ErrPoint},
		{"prefix 4", 3, func(b []byte) []byte { b[point] = 4; return b }, passport.ErrPoint},
		{"r zero", 1, func(b []byte) []byte { clear(b[r:s]); return b }, passport.ErrSignatureRange},
		{"s zero", 3, func(b []byte) []byte { clear(b[s:]); return b }, passport.ErrSignatureRange},
		{"r of n", 2, func(b []byte) []byte { copy(b[r:], n[:]); return b }, passport.ErrSignatureRange},
		{"s of n", 4, func(b []byte) []byte { copy(b[s:], n[:]); return b }, passport.ErrSignatureRange},
		{"s high", 1, func(b []byte) []byte { copy(b[s:], half); return b }, passport.ErrHighS},
	} {
		answer, _ := tap(t, c.kind)
		raw, _ := answer.MarshalBinary()
		if got, err := passport.ParseTap(c.change(raw)); !errors.Is(err, c.want) || got != (passport.Tap{}) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := passport.NewTap(challenge(), passport.Key{}, passport.Signature{1}); !errors.Is(err, passport.ErrKeyKind) {
		t.Errorf("no key: %v", err)
	}
	answer, _ := tap(t, passport.KindHalo)
	if _, err := passport.NewTap(challenge(), answer.Key, passport.Signature{}); !errors.Is(err, passport.ErrSignatureRange) {
		t.Errorf("no signature: %v", err)
	}
}

// FuzzParseTap: what is accepted is given back byte for byte, and verifying it
// never panics.
func FuzzParseTap(f *testing.F) {
	for _, kind := range kinds {
		answer, _ := tap(f, kind)
		raw, _ := answer.MarshalBinary()
		f.Add(raw)
		f.Add(raw[:len(raw)-1])
	}
	c := challenge()
	f.Fuzz(func(t *testing.T, b []byte) {
		answer, err := passport.ParseTap(b)
		if err != nil {
			return
		}
		if again, err := answer.MarshalBinary(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
		v, err := passport.NewVerifier(answer.Key)
		if err != nil {
			t.Fatalf("a parsed key is not valid: %v", err)
		}
		_ = answer.Verify(v, c.Community, c.Place)
	})
}
