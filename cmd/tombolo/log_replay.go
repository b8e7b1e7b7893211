package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/sync/ledger"
)

// replayFlags are those of `tombolo log replay`.
type replayFlags struct {
	pick         logPick
	stretch      stretch
	since, until string
	entries      string
	policy       string
	quiet, utc   bool
}

func (e *env) replayCmd() *cobra.Command {
	var r replayFlags
	c := verb("replay", "Make the decisions of a door log again, and show where they would be others", func(c *cobra.Command, _ []string) error {
		if err := r.check(c, e); err != nil {
			return err
		}
		var other *policy.Policy
		if r.policy != "" {
			var err error
			if _, other, err = e.readPolicy(r.policy); err != nil {
				return err
			}
		}
		return e.open(false, func(f *folder.Folder) error { return e.replay(c.Context(), f, &r, other) })
	})
	c.Long = `Feed a stretch of a door log, with the policy and the roster of each moment,
through the code that decides at the doors, and compare.

Everything that was written before the stretch counts as it stands in the log;
each decision is then made again on what the log says had happened before it, so
that one difference makes no others. The exit status is 1 if any decision is not
made again as it stands there.

With --policy that file stands in for every policy of the node: then what differs
is the answer, and the exit status is 0. Lockdowns are those of the doors that
the signed policies name.

The folder has to hold the ledgers of the community and of the node as far as
the gateway had them, and, for what was decided on what other gateways told,
their door logs. What was refused before anybody was known (a signature that
does not hold, a code of another community) is taken as it stands: what was
presented is not kept.`
	r.pick.flags(c)
	c.Flags().StringVar(&r.since, "since", "", "from this time on: a TIME, or so long ago, as in 2h or 7d (default the log's beginning)")
	c.Flags().StringVar(&r.until, "until", "", "before this time (default the log's end)")
	c.Flags().StringVar(&r.entries, "entries", "", "entries A-B of the newest log, instead of times")
	c.Flags().StringVar(&r.policy, "policy", "", "policy file to decide by in place of the signed ones")
	c.Flags().BoolVarP(&r.quiet, "quiet", "q", false, "print only what differs")
	c.Flags().BoolVar(&r.utc, "utc", false, "times in UTC, not in this machine's zone")
	return c
}

func (r *replayFlags) check(c *cobra.Command, e *env) (err error) {
	s := &r.stretch
	*s = stretch{first: 0, last: math.MaxInt64, newest: r.entries != ""}
	if r.entries != "" {
		if r.since != "" || r.until != "" {
			return usage("%s: --entries, or --since and --until, not both", c.CommandPath())
		}
		if s.first, s.last, err = parseEntries(r.entries); err != nil {
			return err
		}
	}
	if s.since, err = e.logTime("since", r.since, r.utc); err != nil {
		return err
	}
	if s.until, err = e.logTime("until", r.until, r.utc); err != nil {
		return err
	}
	if !s.since.IsZero() && !s.until.IsZero() && !s.since.Before(s.until) {
		return usage("%s: --since is not before --until", c.CommandPath())
	}
	return nil
}

// parseEntries reads A-B, or A alone.
func parseEntries(s string) (first, last int64, err error) {
	a, b, two := strings.Cut(s, "-")
	if !two {
		b = a
	}
	first, err = strconv.ParseInt(a, 10, 64)
	if err == nil {
		last, err = strconv.ParseInt(b, 10, 64)
	}
	if err != nil || first < 0 || last < first {
		return 0, 0, usage("--entries %s: want A-B, the numbers of the first and the last entry, as in 120-180", s)
	}
	return first, last, nil
}

// replayRow is a decision, as it stands in the log and as it is made again.
type replayRow struct {
	Log      string `json:"log"` // incarnation
	Entry    int64  `json:"entry"`
	Time     stamp  `json:"time"`
	Door     string `json:"door"` // "" for what is no decision
	Way      string `json:"way"`
	Passport uint64 `json:"passport,omitempty"`
	By       string `json:"by"`
	Logged   string `json:"logged"` // stable code of package edge/access
	Again    string `json:"again"`  // "" if it is not made again
	Same     bool   `json:"same"`
	Note     string `json:"note,omitempty"`
	Text     string `json:"text"`
}

// replaySum is the last value that --json prints.
type replaySum struct {
	Decisions int `json:"decisions"`
	Same      int `json:"same"`
	Different int `json:"different"`
	Not       int `json:"not_made_again"`
	Taken     int `json:"taken_as_logged"` // among the same
	Odd       int `json:"odd"`             // entries that are no decisions, and that no gateway writes
}

