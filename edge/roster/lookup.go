package roster

import (
	"encoding/binary"
	"errors"
	"fmt"

	"tombolo/edge/access"
	"tombolo/edge/roster/internal/holders"
	"tombolo/passport"
)

var errDamaged = errors.New("a row of the roster is damaged; stop the gateway, move the roster away and it will be made again")

// ByWindow finds the key that a code names: a passport and the key's short id.
// A key that is not there is a Holder that is not Known.
func (r *Roster) ByWindow(p passport.ID, short [8]byte) (access.Holder, error) {
	n := binary.BigEndian.Uint64(short[:])
	row, err := r.lookup((*reader).holders, int64(n))
	if err != nil || row == nil {
		return access.Holder{}, err
	}
	h, err := holders.ByWindow(n, row, p)
	if err != nil {
		return access.Holder{}, fmt.Errorf("roster: %w (key %x: %w)", errDamaged, short, err)
	}
	return h, nil
}

// ByKey finds a key by its whole id, as a tap gives it. While the file cannot be
// read, the keys that open homes are found as the last View has them, without an
// error; of others the error is returned.
func (r *Roster) ByKey(id passport.KeyID) (access.Holder, error) {
	h, err := r.byKey(id)
	if err != nil {
		if resident, ok := r.View().residents[id]; ok {
			return resident, nil
		}
	}
	return h, err
}

func (r *Roster) byKey(id passport.KeyID) (access.Holder, error) {
	row, err := r.lookup((*reader).holders, int64(holders.Short(id)))
	if err != nil || row == nil {
		return access.Holder{}, err
	}
	h, err := holders.ByKey(row, id)
	if err != nil {
		return access.Holder{}, fmt.Errorf("roster: %w (key %v: %w)", errDamaged, id, err)
	}
	return h, nil
}

// Pin is this gateway's box of the passport's PINs, for package edge/pin to
// open; ok is false if there is none.
func (r *Roster) Pin(p passport.ID) (sealed []byte, ok bool, err error) {
	sealed, err = r.lookup((*reader).pins, int64(p))
	return sealed, len(sealed) > 0, err
}
