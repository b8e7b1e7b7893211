package strict

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

// grip refuses one text by name.
type grip string

func (g *grip) UnmarshalText(text []byte) error {
	switch string(text) {
	case "none":
		return fmt.Errorf("%w: doors have handles", ErrRefused)
	case "lever", "knob":
		*g = grip(text)
		return nil
	}
	return errors.New("no grip")
}

func (grip) Want() string { return `"lever" or "knob"` }

// TestRefused: keys and values that are known and must not be used say why, are
// never suggested, and come back as ErrRefused.
func TestRefused(t *testing.T) {
	t.Parallel()
	type door struct {
		Grip    grip     `toml:"grip"`
		Grips   []grip   `toml:"grips"`
		Gateway []Slug   `toml:"gateways"`
		Glue    struct{} `toml:"glue" refused:"doors must open"`
	}
	for _, c := range []one{
		{"a key", "glue = true", 1, 1, "glue", "refused: doors must open", ErrRefused},
		{"a key as a table", "[glue]\nx = 1", 1, 2, "glue", "refused: doors must open", ErrRefused},
		{"a key that is near", "glu = true", 1, 1, "glu", "unknown key; known: gateways, grip, grips", ErrUnknown},
		{"a value", `grip = "none"`, 1, 8, "grip", `refused: doors have handles, got "none"`, ErrRefused},
		{"a value in a list", `grips = ["knob", "none"]`, 1, 18, "grips[1]", `refused: doors have handles, got "none"`, ErrRefused},
		{"another value", `grip = "bar"`, 1, 8, "grip", `want "lever" or "knob", got "bar"`, nil},
		{"a text for a list of texts", `grips = "knob"`, 1, 9, "grips", `want a list of strings, got "knob"`, ErrValue},
		{"a text for a list of slugs", `gateways = "gw1"`, 1, 12, "gateways", `want a list of strings, got "gw1"`, ErrValue},
	} {
		var d door
		_, err := Decode("x.toml", []byte(c.data), &d)
		var errs Errors
		if !errors.As(err, &errs) || len(errs) != 1 {
			t.Errorf("%s: got %v", c.name, err)
			continue
		}
		if e := errs[0]; e.Line != c.line || e.Column != c.column || e.Key != c.key || !strings.Contains(e.Msg, c.msg) {
			t.Errorf("%s: got %v", c.name, e)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v is not %v", c.name, err, c.is)
		}
	}
	var d door
	if _, err := Decode("x.toml", []byte(`grips = ["knob", "lever"]`), &d); err != nil || len(d.Grips) != 2 {
		t.Errorf("%v, %v", d, err)
	}
}
