package policy

import (
	"errors"
	"strconv"

	"tombolo/edge/schedule"
	"tombolo/edge/strict"
)

// file is the policy as it is written. Tags: see package strict.
type file struct {
	Version    int64                         `toml:"version" min:"1" required:"count the file's versions: 1 for the first, one more at each change; the highest wins"`
	Node       strict.Slug                   `toml:"node" required:"name the node that this policy is for, as in \"casa\""`
	Timezone   *timezone                     `toml:"timezone" eg:"Europe/Lisbon"`
	Roster     fileRoster                    `toml:"roster"`
	Calendars  map[strict.Slug]fileCalendar  `toml:"calendars"`
	Schedules  map[strict.Slug]fileSchedule  `toml:"schedules"`
	Zones      map[strict.Slug]fileZone      `toml:"zones" required:"name the zones that the doors lead from and to, as in [zones.house]"`
	Doors      map[strict.Slug]*fileDoor     `toml:"doors" required:"a policy has at least one door, as in [doors.front]"`
	Interlocks map[strict.Slug]fileInterlock `toml:"interlocks"`
	Levels     map[strict.Slug]fileLevel     `toml:"levels"`
	Classes    map[strict.Slug]fileGrant     `toml:"classes"`
	Passports  map[passportKey]fileGrant     `toml:"passports"`
	Lockout    fileLockout                   `toml:"lockout"`
	Feedback   fileFeedback                  `toml:"feedback"`
	Census     fileCensus                    `toml:"census"`
}

type fileRoster struct {
	MaxAge *strict.Duration `toml:"max_age" min:"1m" max:"365d" eg:"7d"`
}

type fileCalendar struct {
	Days []schedule.Days `toml:"days" required:"list the days, as in [\"2026-12-25\", \"*-01-01\"]"`
}

type fileSchedule struct {
	Week    []schedule.Rule                  `toml:"week" required:"list the hours, as in [\"mon-fri 08:00-18:00\"], or [] if only special days have any"`
	Special map[strict.Slug][]schedule.Hours `toml:"special"`
}

type fileZone struct {
	Outside          bool             `toml:"outside"`
	Within           strict.Slug      `toml:"within"`
	Antipassback     Antipassback     `toml:"antipassback"`
	AntipassbackTime *strict.Duration `toml:"antipassback_time" min:"1m" max:"7d" eg:"10m"`
	Forgive          *strict.Duration `toml:"forgive" min:"1m" max:"7d" eg:"12h"`
	Occupancy        int64            `toml:"occupancy" min:"0" max:"100000"`

	ExitAntipassback refused `toml:"exit_antipassback" refused:"people are never held in; anti-passback counts entries only"`
}

