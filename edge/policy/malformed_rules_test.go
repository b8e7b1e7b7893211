package policy

import (
	"fmt"
	"strings"
	"testing"

	"tombolo/edge/schedule"
	"tombolo/edge/strict"
)

// rules is a valid policy with everything that the base has not; each case
// changes it in one place.
const rules = `version = 1
node = "town"
timezone = "Europe/Lisbon"
[calendars.feriados]
days = ["2026-12-25", "*-01-01"]
[schedules.office]
week = ["mon-fri 08:00-18:00"]
special = { feriados = ["10:00-12:00"] }
[zones.outside]
outside = true
[zones.house]
antipassback = "hard"
forgive = "12h"
[zones.lab]
within = "house"
antipassback = "timed"
antipassback_time = "10m"
occupancy = 20
[doors.front]
gateway = "gw1"
from = "outside"
to = "house"
extended_strike = "15s"
extended_held_open = "2m"
pre_alarm = "10s"
relock = "timer"
unlock = "office"
first_in = true
fire_release = true
operator = "all"
clock = "floor"
mechanical_exit = true
[doors.lab]
gateway = "gw1"
from = "house"
to = "lab"
pin = "office"
two_person = true
company_time = "20s"
mechanical_exit = true
[doors.store]
gateway = "gw1"
from = "lab"
to = "house"
mechanical_exit = true
[doors.flat]
gateway = "gw2"
from = "outside"
to = "flat"
home = true
mechanical_exit = true
[zones.flat]
[interlocks.airlock]
doors = ["lab", "store"]
[levels.all]
doors = ["front", "lab", "store"]
schedule = "office"
during_lockdown = true
[classes.resident]
levels = ["all"]
extended = true
escort = true
[passports.17]
levels = ["all"]
escorted = true
[lockout]
after = 5
for = "5m"
[feedback]
granted = "green+beep 200ms"
denied = "red+beep 100ms, off 100ms, red+beep 100ms"
key = "beep 50ms"
`

