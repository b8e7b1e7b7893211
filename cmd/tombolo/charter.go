package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

func (e *env) charterCmd() *cobra.Command {
	return group("charter", "The documents that say who may write what", e.charterShow(), e.charterKey(), e.charterUpdate())
}

// charterView is the charter in force in JSON.
type charterView struct {
	Kind      string       `json:"kind"`
	ID        string       `json:"id"`
	Slug      string       `json:"slug"`
	Version   uint64       `json:"version"`
	Community string       `json:"community,omitempty"`
	ChainID   uint64       `json:"chain_id,omitempty"`
	Registry  *address     `json:"registry,omitempty"`
	Threshold uint         `json:"threshold"`
	Keys      []hex32      `json:"keys"`
	Authors   []authorView `json:"authors"`
}

type authorView struct {
	Role        string        `json:"role"`
	Key         hex32         `json:"key"`
	Fingerprint string        `json:"fingerprint,omitempty"` // as `tombolo-hub init` shows it
	Retired     bool          `json:"retired"`
	Successor   string        `json:"successor,omitempty"`
	Counted     []countedView `json:"counted,omitempty"`
}

type countedView struct {
	Incarnation string `json:"incarnation"`
	Size        int64  `json:"size"`
	Root        string `json:"root"`
}

// isService tells the roles of machines whose keys a person compares.
func isService(r ledger.AuthorRole) bool { return r == ledger.Hub || r == ledger.Evaluator }

func viewOf(id ledger.CharterID, c ledger.Charter) charterView {
	v := charterView{Kind: string(c.Kind), ID: id.String(), Slug: c.Slug, Version: c.Version, ChainID: c.ChainID, Threshold: c.Threshold}
	if c.Kind == ledger.CommunityCharter {
		v.Registry = (*address)(&c.Registry)
	} else {
		v.Community = c.Community.String()
	}
	for _, k := range c.Keys {
		v.Keys = append(v.Keys, k)
	}
	for _, a := range c.Authors {
		w := authorView{Role: string(a.Role), Key: a.Key, Retired: a.Retired, Successor: hex.EncodeToString(a.Successor)}
		if isService(a.Role) {
			w.Fingerprint = folder.Fingerprint(a.Key)
		}
		for _, n := range a.Counted {
			w.Counted = append(w.Counted, countedView{n.Incarnation.String(), n.Size, hex.EncodeToString(n.Root[:])})
		}
		v.Authors = append(v.Authors, w)
	}
	return v
}

// lines is the charter for people, a fact a line, so that two of them compare.
func (v charterView) lines() (out []string) {
	line := func(label, format string, args ...any) {
		out = append(out, fmt.Sprintf("%-11s ", label)+fmt.Sprintf(format, args...))
	}
	line(v.Kind, "%s", v.Slug)
	line("id", "%s", v.ID)
	line("version", "%d", v.Version)
	if v.Registry != nil {
		line("registry", "%s on chain %d", v.Registry, v.ChainID)
	} else {
		line("community", "%s", v.Community)
	}
	line("threshold", "%d of %s", v.Threshold, count(len(v.Keys), "charter key", "charter keys"))
	for _, k := range v.Keys {
		line("key", "%s", &k)
	}
	for _, a := range v.Authors {
		more := ""
		if a.Retired {
			more = ", retired, " + count(len(a.Counted), "ledger counts", "ledgers count")
			if a.Successor != "" {
				more += ", followed by " + a.Successor
			}
		}
		line(a.Role, "%s%s", &a.Key, more)
		if a.Fingerprint != "" {
			line("", "fingerprint %s", a.Fingerprint)
		}
		for _, n := range a.Counted {
			line("", "  incarnation %s counts %s", n.Incarnation, count(n.Size, "entry", "entries"))
		}
	}
	return out
}

func (e *env) charterShow() *cobra.Command {
	return verb("show", "Show the charters in force", func(*cobra.Command, []string) error {
		return e.open(false, func(f *folder.Folder) error {
			for _, chain := range []func() (ledger.Charters, error){f.Community, f.Node} {
				c, err := chain()
				if errors.Is(err, folder.ErrNoNode) {
					continue
				}
				if err != nil {
					return err
				}
				v := viewOf(c.ID(), c.Latest())
				if err := e.print(v, "%s\n\n", strings.Join(v.lines(), "\n")); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// ownRoles are the keys that a person can bring to a charter.
var ownRoles = []folder.Role{folder.CharterKey, folder.IssuerKey, folder.StewardKey}

func (e *env) charterKey() *cobra.Command {
	return verb("key ROLE", "Show this folder's public key of a role (charter, issuer, steward), made if it is missing, for others to add to a charter", func(_ *cobra.Command, args []string) error {
		for _, role := range ownRoles {
			if string(role) != args[0] {
				continue
			}
			return e.open(false, func(f *folder.Folder) error {
				if _, err := f.EnsureKey(role); err != nil {
					return err
				}
				pub, err := f.Public(role)
				if err != nil {
					return err
				}
				return e.print(struct {
					Role string `json:"role"`
					Key  hex32  `json:"key"`
				}{args[0], pub}, "%x\n", pub)
			})
		}
		return usage("charter key %s: want charter, issuer or steward", args[0])
	})
}
