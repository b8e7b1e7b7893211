package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

type showFlags struct {
	kinds    []string
	origin   string
	from, to moment
}

// entryRow is an entry in JSON.
type entryRow struct {
	Origin   string   `json:"origin"`
	Index    int64    `json:"index"`
	Time     stamp    `json:"time"` // null when the body was dropped
	Kind     string   `json:"kind"`
	Critical bool     `json:"critical"`
	Dropped  bool     `json:"dropped,omitempty"`
	Body     any      `json:"body,omitempty"`
	Raw      hexBytes `json:"raw,omitempty"` // of a kind that this version does not know
}

func (e *env) ledgerShow() *cobra.Command {
	var s showFlags
	c := verb("show", "Print the entries that are held here", func(c *cobra.Command, _ []string) error {
		if err := s.check(); err != nil {
			return err
		}
		return e.open(false, func(f *folder.Folder) error {
			all, err := f.Store().Ledgers()
			if err != nil {
				return err
			}
			found := false
			for _, i := range all {
				if !strings.Contains(i.Origin.String(), s.origin) || !s.wantsLog(i.Origin.Kind) {
					continue
				}
				found = true
				if err := e.showLedger(f, i, &s); err != nil {
					return err
				}
			}
			if !found && !e.json {
				_, err = fmt.Fprintln(e.Out, "There is no such ledger here.")
			}
			return err
		})
	})
	c.Flags().StringSliceVar(&s.kinds, "kind", nil, "only these: kinds of ledger (community, node, door) or of entry (Admit, Decision, …)")
	c.Flags().StringVar(&s.origin, "origin", "", "only ledgers whose origin holds this text")
	c.Flags().Var(&s.from, "from", "only entries of this time or later")
	c.Flags().Var(&s.to, "to", "only entries before this time")
	return c
}

func isLogKind(s string) bool {
	_, err := logKinds([]string{s})
	return err == nil
}

// check brings the names of kinds into their form.
func (s *showFlags) check() error {
	for i, name := range s.kinds {
		if isLogKind(name) {
			continue
		}
		known := slices.IndexFunc(ledger.KnownKinds(), func(k ledger.Kind) bool { return strings.EqualFold(k.String(), name) })
		if known < 0 {
			return usage("--kind %s: want community, node, door or a kind of entry such as Decision", name)
		}
		s.kinds[i] = ledger.KnownKinds()[known].String()
	}
	return nil
}

// wantsLog and wantsEntry split --kind into its two meanings.
func (s *showFlags) wantsLog(k ledger.LogKind) bool {
	return !slices.ContainsFunc(s.kinds, isLogKind) || slices.Contains(s.kinds, string(k))
}

func (s *showFlags) wantsEntry(r folder.Record) bool {
	if slices.ContainsFunc(s.kinds, func(k string) bool { return !isLogKind(k) }) && !slices.Contains(s.kinds, r.Kind.String()) {
		return false
	}
	if !s.from.IsZero() && (r.Dropped || r.Time.Before(s.from.Time)) {
		return false
	}
	return s.to.IsZero() || (!r.Dropped && r.Time.Before(s.to.Time))
}

func (e *env) showLedger(f *folder.Folder, i store.Info, s *showFlags) error {
	if !e.json {
		fmt.Fprintf(e.Out, "%v\n", i.Origin)
	}
	for r, err := range f.Records(i) {
		if err != nil {
			return err
		}
		if !s.wantsEntry(r) {
			continue
		}
		if err := e.showEntry(r); err != nil {
			return err
		}
	}
	return nil
}

func (e *env) showEntry(r folder.Record) error {
	if e.json {
		row := entryRow{Origin: r.Ledger.Origin.String(), Index: r.Index, Time: stamp(r.Time), Kind: r.Kind.String(), Critical: r.Critical, Dropped: r.Dropped}
		switch {
		case r.Body != nil:
			row.Body = plain(reflect.ValueOf(r.Body).Elem())
		case !r.Dropped:
			row.Raw = r.Raw
		}
		return e.printJSON(row)
	}
	text := fmt.Sprintf("of a newer version, %d bytes", len(r.Raw))
	switch {
	case r.Dropped:
		text = "body dropped"
	case r.Body != nil:
		text = inWords(r.Body)
	}
	_, err := fmt.Fprintf(e.Out, "%6d  %-23s  %-15v  %s\n", r.Index, when(r.Time), r.Kind, text)
	return err
}
