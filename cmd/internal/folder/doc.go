// Package folder is what a steward, an issuer, a resident or a gateway keeps on
// disk: ledgers.db (package store), private keys in keys/*.pem, and what the
// folder is pinned to. The command and the daemon share it.
//
// Call [Open]. A gateway's folder begins with [Folder.NewGateway] and
// [Folder.Enrol]; every other one with a charter, made here or pinned by
// [Folder.Import]. [Folder.Author] writes, [Folder.Counted] reads what counts by
// the charters, [Folder.Export] and [Folder.Import] carry ledgers as files.
//
// A gateway proves itself to phones with [Folder.Vouched], made of what
// [Folder.VouchNode] and [Folder.VouchGateway] had issuer and steward write.
//
// Import is where rights are judged: package store takes in whatever verifies,
// this package only what a pinned charter, or an enrolment by a steward of it,
// vouches for. It decides nothing about doors.
//
// # Pins
//
// The store pins "community" and "node" to the ids of their chains of charters
// (32 bytes each) and, on a gateway, "gateway" to its slug. A pin is set once
// and never moved: another community is another folder.
package folder
