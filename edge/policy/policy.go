package policy

import (
	"crypto/sha256"
	"time"

	"tombolo/edge/schedule"
	"tombolo/edge/strict"
)

// Policy is a valid policy. It is not changed after Parse, so any number of
// goroutines may read it. What is signed is the file, not this type: the
// package doc says how that may change.
type Policy struct {
	Version    uint64 // 1 to 2^63-1; the highest signed version wins
	Node       string // slug
	Location   *time.Location
	Roster     Roster
	Calendars  map[string]*schedule.Calendar
	Schedules  map[string]*schedule.Schedule // with the built-in "always" and "never"
	Zones      map[string]*Zone
	Doors      map[string]*Door
	Interlocks map[string]*Interlock
	Levels     map[string]*Level
	Classes    map[string]*Class
	Passports  map[uint64]*Grantee // what one passport has beside its class
	Lockout    Lockout
	Feedback   Feedback
	Census     Census

	// Warnings are lawful but probably not meant, sorted by position.
	Warnings []strict.Error

	hash   [32]byte
	grants grants
}

// Roster is what holds for the roster at every door that says nothing else.
type Roster struct {
	MaxAge time.Duration
}

// Zone is a space that doors lead from and to.
type Zone struct {
	Name    string
	Outside bool   // the street: whoever is there is not inside
	Within  string // the zone that this one is a part of; "" for none

	// Antipassback is what is enforced: AntipassbackHard only where one
	// gateway drives all doors over the zone's border, else what was written
	// as hard is soft, and a warning says so.
	Antipassback     Antipassback
	AntipassbackTime time.Duration // AntipassbackTimed: no second entry within it; else 0
	// Forgive is how long after an entry whoever entered counts as having
	// left: AntipassbackSoft, AntipassbackHard and any Occupancy; else 0.
	Forgive   time.Duration
	Occupancy int // at most so many are let in; 0 is no limit

	Shared bool // several gateways drive the doors over its border: none alone sees who goes in and out
}

// Counts reports whether the zone asks who is inside, or when they came.
func (z *Zone) Counts() bool { return z.Antipassback != AntipassbackNone || z.Occupancy > 0 }

// Shared reports whether a door leads over the border of a zone whose rules hang
// on what several gateways see.
func (p *Policy) Shared(d *Door) bool {
	over := func(from, to string) bool {
		for z := p.Zones[to]; z != nil && !p.Inside(z.Name, from); z = p.Zones[z.Within] {
			if z.Shared && z.Counts() {
				return true
			}
		}
		return false
	}
	return over(d.From, d.To) || over(d.To, d.From)
}

// Door is one door and how it behaves. Its wiring is not the policy's affair.
// Its schedules are never nil.
type Door struct {
	Name             string
	Gateway          string // slug of the gateway that drives it
	From, To         string // zones; entering leads from From to To
	Home             bool   // people live behind it
	Strike           time.Duration
	ExtendedStrike   time.Duration // for those who need longer; at least Strike
	HeldOpen         time.Duration // open for longer is reported
	ExtendedHeldOpen time.Duration // at least HeldOpen
	PreAlarm         time.Duration // so long before that people are warned; below HeldOpen, 0 for no warning
	Relock           Relock
	Unlock           *schedule.Schedule // kept unlocked
	FirstIn          bool               // ... once somebody was let in during the same period
	FireRelease      bool               // unlocked while there is a fire alarm
	Operator         Operator
	Pin              *schedule.Schedule // a PIN is asked for, beside the card
	TwoPerson        bool               // two who may enter must ask, one soon after the other
	CompanyTime      time.Duration      // how soon: the second of two persons, or the escort; and who an escort brings in, however many
	Interlocks       []string           // sorted
	Partners         []string           // doors that must be shut before an entry here; sorted, without this one
	Clock            ClockTrust         // worse clocks do not decide codes and schedules here
	MaxAge           time.Duration      // largest age of the roster
	Stale            Stale              // what then
	Codes            Codes
	Rex              Rex
	RecordFirst      bool // the record is committed before the relay moves
	MechanicalExit   bool // always true: Parse refuses a door without
}

// Interlock is doors of one gateway of which one at a time is opened for an
// entry. It keeps nobody in: a way out opens whatever its partners do.
type Interlock struct {
	Name  string
	Doors []string // sorted; at least two
}

// Level is a named set of doors, at some hours.
type Level struct {
	Name           string
	Doors          []string           // sorted; all doors if All
	All            bool               // written as "*": also the doors that a later version adds
	Schedule       *schedule.Schedule // never nil
	DuringLockdown bool               // opens in a lockdown too
}

// Class is what every passport of a class has.
type Class struct {
	Name string
	Grantee
}

// Grantee is what a class or a passport has.
type Grantee struct {
	Levels []string // sorted
	Attributes
}

// Attributes are what holds of people at every door.
type Attributes struct {
	Extended bool // longer times
	Escort   bool // may bring in those who need an escort
	Escorted bool // enters only with an escort
}

// Lockout is what follows wrong PINs of one passport at one gateway.
type Lockout struct {
	After int // so many in a row
	For   time.Duration
}

// Attributes are those of a passport of a class together. What the passport
// itself says of escorts counts before what its class says: nobody is both
// escort and escorted. It allocates nothing.
func (p *Policy) Attributes(class string, passport uint64) Attributes {
	var all, own Attributes
	if c := p.Classes[class]; c != nil {
		all = c.Attributes
	}
	if g := p.Passports[passport]; g != nil {
		own = g.Attributes
	}
	return Attributes{
		Extended: all.Extended || own.Extended,
		Escort:   own.Escort || all.Escort && !own.Escorted,
		Escorted: own.Escorted || all.Escorted && !own.Escort,
	}
}

// Inside tells whether place is zone, or within it. It allocates nothing.
func (p *Policy) Inside(zone, place string) bool {
	for z := p.Zones[place]; z != nil; z = p.Zones[z.Within] {
		if z.Name == zone {
			return true
		}
	}
	return false
}

// Hash is SHA-256("tombolo/v1/policy\n" ‖ data), data being the file's bytes.
func Hash(data []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte("tombolo/v1/policy\n"))
	h.Write(data)
	return [32]byte(h.Sum(nil))
}

// Hash is Hash of the bytes that p was parsed from.
func (p *Policy) Hash() [32]byte { return p.hash }
