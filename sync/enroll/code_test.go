package enroll

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const theCode = "tombolo:enroll?v=1&key=AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA&secret=8PHy8_T19vf4-fr7_P3-_w&at=192.0.2.7:8662&at=gw1.local:8662"

// TestCode locks in the text.
func TestCode(t *testing.T) {
	t.Parallel()
	c := Code{At: []string{"192.0.2.7:8662", "gw1.local:8662"}}
	for i := range c.Key {
		c.Key[i] = byte(i + 1)
	}
	for i := range c.Secret {
		c.Secret[i] = byte(0xf0 + i)
	}
	if got := c.String(); got != theCode {
		t.Errorf("written %s", got)
	}
	if got, err := ParseCode(theCode); err != nil || !reflect.DeepEqual(got, c) {
		t.Errorf("read %+v, %v", got, err)
	}
}

func TestCodeMalformed(t *testing.T) {
	t.Parallel()
	replace := func(old, new string) string {
		if !strings.Contains(theCode, old) {
			t.Fatal(old)
		}
		return strings.Replace(theCode, old, new, 1)
	}
	at := func(s string) string { return theCode[:strings.Index(theCode, "&at=")] + s }
	for _, tt := range []struct {
		in   string
		want error
	}{
		{"", ErrCodeText},
		{"T0123", ErrCodeText},
		{" " + theCode, ErrCodeText},
		{"TOMBOLO:ENROLL?" + theCode[15:], ErrCodeText},
		{theCode + strings.Repeat("&at=192.0.2.7:1", 40), ErrCodeText},
		{"tombolo:enroll?", ErrCodeNewer},
		{replace("v=1", "v=2"), ErrCodeNewer},
		{replace("v=1&key", "v=1&Key"), ErrCodeNewer},
		{replace("key=AQ", "key="), ErrCodeKey},
		{replace("key=AQ", "key=AQAQ"), ErrCodeKey},
		{replace("HyA&", "HyB&"), ErrCodeKey},  // bits behind the last byte
		{replace("HyA&", "HyA=&"), ErrCodeKey}, // padding
		{replace("key=AQID", "key=\nAQID"), ErrCodeKey},
		{replace("key=AQID", "key=AQ+D"), ErrCodeKey}, // another alphabet
		{replace("&secret=", "&s="), ErrCodeKey},
		{replace("_w&at", "_x&at"), ErrCodeSecret},
		{replace("secret=8PHy", "secret="), ErrCodeSecret},
		{replace("8PHy8_T19vf4-fr7_P3-_w", strings.Repeat("A", 22)), ErrCodeSecret},
		{replace("_w&at", "_w&x=1&at"), ErrCodeSecret},
		{at(""), ErrCodeAt},
		{at("&at="), ErrCodeAt},
		{at("&at=192.0.2.7"), ErrCodeAt},
		{at("&at=192.0.2.7:0"), ErrCodeAt},
		{at("&at=192.0.2.7:08"), ErrCodeAt},
		{at("&at=192.0.2.7:65536"), ErrCodeAt},
		{at("&at=192.0.2.999:1"), ErrCodeAt},
		{at("&at=192.0.2:1"), ErrCodeAt},
		{at("&at=0.0.0.0:1"), ErrCodeAt},
		{at("&at=[::]:1"), ErrCodeAt},
		{at("&at=[fe80::1%eth0]:1"), ErrCodeAt},
		{at("&at=[2001:DB8::1]:1"), ErrCodeAt},
		{at("&at=2001:db8::1:1"), ErrCodeAt},
		{at("&at=GW1.local:1"), ErrCodeAt},
		{at("&at=-gw.local:1"), ErrCodeAt},
		{at("&at=gw..local:1"), ErrCodeAt},
		{at("&at=gw1.local.:1"), ErrCodeAt},
		{at("&at=gw1.local:http"), ErrCodeAt},
		{at("&at=gw1.local:1&x=2"), ErrCodeAt},
		{at("&at=gw1:1&at=gw1:1"), ErrCodeAt},
		{at("&at=a:1&at=b:1&at=c:1&at=d:1&at=e:1"), ErrCodeAt},
		{at("&at=" + strings.Repeat("a", 64) + ":1"), ErrCodeAt},
		{at("&at=" + strings.Repeat("a.", 50) + "a:1"), ErrCodeAt},
	} {
		if _, err := ParseCode(tt.in); !errors.Is(err, tt.want) {
			t.Errorf("%.200q: %v, want %v", tt.in, err, tt.want)
		}
	}
}

func TestCodeRoundTrip(t *testing.T) {
	t.Parallel()
	address := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) string {
			return fmt.Sprintf("10.%d.%d.%d:%d", rapid.Byte().Draw(t, "a"), rapid.Byte().Draw(t, "b"), rapid.Byte().Draw(t, "c"), rapid.IntRange(1, 65535).Draw(t, "port"))
		}),
		rapid.StringMatching(`\[2001:db8::[1-9a-f]{1,4}\]:[1-9][0-9]{0,3}`),
		rapid.StringMatching(`[a-z]([a-z0-9-]{0,10}[a-z0-9])?(\.[a-z]{1,8}){0,3}:[1-9][0-9]{0,3}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		c := Code{At: rapid.SliceOfNDistinct(address, 1, maxAt, rapid.ID[string]).Draw(t, "at")}
		copy(c.Key[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "key"))
		copy(c.Secret[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "secret"))
		c.Secret[0] |= 1
		if err := c.Check(); err != nil {
			t.Fatal(err)
		}
		if got, err := ParseCode(c.String()); err != nil || !reflect.DeepEqual(got, c) {
			t.Fatalf("%s: %+v, %v", c, got, err)
		}
	})
}

// FuzzCode: what is read is written the same.
func FuzzCode(f *testing.F) {
	f.Add(theCode)
	f.Add(strings.Replace(theCode, "gw1.local", "[2001:db8::1]", 1))
	f.Add(strings.Replace(theCode, "key=AQ", "key=\n", 1))
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCode(s)
		if err != nil {
			return
		}
		if got := c.String(); got != s {
			t.Errorf("%q was written as %q", s, got)
		}
	})
}
