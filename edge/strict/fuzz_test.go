package strict

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
)

// FuzzDecode holds Decode against go-toml. Our own walk over the tree checks
// and fills; the library decodes again; the two must agree: what we accept it
// decodes to the same values, and what it refuses we refuse.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(good))
	for _, c := range malformed {
		if len(c.data) < 1000 {
			f.Add([]byte(c.data))
		}
	}
	f.Add([]byte("version = 1\n[[doors.a.pins]]\nline = 1\n[doors.a]\nlevels = [\"x\"]\n[doors]\n"))
	f.Add([]byte("version = 1\r\ndoors.a.strike = \"5s\"\r\ndoors.a.pins = []\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s, library sample
		doc, err := Decode("x", data, &s)
		refused := toml.NewDecoder(bytes.NewReader(data)).DisallowUnknownFields().Decode(&library)
		if err == nil {
			if refused != nil {
				t.Fatalf("go-toml refuses what Decode accepts: %v", refused)
			}
			var filled sample
			doc.fill(doc.root, reflect.ValueOf(&filled).Elem(), "", nil)
			if doc.Err() != nil || !reflect.DeepEqual(normal(filled), normal(s)) {
				t.Fatalf("the tree says %+v (%v), go-toml %+v", filled, doc.Err(), s)
			}
			return
		}
		var errs Errors
		if !errors.As(err, &errs) || len(errs) == 0 || len(errs) > MaxErrors+1 {
			t.Fatalf("not a list of errors: %v", err)
		}
		lines := bytes.Count(data, []byte("\n")) + 1
		for _, e := range errs {
			if e.Line < 0 || e.Line > lines || e.Column < 0 || e.Column > len(data)+1 || strings.ContainsAny(e.Error(), "\n\x00") {
				t.Fatalf("an error outside the file of %d lines, or of two lines: %+v", lines, e)
			}
		}
	})
}

// normal makes nil and empty maps and lists one: the file cannot tell them
// apart, and the two decoders choose differently.
func normal(s sample) sample {
	for _, d := range s.Doors {
		if len(d.Levels) == 0 {
			d.Levels = nil
		}
		if len(d.Pins) == 0 {
			d.Pins = nil
		}
	}
	if len(s.Doors) == 0 {
		s.Doors = nil
	}
	if len(s.Tags) == 0 {
		s.Tags = nil
	}
	return s
}

// FuzzDuration: what is read is written so that it reads the same.
func FuzzDuration(f *testing.F) {
	for _, s := range []string{"5s", "7d", "1d12h", "1.5h", "-1s", "106751d", "0.000000001s"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		d, err := ParseDuration(s)
		if err != nil {
			if !errors.Is(err, ErrDuration) {
				t.Fatal(err)
			}
			return
		}
		if back, err := ParseDuration(d.String()); err != nil || back != d {
			t.Fatalf("%q is %d, written %q, read as %d, %v", s, d, d.String(), back, err)
		}
	})
}
