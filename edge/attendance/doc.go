// Package attendance reads door logs for the census: who passed a door with a
// signature that can be shown, and how many are in a zone.
//
// For an epoch make a [Log] of each door log, give it the entries in their order,
// and hold each [Passed] that it returns against its delegation ([Passed.Covered])
// and signature (census.NewAttendance); of several of one passport [Passed.Pick]
// chooses one without regard to when it was. For the number of people in a zone give
// all door logs of a node to one [House] and ask [House.Count].
//
// # What counts as a presence
//
// An entry that was granted to a passport by a presentation, and a passage by it.
// Decision, passage and presentation have to lie in the epoch by the gateway's
// clock, which was known: a passage over the border of two epochs counts in
// neither. A way out counts for nothing: nobody is asked for a right there, so a
// key that was revoked opens it, too.
//
// # How many are in a zone
//
// An interval, [sure, at most], that the true number lies in as long as one person
// goes by each grant or opening:
//
//   - Sure are those whose last passage leads there, by a contact that saw the door
//     open for this grant alone, and is not older than the zone's time to forgive
//     (policy.DefaultForgive, where it has none).
//   - Whoever leaves by a button, or by the handle, is somebody who was seen in
//     before: of those who were, so many fewer are sure. One who is seen to come in
//     again was one of them.
//   - At most are also in: all whose passage there, or whose way out of there, is
//     only assumed (a door without a contact, one that stood open, two grants for
//     one opening); those let in who have not gone through yet; and one for each
//     opening by which somebody may have come in whom nobody named: an order from
//     afar, a door that was opened without a cause.
//   - A gateway that starts has not seen who left in the meantime: of those who came
//     before, at its zones, nobody is sure any more; and of a zone that one of its
//     doors lets out into nothing is known until all has been forgiven. That somebody
//     came in meanwhile is not expected: without power a door is locked.
//   - While a door to the zone stands unlocked for anybody (a schedule, a fire), and
//     until all that has been forgiven, nothing is known.
//
// So where people leave by a button alone the interval is wide: which of them went
// is not known, and everybody may still be in until it is forgiven. It is no count
// of who holds a door open for others.
//
// The package is pure: time comes in with the entries, and nothing is random.
package attendance
