package main

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"tombolo/cmd/internal/gateway"
	"tombolo/edge/access"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// logEntry is an entry of a door log, with what those before it tell of it.
type logEntry struct {
	log     ledger.Origin
	index   int64
	at      time.Time // of a dropped one that of the last before it
	kind    ledger.Kind
	body    ledger.Body // nil if it was dropped, or is of a kind that this version does not know
	dropped bool
	raw     []byte // the body's bytes, empty if it was dropped
	// decision is the one that a Passage or an Opening belongs to, or that this is;
	// nil if it is not known.
	decision *ledger.Decision
	over     bool // it ends an alarm of a door or a line
}

// maxDue bounds the decisions of which it is not known yet what became of them.
const maxDue = 1 << 12

// logReader reads a gateway's logs in their order, once.
type logReader struct {
	store *store.Store
	log   *gatewayLog
	read  map[ledger.Origin]int64 // so many entries were
	last  time.Time
	due   map[uint64]*ledger.Decision // this boot's
	loud  map[string]bool             // doors that were forced or left open or released, and still are
	lit   map[[2]string]bool          // lines, by input and door, that tell of trouble; a boot does not end it
}

func newLogReader(s *store.Store, g *gatewayLog) *logReader {
	return &logReader{store: s, log: g, read: map[ledger.Origin]int64{}, due: map[uint64]*ledger.Decision{}, loud: map[string]bool{}, lit: map[[2]string]bool{}}
}

// doorLogs passes over ledgers that are damaged: whoever reads these was told.
func doorLogs(s *store.Store, id ledger.KeyID) ([]store.Info, error) {
	logs, err := gateway.DoorLogs(s, id)
	if errors.Is(err, store.ErrDamaged) {
		err = nil
	}
	return logs, err
}

// renew looks what is held now.
func (r *logReader) renew() (err error) {
	r.log.logs, err = doorLogs(r.store, r.log.id())
	return err
}

// unread yields what was not read yet. It stops after an error.
func (r *logReader) unread() iter.Seq2[logEntry, error] {
	return func(yield func(logEntry, error) bool) {
		for _, l := range r.log.logs {
			for e, err := range r.store.Entries(l, r.read[l.Origin], l.Size) {
				var entry logEntry
				if err == nil {
					entry, err = r.entry(l.Origin, e)
				}
				if err != nil {
					err = fmt.Errorf("%v: %w", l.Origin, err)
				}
				if !yield(entry, err) || err != nil {
					return
				}
			}
		}
	}
}

func (r *logReader) entry(o ledger.Origin, e ledger.Entry) (logEntry, error) {
	index := r.read[o]
	r.read[o] = index + 1
	leaf, body, err := e.Open(ledger.DoorLog, index)
	if err != nil {
		return logEntry{}, &ledger.At{First: index, Last: index, Err: err}
	}
	out := logEntry{log: o, index: index, at: r.last, kind: leaf.Kind, body: body, dropped: e.Dropped(), raw: e.Body}
	if !out.dropped {
		out.at = time.UnixMilli(e.Time)
		r.last = out.at
	}
	switch b := body.(type) {
	case *ledger.Begin, *ledger.Boot:
		clear(r.due)
		clear(r.loud)
	case *ledger.DoorState:
		if lockdownState(b.State) {
			break // told of the door beside its state
		}
		out.over = r.loud[b.Door] && !alarming(b.State)
		r.loud[b.Door] = alarming(b.State)
	case *ledger.Line:
		line := [2]string{b.Input, b.Door}
		out.over = r.lit[line] && !troubled(b)
		r.lit[line] = troubled(b)
	case *ledger.Decision:
		out.decision = b
		delete(r.due, b.Seq) // a second decision of one number takes the first back
		if b.Granted && len(r.due) < maxDue {
			r.due[b.Seq] = b
		}
	case *ledger.Opening:
		out.decision = r.due[b.Seq]
	case *ledger.Passage:
		out.decision = r.due[b.Seq]
		delete(r.due, b.Seq)
	}
	return out, nil
}

// newestStride is how much of the end is looked at first for the newest few.
const newestStride = 4096

