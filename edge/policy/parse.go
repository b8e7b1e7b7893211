package policy

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"tombolo/edge/strict"
)

// Defaults of what a door may leave out.
const (
	DefaultMaxAge   = 7 * 24 * time.Hour
	DefaultStrike   = 5 * time.Second
	DefaultHeldOpen = 30 * time.Second
)

// everyDoor stands for all doors in a level.
const everyDoor = "*"

// Parse reads a policy. name is what errors call the file. The error is
// strict.Errors: everything that is wrong, by position.
func Parse(name string, data []byte) (*Policy, error) {
	var f file
	doc, err := strict.Decode(name, data, &f)
	if doc == nil {
		return nil, err
	}
	b := &builder{doc: doc, f: &f, zones: namesIn(doc, "zone"), doors: namesIn(doc, "door"), levels: namesIn(doc, "level")}
	p := b.build()
	if err := doc.Err(); err != nil {
		return nil, err
	}
	p.hash = Hash(data)
	p.compile()
	b.warn(p)
	return p, nil
}

// builder makes the Policy and rejects what does not fit together.
type builder struct {
	doc                  *strict.Document
	f                    *file
	zones, doors, levels names
	warnings             []strict.Error
}

// names are those of one table, as they stand in the file: a zone with a
// mistake inside is not an unknown zone.
type names struct {
	what string // "zone": its table is "zones"
	list []string
	set  map[string]bool
}

func namesIn(doc *strict.Document, what string) names {
	n := names{what: what, list: doc.Keys(what + "s"), set: map[string]bool{}}
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
	}
	if len(b.zones.list) == 0 {
		b.doc.Reject(strict.Path{"zones"}, "no zones: name those that the doors lead from and to, as in [zones.house]")
	}
	if len(b.doors.list) == 0 {
		b.doc.Reject(strict.Path{"doors"}, "no doors: a policy has at least one, as in [doors.front]")
	}
	for slug, z := range b.f.Zones {
		p.Zones[string(slug)] = &Zone{Name: string(slug), Outside: z.Outside}
	}
	for _, slug := range sortedKeys(b.f.Doors) {
		p.Doors[string(slug)] = b.door(string(slug), b.f.Doors[slug], p.Roster.MaxAge)
	}
	b.grants(p)
	return p
}

func (b *builder) door(name string, f *fileDoor, maxAge time.Duration) *Door {
	path := strict.Path{"doors", name}
	b.zones.check(b.doc, path.With("from"), string(f.From))
	b.zones.check(b.doc, path.With("to"), string(f.To))
	if f.From == f.To && f.From != "" {
		b.doc.Reject(path.With("to"), "a door leads from one zone to another, and both are %q", f.To)
	}
	if !f.MechanicalExit {
		b.doc.Reject(path.With("mechanical_exit"), "false is refused: people must get out of this door without power, network or permission (fire safety)")
	}
	return &Door{
		Name:           name,
		Gateway:        string(f.Gateway),
		From:           string(f.From),
		To:             string(f.To),
		Home:           f.Home,
		Strike:         orDefault(f.Strike, DefaultStrike),
		HeldOpen:       orDefault(f.HeldOpen, DefaultHeldOpen),
		MaxAge:         orDefault(f.MaxAge, maxAge),
		Stale:          f.Stale,
		Codes:          f.Codes,
		Rex:            f.Rex,
		RecordFirst:    f.RecordFirst,
		MechanicalExit: f.MechanicalExit,
	}
}

// grants reads levels, classes and passports, in that order.
func (b *builder) grants(p *Policy) {
	p.Levels = make(map[string]*Level, len(b.f.Levels))
	p.Classes = make(map[string]*Class, len(b.f.Classes))
	p.Passports = make(map[uint64][]string, len(b.f.Passports))
	every := sortedKeys(p.Doors)
	for _, slug := range sortedKeys(b.f.Levels) {
		p.Levels[string(slug)] = b.level(string(slug), b.f.Levels[slug].Doors, every)
	}
	for _, slug := range sortedKeys(b.f.Classes) {
		levels := b.pick(strict.Path{"classes", string(slug), "levels"}, b.f.Classes[slug].Levels, b.levels)
		p.Classes[string(slug)] = &Class{Name: string(slug), Levels: levels}
	}
	for _, n := range sortedKeys(b.f.Passports) {
		path := strict.Path{"passports", strconv.FormatUint(uint64(n), 10), "levels"}
		p.Passports[uint64(n)] = b.pick(path, b.f.Passports[n].Levels, b.levels)
	}
}

