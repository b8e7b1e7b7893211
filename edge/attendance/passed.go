package attendance

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Span is an epoch: Unix seconds, from Opens until before Closes.
type Span struct{ Opens, Closes int64 }

func (s Span) has(seconds int64) bool { return s.Opens <= seconds && seconds < s.Closes }

func (s Span) hasMillis(ms int64) bool { return s.Opens*1000 <= ms && ms < s.Closes*1000 }

// Place is an entry of a door log.
type Place struct {
	Index int64
	Leaf  [32]byte // its RFC 6962 leaf hash
}

// Passed is one passport's way in through one door: the decision, what it was made
// on, and where decision and passage stand.
type Passed struct {
	*ledger.Decision
	Signed  int64 // the presentation's own time, Unix seconds
	Window  bool  // a code; otherwise a tap
	At      Place
	Passage Place
}

// maxDue bounds the grants of one log that wait for their passage, as package
// access does.
const maxDue = 1 << 12

// Log finds those who passed in one door log. It has one owner; make it with
// NewLog.
type Log struct {
	span Span
	due  map[uint64]Passed // this boot's, by decision
}

// NewLog begins before a log's first entry, or before any other.
func NewLog(s Span) *Log { return &Log{span: s, due: map[uint64]Passed{}} }

// Counts reports whether Apply takes entries of a kind: others may be passed over.
func Counts(k ledger.Kind) bool {
	return k == ledger.KindBoot || k == ledger.KindDecision || k == ledger.KindPassage
}

// Apply takes the next entry, written at a time in Unix milliseconds, and returns
// who passed by it, or nil.
func (l *Log) Apply(at int64, where Place, body ledger.Body) *Passed {
	switch b := body.(type) {
	case *ledger.Boot:
		clear(l.due) // decisions are counted from 1 again
	case *ledger.Decision:
		delete(l.due, b.Seq) // a second decision of one number takes the first back
		if p, ok := l.granted(at, where, b); ok && len(l.due) < maxDue {
			l.due[b.Seq] = p
		}
	case *ledger.Passage:
		p, ok := l.due[b.Seq]
		delete(l.due, b.Seq)
		if ok && b.Entered && !b.Exit && b.Door == p.Door && l.span.hasMillis(at) {
			p.Passage = where
			return &p
		}
	}
	return nil
}

// granted is what a decision may come to. A roster's age is only known with a
// clock: a grant without one has no time.
func (l *Log) granted(at int64, where Place, b *ledger.Decision) (Passed, bool) {
	if !b.Granted || b.Exit || b.Passport == 0 || len(b.Key) != len(passport.KeyID{}) || b.RosterAge < 0 || !l.span.hasMillis(at) {
		return Passed{}, false
	}
	p := Passed{Decision: b, At: where}
	switch mode, _, _ := strings.Cut(b.Mode, "+"); mode {
	case "tap":
		t, err := passport.ParseTap(b.Presentation)
		if err != nil || t.Time > 1<<40 {
			return p, false
		}
		p.Signed = int64(t.Time) // 0 without a clock
	case "window":
		w, err := passport.ParseWindow(b.Presentation)
		if err != nil {
			return p, false
		}
		p.Signed, p.Window = int64(w.Start), true
	default:
		return p, false
	}
	return p, l.span.has(p.Signed)
}

// ErrDelegation: what the delegation says does not cover the presence.
var ErrDelegation = errors.New("the delegation does not cover the presence")

// Covered checks a presence against a delegation: that it is for this key and
// passport, in force when the presentation was made, for the mode and for the
// door. Who signed what it does not check. Errors: ErrDelegation.
func (p *Passed) Covered(d passport.Delegation, node passport.NodeID) error {
	mode := passport.ModeTap
	if p.Window {
		mode = passport.ModeWindow
	}
	id := d.Key.ID()
	switch {
	case uint64(d.Passport) != p.Passport, string(id[:]) != string(p.Key):
		return fmt.Errorf("%w: it is another key's or passport's", ErrDelegation)
	case uint64(p.Signed) < d.NotBefore, uint64(p.Signed) >= d.NotAfter:
		return fmt.Errorf("%w: it was not in force then", ErrDelegation)
	case !d.Mode.Has(mode):
		return fmt.Errorf("%w: it is not for a %s", ErrDelegation, mode)
	case !d.Covers(node, p.Door):
		return fmt.Errorf("%w: it is not for this door", ErrDelegation)
	}
	return nil
}

// Pick orders the presences of one passport: the lowest is the one that counts. It
// says nothing of when or where any of them was, as salt is random and secret:
//
//	SHA-256("tombolo/v1/attendance-pick\n" ‖ salt[32] ‖ leaf hash of the decision)
func (p *Passed) Pick(salt [32]byte) [32]byte {
	b := append([]byte("tombolo/v1/attendance-pick\n"), salt[:]...)
	return sha256.Sum256(append(b, p.At.Leaf[:]...))
}