// wanted yields what a filter lets through; of that with n > 0 the newest n.
// Afterwards the reader stands at the end.
func (r *logReader) wanted(f *logFilter, n int) iter.Seq2[logEntry, error] {
	if n <= 0 {
		return func(yield func(logEntry, error) bool) {
			for e, err := range r.unread() {
				if (err != nil || f.has(e)) && !yield(e, err) {
					return
				}
			}
		}
	}
	return func(yield func(logEntry, error) bool) {
		var found []logEntry
		for stride := int64(newestStride); ; stride *= 4 {
			var err error
			var whole bool
			if found, whole, err = r.newest(f, n, stride); err != nil {
				yield(logEntry{}, err)
				return
			}
			if len(found) == n || whole {
				break
			}
		}
		for _, e := range found {
			if !yield(e, nil) {
				return
			}
		}
	}
}

// newest reads the last so many entries anew, and returns the last n of those
// that are wanted; whole is true if there are no others. A stride before them
// is read for what it tells of them.
func (r *logReader) newest(f *logFilter, n int, stride int64) (found []logEntry, whole bool, err error) {
	clear(r.read)
	clear(r.due)
	clear(r.loud)
	clear(r.lit)
	r.last = time.Time{}
	shown := map[ledger.Origin]int64{}
	left, lead := stride, stride+newestStride
	for _, l := range slices.Backward(r.log.logs) {
		r.read[l.Origin], shown[l.Origin] = max(0, l.Size-lead), max(0, l.Size-left)
		left, lead = max(0, left-l.Size), max(0, lead-l.Size)
	}
	whole = true
	for _, from := range shown {
		whole = whole && from == 0
	}
	next := 0 // where the oldest of n stands
	for e, err := range r.unread() {
		switch {
		case err != nil:
			return nil, false, err
		case e.index < shown[e.log] || !f.has(e):
		case len(found) < n:
			found = append(found, e)
		default:
			found[next] = e
			next = (next + 1) % n
		}
	}
	return slices.Concat(found[next:], found[:next]), whole, nil
}

// entryKinds are the names of kinds of entry, as people and columns have them.
var entryKinds = map[string][]ledger.Kind{
	"decision":   {ledger.KindDecision},
	"passage":    {ledger.KindPassage},
	"state":      {ledger.KindDoorState},
	"input":      {ledger.KindLine, ledger.KindInput},
	"fault":      {ledger.KindFault},
	"boot":       {ledger.KindBoot},
	"clock":      {ledger.KindClockStep},
	"basis":      {ledger.KindBasis},
	"pass":       {ledger.KindPassUsed},
	"opening":    {ledger.KindOpening},
	"forgiven":   {ledger.KindForgiven},
	"fork":       {ledger.KindForkSeen},
	"siblings":   {ledger.KindSiblings},
	"order":      {ledger.KindOrdered},
	"policy":     {ledger.KindPolicyTried},
	"expired":    {ledger.KindExpired},
	"attendance": {ledger.KindAttendance},
	"begin":      {ledger.KindBegin},
	"dropped":    {ledger.KindDropped},
}

func kindNames() []string { return slices.Sorted(maps.Keys(entryKinds)) }

// kindName is "" for a kind that this version does not know.
func kindName(k ledger.Kind) string {
	for name, kinds := range entryKinds {
		if slices.Contains(kinds, k) {
			return name
		}
	}
	return ""
}

func parseKinds(names []string) (out []ledger.Kind, err error) {
	for _, n := range names {
		kinds, ok := entryKinds[strings.ToLower(n)]
		if !ok {
			return nil, usage("--kind %s: want one of %s", n, strings.Join(kindNames(), ", "))
		}
		out = append(out, kinds...)
	}
	return out, nil
}

// passports are numbers as a flag that may be given several times.
type passports []uint64

func (p *passports) Set(s string) error {
	for part := range strings.SplitSeq(s, ",") {
		n, err := number(part)
		if err != nil {
			return err
		}
		*p = append(*p, n)
	}
	return nil
}

func (p *passports) Type() string { return "N" }

func (p *passports) String() string { return strings.Trim(fmt.Sprint([]uint64(*p)), "[]") }

