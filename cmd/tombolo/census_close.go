package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/build"
	"tombolo/cmd/internal/folder"
	"tombolo/sync/hub"
	"tombolo/sync/ledger"
	"tombolo/sync/store/pg"
)

// hubFlags say where a hub's ledgers are.
type hubFlags struct {
	database string
	epoch    epochFlag
}

func (h *hubFlags) flags(c *cobra.Command) {
	h.epoch.flag(c)
	c.Flags().StringVar(&h.database, "database", os.Getenv("TOMBOLO_HUB_DATABASE"), "the postgres:// `URL` that this hub runs on (TOMBOLO_HUB_DATABASE; default the folder's own ledgers)")
	c.Flags().Lookup("database").DefValue = "" // it may hold a password, and --help would show it
}

// inHub works as the hub of this folder, beside its daemon or without one.
func (e *env) inHub(ctx context.Context, h *hubFlags, do func(*hub.Hub, *folder.Folder, *epoch) error) error {
	return e.open(false, func(keys *folder.Folder) (err error) {
		is, err := keys.IsHub()
		if err != nil {
			return err
		}
		if !is {
			return fmt.Errorf("%s is no hub's folder: name it with --dir (the hub's --data)", keys.Dir())
		}
		f := keys
		if h.database != "" {
			s, err := pg.Open(ctx, h.database)
			if err != nil {
				return fmt.Errorf("the hub's database: %w", err)
			}
			f = folder.On(keys.Dir(), s)
			f.Now = e.Now
			defer func() { err = errors.Join(err, f.Close()) }()
		}
		all, err := epochs(f)
		if err != nil {
			return err
		}
		p, err := h.epoch.among(all, e.Now())
		if err != nil {
			return err
		}
		served, err := e.hubOf(f)
		if err != nil {
			return err
		}
		return do(served, f, p)
	})
}

// hubOf is the hub of a folder, without links.
func (e *env) hubOf(f *folder.Folder) (*hub.Hub, error) {
	cfg := hub.Config{Store: f.Store(), Dir: f.Dir(), Community: f.Community, Rights: f.Rights, Now: e.Now, Software: "tombolo " + build.Version()}
	for role, key := range map[folder.Role]*ed25519.PrivateKey{folder.HubKey: &cfg.Author, folder.HubHoldKey: &cfg.Hold, folder.HubWitnessKey: &cfg.Witness} {
		var err error
		if *key, err = f.Key(role); err != nil {
			return nil, err
		}
	}
	var err error
	if cfg.Guard, err = f.HubGuard(); err != nil {
		return nil, err
	}
	return hub.New(cfg)
}

func (e *env) censusClose() *cobra.Command {
	var h hubFlags
	c := verb("close", "In the hub's folder, close an epoch that is over with the reports that are in: the figure, the list and its root", func(c *cobra.Command, _ []string) error {
		return e.inHub(c.Context(), &h, func(served *hub.Hub, f *folder.Folder, p *epoch) error {
			again := len(p.closed) > 0
			bar := e.stages()
			closed, err := served.Close(c.Context(), p.id, bar.at)
			bar.end()
			if err != nil {
				return fmt.Errorf("epoch %d: %w", p.Number, err)
			}
			if again {
				e.note("epoch %d was closed before; nothing was changed", p.Number)
			}
			p.closed = []*ledger.EpochClosed{&closed}
			v := viewOfEpoch(p, e.Now())
			next := fmt.Sprintf("Draw when the beacon has spoken (%s): tombolo census draw --block HASH, or --seed HEX.", p.Beacon)
			if closed.Withheld {
				next = "Nothing of it is published, and nothing is drawn."
			}
			return e.print(v, "epoch %d  %v\npassports  %s\nreports    %d\nroot       %v\nestate     %s, %s, %d m²\n%s\n",
				p.Number, p.id, figureWords(v.Closed), closed.Reports, &v.Closed.Root, count(closed.Nodes, "node", "nodes"), count(closed.Doors, "door", "doors"), closed.Floor, next)
		})
	})
	c.Long = "A hub closes each epoch by itself some hours after its end; this does it now. What comes later is kept, and not counted.\n" +
		"It may be interrupted and run again at any time."
	h.flags(c)
	return c
}

func (e *env) censusDraw() *cobra.Command {
	var h hubFlags
	var seed, block hex32
	var source string
	c := verb("draw", "In the hub's folder, draw from a closed epoch, once, by what its beacon said", func(c *cobra.Command, _ []string) error {
		if c.Flags().Changed("seed") == c.Flags().Changed("block") {
			return usage("%s: say what the beacon said: --seed HEX, or --block HASH", c.CommandPath())
		}
		if c.Flags().Changed("block") {
			seed = block
		}
		return e.inHub(c.Context(), &h, func(served *hub.Hub, f *folder.Folder, p *epoch) error {
			if source == "" {
				source = p.Beacon
				if c.Flags().Changed("block") {
					source += ": 0x" + block.String()
				}
			}
			if !strings.HasPrefix(source, p.Beacon) {
				return usage("%s: --source has to begin with what the epoch named: %q", c.CommandPath(), p.Beacon)
			}
			d, err := served.Draw(c.Context(), p.id, seed, source)
			if err != nil {
				return fmt.Errorf("epoch %d: %w", p.Number, err)
			}
			p.draws = []*ledger.Draw{&d}
			return e.print(viewOfEpoch(p, e.Now()), "epoch %d: %d of %s drawn by %v, from %q.\nTheir gateways open them to the auditors (%s) by themselves, until %s; no answer counts against the figure.\n",
				p.Number, min(uint64(p.Sample), d.Size), count(d.Size, "tag is", "tags are"), &seed, d.Source, auditorsOr(p.Auditors), when(unix(p.Audit)))
		})
	})
	c.Long = "There is one draw for an epoch, and a second one shows in the hub's ledger for good."
	h.flags(c)
	c.Flags().Var(&seed, "seed", "the 32 bytes that the beacon gave, and nobody could choose")
	c.Flags().Var(&block, "block", "a block's `HASH` as the beacon")
	c.Flags().StringVar(&source, "source", "", "where exactly anybody finds it; begins with the epoch's beacon, word for word (default the beacon)")
	return c
}
