package strict

import (
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// fill checks n against v's type and tag and stores what is right in v. It
// rejects all that is wrong and goes on.
func (d *Document) fill(n *node, v reflect.Value, tag reflect.StructTag, path Path) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	if tu, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		d.fillText(n, v, tu, tag, path)
		return
	}
	ok := false
	switch v.Kind() {
	case reflect.Struct:
		if ok = n.kind == unstable.Table; ok {
			d.fillStruct(n, v, path)
		}
	case reflect.Map:
		if ok = n.kind == unstable.Table; ok {
			d.fillMap(n, v, path)
		}
	case reflect.Slice:
		if ok = n.kind == unstable.Array; ok {
			v.Set(reflect.MakeSlice(v.Type(), len(n.elems), len(n.elems)))
			for i, e := range n.elems {
				d.fill(e, v.Index(i), tag, path.At(i))
			}
		}
	case reflect.String:
		if ok = n.kind == unstable.String; ok {
			v.SetString(n.text)
		}
	case reflect.Bool:
		if ok = n.kind == unstable.Bool; ok {
			v.SetBool(n.text == "true")
		}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		ok = n.kind == unstable.Integer && fillInt(n, v, tag)
	default:
		panic("strict: no rule for a field of type " + v.Type().String())
	}
	if !ok {
		d.reject(n.val, path, ErrValue, "want %s, got %s", want(v, tag), got(n))
	}
}

// fillInt is false if the number lies outside v's type or the tag's bounds.
// TOML's integers are 64 bits with a sign (TOML v1.0.0, Integer).
func fillInt(n *node, v reflect.Value, tag reflect.StructTag) bool {
	i, err := strconv.ParseInt(n.text, 0, 64)
	if err != nil {
		return false
	}
	lo, hi := intBounds(v, tag)
	if i < lo || i > hi {
		return false
	}
	if v.CanUint() {
		v.SetUint(uint64(i))
	} else {
		v.SetInt(i)
	}
	return true
}

func intBounds(v reflect.Value, tag reflect.StructTag) (lo, hi int64) {
	lo, hi = math.MinInt64, math.MaxInt64
	if v.CanUint() {
		lo = 0
	}
	bound := func(name string, to *int64) {
		if s := tag.Get(name); s != "" {
			i, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				panic("strict: tag " + name + ": " + err.Error())
			}
			*to = i
		}
	}
	bound("min", &lo)
	bound("max", &hi)
	return lo, hi
}

func (d *Document) fillText(n *node, v reflect.Value, tu encoding.TextUnmarshaler, tag reflect.StructTag, path Path) {
	if n.kind != unstable.String {
		d.reject(n.val, path, ErrValue, "want %s, got %s", want(v, tag), got(n))
		return
	}
	err := tu.UnmarshalText([]byte(n.text))
	dur, isDur := tu.(*Duration)
	if err == nil && isDur {
		lo, hi := durationBounds(tag)
		if *dur < lo || *dur > hi {
			*dur, err = 0, ErrDuration
		}
	}
	if err == nil {
		return
	}
	_, words := tu.(wanter)
	if !isDur && !words || errors.Is(err, ErrRefused) {
		d.reject(n.val, path, err, "%v, got %s", err, got(n))
		return
	}
	d.reject(n.val, path, err, "want %s, got %s", want(v, tag), got(n))
}

func durationBounds(tag reflect.StructTag) (lo, hi Duration) {
	hi = math.MaxInt64
	bound := func(name string, to *Duration) {
		if s := tag.Get(name); s != "" {
			b, err := ParseDuration(s)
			if err != nil {
				panic("strict: tag " + name + ": " + err.Error())
			}
			*to = b
		}
	}
	bound("min", &lo)
	bound("max", &hi)
	return lo, hi
}

func (d *Document) fillStruct(n *node, v reflect.Value, path Path) {
	t := v.Type()
	known := make([]string, 0, t.NumField())
	index := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("toml")
		index[name] = i
		if f.Tag.Get("refused") != "" {
			continue
		}
		known = append(known, name)
		why := f.Tag.Get("required")
		if _, set := n.children[name]; !set && why != "" {
			d.reject(n.val, path.With(name), ErrMissing, "missing: %s", why)
		}
	}
	for _, key := range n.keys {
		c, sub := n.children[key], path.With(key)
		i, ok := index[key]
		if !ok {
			d.reject(c.key, sub, ErrUnknown, "unknown key%s", Hint(key, known, "nothing is known here"))
			continue
		}
		if why := t.Field(i).Tag.Get("refused"); why != "" {
			d.reject(c.key, sub, ErrRefused, "refused: %s", why)
			continue
		}
		d.fill(c, v.Field(i), t.Field(i).Tag, sub)
	}
}

func (d *Document) fillMap(n *node, v reflect.Value, path Path) {
	t := v.Type()
	v.Set(reflect.MakeMapWithSize(t, len(n.keys)))
	for _, key := range n.keys {
		c, sub := n.children[key], path.With(key)
		k := reflect.New(t.Key()).Elem()
		if k.Addr().Type().Implements(textUnmarshaler) {
			if err := k.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(key)); err != nil {
				d.reject(c.key, sub, err, "%v, got %s", err, Quote(key))
				continue
			}
		} else {
			k.SetString(key)
		}
		e := reflect.New(t.Elem()).Elem()
		d.fill(c, e, "", sub)
		v.SetMapIndex(k, e)
	}
}

// wanter is a type that says in words what its text must be.
type wanter interface{ Want() string }

// want completes "want …" for a value of v's type.
func want(v reflect.Value, tag reflect.StructTag) string {
	switch w := v.Addr().Interface().(type) {
	case *Duration:
		return `a duration such as "` + example(tag) + `"` + span(tag, true)
	case wanter:
		return w.Want()
	case encoding.TextUnmarshaler:
		if eg := tag.Get("eg"); eg != "" {
			return `a string such as "` + eg + `"`
		}
		return "a string"
	}
	switch v.Kind() {
	case reflect.Struct, reflect.Map:
		return "a table"
	case reflect.Slice:
		e := v.Type().Elem()
		switch {
		case e.Kind() == reflect.String, reflect.PointerTo(e).Implements(textUnmarshaler):
			return "a list of strings"
		case e.Kind() == reflect.Struct, e.Kind() == reflect.Map:
			return "a list of tables"
		}
		return "a list"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	}
	return "a whole number" + span(tag, false)
}

func example(tag reflect.StructTag) string {
	if s := tag.Get("eg"); s != "" {
		return s
	}
	return "5s"
}

// span is the bounds of a tag in words.
func span(tag reflect.StructTag, comma bool) string {
	lo, hi := tag.Get("min"), tag.Get("max")
	var s string
	switch {
	case lo != "" && hi != "":
		s = fmt.Sprintf(" from %s to %s", lo, hi)
	case lo != "":
		s = fmt.Sprintf(" from %s up", lo)
	case hi != "":
		s = fmt.Sprintf(" up to %s", hi)
	}
	if comma && s != "" {
		return "," + s
	}
	return s
}

// got shows what stands in the file.
func got(n *node) string {
	switch n.kind {
	case unstable.Table:
		return "a table"
	case unstable.Array:
		return "a list"
	case unstable.String:
		return Quote(n.text)
	}
	return strings.ToValidUTF8(n.text[:min(len(n.text), maxShown)], "")
}
