package roster

import (
	"encoding/binary"

	"tombolo/sync/ledger"
)

// place orders the entries of one author: generation u64 ‖ incarnation[8] ‖
// index u64. Compared as bytes.
func place(l Ledger, index int64) []byte {
	return appendPlace(make([]byte, 0, 24), l, index)
}

func appendPlace(b []byte, l Ledger, index int64) []byte {
	b = binary.BigEndian.AppendUint64(b, l.Generation)
	b = append(b, l.Head.Origin.Incarnation[:]...)
	return binary.BigEndian.AppendUint64(b, uint64(index))
}

// timedPlace orders the entries of several authors: time u64 in milliseconds ‖
// author[16] ‖ place. An incarnation is its author's choice, so it tells two
// authors' entries apart only beside the author.
func timedPlace(l Ledger, index int64, e ledger.Entry) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, 48), uint64(e.Time))
	b = append(b, l.Head.Origin.Author[:]...)
	return appendPlace(b, l, index)
}

// placeTime is the time in a timedPlace, in Unix seconds.
func placeTime(b []byte) int64 {
	if len(b) < 8 {
		return 0
	}
	return int64(binary.BigEndian.Uint64(b) / 1000)
}
