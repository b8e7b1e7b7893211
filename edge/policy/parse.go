package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tombolo/edge/strict"
)

// DefaultMaxAge is for doors and rosters that say nothing.
const DefaultMaxAge = 7 * 24 * time.Hour

// Parse reads a policy. name is what errors call the file. The error is
// strict.Errors: everything that is wrong, by position.
func Parse(name string, data []byte) (*Policy, error) {
	var f file
	doc, err := strict.Decode(name, data, &f)
	if doc == nil {
		return nil, err
	}
	b := &builder{doc: doc, f: &f,
		zones: namesIn(doc, "zone"), doors: namesIn(doc, "door"), levels: namesIn(doc, "level"),
		calendars: namesIn(doc, "calendar"), schedules: namesIn(doc, "schedule", always, never),
	}
	p := b.build()
	if err := doc.Err(); err != nil {
		return nil, err
	}
	p.hash = Hash(data)
	b.enforceable(p)
	p.compile()
	b.warn(p)
	return p, nil
}

// builder makes the Policy and rejects what does not fit together.
type builder struct {
	doc                  *strict.Document
	f                    *file
	zones, doors, levels names
	calendars, schedules names
	warnings             []strict.Error
}

// names are those of one table, as they stand in the file: a zone with a
// mistake inside is not an unknown zone.
type names struct {
	what string // "zone": its table is "zones"
	list []string
	set  map[string]bool
}

func namesIn(doc *strict.Document, what string, builtin ...string) names {
	n := names{what: what, list: append(doc.Keys(what+"s"), builtin...), set: map[string]bool{}}
	mark(n.set, n.list)
	return n
}

// check rejects a name that is not there.
func (n names) check(doc *strict.Document, path strict.Path, name string) {
	if !n.set[name] {
		doc.Reject(path, "unknown %s %s%s", n.what, strict.Quote(name), strict.Hint(name, n.list, "no "+n.what+"s are named"))
	}
}

func (b *builder) build() *Policy {
	p := &Policy{
		Version: uint64(b.f.Version),
		Node:    string(b.f.Node),
		Roster:  Roster{MaxAge: orDefault(b.f.Roster.MaxAge, DefaultMaxAge)},
		Zones:   make(map[string]*Zone, len(b.f.Zones)),
		Doors:   make(map[string]*Door, len(b.f.Doors)),
		Census:  Census{Occupancy: b.f.Census.Occupancy},
	}
	if len(b.zones.list) == 0 {
		b.doc.Reject(strict.Path{"zones"}, "no zones: name those that the doors lead from and to, as in [zones.house]")
	}
	if len(b.doors.list) == 0 {
		b.doc.Reject(strict.Path{"doors"}, "no doors: a policy has at least one, as in [doors.front]")
	}
	b.times(p)
	b.readZones(p)
	for _, slug := range sortedKeys(b.f.Doors) {
		p.Doors[string(slug)] = b.door(p, string(slug), b.f.Doors[slug])
	}
	b.interlocks(p)
	b.readGrants(p)
	b.lockout(p)
	b.feedback(p)
	return p
}

// unique rejects what is listed twice.
func unique[T comparable](b *builder, path strict.Path, what string, list []T, show func(T) string) {
	first := make(map[T]int, len(list))
	for i, v := range list {
		if j, twice := first[v]; twice {
			b.doc.Reject(path.At(i), "%s %s is listed twice: it is number %d already", what, show(v), j+1)
			continue
		}
		first[v] = i
	}
}

func (b *builder) note(path strict.Path, format string, args ...any) {
	b.warnings = append(b.warnings, b.doc.Note(path, "%s", fmt.Sprintf(format, args...)))
}

func mark(set map[string]bool, names []string) {
	for _, n := range names {
		set[n] = true
	}
}

// some is at most ten names as a list, then "…".
func some(names []string) string {
	if len(names) > 10 {
		names = append(slices.Clone(names[:10]), "…")
	}
	return strings.Join(names, ", ")
}

func orDefault(d *strict.Duration, def time.Duration) time.Duration {
	if d == nil {
		return def
	}
	return time.Duration(*d)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
