package pin

import (
	"crypto/subtle"
	"fmt"

	"golang.org/x/crypto/argon2"
)

// Cost is what one check takes. A box brings its own, so that it can grow.
type Cost struct {
	Memory uint32 // KiB, 8 to MaxMemory
	Passes uint8  // over that memory, 1 to MaxPasses
}

// The bounds of what a box may make a gateway compute: at the most about two
// seconds and 64 MiB on a small board, whoever wrote it.
const (
	MaxMemory = 64 << 10 // KiB
	MaxPasses = 10

	minMemory = 8 // KiB: RFC 9106 §3.1, for one lane
)

// DefaultCost is what OWASP's password storage cheat sheet asks of argon2id: 19
// MiB, two passes, one lane. It takes 17 ms on one core of a server, and several
// times that on a small board, for which the library has no assembly.
var DefaultCost = Cost{Memory: 19 << 10, Passes: 2}

func (c Cost) check() error {
	if c.Memory < minMemory || c.Memory > MaxMemory || c.Passes < 1 || c.Passes > MaxPasses {
		return fmt.Errorf("%w: %d KiB, %d passes", ErrCost, c.Memory, c.Passes)
	}
	return nil
}

// Random is drawn anew for each Secret, all of it.
type Random struct {
	Salt [16]byte
	None [32]byte // stands for the duress PIN where there is none
}

// Secret is a passport's hashed PINs. The zero value is right for nobody.
type Secret struct {
	cost        Cost
	salt        [16]byte
	pin, duress [32]byte
}

// Hash hashes a PIN and a duress PIN, "" for none. It returns what [CheckChoice]
// does, or [ErrCost].
func Hash(pin, duress string, c Cost, r Random) (Secret, error) {
	if err := CheckChoice(pin, duress); err != nil {
		return Secret{}, err
	}
	if err := c.check(); err != nil {
		return Secret{}, err
	}
	s := Secret{cost: c, salt: r.Salt, duress: r.None}
	s.pin = s.hash(pin)
	if duress != "" {
		s.duress = s.hash(duress)
	}
	return s, nil
}

// hash is argon2id (RFC 9106) with one lane: doors are opened on the other cores.
func (s Secret) hash(digits string) [32]byte {
	return [32]byte(argon2.IDKey([]byte(digits), s.salt[:], uint32(s.cost.Passes), s.cost.Memory, 1, 32))
}

// Check judges what was typed. Its time does not depend on whether that was
// right: both PINs have the same salt, so that one hash is held against both.
func (s Secret) Check(digits string) Result {
	if s == (Secret{}) || checkDigits(digits) != nil {
		return Wrong
	}
	h := s.hash(digits)
	right := subtle.ConstantTimeCompare(h[:], s.pin[:])
	duress := subtle.ConstantTimeCompare(h[:], s.duress[:])
	return Result(subtle.ConstantTimeSelect(duress, int(Duress), subtle.ConstantTimeSelect(right, int(Right), int(Wrong))))
}

// String shows nothing of it.
func (Secret) String() string { return "a hashed PIN" }

// GoString shows nothing of it.
func (Secret) GoString() string { return "pin.Secret{}" }

// Result is what a check found.
type Result uint8

// The results.
const (
	Wrong Result = iota
	Right
	Duress // right, and an alarm that the door does not show
)

var results = [...]string{"wrong", "right", "duress"}

func (r Result) String() string {
	if int(r) < len(results) {
		return results[r]
	}
	return fmt.Sprintf("result-%d", uint8(r))
}
