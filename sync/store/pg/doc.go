// Package pg keeps ledgers in PostgreSQL (14 or later), where several hub processes
// share them: [Open] gives the [store.Store] that package store gives for a file,
// with the same promises, and everything further is said there. Only who needs it
// links it.
//
// The database is this package's alone, or at least the schema that comes first in
// the URL's search_path; Open makes the tables. Processes write to different
// ledgers at once and to one of them in turn, by advisory locks that end with their
// transactions; so a pooler between must not share a connection among transactions
// that are open. Replicas are not read: the URL names a server that can be written
// to, or says target_session_attrs=read-write.
//
// After the server was lost, killed or restarted the Store goes on by itself: a
// read is repeated, a transaction is done again when the server cannot have kept
// it, and one that was lost in its commit is looked for when the server is back; only
// if that takes longer than some seconds the answer is [store.ErrUncertain].
//
// # Authors
//
// A key must never sign two histories, and a database that was set back in time
// does not know what it signed since. Within one database, row and lock decide who
// appends. Across time an author continues its ledger only while the server that it
// began under runs: the row that says so names the start of the server, the
// database and the transaction that wrote the row. All ways back lead through a new
// start or another row (recovery to a point in time and pg_basebackup, a promoted
// standby, a snapshot of the volume, pg_dump into this server or another one, a
// database made by TEMPLATE, [store.Restore]), and then the author begins a new
// incarnation that names the last head that is held: nothing needs to be done by
// hand. The price is one incarnation for each start of the server under which an
// author writes. An open author is told by store.ErrOtherAuthor and opened anew.
// (A snapshot of a running virtual machine with its memory does go back unseen: do
// not keep this database in one.) The guard of [store.AuthorConfig] is a host's and
// is not asked here.
//
// # What is let go
//
// Bodies that are dropped are no longer to be had from the tables at once, and are
// overwritten when PostgreSQL vacuums; archived logs and base backups keep them for
// as long as they are kept.
package pg
