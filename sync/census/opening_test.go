package census_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/crypto"

	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

func TestOpeningVerifies(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	for _, covered := range [][]census.Covered{nil, {w.covered}} {
		rules := w.rules()
		rules.Covered = covered
		for _, v := range w.visits {
			for _, full := range []bool{false, true} {
				o := w.open(t, v, full)
				if err := o.Verify(rules, w.listed(t, v)); err != nil {
					t.Errorf("passport %d at %s, disclosed %v: %v", v.who.id, v.door, full, err)
				}
				back, err := census.ParseOpening(o.Marshal())
				if err != nil {
					t.Fatal(err)
				}
				if err := back.Verify(rules, w.listed(t, v)); err != nil {
					t.Errorf("parsed: %v", err)
				}
			}
		}
	}
}

// alter changes one bit.
func alter(b []byte) { b[len(b)/2] ^= 1 }

// TestEveryLink breaks one link of the chain at a time. What is signed or
// committed to is made wrong from the start, so that every other link holds.
func TestEveryLink(t *testing.T) {
	t.Parallel()
	stranger := named("stranger")
	elsewhere := ledger.CharterID{9}
	for _, tt := range []struct {
		name  string
		twist twist
		full  bool
		tap   bool // of the tap's opening, else of the code's
		cut   func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry)
		want  error
		says  string
	}{
		{name: "no charters", want: census.ErrRules, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			r.Chain = ledger.Charters{}
		}},
		{name: "another community's charters", want: census.ErrRules, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			r.Community[0] ^= 1
		}},
		{name: "a key that the evaluator did not offer", want: census.ErrOffer, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			b := *w.opened
			b.Quota++ // not signed
			b.Closes++
			r.Opened = &b
		}},
		{name: "an evaluator of nobody's", want: census.ErrRules, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			b := *w.opened
			b.Evaluator = [32]byte(public(stranger))
			copy(b.Offer[:], ed25519.Sign(stranger, b.OfferText(w.community)))
			r.Opened = &b
		}},
		{name: "another epoch", want: census.ErrEpoch, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			b := *w.opened
			b.Sample++
			r.Opened = &b
		}},
		{name: "another passport's tag", want: census.ErrTagProof, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Passport++
		}},
		{name: "an evaluation by another key", want: census.ErrTagProof, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			other, err := census.NewKey(w.rnd)
			if err != nil {
				t.Fatal(err)
			}
			o.Blind, o.Evaluation, o.Tag = tagOf(t, other, w.rnd, w.community, w.opened.ID(), o.Passport)
		}},
		{name: "another line of the list", want: census.ErrTagProof, says: "another one", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			*e = w.listed(t, w.visits[0])
			if e.Tag == o.Tag {
				*e = w.listed(t, w.visits[1])
			}
		}},
		{name: "a gateway that nobody knows", want: census.ErrReport, says: "no report ledger", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			delete(r.Gateways, w.reports.origin.Author)
		}},
		{name: "a report that its gateway did not sign", want: census.ErrReport, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			r.Gateways[w.reports.origin.Author] = census.Gateway{Key: public(stranger), Node: w.node}
		}},
		{name: "a report that is not in its ledger", want: census.ErrReport, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Report.Proof[0][3] ^= 1
		}},
		{name: "another entry than the report", want: census.ErrReport, says: "is no report", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Report = w.reports.show(t, w.hold, w.reportAt-1)
		}},
		{name: "the report of another node", want: census.ErrReport, says: "another node", twist: twist{reported: func(b *ledger.Reported) { b.Node = elsewhere }}},
		{name: "the report of another epoch", want: census.ErrReport, says: "another epoch", twist: twist{reported: func(b *ledger.Reported) { b.Epoch[0] ^= 1 }}},
		{name: "a report that is not covered", want: census.ErrCovered, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			c := w.covered
			c.TagsRoot[0] ^= 1
			r.Covered = []census.Covered{c}
		}},
		{name: "nothing is covered", want: census.ErrCovered, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			r.Covered = []census.Covered{}
		}},
		{name: "another salt", want: census.ErrReported, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Salt[0] ^= 1
		}},
		{name: "a tag that is not in the report", want: census.ErrReported, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			alter(o.Tags.Hashes[0][:])
		}},
		{name: "a report of more tags", want: census.ErrReported, twist: twist{reported: func(b *ledger.Reported) { b.Count++ }}},
		{name: "a delegation that was not committed to", want: census.ErrReported, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Delegation = w.people[2].delegation
		}},
		{name: "another commitment in the list", want: census.ErrCommitment, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			e.Commitment[5] ^= 1
		}},
		{name: "an attendance that is not in the door log", want: census.ErrDoorLog, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			alter(o.Proof[0][:])
		}},
		{name: "an attendance in another place of the door log", want: census.ErrDoorLog, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Index++
		}},
		{name: "an altered attendance", want: census.ErrDoorLog, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Attendance.Body = append([]byte(nil), o.Attendance.Body...)
			alter(o.Attendance.Body)
		}},
		{name: "an attendance whose body is dropped", want: census.ErrDoorLog, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Attendance = o.Attendance.Drop()
		}},
		{name: "a door log that was rewritten after the report", want: census.ErrDoorLog, twist: twist{reported: func(b *ledger.Reported) { b.Head[0] ^= 1 }}},
		{name: "somebody else's door log", want: census.ErrDoorLog, says: "not the reporter's own", twist: twist{reported: func(b *ledger.Reported) {
			b.Log.Origin = strings.Replace(b.Log.Origin, ledger.KeyIDOf(public(named("gateway 0"))).String(), ledger.KeyIDOf(public(named("gateway 1"))).String(), 1)
		}}},
		{name: "the attendance of another passport", want: census.ErrAttendance, twist: twist{attendance: func(a *ledger.Attendance) { a.Passport += 7 }}},
		{name: "the attendance of another epoch", want: census.ErrAttendance, twist: twist{attendance: func(a *ledger.Attendance) { a.Epoch[0] ^= 1 }}},
		{name: "a delegation for another passport", want: census.ErrDelegation, says: "another passport", twist: twist{delegation: func(d *passport.Delegation) { d.Passport += 7 }}},
		{name: "a delegation for another key", want: census.ErrDelegation, says: "another door key", tap: true, twist: twist{attendance: func(a *ledger.Attendance) {
			k, _ := passport.GenerateSoftKey(passport.KeyKind(a.KeyKind), source(99))
			a.Key = k.Key().Point
		}}},
		{name: "a delegation for taps, and a code", want: census.ErrDelegation, says: "not for a window", twist: twist{delegation: func(d *passport.Delegation) { d.Mode = passport.ModeTap }}},
		{name: "a delegation that was over", want: census.ErrDelegation, says: "never valid", twist: twist{delegation: func(d *passport.Delegation) { d.NotAfter = opens }}},
		{name: "a delegation that had not begun", want: census.ErrDelegation, says: "never valid", twist: twist{delegation: func(d *passport.Delegation) { d.NotBefore = closes }}},
		{name: "a delegation for another node", want: census.ErrDelegation, says: "another node", twist: twist{delegation: func(d *passport.Delegation) { d.Scope = passport.NodeTarget(passport.NodeID(elsewhere)) }},
			cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
				r.Gateways[ledger.KeyID{1}] = census.Gateway{Key: public(stranger), Node: elsewhere}
			}},
		{name: "a delegation under a foreign registry", want: census.ErrDelegation, says: "registry", twist: twist{domain: func(d *passport.Domain) { d.ChainID++ }}},
		{name: "a door key that did not consent", want: census.ErrDelegation, says: "consent", twist: twist{signed: func(s *passport.SignedDelegation) { s.Possession[40] ^= 1 }}},
		{name: "a signature over something else", want: census.ErrPresentation, twist: twist{attendance: func(a *ledger.Attendance) { a.Signature[40] ^= 1 }}},
		{name: "another place than was signed", want: census.ErrPresentation, twist: twist{attendance: func(a *ledger.Attendance) { a.Place[0] ^= 1 }}},
		{name: "another time than was signed", want: census.ErrPresentation, tap: true, twist: twist{attendance: func(a *ledger.Attendance) { a.Time[0] ^= 1 }}},
		{name: "a wallet that owns another passport", want: census.ErrAdmission, says: "another wallet", twist: twist{signer: func(*ecdsa.PrivateKey) *ecdsa.PrivateKey {
			k, _ := crypto.ToECDSA(big.NewInt(12345).FillBytes(make([]byte, 32)))
			return k
		}}},
		{name: "another passport's admission", want: census.ErrAdmission, says: "does not admit this passport", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Admission = w.issuer.show(t, w.issuer.head(t, closes), w.people[2].admitted)
		}},
		{name: "no admission", want: census.ErrAdmission, says: "does not admit this passport", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Admission = w.issuer.show(t, w.issuer.head(t, closes), 1)
		}},
		{name: "an admission that was over", want: census.ErrAdmission, says: "not valid in this epoch", twist: twist{admit: func(a *ledger.Admit) { a.NotAfter = opens }}},
		{name: "an admission that had not begun", want: census.ErrAdmission, says: "not valid in this epoch", twist: twist{admit: func(a *ledger.Admit) { a.NotBefore = closes }}},
		{name: "an admission that is in no ledger", want: census.ErrAdmission, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			alter(o.Admission.Proof[0][:])
		}},
		{name: "an admission by nobody's issuer", want: census.ErrAdmission, says: "does not count by the charter", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			own := newBook(t, ledger.CommunityLog, w.community, w.community, stranger)
			own.add(t, opens, w.admission(o.Passport))
			o.Admission = own.show(t, own.head(t, closes), 1)
		}},
		{name: "an admission in a door log", want: census.ErrAdmission, says: "no ledger of this community's issuers", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Admission = w.doors[0].show(t, w.doors[0].head(t, closes), 1)
		}},
		{name: "an issuer that was retired before", want: census.ErrAdmission, says: "retired", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			w.retire(t, 2)
			r.Chain = w.chain
		}},
		{name: "an issuer that was retired since, and nobody knows its ledger", want: census.ErrAdmission, says: "retired", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			w.issuer.add(t, closes, &ledger.Suspend{Passport: 3})
			w.retire(t, w.issuer.tree.Size())
			r.Chain = w.chain
		}},
		{name: "a passport that was expelled", want: census.ErrStanding, says: "expelled", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			r.Standing = func(id uint64, _ passport.KeyID) error {
				if id == o.Passport {
					return errors.New("expelled")
				}
				return nil
			}
		}},
		{name: "a disclosed decision of nobody's", full: true, want: census.ErrFull, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			alter(o.Full.Decision.Proof[0][:])
		}},
		{name: "a disclosed passage of nobody's", full: true, want: census.ErrFull, cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			alter(o.Full.Passage.Proof[0][:])
		}},
		{name: "two disclosed decisions", full: true, want: census.ErrFull, says: "no passage", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Full.Passage = o.Full.Decision
			o.Full.Passage.Note = nil
		}},
		{name: "two disclosed passages", full: true, want: census.ErrFull, says: "no decision", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			note := o.Full.Decision.Note
			o.Full.Decision = o.Full.Passage
			o.Full.Decision.Note = note
		}},
		{name: "another salt of what was seen", full: true, want: census.ErrFull, says: "other records", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			o.Full.Salt[0] ^= 1
		}},
		{name: "somebody else's visit is disclosed", full: true, want: census.ErrFull, says: "other records", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			for _, v := range w.visits {
				if v.gateway == 1 {
					o.Full = w.open(t, v, true).Full
				}
			}
		}},
		{name: "nobody went in", full: true, want: census.ErrFull, says: "nobody is recorded", twist: twist{passage: func(p *ledger.Passage) { p.Entered = false }}},
		{name: "the passage of another decision", full: true, want: census.ErrFull, says: "nobody is recorded", twist: twist{passage: func(p *ledger.Passage) { p.Seq++ }}},
		{name: "the passage of another door", full: true, want: census.ErrFull, says: "nobody is recorded", twist: twist{passage: func(p *ledger.Passage) { p.Door = "back" }}},
		{name: "a disclosed visit of another time", full: true, want: census.ErrFull, says: "not in this epoch", twist: twist{opened: func(b *ledger.EpochOpened) { b.Opens += 3000 }}},
		{name: "a door that the key is not for", full: true, want: census.ErrFull, says: "not delegated for this door",
			twist: twist{delegation: func(d *passport.Delegation) { d.Scope = passport.DoorTarget(passport.NodeID{1}, "vault") }}},
		{name: "a presentation that is committed to otherwise", full: true, tap: true, want: census.ErrPresentation,
			twist: twist{attendance: func(a *ledger.Attendance) { a.Window = true }, delegation: func(d *passport.Delegation) {
				if !d.Key.Kind.Card() {
					d.Mode |= passport.ModeWindow
				}
			}}},
		{name: "a disclosed log of another node", full: true, want: census.ErrFull, says: "no door log of the node", cut: func(t *testing.T, w *world, o *census.Opening, r *census.Rules, e *census.Entry) {
			// The reporter stays what it is: the visit at the second gateway is opened.
			for _, v := range w.visits {
				if v.gateway == 1 {
					*o, *e = w.open(t, v, true), w.listed(t, v)
				}
			}
			r.Gateways[w.doors[1].origin.Author] = census.Gateway{Key: public(w.doors[1].key), Node: elsewhere}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tw := tt.twist
			tw.held = closes + 600
			w := newWorld(t, tw)
			tap := w.visit(t, w.admitOne(t, passport.KindSoftware, passport.ModeTap), 0, "front", opens+100, false)
			code := w.visit(t, w.admitOne(t, passport.KindPhone, passport.ModeTap|passport.ModeWindow), 0, "front", opens+200, true)
			w.visit(t, w.admitOne(t, passport.KindKeycard, passport.ModeTap), 1, "garden", opens+300, false)
			w.report(t)
			v := code
			if tt.tap {
				v = tap
			}
			o, rules, listed := w.open(t, v, tt.full), w.rules(), w.listed(t, v)
			if tt.cut != nil {
				tt.cut(t, w, &o, &rules, &listed)
			}
			err := o.Verify(rules, listed)
			if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%v, want %v (%s)", err, tt.want, tt.says)
			}
			if tt.want != census.ErrRules && tt.want != census.ErrOffer && census.Link(err) == "other" {
				t.Error("the link has no name in reports")
			}
		})
	}
}

