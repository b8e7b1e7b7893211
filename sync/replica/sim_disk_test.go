package replica_test

import (
	"crypto/ed25519"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// simDisk is what a host needs of a store. simMemory keeps the contract of
// package sync/store, simFile is that package itself.
type simDisk interface {
	held() []simHeld                          // whole ledgers, by origin
	ledger(o ledger.Origin) (simHeld, bool)   // one of them
	edge(o ledger.Origin) (ledger.Tree, bool) // of all that is stored, the part that is not whole included
	parts() []ledger.Origin                   // ledgers of which only a part is there
	entries(o ledger.Origin, lo, hi int64) []ledger.Entry
	stretch(o ledger.Origin, from int64, most int) (ledger.Head, ledger.Stretch, error)
	compare(h ledger.Head) (*ledger.Fork, error)
	forks() []ledger.Fork
	charters(id ledger.CharterID) ledger.Charters
	acks(o ledger.Origin) map[replica.Peer]int64 // how far others say, with their hold keys, that they have it

	extend(x ledger.Extension, seen int64) error
	forget(o ledger.Origin)
	addFork(f ledger.Fork, seen int64) error
	addHeld(peer replica.Peer, h ledger.Head, seen int64) error
	addCharter(s ledger.SignedCharter) error
	author(cfg simAuthorConfig) (simAuthor, error)

	backup() simBackup // of everything
	close()
}

// simBackup is a disk as it was.
type simBackup interface{ restore() simDisk }

// simHeld is a whole ledger.
type simHeld struct {
	head       ledger.Head
	edge       ledger.Tree
	generation uint64
	charter    ledger.CharterID
	seen       int64
}

// simAuthorConfig says who writes what; the guard is volatile, and lost with the
// machine's power.
type simAuthorConfig struct {
	key       ed25519.PrivateKey
	community ledger.CharterID
	kind      ledger.LogKind
	charter   ledger.CharterID
	guard     *simGuard
	random    func([]byte)
	now       func() time.Time
}

func (c simAuthorConfig) origin() ledger.Origin {
	return ledger.Origin{Community: c.community, Kind: c.kind, Author: simPeer(c.key)}
}

// simAuthor writes one ledger; everything is durable when a call returns.
type simAuthor interface {
	origin() ledger.Origin
	append(now time.Time, bodies ...ledger.Body) error
	drop(now time.Time, first, last int64) error
}

// simGuard is the volatile memory of how far each ledger was signed.
type simGuard struct {
	signed map[ledger.Origin]ledger.Checkpoint
	dir    string // for a store's own guard
	boot   int
}
