package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

func (e *env) communityCmd() *cobra.Command {
	return group("community", "Who admits people", e.communityNew())
}

func (e *env) communityNew() *cobra.Command {
	var chain uint64
	var registry address
	c := verb("new SLUG", "Make a community: its charter, signed here, and its first issuer's key", func(_ *cobra.Command, args []string) error {
		if err := ledger.CheckSlug("slug", args[0]); err != nil {
			return usageError{Err: err}
		}
		if chain == 0 || registry == (address{}) {
			return usage("--chain-id and --registry are the passport registry's place on its chain, and not 0")
		}
		return e.change(true, func(f *folder.Folder) error {
			if have, err := f.Community(); err == nil {
				return fmt.Errorf("%w: it belongs to the community %q", folder.ErrPinned, have.Latest().Slug)
			} else if !errors.Is(err, folder.ErrUnpinned) {
				return err
			}
			id, key, err := e.found(f, ledger.Charter{Kind: ledger.CommunityCharter, Slug: args[0], ChainID: chain, Registry: registry}, folder.IssuerKey, ledger.Issuer)
			if err != nil {
				return err
			}
			return e.print(struct {
				Community string `json:"community"`
				Slug      string `json:"slug"`
				Issuer    hex32  `json:"issuer"`
			}{id.String(), args[0], key},
				"community %s\nid        %s\nissuer    %s\nIts charter key, %s/keys/charter.pem, decides who belongs to it: keep a copy of it offline.\n", args[0], id, &key, e.dir)
		})
	})
	c.Flags().Uint64Var(&chain, "chain-id", 0, "chain of the passport registry (EIP-155)")
	c.Flags().Var(&registry, "registry", "contract address of the passport registry")
	return need(c, "chain-id", "registry")
}

// found makes the keys of a first charter, signs it and pins the folder to it.
func (e *env) found(f *folder.Folder, c ledger.Charter, role folder.Role, as ledger.AuthorRole) (id ledger.CharterID, author hex32, err error) {
	charter, err := f.EnsureKey(folder.CharterKey)
	if err != nil {
		return id, author, err
	}
	key, err := f.EnsureKey(role)
	if err != nil {
		return id, author, err
	}
	author = hex32(key.Public().(ed25519.PublicKey))
	c.Format, c.Version, c.Threshold = 1, 1, 1
	c.Keys = [][32]byte{[32]byte(charter.Public().(ed25519.PublicKey))}
	c.Authors = []ledger.Author{{Role: as, Key: author}}
	b, err := c.Marshal()
	if err != nil {
		return id, author, err
	}
	id, err = f.Found(ledger.SignCharter(b, charter))
	return id, author, err
}
