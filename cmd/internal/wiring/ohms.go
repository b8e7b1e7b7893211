package wiring

import (
	"errors"
	"strconv"
	"strings"
)

// Ohms is a resistor's value.
type Ohms int

// maxOhms is above any resistor of a supervised input; package door says which
// values it can tell apart.
const maxOhms = 10_000_000

// ErrOhms: a text that is no resistor's value.
var ErrOhms = errors.New("want " + ohmWords)

const ohmWords = `ohms such as "470", "1k" or "2.2k"`

// UnmarshalText takes whole ohms as in "470", or thousands with up to three
// decimals as in "2.2k"; all else is ErrOhms.
func (o *Ohms) UnmarshalText(text []byte) error {
	number, thousands := strings.CutSuffix(string(text), "k")
	whole, decimals, point := strings.Cut(number, ".")
	if len(decimals) > 3 || point && (decimals == "" || !thousands) ||
		len(whole) > 1 && whole[0] == '0' || !digits(whole) || !digits(decimals) && point {
		return ErrOhms
	}
	if thousands {
		whole += decimals + strings.Repeat("0", 3-len(decimals))
	}
	n, err := strconv.Atoi(whole)
	if err != nil || n == 0 || n > maxOhms {
		return ErrOhms
	}
	*o = Ohms(n)
	return nil
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Want completes "want …".
func (Ohms) Want() string { return ohmWords }

// String is as short as UnmarshalText takes it.
func (o Ohms) String() string {
	if o < 1000 {
		return strconv.Itoa(int(o))
	}
	s := strconv.Itoa(int(o / 1000))
	if rest := int(o % 1000); rest > 0 {
		s += strings.TrimRight("."+strconv.Itoa(1000 + rest)[1:], "0")
	}
	return s + "k"
}
