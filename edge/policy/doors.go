package policy

import (
	"slices"
	"time"

	"tombolo/edge/strict"
)

// Defaults of what a door may leave out. The extended times are three times the
// others, as far as their bounds allow.
const (
	DefaultStrike      = 5 * time.Second
	DefaultHeldOpen    = 30 * time.Second
	DefaultCompanyTime = 20 * time.Second

	maxStrike   = 255 * time.Second
	maxHeldOpen = time.Hour
)

func (b *builder) door(p *Policy, name string, f *fileDoor) *Door {
	path := strict.Path{"doors", name}
	b.zones.check(b.doc, path.With("from"), string(f.From))
	b.zones.check(b.doc, path.With("to"), string(f.To))
	if f.From == f.To && f.From != "" {
		b.doc.Reject(path.With("to"), "a door leads from one zone to another, and both are %q", f.To)
	}
	if !f.MechanicalExit {
		b.doc.Reject(path.With("mechanical_exit"), "false is refused: people must get out of this door without power, network or permission (fire safety)")
	}
	strike, heldOpen := orDefault(f.Strike, DefaultStrike), orDefault(f.HeldOpen, DefaultHeldOpen)
	d := &Door{
		Name:             name,
		Gateway:          string(f.Gateway),
		From:             string(f.From),
		To:               string(f.To),
		Home:             f.Home,
		Strike:           strike,
		ExtendedStrike:   orDefault(f.ExtendedStrike, min(3*strike, maxStrike)),
		HeldOpen:         heldOpen,
		ExtendedHeldOpen: orDefault(f.ExtendedHeldOpen, min(3*heldOpen, maxHeldOpen)),
		PreAlarm:         orDefault(f.PreAlarm, 0),
		Relock:           f.Relock,
		Unlock:           b.when(p, path.With("unlock"), f.Unlock, never),
		FirstIn:          f.FirstIn,
		FireRelease:      f.FireRelease,
		Operator:         f.Operator,
		Pin:              b.when(p, path.With("pin"), f.Pin, never),
		TwoPerson:        f.TwoPerson,
		CompanyTime:      orDefault(f.CompanyTime, DefaultCompanyTime),
		Clock:            f.Clock,
		MaxAge:           orDefault(f.MaxAge, p.Roster.MaxAge),
		Stale:            f.Stale,
		Codes:            f.Codes,
		Rex:              f.Rex,
		RecordFirst:      f.RecordFirst,
		MechanicalExit:   f.MechanicalExit,
	}
	b.doorTimes(path, d)
	if d.Home {
		b.homeDoor(path, d)
	}
	return d
}

// doorTimes holds a door's times against each other.
func (b *builder) doorTimes(path strict.Path, d *Door) {
	if d.ExtendedStrike < d.Strike {
		b.doc.Reject(path.With("extended_strike"), "the extended time is shorter than the strike's %s", strict.Duration(d.Strike))
	}
	if d.ExtendedHeldOpen < d.HeldOpen {
		b.doc.Reject(path.With("extended_held_open"), "the extended time is shorter than held_open's %s", strict.Duration(d.HeldOpen))
	}
	if d.PreAlarm >= d.HeldOpen {
		b.doc.Reject(path.With("pre_alarm"), "people are warned so long before held_open's %s are over: it must be less", strict.Duration(d.HeldOpen))
	}
}

// homeDoor refuses whatever could keep a family out of its home.
func (b *builder) homeDoor(path strict.Path, d *Door) {
	if !d.Pin.Never() {
		b.doc.Reject(path.With("pin"), "refused at a home: its people open it by tap, whatever else holds")
	}
	if d.TwoPerson {
		b.doc.Reject(path.With("two_person"), "refused at a home: nobody needs company to get in")
	}
}

// interlocks reads them, and gives each door its partners.
func (b *builder) interlocks(p *Policy) {
	p.Interlocks = make(map[string]*Interlock, len(b.f.Interlocks))
	for _, slug := range sortedKeys(b.f.Interlocks) {
		i := b.interlock(p, string(slug), b.f.Interlocks[slug].Doors)
		p.Interlocks[i.Name] = i
		for _, name := range i.Doors {
			if d := p.Doors[name]; d != nil {
				d.Interlocks = append(d.Interlocks, i.Name)
				d.Partners = append(d.Partners, i.Doors...)
			}
		}
	}
	for _, d := range p.Doors {
		slices.Sort(d.Partners)
		d.Partners = slices.DeleteFunc(slices.Compact(d.Partners), func(name string) bool { return name == d.Name })
	}
}

// maxInterlocked bounds the partners of one door.
const maxInterlocked = 32

func (b *builder) interlock(p *Policy, name string, doors []string) *Interlock {
	path := strict.Path{"interlocks", name, "doors"}
	i := &Interlock{Name: name, Doors: b.pick(path, doors, b.doors)}
	switch {
	case len(doors) == 1:
		b.doc.Reject(path, "an interlock has at least two doors")
	case len(doors) > maxInterlocked:
		b.doc.Reject(path, "%d doors; an interlock has at most %d", len(doors), maxInterlocked)
		i.Doors = nil
	}
	first := ""
	for n, door := range doors {
		d := p.Doors[door]
		if d == nil {
			continue
		}
		if first == "" {
			first = door
		}
		switch {
		case d.Home:
			b.doc.Reject(path.At(n), "%q is a home's door: an open partner would keep its people out", door)
		case !d.Unlock.Never():
			b.doc.Reject(path.At(n), "%q is unlocked by schedule %q: its partners would be opened while it is", door, d.Unlock.Name())
		case d.Gateway != p.Doors[first].Gateway:
			b.doc.Reject(path.At(n), "%q hangs on gateway %q, and %q on %q: one gateway must see all doors of an interlock",
				door, d.Gateway, first, p.Doors[first].Gateway)
		}
	}
	return i
}

// lockout reads what follows wrong PINs.
func (b *builder) lockout(p *Policy) {
	f := b.f.Lockout
	p.Lockout = Lockout{After: DefaultLockoutAfter, For: orDefault(f.For, DefaultLockoutFor)}
	if f.After != nil {
		p.Lockout.After = int(*f.After)
	}
}

// Defaults of the lockout.
const (
	DefaultLockoutAfter = 5
	DefaultLockoutFor   = 5 * time.Minute
)
