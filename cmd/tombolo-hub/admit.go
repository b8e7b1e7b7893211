package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

func (e *env) admitCmd() *cobra.Command {
	c := verb("admit FILE…", "Take in files of charters and ledgers: a node's, so that its gateways may connect, or the community's", func(_ *cobra.Command, args []string) error {
		return e.admit(args)
	})
	c.Long = "A node's steward writes FILE with `tombolo ledger export --kind directory --out FILE`: the node's charter and its gateways' public keys.\nAn issuer writes it with `--kind community,directory`. What a running hub or evaluator is given so, it knows within a second."
	return c
}

// admittedRow is what became of one charter or ledger of a file.
type admittedRow struct {
	File    string `json:"file"`
	What    string `json:"what"` // charter or ledger
	Kind    string `json:"kind"`
	Name    string `json:"name"` // of a charter: slug and version; of a ledger: its origin
	Entries int64  `json:"entries,omitempty"`
	Added   int64  `json:"added"`
	Refused string `json:"refused,omitempty"`
	Skipped bool   `json:"skipped,omitempty"` // nobody's affair here, and left out
}

func (e *env) admit(files []string) error {
	s, err := e.open()
	if err != nil {
		return err
	}
	refused := 0
	for _, path := range files {
		n, bad := e.admitFile(s.Folder, path)
		refused += n
		err = errors.Join(err, bad)
	}
	err = errors.Join(err, e.unregistered(s.Folder), s.Close())
	if err == nil && refused > 0 {
		return fmt.Errorf("%d of these were not taken in", refused)
	}
	return err
}

func (e *env) admitFile(f *folder.Folder, path string) (refused int, err error) {
	r, err := folder.OpenFile(path)
	if err != nil {
		return 0, err
	}
	defer r.Close()
	report, err := f.Import(r, nil, nil)
	for _, c := range report.Charters {
		row := admittedRow{File: path, What: "charter", Kind: string(c.Kind), Name: fmt.Sprintf("%s, version %d", c.Slug, c.Version)}
		if c.Added {
			row.Added = 1
		}
		if c.Refused != nil {
			row.Refused = c.Refused.Error()
			refused++
		}
		if bad := e.printAdmitted(row); bad != nil {
			return refused, bad
		}
	}
	for _, l := range report.Ledgers {
		row := admittedRow{File: path, What: "ledger", Kind: string(l.Origin.Kind), Name: l.Origin.String(), Entries: l.Size, Added: l.Added}
		switch {
		case l.Origin.Kind == ledger.NodeLog || l.Origin.Kind == ledger.DoorLog:
			row.Skipped = true // the node's own: nobody holds it here
		case l.Refused != nil:
			row.Refused = l.Refused.Error()
			refused++
		}
		if bad := e.printAdmitted(row); bad != nil {
			return refused, bad
		}
	}
	if err != nil {
		return refused, fmt.Errorf("%s: %w", path, err)
	}
	return refused, nil
}

func (e *env) printAdmitted(r admittedRow) error {
	text := "nothing new"
	switch {
	case r.Skipped:
		text = "left out: it is the node's own (have its steward export --kind directory alone)"
	case r.Refused != "":
		text = "REFUSED: " + r.Refused
	case r.What == "charter" && r.Added > 0:
		text = "taken in"
	case r.Added > 0:
		text = fmt.Sprintf("%s, %d of them new", count(r.Entries, "entry", "entries"), r.Added)
	}
	return e.print(r, "%s: %s of %s %s: %s\n", r.File, r.What, r.Kind, r.Name, text)
}

// unregistered warns of nodes whose charters are here, and whom no issuer has made
// part of the community: their reports do not count.
func (e *env) unregistered(f *folder.Folder) error {
	community, err := f.Community()
	if err != nil {
		return err
	}
	registered := map[ledger.CharterID]bool{}
	for r, err := range f.Counted(ledger.CommunityLog) {
		if err != nil {
			return err
		}
		if b, ok := r.Body.(*ledger.NodeRegistered); ok {
			registered[b.Node] = true
		}
	}
	ids, err := f.Store().CharterIDs()
	if err != nil {
		return err
	}
	slices.SortFunc(ids, func(a, b ledger.CharterID) int { return slices.Compare(a[:], b[:]) })
	for _, id := range ids {
		chain, err := f.Store().Charters(id)
		if err != nil {
			return err
		}
		if c := chain.Latest(); c.Kind == ledger.NodeCharter && c.Community == community.ID() && !registered[id] {
			e.warn("no issuer has registered the node %q, as far as this folder knows: its reports do not count until one does (`tombolo node register`) and that ledger is here", c.Slug)
		}
	}
	return nil
}