// admission admits a passport anew.
func (w *world) admission(id uint64) *ledger.Admit {
	p := w.people[id-1]
	return &ledger.Admit{Passport: id, Owner: crypto.PubkeyToAddress(p.wallet.PublicKey), Class: "resident", NotBefore: opens - 500, NotAfter: audit}
}

// retire ends the issuer's key at so many entries.
func (w *world) retire(t *testing.T, size int64) {
	t.Helper()
	c := w.chain.Next()
	var tree ledger.Tree
	for _, e := range w.issuer.entries[:size] {
		tree.Append(e.Leaf, nil)
	}
	for i := range c.Authors {
		if c.Authors[i].Role == ledger.Issuer {
			c.Authors[i].Retired = true
			c.Authors[i].Counted = []ledger.Counted{{Incarnation: w.issuer.origin.Incarnation, Size: size, Root: tree.Root()}}
		}
	}
	w.extend(t, c)
}

// TestRetiredIssuer: an admission counts when it lies in what the charter lets
// count, and whoever holds the ledger can say so of an earlier head.
func TestRetiredIssuer(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	v := w.visits[0]
	o := w.open(t, v, false)
	before := w.issuer.tree
	w.retire(t, before.Size())
	if err := o.Verify(w.rules(), w.listed(t, v)); err != nil {
		t.Errorf("the head is the charter's: %v", err)
	}
	w = aWorld(t, plain)
	v = w.visits[0]
	o = w.open(t, v, false)
	w.issuer.add(t, closes, &ledger.Suspend{Passport: 3})
	w.retire(t, w.issuer.tree.Size())
	rules := w.rules()
	rules.Issuer = func(c ledger.Checkpoint) error {
		if c.Size == before.Size() && c.Root == before.Root() {
			return nil
		}
		return errors.New("another history")
	}
	if err := o.Verify(rules, w.listed(t, v)); err != nil {
		t.Errorf("the ledger at hand has this head: %v", err)
	}
}

