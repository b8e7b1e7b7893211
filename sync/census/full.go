package census

import (
	"errors"
	"fmt"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Full discloses door and time of a presence, as its resident agreed: the
// decision with the presentation as it was made, and the passage that followed,
// both in the log of the gateway that decided. Its form is fixed by version 1.
type Full struct {
	_        struct{} `cbor:",toarray"`
	Decision Shown
	Passage  Shown // against the same head, whose note it leaves out
	Salt     Salt  // [Salt.SeenSalt]
}

// Disclose shows the decision and the passage of a presence against one head of
// their log, which r holds whole.
func Disclose(r ledger.Reader, head ledger.Head, s Seen, decision, passage ledger.Entry, salt Salt) (*Full, error) {
	d, err := Show(r, head, s.Decision, decision)
	if err != nil {
		return nil, err
	}
	p, err := Show(r, head, s.Passage, passage)
	p.Note = nil
	return &Full{Decision: d, Passage: p, Salt: salt}, err
}

// answered bounds what passes between a challenge and the decision on its
// answer, in seconds: people fumble with cards.
const answered = 600

// verify checks that the presentation was made at a door of the node, in the
// epoch, that somebody then went in, and that this is what the attendance
// committed to.
func (f *Full) verify(r Rules, node ledger.CharterID, a *ledger.Attendance, d passport.Delegation) error {
	origin, err := f.Decision.Origin()
	if err != nil {
		return err
	}
	gateway, ok := r.Gateways[origin.Author]
	if !ok || !gateway.Of(node) || origin.Kind != ledger.DoorLog || origin.Community != r.Community {
		return fmt.Errorf("%v is no door log of the node", origin)
	}
	head, body, err := f.Decision.Verify(gateway.Key)
	if err != nil {
		return err
	}
	decision, ok := body.(*ledger.Decision)
	if !ok {
		return errors.New("the first entry is no decision")
	}
	if body, err = included(origin.Kind, f.Passage.Entry, f.Passage.Index, f.Passage.Proof, head.Size, head.Root); err != nil {
		return err
	}
	passage, ok := body.(*ledger.Passage)
	seen := Seen{Log: origin, Decision: f.Decision.Index, Passage: f.Passage.Index,
		DecisionLeaf: LeafHash(f.Decision.Entry), PassageLeaf: LeafHash(f.Passage.Entry)}
	at := f.Decision.Entry.Time
	switch {
	case !ok || len(f.Passage.Note) != 0:
		return errors.New("the second entry is no passage of the same head")
	case SeenCommit(f.Salt, seen) != a.Seen:
		return errors.New("the attendance was made of other records")
	case passage.Seq != decision.Seq || passage.Door != decision.Door || !passage.Entered || f.Passage.Index <= f.Decision.Index:
		return errors.New("nobody is recorded to have gone in after this decision")
	case decision.Passport != a.Passport:
		return errors.New("the decision names another passport")
	case at < 1000*r.Opened.Opens || at >= 1000*r.Opened.Closes:
		return errors.New("it was not in this epoch")
	case !d.Covers(passport.NodeID(node), decision.Door):
		return errors.New("the door key was not delegated for this door")
	}
	p := Presence{Community: r.Community, Node: node, Gateway: [32]byte(gateway.Key), Decision: decision,
		Key: passport.Key{Kind: passport.KeyKind(a.KeyKind), Point: a.Key}}
	s, err := p.parts()
	if err != nil {
		return err
	}
	if s.window != a.Window || s.place != a.Place || s.time != a.Time {
		return errors.New("door and time are not what was committed to")
	}
	if late := at/1000 - int64(s.start); late < -answered || late > answered {
		return fmt.Errorf("the presentation is of a time %d s away from its decision", late)
	}
	return nil
}