// replay prints decision by decision what comes of making them again.
func (e *env) replay(ctx context.Context, f *folder.Folder, r *replayFlags, other *policy.Policy) (err error) {
	g, err := e.pickLog(f, r.pick)
	if err != nil {
		return err
	}
	p, err := newIncident(f, g, other)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.world.close()) }()
	out := bufio.NewWriterSize(e.Out, 1<<16)
	print := &replayPrinter{out: out, zone: zoneOf(r.utc), classes: &classes{folder: f, warn: e.warn}, quiet: r.quiet, colours: colourful(e.Out)}
	if e.json {
		print.json = json.NewEncoder(out)
		print.json.SetEscapeHTML(false)
	}
	for o, err := range p.outcomes(ctx, &r.stretch) {
		if err == nil {
			err = print.outcome(o)
		}
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
	}
	if p.forgotten > 0 {
		e.warn("%s before the stretch: who was inside, and what guest passes were spent, is not known as it was", count(int(p.forgotten), "body was dropped", "bodies were dropped"))
	}
	for _, log := range p.world.lost {
		e.warn("the door log %v is not here as far as the gateway had heard it: what was decided on that is not made again; bring it with `tombolo ledger import`", log)
	}
	if err := errors.Join(print.end(other), out.Flush()); err != nil {
		return err
	}
	if s := print.sum; other == nil && (s.Same < s.Decisions || s.Odd > 0) {
		return errTold
	}
	return nil
}

type replayPrinter struct {
	out     io.Writer
	json    *json.Encoder // or nil
	zone    *time.Location
	classes *classes
	quiet   bool
	colours bool
	sum     replaySum
}

// outcome prints a decision, and counts it.
func (p *replayPrinter) outcome(o replayed) error {
	if o.Decision == nil {
		return p.odd(o)
	}
	p.sum.Decisions++
	made := o.Again.Reason != access.None
	switch {
	case o.Same:
		p.sum.Same++
		if o.Note != "" {
			p.sum.Taken++
		}
	case made:
		p.sum.Different++
	default:
		p.sum.Not++
	}
	if o.Same && p.quiet {
		return nil
	}
	text := "same"
	switch again := o.Again.Reason; {
	case o.Same && o.Note != "":
		text = "as logged: " + o.Note
	case o.Same:
	case !made:
		text = "NOT MADE AGAIN: " + o.Note
	case o.Note != "":
		text = fmt.Sprintf("DIFFERS: %s; it would be %s: %s", o.Note, verdictWords(again), again.Text())
	default:
		text = fmt.Sprintf("DIFFERS: it would be %s: %s", verdictWords(again), again.Text())
	}
	d := o.Decision
	if p.json != nil {
		row := replayRow{
			Log: o.log.Incarnation.String(), Entry: o.Index, Time: stamp(time.UnixMilli(o.Time)), Door: d.Door, Way: logEntry{body: d}.way(),
			Passport: d.Passport, By: byWords(d.Mode), Logged: d.Reason, Same: o.Same, Note: o.Note, Text: text,
		}
		if made {
			row.Again = o.Again.Reason.String()
		}
		return p.json.Encode(row)
	}
	if p.colours && !o.Same {
		text = "\x1b[1;31m" + text + "\x1b[0m"
	}
	_, err := fmt.Fprintf(p.out, "%6d  %s  %-8s  %-24s  %s → %s\n", o.Index, inZone(time.UnixMilli(o.Time), p.zone), d.Door, p.classes.who(d.Passport), answerWords(d), text)
	return err
}

// odd prints an entry that no gateway writes.
func (p *replayPrinter) odd(o replayed) error {
	p.sum.Odd++
	text := "NO GATEWAY WRITES THIS: " + o.Note
	if p.json != nil {
		return p.json.Encode(replayRow{Log: o.log.Incarnation.String(), Entry: o.Index, Time: stamp(time.UnixMilli(o.Time)), Note: o.Note, Text: text})
	}
	if p.colours {
		text = "\x1b[1;31m" + text + "\x1b[0m"
	}
	_, err := fmt.Fprintf(p.out, "%6d  %s  %s\n", o.Index, inZone(time.UnixMilli(o.Time), p.zone), text)
	return err
}

func verdictWords(r access.Reason) string {
	switch {
	case r == access.Exit:
		return "let out"
	case r.Grants():
		return "let in"
	case r.Waits():
		return "made to wait"
	}
	return "DENIED"
}

func (p *replayPrinter) end(other *policy.Policy) error {
	s := p.sum
	if p.json != nil {
		return p.json.Encode(struct {
			Summary replaySum `json:"summary"`
		}{s})
	}
	text := count(s.Decisions, "decision", "decisions")
	by := ""
	if other != nil {
		by = fmt.Sprintf(" by policy version %d of the file", other.Version)
	}
	switch {
	case s.Decisions == 0:
		text = "No decision stands in that stretch of the log."
	case s.Same == s.Decisions:
		text += " made again" + by + ", all the same"
	default:
		text += fmt.Sprintf(" made again%s: %d the same, %d DIFFERENT", by, s.Same, s.Different)
	}
	if s.Not > 0 {
		text += fmt.Sprintf(", %d not made again", s.Not)
	}
	if s.Odd > 0 {
		text += "; " + count(s.Odd, "entry", "entries") + " that no gateway writes"
	}
	if s.Taken > 0 {
		text += fmt.Sprintf("; %d of them taken as logged", s.Taken)
	}
	_, err := fmt.Fprintln(p.out, text)
	return err
}

// replayed is an outcome and where it stands.
type replayed struct {
	panel.Outcome
	log ledger.Origin
}
