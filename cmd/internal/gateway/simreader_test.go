package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"tombolo/passport"
)

// tapDoor notes what a reader tells.
type tapDoor struct {
	Doors      // nil: nothing else is told
	mu         sync.Mutex
	challenges []passport.Challenge
	heard      []string
	tap        passport.Challenge
	key        passport.Key
	sig        passport.Signature
	err        error // of Unread
	place      passport.Target
}

func (d *tapDoor) Challenge(_ string, nonce [32]byte) passport.Challenge {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := passport.Challenge{Place: d.place, Time: uint64(len(d.challenges)), Nonce: nonce}
	d.challenges = append(d.challenges, c)
	return c
}

func (d *tapDoor) Tap(_ context.Context, door string, exit bool, ch passport.Challenge, key passport.Key, sig passport.Signature) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard = append(d.heard, fmt.Sprintf("tap %s %v", door, exit))
	d.tap, d.key, d.sig = ch, key, sig
	return nil
}

func (d *tapDoor) Unread(_ context.Context, door string, exit bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard = append(d.heard, fmt.Sprintf("unread %s %v", door, exit))
	return d.err
}

func (d *tapDoor) Key(_ context.Context, door string, exit bool, key byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.heard = append(d.heard, fmt.Sprintf("key %s %v %c", door, exit, key))
	return nil
}

func answer(k *passport.SoftKey, challenge []byte) []byte {
	sig, err := k.Sign([32]byte(challenge))
	if err != nil {
		panic(err)
	}
	b, _ := k.Key().AppendBinary(nil) // returns no error
	return append(b, sig[:]...)
}

func TestSimReader(t *testing.T) {
	t.Parallel()
	k, err := passport.GenerateSoftKey(passport.KindPhone, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	var d tapDoor
	r := &simReader{ctx: t.Context(), to: &d, now: func() time.Time { return now }}

	if err := r.Tap("front", false, make([]byte, 98)); !errors.Is(err, errNoChallenge) {
		t.Errorf("without a challenge: %v", err)
	}
	good := answer(k, r.Challenge("front", true))
	if err := r.Tap("front", true, good); err != nil {
		t.Fatal(err)
	}
	if d.tap != d.challenges[0] || d.key != k.Key() || d.tap.Nonce == [32]byte{} {
		t.Errorf("tapped %+v by %v", d.tap, d.key)
	}
	v, err := passport.NewVerifier(k.Key())
	if err != nil {
		t.Fatal(err)
	}
	if err := v.Verify(d.tap.Sum(), d.sig); err != nil {
		t.Errorf("the signature that arrives: %v", err)
	}
	if err := r.Tap("front", false, good); !errors.Is(err, errNoChallenge) {
		t.Errorf("a challenge answered twice: %v", err)
	}

	old, fresh := r.Challenge("front", false), r.Challenge("front", false)
	if slices.Equal(old, fresh) {
		t.Error("two challenges are the same")
	}
	if err := r.Tap("front", false, answer(k, fresh)); err != nil || d.tap != d.challenges[2] {
		t.Errorf("the last of two challenges: %v", err)
	}

	late := answer(k, r.Challenge("front", false))
	now = now.Add(challengeLife)
	if err := r.Tap("front", false, late); !errors.Is(err, errNoChallenge) {
		t.Errorf("after 10 s: %v", err)
	}
	inTime := answer(k, r.Challenge("front", false))
	now = now.Add(challengeLife - 1)
	if err := r.Tap("front", false, inTime); err != nil {
		t.Errorf("just before: %v", err)
	}
	if err := r.Key("front", false, '#'); err != nil {
		t.Error(err)
	}
	if want := []string{"tap front true", "tap front false", "tap front false", "key front false #"}; !slices.Equal(d.heard, want) {
		t.Errorf("heard %q", d.heard)
	}
}

// TestSimReaderRefuses what is no answer on the way in, and passes it on on the
// way out; each uses the challenge up.
func TestSimReaderRefuses(t *testing.T) {
	t.Parallel()
	k, err := passport.GenerateSoftKey(passport.KindSoftware, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var d tapDoor
	r := &simReader{ctx: t.Context(), to: &d, now: time.Now}
	good := answer(k, r.Challenge("front", false))
	change := func(at int, to byte) []byte {
		b := slices.Clone(good)
		b[at] = to
		return b
	}
	for _, c := range []struct {
		name   string
		answer []byte
		want   error
	}{
		{"nothing", nil, errAnswer},
		{"a byte", good[:1], errAnswer},
		{"a key alone", good[:34], errAnswer},
		{"a signature alone", good[34:], errAnswer},
		{"a byte short", good[:97], errAnswer},
		{"a byte long", append(slices.Clone(good), 0), errAnswer},
		{"twice", slices.Concat(good, good), errAnswer},
		{"no kind", change(0, 0), passport.ErrKeyKind},
		{"another kind", change(0, 5), passport.ErrKeyKind},
		{"a point uncompressed", change(1, 4), passport.ErrPoint},
		{"no point", append(append([]byte{4, 2}, slices.Repeat([]byte{0xff}, 32)...), good[34:]...), passport.ErrPoint},
		{"a point of zeros", append(append([]byte{1, 2}, make([]byte, 32)...), good[34:]...), passport.ErrPoint},
	} {
		r.Challenge("front", false)
		if err := r.Tap("front", false, c.answer); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if err := r.Tap("front", false, good); !errors.Is(err, errNoChallenge) {
			t.Errorf("%s did not use the challenge up: %v", c.name, err)
		}
	}
	if d.heard != nil {
		t.Errorf("heard %q", d.heard)
	}
}

// TestSimReaderExit: on the way out whatever is presented is told, readable or
// not.
func TestSimReaderExit(t *testing.T) {
	t.Parallel()
	k, err := passport.GenerateSoftKey(passport.KindPhone, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	d := tapDoor{}
	r := &simReader{ctx: t.Context(), to: &d, now: func() time.Time { return now }}
	good := answer(k, r.Challenge("front", true))
	noKey := slices.Clone(good)
	noKey[0] = 0
	for _, c := range []struct {
		name   string
		asked  bool
		late   time.Duration
		answer []byte
		want   string
	}{
		{"good", true, 0, good, "tap front true"},
		{"answered before", false, 0, good, "unread front true"},
		{"late", true, challengeLife, good, "unread front true"},
		{"nothing", true, 0, nil, "unread front true"},
		{"short", true, 0, good[:97], "unread front true"},
		{"long", true, 0, append(slices.Clone(good), 0), "unread front true"},
		{"no key", true, 0, noKey, "unread front true"},
		{"all at once", false, 0, noKey[:50], "unread front true"},
	} {
		if c.asked {
			r.Challenge("front", true)
		}
		now = now.Add(c.late)
		d.heard = nil
		if err := r.Tap("front", true, c.answer); err != nil || !slices.Equal(d.heard, []string{c.want}) {
			t.Errorf("%s: heard %q, %v", c.name, d.heard, err)
		}
	}
	d.err = errors.New("the controller has stopped")
	if err := r.Tap("front", true, nil); !errors.Is(err, d.err) {
		t.Errorf("not passed on: %v", err)
	}
}