// ruleMistakes are ten cases or more for each construct.
var ruleMistakes = []struct {
	construct string
	cases     []mistake
}{
	{"timezone", []mistake{
		{"empty", `"Europe/Lisbon"`, `""`, 3, 12, "timezone", `such as "Europe/Lisbon" or "UTC", got ""`, ErrTimezone},
		{"the machine's own", `"Europe/Lisbon"`, `"Local"`, 3, 12, "timezone", `got "Local"`, ErrTimezone},
		{"the machine's own by its file", `"Europe/Lisbon"`, `"localtime"`, 3, 12, "timezone", `got "localtime"`, ErrTimezone},
		{"unknown", `"Europe/Lisbon"`, `"Europe/Lisboa"`, 3, 12, "timezone", `got "Europe/Lisboa"`, ErrTimezone},
		{"a folder", `"Europe/Lisbon"`, `"Europe"`, 3, 12, "timezone", `got "Europe"`, ErrTimezone},
		{"up the tree", `"Europe/Lisbon"`, `"../UTC"`, 3, 12, "timezone", `got "../UTC"`, ErrTimezone},
		{"absolute", `"Europe/Lisbon"`, `"/etc/localtime"`, 3, 12, "timezone", `got "/etc/localtime"`, ErrTimezone},
		{"with leap seconds", `"Europe/Lisbon"`, `"right/Europe/Lisbon"`, 3, 12, "timezone", `want the name`, ErrTimezone},
		{"a second copy", `"Europe/Lisbon"`, `"posix/Europe/Lisbon"`, 3, 12, "timezone", `want the name`, ErrTimezone},
		{"an offset", `"Europe/Lisbon"`, `"+01:00"`, 3, 12, "timezone", `got "+01:00"`, ErrTimezone},
		{"a number", `"Europe/Lisbon"`, `1`, 3, 12, "timezone", `got 1`, strict.ErrValue},
		{"too long", `"Europe/Lisbon"`, `"` + strings.Repeat("x", 65) + `"`, 3, 12, "timezone", `want the name`, ErrTimezone},
	}},
	{"calendars", []mistake{
		{"no slug", "[calendars.feriados]", "[calendars.Feriados]", 4, 2, "calendars.Feriados", "want a slug", strict.ErrSlug},
		{"without days", `days = ["2026-12-25", "*-01-01"]`, "", 4, 2, "calendars.feriados.days", "missing: list the days", strict.ErrMissing},
		{"empty", `["2026-12-25", "*-01-01"]`, "[]", 5, 8, "calendars.feriados.days", "empty: name at least one day", nil},
		{"one day as a string", `["2026-12-25", "*-01-01"]`, `"2026-12-25"`, 5, 8, "calendars.feriados.days", `want a list of strings, got "2026-12-25"`, strict.ErrValue},
		{"a TOML date", `"2026-12-25"`, `2026-12-25`, 5, 9, "calendars.feriados.days[0]", "want a string, got 2026-12-25", strict.ErrValue},
		{"another order", `"2026-12-25"`, `"25.12.2026"`, 5, 9, "calendars.feriados.days[0]", `want a day such as "2026-12-25"`, schedule.ErrDays},
		{"no such day", `"2026-12-25"`, `"2026-02-29"`, 5, 9, "calendars.feriados.days[0]", `got "2026-02-29"`, schedule.ErrDays},
		{"no such day in any year", `"*-01-01"`, `"*-02-30"`, 5, 23, "calendars.feriados.days[1]", `got "*-02-30"`, schedule.ErrDays},
		{"short", `"2026-12-25"`, `"2026-12-5"`, 5, 9, "calendars.feriados.days[0]", `got "2026-12-5"`, schedule.ErrDays},
		{"a year out of reach", `"2026-12-25"`, `"2200-01-01"`, 5, 9, "calendars.feriados.days[0]", `got "2200-01-01"`, schedule.ErrDays},
		{"a range with a dash", `"2026-12-25"`, `"2026-12-25-2026-12-26"`, 5, 9, "calendars.feriados.days[0]", `a range "2026-12-30..2027-01-02"`, schedule.ErrDays},
		{"a range backwards", `"2026-12-25"`, `"2026-12-25..2026-12-24"`, 5, 9, "calendars.feriados.days[0]", "from the earlier day to the later", schedule.ErrRange},
		{"a range too long", `"2026-12-25"`, `"2026-01-01..2027-01-02"`, 5, 9, "calendars.feriados.days[0]", "at most 366 days", schedule.ErrRange},
		{"a range of one day", `"2026-12-25"`, `"2026-12-25..2026-12-25"`, 5, 9, "calendars.feriados.days[0]", "one day is written once", schedule.ErrRange},
		{"a range from every year into one", `"2026-12-25"`, `"*-12-25..2026-12-26"`, 5, 9, "calendars.feriados.days[0]", "want a day", schedule.ErrDays},
		{"too long", `"*-01-01"`, strings.Repeat(`"*-01-01", `, 1000), 5, 8, "calendars.feriados.days", "1001 lines; a calendar has at most 1000", nil},
		{"twice", `"*-01-01"`, `"2026-12-25"`, 5, 23, "calendars.feriados.days[1]", "day 2026-12-25 is listed twice: it is number 1 already", nil},
		{"unknown key", "[calendars.feriados]\n", "[calendars.feriados]\nday = []\n", 5, 1, "calendars.feriados.day", `did you mean "days"?`, strict.ErrUnknown},
	}},
	{"schedules", []mistake{
		{"no slug", "[schedules.office]", `[schedules."office hours"]`, 6, 2, `schedules."office hours"`, "want a slug", strict.ErrSlug},
		{"a built-in one", "[schedules.office]", "[schedules.always]\nweek = []\n[schedules.office]", 6, 2, "schedules.always", `"always" is built in and cannot be changed`, nil},
		{"the other built-in one", "[schedules.office]", "[schedules]\nnever.week = []\n[schedules.office]", 7, 1, "schedules.never", `"never" is built in`, nil},
		{"without a week", `week = ["mon-fri 08:00-18:00"]`, "", 6, 2, "schedules.office.week", "missing: list the hours", strict.ErrMissing},
		{"a week as a string", `["mon-fri 08:00-18:00"]`, `"mon-fri 08:00-18:00"`, 7, 8, "schedules.office.week", "want a list of strings", strict.ErrValue},
		{"no hours", `"mon-fri 08:00-18:00"`, `"mon-fri"`, 7, 9, "schedules.office.week[0]", `want days and hours such as "mon-fri 08:00-18:00", got "mon-fri"`, schedule.ErrRule},
		{"no days", `"mon-fri 08:00-18:00"`, `"08:00-18:00"`, 7, 9, "schedules.office.week[0]", "want days and hours", schedule.ErrRule},
		{"a day unknown", "mon-fri", "mon-fre", 7, 9, "schedules.office.week[0]", `want days such as "mon-fri", "sat,sun" or "daily"`, schedule.ErrWeekdays},
		{"a day twice", "mon-fri", "mon-fri,wed", 7, 9, "schedules.office.week[0]", "wed is listed twice", schedule.ErrWeekdays},
		{"a range of one day", "mon-fri", "mon-mon", 7, 9, "schedules.office.week[0]", "want days such as", schedule.ErrWeekdays},
		{"days with a space", "mon-fri", "mon, tue", 7, 9, "schedules.office.week[0]", "want days such as", schedule.ErrWeekdays},
		{"two spaces", "mon-fri 08:00", "mon-fri  08:00", 7, 9, "schedules.office.week[0]", "want hours such as", schedule.ErrHours},
		{"an hour of one digit", "08:00-18:00", "8:00-18:00", 7, 9, "schedules.office.week[0]", `want hours such as "08:00-18:00"`, schedule.ErrHours},
		{"25 o'clock", "08:00-18:00", "08:00-25:00", 7, 9, "schedules.office.week[0]", "want hours such as", schedule.ErrHours},
		{"past 24:00", "08:00-18:00", "08:00-24:01", 7, 9, "schedules.office.week[0]", "want hours such as", schedule.ErrHours},
		{"60 minutes", "08:00-18:00", "08:60-18:00", 7, 9, "schedules.office.week[0]", "want hours such as", schedule.ErrHours},
		{"from 24:00", "08:00-18:00", "24:00-06:00", 7, 9, "schedules.office.week[0]", "want hours such as", schedule.ErrHours},
		{"to 00:00", "08:00-18:00", "08:00-00:00", 7, 9, "schedules.office.week[0]", `an end at midnight is "24:00"`, schedule.ErrHours},
		{"no time at all, or a day", "08:00-18:00", "08:00-08:00", 7, 9, "schedules.office.week[0]", `a whole day is "00:00-24:00"`, schedule.ErrHours},
		{"twice", `["mon-fri 08:00-18:00"]`, `["mon-fri 08:00-18:00", "mon,tue,wed,thu,fri 08:00-18:00"]`, 7, 32, "schedules.office.week[1]", "line mon-fri 08:00-18:00 is listed twice: it is number 1", nil},
		{"special hours with days", `["10:00-12:00"]`, `["mon 10:00-12:00"]`, 8, 25, "schedules.office.special.feriados[0]", "want hours such as", schedule.ErrHours},
		{"special hours twice", `["10:00-12:00"]`, `["10:00-12:00", "10:00-12:00"]`, 8, 40, "schedules.office.special.feriados[1]", "is listed twice", nil},
		{"special without a list", `["10:00-12:00"]`, `"10:00-12:00"`, 8, 24, "schedules.office.special.feriados", "want a list of strings", strict.ErrValue},
		{"special calendar unknown", "{ feriados", "{ ferados", 8, 13, "schedules.office.special.ferados", `unknown calendar "ferados"; did you mean "feriados"?`, nil},
		{"special for too many calendars", `{ feriados = ["10:00-12:00"] }`, "{ a = [], b = [], c = [], d = [], e = [], f = [], g = [], h = [], i = [], j = [], k = [], l = [], m = [], n = [], o = [], p = [], q = [] }",
			8, 11, "schedules.office.special", "17 calendars; a schedule has special hours for at most 16", nil},
		{"too many", "[schedules.office]", schedulesOf(256) + "[schedules.office]", 6, 2, "schedules", "257 schedules; a policy has at most 256", nil},
		{"a week too long", `["mon-fri 08:00-18:00"]`, weekOf(65), 7, 8, "schedules.office.week", "65 lines; a week has at most 64", nil},
		{"special hours too many", `["10:00-12:00"]`, hoursOf(17), 8, 24, "schedules.office.special.feriados", "17 lines; a calendar's days have at most 16", nil},
		{"unlock as yes", `unlock = "office"`, `unlock = true`, 27, 10, "doors.front.unlock", `want "always", "never" or a schedule's name, got true`, strict.ErrValue},
		{"pin as a number", `pin = "office"`, `pin = 1234`, 37, 7, "doors.lab.pin", `want "always", "never" or a schedule's name, got 1234`, strict.ErrValue},
		{"special as a list", `{ feriados = ["10:00-12:00"] }`, `["feriados"]`, 8, 11, "schedules.office.special", "want a table, got a list", strict.ErrValue},
	}},
	{"zones", []mistake{
		{"within unknown", `within = "house"`, `within = "hause"`, 15, 10, "zones.lab.within", `unknown zone "hause"; did you mean "house"?`, nil},
		{"within itself", `within = "house"`, `within = "lab"`, 15, 10, "zones.lab.within", "a zone cannot lie within itself: lab within lab", nil},
		{"a circle", "[zones.house]\n", "[zones.house]\nwithin = \"lab\"\n", 12, 10, "zones.house.within", "house within lab within house", nil},
		{"within the street", `within = "house"`, `within = "outside"`, 15, 10, "zones.lab.within", `"outside" is outside`, nil},
		{"outside and within", "outside = true", "outside = true\nwithin = \"house\"", 11, 1, "zones.outside.within", "this zone is outside", nil},
		{"outside and limited", "outside = true", "outside = true\noccupancy = 5", 11, 1, "zones.outside.occupancy", "this zone is outside: nobody is counted there", nil},
		{"outside and anti-passback", "outside = true", "outside = true\nantipassback = \"soft\"", 11, 1, "zones.outside.antipassback", "this zone is outside", nil},
		{"anti-passback unknown", `"hard"`, `"strict"`, 12, 16, "zones.house.antipassback", `want "none", "soft", "hard" or "timed", got "strict"`, nil},
		{"anti-passback as a switch", `"hard"`, `true`, 12, 16, "zones.house.antipassback", "got true", strict.ErrValue},
		{"timed without a time", "antipassback_time = \"10m\"\n", "", 14, 2, "zones.lab.antipassback_time", `antipassback = "timed" needs a time`, nil},
		{"a time that is not timed", `forgive = "12h"`, `antipassback_time = "12h"`, 13, 1, "zones.house.antipassback_time", `this zone's is "hard"`, nil},
		{"time too short", `"10m"`, `"59s"`, 17, 21, "zones.lab.antipassback_time", `such as "10m", from 1m to 7d, got "59s"`, strict.ErrDuration},
		{"time too long", `"10m"`, `"8d"`, 17, 21, "zones.lab.antipassback_time", `got "8d"`, strict.ErrDuration},
		{"nobody to forgive", "antipassback = \"hard\"\n", "", 12, 1, "zones.house.forgive", `this zone's antipassback is "none", and it has no occupancy`, nil},
		{"timed that forgives", "occupancy = 20", `forgive = "1h"`, 18, 1, "zones.lab.forgive", `only antipassback = "soft" or "hard" and occupancy ask who is inside: this zone's antipassback is "timed", and it has no occupancy`, nil},
		{"forgives too soon", `"12h"`, `"1s"`, 13, 11, "zones.house.forgive", `such as "12h", from 1m to 7d, got "1s"`, strict.ErrDuration},
		{"negative occupancy", "occupancy = 20", "occupancy = -1", 18, 13, "zones.lab.occupancy", "a whole number from 0 to 100000, got -1", strict.ErrValue},
		{"occupancy too large", "occupancy = 20", "occupancy = 100001", 18, 13, "zones.lab.occupancy", "got 100001", strict.ErrValue},
		{"half a person", "occupancy = 20", "occupancy = 0.5", 18, 13, "zones.lab.occupancy", "got 0.5", strict.ErrValue},
		{"anti-passback on the way out", "occupancy = 20", "exit_antipassback = true", 18, 1, "zones.lab.exit_antipassback", "refused: people are never held in", strict.ErrRefused},
	}},
	{"interlocks", []mistake{
		{"no slug", "[interlocks.airlock]", "[interlocks.Airlock]", 53, 2, "interlocks.Airlock", "want a slug", strict.ErrSlug},
		{"without doors", `doors = ["lab", "store"]`, "", 53, 2, "interlocks.airlock.doors", "missing: list the doors", strict.ErrMissing},
		{"no doors", `doors = ["lab", "store"]`, "doors = []", 54, 9, "interlocks.airlock.doors", "empty: name at least one door", nil},
		{"one door", `["lab", "store"]`, `["lab"]`, 54, 9, "interlocks.airlock.doors", "an interlock has at least two doors", nil},
		{"one door twice", `["lab", "store"]`, `["lab", "lab"]`, 54, 17, "interlocks.airlock.doors[1]", "listed twice", nil},
		{"door unknown", `["lab", "store"]`, `["lab", "stoer"]`, 54, 17, "interlocks.airlock.doors[1]", `unknown door "stoer"; did you mean "store"?`, nil},
		{"every door", `["lab", "store"]`, `["*"]`, 54, 10, "interlocks.airlock.doors[0]", `unknown door "*"`, nil},
		{"doors as a string", `["lab", "store"]`, `"lab"`, 54, 9, "interlocks.airlock.doors", "want a list of strings", strict.ErrValue},
		{"a home's door", `["lab", "store"]`, `["flat", "store"]`, 54, 10, "interlocks.airlock.doors[0]", `"flat" is a home's door`, nil},
		{"a door that a schedule unlocks", `["lab", "store"]`, `["lab", "front"]`, 54, 17, "interlocks.airlock.doors[1]", `"front" is unlocked by schedule "office"`, nil},
		{"two gateways", "[doors.store]\ngateway = \"gw1\"", "[doors.store]\ngateway = \"gw2\"", 54, 17, "interlocks.airlock.doors[1]", `"store" hangs on gateway "gw2", and "lab" on "gw1"`, nil},
		{"unknown key", "[interlocks.airlock]\n", "[interlocks.airlock]\ntime = \"5s\"\n", 54, 1, "interlocks.airlock.time", "unknown key", strict.ErrUnknown},
		{"too many doors", `["lab", "store"]`, `[` + strings.Repeat(`"lab", `, 33) + `]`, 54, 9, "interlocks.airlock.doors", "33 doors; an interlock has at most 32", nil},
	}},
	{"lockout", []mistake{
		{"after none", "after = 5", "after = 0", 67, 9, "lockout.after", "a whole number from 1 to 100, got 0", strict.ErrValue},
		{"after too many", "after = 5", "after = 101", 67, 9, "lockout.after", "got 101", strict.ErrValue},
		{"after a negative number", "after = 5", "after = -5", 67, 9, "lockout.after", "got -5", strict.ErrValue},
		{"after words", "after = 5", `after = "5"`, 67, 9, "lockout.after", `got "5"`, strict.ErrValue},
		{"after a fraction", "after = 5", "after = 5.0", 67, 9, "lockout.after", "got 5.0", strict.ErrValue},
		{"for too short", `for = "5m"`, `for = "9s"`, 68, 7, "lockout.for", `such as "5m", from 10s to 24h, got "9s"`, strict.ErrDuration},
		{"for too long", `for = "5m"`, `for = "25h"`, 68, 7, "lockout.for", `got "25h"`, strict.ErrDuration},
		{"for ever", `for = "5m"`, `for = "ever"`, 68, 7, "lockout.for", `got "ever"`, strict.ErrDuration},
		{"for a number", `for = "5m"`, `for = 300`, 68, 7, "lockout.for", "got 300", strict.ErrValue},
		{"unknown key", "after = 5", "afer = 5", 67, 1, "lockout.afer", `did you mean "after"?`, strict.ErrUnknown},
		{"no table", "[lockout]\nafter = 5\nfor = \"5m\"", "[lockouts]\nafter = 5", 66, 2, "lockouts", `did you mean "lockout"?`, strict.ErrUnknown},
		{"twice", "after = 5", "after = 5\nafter = 5", 68, 1, "lockout.after", "line 67", strict.ErrDoubled},
	}},
	{"feedback", []mistake{
		{"signal unknown", "granted = ", "grantd = ", 70, 1, "feedback.grantd", `did you mean "granted"?`, strict.ErrUnknown},
		{"empty", `"green+beep 200ms"`, `""`, 70, 11, "feedback.granted", "has no time", ErrPattern},
		{"a list", `"green+beep 200ms"`, `["green 200ms"]`, 70, 11, "feedback.granted", `want a string such as "green+beep 200ms", got a list`, strict.ErrValue},
		{"colour unknown", `"green+beep 200ms"`, `"pink 200ms"`, 70, 11, "feedback.granted", `there is no "pink"`, ErrPattern},
		{"sound unknown", `"green+beep 200ms"`, `"green+tune 200ms"`, 70, 11, "feedback.granted", `there is no "green+tune"`, ErrPattern},
		{"a dark beep in two words", `"green+beep 200ms"`, `"off+beep 200ms"`, 70, 11, "feedback.granted", `there is no "off+beep"`, ErrPattern},
		{"no time", `"green+beep 200ms"`, `"green+beep"`, 70, 11, "feedback.granted", `"green+beep" has no time`, ErrPattern},
		{"too short", `"green+beep 200ms"`, `"green 19ms"`, 70, 11, "feedback.granted", `the time is "19ms"`, ErrPattern},
		{"too long", `"green+beep 200ms"`, `"green 5001ms"`, 70, 11, "feedback.granted", `the time is "5001ms"`, ErrPattern},
		{"finer than a millisecond", `"green+beep 200ms"`, `"green 20500us"`, 70, 11, "feedback.granted", `the time is "20500us"`, ErrPattern},
		{"no space after a comma", `red+beep 100ms, off 100ms, red+beep 100ms`, `red+beep 100ms,off 100ms`, 71, 10, "feedback.denied", `the time is "100ms,off 100ms"`, ErrPattern},
		{"ends with a comma", `"green+beep 200ms"`, `"green 200ms, "`, 70, 11, "feedback.granted", `"" has no time`, ErrPattern},
		{"17 steps", `"green+beep 200ms"`, `"` + strings.Repeat("red 20ms, ", 16) + `red 20ms"`, 70, 11, "feedback.granted", "these are 17 steps", ErrPattern},
		{"endless", `"green+beep 200ms"`, `"` + strings.Repeat("red 20ms, ", 4000) + `red 20ms"`, 70, 11, "feedback.granted", "1 to 16 steps", ErrPattern},
		{"steps as a list", `"green+beep 200ms"`, `["green+beep 200ms"]`, 70, 11, "feedback.granted", "got a list", strict.ErrValue},
		{"another for each key", `"beep 50ms"`, `{ 1 = "beep 50ms", 2 = "beep 60ms" }`, 72, 7, "feedback.key", "got a table", strict.ErrValue},
		{"nothing to see or hear", `"green+beep 200ms"`, `"off 200ms, off 50ms"`, 70, 11, "feedback.granted", "this shows nothing", nil},
		{"two alike", `"green+beep 200ms"`, `"red+beep 100ms, off 100ms, red+beep 100ms"`, 71, 10, "feedback.denied", "the same as granted, which is", nil},
		{"two alike in other steps", `"green+beep 200ms"`, `"red+beep 50ms, red+beep 50ms, off 100ms, red+beep 100ms"`, 71, 10, "feedback.denied", "the same as granted", nil},
		{"like one that the file leaves out", `"green+beep 200ms"`, `"blue 100ms, off 1900ms"`, 70, 11, "feedback.granted", `the same as offline, which is "blue 100ms, off 1.9s": people must tell them apart`, nil},
	}},
	{"doors' times", []mistake{
		{"extended strike too short", `extended_strike = "15s"`, `extended_strike = "4s"`, 23, 19, "doors.front.extended_strike", "shorter than the strike's 5s", nil},
		{"extended strike too long", `extended_strike = "15s"`, `extended_strike = "5m"`, 23, 19, "doors.front.extended_strike", `from 1s to 255s, got "5m"`, strict.ErrDuration},
		{"extended strike as a number", `extended_strike = "15s"`, `extended_strike = 15`, 23, 19, "doors.front.extended_strike", "got 15", strict.ErrValue},
		{"extended held open too short", `"2m"`, `"29s"`, 24, 22, "doors.front.extended_held_open", "shorter than held_open's 30s", nil},
		{"extended held open too long", `"2m"`, `"2h"`, 24, 22, "doors.front.extended_held_open", `from 1s to 1h, got "2h"`, strict.ErrDuration},
		{"pre-alarm as long as held open", `pre_alarm = "10s"`, `pre_alarm = "30s"`, 25, 13, "doors.front.pre_alarm", "before held_open's 30s are over: it must be less", nil},
		{"pre-alarm too long", `pre_alarm = "10s"`, `pre_alarm = "61m"`, 25, 13, "doors.front.pre_alarm", `from 0s to 1h, got "61m"`, strict.ErrDuration},
		{"pre-alarm negative", `pre_alarm = "10s"`, `pre_alarm = "-1s"`, 25, 13, "doors.front.pre_alarm", `got "-1s"`, strict.ErrDuration},
		{"relock unknown", `relock = "timer"`, `relock = "closed"`, 26, 10, "doors.front.relock", `want "timer", "open" or "close", got "closed"`, nil},
		{"relock as a switch", `relock = "timer"`, `relock = true`, 26, 10, "doors.front.relock", "got true", strict.ErrValue},
		{"unlock by hours", `unlock = "office"`, `unlock = "08:00-18:00"`, 27, 10, "doors.front.unlock", `want "always", "never" or a schedule's name`, strict.ErrSlug},
		{"unlock by an unknown schedule", `unlock = "office"`, `unlock = "ofice"`, 27, 10, "doors.front.unlock", `unknown schedule "ofice"; did you mean "office"?`, nil},
		{"unlock by an unknown schedule, none near", `unlock = "office"`, `unlock = "zzz"`, 27, 10, "doors.front.unlock", "known: always, never, office", nil},
		{"unlock empty", `unlock = "office"`, `unlock = ""`, 27, 10, "doors.front.unlock", `want "always", "never" or a schedule's name`, strict.ErrSlug},
		{"first in as a word", "first_in = true", `first_in = "office"`, 28, 12, "doors.front.first_in", "want true or false", strict.ErrValue},
		{"fire release as a word", "fire_release = true", `fire_release = "yes"`, 29, 16, "doors.front.fire_release", "want true or false", strict.ErrValue},
		{"operator unknown", `operator = "all"`, `operator = "some"`, 30, 12, "doors.front.operator", `want "all", "extended" or "never", got "some"`, nil},
		{"clock unknown", `clock = "floor"`, `clock = "gps"`, 31, 9, "doors.front.clock", `want "floor", "rtc" or "ntp", got "gps"`, nil},
	}},
	{"doors' entry", []mistake{
		{"pin by an unknown schedule", `pin = "office"`, `pin = "day"`, 37, 7, "doors.lab.pin", `unknown schedule "day"`, nil},
		{"a pin itself", `pin = "office"`, `pin = 1234`, 37, 7, "doors.lab.pin", "got 1234", strict.ErrValue},
		{"pin as a switch", `pin = "office"`, `pin = true`, 37, 7, "doors.lab.pin", "got true", strict.ErrValue},
		{"two persons as a number", "two_person = true", "two_person = 2", 38, 14, "doors.lab.two_person", "want true or false, got 2", strict.ErrValue},
		{"company too soon", `company_time = "20s"`, `company_time = "4s"`, 39, 16, "doors.lab.company_time", `such as "20s", from 5s to 2m, got "4s"`, strict.ErrDuration},
		{"company too late", `company_time = "20s"`, `company_time = "3m"`, 39, 16, "doors.lab.company_time", `got "3m"`, strict.ErrDuration},
		{"pin at a home", "home = true", "home = true\npin = \"always\"", 51, 7, "doors.flat.pin", "refused at a home: its people open it by tap", nil},
		{"pin at a home at some hours", "home = true", "home = true\npin = \"office\"", 51, 7, "doors.flat.pin", "refused at a home", nil},
		{"two persons at a home", "home = true", "home = true\ntwo_person = true", 51, 14, "doors.flat.two_person", "refused at a home: nobody needs company", nil},
		{"unknown key", "two_person", "two_persons", 38, 1, "doors.lab.two_persons", `did you mean "two_person"?`, strict.ErrUnknown},
	}},
	{"doors' way out", []mistake{
		{"pin", "two_person = true", `exit_pin = "always"`, 38, 1, "doors.lab.exit_pin", "refused: people are never held in; pin is asked for on the way in only", strict.ErrRefused},
		{"hours", "two_person = true", `exit_schedule = "office"`, 38, 1, "doors.lab.exit_schedule", "refused: people are never held in", strict.ErrRefused},
		{"level", "two_person = true", `exit_level = "all"`, 38, 1, "doors.lab.exit_level", "refused: people are never held in", strict.ErrRefused},
		{"levels", "two_person = true", `exit_levels = ["all"]`, 38, 1, "doors.lab.exit_levels", "refused: people are never held in", strict.ErrRefused},
		{"anti-passback", "two_person = true", `exit_antipassback = "hard"`, 38, 1, "doors.lab.exit_antipassback", "refused: people are never held in", strict.ErrRefused},
		{"two persons", "two_person = true", "exit_two_person = true", 38, 1, "doors.lab.exit_two_person", "anybody may leave alone", strict.ErrRefused},
		{"delay", "two_person = true", `exit_delay = "15s"`, 38, 1, "doors.lab.exit_delay", "a way out opens at once", strict.ErrRefused},
		{"lock from inside", "two_person = true", "lock_inside = true", 38, 1, "doors.lab.lock_inside", "every door opens from inside", strict.ErrRefused},
		{"deadlock", "two_person = true", "deadlock = true", 38, 1, "doors.lab.deadlock", "every door opens from inside", strict.ErrRefused},
		{"no rex", "two_person = true", `rex = "none"`, 38, 7, "doors.lab.rex", `refused: people are never held in; want "unlock" or "shunt", got "none"`, strict.ErrRefused},
		{"no mechanical exit", "company_time = \"20s\"\nmechanical_exit = true", "mechanical_exit = false", 39, 19, "doors.lab.mechanical_exit", "false is refused: people must get out", nil},
		{"refused keys are not suggested", "two_person = true", "exit_pins = true", 38, 1, "doors.lab.exit_pins", "unknown key; known: ", strict.ErrUnknown},
	}},
	{"levels and classes", []mistake{
		{"schedule unknown", "schedule = \"office\"\nduring", "schedule = \"offce\"\nduring", 57, 12, "levels.all.schedule", `unknown schedule "offce"; did you mean "office"?`, nil},
		{"schedule as hours", "schedule = \"office\"\nduring", "schedule = [\"daily 08:00-18:00\"]\nduring", 57, 12, "levels.all.schedule", `want "always", "never" or a schedule's name`, strict.ErrValue},
		{"schedule with a capital", "schedule = \"office\"\nduring", "schedule = \"Office\"\nduring", 57, 12, "levels.all.schedule", `want "always", "never" or a schedule's name`, strict.ErrSlug},
		{"schedule as a calendar", "schedule = \"office\"\nduring", "schedule = \"feriados\"\nduring", 57, 12, "levels.all.schedule", `unknown schedule "feriados"`, nil},
		{"lockdown in words", "during_lockdown = true", `during_lockdown = "yes"`, 58, 19, "levels.all.during_lockdown", "want true or false", strict.ErrValue},
		{"lockdown misspelt", "during_lockdown", "in_lockdown", 58, 1, "levels.all.in_lockdown", "unknown key", strict.ErrUnknown},
		{"extended in words", "extended = true", `extended = "15s"`, 61, 12, "classes.resident.extended", "want true or false", strict.ErrValue},
		{"escort in numbers", "escort = true", "escort = 1", 62, 10, "classes.resident.escort", "want true or false, got 1", strict.ErrValue},
		{"a class that is both", "escort = true", "escort = true\nescorted = true", 63, 12, "classes.resident.escorted", "whoever enters only with an escort cannot be one", nil},
		{"a passport that is both", "escorted = true", "escorted = true\nescort = true", 65, 12, "passports.17.escorted", "cannot be one", nil},
		{"a schedule for a class", "extended = true", `schedule = "office"`, 61, 1, "classes.resident.schedule", "unknown key", strict.ErrUnknown},
		{"escorts of a passport", "escorted = true", "escorts = true", 65, 1, "passports.17.escorts", `did you mean "escort"?`, strict.ErrUnknown},
	}},
}

