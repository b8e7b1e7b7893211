// Package schedule answers when: is it office hours now, until when, and since
// when? A schedule is hours of the week on the local wall clock, and other
// hours on special days.
//
// Read what people write with [ParseRule], [ParseHours] and [ParseDays] (all
// three types are also encoding.TextUnmarshalers), make a [Schedule] with
// [New], then ask [Schedule.At] or [Schedule.Period] of any instant.
//
// What the hours mean:
//   - Hours belong to the day on which they begin, also past midnight:
//     "fri 22:00-06:00" ends on Saturday. Special days replace the hours that
//     begin on them, and leave alone those that have begun the day before.
//   - Where two calendars share a day, the one with the fewer hours counts (in
//     a tie the alphabetically first): closed beats open.
//   - Over a clock change, hours stay one stretch of time: from the first
//     instant whose wall clock shows their start to the last that shows their
//     end. A wall clock that is skipped stands for the instant of the jump.
//   - Stretches that touch or overlap are one.
//
// A schedule does not change once it is made; any number of goroutines may ask
// it. The package is pure; the time zone database is the caller's.
package schedule
