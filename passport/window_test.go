package passport_test

import (
	"bytes"
	"errors"
	"testing"

	"tombolo/passport"
)

var windowKinds = []passport.KeyKind{passport.KindPhone, passport.KindSoftware}

func statement() passport.WindowStatement {
	return passport.WindowStatement{
		Community: passport.CommunityID{1},
		Passport:  17,
		Target:    passport.DoorTarget(passport.NodeID{2}, "front"),
		Start:     1_767_225_600,
		Length:    20,
		Nonce:     [16]byte{3, 15: 4},
	}
}

func window(t testing.TB, kind passport.KeyKind) (passport.Window, *passport.SoftKey) {
	t.Helper()
	key := softKey(t, kind, 21)
	w, err := passport.SignWindow(key, statement())
	if err != nil {
		t.Fatal(err)
	}
	return w, key
}

func TestWindowVerify(t *testing.T) {
	t.Parallel()
	for _, kind := range windowKinds {
		w, key := window(t, kind)
		v, s := verifier(t, key.Key()), statement()
		if err := w.Verify(v, s.Community, s.Target); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		w.Sig = highS(kind.Curve(), w.Sig)
		if err := w.Verify(v, s.Community, s.Target); err != nil {
			t.Errorf("%s, other s: %v", kind, err)
		}
		// The shorts on the wire agree, the full ids do not: 8 bytes can be
		// searched, 32 are signed.
		lookalike, elsewhere := s.Community, s.Target
		lookalike[31] ^= 1
		elsewhere[31] ^= 1
		for _, c := range []struct {
			name      string
			community passport.CommunityID
			target    passport.Target
			key       passport.Verifier
			want      error
		}{
			{"another community", passport.CommunityID{9}, s.Target, v, passport.ErrCommunity},
			{"another door", s.Community, passport.DoorTarget(passport.NodeID{2}, "back"), v, passport.ErrTarget},
			{"its node", s.Community, passport.NodeTarget(passport.NodeID{2}), v, passport.ErrTarget},
			{"another key", s.Community, s.Target, verifier(t, softKey(t, kind, 22).Key()), passport.ErrKeyMismatch},
			{"a lookalike community", lookalike, s.Target, v, passport.ErrSignature},
			{"a lookalike door", s.Community, elsewhere, v, passport.ErrSignature},
			{"no key", s.Community, s.Target, passport.Verifier{}, passport.ErrKeyMismatch},
		} {
			if err := w.Verify(c.key, c.community, c.target); !errors.Is(err, c.want) {
				t.Errorf("%s, %s: %v", kind, c.name, err)
			}
		}
	}
}

// TestWindowTampered: every bit of the 118 bytes counts.
func TestWindowTampered(t *testing.T) {
	t.Parallel()
	s := statement()
	for _, kind := range windowKinds {
		w, key := window(t, kind)
		v := verifier(t, key.Key())
		raw, _ := w.MarshalBinary()
		for i := range len(raw) * 8 {
			b := bytes.Clone(raw)
			b[i/8] ^= 1 << (i % 8)
			changed, err := passport.ParseWindow(b)
			if err == nil {
				err = changed.Verify(v, s.Community, s.Target)
			}
			if err == nil {
				t.Errorf("%s: bit %d does not count", kind, i)
			}
		}
	}
}

// TestCardSignsNoWindow: not by this package, and not with a signature that the
// card was tricked into.
func TestCardSignsNoWindow(t *testing.T) {
	t.Parallel()
	for _, kind := range []passport.KeyKind{passport.KindHalo, passport.KindKeycard} {
		key, s := softKey(t, kind, 1), statement()
		if _, err := passport.SignWindow(key, s); !errors.Is(err, passport.ErrCardWindow) {
			t.Errorf("%s signs: %v", kind, err)
		}
		sig, err := key.Sign(s.Sum())
		if err != nil {
			t.Fatal(err)
		}
		v := verifier(t, key.Key())
		if err := s.Window(key.Key().ID(), sig).Verify(v, s.Community, s.Target); !errors.Is(err, passport.ErrCardWindow) {
			t.Errorf("%s verifies: %v", kind, err)
		}
		if err := passport.VerifyOpened(v, s.Community, s.Passport, s.Place(), s.Time(), sig); !errors.Is(err, passport.ErrCardWindow) {
			t.Errorf("%s verifies opened: %v", kind, err)
		}
	}
}

