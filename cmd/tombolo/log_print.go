package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"reflect"
	"strconv"
	"strings"
	"time"

	"tombolo/sync/ledger"
)

// logRow is an entry of a door log in JSON, and in CSV but for the body.
type logRow struct {
	Time     stamp    `json:"time"` // null when the body was dropped
	Gateway  string   `json:"gateway"`
	Log      string   `json:"log"` // incarnation
	Entry    int64    `json:"entry"`
	Kind     string   `json:"kind"`
	Dropped  bool     `json:"dropped,omitempty"`
	Door     string   `json:"door,omitempty"`
	Way      string   `json:"way,omitempty"`
	Passport uint64   `json:"passport,omitempty"`
	Class    string   `json:"class,omitempty"`
	By       string   `json:"by,omitempty"`
	Outcome  string   `json:"outcome,omitempty"`
	Reason   string   `json:"reason,omitempty"`
	Text     string   `json:"text"`
	Body     any      `json:"body,omitempty"`
	Raw      hexBytes `json:"raw,omitempty"`
}

// csvColumns stand in the help, and never change but at their end.
var csvColumns = []string{"time", "gateway", "log", "entry", "kind", "door", "way", "passport", "class", "by", "outcome", "reason", "text"}

func (r *logRow) columns() []string {
	at, who := "", ""
	if t := asTime(r.Time); !t.IsZero() {
		at = t.UTC().Format("2006-01-02T15:04:05.000Z")
	}
	if r.Passport != 0 {
		who = strconv.FormatUint(r.Passport, 10)
	}
	all := []string{at, r.Gateway, r.Log, strconv.FormatInt(r.Entry, 10), r.Kind, r.Door, r.Way, who, r.Class, r.By, r.Outcome, r.Reason, r.Text}
	for i := range all {
		all[i] = notFormula(all[i])
	}
	return all
}

// notFormula keeps a spreadsheet from computing a field.
func notFormula(s string) string {
	if s != "" && strings.ContainsRune("=+-@\t\r", rune(s[0])) {
		return "'" + s
	}
	return s
}

// logPrinter prints entries as people, spreadsheets or programs read them.
type logPrinter struct {
	out     io.Writer
	gateway string
	classes *classes
	zone    *time.Location
	colours bool
	json    *json.Encoder // or nil
	csv     *csv.Writer   // or nil
	width   int           // of the widest door so far
	gap     *gap          // dropped bodies that were not told yet, or nil
}

// gap is a row of entries without bodies: for people it is one line.
type gap struct {
	first logEntry
	last  int64
}

func (e *env) logPrinter(out io.Writer, g *gatewayLog, l *logFlags, c *classes) *logPrinter {
	p := &logPrinter{out: out, gateway: g.name, classes: c, zone: zoneOf(l.utc), colours: colourful(e.Out), width: 8}
	switch {
	case e.json:
		p.json = json.NewEncoder(out)
		p.json.SetEscapeHTML(false)
	case l.csv:
		p.csv = csv.NewWriter(out)
		p.csv.UseCRLF = true // RFC 4180 §2.1
	}
	return p
}

func zoneOf(utc bool) *time.Location {
	if utc {
		return time.UTC
	}
	return time.Local
}

// colourful: on a terminal, unless somebody wants none (no-color.org).
func colourful(out io.Writer) bool {
	return terminal(out) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

func (p *logPrinter) head() error {
	if p.csv == nil {
		return nil
	}
	if err := p.csv.Write(csvColumns); err != nil {
		return err
	}
	p.csv.Flush()
	return p.csv.Error()
}

func (p *logPrinter) print(e logEntry) error {
	if p.json == nil && p.csv == nil {
		return p.line(e)
	}
	row := p.row(e)
	if p.json != nil {
		return p.json.Encode(row)
	}
	if err := p.csv.Write(row.columns()); err != nil {
		return err
	}
	p.csv.Flush()
	return p.csv.Error()
}

func (p *logPrinter) row(e logEntry) *logRow {
	row := &logRow{
		Gateway: p.gateway, Log: e.log.Incarnation.String(), Entry: e.index, Kind: kindName(e.kind), Dropped: e.dropped,
		Door: e.door(), Way: e.way(), Passport: e.passport(), Class: p.classes.of(e.passport()), Outcome: e.outcome(), Text: e.words(time.UTC),
	}
	if !e.dropped {
		row.Time = stamp(e.at)
	}
	if b, ok := e.body.(*ledger.Decision); ok {
		row.By, row.Reason = byWords(b.Mode), b.Reason
	}
	switch {
	case p.json == nil:
	case e.body != nil:
		row.Body = plain(reflect.ValueOf(e.body).Elem())
	case !e.dropped:
		row.Raw = e.raw
	}
	return row
}

// outcome is a word that programs can tell apart.
func (e logEntry) outcome() string {
	word := func(yes bool, a, b string) string {
		if yes {
			return a
		}
		return b
	}
	switch b := e.body.(type) {
	case *ledger.Decision:
		if waits(b) {
			return "waits"
		}
		return word(b.Granted, "granted", "denied")
	case *ledger.Passage:
		return word(b.Entered, "passed", "not-passed")
	case *ledger.DoorState:
		return b.State
	case *ledger.Line:
		return b.State
	case *ledger.Input:
		return word(b.Active, "active", "normal")
	case *ledger.Fault:
		return word(b.Cleared, "cleared", "fault")
	}
	return ""
}

// line is the entry for people: its number, the time, the door, who, and what.
func (p *logPrinter) line(e logEntry) error {
	if g := p.gap; e.dropped && g != nil && g.first.log == e.log && g.last+1 == e.index {
		g.last++
		return nil
	}
	if err := p.end(); err != nil {
		return err
	}
	if e.dropped {
		p.gap = &gap{e, e.index}
		return nil
	}
	return p.put(e, e.words(p.zone))
}

// end tells what is still to be told.
func (p *logPrinter) end() error {
	g := p.gap
	if g == nil {
		return nil
	}
	p.gap = nil
	if g.last == g.first.index {
		return p.put(g.first, g.first.words(p.zone))
	}
	return p.put(g.first, fmt.Sprintf("(the bodies up to entry %d were dropped)", g.last))
}

func (p *logPrinter) put(e logEntry, text string) error {
	door := e.door()
	if door == "" {
		door = "-"
	}
	p.width = max(p.width, len(door))
	if p.colours {
		text = colour(e) + text + "\x1b[0m"
	}
	_, err := fmt.Fprintf(p.out, "%6d  %-19s  %-*s  %-24s  %s\n", e.index, inZone(e.at, p.zone), p.width, door, p.classes.who(e.passport()), text)
	return err
}

// colour begins one: red for what somebody has to look into, yellow for a
// denial, green for a grant, and pale for what is only there to be complete.
func colour(e logEntry) string {
	d, decided := e.body.(*ledger.Decision)
	switch {
	case e.alarm() && !e.over && e.outcome() != "cleared" && e.outcome() != "lockdown-over":
		return "\x1b[1;31m"
	case decided && d.Granted:
		return "\x1b[32m"
	case decided:
		return "\x1b[33m"
	case e.body == nil, e.said():
		return "\x1b[2m"
	}
	return ""
}
