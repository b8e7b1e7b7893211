package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/strict"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// logFlags are those of `tombolo log`.
type logFlags struct {
	pick   logPick
	wants  logFilter
	since  string
	until  string
	kinds  []string
	newest int
	follow bool
	utc    bool
	csv    bool
}

const (
	followEvery  = 250 * time.Millisecond
	followNewest = 10 // of what is there, as tail does
	maxNewest    = 1_000_000
)

func (e *env) logCmd() *cobra.Command {
	var l logFlags
	c := verb("log", "Show a gateway's door log as people read it; it holds who went where", func(c *cobra.Command, _ []string) error {
		if err := l.check(c, e); err != nil {
			return err
		}
		return e.open(false, func(f *folder.Folder) error { return e.showLog(c.Context(), f, &l) })
	})
	c.Long = `Show the door log of this folder's gateway, or of one whose log was imported.

What another line says already is left out for people (what decisions are made
on, contacts and buttons whose effect is shown, what had to be recorded first);
--all shows every entry, and so do --json and --csv unless something narrows them.

--csv has these columns (RFC 4180); none is ever taken away or moved:
  time       RFC 3339 in UTC, with milliseconds; empty if the body was dropped
  gateway    its name, or the id of its key
  log        the log's incarnation
  entry      number in that log, from 0
  kind       decision, passage, state, input, fault, boot, clock, basis, pass,
             opening, forgiven, fork, begin, dropped; empty if this program does not know it
  door       empty for what concerns the whole gateway
  way        in or out
  passport   number
  class      the passport's class now, by this folder's ledgers
  by         what was presented: tap, code or button, and the PIN
  outcome    granted, denied, waits; passed, not-passed; the state of a door or an
             input; fault, cleared
  reason     stable code of a decision
  text       all of it in words
A field that a spreadsheet would take for a formula begins with a quote (').`
	l.pick.flags(c)
	c.Flags().BoolVarP(&l.follow, "follow", "f", false, "go on with new entries as they are written, until ^C")
	c.Flags().StringVar(&l.since, "since", "", "only entries of this time or later: a TIME, or so long ago, as in 2h or 7d")
	c.Flags().StringVar(&l.until, "until", "", "only entries before this time")
	c.Flags().StringSliceVar(&l.wants.doors, "door", nil, "only this door; may be given several times")
	c.Flags().Var(&l.wants.passports, "passport", "only this passport; may be given several times")
	c.Flags().StringSliceVar(&l.kinds, "kind", nil, "only these: "+strings.Join(kindNames(), ", "))
	c.Flags().BoolVar(&l.wants.denied, "denied", false, "only who was not let through")
	c.Flags().BoolVar(&l.wants.granted, "granted", false, "only who was let through")
	c.Flags().BoolVar(&l.wants.alarms, "alarms", false, "only doors forced or left open, duress, lockouts, lockdowns, tampering, fire and what it released, forks and faults, and their ends")
	c.Flags().BoolVar(&l.wants.all, "all", false, "every entry, also what another says already")
	c.Flags().IntVarP(&l.newest, "newest", "n", 0, "only the newest so many of those (default all; 10 with --follow)")
	c.Flags().BoolVar(&l.utc, "utc", false, "times in UTC, not in this machine's zone")
	c.Flags().BoolVar(&l.csv, "csv", false, "print CSV")
	c.AddCommand(e.replayCmd())
	return c
}

