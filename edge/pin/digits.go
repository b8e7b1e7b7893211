package pin

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The lengths of a PIN, in digits.
const (
	MinDigits = 4
	MaxDigits = 12
)

// What a PIN may not be. No error quotes it.
var (
	ErrDigits  = fmt.Errorf("a PIN is %d to %d digits, 0 to 9", MinDigits, MaxDigits)
	ErrTrivial = errors.New("that PIN is among the first that anybody tries")
	ErrLength  = errors.New("the duress PIN needs as many digits as the PIN: whoever watches counts them")
	ErrSlip    = errors.New("the duress PIN is too near the PIN: one slip of a finger would raise the alarm, or keep it from being raised")
)

func checkDigits(s string) error {
	if len(s) < MinDigits || len(s) > MaxDigits {
		return ErrDigits
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return ErrDigits
		}
	}
	return nil
}

// CheckChoice judges a PIN that somebody chose, and the duress PIN beside it,
// "" for none. It returns [ErrDigits], [ErrTrivial], [ErrLength] or [ErrSlip].
func CheckChoice(pin, duress string) error {
	if err := checkOne(pin); err != nil || duress == "" {
		return err
	}
	if err := checkOne(duress); err != nil {
		return fmt.Errorf("the duress PIN: %w", err)
	}
	switch {
	case len(pin) != len(duress):
		return ErrLength
	case near(pin, duress):
		return ErrSlip
	}
	return nil
}

func checkOne(s string) error {
	if err := checkDigits(s); err != nil {
		return err
	}
	if why := trivial(s); why != "" {
		return fmt.Errorf("%w: %s", ErrTrivial, why)
	}
	return nil
}

// trivial says why a PIN is guessed first, "" if it is not. What is refused
// leaves 95% of those with four digits, and nearly all of the longer ones.
func trivial(s string) string {
	switch {
	case steady(s):
		return "each digit follows from the one before it, as in 1111, 1234 or 9753"
	case repeats(s):
		return "a part of it is repeated, as in 1212"
	case doubled(s):
		return "each digit is doubled, as in 1122"
	case len(s) == 4 && (s[:2] == "19" || s[:2] == "20"):
		return "it could be the year of a birth"
	case slices.Contains([]string{"2580", "0852"}, s):
		return "it is a column of the keypad"
	}
	return ""
}

// steady reports whether all steps from digit to digit are the same and at most
// two up or down; 0 follows 9.
func steady(s string) bool {
	step := (10 + s[1] - s[0]) % 10
	for i := 2; i < len(s); i++ {
		if (10+s[i]-s[i-1])%10 != step {
			return false
		}
	}
	return step <= 2 || step >= 8
}

// repeats reports whether s is a shorter text twice or more.
func repeats(s string) bool {
	return strings.Contains((s + s)[1:2*len(s)-1], s)
}

func doubled(s string) bool {
	for i := 0; i+1 < len(s); i += 2 {
		if s[i] != s[i+1] {
			return false
		}
	}
	return len(s)%2 == 0
}

// near reports whether one slip makes one of two PINs of one length the other:
// one digit another, or two neighbours swapped.
func near(a, b string) bool {
	var at []int
	for i := range len(a) {
		if a[i] != b[i] {
			at = append(at, i)
		}
	}
	switch len(at) {
	case 0, 1:
		return true
	case 2:
		i, j := at[0], at[1]
		return j == i+1 && a[i] == b[j] && a[j] == b[i]
	}
	return false
}

// FromRandom makes a PIN of so many digits out of random bytes, ok is false when
// there are not enough of them or what comes out is trivial: draw again. Every
// PIN that it makes is as likely as any other.
func FromRandom(digits int, random []byte) (pin string, ok bool) {
	if digits < MinDigits || digits > MaxDigits {
		return "", false
	}
	var b []byte
	for _, r := range random {
		if r < 250 && len(b) < digits { // 250 is a multiple of 10: no digit is favoured
			b = append(b, '0'+r%10)
		}
	}
	if len(b) < digits || trivial(string(b)) != "" {
		return "", false
	}
	return string(b), true
}