func (b *builder) level(name string, doors, every []string) *Level {
	path := strict.Path{"levels", name, "doors"}
	if i := slices.Index(doors, everyDoor); i >= 0 {
		if len(doors) > 1 {
			b.doc.Reject(path.At(i), `"*" is every door and stands alone: doors = ["*"]`)
		}
		return &Level{Name: name, Doors: every, All: true}
	}
	return &Level{Name: name, Doors: b.pick(path, doors, b.doors)}
}

// pick checks a list of names against those that are known and sorts it.
func (b *builder) pick(path strict.Path, list []string, known names) []string {
	if len(list) == 0 {
		b.doc.Reject(path, "empty: name at least one %s", known.what)
	}
	first := make(map[string]int, len(list))
	for i, n := range list {
		known.check(b.doc, path.At(i), n)
		if j, twice := first[n]; twice {
			b.doc.Reject(path.At(i), "%s %s is listed twice: it is number %d already", known.what, strict.Quote(n), j+1)
		}
		first[n] = i
	}
	return slices.Sorted(slices.Values(list))
}

// warn notes what is lawful but probably not meant.
func (b *builder) warn(p *Policy) {
	used, led := map[string]bool{}, map[string]bool{}
	for _, c := range p.Classes {
		mark(used, c.Levels)
	}
	for _, levels := range p.Passports {
		mark(used, levels)
	}
	outside := false
	for _, d := range p.Doors {
		led[d.From], led[d.To] = true, true
	}
	for _, z := range p.Zones {
		outside = outside || z.Outside
		if !led[z.Name] {
			b.note(strict.Path{"zones", z.Name}, "no door leads to or from this zone")
		}
	}
	if !outside {
		b.note(strict.Path{"zones"}, "no zone is marked outside = true, so nobody ever counts as having left")
	}
	homes := p.homes()
	for _, l := range p.Levels {
		if l.All && len(homes) > 0 && used[l.Name] {
			b.note(strict.Path{"levels", l.Name, "doors"}, `"*" includes homes: whoever has this level may open %s`, strings.Join(homes, ", "))
		}
		if !used[l.Name] {
			b.note(strict.Path{"levels", l.Name}, "no class and no passport has this level")
		}
	}
	opened := p.grants.opened()
	for _, d := range p.Doors {
		if !d.Home && !opened.has(p.grants.doors[d.Name]) {
			b.note(strict.Path{"doors", d.Name}, "no class and no passport may open this door")
		}
		if d.HeldOpen < d.Strike {
			b.note(strict.Path{"doors", d.Name, "held_open"}, "held open is reported after %s, before the lock's %s are over",
				strict.Duration(d.HeldOpen), strict.Duration(d.Strike))
		}
	}
	slices.SortFunc(b.warnings, func(x, y strict.Error) int {
		return cmp.Or(cmp.Compare(x.Line, y.Line), cmp.Compare(x.Column, y.Column), cmp.Compare(x.Key, y.Key))
	})
	p.Warnings = b.warnings
}

// homes are the doors that people live behind, sorted; at most ten of them,
// then "…".
func (p *Policy) homes() []string {
	var homes []string
	for _, name := range sortedKeys(p.Doors) {
		if !p.Doors[name].Home {
			continue
		}
		if len(homes) == 10 {
			return append(homes, "…")
		}
		homes = append(homes, name)
	}
	return homes
}

func (b *builder) note(path strict.Path, format string, args ...any) {
	b.warnings = append(b.warnings, b.doc.Note(path, "%s", fmt.Sprintf(format, args...)))
}

func mark(set map[string]bool, names []string) {
	for _, n := range names {
		set[n] = true
	}
}

func orDefault(d *strict.Duration, def time.Duration) time.Duration {
	if d == nil {
		return def
	}
	return time.Duration(*d)
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
