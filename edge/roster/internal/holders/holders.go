// Package holders packs what the roster says of a door key into one row, so
// that a lookup reads one page and parses one blob.
//
// A row stands under the first eight bytes of a key's id, its short id, and
// holds every key that begins so: as good as always one. [Seal] makes a row,
// [ByKey] and [ByWindow] find a holder in it. What a row says is the roster's
// affair; this package knows its form alone.
package holders

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"tombolo/edge/access"
	"tombolo/passport"
)

// The errors of a row. Either way it opens nothing.
var (
	ErrSum    = errors.New("its checksum does not fit")
	ErrForm   = errors.New("malformed row")
	ErrTooBig = errors.New("a class of more than 255 bytes")
)

// A row is sum u32 ‖ record…, ascending by id, with sum the CRC-32C of short u64
// ‖ record…. A record is
//
//	the last 24 bytes of the id ‖ flags u8 ‖ kind u8 ‖ mode u8 ‖ point[33] ‖
//	wallet[20] ‖ passport u64 ‖ not before u64 ‖ not after u64 ‖ scope[32] ‖
//	the passport's not before i64 ‖ not after i64 ‖ length u8 ‖ class
//
// in big-endian. A roster is a projection: another form is another version of its
// schema, and is made from the ledgers.
const (
	sumSize   = 4
	shortSize = 8
	fixedSize = 24 + 3 + 33 + 20 + 8 + 8 + 8 + 32 + 8 + 8 + 1
)

const (
	byOwner = 1 << iota
	revoked
	closedAtHome
	admitted
	disputed
	suspended
	expelled
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Short is the key of a row: the first eight bytes of a key's id.
func Short(id passport.KeyID) uint64 { return binary.BigEndian.Uint64(id[:shortSize]) }

func sum(short uint64, records []byte) uint32 {
	var b [shortSize]byte
	binary.BigEndian.PutUint64(b[:], short)
	return crc32.Update(crc32.Checksum(b[:], castagnoli), castagnoli, records)
}

// Seal packs holders whose keys have one short id, ascending by their ids.
// Errors: ErrForm for those that do not belong together, ErrTooBig.
func Seal(all ...access.Holder) ([]byte, error) {
	if len(all) == 0 {
		return nil, fmt.Errorf("%w: nobody to pack", ErrForm)
	}
	short := Short(all[0].KeyID)
	b := make([]byte, sumSize, sumSize+len(all)*(fixedSize+16))
	for i, h := range all {
		switch {
		case len(h.Class) > 255:
			return nil, ErrTooBig
		case !h.Known || Short(h.KeyID) != short || i > 0 && string(h.KeyID[:]) <= string(all[i-1].KeyID[:]):
			return nil, fmt.Errorf("%w: %v does not belong there", ErrForm, h.KeyID)
		}
		b = appendRecord(b, h)
	}
	binary.BigEndian.PutUint32(b, sum(short, b[sumSize:]))
	return b, nil
}

func appendRecord(b []byte, h access.Holder) []byte {
	d := h.Delegation
	b = append(b, h.KeyID[shortSize:]...)
	b = append(b, flagsOf(h), byte(d.Key.Kind), byte(d.Mode))
	b = append(b, d.Key.Point[:]...)
	b = append(b, h.Wallet[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(d.Passport))
	b = binary.BigEndian.AppendUint64(b, d.NotBefore)
	b = binary.BigEndian.AppendUint64(b, d.NotAfter)
	b = append(b, d.Scope[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.NotBefore))
	b = binary.BigEndian.AppendUint64(b, uint64(h.NotAfter))
	b = append(b, byte(len(h.Class)))
	return append(b, h.Class...)
}

func flagsOf(h access.Holder) (f byte) {
	for _, x := range [...]struct {
		set  bool
		flag byte
	}{
		{h.ByOwner, byOwner}, {h.Revoked, revoked}, {h.ClosedAtHome, closedAtHome}, {h.Admitted, admitted},
		{h.Disputed, disputed}, {h.Suspended, suspended}, {h.Expelled, expelled},
	} {
		if x.set {
			f |= x.flag
		}
	}
	return f
}

// ByKey finds a key by its whole id in the row of its short one; without it the
// holder is not Known. Errors: ErrSum, ErrForm.
func ByKey(row []byte, id passport.KeyID) (access.Holder, error) {
	var found access.Holder
	err := each(Short(id), row, func(h *access.Holder) {
		if h.KeyID == id {
			found = *h
		}
	})
	if err != nil {
		return access.Holder{}, err
	}
	return found, nil
}

// ByWindow finds the key of a passport in the row of its short id. Where the
// passport has two such keys nobody can tell which is meant, and the holder is
// not Known. Errors: ErrSum, ErrForm.
func ByWindow(short uint64, row []byte, p passport.ID) (access.Holder, error) {
	var found access.Holder
	n := 0
	err := each(short, row, func(h *access.Holder) {
		if h.Delegation.Passport == p {
			found, n = *h, n+1
		}
	})
	if err != nil || n != 1 {
		return access.Holder{}, err
	}
	return found, nil
}

// each parses a row strictly and wholly.
func each(short uint64, row []byte, f func(*access.Holder)) error {
	if len(row) < sumSize || binary.BigEndian.Uint32(row) != sum(short, row[sumSize:]) {
		return ErrSum
	}
	b := row[sumSize:]
	if len(b) == 0 {
		return fmt.Errorf("%w: no record", ErrForm)
	}
	var h access.Holder
	for n := 0; len(b) > 0; n++ {
		last := h.KeyID
		var err error
		if b, err = record(&h, short, b); err != nil {
			return err
		}
		if n > 0 && string(h.KeyID[:]) <= string(last[:]) {
			return fmt.Errorf("%w: record %d is out of order", ErrForm, n)
		}
		f(&h)
	}
	return nil
}

// record parses the first record of b and returns the rest.
func record(h *access.Holder, short uint64, b []byte) ([]byte, error) {
	if len(b) < fixedSize || len(b) < fixedSize+int(b[fixedSize-1]) {
		return nil, fmt.Errorf("%w: a record is cut off", ErrForm)
	}
	r, b := b[:fixedSize+int(b[fixedSize-1])], b[fixedSize+int(b[fixedSize-1]):]
	flags := r[24]
	if flags&^(byOwner|revoked|closedAtHome|admitted|disputed|suspended|expelled) != 0 {
		return nil, fmt.Errorf("%w: flags %#x", ErrForm, flags)
	}
	*h = access.Holder{
		Known: true, ByOwner: flags&byOwner != 0, Revoked: flags&revoked != 0, ClosedAtHome: flags&closedAtHome != 0,
		Admitted: flags&admitted != 0, Disputed: flags&disputed != 0, Suspended: flags&suspended != 0, Expelled: flags&expelled != 0,
		Delegation: passport.Delegation{
			Key:      passport.Key{Kind: passport.KeyKind(r[25]), Point: [33]byte(r[27:60])},
			Mode:     passport.Mode(r[26]),
			Passport: passport.ID(binary.BigEndian.Uint64(r[80:])), NotBefore: binary.BigEndian.Uint64(r[88:]), NotAfter: binary.BigEndian.Uint64(r[96:]),
			Scope: passport.Target(r[104:136]),
		},
		Wallet: [20]byte(r[60:80]), NotBefore: int64(binary.BigEndian.Uint64(r[136:])), NotAfter: int64(binary.BigEndian.Uint64(r[144:])),
		Class: string(r[fixedSize:]),
	}
	binary.BigEndian.PutUint64(h.KeyID[:], short)
	copy(h.KeyID[shortSize:], r[:24])
	return b, nil
}