// logFilter says which entries are wanted: those that all of it lets through.
type logFilter struct {
	since, until    time.Time
	doors           []string
	passports       passports
	kinds           []ledger.Kind
	denied, granted bool
	alarms          bool
	all             bool // also what another entry says already
}

func (f *logFilter) has(e logEntry) bool {
	switch {
	case !f.since.IsZero() && e.at.Before(f.since), !f.until.IsZero() && !e.at.Before(f.until):
		return false
	case len(f.kinds) > 0 && !slices.Contains(f.kinds, e.kind):
		return false
	case len(f.doors) > 0 && !slices.Contains(f.doors, e.door()):
		return false
	case len(f.passports) > 0 && !slices.Contains(f.passports, e.passport()):
		return false
	case f.alarms && !e.alarm():
		return false
	case f.granted || f.denied:
		d, ok := e.body.(*ledger.Decision)
		return ok && d.Granted == f.granted && !(f.denied && waits(d))
	}
	return f.all || len(f.kinds) > 0 || !e.said()
}

func waits(d *ledger.Decision) bool {
	r, ok := access.ParseReason(d.Reason)
	return ok && r.Waits()
}

// door is the one that an entry is about, or "".
func (e logEntry) door() string {
	switch b := e.body.(type) {
	case *ledger.Decision:
		return b.Door
	case *ledger.Passage:
		return b.Door
	case *ledger.DoorState:
		return b.Door
	case *ledger.Input:
		return b.Door
	case *ledger.Line:
		return b.Door
	case *ledger.Opening:
		return b.Door
	case *ledger.Fault:
		if rest, ok := strings.CutPrefix(b.Part, "door/"); ok {
			door, _, _ := strings.Cut(rest, "/")
			return door
		}
	}
	return ""
}

// passport is whom an entry is about, or 0.
func (e logEntry) passport() uint64 {
	if f, ok := e.body.(*ledger.Forgiven); ok {
		return f.Passport
	}
	if e.decision == nil {
		return 0
	}
	return e.decision.Passport
}

// way is in or out, or "".
func (e logEntry) way() string {
	exit := false
	switch b := e.body.(type) {
	case *ledger.Decision:
		exit = b.Exit
	case *ledger.Passage:
		exit = b.Exit
	default:
		return ""
	}
	if exit {
		return "out"
	}
	return "in"
}

// alarm tells what somebody has to look into, and its end.
func (e logEntry) alarm() bool {
	switch b := e.body.(type) {
	case *ledger.Decision:
		return duress(b) || b.Reason == access.LockedOut.String() // who types PINs with a found card
	case *ledger.DoorState:
		return alarming(b.State) || e.over || lockdownState(b.State)
	case *ledger.Line:
		return troubled(b) || e.over
	case *ledger.Fault, *ledger.ForkSeen:
		return true
	}
	return false
}

// duress reports whether a duress PIN was typed, whatever came of it.
func duress(b *ledger.Decision) bool { return strings.HasSuffix(b.Mode, "+duress") || tellsDuress(b) }

// tellsDuress: the reason is the duress itself.
func tellsDuress(b *ledger.Decision) bool {
	return b.Reason == access.Duress.String() || b.Reason == access.LockedOutDuress.String()
}

// alarming are the states of a door that last until it tells another.
func alarming(state string) bool {
	return state == "forced-open" || state == "held-open" || state == "released"
}

func lockdownState(state string) bool { return state == "lockdown" || state == "lockdown-over" }

func troubled(l *ledger.Line) bool {
	return l.State == "cut" || l.State == "shorted" || l.State == "active" && (l.Input == "fire" || l.Input == "tamper")
}

// said tells what other entries say as well: what decisions are made on, and
// what led to another entry.
func (e logEntry) said() bool {
	switch b := e.body.(type) {
	case *ledger.Basis, *ledger.Opening, *ledger.PassUsed:
		return true
	case *ledger.Input:
		return true
	case *ledger.DoorState:
		return b.State == "unlocked" && !e.over // somebody was let through, or the door is closed again before it locks
	case *ledger.Line: // a fault says that it is cut, shorted, or what it reports
		return b.Input != "fire"
	}
	return false
}
