package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/store/pg"
)

// onDatabase is the site whose ledgers are in the database, with the keys of the
// folder f. A database that belongs to nobody yet takes over what the folder holds.
func (e *env) onDatabase(ctx context.Context, f *folder.Folder) (*site, error) {
	s, err := e.openDatabase(ctx, f.Dir())
	if err != nil {
		return nil, err
	}
	if err := takeOver(f, s.Folder); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// openDatabase opens the database as it is.
func (e *env) openDatabase(ctx context.Context, dir string) (*site, error) {
	s, err := pg.Open(ctx, e.database)
	if err != nil {
		return nil, fmt.Errorf("the ledgers in %s: %w", e.where(), err)
	}
	f := folder.On(dir, s)
	f.Now = e.Now
	return &site{f}, nil
}

// takeOver brings what a folder holds into a database that is new, and refuses one
// of another community. Of several processes that do it at once each brings the
// same.
func takeOver(from, to *folder.Folder) error {
	have, err := to.CommunityID()
	if err != nil {
		return err
	}
	own, err := from.CommunityID()
	if err != nil {
		return err
	}
	switch {
	case have.IsZero() && own.IsZero():
		return folder.ErrUnpinned
	case !have.IsZero() && !own.IsZero() && have != own:
		return fmt.Errorf("%w: the database is of the community %v, and this folder of %v", folder.ErrPinned, have, own)
	case !have.IsZero():
		return nil
	}
	// What a hub has when it is set up: a charter, and a few ledgers.
	var bundle bytes.Buffer
	if _, err := from.Export(&bundle, []ledger.LogKind{ledger.CommunityLog, ledger.DirectoryLog, ledger.CensusLog}, nil); err != nil {
		return err
	}
	_, err = to.Import(bytes.NewReader(bundle.Bytes()), folder.PinBoth[:1], nil)
	return err
}