// TestAnotherNodesCommitment: who reported the same passport with a lower
// commitment voids nobody's evidence, if both reports are covered.
func TestAnotherNodesCommitment(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	v := w.visits[0]
	lines := append(append([]byte(nil), v.line(w)...), append(v.tag[:], make([]byte, 32)...)...)
	w.close(t, lines, w.covered)
	listed := w.listed(t, v)
	if listed.Commitment != [32]byte{} {
		t.Fatal("the lowest commitment is listed")
	}
	o, rules := w.open(t, v, false), w.rules()
	if err := o.Verify(rules, listed); !errors.Is(err, census.ErrCommitment) {
		t.Errorf("by the list alone: %v", err)
	}
	rules.Covered = []census.Covered{w.covered}
	if err := o.Verify(rules, listed); err != nil {
		t.Errorf("with what is covered: %v", err)
	}
}

// TestReportedAgain: a gateway that rewrites its door log after the draw, and reports
// the same tags again to fit it, opens nothing by that.
func TestReportedAgain(t *testing.T) {
	t.Parallel()
	w := aWorld(t, plain)
	v := w.visits[0]
	rules := w.rules()
	rules.Covered = []census.Covered{w.covered}
	if err := w.open(t, v, false).Verify(rules, w.listed(t, v)); err != nil {
		t.Fatal(err)
	}
	again := *w.reported
	w.doors[0].add(t, closes+9000, &ledger.Passage{Seq: 1, Door: "front"})
	again.Log.Size, again.Head = w.doors[0].tree.Size(), w.doors[0].tree.Root()
	w.reported, w.reportAt = &again, w.reports.add(t, closes+9001, &again)
	w.hold = w.reports.head(t, closes+9002)
	if err := w.open(t, v, false).Verify(rules, w.listed(t, v)); !errors.Is(err, census.ErrCovered) {
		t.Errorf("by a report that the close does not cover: %v", err)
	}
}
