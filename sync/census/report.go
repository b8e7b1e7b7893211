package census

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"tombolo/sync/ledger"
)

// Errors of reports.
var (
	// ErrReportFile is wrapped by every error about the form of a report.
	ErrReportFile = errors.New("not an audit's report as `tombolo census audit` writes it")
	// ErrOtherEpoch is returned for two reports that cannot be compared.
	ErrOtherEpoch = errors.New("the two reports are of different communities")
)

// MaxReport bounds a report's file, in bytes.
const MaxReport = 8 << 20

const reportFormat = "tombolo census report v1"

// Report is what an audit came to, to be kept, published and compared. It names
// no passport, door or time. Bytes are in lower-case hexadecimal, times in Unix
// seconds. Another field is another format.
type Report struct {
	Format    string     `json:"format"`
	Community string     `json:"community"`
	Epoch     string     `json:"epoch"`
	Number    uint64     `json:"number"`
	Opens     int64      `json:"opens"`
	Closes    int64      `json:"closes"`
	Head      string     `json:"head"` // of the census ledger, as it was seen: a signed checkpoint
	Root      string     `json:"root"`
	Withheld  bool       `json:"withheld"`
	Size      uint64     `json:"size"` // the figure; 0 if it is withheld
	Reports   uint32     `json:"reports"`
	Estate    Estate     `json:"estate"`
	Checks    []Check    `json:"checks"`
	Seed      string     `json:"seed,omitempty"`   // the draw's
	Source    string     `json:"source,omitempty"` // where it is from
	Drawn     []Drawn    `json:"drawn,omitempty"`
	Summoned  []Summoned `json:"summoned,omitempty"`
	Result    Result     `json:"result"`
	NotProved []string   `json:"not_proved"`
}

// Result is what follows from a report's own counts.
type Result struct {
	Drawn      int     `json:"drawn"`
	Good       int     `json:"good"`
	Bad        int     `json:"bad"`
	Unanswered int     `json:"unanswered"`
	Confidence float64 `json:"confidence"`
	Bound      float64 `json:"bound"`    // share of the list that can be bad; 1 if nothing was drawn
	AtLeast    uint64  `json:"at_least"` // figure × (1 − bound), whole
	Summoned   int     `json:"summoned"`
	Came       int     `json:"came"`
	Absent     float64 `json:"absent_bound"` // share of those summoned who would not come; 1 if nobody was
}

// notProved is what no audit of this kind shows.
var notProved = []string{
	"That one person has one passport: the figure counts passports seen with valid evidence, and who admits people answers for that.",
	"That community and residents do not collude: whoever lends card and door log together makes a presence that looks like any other.",
	"That a presence was at its door, in its hour, or in this epoch at all: door and time stay with the resident unless he agrees, and the node's gateway vouches for them. Held against another epoch's report (tombolo census verify) this one shows what was used in both.",
	"That others were told the same: this is what the hub showed to one auditor. Hold it against another's report (tombolo census verify).",
	"That nobody knew the seed when the list was closed: it has to be of a later moment than the close, and nobody's choice.",
	"That nobody is missing: a node that was not heard and a resident who met no gateway are not counted.",
	"That figures which issuers attest are true: they are their word.",
}

// Audited is what a report is made of.
type Audited struct {
	Rules    Rules
	Closed   Closed
	Head     []byte // signed note of the census ledger
	Checks   []Check
	Draw     *Drawing // nil if nothing was drawn
	Drawn    []Drawn
	Summoned []Summoned
}

// NewReport puts a report together.
func NewReport(a Audited) Report {
	e, b := a.Rules.Opened, &a.Closed.Body
	id := e.ID()
	r := Report{Format: reportFormat, Community: a.Rules.Community.String(), Epoch: hex.EncodeToString(id[:]),
		Number: e.Number, Opens: e.Opens, Closes: e.Closes, Head: string(a.Head), Root: hex.EncodeToString(b.Root[:]),
		Withheld: b.Withheld, Size: b.Size, Reports: b.Reports, Estate: Estate{b.Nodes, b.Doors, b.Floor},
		Checks: a.Checks, Drawn: a.Drawn, Summoned: a.Summoned, NotProved: slices.Clone(notProved)}
	if a.Draw != nil {
		r.Seed, r.Source = hex.EncodeToString(a.Draw.Body.Seed[:]), a.Draw.Body.Source
	}
	r.Result = r.result()
	return r
}

// Summon adds a summons to a report, in place of an earlier one of the same line,
// and counts again.
func (r *Report) Summon(s Summoned) error {
	if !slices.ContainsFunc(r.Drawn, func(d Drawn) bool { return d.Index == s.Index && d.Tag == s.Tag && d.Result == Good }) {
		return fmt.Errorf("%w: line %d was not drawn and found good", ErrSummons, s.Index)
	}
	r.Summoned = slices.DeleteFunc(slices.Clone(r.Summoned), func(old Summoned) bool { return old.Index == s.Index })
	i, _ := slices.BinarySearchFunc(r.Summoned, s.Index, func(s Summoned, at uint64) int { return cmp.Compare(s.Index, at) })
	r.Summoned = slices.Insert(r.Summoned, i, s)
	r.Result = r.result()
	return nil
}