func (l *logFlags) check(c *cobra.Command, e *env) (err error) {
	for _, d := range l.wants.doors {
		if err := ledger.CheckSlug("door", d); err != nil {
			return usageError{Err: err}
		}
	}
	if l.wants.kinds, err = parseKinds(l.kinds); err != nil {
		return err
	}
	if l.wants.since, err = e.logTime("since", l.since, l.utc); err != nil {
		return err
	}
	if l.wants.until, err = e.logTime("until", l.until, l.utc); err != nil {
		return err
	}
	newest := c.Flags().Changed("newest")
	switch {
	case !l.wants.since.IsZero() && !l.wants.until.IsZero() && !l.wants.since.Before(l.wants.until):
		return usage("%s: --since is not before --until", c.CommandPath())
	case l.follow && l.until != "":
		return usage("%s: --follow goes on until ^C: leave --until away", c.CommandPath())
	case l.csv && e.json:
		return usage("%s: --csv or --json, not both", c.CommandPath())
	case l.wants.denied && l.wants.granted:
		return usage("%s: --denied or --granted, not both: leave both away, or say --kind decision", c.CommandPath())
	case newest && (l.newest < 1 || l.newest > maxNewest):
		return usage("%s: -n %d: want 1 to %d", c.CommandPath(), l.newest, maxNewest)
	case l.follow && !newest && l.since == "":
		l.newest = followNewest
	}
	l.wants.all = l.wants.all || l.csv || e.json
	return nil
}

// logTime is a time, or so long before now.
func (e *env) logTime(flag, s string, utc bool) (time.Time, error) {
	if s == "" {
		return time.Time{}, nil
	}
	if d, err := strict.ParseDuration(s); err == nil {
		return e.Now().Add(-time.Duration(d)), nil
	}
	zone := time.Local
	if utc {
		zone = time.UTC
	}
	var m moment
	if err := m.setIn(s, zone); err != nil {
		return time.Time{}, usage("--%s %s: %v; or so long ago, as in 2h or 7d", flag, s, err)
	}
	return m.Time, nil
}

