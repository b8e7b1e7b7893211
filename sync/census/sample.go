package census

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"tombolo/sync/ledger"
)

// Confidence is at which the bound holds that a report states.
const Confidence = 0.95

// Drawing is a Draw as it stands in the hub's census ledger.
type Drawing struct {
	Origin ledger.Origin
	Index  int64
	Time   int64 // the entry's, Unix milliseconds
	Body   ledger.Draw
}

// Answer is what came for a drawn tag: an opening, or why it could not be opened
// ([Unseal]).
type Answer struct {
	Opening Opening
	Err     error
}

// Sample is what *evidence* looks at.
type Sample struct {
	Rules   Rules // with what the close covers
	Closed  Closed
	List    *List // as CheckAll found it; nil if there is none
	Draws   []Drawing
	Beacon  *[32]byte // what the auditor himself took from the beacon; nil if he did not
	Answers map[Tag][]Answer
	Early   bool // answers may still come: then those that are missing decide nothing
}

// Results of a drawn tag.
const (
	Good       = "good"
	Bad        = "bad"
	Unanswered = "unanswered"
)

// Drawn is what became of one drawn tag. It names nobody. Evidence tells
// presentations apart without saying anything of them: the same one, shown for
// two tags or in two epochs, is a cheat.
type Drawn struct {
	Index     uint64 `json:"index"` // in the list
	Tag       string `json:"tag"`   // hexadecimal
	Result    string `json:"result"`
	Why       string `json:"why,omitempty"`       // the link that failed, see [Link]
	Disclosed bool   `json:"disclosed,omitempty"` // with door and time, and they hold
	Evidence  string `json:"evidence,omitempty"`  // hexadecimal
}

// CheckEvidence checks the draw, and each tag that it drew: *evidence*. It fails
// if one of them is bad or was not answered; how much that says about the others
// is [Bound]'s.
func CheckEvidence(s Sample) (Check, []Drawn) {
	if s.List == nil {
		return undone(CheckedEvidence, "The list is not at hand, so that nothing can be drawn from it."), nil
	}
	draw, ok := s.draw()
	switch {
	case !ok && s.Closed.Body.Withheld:
		return undone(CheckedEvidence, "From a list that is withheld nothing is drawn."), nil
	case !ok:
		return undone(CheckedEvidence, "Nothing has been drawn yet."), nil
	}
	var f finding
	faults(&f, s.Rules, s.Closed, draw, s.Beacon)
	if s.Rules.Covered != nil && CoversHash(s.Rules.Covered) != s.Closed.Body.Covers {
		f.wrong("the reports that the hub names are not those that the close covers: evidence could have been reported after the draw")
	}
	if uint64(s.List.Len()) > uint64(s.Rules.Opened.Sample) { // otherwise all are drawn
		if s.Beacon == nil {
			f.note("the seed was not compared with the beacon (--beacon): a hub that chose it also chose whom to show; it says that it is from %q", draw.Body.Source)
		}
		f.note("the hub says that it closed the list on %s: a seed that anybody knew before then proves nothing", day(s.Closed.Time/1000))
	}
	drawn := s.judge(draw)
	good, bad, unanswered := Tally(drawn)
	for _, d := range drawn {
		if d.Result == Bad {
			f.wrong("line %d is bad: %s", d.Index, d.Why)
		}
	}
	switch {
	case unanswered > 0 && s.Early && f.bad == 0:
		c := undone(CheckedEvidence, fmt.Sprintf("Of %d drawn tags %d are good, and %d were not opened yet: there is time for it. Ask again.", len(drawn), good, unanswered))
		c.Details = f.lines
		return c, drawn
	case unanswered > 0 && s.Early:
		f.note("%d drawn tags were not opened yet", unanswered)
	case unanswered > 0:
		f.wrong("%d drawn tags were not opened, which counts against the list", unanswered)
	}
	return f.check(CheckedEvidence, fmt.Sprintf("All %d drawn tags stand for passports that were let in by their own door keys.", good),
		fmt.Sprintf("Of %d drawn tags %d are good, %d bad and %d were not opened, or the draw itself was not fair.", len(drawn), good, bad, unanswered)), drawn
}

