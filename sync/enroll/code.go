package enroll

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Code is what a new gateway shows as a QR: where it listens, its TLS key whole,
// and a secret by which it knows a desk that saw it.
//
// Its text is fixed for version 1:
//
//	tombolo:enroll?v=1&key=<43>&secret=<22>&at=<host:port>[&at=…]
//
// key and secret in base64url without padding (RFC 4648 §5), addresses in the
// order in which to try them. One code has one text.
type Code struct {
	Key    [32]byte // Ed25519
	Secret [16]byte // random; anew for each [Offer]
	At     []string // 1 to 4 of host:port; IPv6 in brackets, no zone
}

const (
	codePrefix = "tombolo:enroll?v=1&key="
	codeScheme = "tombolo:enroll?"
	maxCode    = 640 // characters
	maxAt      = 4
	maxHost    = 100 // characters of host:port
)

// Errors of [ParseCode] and [Code.Check].
var (
	ErrCodeText   = errors.New("not a gateway's code: it begins with " + codeScheme + "; copy it whole, in quotes")
	ErrCodeNewer  = errors.New("a code of another version: update the older of gateway and tool")
	ErrCodeKey    = errors.New("a gateway's code: its key is not 32 bytes in base64url")
	ErrCodeSecret = errors.New("a gateway's code: its secret is not 16 bytes in base64url, and not zero")
	ErrCodeAt     = fmt.Errorf("a gateway's code: want 1 to %d addresses, each once, as host:port", maxAt)
)

var base64url = base64.RawURLEncoding.Strict()

// String is the code's text.
func (c Code) String() string {
	var b strings.Builder
	b.WriteString(codePrefix + base64url.EncodeToString(c.Key[:]) + "&secret=" + base64url.EncodeToString(c.Secret[:]))
	for _, at := range c.At {
		b.WriteString("&at=" + at)
	}
	return b.String()
}

// Check tells whether the code's text can be read back: [ErrCodeSecret],
// [ErrCodeAt].
func (c Code) Check() error {
	if c.Secret == [16]byte{} {
		return ErrCodeSecret
	}
	if len(c.At) == 0 || len(c.At) > maxAt {
		return fmt.Errorf("%w: %d", ErrCodeAt, len(c.At))
	}
	for i, at := range c.At {
		if !isAddress(at) || slices.Contains(c.At[:i], at) {
			return fmt.Errorf("%w: %.120q", ErrCodeAt, at)
		}
	}
	return nil
}

// ParseCode reads a code's text, whole and strictly: String of what it returns
// is s.
func ParseCode(s string) (Code, error) {
	var c Code
	if len(s) > maxCode || !strings.HasPrefix(s, codeScheme) {
		return c, ErrCodeText
	}
	rest, ok := strings.CutPrefix(s, codePrefix)
	if !ok {
		return c, ErrCodeNewer
	}
	key, rest, ok := strings.Cut(rest, "&secret=")
	if !ok || !fill(c.Key[:], key) {
		return c, ErrCodeKey
	}
	parts := strings.Split(rest, "&at=")
	if !fill(c.Secret[:], parts[0]) {
		return c, ErrCodeSecret
	}
	c.At = parts[1:]
	return c, c.Check()
}

// fill decodes s into exactly dst.
func fill(dst []byte, s string) bool {
	b, err := base64url.DecodeString(s)
	return err == nil && len(b) == len(dst) && base64url.EncodeToString(b) == s && copy(dst, b) > 0 // s: the decoder skips line ends
}

// isAddress tells whether s is host:port in its one form.
func isAddress(s string) bool {
	if len(s) > maxHost {
		return false
	}
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a.String() == s && a.Port() != 0 && a.Addr().Zone() == "" && !a.Addr().IsUnspecified()
	}
	host, port, ok := strings.Cut(s, ":")
	n, err := strconv.ParseUint(port, 10, 16)
	if !ok || err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
		return false
	}
	labels := strings.Split(host, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return strings.Trim(labels[len(labels)-1], "0123456789") != "" // else it would be an address that is none. RFC 1123 §2.1
}
