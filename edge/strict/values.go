package strict

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"
)

// ErrDuration: a text that is no duration.
var ErrDuration = errors.New(`want a duration such as "5s", "30m", "72h" or "7d"`)

// day has 24 hours: these are ages, not calendar days.
const day = 24 * time.Hour

// Duration is a length of time, zero or more, written as Go does ("5s",
// "1h30m") or with whole days in front ("7d", "1d12h").
type Duration time.Duration

// ParseDuration reads what String writes, and what Go's durations may be. It
// refuses signs and overflow; all its errors are ErrDuration.
func ParseDuration(s string) (Duration, error) {
	// The longest that String writes is shorter than this.
	if len(s) > 40 || strings.ContainsAny(s, "+-") {
		return 0, ErrDuration
	}
	var days int64
	rest := s
	if head, tail, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseInt(head, 10, 64)
		if err != nil || n > math.MaxInt64/int64(day) {
			return 0, ErrDuration
		}
		days, rest = n, tail
		if rest == "" {
			return Duration(days * int64(day)), nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || int64(d) > math.MaxInt64-days*int64(day) {
		return 0, ErrDuration
	}
	return Duration(days*int64(day) + int64(d)), nil
}

// UnmarshalText is ParseDuration.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := ParseDuration(string(text))
	if err != nil {
		return err
	}
	*d = v
	return nil
}

// MarshalText is String.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String is the shortest form with whole days in front: "7d", "1d12h", "1m30s".
func (d Duration) String() string {
	if d < 0 {
		return time.Duration(d).String()
	}
	days, rest := time.Duration(d)/day, time.Duration(d)%day
	var b strings.Builder
	if days > 0 {
		b.WriteString(strconv.FormatInt(int64(days), 10) + "d")
		if rest == 0 {
			return b.String()
		}
	}
	s := rest.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	b.WriteString(s)
	return b.String()
}

// ErrSlug: a text that is no slug.
var ErrSlug = errors.New("want " + slugWords)

const (
	maxSlug   = 32
	slugWords = `a slug: 1 to 32 of a-z, 0-9 and "-"`
)

// Slug is a name that stands in files, topics and logs: [a-z0-9-]{1,32}.
type Slug string

// UnmarshalText refuses all else with ErrSlug.
func (s *Slug) UnmarshalText(text []byte) error {
	if len(text) == 0 || len(text) > maxSlug {
		return ErrSlug
	}
	for _, c := range text {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-') {
			return ErrSlug
		}
	}
	*s = Slug(text)
	return nil
}

// Want completes "want …".
func (Slug) Want() string { return slugWords }