// showLog prints what is wanted of a gateway's log, and follows it.
func (e *env) showLog(ctx context.Context, f *folder.Folder, l *logFlags) error {
	g, err := e.pickLog(f, l.pick)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(e.Out, 1<<16)
	p := e.logPrinter(out, g, l, &classes{folder: f, warn: e.warn})
	if err := p.head(); err != nil {
		return err
	}
	watch, end := context.WithCancel(ctx)
	defer end()
	var changed func() (bool, error)
	if l.follow {
		// Before anything is read, so that nothing is missed.
		if changed, err = f.Store().Watch(watch); err != nil {
			return err
		}
	}
	r := newLogReader(f.Store(), g)
	shown := 0
	for entry, err := range r.wanted(&l.wants, l.newest) {
		if err == nil {
			shown++
			err = p.print(entry)
		}
		if err != nil {
			return errors.Join(out.Flush(), err)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if err := errors.Join(p.end(), out.Flush()); err != nil || ctx.Err() != nil {
		return err
	}
	if shown == 0 {
		e.tellNothing(f, l)
	}
	if l.follow {
		return e.followLog(ctx, r, l, p, changed, out)
	}
	return nil
}

// followLog prints what is committed from now on.
func (e *env) followLog(ctx context.Context, r *logReader, l *logFlags, p *logPrinter, changed func() (bool, error), out *bufio.Writer) error {
	for {
		yes, err := changed()
		if yes && err == nil {
			err = r.renew()
		}
		for entry, bad := range r.unread() {
			if bad == nil && l.wants.has(entry) {
				bad = p.print(entry)
			}
			if err = errors.Join(err, bad); err != nil {
				break
			}
		}
		if err = errors.Join(err, p.end(), out.Flush()); ctx.Err() != nil {
			return nil // ^C is how it ends
		}
		if err != nil {
			return err
		}
		if e.Sleep(ctx, followEvery) != nil {
			return nil
		}
	}
}

// tellNothing says why, perhaps, nothing was found.
func (e *env) tellNothing(f *folder.Folder, l *logFlags) {
	if !e.json && !l.csv && !l.follow {
		fmt.Fprintln(e.Err, "Nothing of that stands in the log.")
	}
	if len(l.wants.doors) == 0 {
		return
	}
	if p, err := currentPolicy(f); err == nil {
		if err := inPolicy(p, "door", p.Doors, l.wants.doors...); err != nil {
			e.warn("%v", err)
		}
	}
}

// logPick says whose log.
type logPick struct {
	gateway string
	key     hex32
}

func (p *logPick) flags(c *cobra.Command) {
	c.Flags().StringVar(&p.gateway, "gateway", "", "the gateway whose log it is, where several are held here")
	c.Flags().Var(&p.key, "key", "the gateway by its signing key, as tombolo gateway list --json shows it")
}

// gatewayLog is what is held of a gateway's door logs.
type gatewayLog struct {
	name string // its id where nothing tells its name
	key  [32]byte
	logs []store.Info // in the order in which they were written
}

func (g *gatewayLog) id() ledger.KeyID { return ledger.KeyIDOf(g.key[:]) }

// pickLog finds the gateway that is asked for; without flags the folder's own,
// or the only one.
func (e *env) pickLog(f *folder.Folder, pick logPick) (*gatewayLog, error) {
	all, err := e.gatewayLogs(f)
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("no door log is here: run this on a gateway (--dir), or have its log brought with `tombolo ledger export --kind community,node,door` there and `tombolo ledger import` here")
	}
	var found []*gatewayLog
	for _, g := range all {
		if (pick.gateway == "" || g.name == pick.gateway) && (pick.key == (hex32{}) || g.key == pick.key) {
			found = append(found, g)
		}
	}
	if pick == (logPick{}) && len(found) > 1 {
		// On a gateway that knows its siblings' its own.
		if own, err := f.Public(folder.SigningKey); err == nil {
			for _, g := range found {
				if g.key == own {
					found = []*gatewayLog{g}
					break
				}
			}
		}
	}
	if len(found) != 1 {
		var names []string
		for _, g := range all {
			names = append(names, fmt.Sprintf("  %s  key %x", g.name, g.key))
		}
		what := "door logs of several gateways are here; say --gateway or --key"
		if len(found) == 0 {
			what = "no door log of that gateway is here"
		} else if pick != (logPick{}) {
			what = fmt.Sprintf("several gateways were called %q; say --key", pick.gateway)
		}
		return nil, fmt.Errorf("%s:\n%s", what, strings.Join(names, "\n"))
	}
	g := found[0]
	forks, err := f.Store().Forks()
	if err != nil {
		return nil, err
	}
	for _, fork := range forks {
		if head, _, err := fork.Heads(); err == nil && head.Origin.Kind == ledger.DoorLog && head.Origin.Author == g.id() {
			e.warn("gateway %s signed two histories of its log, the proof is held: this is one of them", g.name)
			break
		}
	}
	return g, nil
}

// gatewayLogs groups the door logs that are held here by gateway. What cannot be
// read beside them keeps nobody from reading them.
func (e *env) gatewayLogs(f *folder.Folder) ([]*gatewayLog, error) {
	infos, err := f.Store().Ledgers()
	if errors.Is(err, store.ErrDamaged) {
		e.warn("%v", err)
	} else if err != nil {
		return nil, err
	}
	names := map[[32]byte]string{}
	enrolled, err := f.Gateways()
	if err != nil && !errors.Is(err, folder.ErrNoNode) {
		e.warn("the gateways' names cannot be told: %v", err)
	}
	for _, g := range enrolled {
		names[g.Keys.Signing] = g.Name
	}
	var all []*gatewayLog
	seen := map[ledger.KeyID]bool{}
	for _, i := range infos {
		if i.Origin.Kind != ledger.DoorLog || seen[i.Origin.Author] {
			continue
		}
		seen[i.Origin.Author] = true
		g := &gatewayLog{key: [32]byte(i.Head.Author)}
		if g.name = names[g.key]; g.name == "" {
			g.name = i.Origin.Author.String()
		}
		if g.logs, err = doorLogs(f.Store(), i.Origin.Author); err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}