func TestMalformedRules(t *testing.T) {
	t.Parallel()
	p, err := Parse("policy.toml", []byte(rules))
	if err != nil {
		t.Fatalf("the base is not valid: %v", err)
	}
	check(t, p)
	for _, group := range ruleMistakes {
		if len(group.cases) < 10 {
			t.Errorf("only %d cases for %s", len(group.cases), group.construct)
		}
		for _, c := range group.cases {
			t.Run(group.construct+" "+c.name, func(t *testing.T) {
				t.Parallel()
				if strings.Count(rules, c.old) != 1 {
					t.Fatalf("%q stands %d times in the base", c.old, strings.Count(rules, c.old))
				}
				p, err := Parse("policy.toml", []byte(strings.Replace(rules, c.old, c.new, 1)))
				checkOne(t, p, err, c)
			})
		}
	}
}

// weekOf and hoursOf are so many lines, each of another minute; schedulesOf are
// so many schedules.
func weekOf(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"daily %02d:%02d-24:00", `, i/60, i%60)
	}
	return "[" + b.String() + "]"
}

func schedulesOf(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "[schedules.s%d]\nweek = []\n", i)
	}
	return b.String()
}

func hoursOf(n int) string {
	return strings.ReplaceAll(weekOf(n), "daily ", "")
}
