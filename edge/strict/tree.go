package strict

import (
	"bytes"
	"errors"

	"github.com/pelletier/go-toml/v2/unstable"
)

// maxDepth bounds how deep keys, tables and lists nest.
const maxDepth = 16

// node is one value of the file and where it stood.
type node struct {
	kind     unstable.Kind // Table for every table, Array for every list, else the scalar's
	key, val int           // offsets of its key and of its value
	text     string        // scalars: a string's value, otherwise as written
	keys     []string      // tables: in the file's order
	children map[string]*node
	elems    []*node // lists
	header   bool    // a table with a [header] of its own
	closed   bool    // written in one piece (inline table, list, scalar): nothing may be added
}

func newTable(key, val int) *node {
	return &node{kind: unstable.Table, key: key, val: val, children: map[string]*node{}}
}

func (n *node) put(name string, c *node) {
	n.children[name] = c
	n.keys = append(n.keys, name)
}

// keyPart is one part of a dotted key.
type keyPart struct {
	name       string
	start, end int // offsets
}

// build makes the tree. It is false if the file is not TOML or sets a key
// twice: then nothing that follows could be trusted.
func (d *Document) build() bool {
	d.root = newTable(0, 0)
	var p unstable.Parser
	p.Reset(d.data)
	table, prefix := d.root, Path(nil)
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			if table, prefix = d.openTable(e); table == nil {
				return false
			}
		case unstable.KeyValue:
			if !d.set(table, prefix, e, len(prefix)) {
				return false
			}
		}
	}
	err := p.Error()
	if err == nil {
		return true
	}
	offset, msg := len(d.data), err.Error()
	var pe *unstable.ParserError
	if errors.As(err, &pe) {
		offset, msg = int(p.Range(pe.Highlight).Offset), pe.Message
	}
	d.add(offset, prefix, ErrSyntax, "not TOML: %s", msg)
	return false
}

func keyParts(e *unstable.Node) []keyPart {
	var parts []keyPart
	for it := e.Key(); it.Next(); {
		k := it.Node()
		parts = append(parts, keyPart{string(k.Data), int(k.Raw.Offset), int(k.Raw.Offset + k.Raw.Length)})
	}
	return parts
}

// openTable handles [a.b] and [[a.b]] (TOML v1.0.0, Table and Array of
// Tables) and gives the table that the lines below it fill, and its path; nil
// after an error.
func (d *Document) openTable(e *unstable.Node) (*node, Path) {
	parts := keyParts(e)
	at := parts[0].start
	if len(parts) > maxDepth {
		d.add(at, nil, ErrSyntax, "a key of %d parts; at most %d", len(parts), maxDepth)
		return nil, nil
	}
	n, path := d.root, Path(nil)
	for i, part := range parts {
		last := i == len(parts)-1
		path = path.With(part.name)
		c := n.children[part.name]
		switch {
		case c == nil && last && e.Kind == unstable.ArrayTable:
			c = &node{kind: unstable.Array, key: at, val: at}
			n.put(part.name, c)
		case c == nil:
			c = newTable(at, at)
			n.put(part.name, c)
		case c.closed, last && (c.kind == unstable.Array) != (e.Kind == unstable.ArrayTable):
			d.doubled(at, path, c)
			return nil, nil
		}
		if c.kind == unstable.Array {
			if last {
				c.elems = append(c.elems, newTable(at, at))
			}
			path = path.At(len(c.elems) - 1)
			c = c.elems[len(c.elems)-1]
		}
		n = c
	}
	if n.header {
		d.doubled(at, path, n)
		return nil, nil
	}
	n.header, n.key, n.val = true, at, at
	return n, path
}

func (d *Document) doubled(at int, path Path, first *node) {
	d.add(at, path, ErrDoubled, "set twice: it stands on line %d already", d.position(first.key).Line)
}

// set puts one `key = value` into table.
func (d *Document) set(table *node, prefix Path, e *unstable.Node, depth int) bool {
	parts := keyParts(e)
	at := parts[0].start
	if depth+len(parts) > maxDepth {
		d.add(at, prefix, ErrSyntax, "nested more than %d deep", maxDepth)
		return false
	}
	path := prefix
	for _, part := range parts[:len(parts)-1] {
		path = path.With(part.name)
		c := table.children[part.name]
		if c == nil {
			c = newTable(at, at)
			table.put(part.name, c)
		} else if c.kind != unstable.Table || c.closed || c.header {
			d.doubled(at, path, c)
			return false
		}
		table = c
	}
	last := parts[len(parts)-1]
	path = path.With(last.name)
	if c := table.children[last.name]; c != nil {
		d.doubled(at, path, c)
		return false
	}
	c := &node{key: at, val: d.afterEquals(last.end)}
	table.put(last.name, c)
	return d.value(c, path, e.Value(), depth+len(parts))
}

// afterEquals is the offset of the value whose key ends at offset.
func (d *Document) afterEquals(offset int) int {
	rest := bytes.TrimLeft(d.data[offset:], " \t")
	rest = bytes.TrimLeft(rest[1:], " \t") // the parser has seen the "="
	return len(d.data) - len(rest)
}

// value makes n, whose place in the file and in the tree is known, the node of
// v. The parser does not say where a list inside a list starts: it is given
// the outer one's place.
func (d *Document) value(n *node, path Path, v *unstable.Node, depth int) bool {
	n.kind = v.Kind
	if depth > maxDepth {
		d.add(n.val, path, ErrSyntax, "nested more than %d deep", maxDepth)
		return false
	}
	switch v.Kind {
	case unstable.InlineTable:
		n.kind, n.children = unstable.Table, map[string]*node{}
		for it := v.Children(); it.Next(); {
			if !d.set(n, path, it.Node(), depth) {
				return false
			}
		}
	case unstable.Array:
		for it := v.Children(); it.Next(); {
			c, at := it.Node(), n.val
			if c.Kind != unstable.Array {
				at = int(c.Raw.Offset)
			}
			elem := &node{key: at, val: at}
			n.elems = append(n.elems, elem)
			if !d.value(elem, path.At(len(n.elems)-1), c, depth+1) {
				return false
			}
		}
	default:
		n.text = string(v.Data)
	}
	n.closed = true
	return true
}
