package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// checkNames are the checks in the order in which they are done and told.
var checkNames = []string{census.CheckedMine, census.CheckedAll, census.CheckedEvidence, census.CheckedConsistent}

// auditSource is where an audit's data comes from, as flags.
type auditSource struct {
	hub, from, save string
	key             string
	community       string
	epoch           epochFlag
}

func (s *auditSource) flags(c *cobra.Command) {
	c.Flags().StringVar(&s.hub, "hub", "", "the hub's `URL`, as https://hub.example")
	c.Flags().StringVar(&s.from, "from", "", "in place of it, the `DIR` in which an audit saved what the hub answered")
	c.Flags().StringVar(&s.key, "key", "", "the auditor's key in a `FILE` (default this folder's, see `tombolo census auditor-key`)")
	c.Flags().StringVar(&s.community, "community", "", "`FILE` of the community's ledgers from somebody you trust, or the community's id (default this folder's ledgers)")
	s.epoch.flag(c)
	c.Flags().Lookup("epoch").Usage = "the epoch, by its number or its id (default: the last that was closed)"
}

func (s *auditSource) check(c *cobra.Command) error {
	if (s.hub == "") == (s.from == "") {
		return usage("%s: say where the census is: --hub URL, or --from DIR", c.CommandPath())
	}
	if s.save != "" && s.hub == "" {
		return usage("%s: --save keeps what a hub answers: name it with --hub", c.CommandPath())
	}
	if s.hub != "" {
		return checkHubURL(c, s.hub)
	}
	return nil
}

// auditFlags are those of `census audit`.
type auditFlags struct {
	auditSource
	receipts, heads, checks []string
	beacon                  hex32
	out                     string
}

func (e *env) censusAudit() *cobra.Command {
	var a auditFlags
	c := verb("audit", "Check a closed epoch without trusting the hub: mine, all, evidence, consistent", func(c *cobra.Command, _ []string) error {
		if err := a.check(c); err != nil {
			return err
		}
		for _, name := range a.checks {
			if !slices.Contains(checkNames, name) {
				return usage("%s: --check %s: want %s", c.CommandPath(), name, strings.Join(checkNames, ", "))
			}
		}
		return asUnchecked(e.fromHub(&a.auditSource, func(hub hubSource) error { return e.audit(c.Context(), hub, &a) }))
	})
	c.Long = "Fetches what the hub has of an epoch, checks it, and says what that shows and what it does not.\n" +
		"It ends with status 0 when every check passed, 1 when one failed, 3 when one could not be done."
	a.flags(c)
	c.Flags().StringVar(&a.save, "save", "", "keep what the hub answers in this `DIR`, for --from")
	c.Flags().StringArrayVar(&a.receipts, "receipt", nil, "a resident's receipt `FILE`, for the check *mine*; may be given several times")
	c.Flags().StringArrayVar(&a.heads, "heads", nil, "a `FILE` of what others were told: a signed head, exported ledgers, or another auditor's report; may be given several times")
	c.Flags().StringSliceVar(&a.checks, "check", nil, "do only these checks (default all; mine only with a receipt)")
	c.Flags().Var(&a.beacon, "beacon", "the seed as you took it from the beacon yourself")
	c.Flags().StringVarP(&a.out, "out", "o", "", "keep the report in this `FILE`, as JSON")
	return c
}

// errAuditFailed is exit status 1: a check failed.
var errAuditFailed = errors.New("the audit failed")

// wants tells whether a check is asked for.
func (a *auditFlags) wants(name string) bool {
	if len(a.checks) == 0 {
		return name != census.CheckedMine || len(a.receipts) > 0
	}
	return slices.Contains(a.checks, name)
}

func (e *env) audit(ctx context.Context, hub hubSource, a *auditFlags) error {
	return e.gather(ctx, hub, &a.auditSource, func(g *gathering) error {
		if err := g.bring(a); err != nil {
			return err
		}
		if err := g.fetch(ctx, a.wants); err != nil {
			return err
		}
		report, forks, err := g.judge(a)
		g.bar.end()
		if err != nil {
			return err
		}
		if err := e.keepReport(a.out, report); err != nil {
			return err
		}
		if err := e.tellReport(g, report, len(forks)); err != nil {
			return err
		}
		return verdictOf(report)
	})
}

// verdictOf is nil when every check passed.
func verdictOf(r census.Report) error {
	switch {
	case len(r.Failed()) > 0:
		return fmt.Errorf("%w: %s", errAuditFailed, strings.Join(r.Failed(), ", "))
	case len(r.Undone()) > 0:
		return fmt.Errorf("%w: %s", errUnchecked, strings.Join(r.Undone(), ", "))
	}
	return nil
}