func TestSignWindowRefuses(t *testing.T) {
	t.Parallel()
	key := softKey(t, passport.KindSoftware, 1)
	for name, c := range map[string]struct {
		change func(*passport.WindowStatement)
		want   error
	}{
		"passport 0": {func(s *passport.WindowStatement) { s.Passport = 0 }, passport.ErrPassport},
		"no target":  {func(s *passport.WindowStatement) { s.Target = passport.Target{} }, passport.ErrTarget},
		"0 s":        {func(s *passport.WindowStatement) { s.Length = 0 }, passport.ErrWindowLength},
		"14 s":       {func(s *passport.WindowStatement) { s.Length = 14 }, passport.ErrWindowLength},
		"15 s":       {func(s *passport.WindowStatement) { s.Length = 15 }, nil},
		"30 s":       {func(s *passport.WindowStatement) { s.Length = 30 }, nil},
		"31 s":       {func(s *passport.WindowStatement) { s.Length = 31 }, passport.ErrWindowLength},
	} {
		s := statement()
		c.change(&s)
		if _, err := passport.SignWindow(key, s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		sig, err := key.Sign(s.Sum())
		if err != nil {
			t.Fatal(err)
		}
		w := s.Window(key.Key().ID(), sig)
		if err := w.Verify(verifier(t, key.Key()), s.Community, s.Target); !errors.Is(err, c.want) {
			t.Errorf("%s, signed elsewhere: %v", name, err)
		}
	}
}

// TestWindowAt at every boundary: start − length ≤ now < start + 2·length.
func TestWindowAt(t *testing.T) {
	t.Parallel()
	const early, ok, over = passport.WindowEarly, passport.WindowOK, passport.WindowOver
	for _, c := range []struct {
		start  uint32
		length uint8
		now    int64
		want   passport.WindowState
	}{
		{1000, 15, 0, early},
		{1000, 15, 984, early},
		{1000, 15, 985, ok}, // one window of skew before
		{1000, 15, 1000, ok},
		{1000, 15, 1014, ok},
		{1000, 15, 1015, ok}, // over by its own word, within the skew
		{1000, 15, 1029, ok},
		{1000, 15, 1030, over},
		{1000, 30, 969, early},
		{1000, 30, 970, ok},
		{1000, 30, 1059, ok},
		{1000, 30, 1060, over},
		{0, 15, -16, early}, // nothing wraps around
		{0, 15, -15, ok},
		{0, 15, 29, ok},
		{0, 15, 30, over},
		{1<<32 - 1, 30, 0, early},
		{1<<32 - 1, 30, 1<<32 - 1 + 59, ok},
		{1<<32 - 1, 30, 1<<32 - 1 + 60, over},
		{1000, 15, -1 << 63, early},
		{1000, 15, 1<<63 - 1, over},
	} {
		w := passport.Window{Start: c.start, Length: c.length}
		if got := w.At(c.now); got != c.want {
			t.Errorf("start %d, length %d, at %d: %s", c.start, c.length, c.now, got)
		}
	}
}

// TestWindowOpenings: each commitment is shown alone, by its own salt, and the
// signature verifies with both closed.
func TestWindowOpenings(t *testing.T) {
	t.Parallel()
	s := statement()
	w, key := window(t, passport.KindPhone)
	v := verifier(t, key.Key())
	place, time := s.Place(), s.Time()
	if err := passport.VerifyOpened(v, s.Community, s.Passport, place, time, w.Sig); err != nil {
		t.Error(err)
	}
	if err := passport.VerifyOpened(v, s.Community, s.Passport+1, place, time, w.Sig); !errors.Is(err, passport.ErrSignature) {
		t.Errorf("another passport: %v", err)
	}
	if err := passport.VerifyOpened(v, s.Community, s.Passport, time, place, w.Sig); !errors.Is(err, passport.ErrSignature) {
		t.Errorf("place and time exchanged: %v", err)
	}
	placeSalt, timeSalt := passport.PlaceSalt(s.Nonce[:]), passport.TimeSalt(s.Nonce[:])
	if err := place.OpenPlace(placeSalt, s.Target); err != nil {
		t.Error(err)
	}
	if err := time.OpenTime(timeSalt, uint64(s.Start), s.Length); err != nil {
		t.Error(err)
	}
	for name, err := range map[string]error{
		"another target":          place.OpenPlace(placeSalt, passport.Target{1}),
		"the time's salt":         place.OpenPlace(timeSalt, s.Target),
		"another nonce":           place.OpenPlace(passport.PlaceSalt(make([]byte, 16)), s.Target),
		"the time, as a place":    time.OpenPlace(placeSalt, s.Target),
		"one bit of the target's": place.OpenPlace(placeSalt, func() passport.Target { x := s.Target; x[31] ^= 1; return x }()),
	} {
		if !errors.Is(err, passport.ErrPlaceOpening) {
			t.Errorf("place by %s: %v", name, err)
		}
	}
	for name, err := range map[string]error{
		"another start":        time.OpenTime(timeSalt, uint64(s.Start)+1, s.Length),
		"another length":       time.OpenTime(timeSalt, uint64(s.Start), s.Length+1),
		"the place's salt":     time.OpenTime(placeSalt, uint64(s.Start), s.Length),
		"the place, as a time": place.OpenTime(timeSalt, uint64(s.Start), s.Length),
	} {
		if !errors.Is(err, passport.ErrTimeOpening) {
			t.Errorf("time by %s: %v", name, err)
		}
	}
}

func TestParseWindowMalformed(t *testing.T) {
	t.Parallel()
	// Where the fields begin, as the type's comment has them.
	const number, length, r, s = 9, 29, 54, 86
	for _, c := range []struct {
		name   string
		change func([]byte) []byte
		want   error
	}{
		{"nothing", func(b []byte) []byte { return nil }, passport.ErrLength},
		{"a byte alone", func(b []byte) []byte { return b[:1] }, passport.ErrLength},
		{"a byte less", func(b []byte) []byte { return b[:117] }, passport.ErrLength},
		{"a byte more", func(b []byte) []byte { return append(b, 0) }, passport.ErrLength},
		{"twice", func(b []byte) []byte { return append(b, b...) }, passport.ErrLength},
		{"version 0", func(b []byte) []byte { b[0] = 0; return b }, passport.ErrVersion},
		{"version 2", func(b []byte) []byte { b[0] = 2; return b }, passport.ErrVersion},
		{"passport 0", func(b []byte) []byte { clear(b[number : number+8]); return b }, passport.ErrPassport},
		{"0 s", func(b []byte) []byte { b[length] = 0; return b }, passport.ErrWindowLength},
		{"14 s", func(b []byte) []byte { b[length] = 14; return b }, passport.ErrWindowLength},
		{"31 s", func(b []byte) []byte { b[length] = 31; return b }, passport.ErrWindowLength},
		{"255 s", func(b []byte) []byte { b[length] = 255; return b }, passport.ErrWindowLength},
		{"r zero", func(b []byte) []byte { clear(b[r:s]); return b }, passport.ErrSignatureRange},
		{"s zero", func(b []byte) []byte { clear(b[s:]); return b }, passport.ErrSignatureRange},
	} {
		w, _ := window(t, passport.KindSoftware)
		raw, _ := w.MarshalBinary()
		if got, err := passport.ParseWindow(c.change(raw)); !errors.Is(err, c.want) || got != (passport.Window{}) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// FuzzParseWindow: what is accepted is given back byte for byte, and verifying
// it never panics.
func FuzzParseWindow(f *testing.F) {
	var verifiers []passport.Verifier
	for _, kind := range windowKinds {
		w, key := window(f, kind)
		raw, _ := w.MarshalBinary()
		f.Add(raw)
		f.Add(raw[1:])
		verifiers = append(verifiers, verifier(f, key.Key()))
	}
	s := statement()
	f.Fuzz(func(t *testing.T, b []byte) {
		w, err := passport.ParseWindow(b)
		if err != nil {
			return
		}
		if again, err := w.MarshalBinary(); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%x became %x, %v", b, again, err)
		}
		for _, v := range verifiers {
			w.Key = v.KeyID().Short()
			_ = w.Verify(v, s.Community, s.Target)
		}
		w.At(int64(w.Start))
	})
}
