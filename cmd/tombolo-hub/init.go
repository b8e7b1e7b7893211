package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

func (e *env) initCmd() *cobra.Command {
	c := verb("init FILE", "Make the hub's folder and keys, for the community whose charter is in FILE", func(_ *cobra.Command, args []string) error {
		return e.found(args[0], ledger.Hub)
	})
	c.Long = "FILE is what an issuer writes with `tombolo ledger export --kind community,directory --out FILE`. The keys that are there stay as they\nare. hub.request goes to whoever holds the community's charter keys (`tombolo charter update community --service hub.request`)."
	c.Example = "  tombolo-hub init --data /var/lib/tombolo-hub islands.ledgers"
	return c
}

func (e *env) evaluatorInit() *cobra.Command {
	c := verb("init FILE", "Make the evaluator's folder and keys, for the community whose charter is in FILE", func(_ *cobra.Command, args []string) error {
		return e.found(args[0], ledger.Evaluator)
	})
	c.Long = "FILE is what an issuer writes with `tombolo ledger export --kind community,directory --out FILE`. evaluator.request goes to whoever holds\nthe community's charter keys (`tombolo charter update community --service evaluator.request`)."
	return c
}

// errOther keeps hub and evaluator apart.
var errOther = errors.New("one of them could read whose tag is whose from what the other has: use another folder, and another machine")

// found pins a folder to the community of a file and makes it a service's.
func (e *env) found(path string, role ledger.AuthorRole) error {
	r, err := folder.OpenFile(path)
	if err != nil {
		return err
	}
	defer r.Close()
	f, err := folder.Open(e.dir, true)
	if err != nil {
		return err
	}
	f.Now = e.Now
	return errors.Join(e.foundIn(f, path, r, role), f.Close())
}

func (e *env) foundIn(f *folder.Folder, path string, r *os.File, role ledger.AuthorRole) error {
	other := map[ledger.AuthorRole]folder.Role{ledger.Hub: folder.EvaluatorKey, ledger.Evaluator: folder.HubKey}[role]
	if has, err := f.HasKey(other); err != nil {
		return err
	} else if has {
		return fmt.Errorf("%s has the key of the %s: %w", f.Dir(), other, errOther)
	}
	report, err := f.Import(r, folder.PinBoth[:1], nil)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	community, err := f.Community()
	if err != nil {
		return err
	}
	for _, l := range report.Ledgers {
		if l.Refused != nil && l.Origin.Kind != ledger.NodeLog {
			e.warn("%v was not taken in: %v", l.Origin, l.Refused)
		}
	}
	s, err := f.NewService(role)
	if err != nil {
		return err
	}
	if _, err := f.EnsureKey(folder.TLSKey); err != nil {
		return err
	}
	request := filepath.Join(f.Dir(), folder.ServiceFile(role))
	named := inForce(community, role, s.Keys[role])
	text := fmt.Sprintf("Take %s to whoever holds the charter keys of %q, who compares the key and answers with\n`tombolo charter update community --service %s`. Then take in their ledgers with `tombolo-hub %sadmit FILE`.\n",
		request, community.Latest().Slug, folder.ServiceFile(role), map[ledger.AuthorRole]string{ledger.Evaluator: "evaluator "}[role])
	if named {
		text = "The charter names it.\n"
	}
	return e.print(struct {
		Community   string `json:"community"`
		Slug        string `json:"slug"`
		Role        string `json:"role"`
		Key         string `json:"key"`
		Fingerprint string `json:"fingerprint"`
		Request     string `json:"request"`
		Named       bool   `json:"named"`
	}{community.ID().String(), community.Latest().Slug, string(role), fmt.Sprintf("%x", s.Keys[role]), folder.Fingerprint(s.Keys[role]), request, named},
		"The %s of %q (%v) has its keys. Its fingerprint is\n\n    %s\n\nof the key, as a charter shows it,\n\n    %x\n\n%s", role, community.Latest().Slug, community.ID(), folder.Fingerprint(s.Keys[role]), s.Keys[role], text)
}

// inForce tells whether the newest charter gives a key a role.
func inForce(chain ledger.Charters, role ledger.AuthorRole, key [32]byte) bool {
	for _, a := range chain.Latest().Authors {
		if a.Role == role && a.Key == key && !a.Retired {
			return true
		}
	}
	return false
}
