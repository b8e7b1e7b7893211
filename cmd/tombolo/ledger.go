package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

func (e *env) ledgerCmd() *cobra.Command {
	return group("ledger", "Signed logs, and the files in which they travel", e.ledgerShow(), e.ledgerVerify(), e.ledgerExport(), e.ledgerImport(), e.ledgerSnapshot())
}

// ledgerRow is a ledger that was exported or imported.
type ledgerRow struct {
	Origin  string `json:"origin"`
	Kind    string `json:"kind"`
	Entries int64  `json:"entries"`
	Added   *int64 `json:"added,omitempty"`
	Fresh   bool   `json:"fresh,omitempty"`
	Forked  bool   `json:"forked,omitempty"`
	Refused string `json:"refused,omitempty"`
}

func (e *env) ledgerExport() *cobra.Command {
	var names []string
	var out string
	c := verb("export", "Write the charters and ledgers to a file, to be carried to gateways, issuers and stewards", func(*cobra.Command, []string) error {
		kinds, err := logKinds(names)
		if err != nil {
			return err
		}
		return e.open(false, func(f *folder.Folder) error {
			var done []store.Info
			err := folder.WriteTo(out, 0o600, func(w io.Writer) (err error) {
				done, err = f.Export(w, kinds, e.progress())
				return err
			})
			if err != nil {
				return err
			}
			var rows []ledgerRow
			people := false
			for _, i := range done {
				people = people || i.Origin.Kind == ledger.NodeLog
				rows = append(rows, ledgerRow{Origin: i.Origin.String(), Kind: string(i.Origin.Kind), Entries: i.Size})
			}
			if people {
				fmt.Fprintf(e.Err, "%s is for gateways and stewards: a node's ledger names people and says why, as with bars and guests. Residents need --kind community.\n", out)
			}
			return table(e, rows, out+": the charters; there are no ledgers of that kind", []string{"LEDGER", "ENTRIES"}, func(r ledgerRow) []string {
				return []string{r.Origin, fmt.Sprint(r.Entries)}
			})
		})
	})
	c.Flags().StringSliceVar(&names, "kind", []string{"community", "node"}, "community, node, directory, door; residents need community alone, and the charters come along; door logs say who went where and are left out unless named")
	c.Flags().StringVar(&out, "out", "", "file to write")
	return need(c, "out")
}

// charterRow is a charter that was imported.
type charterRow struct {
	Charter string `json:"charter"` // community or node
	Slug    string `json:"slug"`
	Version uint64 `json:"version"`
	Added   bool   `json:"added"`
	Pinned  bool   `json:"pinned,omitempty"`
	Refused string `json:"refused,omitempty"`
}

func (e *env) ledgerImport() *cobra.Command {
	var pin string
	c := verb("import FILE", "Take in a file that `ledger export` wrote, as far as the charters here vouch for it", func(_ *cobra.Command, args []string) error {
		pins, ok := map[string][]ledger.CharterKind{"": nil, "all": folder.PinBoth, "community": folder.PinBoth[:1]}[pin]
		if !ok {
			return usage("--pin=%s: want community, or nothing behind --pin for the node as well", pin)
		}
		r, err := os.Open(args[0])
		if err != nil {
			return err
		}
		defer r.Close()
		return e.open(len(pins) > 0, func(f *folder.Folder) error {
			report, err := f.Import(r, pins, e.progress())
			if printed := e.printImport(report); printed != nil {
				return printed
			}
			if errors.Is(err, folder.ErrUnpinned) {
				return fmt.Errorf("%s: %w. To pin to what is in it, compare the community's id with somebody you trust afterwards (`tombolo charter show`)", args[0], err)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			if report.Refused() {
				return fmt.Errorf("%s: not all of it was taken in", args[0])
			}
			return nil
		})
	})
	c.Flags().StringVar(&pin, "pin", "", "trust the charters in it, if this folder belongs to no community or no node yet; --pin=community leaves the node out, for the steward of a new one")
	c.Flags().Lookup("pin").NoOptDefVal = "all"
	return c
}

func (e *env) printImport(report folder.ImportReport) error {
	reason := func(err error) string {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	for _, c := range report.Charters {
		if c.Refused == nil && !c.Added && !e.json {
			continue
		}
		text := "taken in"
		if c.Pinned {
			text = "pinned: this folder belongs to it from now on"
		}
		if c.Refused != nil {
			text = "REFUSED: " + c.Refused.Error()
		}
		if err := e.print(charterRow{string(c.Kind), c.Slug, c.Version, c.Added, c.Pinned, reason(c.Refused)},
			"charter of %s %s, version %d: %s\n", c.Kind, c.Slug, c.Version, text); err != nil {
			return err
		}
	}
	for _, l := range report.Ledgers {
		name, kind := "a ledger", ""
		if l.Origin != (ledger.Origin{}) {
			name, kind = l.Origin.String(), string(l.Origin.Kind)
		}
		text := count(l.Size, "entry", "entries") + ", nothing new"
		switch {
		case l.Forked && !errors.Is(l.Refused, folder.ErrForked):
			text = "REFUSED: its author signed two histories; the proof is kept here"
		case l.Refused != nil:
			text = "REFUSED: " + l.Refused.Error()
		case l.Added > 0:
			text = fmt.Sprintf("%s, %d of them new", count(l.Size, "entry", "entries"), l.Added)
		case l.Fresh:
			text = count(l.Size, "entry", "entries") + ", none new, freshly signed"
		}
		if err := e.print(ledgerRow{name, kind, l.Size, &l.Added, l.Fresh, l.Forked, reason(l.Refused)}, "%s: %s\n", name, text); err != nil {
			return err
		}
	}
	return nil
}

func (e *env) ledgerSnapshot() *cobra.Command {
	var least int64
	c := verb("snapshot", "As an issuer, let go of what your own later entries have replaced, everywhere: it still verifies, and new gateways load less", func(*cobra.Command, []string) error {
		return e.change(false, func(f *folder.Folder) error {
			if err := f.Readable(ledger.KindSnapshot); err != nil {
				return err
			}
			a, err := f.Author(ledger.CommunityLog)
			if err != nil {
				return err
			}
			n, err := a.Snapshot(least)
			if err != nil {
				return err
			}
			e.wrote = e.wrote || n > 0
			return e.print(struct {
				Dropped int `json:"dropped"`
			}{int(n)}, "%s let go\n", count(int(n), "body is", "bodies are"))
		})
	})
	c.Flags().Int64Var(&least, "least", 1, "do nothing unless so many bodies go")
	return c
}