// result counts.
func (r Report) result() Result {
	x := Result{Drawn: len(r.Drawn), Confidence: Confidence, Summoned: len(r.Summoned)}
	x.Good, x.Bad, x.Unanswered = Tally(r.Drawn)
	x.Bound = Bound(x.Bad+x.Unanswered, x.Drawn, r.Size)
	x.AtLeast = uint64(math.Floor(float64(r.Size) * (1 - x.Bound)))
	if n := uint64(x.Drawn); n > 0 && n == r.Size {
		x.AtLeast = uint64(x.Good) // exactly
	}
	for _, s := range r.Summoned {
		if s.Came {
			x.Came++
		}
	}
	x.Absent = Bound(x.Summoned-x.Came, x.Summoned, r.Size)
	return x
}

// Failed and Undone name the checks that failed, and that could not be done.
func (r Report) Failed() []string { return r.named(Check.Failed) }

// Undone names the checks that could not be done.
func (r Report) Undone() []string { return r.named(func(c Check) bool { return c.Undone }) }

func (r Report) named(is func(Check) bool) (names []string) {
	for _, c := range r.Checks {
		if is(c) {
			names = append(names, c.Name)
		}
	}
	return names
}

// Marshal writes the report as JSON, indented.
func (r Report) Marshal() []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(r); err != nil {
		panic(fmt.Sprintf("census: %v", err)) // it holds nothing that cannot be encoded
	}
	return b.Bytes()
}

// ParseReport reads a report strictly: every byte as Marshal writes it, its
// figures following from its own counts. That it is true, it cannot tell. Its
// errors wrap ErrReportFile.
func ParseReport(b []byte) (Report, error) {
	var r Report
	if len(b) > MaxReport {
		return Report{}, fmt.Errorf("%w: %d bytes", ErrReportFile, len(b))
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&r); err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrReportFile, err)
	}
	if r.Format != reportFormat {
		return Report{}, fmt.Errorf("%w: format %.40q", ErrReportFile, r.Format)
	}
	if err := r.check(); err != nil {
		return Report{}, fmt.Errorf("%w: %w", ErrReportFile, err)
	}
	if !bytes.Equal(r.Marshal(), b) {
		return Report{}, fmt.Errorf("%w: it was edited, or formatted anew", ErrReportFile)
	}
	return r, nil
}

func (r Report) check() error {
	for _, s := range []string{r.Community, r.Epoch, r.Root} {
		if !isHex32(s) {
			return fmt.Errorf("%.80q is not 32 bytes in hexadecimal", s)
		}
	}
	if r.Seed != "" && !isHex32(r.Seed) {
		return fmt.Errorf("the seed %.80q is not 32 bytes in hexadecimal", r.Seed)
	}
	if r.Withheld != (r.Size == 0) || !r.Withheld && r.Size < ledger.Withheld {
		return fmt.Errorf("a figure of %d, withheld %v", r.Size, r.Withheld)
	}
	for i, c := range r.Checks {
		if !slices.Contains([]string{CheckedMine, CheckedAll, CheckedEvidence, CheckedConsistent}, c.Name) ||
			slices.ContainsFunc(r.Checks[:i], func(d Check) bool { return d.Name == c.Name }) || c.OK && c.Undone {
			return fmt.Errorf("a check %.40q that there is not, or twice", c.Name)
		}
	}
	for i, d := range r.Drawn {
		if !isHex32(d.Tag) || i > 0 && r.Drawn[i-1].Index >= d.Index || !slices.Contains([]string{Good, Bad, Unanswered}, d.Result) ||
			(d.Result == Good) != (d.Evidence != "") || d.Evidence != "" && !isHex32(d.Evidence) {
			return fmt.Errorf("drawn line %d", d.Index)
		}
	}
	for i, s := range r.Summoned {
		if i > 0 && r.Summoned[i-1].Index >= s.Index || s.Came != (s.Proof != "") || s.Proof != "" && !isHex32(s.Proof) ||
			!slices.ContainsFunc(r.Drawn, func(d Drawn) bool { return d.Index == s.Index && d.Tag == s.Tag && d.Result == Good }) {
			return fmt.Errorf("summoned line %d", s.Index)
		}
	}
	if _, err := r.seen(); err != nil {
		return fmt.Errorf("the head: %w", err)
	}
	for _, s := range r.texts() {
		if s != ledger.CleanText(s, 1000) {
			return fmt.Errorf("a text that is not plain: %.40q", s)
		}
	}
	if r.Result != r.result() {
		return errors.New("its result does not follow from what it lists")
	}
	return nil
}

// seen is the head of the census ledger; no signature is verified.
func (r Report) seen() (ledger.Checkpoint, error) {
	text, _, ok := strings.Cut(r.Head, "\n\n")
	if !ok || len(r.Head) > ledger.MaxNote {
		return ledger.Checkpoint{}, ledger.ErrCheckpoint
	}
	c, err := ledger.ParseCheckpoint(text + "\n")
	if err == nil && (c.Origin.Kind != ledger.CensusLog || c.Origin.Community.String() != r.Community) {
		err = fmt.Errorf("%v is not the community's census ledger", c.Origin)
	}
	return c, err
}

// texts are all that is printed and that somebody else may have written.
func (r Report) texts() []string {
	all := append([]string{r.Source}, r.NotProved...)
	for _, c := range r.Checks {
		all = append(append(all, c.What), c.Details...)
	}
	for _, d := range r.Drawn {
		all = append(all, d.Why)
	}
	return all
}

func isHex32(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == 32 && hex.EncodeToString(b) == s
}
