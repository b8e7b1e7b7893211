package policy

import (
	"errors"
	"slices"
	"strings"
	"time"

	"tombolo/edge/schedule"
	"tombolo/edge/strict"
)

// Names of the schedules that every policy has.
const (
	always = "always"
	never  = "never"
)

// Bounds of what a decision has to look through.
const (
	maxDays    = 1000 // lines of a calendar
	maxSpecial = 16   // calendars of a schedule
	maxWeek    = 64   // lines of a schedule's week
	maxHours   = 16   // of a calendar's days in a schedule
	maxTimes   = 256  // schedules of a policy
)

// ErrTimezone: a text that is no time zone's name.
var ErrTimezone = errors.New(`want the name of an IANA time zone, such as "Europe/Lisbon" or "UTC"`)

// timezone is a zone of the IANA database. The database is time.LoadLocation's
// affair; programs embed time/tzdata so that there always is one.
type timezone struct{ *time.Location }

func (z *timezone) UnmarshalText(text []byte) error {
	l, err := location(string(text))
	if err != nil {
		return err
	}
	z.Location = l
	return nil
}

// location refuses what means something else on another machine: its local
// zone, and the names that only some installed databases have.
func location(name string) (*time.Location, error) {
	first, _, _ := strings.Cut(name, "/")
	switch first {
	case "", "Local", "localtime", "posixrules", "posix", "right", "Factory":
		return nil, ErrTimezone
	}
	if len(name) > 64 || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_+-/") != "" {
		return nil, ErrTimezone
	}
	l, err := time.LoadLocation(name)
	if err != nil {
		return nil, ErrTimezone
	}
	return l, nil
}

// times reads the time zone, calendars and schedules.
func (b *builder) times(p *Policy) {
	p.Location = time.UTC
	if b.f.Timezone != nil && b.f.Timezone.Location != nil {
		p.Location = b.f.Timezone.Location
	}
	zone := schedule.NewZone(p.Location)
	p.Calendars = make(map[string]*schedule.Calendar, len(b.f.Calendars))
	for _, slug := range sortedKeys(b.f.Calendars) {
		p.Calendars[string(slug)] = b.calendar(string(slug), b.f.Calendars[slug].Days)
	}
	p.Schedules = map[string]*schedule.Schedule{always: schedule.Always(zone), never: schedule.Never(zone)}
	if len(b.f.Schedules) > maxTimes {
		b.doc.Reject(strict.Path{"schedules"}, "%d schedules; a policy has at most %d", len(b.f.Schedules), maxTimes)
		return
	}
	for _, slug := range sortedKeys(b.f.Schedules) {
		name := string(slug)
		if name == always || name == never {
			b.doc.RejectKey(strict.Path{"schedules", name}, "%q is built in and cannot be changed: choose another name", name)
			continue
		}
		p.Schedules[name] = b.schedule(p, zone, name, b.f.Schedules[slug])
	}
}

func (b *builder) calendar(name string, days []schedule.Days) *schedule.Calendar {
	path := strict.Path{"calendars", name, "days"}
	switch {
	case len(days) == 0:
		b.doc.Reject(path, "empty: name at least one day")
	case len(days) > maxDays:
		b.doc.Reject(path, "%d lines; a calendar has at most %d", len(days), maxDays)
	}
	unique(b, path, "day", days, schedule.Days.String)
	days = slices.DeleteFunc(days, func(d schedule.Days) bool { return d == schedule.Days{} }) // refused already
	return schedule.NewCalendar(name, days)
}

func (b *builder) schedule(p *Policy, zone *schedule.Zone, name string, f fileSchedule) *schedule.Schedule {
	path := strict.Path{"schedules", name}
	if len(f.Special) > maxSpecial {
		b.doc.Reject(path.With("special"), "%d calendars; a schedule has special hours for at most %d", len(f.Special), maxSpecial)
	}
	if len(f.Week) > maxWeek {
		b.doc.Reject(path.With("week"), "%d lines; a week has at most %d", len(f.Week), maxWeek)
	}
	unique(b, path.With("week"), "line", f.Week, schedule.Rule.String)
	c := schedule.Config{Name: name, Zone: zone, Week: f.Week}
	for _, slug := range sortedKeys(f.Special) {
		calendar, hours := p.Calendars[string(slug)], f.Special[slug]
		at := path.With("special", string(slug))
		if calendar == nil {
			if !b.calendars.set[string(slug)] {
				b.doc.RejectKey(at, "unknown calendar %s%s", strict.Quote(string(slug)), strict.Hint(string(slug), b.calendars.list, "no calendars are named"))
			}
			continue
		}
		if len(hours) > maxHours {
			b.doc.Reject(at, "%d lines; a calendar's days have at most %d", len(hours), maxHours)
		}
		unique(b, at, "line", hours, schedule.Hours.String)
		c.Special = append(c.Special, schedule.Special{Calendar: calendar, Hours: hours})
	}
	return schedule.New(c)
}

// when is the schedule of that name, def if there is none.
func (b *builder) when(p *Policy, path strict.Path, name scheduleName, def string) *schedule.Schedule {
	if name == "" { // absent, or refused already
		return p.Schedules[def]
	}
	if s := p.Schedules[string(name)]; s != nil {
		return s
	}
	b.schedules.check(b.doc, path, string(name))
	return p.Schedules[def]
}
