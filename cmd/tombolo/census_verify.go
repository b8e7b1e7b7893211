package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
)

// censusFile is a receipt or a report.
type censusFile struct {
	path    string
	receipt *census.Receipt
	report  *census.Report
}

var errCensusFile = errors.New("neither a receipt (`tombolo census receipt`) nor an audit's report (`tombolo census audit -o`)")

func readCensusFile(path string) (censusFile, error) {
	out := censusFile{path: path}
	data, err := folder.ReadStream(path, census.MaxReport)
	if err != nil {
		return out, err
	}
	switch {
	case bytes.HasPrefix(data, []byte("tombolo census receipt ")):
		var r census.Receipt
		r, err = census.ParseReceipt(data)
		out.receipt = &r
	case bytes.HasPrefix(data, []byte("{")):
		var r census.Report
		r, err = census.ParseReport(data)
		out.report = &r
	default:
		err = errCensusFile
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", path, err)
	}
	return out, err
}

func (e *env) censusVerify() *cobra.Command {
	var s auditSource
	c := verb("verify FILE [FILE]", "Look at a receipt, at an audit's report, or at two reports of two auditors: were they told the same?", func(c *cobra.Command, args []string) error {
		var files []censusFile
		for _, path := range args {
			f, err := readCensusFile(path)
			if err != nil {
				return err
			}
			files = append(files, f)
		}
		a := files[0]
		switch {
		case len(files) == 2 && (a.report == nil || files[1].report == nil):
			return usage("%s: two files are two reports, of two auditors", c.CommandPath())
		case len(files) == 2:
			return e.compareReports(a, files[1])
		case a.report != nil:
			return e.showReport(*a.report)
		}
		if s.hub != "" || s.from != "" {
			if err := s.check(c); err != nil {
				return err
			}
			return asUnchecked(e.fromHub(&s, func(hub hubSource) error { return e.redeem(c.Context(), hub, &s, a) }))
		}
		return e.verifyReceipt(a)
	})
	c.Long = "A receipt alone is verified by the ledgers of this folder; with --hub or --from it is held against the hub's list.\n" +
		"Ends with status 0 when it holds, 1 when it does not, 3 when that could not be told."
	s.flags(c)
	return c
}

// compareReports is the check *consistent* between two auditors.
func (e *env) compareReports(a, b censusFile) error {
	c, err := census.Compare(*a.report, *b.report)
	if err != nil {
		return err
	}
	if err := e.print(c, "%s", c.Text()); err != nil {
		return err
	}
	if c.Failed() {
		return fmt.Errorf("%w: %s", errAuditFailed, c.Name)
	}
	return nil
}

func (e *env) showReport(r census.Report) error {
	if err := e.print(r, "%s", r.Text()); err != nil {
		return err
	}
	if !e.json {
		e.note("its figures follow from what it lists; whether that is so, only its auditor knows, or whoever audits again")
	}
	return verdictOf(r)
}

// redeem holds a receipt against the list: *mine*.
func (e *env) redeem(ctx context.Context, hub hubSource, s *auditSource, file censusFile) error {
	s.epoch.number, s.epoch.id, s.epoch.text = 0, file.receipt.Opening.Epoch, file.receipt.Opening.Epoch.String()
	return e.gather(ctx, hub, s, func(g *gathering) error {
		closed, ok := g.closed()
		if !ok {
			return fmt.Errorf("%w: it closes on %s", errNotClosed, when(unix(g.epoch.Closes)))
		}
		if err := errors.Join(g.once(closed), g.fetchList(ctx, closed)); err != nil {
			return err
		}
		var list *census.List
		if g.list != nil {
			l, err := census.NewList(g.list)
			if err != nil {
				return err
			}
			list = l
		}
		c := census.CheckMine(g.rules, closed, list, []census.Receipt{*file.receipt})
		g.bar.end()
		if err := e.print(c, "%s", c.Text()); err != nil {
			return err
		}
		return verdictOf(census.Report{Checks: []census.Check{c}})
	})
}

// asUnchecked makes of an error that kept a check from judging exit status 3.
func asUnchecked(err error) error {
	if _, bad := errors.AsType[usageError](err); bad || err == nil || errors.Is(err, errUnchecked) || errors.Is(err, errAuditFailed) {
		return err
	}
	return fmt.Errorf("%w: %w", errUnchecked, err)
}

// receiptView is a receipt in JSON.
type receiptView struct {
	Passport uint64 `json:"passport"`
	Epoch    string `json:"epoch"`
	Number   uint64 `json:"number"`
	Tag      hex32  `json:"tag"`
	Holds    bool   `json:"holds"`
	Why      string `json:"why,omitempty"`
	Held     stamp  `json:"held_by_hub"` // null: nothing shows it
	Full     bool   `json:"door_and_time"`
}

// verifyReceipt verifies a receipt's evidence by the ledgers of this folder.
func (e *env) verifyReceipt(file censusFile) error {
	err := e.open(false, func(f *folder.Folder) error {
		r := file.receipt
		g := &gathering{records: &records{Folder: f}}
		want := epochFlag{id: r.Opening.Epoch, text: r.Opening.Epoch.String()}
		if err := g.openEpochOf(&want); err != nil {
			return asUnchecked(err)
		}
		if o, err := r.Opening.Report.Origin(); err == nil && g.rules.Gateways[o.Author].Key == nil {
			return fmt.Errorf("%w: this folder knows no gateway %v of the community; hold the receipt against a hub (--hub), which has the nodes' directories", errUnchecked, o.Author)
		}
		v := receiptView{Passport: r.Opening.Passport, Epoch: want.text, Number: g.epoch.Number, Tag: hex32(r.Opening.Tag), Full: r.Opening.Full != nil, Holds: true}
		bad := r.Verify(g.rules)
		if bad != nil {
			v.Holds, v.Why = false, bad.Error()
		} else if held, err := r.Held(g.rules); err == nil && held != 0 {
			v.Held = stamp(unix(int64(held)))
		}
		words := "holds: the passport was reported with valid evidence\n"
		if !v.Holds {
			words = "does NOT hold: " + v.Why + "\n"
		}
		if v.Full {
			words += "It shows door and time as well: give it to nobody who may not know them.\n"
		}
		if v.Holds && asTime(v.Held).IsZero() {
			words += "Nothing shows yet that the hub has the report: ask the gateway for the receipt again later.\n"
		} else if v.Holds {
			words += "The hub acknowledged the report on " + when(asTime(v.Held)) + ".\n"
		}
		if err := e.print(v, "receipt of passport %d in epoch %d %s", v.Passport, v.Number, words); err != nil {
			return err
		}
		if bad != nil {
			return fmt.Errorf("%w: %s: %w", errAuditFailed, file.path, bad)
		}
		return nil
	})
	if errors.Is(err, folder.ErrNoFolder) {
		return fmt.Errorf("%w: there are no ledgers here to verify it by; hold it against a hub (--hub URL), or name a folder with --dir", errUnchecked)
	}
	return err
}
