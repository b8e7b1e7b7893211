package pin

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestCheckChoice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pin, duress string
		want        error
	}{
		{"8317", "", nil},
		{"8317", "4062", nil},
		{"902718364510", "115263748290", nil},
		{"", "", ErrDigits},
		{"831", "", ErrDigits},
		{"8317265904138", "", ErrDigits},
		{"83a7", "", ErrDigits},
		{"831 ", "", ErrDigits},
		{"-317", "", ErrDigits},
		{"٨٣١٧", "", ErrDigits}, // digits, but of no keypad
		{"8317\n", "", ErrDigits},
		{"1111", "", ErrTrivial},
		{"000000000000", "", ErrTrivial},
		{"1234", "", ErrTrivial},
		{"7890", "", ErrTrivial},
		{"3210", "", ErrTrivial},
		{"987654321", "", ErrTrivial},
		{"2468", "", ErrTrivial},
		{"6969", "", ErrTrivial},
		{"472472", "", ErrTrivial},
		{"1122", "", ErrTrivial},
		{"885533", "", ErrTrivial},
		{"1984", "", ErrTrivial},
		{"2026", "", ErrTrivial},
		{"2580", "", ErrTrivial},
		{"198407", "", nil},
		{"4062", "", nil}, // six up each time: nobody sees that
		{"1470", "", nil},
		{"1223", "", nil},
		{"8317", "1234", ErrTrivial},
		{"8317", "40x2", ErrDigits},
		{"8317", "406", ErrDigits},
		{"8317", "40628", ErrLength},
		{"8317", "8317", ErrSlip},
		{"8317", "8318", ErrSlip},
		{"8317", "9317", ErrSlip},
		{"8317", "3817", ErrSlip},
		{"8317", "8371", ErrSlip},
		{"8317", "7318", nil}, // swapped, but not neighbours
		{"8317", "8326", nil},
	} {
		if err := CheckChoice(tt.pin, tt.duress); !errors.Is(err, tt.want) {
			t.Errorf("%q and %q: %v, want %v", tt.pin, tt.duress, err, tt.want)
		}
	}
}

// TestTrivialLeavesEnough: what is refused must not make guessing easier.
func TestTrivialLeavesEnough(t *testing.T) {
	t.Parallel()
	for digits, all := range map[int]int{4: 10_000, 6: 1_000_000} {
		left := 0
		for i := range all {
			if trivial(fmt.Sprintf("%0*d", digits, i)) == "" {
				left++
			}
		}
		if left < all*95/100 || left > all*999/1000 {
			t.Errorf("of %d PINs %d are left", all, left)
		}
	}
}

func TestRepeats(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[0-2]{4,12}`).Draw(t, "pin")
		want := false
		for n := 1; n < len(s); n++ {
			if len(s)%n == 0 {
				same := true
				for i := range s {
					same = same && s[i] == s[i%n]
				}
				want = want || same
			}
		}
		if got := repeats(s); got != want {
			t.Errorf("%s repeats: %v, want %v", s, got, want)
		}
	})
}

// slips are the PINs of the same length that one slip makes of another.
func slips(s string) (out []string) {
	for i := range len(s) {
		for d := byte('0'); d <= '9'; d++ {
			b := []byte(s)
			b[i] = d
			out = append(out, string(b))
		}
		if i > 0 {
			b := []byte(s)
			b[i], b[i-1] = b[i-1], b[i]
			out = append(out, string(b))
		}
	}
	return out
}

func TestNear(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := rapid.StringMatching(`[0-3]{4,6}`).Draw(t, "a")
		b := rapid.StringMatching(fmt.Sprintf(`[0-3]{%d}`, len(a))).Draw(t, "b")
		if got, want := near(a, b), slices.Contains(slips(a), b); got != want {
			t.Errorf("%s is near %s: %v, want %v", b, a, got, want)
		}
		for _, s := range slips(a) {
			if !near(a, s) || !near(s, a) {
				t.Errorf("%s is not near %s", s, a)
			}
		}
	})
}

func TestFromRandom(t *testing.T) {
	t.Parallel()
	if got, ok := FromRandom(4, []byte{250, 18, 255, 3, 251, 241, 7, 99}); !ok || got != "8317" {
		t.Errorf("%q, %v", got, ok)
	}
	for name, tt := range map[string]struct {
		digits int
		random []byte
	}{
		"too few":       {4, []byte{8, 3, 1}},
		"nothing to it": {4, []byte{250, 251, 252, 253, 254, 255, 1, 2, 3}},
		"trivial":       {4, []byte{1, 2, 3, 4, 9}},
		"short":         {3, []byte{8, 3, 1}},
		"long":          {13, make([]byte, 99)},
	} {
		if got, ok := FromRandom(tt.digits, tt.random); ok || got != "" {
			t.Errorf("%s: %q", name, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		digits := rapid.IntRange(MinDigits, MaxDigits).Draw(t, "digits")
		if got, ok := FromRandom(digits, rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "random")); ok && (CheckChoice(got, "") != nil || len(got) != digits) {
			t.Errorf("%q", got)
		}
	})
}
