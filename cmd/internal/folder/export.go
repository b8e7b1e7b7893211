package folder

import (
	"crypto/ed25519"
	"errors"
	"io"
	"slices"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// Export writes a bundle of the pinned charters and of every held ledger of the
// kinds, whole. The ledgers that this folder's own issuer or steward writes are
// signed anew first, so that whoever reads them knows how old they are not; one
// that was not begun yet begins. It returns the ledgers that were written.
func (f *Folder) Export(w io.Writer, kinds []ledger.LogKind, progress Progress) ([]store.Info, error) {
	community, err := f.Community()
	if err != nil {
		return nil, err
	}
	if err := f.Refresh(kinds...); err != nil {
		return nil, err
	}
	b := ledger.NewBundleWriter(w)
	chains := []ledger.Charters{community}
	if node, err := f.Node(); err == nil {
		chains = append(chains, node)
	} else if !errors.Is(err, ErrNoNode) {
		return nil, err
	}
	for _, chain := range chains {
		for v := 1; v <= chain.Len(); v++ {
			_, signed := chain.Version(v)
			if err := b.Charter(signed); err != nil {
				return nil, err
			}
		}
	}
	all, err := f.store.Ledgers()
	if err != nil {
		return nil, err
	}
	var out []store.Info
	// Door logs are vouched for by node ledgers, and so come behind them.
	for _, kind := range []ledger.LogKind{ledger.CommunityLog, ledger.NodeLog, ledger.DirectoryLog, ledger.CensusLog, ledger.DoorLog} {
		for _, i := range all {
			if i.Origin.Kind != kind || !slices.Contains(kinds, kind) {
				continue
			}
			if err := f.exportLedger(b, i, progress); err != nil {
				return out, err
			}
			out = append(out, i)
		}
	}
	return out, b.Close()
}

func (f *Folder) exportLedger(b *ledger.BundleWriter, i store.Info, progress Progress) error {
	if err := b.Head(i.Author, i.Note); err != nil {
		return err
	}
	for c, err := range f.store.Chunks(i, 0) {
		if err != nil {
			return err
		}
		if err := b.Chunk(c); err != nil {
			return err
		}
		if progress != nil {
			progress(i.Origin, c.Start+int64(len(c.Entries)), i.Size)
		}
	}
	return nil
}

// Refresh signs the heads anew of those ledgers of the kinds that this folder
// writes as an issuer or steward in force.
func (f *Folder) Refresh(kinds ...ledger.LogKind) error {
	for _, kind := range kinds {
		w := writing[kind]
		if byGateway(kind) {
			continue // the daemon's: its author is running
		}
		chain, err := f.belongs(kind)
		if errors.Is(err, ErrNoNode) {
			continue
		}
		if err != nil {
			return err
		}
		key, err := f.Key(w.key)
		if errors.Is(err, ErrNoKey) {
			continue
		}
		if err != nil {
			return err
		}
		if a, ok := author(chain, w.role, ledger.KeyIDOf(key.Public().(ed25519.PublicKey))); !ok || a.Retired {
			continue
		}
		a, err := f.Author(kind)
		if errors.Is(err, ErrForked) {
			continue // no head of it counts any more
		}
		if err != nil {
			return err
		}
		if err := a.Refresh(); err != nil {
			return err
		}
	}
	return nil
}
