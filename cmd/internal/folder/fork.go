package folder

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// ErrForked marks a ledger whose author was convicted: what is held of it stays,
// and nothing more is taken in or written. The charter that retires the author
// says which history counts, and that one is taken in again.
var ErrForked = errors.New("its author signed two histories, and the proof is held here")

// convicted tells whether the proof is held that the author of a ledger signed
// two histories of it; of any of an author's ledgers of the kind, if o names no
// incarnation.
func (f *Folder) convicted(o ledger.Origin) (bool, error) {
	forks, err := f.store.Forks()
	if err != nil {
		return false, err
	}
	for _, fork := range forks {
		head, _, err := fork.Heads()
		if err != nil {
			return false, err
		}
		if o.Incarnation == (ledger.Incarnation{}) {
			head.Origin.Incarnation = o.Incarnation
		}
		if head.Origin == o {
			return true, nil
		}
	}
	return false, nil
}

// mayGrow returns [ErrForked] for a convicted author's ledger, unless the
// charter has retired the author and counts so much of this ledger that it is in
// what is offered; then what is offered has to be that history.
func (f *Folder) mayGrow(head ledger.Head, chain ledger.Charters) (counted ledger.Limit, err error) {
	convicted, err := f.convicted(head.Origin)
	if err != nil || !convicted {
		return counted, err
	}
	limit, ok := chain.Limit(writing[head.Origin.Kind].role, head.Origin)
	if !ok || limit.Root == nil || head.Size < limit.Size {
		remedy := "retire the key with `tombolo charter update`"
		if head.Origin.Kind == ledger.DoorLog {
			remedy = "remove the gateway with `tombolo gateway remove`"
		}
		return counted, fmt.Errorf("%w: nothing more of it is taken in; %s", ErrForked, remedy)
	}
	return limit, nil
}

// holds tells whether all that a charter counts of a ledger is held. What is
// held instead may be the other history, in whose place the true one comes.
func (f *Folder) holds(o ledger.Origin, counted ledger.Limit) (bool, error) {
	held, err := f.store.Ledger(o)
	if errors.Is(err, store.ErrNoLedger) {
		return true, nil
	}
	if err != nil || held.Size < counted.Size {
		return false, err
	}
	root, err := tlog.TreeHash(counted.Size, ledger.Hashes(f.store.Reader(held)))
	return root == *counted.Root, err
}

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
			chain, err := im.f.chainOf(head.Origin)
			if err != nil {
				return err
			}
			_, err = into.Ingest(head, im.f.Now().Unix(), again.verified(head, chain.ID(), ledger.Limit{}))
			return err
		}
	}
	return fmt.Errorf("the file changed while it was read: %w", again.err)
}