// gather gets the ledgers together from this folder or a file and from the hub,
// and finds the epoch in them.
func (e *env) gather(ctx context.Context, hub hubSource, s *auditSource, do func(*gathering) error) error {
	key, err := e.auditorKey(s.key)
	if err != nil {
		return err
	}
	return e.newRecords(func(r *records) error {
		g := &gathering{records: r, hub: hub, key: key, bar: e.stages()}
		defer g.bar.end()
		if err := e.takeTrusted(s, r); err != nil {
			return err
		}
		g.bar.at("ledgers", 0, 0)
		if g.cosigned, err = hub.Ledgers(ctx, r.take); err != nil {
			return err
		}
		if err := e.checkCommunity(s, r); err != nil {
			return err
		}
		if err := g.openEpochOf(&s.epoch); err != nil {
			return err
		}
		return do(g)
	})
}

// takeTrusted takes in what does not come from the hub.
func (e *env) takeTrusted(s *auditSource, r *records) error {
	want, isID := communityID(s.community)
	if s.community != "" && !isID {
		f, err := os.Open(s.community)
		if err != nil {
			return err
		}
		return errors.Join(r.take(s.community, f), f.Close())
	}
	err := e.open(false, func(f *folder.Folder) error {
		id, err := f.CommunityID()
		if err != nil || id.IsZero() || isID && id != want {
			return err
		}
		return r.takeFolder(f)
	})
	if errors.Is(err, folder.ErrNoFolder) {
		return nil
	}
	return err
}

func communityID(s string) (ledger.CharterID, bool) {
	var id hex32
	if err := id.Set(s); err != nil {
		return ledger.CharterID{}, false
	}
	return ledger.CharterID(id), true
}

// checkCommunity says on whose word the community is the one that it is.
func (e *env) checkCommunity(s *auditSource, r *records) error {
	id, err := r.CommunityID()
	if err != nil {
		return err
	}
	if id.IsZero() {
		return errors.New("neither you nor the hub brought a community's charter")
	}
	want, given := communityID(s.community)
	switch {
	case given && want != id:
		return fmt.Errorf("this is the census of the community %v, not of %v", id, want)
	case given || s.community != "":
		return nil
	}
	own := ledger.CharterID{}
	if err := e.open(false, func(f *folder.Folder) (err error) {
		own, err = f.CommunityID()
		return err
	}); err != nil && !errors.Is(err, folder.ErrNoFolder) {
		return err
	}
	if own.IsZero() {
		e.warn("who may issue passports here is only the hub's word: compare the community's id with somebody you trust, or give it with --community: %v", id)
	}
	return nil
}

// bring takes in the files that people gave.
func (g *gathering) bring(a *auditFlags) error {
	for _, path := range a.receipts {
		data, err := folder.ReadStream(path, census.MaxReceipt)
		if err != nil {
			return err
		}
		r, err := census.ParseReceipt(data)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		g.receipts = append(g.receipts, r)
		g.shown(r.Opening)
	}
	for _, path := range a.heads {
		if err := g.bringHeads(path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// bringHeads takes in a bundle, a report or a signed head.
func (g *gathering) bringHeads(path string) error {
	f, err := folder.OpenFile(path)
	if err != nil {
		return err
	}
	defer f.Close()
	begin := make([]byte, 15)
	n, err := io.ReadFull(f, begin)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	switch begin = begin[:n]; {
	case string(begin) == "tombolo bundle ":
		return g.take(path, f)
	case n > 0 && begin[0] == '{':
		data, err := io.ReadAll(io.LimitReader(f, census.MaxReport+1))
		if err != nil {
			return err
		}
		r, err := census.ParseReport(data)
		if err != nil {
			return err
		}
		if r.Community != g.chain.ID().String() {
			return census.ErrOtherEpoch
		}
		g.others = append(g.others, r)
		return g.note([]byte(r.Head), nil)
	}
	data, err := io.ReadAll(io.LimitReader(f, ledger.MaxNote+1))
	if err != nil {
		return err
	}
	return g.note(data, nil)
}

// keepReport writes the report, whole or not at all.
func (e *env) keepReport(path string, r census.Report) error {
	if path == "" {
		return nil
	}
	return folder.WriteFile(path, r.Marshal(), 0o644)
}

// tellReport prints the report with what its checks asked.
func (e *env) tellReport(g *gathering, r census.Report, forks int) error {
	for _, line := range g.refused {
		e.warn("not taken in: %s", line)
	}
	for _, line := range g.unreached {
		e.warn("%s", line)
	}
	if forks > 0 {
		e.warn("%s found", count(forks, "proof was", "proofs were"))
	}
	if e.json {
		return e.printJSON(r)
	}
	_, err := io.WriteString(e.Out, r.Text())
	return err
}
