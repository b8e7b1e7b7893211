package hub

import (
	"bytes"
	"cmp"

	"tombolo/sync/ledger"
)

type zoneKey struct {
	node ledger.CharterID
	name string
}

func cmpFault(all ...Fault) Fault { return cmp.Or(all...) }

// compareSeen is by gateway, then the oldest first.
func compareSeen(a, b seen) int {
	return cmp.Or(bytes.Compare(a.origin.Author[:], b.origin.Author[:]), cmp.Compare(a.generation, b.generation), a.origin.Compare(b.origin), cmp.Compare(a.index, b.index))
}

// comparePlaces is by tag and gateway, then the oldest first.
func comparePlaces(a, b place) int {
	return cmp.Or(bytes.Compare(a.tag[:], b.tag[:]), bytes.Compare(a.origin.Author[:], b.origin.Author[:]),
		cmp.Compare(a.generation, b.generation), a.origin.Compare(b.origin), cmp.Compare(a.index, b.index))
}

func compareZones(a, b zoneOf) int {
	return cmp.Or(bytes.Compare(a.node[:], b.node[:]), cmp.Compare(a.name, b.name))
}
