package census

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"

	"tombolo/sync/ledger"
)

// ErrReceipt is wrapped by every error about the form of a receipt.
var ErrReceipt = errors.New("not a receipt as `tombolo census receipt` writes it; copy the file whole")

// MaxReceipt bounds a receipt's file, in bytes.
const MaxReceipt = 64 << 10

// Receipt is what a resident carries away: the opening of his own tag, as an
// auditor would get it, with the hub's acknowledgement of the node's report under
// the head of Report, once that has come. It is his alone: it names his passport.
//
// Its file is a line that names the form and the version, then the opening's
// encoding in base64 (RFC 4648 §4), 76 characters a line. There is one file of a
// receipt.
type Receipt struct{ Opening Opening }

const (
	receiptLine  = "tombolo census receipt v1\n"
	receiptWidth = 76
)

// Marshal writes the file.
func (r Receipt) Marshal() []byte {
	digits := base64.StdEncoding.AppendEncode(nil, r.Opening.Marshal())
	b := []byte(receiptLine)
	for len(digits) > 0 {
		n := min(receiptWidth, len(digits))
		b = append(append(b, digits[:n]...), '\n')
		digits = digits[n:]
	}
	return b
}

// ParseReceipt reads a file strictly. It verifies nothing. Its errors wrap
// ErrReceipt.
func ParseReceipt(b []byte) (Receipt, error) {
	if len(b) > MaxReceipt {
		return Receipt{}, fmt.Errorf("%w: %d bytes", ErrReceipt, len(b))
	}
	lines, ok := bytes.CutPrefix(b, []byte(receiptLine))
	if !ok {
		return Receipt{}, fmt.Errorf("%w: it does not begin with %q", ErrReceipt, receiptLine)
	}
	text, err := base64.StdEncoding.Strict().AppendDecode(nil, bytes.ReplaceAll(lines, []byte("\n"), nil))
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	o, err := ParseOpening(text)
	if err != nil {
		return Receipt{}, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	r := Receipt{o}
	if !bytes.Equal(r.Marshal(), b) {
		return Receipt{}, fmt.Errorf("%w: its lines are not %d characters long", ErrReceipt, receiptWidth)
	}
	return r, nil
}

// Community is the community that it is of, by its own word.
func (r Receipt) Community() (ledger.CharterID, error) {
	o, err := r.Opening.Report.Origin()
	return o.Community, err
}

// Verify checks the receipt's own evidence, whatever the list says: what
// [Opening.Verify] does, but for the list and what it covers.
func (r Receipt) Verify(rules Rules) error {
	rules.Covered = nil
	o := r.Opening
	return o.Verify(rules, Entry{Tag: o.Tag, Commitment: Commit(o.Salt, LeafHash(o.Attendance), o.Delegation)})
}

// Held is when the hub acknowledged that it holds the report, in Unix seconds; 0
// when it did not, as far as the receipt says. Errors: ErrReport.
func (r Receipt) Held(rules Rules) (uint64, error) { return rules.held(r.Opening.Report) }

// held verifies a report and finds the earliest signature of the hub's hold key.
func (r Rules) held(s Shown) (uint64, error) {
	_, head, _, err := r.openReport(s, r.holders()...)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrReport, err)
	}
	var t uint64
	for _, c := range head.Others {
		if t == 0 || c.Time < t {
			t = c.Time
		}
	}
	return t, nil
}

// holders are the keys by which the community's hub acknowledges, or did.
func (r Rules) holders() (out []ledger.Cosigner) {
	for _, a := range r.Chain.Latest().Authors {
		if a.Role == ledger.HubHold {
			out = append(out, ledger.Cosigner{Role: ledger.RoleHold, Key: a.Key[:]})
		}
	}
	return out
}

// Outcome is what became of a receipt.
type Outcome uint8

// The outcomes.
const (
	Counted      Outcome = iota + 1 // the list has the tag, with this receipt's evidence
	CountedOther                    // the list has the tag, with other evidence: another node's, if all is well
	LeftOut                         // the list has not the tag, and the hub held the report before it closed: evidence against the hub
	CameLate                        // the list has not the tag: the hub got the report when it had closed
	NotHeld                         // the list has not the tag, and nothing shows that the hub ever had the report
)

var outcomes = [...]string{Counted: "counted", CountedOther: "counted, by other evidence than the receipt's, as when another node reported it, too",
	LeftOut:  "left out: the hub held the report before it closed the epoch, and the tag is not in the list",
	CameLate: "not counted: the report reached the hub when the epoch had been closed",
	NotHeld:  "not counted, and the receipt does not show that the report ever reached the hub"}

func (o Outcome) String() string {
	if int(o) < len(outcomes) && outcomes[o] != "" {
		return outcomes[o]
	}
	return fmt.Sprintf("outcome %d", uint8(o))
}

// Included reports whether the tag is in the list.
func (o Outcome) Included() bool { return o == Counted || o == CountedOther }

// Redeemed is what a receipt came to, with the proof of it. With LeftOut, the
// receipt, the absence and the hub's signed EpochClosed convict the hub.
type Redeemed struct {
	Outcome Outcome
	Held    uint64 // Unix seconds; 0 if the hub acknowledged nothing
	Proof   *Proof
	Absence *Absence
}

// Redeem holds a receipt against a list: it verifies the receipt, then the proof
// or else the absence, of which exactly one is given, against the root that the
// hub closed with. Errors: those of [Receipt.Verify], ErrInclusion, ErrClosed.
func (r Receipt) Redeem(rules Rules, c Closed, p *Proof, a *Absence) (Redeemed, error) {
	if err := r.Verify(rules); err != nil {
		return Redeemed{}, err
	}
	held, err := r.Held(rules)
	if err != nil {
		return Redeemed{}, err
	}
	if c.Body.Epoch != r.Opening.Epoch {
		return Redeemed{}, ErrClosed
	}
	out := Redeemed{Held: held, Proof: p, Absence: a}
	switch {
	case (p == nil) == (a == nil):
		return Redeemed{}, fmt.Errorf("%w: want a proof or an absence", ErrInclusion)
	case p != nil:
		if p.Entry.Tag != r.Opening.Tag || !c.sized(p.Size) {
			return Redeemed{}, fmt.Errorf("%w: it is of another tag or list", ErrInclusion)
		}
		out.Outcome = CountedOther
		if o := r.Opening; p.Entry.Commitment == Commit(o.Salt, LeafHash(o.Attendance), o.Delegation) {
			out.Outcome = Counted
		}
		return out, p.Verify(c.Body.Root)
	case held == 0:
		out.Outcome = NotHeld
	case !c.had(held):
		out.Outcome = CameLate
	default:
		out.Outcome = LeftOut
	}
	if !c.sized(a.Size) {
		return Redeemed{}, fmt.Errorf("%w: it is of another list", ErrInclusion)
	}
	return out, a.Verify(c.Body.Root, r.Opening.Tag)
}

// RedeemFrom redeems a receipt against a list that is at hand.
func (r Receipt) RedeemFrom(rules Rules, c Closed, l *List) (Redeemed, error) {
	if p, err := l.Prove(r.Opening.Tag); err == nil {
		return r.Redeem(rules, c, &p, nil)
	}
	a, err := l.ProveAbsent(r.Opening.Tag)
	if err != nil {
		return Redeemed{}, err
	}
	return r.Redeem(rules, c, nil, &a)
}
