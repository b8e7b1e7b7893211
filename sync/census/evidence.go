package census

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Errors of what is made into evidence.
var (
	// ErrNoEvidence is returned for a decision that nobody's signature stands
	// behind, or that let nobody in.
	ErrNoEvidence = errors.New("not a presence that can be shown: count decisions that let a named passport in by what it signed")
	// ErrPlace is returned for a presentation that was made for another place.
	ErrPlace = errors.New("the presentation was made for another door, node or gateway")
)

// Salt keeps what is committed to from being searched: 32 random bytes.
type Salt [32]byte

// TagSalt and SeenSalt are the salts of the two commitments of one presence,
// from one secret that its reporter keeps. Neither leads to the secret or to the
// other: an auditor gets the first, and the second only if the resident agrees.
func (secret Salt) TagSalt() Salt { return derive("tombolo/v1/census/salt/tag\n", secret) }

// SeenSalt is the salt of what was seen, see TagSalt.
func (secret Salt) SeenSalt() Salt { return derive("tombolo/v1/census/salt/seen\n", secret) }

func derive(separator string, secret Salt) Salt {
	return sha256.Sum256(append([]byte(separator), secret[:]...))
}

// Commit is the commitment that stands beside a tag in the list:
//
//	SHA-256("tombolo/v1/census/evidence\n" ‖ salt[32] ‖ attendance[32] ‖ SHA-256(delegation)[32])
//
// where attendance is the RFC 6962 leaf hash of the [ledger.Attendance] entry
// ([LeafHash]) and delegation is in the form that package passport stores.
func Commit(salt Salt, attendance [32]byte, delegation []byte) [32]byte {
	d := sha256.Sum256(delegation)
	b := append([]byte("tombolo/v1/census/evidence\n"), salt[:]...)
	b = append(b, attendance[:]...)
	return sha256.Sum256(append(b, d[:]...))
}

// LeafHash is the hash of an entry's leaf in its ledger's tree. RFC 6962 §2.1
func LeafHash(e ledger.Entry) [32]byte {
	return sha256.Sum256(append([]byte{0}, e.Leaf...))
}

// Seen says which records of a door log show that somebody came in: the decision
// and the passage that followed it. The log is the deciding gateway's, which need
// not be the one that reports.
type Seen struct {
	Log               ledger.Origin
	Decision, Passage int64    // indexes
	DecisionLeaf      [32]byte // LeafHash
	PassageLeaf       [32]byte
}

// SeenCommit is the commitment to them in [ledger.Attendance]:
//
//	SHA-256("tombolo/v1/census/seen\n" ‖ salt[32] ‖ decision u64 ‖ leaf[32] ‖ passage u64 ‖ leaf[32] ‖ origin)
func SeenCommit(salt Salt, s Seen) [32]byte {
	b := append([]byte("tombolo/v1/census/seen\n"), salt[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Decision))
	b = append(b, s.DecisionLeaf[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Passage))
	b = append(b, s.PassageLeaf[:]...)
	return sha256.Sum256(append(b, s.Log.String()...))
}

// Presence is a decision of a node's gateway and where it was made.
type Presence struct {
	Community ledger.CharterID
	Node      ledger.CharterID
	Gateway   [32]byte // signing key of the gateway that decided
	Decision  *ledger.Decision
	Key       passport.Key // of the delegation: a code names its key in short alone
}

// NewAttendance makes of a decision what may be shown of it: the presentation as
// its signature covers it, with door and time as the commitments that it signed.
// The signature is verified: what does not verify here would not in an opening.
// Errors: ErrNoEvidence, ErrPlace, those of package passport.
func NewAttendance(epoch ledger.EpochID, p Presence, seen [32]byte) (*ledger.Attendance, error) {
	s, err := p.parts()
	if err != nil {
		return nil, err
	}
	a := &ledger.Attendance{Epoch: epoch, Passport: p.Decision.Passport, Window: s.window,
		Key: p.Key.Point, KeyKind: uint8(p.Key.Kind),
		Place: s.place, Time: s.time, Signature: s.sig.NormalizeLowS(p.Key.Kind.Curve()), Seen: seen}
	return a, verifyAttendance(p.Community, a)
}

// parts is a presentation taken apart.
type parts struct {
	window      bool
	place, time passport.Commitment
	start       uint64 // Unix seconds
	sig         passport.Signature
}

// parts reads the presentation behind a decision that let somebody in, and finds
// the place that it was made for.
func (p Presence) parts() (s parts, err error) {
	d := p.Decision
	door := passport.DoorTarget(passport.NodeID(p.Node), d.Door)
	id := p.Key.ID()
	if !d.Granted || d.Passport == 0 || string(d.Key) != string(id[:]) {
		return s, ErrNoEvidence
	}
	switch mode, _, _ := strings.Cut(d.Mode, "+"); mode {
	case "tap":
		t, err := passport.ParseTap(d.Presentation)
		if err != nil {
			return s, fmt.Errorf("%w: %w", ErrNoEvidence, err)
		}
		if t.Key != p.Key {
			return s, fmt.Errorf("%w: it is by another key than the delegation's", ErrNoEvidence)
		}
		c := t.Challenge(passport.CommunityID(p.Community), passport.TapPlace(p.Gateway, door))
		return parts{false, c.PlaceCommitment(), c.TimeCommitment(), t.Time, t.Sig}, nil
	case "window":
		w, err := passport.ParseWindow(d.Presentation)
		if err != nil {
			return s, fmt.Errorf("%w: %w", ErrNoEvidence, err)
		}
		if uint64(w.Passport) != d.Passport || w.Key != id.Short() {
			return s, fmt.Errorf("%w: it is by another key or passport", ErrNoEvidence)
		}
		target := door
		if node := passport.NodeTarget(passport.NodeID(p.Node)); w.Target == node.Short() {
			target = node
		}
		if w.Target != target.Short() || w.Community != passport.CommunityID(p.Community).Short() {
			return s, ErrPlace
		}
		st := passport.WindowStatement{Community: passport.CommunityID(p.Community), Passport: w.Passport, Target: target,
			Start: w.Start, Length: w.Length, Nonce: w.Nonce}
		return parts{true, st.Place(), st.Time(), uint64(w.Start), w.Sig}, nil
	}
	return s, fmt.Errorf("%w: it was let in by %q", ErrNoEvidence, d.Mode)
}

// verifyAttendance checks that the door key signed the presentation, from its
// commitments alone.
func verifyAttendance(community ledger.CharterID, a *ledger.Attendance) error {
	key := passport.Key{Kind: passport.KeyKind(a.KeyKind), Point: a.Key}
	if a.Window {
		return passport.VerifyOpened(key.Once(), passport.CommunityID(community), passport.ID(a.Passport), a.Place, a.Time, a.Signature)
	}
	return passport.VerifyTapOpened(key.Once(), passport.CommunityID(community), a.Place, a.Time, a.Signature)
}
