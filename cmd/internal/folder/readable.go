package folder

import (
	"errors"
	"fmt"
	"slices"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// ErrOldGateway marks a kind of entry that a gateway of the node cannot read.
var ErrOldGateway = errors.New("update the gateway first")

// Readable returns [ErrOldGateway] when a gateway of the node has said at its
// last start, as far as its door log is held here, that it does not know kind.
// Of gateways whose door log is not held nothing is known, and of kinds that are
// not critical nothing is asked: whoever does not know them goes on without.
func (f *Folder) Readable(kind ledger.Kind) error {
	if !kind.Critical() {
		return nil
	}
	gateways, err := f.Gateways()
	if errors.Is(err, ErrNoNode) {
		return nil
	}
	if err != nil {
		return err
	}
	ledgers, err := f.store.Ledgers()
	if err != nil {
		return err
	}
	for _, g := range gateways {
		if !g.Active() {
			continue
		}
		boot, err := f.lastBoot(ledgers, ledger.KeyIDOf(g.Keys.Signing[:]))
		if err != nil {
			return err
		}
		if boot != nil && !slices.Contains(boot.Kinds, kind) {
			return fmt.Errorf("gateway %q (%s) does not know entries of the kind %v: %w", g.Name, boot.Software, kind, ErrOldGateway)
		}
	}
	return nil
}

// lastBoot finds a gateway's newest Boot entry, from the end; nil if there is
// none.
func (f *Folder) lastBoot(ledgers []store.Info, author ledger.KeyID) (*ledger.Boot, error) {
	var newest *store.Info
	for i, l := range ledgers {
		if l.Origin.Kind == ledger.DoorLog && l.Origin.Author == author && (newest == nil || l.Generation >= newest.Generation) {
			newest = &ledgers[i]
		}
	}
	if newest == nil {
		return nil, nil
	}
	for hi := newest.Size; hi > 0; hi = max(0, hi-ledger.ChunkSize) {
		index := max(0, hi-ledger.ChunkSize)
		var boot *ledger.Boot
		for e, err := range f.store.Entries(*newest, index, hi) {
			if err != nil {
				return nil, err
			}
			r, err := record(*newest, index, e)
			if err != nil {
				return nil, fmt.Errorf("%v: %w", newest.Origin, &ledger.At{First: index, Last: index, Err: err})
			}
			if b, ok := r.Body.(*ledger.Boot); ok {
				boot = b
			}
			index++
		}
		if boot != nil {
			return boot, nil
		}
	}
	return nil, nil
}
