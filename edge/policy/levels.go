package policy

import (
	"slices"
	"strconv"

	"tombolo/edge/strict"
)

// everyDoor stands for all doors in a level.
const everyDoor = "*"

// readGrants reads levels, classes and passports, in that order.
func (b *builder) readGrants(p *Policy) {
	p.Levels = make(map[string]*Level, len(b.f.Levels))
	p.Classes = make(map[string]*Class, len(b.f.Classes))
	p.Passports = make(map[uint64]*Grantee, len(b.f.Passports))
	every := sortedKeys(p.Doors)
	for _, slug := range sortedKeys(b.f.Levels) {
		p.Levels[string(slug)] = b.level(p, string(slug), b.f.Levels[slug], every)
	}
	for _, slug := range sortedKeys(b.f.Classes) {
		p.Classes[string(slug)] = &Class{string(slug), b.grantee(strict.Path{"classes", string(slug)}, b.f.Classes[slug])}
	}
	for _, n := range sortedKeys(b.f.Passports) {
		g := b.grantee(strict.Path{"passports", strconv.FormatUint(uint64(n), 10)}, b.f.Passports[n])
		p.Passports[uint64(n)] = &g
	}
}

func (b *builder) level(p *Policy, name string, f fileLevel, every []string) *Level {
	path := strict.Path{"levels", name}
	l := &Level{Name: name, Schedule: b.when(p, path.With("schedule"), f.Schedule, always), DuringLockdown: f.DuringLockdown}
	doors := path.With("doors")
	if i := slices.Index(f.Doors, everyDoor); i >= 0 {
		if len(f.Doors) > 1 {
			b.doc.Reject(doors.At(i), `"*" is every door and stands alone: doors = ["*"]`)
		}
		l.Doors, l.All = every, true
		return l
	}
	l.Doors = b.pick(doors, f.Doors, b.doors)
	return l
}

func (b *builder) grantee(path strict.Path, f fileGrant) Grantee {
	if f.Escort && f.Escorted {
		b.doc.Reject(path.With("escorted"), "whoever enters only with an escort cannot be one: take away escort or escorted")
	}
	return Grantee{b.pick(path.With("levels"), f.Levels, b.levels), Attributes{f.Extended, f.Escort, f.Escorted}}
}

// pick checks a list of names against those that are known and sorts it.
func (b *builder) pick(path strict.Path, list []string, known names) []string {
	if len(list) == 0 {
		b.doc.Reject(path, "empty: name at least one %s", known.what)
	}
	for i, n := range list {
		known.check(b.doc, path.At(i), n)
	}
	unique(b, path, known.what, list, strict.Quote)
	return slices.Sorted(slices.Values(list))
}
