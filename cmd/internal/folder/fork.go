package folder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// keepFork proves, from the nth ledger of the bundle and the one that is held,
// that their author signed two histories, and keeps the proof.
func (im *importer) keepFork(r io.ReadSeeker, n int, fork *store.ForkError) error {
	if fork.Offered.Size <= fork.Held.Size {
		held, err := im.f.store.Ledger(fork.Held.Origin)
		if err != nil {
			return err
		}
		return im.addFork(fork.Offered, held, im.f.store)
	}
	// The larger tree is the one that the proof is made from: it is built beside
	// the one that is held.
	dir, err := os.MkdirTemp("", "tombolo-fork-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	other, err := store.Open(filepath.Join(dir, ledgersFile))
	if err != nil {
		return err
	}
	err = im.rebuild(r, n, fork.Offered, other)
	if err == nil {
		var offered store.Info
		if offered, err = other.Ledger(fork.Offered.Origin); err == nil {
			err = im.addFork(fork.Held, offered, other)
		}
	}
	return errors.Join(err, other.Close())
}

func (im *importer) addFork(smaller ledger.Head, larger store.Info, in *store.Store) error {
	proof, err := ledger.ProveFork(smaller, larger.Head, ledger.Hashes(in.Reader(larger)))
	if err != nil {
		return err
	}
	return im.f.store.AddFork(proof, im.f.Now().Unix())
}

// rebuild reads the bundle's nth ledger again, into another store.
func (im *importer) rebuild(r io.ReadSeeker, n int, head ledger.Head, into *store.Store) (err error) {
	if _, err := r.Seek(0, io.SeekStart); err != nil {
		return err
	}
	again := &importer{f: im.f}
	if again.bundle, err = ledger.NewBundleReader(r); err != nil {
		return err
	}
	for again.next(); again.err == nil; again.next() {
		if again.item.Head == nil {
			continue
		}
		if n--; n < 0 {
			again.next()
			chain, err := im.f.belongs(head.Origin.Kind)
			if err != nil {
				return err
			}
			_, err = into.Ingest(head, im.f.Now().Unix(), again.verified(head, chain.ID()))
			return err
		}
	}
	return fmt.Errorf("the file changed while it was read: %w", again.err)
}