// draw is the epoch's: the first.
func (s Sample) draw() (Drawing, bool) {
	all := slices.DeleteFunc(slices.Clone(s.Draws), func(d Drawing) bool { return d.Body.Epoch != s.Closed.Body.Epoch })
	if len(all) == 0 {
		return Drawing{}, false
	}
	return slices.MinFunc(all, Drawing.compare), true
}

func (d Drawing) compare(e Drawing) int {
	return cmp.Or(cmp.Compare(d.Time, e.Time), d.Origin.Compare(e.Origin), cmp.Compare(d.Index, e.Index))
}

// faults finds what is wrong with a draw by itself.
func faults(f *finding, r Rules, c Closed, d Drawing, beacon *[32]byte) {
	b := &d.Body
	if b.Root != c.Body.Root || !c.sized(int64(b.Size)) {
		f.wrong("the draw is from another list than the close's")
	}
	if d.Origin == c.Origin && d.Index < c.Index || d.Origin != c.Origin && d.Time < c.Time {
		f.wrong("the draw was made before the epoch was closed")
	}
	if !strings.HasPrefix(b.Source, r.Opened.Beacon) {
		f.wrong("the seed is from %q, and the rules say %q", b.Source, r.Opened.Beacon)
	}
	if beacon != nil && b.Seed != *beacon {
		f.wrong("the seed is %x, and the beacon says %x", b.Seed, *beacon)
	}
}

// judge looks at what came for each tag that a draw names.
func (s Sample) judge(d Drawing) []Drawn {
	var out []Drawn
	seen := map[string]bool{}
	// The list and the sample are the epoch's own, whatever the draw says.
	for _, i := range Indices(d.Body.Seed, s.Closed.Body.Root, uint64(s.List.Len()), s.Rules.Opened.Sample) {
		one := s.one(i)
		if one.Result == Good && seen[one.Evidence] {
			one = Drawn{Index: one.Index, Tag: one.Tag, Result: Bad, Why: "shown-twice"}
		}
		seen[one.Evidence] = true
		out = append(out, one)
	}
	return out
}

// one finds among the answers for a line one that is good.
func (s Sample) one(i uint64) Drawn {
	entry := s.List.At(int64(i))
	d := Drawn{Index: i, Tag: hex.EncodeToString(entry.Tag[:]), Result: Unanswered}
	for _, a := range s.Answers[entry.Tag] {
		err := a.Err
		if err == nil {
			err = a.Opening.Verify(s.Rules, entry)
		}
		if err == nil {
			return Drawn{Index: i, Tag: d.Tag, Result: Good, Disclosed: a.Opening.Full != nil, Evidence: a.Opening.evidence()}
		}
		if d.Result == Unanswered {
			d.Result, d.Why = Bad, Link(err)
		}
	}
	return d
}

// evidence is the hash of a verified opening's two commitments: they differ from
// one presentation to the next, unlike the signatures, which can be altered.
func (o Opening) evidence() string {
	body, err := ledger.ParseBody(ledger.KindAttendance, o.Attendance.Body)
	a, ok := body.(*ledger.Attendance)
	if err != nil || !ok {
		return ""
	}
	b := append([]byte("tombolo/v1/census/presentation\n"), a.Place[:]...)
	h := sha256.Sum256(append(b, a.Time[:]...))
	return hex.EncodeToString(h[:])
}

// Tally counts results.
func Tally(drawn []Drawn) (good, bad, unanswered int) {
	for _, d := range drawn {
		switch d.Result {
		case Good:
			good++
		case Bad:
			bad++
		default:
			unanswered++
		}
	}
	return good, bad, unanswered
}

// Bound is how large a share of a list of so many can be bad, at [Confidence],
// when so many of those drawn were; when all were drawn it is the share itself.
func Bound(bad, drawn int, size uint64) float64 {
	if drawn > 0 && uint64(drawn) >= size {
		return min(1, float64(bad)/float64(drawn))
	}
	return UpperBound(bad, drawn, Confidence)
}
