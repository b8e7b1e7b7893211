package main

import (
	"cmp"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

func (e *env) syncCmd() *cobra.Command {
	return group("sync", "Ledgers over the network: who has what", e.syncRun(), e.syncStatus())
}

const (
	// syncQuiet is how long nothing has to come before all has come that is there.
	syncQuiet = time.Second
	// syncPatience is how long a broker, or a gateway that is behind, is waited for
	// while nothing moves.
	syncPatience = 5 * time.Second
	syncLook     = 20 * time.Millisecond
)

// holder is how far a gateway of the node has what this desk writes, durably and by
// its own signature.
type holder struct {
	name string
	id   ledger.KeyID
	has  bool // all that travels over this desk's links
	all  bool // the rest as well
}

// holders says it of each active gateway of the node.
func (d *desk) holders() (out []holder, err error) {
	own, err := d.own()
	if err != nil {
		return nil, err
	}
	all, err := d.folder.Gateways()
	if errors.Is(err, folder.ErrNoNode) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	held := map[ledger.Origin]map[ledger.KeyID]int64{}
	for _, l := range own {
		by, err := d.folder.Store().Held(l.Origin)
		if err != nil {
			return nil, err
		}
		held[l.Origin] = map[ledger.KeyID]int64{}
		for _, h := range by {
			if h.Role == ledger.RoleHold {
				held[l.Origin][h.Peer] = h.Size
			}
		}
	}
	for _, g := range all {
		if !g.Active() {
			continue
		}
		h := holder{name: g.Name, id: ledger.KeyIDOf(g.Keys.Signing[:]), has: true, all: true}
		for _, l := range own {
			there := held[l.Origin][h.id] >= l.Size
			h.all = h.all && there
			h.has = h.has && (there || !d.carries(l.Origin.Kind))
		}
		out = append(out, h)
	}
	return out, nil
}

// hubLacks tells whether the community's hub is there and does not hold all that
// travels to it yet: nobody else may be, whom others could ask for it later.
func (d *desk) hubLacks(s peer.Status) (bool, error) {
	key, ok, err := d.folder.HubAuthor()
	if err != nil || !ok {
		return false, err
	}
	hub := ledger.KeyIDOf(key[:])
	if !slices.ContainsFunc(s.Peers, func(p peer.PeerStatus) bool { return p.Peer == hub.String() && len(p.Links) > 0 }) {
		return false, nil
	}
	own, err := d.own()
	if err != nil {
		return false, err
	}
	for _, l := range own {
		if replica.ScopeOf(l.Origin.Kind) != replica.All {
			continue
		}
		by, err := d.folder.Store().Held(l.Origin)
		if err != nil {
			return false, err
		}
		if !slices.ContainsFunc(by, func(h store.HeldBy) bool {
			return h.Peer == hub && h.Role == ledger.RoleHold && h.Size >= l.Size
		}) {
			return true, nil
		}
	}
	return false, nil
}

// carries tells whether ledgers of a kind travel over one of this desk's links.
func (d *desk) carries(k ledger.LogKind) bool {
	return d.ownLink || replica.ScopeOf(k) != replica.Node
}

// own lists the newest ledger of each kind that this folder writes.
func (d *desk) own() (out []store.Info, err error) {
	all, err := d.folder.Store().Ledgers()
	if err != nil {
		return nil, err
	}
	newest := map[ledger.LogKind]store.Info{}
	for _, role := range []folder.Role{folder.StewardKey, folder.IssuerKey} {
		key, err := d.folder.Key(role)
		if errors.Is(err, folder.ErrNoKey) {
			continue
		}
		if err != nil {
			return nil, err
		}
		author := ledger.KeyIDOf(key.Public().(ed25519.PublicKey))
		for _, l := range all {
			if have, ok := newest[l.Origin.Kind]; l.Origin.Author == author && (!ok || l.Generation > have.Generation) {
				newest[l.Origin.Kind] = l
			}
		}
	}
	for _, kind := range []ledger.LogKind{ledger.CommunityLog, ledger.NodeLog, ledger.DirectoryLog} {
		if l, ok := newest[kind]; ok {
			out = append(out, l)
		}
	}
	return out, nil
}

// reached is what came of telling the gateways.
type reached struct {
	Reached []string `json:"reached"`
	Missing []string `json:"missing"`
	Kept    []string `json:"kept"`       // reached, but not with what is the node's: no link carries it
	Links   []string `json:"links_down"` // and why
	Seconds float64  `json:"seconds"`
}

func (r reached) String() string {
	out := "reached no gateway"
	if n, of := len(r.Reached), len(r.Reached)+len(r.Missing); n > 0 {
		out = fmt.Sprintf("reached %d of %s in %.2f s", n, count(of, "gateway", "gateways"), r.Seconds)
	}
	if len(r.Missing) > 0 {
		out += "; not yet: " + strings.Join(r.Missing, ", ")
	}
	if len(r.Kept) > 0 {
		out += fmt.Sprintf("\nonly what is the community's was told to %s: policies and orders travel over links that are marked `own = true`, and %s has none", strings.Join(r.Kept, ", "), linksFile)
	}
	for _, l := range r.Links {
		out += "\nlink " + l
	}
	return out
}

// undone says what to do about what was not reached; nil if all was.
func (r reached) undone() error {
	switch {
	case len(r.Kept) > 0:
		return fmt.Errorf("what is the node's did not leave this desk: add a link to its own broker, with `own = true`, to %s (the README shows one), or bring it as a file (`tombolo ledger export`)", linksFile)
	case len(r.Links) > 0:
		return errors.New("not every link is up: see to it, and run this again")
	case len(r.Missing) > 0:
		return errors.New("not every gateway has it all: the others pass it on, or run this again when they are there")
	}
	return nil
}

// downLinks names the links that are not connected, and why.
func downLinks(all []peer.LinkStatus) []string {
	out := []string{}
	for _, l := range all {
		if !l.Up {
			out = append(out, because(l.Name, cmp.Or(l.Error, "no answer from "+l.Broker)))
		}
	}
	return out
}

// tell brings what this desk wrote to the gateways and takes in what is there,
// until every gateway says that it holds all of it, and the hub if it is there, or
// nothing moves any more.
func (e *env) tell(ctx context.Context, f *folder.Folder, patience time.Duration) (r reached, err error) {
	d, err := e.participant(f)
	if err != nil {
		return r, err
	}
	began := time.Now()
	err = d.during(ctx, func(ctx context.Context) error {
		last, moved, done := "", time.Now(), false
		for {
			all, err := d.holders()
			if err != nil {
				return err
			}
			s := d.node.Status()
			r = reached{Seconds: time.Since(began).Seconds(), Reached: []string{}, Missing: []string{}, Kept: []string{}, Links: downLinks(s.Links)}
			for _, h := range all {
				if h.has {
					r.Reached = append(r.Reached, h.name)
				} else {
					r.Missing = append(r.Missing, h.name)
				}
				if h.has && !h.all {
					r.Kept = append(r.Kept, h.name)
				}
			}
			left := int64(0) // of what is to come here, and of charters to announce
			for _, l := range s.Ledgers {
				left += l.Behind
			}
			for _, l := range s.Links {
				left += int64(l.Untold)
			}
			if lacks, err := d.hubLacks(s); err != nil {
				return err
			} else if lacks {
				left++
			}
			quiet := patience
			if len(r.Missing) == 0 && len(r.Links) == 0 && left == 0 {
				if len(all) > 0 && done { // at the last look, too: what was announced just now is on its way out
					return nil
				}
				done = true
				if len(all) == 0 {
					quiet = min(patience, syncQuiet) // nobody is there to say so
				}
			}
			if now := fmt.Sprint(r.Reached, r.Links, left, s.Counts); now != last {
				last, moved = now, time.Now()
			}
			if time.Since(moved) > quiet {
				return nil
			}
			if err := e.Sleep(ctx, syncLook); err != nil {
				return nil // interrupted: what was reached is reached
			}
		}
	})
	return r, err
}

func (e *env) syncRun() *cobra.Command {
	var patience time.Duration
	c := verb("run", "Bring what was written here to the gateways, and take in what they have", func(c *cobra.Command, _ []string) error {
		return e.open(false, func(f *folder.Folder) error {
			if err := f.Refresh(ledger.CommunityLog, ledger.NodeLog, ledger.DirectoryLog); err != nil {
				return err
			}
			r, err := e.tell(c.Context(), f, patience)
			if err != nil {
				return err
			}
			if err := e.print(r, "%s\n", r); err != nil {
				return err
			}
			return r.undone()
		})
	})
	c.Flags().DurationVar(&patience, "patience", syncPatience, "how long to wait while nothing moves")
	return c
}
