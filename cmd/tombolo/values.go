package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"tombolo/edge/strict"
	"tombolo/sync/ledger"
)

// address is an Ethereum address as a flag.
type address [20]byte

var (
	errAddress  = errors.New("want an address: 0x and 40 hexadecimal digits")
	errChecksum = errors.New("the address has a wrong EIP-55 checksum: a digit is mistyped, copy it again")
)

func (a *address) Set(s string) error {
	digits, ok := strings.CutPrefix(s, "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil || len(b) != len(a) {
		return errAddress
	}
	// EIP-55: the case of mixed letters is a checksum.
	if digits != strings.ToLower(digits) && digits != strings.ToUpper(digits) && common.HexToAddress(s).Hex() != s {
		return errChecksum
	}
	*a = address(b)
	return nil
}

func (a *address) Type() string { return "0x…" }

func (a *address) String() string {
	if a == nil || *a == (address{}) {
		return ""
	}
	return common.Address(*a).Hex()
}

// MarshalText is the checksummed form.
func (a address) MarshalText() ([]byte, error) { return []byte(common.Address(a).Hex()), nil }

// hex32 is a public key or an id of 32 bytes as a flag.
type hex32 [32]byte

var errHex32 = errors.New("want 64 hexadecimal digits")

func (h *hex32) Set(s string) error {
	b, err := hex.DecodeString(strings.TrimPrefix(s, "0x"))
	if err != nil || len(b) != len(h) {
		return errHex32
	}
	*h = hex32(b)
	return nil
}

func (h *hex32) Type() string { return "HEX" }

func (h *hex32) String() string {
	if h == nil || *h == (hex32{}) {
		return ""
	}
	return hex.EncodeToString(h[:])
}

// MarshalText is 64 hexadecimal digits.
func (h hex32) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

// keys are public keys as a flag that may be given several times.
type keys []hex32

func (k *keys) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		var h hex32
		if err := h.Set(part); err != nil {
			return err
		}
		*k = append(*k, h)
	}
	return nil
}

func (k *keys) Type() string { return "HEX" }

func (k *keys) String() string {
	var all []string
	for _, h := range *k {
		all = append(all, h.String())
	}
	return strings.Join(all, ",")
}

// moment is a time as a flag, in local time unless it says otherwise, or is read
// [moment.in] another zone.
type moment struct {
	time.Time
	text string
}

var errMoment = errors.New(`want a time such as 2026-12-31, "2026-12-31 18:00" or 2026-12-31T18:00:00Z`)

func (m *moment) Set(s string) error {
	m.text = s
	return m.setIn(s, time.Local)
}

// in reads it again as a time of that zone, unless it says otherwise.
func (m *moment) in(zone *time.Location) error {
	if m.text == "" {
		return nil
	}
	return m.setIn(m.text, zone)
}

// setIn reads a time of that zone, unless it says otherwise.
func (m *moment) setIn(s string, zone *time.Location) error {
	for _, layout := range []string{time.DateOnly, "2006-01-02 15:04", time.DateTime} {
		if t, err := time.ParseInLocation(layout, s, zone); err == nil {
			m.Time = t
			return m.bound()
		}
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return errMoment
	}
	m.Time = t
	return m.bound()
}

// bound keeps to times that every format here can hold.
func (m *moment) bound() error {
	if m.Year() < 1970 || m.Unix() < 0 || m.Year() > 9999 {
		return fmt.Errorf("%w, from 1970 to 9999", errMoment)
	}
	return nil
}

func (m *moment) Type() string { return "TIME" }

func (m *moment) String() string {
	if m == nil || m.IsZero() {
		return ""
	}
	return m.Format(time.RFC3339)
}

// span is --from and --until.
type span struct{ from, until moment }

func (s *span) flags(c *cobra.Command) {
	c.Flags().Var(&s.from, "from", "valid from (default now)")
	c.Flags().Var(&s.until, "until", "valid until before (default a year later)")
}

// fill puts in the defaults and checks the order; zone is that of times which
// name none.
func (s *span) fill(now time.Time, zone *time.Location) error {
	if err := errors.Join(s.from.in(zone), s.until.in(zone)); err != nil {
		return usageError{Err: err}
	}
	if s.from.IsZero() {
		s.from.Time = now
	}
	if s.until.IsZero() {
		s.until.Time = s.from.AddDate(1, 0, 0)
	}
	if s.until.Unix() <= s.from.Unix() {
		return usage("--until %s is not after --from %s", s.until.Format(time.RFC3339), s.from.Format(time.RFC3339))
	}
	if s.until.Unix() <= now.Unix() {
		return usage("--until %s is past", s.until.Format(time.RFC3339))
	}
	return nil
}

// number reads a passport's number.
func number(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != s {
		return 0, usage("%q is no passport's number: want a whole number from 1", s)
	}
	return n, nil
}

// passportFlag has a passport's number given as a flag; 0 is none.
func passportFlag(c *cobra.Command, n *uint64, name, help string) {
	c.Flags().Var((*passportNumber)(n), name, help)
}

type passportNumber uint64

var errNumber = errors.New("want a passport's number, a whole number from 1")

func (p *passportNumber) Set(s string) error {
	n, err := number(s)
	if err != nil {
		return errNumber
	}
	*p = passportNumber(n)
	return nil
}

func (p *passportNumber) Type() string { return "N" }

func (p *passportNumber) String() string {
	if p == nil || *p == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(*p), 10)
}

// lasting is a time from now as a flag.
type lasting struct{ strict.Duration }

func (l *lasting) Set(s string) error { return l.UnmarshalText([]byte(s)) }

func (l *lasting) Type() string { return "DURATION" }

func (l *lasting) String() string {
	if l == nil || l.Duration == 0 {
		return ""
	}
	return l.Duration.String()
}

// logKinds reads names of ledger kinds.
func logKinds(names []string) (out []ledger.LogKind, err error) {
	for _, n := range names {
		switch k := ledger.LogKind(n); k {
		case ledger.CommunityLog, ledger.NodeLog, ledger.DirectoryLog, ledger.CensusLog, ledger.DoorLog:
			out = append(out, k)
		default:
			return nil, usage("--kind %s: want community, node, directory, census or door", n)
		}
	}
	return out, nil
}
