package strict

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// MaxSize is the largest file, in bytes.
const MaxSize = 1 << 20

// Document remembers where each key and value of a decoded file stood, and
// collects what is wrong with it. It is for one goroutine.
type Document struct {
	name  string
	data  []byte
	lines []int // offset of each line's first byte
	root  *node
	errs  Errors
	bad   map[string]bool // keys that have an error already
	more  int             // errors beyond MaxErrors
}

// Position is a place in a file: line from 1, column from 1 in characters.
type Position struct{ Line, Column int }

// Decode reads data into the struct that v points to. name is what errors
// call the file.
//
// The error is nil or Errors. If the file is not TOML, the Document is nil;
// otherwise it stands beside the error, v holds all values that were right,
// and the caller may go on to Reject more before it returns Document.Err.
func Decode(name string, data []byte, v any) (*Document, error) {
	d := &Document{name: name, bad: map[string]bool{}}
	if len(data) > MaxSize {
		return nil, Errors{{File: name, Msg: fmt.Sprintf("%d bytes; a file has at most %d", len(data), MaxSize), Err: ErrTooLarge}}
	}
	d.data = bytes.Clone(data)
	d.lines = []int{0}
	for i, c := range d.data {
		if c == '\n' {
			d.lines = append(d.lines, i+1)
		}
	}
	if bytes.HasPrefix(d.data, []byte("\ufeff")) {
		d.add(0, nil, ErrSyntax, "the file starts with a byte-order mark: save it as UTF-8 without")
		return nil, d.Err()
	}
	if i := invalidUTF8(d.data); i >= 0 {
		d.add(i, nil, ErrUTF8, "byte 0x%02x is not UTF-8: save the file as UTF-8", d.data[i])
		return nil, d.Err()
	}
	if !d.build() {
		return nil, d.Err()
	}

	target := reflect.ValueOf(v).Elem()
	good := reflect.New(target.Type()).Elem()
	d.fill(d.root, good, "", nil)
	if len(d.errs) > 0 {
		target.Set(good)
		return d, d.Err()
	}
	err := toml.NewDecoder(bytes.NewReader(d.data)).DisallowUnknownFields().Decode(v)
	if err != nil {
		d.addLibrary(err)
		return nil, d.Err()
	}
	return d, nil
}

// invalidUTF8 is the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(b []byte) int {
	if utf8.Valid(b) {
		return -1
	}
	for i := 0; ; {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n <= 1 {
			return i
		}
		i += n
	}
}

// Pos is where the value at path stands; of a table its header or brace, and
// of what is not there the nearest table around it that is.
func (d *Document) Pos(path ...string) Position { return d.position(d.find(path).val) }

// KeyPos is where the key at path stands.
func (d *Document) KeyPos(path ...string) Position { return d.position(d.find(path).key) }

// Has tells whether the file sets path, rightly or not.
func (d *Document) Has(path ...string) bool {
	n := d.root
	for _, part := range path {
		if n = n.child(part); n == nil {
			return false
		}
	}
	return true
}

// Keys are the keys of the table at path as they stand in the file, also those
// whose values were refused.
func (d *Document) Keys(path ...string) []string {
	if !d.Has(path...) {
		return nil
	}
	return slices.Clone(d.find(path).keys)
}

// Reject records an error at the value at path, unless that value or a table
// around it has one already: the first error is the cause.
func (d *Document) Reject(path Path, format string, args ...any) {
	d.reject(d.find(path).val, path, nil, format, args...)
}

// RejectKey is Reject at the key instead of the value.
func (d *Document) RejectKey(path Path, format string, args ...any) {
	d.reject(d.find(path).key, path, nil, format, args...)
}

// Note is an Error at the value at path that is returned instead of recorded:
// for warnings.
func (d *Document) Note(path Path, format string, args ...any) Error {
	p := d.Pos(path...)
	return Error{File: d.name, Line: p.Line, Column: p.Column, Key: d.keyName(path), Msg: fmt.Sprintf(format, args...)}
}

// Err is nil or all Errors so far, sorted.
func (d *Document) Err() error {
	if len(d.errs) == 0 {
		return nil
	}
	errs := slices.Clone(d.errs)
	errs.sort()
	if d.more > 0 {
		last := errs[len(errs)-1]
		errs = append(errs, Error{File: d.name, Line: last.Line, Column: last.Column, Msg: fmt.Sprintf("and %d more errors", d.more)})
	}
	return errs
}

func (d *Document) reject(offset int, path Path, sentinel error, format string, args ...any) {
	for i := range path {
		if d.bad[d.keyName(path[:i+1])] {
			return
		}
	}
	d.add(offset, path, sentinel, format, args...)
}

func (d *Document) add(offset int, path Path, sentinel error, format string, args ...any) {
	key := d.keyName(path)
	d.bad[key] = true
	if len(d.errs) >= MaxErrors {
		d.more++
		return
	}
	p := d.position(offset)
	d.errs = append(d.errs, Error{
		File: d.name, Line: p.Line, Column: p.Column, Key: key, Msg: fmt.Sprintf(format, args...), Err: sentinel,
	})
}

// addLibrary turns go-toml's error into one of ours. Only a file that breaks
// one of TOML's rarer rules comes here: all else the tree has told already.
func (d *Document) addLibrary(err error) {
	var missing *toml.StrictMissingError
	if errors.As(err, &missing) && len(missing.Errors) > 0 {
		err = &missing.Errors[0]
	}
	var de *toml.DecodeError
	if !errors.As(err, &de) {
		d.add(0, nil, ErrSyntax, "%s", strings.TrimPrefix(err.Error(), "toml: "))
		return
	}
	line, column := de.Position()
	offset := min(d.lines[min(max(line, 1), len(d.lines))-1]+max(column, 1)-1, len(d.data))
	d.add(offset, Path(de.Key()), ErrSyntax, "%s", strings.TrimPrefix(de.Error(), "toml: "))
}

func (d *Document) position(offset int) Position {
	line := sort.SearchInts(d.lines, offset+1)
	return Position{line, utf8.RuneCount(d.data[d.lines[line-1]:offset]) + 1}
}

// find is the node at path, or the deepest there is on the way.
func (d *Document) find(path []string) *node {
	n := d.root
	for _, part := range path {
		c := n.child(part)
		if c == nil {
			break
		}
		n = c
	}
	return n
}

// keyName writes a path as TOML would, list elements as name[0].
func (d *Document) keyName(path []string) string {
	var b strings.Builder
	n := d.root
	for _, part := range path {
		switch {
		case n != nil && n.kind == unstable.Array:
			b.WriteString("[" + part + "]")
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			if bareKey(part) {
				b.WriteString(part)
			} else {
				b.WriteString(Quote(part))
			}
		}
		if n != nil {
			n = n.child(part)
		}
	}
	return b.String()
}

func (n *node) child(part string) *node {
	if n.kind != unstable.Array {
		return n.children[part]
	}
	if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(n.elems) {
		return n.elems[i]
	}
	return nil
}