type fileDoor struct {
	Gateway          strict.Slug      `toml:"gateway" required:"name the gateway that drives this door, as in \"gw1\""`
	From             strict.Slug      `toml:"from" required:"name the zone that this door leads from"`
	To               strict.Slug      `toml:"to" required:"name the zone that this door leads to"`
	Home             bool             `toml:"home"`
	Strike           *strict.Duration `toml:"strike" min:"1s" max:"255s" eg:"5s"`
	ExtendedStrike   *strict.Duration `toml:"extended_strike" min:"1s" max:"255s" eg:"15s"`
	HeldOpen         *strict.Duration `toml:"held_open" min:"1s" max:"1h" eg:"30s"`
	ExtendedHeldOpen *strict.Duration `toml:"extended_held_open" min:"1s" max:"1h" eg:"2m"`
	PreAlarm         *strict.Duration `toml:"pre_alarm" min:"0s" max:"1h" eg:"10s"`
	Relock           Relock           `toml:"relock"`
	Unlock           scheduleName     `toml:"unlock"`
	FirstIn          bool             `toml:"first_in"`
	FireRelease      bool             `toml:"fire_release"`
	Operator         Operator         `toml:"operator"`
	Pin              scheduleName     `toml:"pin"`
	TwoPerson        bool             `toml:"two_person"`
	CompanyTime      *strict.Duration `toml:"company_time" min:"5s" max:"2m" eg:"20s"`
	Clock            ClockTrust       `toml:"clock"`
	MaxAge           *strict.Duration `toml:"max_age" min:"1m" max:"365d" eg:"72h"`
	Stale            Stale            `toml:"stale"`
	Codes            Codes            `toml:"codes"`
	Rex              Rex              `toml:"rex"`
	RecordFirst      bool             `toml:"record_first"`
	MechanicalExit   bool             `toml:"mechanical_exit" required:"say mechanical_exit = true once you have tried it: people must get out of this door without power, network or permission (fire safety)"`

	ExitPin          refused `toml:"exit_pin" refused:"people are never held in; pin is asked for on the way in only"`
	ExitSchedule     refused `toml:"exit_schedule" refused:"people are never held in; there are no hours for leaving"`
	ExitLevel        refused `toml:"exit_level" refused:"people are never held in; leaving needs no level"`
	ExitLevels       refused `toml:"exit_levels" refused:"people are never held in; leaving needs no level"`
	ExitAntipassback refused `toml:"exit_antipassback" refused:"people are never held in; anti-passback counts entries only"`
	ExitTwoPerson    refused `toml:"exit_two_person" refused:"people are never held in; anybody may leave alone"`
	ExitDelay        refused `toml:"exit_delay" refused:"people are never held in; a way out opens at once"`
	LockInside       refused `toml:"lock_inside" refused:"people are never held in; every door opens from inside"`
	Deadlock         refused `toml:"deadlock" refused:"people are never held in; every door opens from inside"`
}

// neverHeld is why whatever would restrict the way out is refused.
const neverHeld = "people are never held in"

// refused is the type of keys that strict refuses by name.
type refused struct{}

type fileInterlock struct {
	Doors []string `toml:"doors" required:"list the doors of which one at a time is opened"`
}

type fileLevel struct {
	Doors          []string     `toml:"doors" required:"list the doors of this level, or [\"*\"] for all"`
	Schedule       scheduleName `toml:"schedule"`
	DuringLockdown bool         `toml:"during_lockdown"`
}

type fileGrant struct {
	Levels   []string `toml:"levels" required:"list the levels that are granted"`
	Extended bool     `toml:"extended"`
	Escort   bool     `toml:"escort"`
	Escorted bool     `toml:"escorted"`
}

type fileLockout struct {
	After *int64           `toml:"after" min:"1" max:"100"`
	For   *strict.Duration `toml:"for" min:"10s" max:"24h" eg:"5m"`
}

// fileFeedback has the keys that Signal's names are.
type fileFeedback struct {
	Granted  Pattern `toml:"granted" eg:"green+beep 200ms"`
	Denied   Pattern `toml:"denied" eg:"red+beep 100ms, off 100ms, red+beep 100ms"`
	Wait     Pattern `toml:"wait" eg:"amber 300ms, off 300ms"`
	LeftOpen Pattern `toml:"left_open" eg:"red+beep 500ms, off 500ms"`
	Offline  Pattern `toml:"offline" eg:"blue 100ms, off 1900ms"`
	Key      Pattern `toml:"key" eg:"beep 50ms"`
}

// scheduleName is the name of a schedule of the policy, or of a built-in one.
type scheduleName string

// UnmarshalText refuses what is no slug.
func (s *scheduleName) UnmarshalText(text []byte) error { return (*strict.Slug)(s).UnmarshalText(text) }

// Want completes "want …".
func (scheduleName) Want() string { return `"always", "never" or a schedule's name` }

// passportKey is a passport's number as a TOML key: decimal, from 1, without
// leading zeros, so that one passport cannot be written twice.
type passportKey uint64

// ErrPassport: a key under [passports] that is no passport's number.
var ErrPassport = errors.New("want a passport's number in decimal, from 1, as in [passports.17]")

func (k *passportKey) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != string(text) {
		return ErrPassport
	}
	*k = passportKey(n)
	return nil
}
