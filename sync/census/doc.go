// Package census makes a figure of presences that a sceptic can check: how many
// passports were seen with valid evidence in an epoch, without a list of who was
// where. It is pure: randomness, times and what is stored come in with the call.
//
// # The way of a tag
//
// A tag stands for one passport in one epoch. It is a verifiable oblivious
// pseudorandom function (RFC 9497) of the passport under the epoch's [Key], which
// an evaluator keeps: who reports a presence sends a blinded [Element] and learns
// the tag; the evaluator learns nothing; the hub, which collects the tags, can
// compute none.
//
//	input := census.Input(community, epoch, passport)
//	blind, err := census.NewBlind(rand.Reader) // kept: it is evidence
//	element, err := blind.Element(input)       // sent, [BatchSize] at a time, in an EvaluateAsk
//	…                                          // the evaluator: Key.Evaluate, and an EvaluateAnswer
//	tag, err := census.Finish(key, input, blind, evaluation)
//
// Each evaluation has a proof of its own, so that one tag can be opened to an
// auditor and no other is.
//
// # The way of a list
//
// [Merge] makes one list of many reports: strictly ascending by tag, each tag
// with the commitment to its evidence. [NewList] reads a list strictly; its Root
// stands in the hub's EpochClosed, with the hash of what it covers ([Covered]).
// [List.Prove] and [List.ProveAbsent] show that a tag is in a list, or is not, to
// whoever knows the root. [Indices] says which tags an epoch's draw opens, and
// [UpperBound] what its outcome says about all the others. For lists of millions
// a caller spreads the work: [Split] and [List.HashParts] cut it into parts that
// do not touch each other.
//
// # The way of evidence
//
// A reporter keeps for each tag what shows it: [NewAttendance], [Commit]. A drawn
// tag's [Opening] is sealed to one auditor ([Seal]), who verifies every link of it
// against [Rules] without learning door or hour. [Receipt] is the same in the hands
// of the resident. [CheckMine], [CheckAll], [CheckEvidence] and [CheckConsistent]
// are the four checks of an audit, and [NewReport] puts together what they found.
//
// # What it does not do
//
// It opens no file, sends nothing and keeps nothing. That a draw's seed could be
// chosen by nobody, that a head was signed and a list is the one that everybody
// else was given, are for the caller to check. It cannot tell that two passports
// are one person.
//
// # What is fixed, and how it may change
//
// Everything here is version 1: the input of a tag, the form of a list and of
// what it covers, the draw and all encodings. EpochClosed names it as its rules,
// and another way of counting is another number there.
package census
