package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/store"
	"tombolo/sync/store/pg"
)

// onDatabase is the site whose ledgers are in the database, with the keys of the
// folder f. A database that belongs to nobody yet takes over what the folder holds.
func (e *env) onDatabase(ctx context.Context, f *folder.Folder) (*site, error) {
	s, err := e.openDatabase(ctx, f.Dir())
	if err != nil {
		return nil, err
	}
	if err := takeOver(ctx, f, s.Folder); err != nil {
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

// takeOver brings all that a folder holds into a database that is new, and refuses
// one of another community. Of several processes that do it at once one does.
func takeOver(ctx context.Context, from, to *folder.Folder) error {
	own, err := from.CommunityID()
	if err != nil {
		return err
	}
	taken := func() (bool, error) {
		have, err := to.CommunityID()
		if err == nil && !have.IsZero() && !own.IsZero() && have != own {
			err = fmt.Errorf("%w: the database is of the community %v, and this folder of %v", folder.ErrPinned, have, own)
		}
		return !have.IsZero(), err
	}
	if yes, err := taken(); yes || err != nil {
		return err
	}
	if own.IsZero() {
		return folder.ErrUnpinned
	}
	dir, err := os.MkdirTemp(from.Dir(), ".database-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	snapshot := filepath.Join(dir, backupLedgers)
	if err := from.Store().Backup(ctx, snapshot); err != nil {
		return err
	}
	err = store.Restore(ctx, snapshot, to.Store())
	if errors.Is(err, store.ErrNotEmpty) {
		if yes, bad := taken(); yes || bad != nil {
			return bad // another process was quicker
		}
	}
	return err
}
