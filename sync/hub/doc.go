// Package hub is the service of a community's hub: it takes in what gateways
// report, closes each epoch with a list that anyone can check, draws from it, and
// answers whoever asks over HTTP.
//
// Make a [Hub] with [New], call [Hub.Run], and serve [Hub.Handler]. [Hub.Close] and
// [Hub.Draw] are what a command beside the daemon calls; without [Config.Links] a
// Hub needs no Run for that. [Client] is the other end of the API; [OpenReports]
// reads what a hub seals to an auditor.
//
// # Intake
//
// Report ledgers arrive through package peer like any other, and are idempotent by
// ledger and index. Several processes may share one PostgreSQL and a broker: each
// takes a seat by a lease, and takes in the report ledgers of its share of 64 shards
// of authors. A process that is gone loses its seat when the lease ends, and the
// others take over its shards. Where two believe for a moment that a shard is
// theirs they store the same entries, of which the store keeps one.
//
// What a report ledger holds is known once it was read, at the start of a process and
// then as it grows: what this process itself stores is not read back. A report that is
// not whole (parts missing, repeated or out of order, a wrong count or root, more tags
// than the epoch's quota) is kept, logged and shown by the API as faulty, and does not
// count.
//
// # The close
//
// A close waits for nothing: what is in the store counts, of each reporting gateway
// its newest whole report. The list, what it covers and then EpochClosed become
// durable in this order, and EpochClosed is appended by an author that was opened
// before the census ledgers were looked through for an earlier one: whoever else
// closes at the same time, after a kill or in another process, fails to append and
// finds it. What the close covers is kept in the store under its hash, so that every
// process can make the list anew, bit for bit. Reports that come later are kept and
// shown as late.
//
// Where the store may be older than what was published (it was restored, or the
// machine or the database was started anew) nothing is closed or drawn before Run has
// taken back from the gateways what they hold: until then a command gets ErrSetBack.
//
// A clock alone closes nothing either: an epoch is closed by itself only when a ledger
// of somebody else was signed after its end.
//
// # What is published, and what is not
//
// The list, the heads that it covers, and totals. How many tags one node reported is
// not: with few, it would say how many were there, and the root over them alone
// would say which. Named auditors get both, with the reports, sealed to their keys,
// and a list of fewer than ledger.Withheld tags goes to them alone. Occupancy is
// withheld as package census does it. No door log ever comes here.
//
// # What it does not do
//
// It makes no tag and has no evaluator's key (package evaluator), writes no
// community ledger, judges no opening (package census, for auditors) and knows no
// folder: keys and rights come in with [Config].
package hub
