package main

import (
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// question is who opens which door when, as `node policy check` is asked.
type question struct {
	who            uint64
	door, at, mode string
}

func (q *question) flags(c *cobra.Command) {
	passportFlag(c, &q.who, "who", "ask whether this passport opens --door, by FILE and this folder's ledgers")
	c.Flags().StringVar(&q.door, "door", "", "door of the question")
	c.Flags().StringVar(&q.at, "at", "", "time of the question, in FILE's time zone (default now)")
	c.Flags().StringVar(&q.mode, "mode", "tap", "how it is presented: tap or code")
}

func (q *question) check(c *cobra.Command) error {
	asked := c.Flags().Changed("who")
	for _, name := range []string{"door", "at", "mode"} {
		if !asked && c.Flags().Changed(name) {
			return usage("%s: --%s is part of a question: say --who", c.CommandPath(), name)
		}
	}
	switch {
	case asked && q.door == "":
		return usage("%s: --who wants --door", c.CommandPath())
	case q.mode != "tap" && q.mode != "code":
		return usage("%s: --mode %s: want tap or code", c.CommandPath(), q.mode)
	}
	return nil
}

// whoRow is the answer in JSON.
type whoRow struct {
	Passport uint64   `json:"passport"`
	Class    string   `json:"class"`
	Door     string   `json:"door"`
	At       stamp    `json:"at"`
	Mode     string   `json:"mode"`
	Granted  bool     `json:"granted"`
	Reason   string   `json:"reason"` // stable code of package edge/access
	Text     string   `json:"text"`
	Needs    []string `json:"needs"`          // pin, escort, second: what a grant takes beside
	Pass     string   `json:"pass,omitempty"` // the guest pass that grants it
	Keys     int      `json:"keys"`           // door keys that could present it then
}

// answer asks package edge/access as a gateway would that has these ledgers and
// an exact clock, heard the issuers just now, sees nobody inside and has let
// nobody in by a guest pass.
func (e *env) answer(f *folder.Folder, p *policy.Policy, q *question) (*whoRow, error) {
	at := moment{Time: e.Now()}
	if q.at != "" {
		if err := at.setIn(q.at, p.Location); err != nil {
			return nil, usage("--at %s: %v", q.at, err)
		}
	}
	if err := inPolicy(p, "door", p.Doors, q.door); err != nil {
		return nil, err
	}
	node, err := f.Node()
	if err != nil {
		return nil, err
	}
	if slug := node.Latest().Slug; p.Node != slug {
		return nil, fmt.Errorf("the file is for the node %q, and this folder's node is %q", p.Node, slug)
	}
	m, err := admittedMember(f, q.who)
	if err != nil {
		return nil, err
	}
	basis, err := basisOf(f, p)
	if err != nil {
		return nil, err
	}
	present := access.Presentation{Mode: passport.ModeTap}
	if q.mode == "code" {
		if at.Unix() > math.MaxUint32 {
			return nil, usage("--at %s: no code can be made for a time after 2106", q.at)
		}
		present = access.Presentation{Mode: passport.ModeWindow, ForDoor: true, Window: passport.Window{Start: uint32(at.Unix()), Length: passport.MaxWindow}}
	}
	view := access.View{
		Node: passport.NodeID(node.ID()), Basis: basis, Name: q.door, Door: p.Doors[q.door],
		Clock:  access.Clock{Now: at.Time, Trust: access.TrustNTP},
		Around: access.Around{Entered: -1},
	}
	s := m.standing()
	verdict, needs := decide(holderOf(m.number, s), present, view)
	row := &whoRow{Passport: m.number, Class: s.class, Door: q.door, At: stamp(at.Time), Mode: q.mode, Granted: verdict.Granted(),
		Reason: verdict.Reason.String(), Text: verdict.Reason.Text(), Needs: needs, Keys: m.usable(at.Time, present.Mode, view.Node, q.door)}
	if verdict.Pass != (ledger.PassID{}) { // of a counted one
		row.Pass = verdict.Pass.String()
	}
	return row, nil
}

// decide brings what the door waits for, one after the other, and says what it
// was.
func decide(h access.Holder, p access.Presentation, v access.View) (access.Verdict, []string) {
	needs := []string{}
	for range 3 {
		switch access.Decide(v.Clock.Now, h, p, v).Reason {
		case access.AwaitsPin:
			p.Pin = access.PinRight
			needs = append(needs, "pin")
		case access.AwaitsEscort:
			v.Around.Escort = true
			needs = append(needs, "escort")
		case access.AwaitsSecond:
			v.Around.Second = true
			needs = append(needs, "second")
		}
	}
	return access.Decide(v.Clock.Now, h, p, v), needs
}

// holderOf is the holder of a door key that nothing is wrong with: the question
// is about the passport.
func holderOf(n uint64, s standing) access.Holder {
	return access.Holder{
		Known: true, ByOwner: true, Wallet: s.owner,
		Delegation: passport.Delegation{Passport: passport.ID(n), NotAfter: math.MaxInt64, Mode: passport.ModeTap | passport.ModeWindow},
		Admitted:   true, Disputed: s.disputed, Class: s.class, NotBefore: s.from, NotAfter: s.until,
		Suspended: len(s.suspended) > 0, Expelled: s.expelled != nil,
	}
}

// usable counts the door keys that a passport could present.
func (m *member) usable(at time.Time, mode passport.Mode, node passport.NodeID, door string) (n int) {
	for _, k := range m.keys {
		if d := k.delegation.Delegation; k.state(m.all, at) == "valid" && d.Mode.Has(mode) && d.Covers(node, door) {
			n++
		}
	}
	return n
}

// basisOf is what this folder's ledgers say beside the holder, to a policy that
// may not be signed.
func basisOf(f *folder.Folder, p *policy.Policy) (*access.Basis, error) {
	lived, err := homes(f)
	if err != nil {
		return nil, err
	}
	o, err := readOrders(f, sortedKeys(p.Doors))
	if err != nil {
		return nil, err
	}
	b := &access.Basis{Policy: p, Homes: map[string]map[access.Resident]int64{}, Lockdowns: map[string]int64{}, Bars: map[passport.ID]int64{}, Passes: map[passport.ID][]access.Pass{}}
	for _, h := range lived {
		ends := int64(access.Forever)
		if t := asTime(h.Ends); !t.IsZero() {
			ends = t.Unix()
		}
		if b.Homes[h.Door] == nil {
			b.Homes[h.Door] = map[access.Resident]int64{}
		}
		b.Homes[h.Door][access.Resident{Passport: passport.ID(h.Passport), Wallet: h.owner}] = ends
	}
	for door, l := range o.lockdowns {
		b.Lockdowns[door] = l.body.Ends
	}
	for n, bar := range o.bars {
		if bar.body.Ends > 0 { // 0 lifts
			b.Bars[passport.ID(n)] = bar.body.Ends
		}
	}
	for _, g := range o.passes {
		if g.ended == nil {
			who := passport.ID(g.body.Passport)
			b.Passes[who] = append(b.Passes[who], access.Pass{ID: g.body.Pass, Levels: g.body.Levels, NotBefore: g.body.NotBefore, NotAfter: g.body.NotAfter, Uses: g.body.Uses})
		}
	}
	return b, nil
}

// inWords is the answer as a person reads it.
func (r *whoRow) inWords(zone *time.Location) string {
	verb := "no: passport %d does not open %s on %s by %s: %s"
	if r.Granted {
		verb = "yes: passport %d opens %s on %s by %s: %s"
	}
	var b strings.Builder
	fmt.Fprintf(&b, verb, r.Passport, r.Door, asTime(r.At).In(zone).Format("Monday 2006-01-02 15:04 MST"), r.Mode, r.Text)
	for _, need := range r.Needs {
		fmt.Fprintf(&b, "; %s", needWords[need])
	}
	if r.Pass != "" {
		fmt.Fprintf(&b, " (%s)", r.Pass)
	}
	return b.String() + "\n"
}

var needWords = map[string]string{
	"pin":    "a PIN is asked for",
	"escort": "an escort has to come along",
	"second": "a second person has to come along",
}

// tellAnswer prints the answer, and warns where a key is missing for it.
func (e *env) tellAnswer(r *whoRow, p *policy.Policy) error {
	if r.Granted && r.Keys == 0 {
		e.warn("passport %d has no door key that could present a %s there then", r.Passport, r.Mode)
	}
	return e.print(r, "%s", r.inWords(p.Location))
}
