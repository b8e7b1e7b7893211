package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

func (e *env) nodeCmd() *cobra.Command {
	return group("node", "A place: its doors, its gateways, its policy", e.nodeNew(), e.nodeRegister(), e.policyCmd())
}

func (e *env) nodeNew() *cobra.Command {
	return verb("new SLUG", "Make a node of this folder's community: its charter, signed here, and its first steward's key", func(_ *cobra.Command, args []string) error {
		if err := ledger.CheckSlug("slug", args[0]); err != nil {
			return usageError{Err: err}
		}
		return e.change(false, func(f *folder.Folder) error {
			community, err := f.Community()
			if err != nil {
				return err
			}
			if have, err := f.Node(); err == nil {
				return fmt.Errorf("%w: it belongs to the node %q", folder.ErrPinned, have.Latest().Slug)
			} else if !errors.Is(err, folder.ErrNoNode) {
				return err
			}
			id, key, err := e.found(f, ledger.Charter{Kind: ledger.NodeCharter, Slug: args[0], Community: community.ID()}, folder.StewardKey, ledger.Steward)
			if err != nil {
				return err
			}
			return e.print(struct {
				Node      string `json:"node"`
				Slug      string `json:"slug"`
				Community string `json:"community"`
				Steward   hex32  `json:"steward"`
			}{id.String(), args[0], community.ID().String(), key},
				"node      %s of %s\nid        %s\nsteward   %s\n", args[0], community.Latest().Slug, id, &key)
		})
	})
}

func (e *env) nodeRegister() *cobra.Command {
	var floor, doors uint32
	c := verb("register [FILE]", "As an issuer, make a node part of the community and vouch for its stewards to phones: this folder's node, or the one whose charter is in FILE", func(_ *cobra.Command, args []string) error {
		return e.change(false, func(f *folder.Folder) error {
			community, err := f.Community()
			if err != nil {
				return err
			}
			node, err := nodeCharters(f, args)
			if err != nil {
				return err
			}
			n := node.Latest()
			if n.Community != community.ID() {
				return fmt.Errorf("node %q is of another community, %v", n.Slug, n.Community)
			}
			bodies, err := f.VouchNode(node)
			if err != nil {
				return err
			}
			vouched := []hex32{}
			for _, b := range bodies {
				vouched = append(vouched, b.(*ledger.NodeVouched).Steward)
			}
			since, err := registered(f, node.ID(), doors, floor)
			switch {
			case err != nil:
				return err
			case since.IsZero():
				bodies = append([]ledger.Body{&ledger.NodeRegistered{Node: node.ID(), Slug: n.Slug, Doors: doors, Floor: floor}}, bodies...)
			case len(bodies) == 0:
				return fmt.Errorf("node %q is registered already, since %s", n.Slug, when(since))
			}
			if err := e.write(f, ledger.CommunityLog, bodies...); err != nil {
				return err
			}
			return e.print(struct {
				Node    string  `json:"node"`
				Slug    string  `json:"slug"`
				Doors   uint32  `json:"doors"`
				Floor   uint32  `json:"floor"`
				Vouched []hex32 `json:"vouched"` // stewards, just now
			}{node.ID().String(), n.Slug, doors, floor, vouched}, "node %s is registered: %s, %d m²\nvouched for %s to phones\n",
				n.Slug, count(doors, "door", "doors"), floor, count(len(vouched), "steward", "stewards"))
		})
	})
	c.Flags().Uint32Var(&floor, "floor", 0, "floor space in square metres, 0 when it is not stated")
	c.Flags().Uint32Var(&doors, "doors", 0, "number of doors")
	return need(c, "doors")
}

// registered is when a node was registered with just these figures; zero if it
// was not.
func registered(f *folder.Folder, node ledger.CharterID, doors, floor uint32) (time.Time, error) {
	for r, err := range f.Counted(ledger.CommunityLog) {
		if err != nil {
			return time.Time{}, err
		}
		if b, ok := r.Body.(*ledger.NodeRegistered); ok && b.Node == node && b.Doors == doors && b.Floor == floor {
			return r.Time, nil
		}
	}
	return time.Time{}, nil
}

// nodeCharters is the folder's own node, or the one node in an exported file.
func nodeCharters(f *folder.Folder, file []string) (ledger.Charters, error) {
	if len(file) == 0 {
		return f.Node()
	}
	r, err := os.Open(file[0])
	if err != nil {
		return ledger.Charters{}, err
	}
	defer r.Close()
	b, err := ledger.NewBundleReader(r)
	if err != nil {
		return ledger.Charters{}, fmt.Errorf("%s: %w", file[0], err)
	}
	var chain ledger.Charters
	for item, err := b.Next(); ; item, err = b.Next() {
		if errors.Is(err, io.EOF) || (err == nil && item.Charter == nil) {
			break
		}
		if err != nil {
			return chain, fmt.Errorf("%s: %w", file[0], err)
		}
		c, err := ledger.ParseCharter(item.Charter.Charter)
		if err != nil {
			return chain, err
		}
		if c.Kind != ledger.NodeCharter {
			continue
		}
		if chain, err = ledger.CheckCharter(chain, *item.Charter); err != nil {
			return chain, fmt.Errorf("%s: %w", file[0], err)
		}
	}
	if chain.Len() == 0 {
		return chain, fmt.Errorf("%s holds no node's charter; export it from the node's folder with `tombolo ledger export`", file[0])
	}
	return chain, nil
}
