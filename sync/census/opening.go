package census

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Errors of openings: each names the link of the chain that does not hold.
var (
	ErrRules        = errors.New("the rules to verify by are not whole")
	ErrEpoch        = errors.New("the opening is of another epoch")
	ErrTagProof     = errors.New("the tag is not the evaluator's for this passport")
	ErrReport       = errors.New("no gateway of this community reported it")
	ErrCovered      = errors.New("the report is not among those that the close covers")
	ErrReported     = errors.New("the tag and its commitment are not in the node's report")
	ErrCommitment   = errors.New("the commitment in the list is to other evidence")
	ErrDoorLog      = errors.New("the attendance does not stand in the door log that was reported")
	ErrAttendance   = errors.New("the attendance is of another passport or epoch")
	ErrDelegation   = errors.New("the door key does not speak for the passport")
	ErrPresentation = errors.New("the door key did not sign what was presented")
	ErrAdmission    = errors.New("no issuer admitted the passport with this wallet")
	ErrStanding     = errors.New("the passport did not count in this epoch")
	ErrFull         = errors.New("what is disclosed of door and time does not hold")
)

// links name the errors in reports, where nothing that an error says beside may
// stand: a report is published, and an opening is not.
var links = []struct {
	err  error
	name string
}{
	{ErrEpoch, "epoch"}, {ErrTagProof, "tag"}, {ErrReport, "report"}, {ErrCovered, "covered"}, {ErrReported, "reported"},
	{ErrCommitment, "commitment"}, {ErrDoorLog, "door-log"}, {ErrAttendance, "attendance"}, {ErrDelegation, "delegation"},
	{ErrPresentation, "presentation"}, {ErrAdmission, "admission"}, {ErrStanding, "standing"}, {ErrFull, "disclosure"},
	{ErrSealed, "sealed"}, {ErrMalformed, "malformed"},
}

// Link names the link of an opening's chain that failed in one word that says
// nothing of anybody; "other" for any other error.
func Link(err error) string {
	for _, l := range links {
		if errors.Is(err, l.err) {
			return l.name
		}
	}
	return "other"
}

// Opening is everything that shows that one tag stands for one passport that came
// in with valid evidence. An auditor gets it sealed ([Seal]), a resident of his
// own tag in a [Receipt]. Door and time are not in it: of the presentation there
// are the commitments that its signature covers, and the salts come from a nonce
// that is withheld. Its form is fixed by version 1.
//
// A key that was delegated for one door alone says its door by that: its
// delegation stands in the community's ledger with the door's id as its scope.
type Opening struct {
	_          struct{} `cbor:",toarray"`
	Epoch      ledger.EpochID
	Passport   uint64
	Tag        Tag
	Blind      Blind
	Evaluation Evaluation
	Salt       Salt         // of the commitment, [Salt.TagSalt]
	Attendance ledger.Entry // in the reporter's door log
	Index      int64
	Proof      [][32]byte // RFC 6962 §2.1.1, against Reported.Log and Reported.Head
	Delegation []byte     // as package passport stores it
	Admission  Shown      // the Admit entry, in an issuer's ledger
	Tags       Proof      // tag ‖ commitment in Reported.Root
	Report     Shown      // the Reported entry, in the reporter's report ledger
	Full       *Full      // nil unless the resident agreed
}

// Case is what a reporter keeps of one tag and of its report.
type Case struct {
	Community  ledger.CharterID
	Opened     *ledger.EpochOpened
	Passport   uint64
	Blind      Blind
	Evaluation Evaluation
	Salt       Salt // [Salt.TagSalt]
	Attendance ledger.Entry
	Index      int64
	DoorLog    ledger.Reader // the reporter's, at least as long as Reported.Log
	Reported   *ledger.Reported
	Delegation []byte
	Admission  Shown // see [Show]
	Tags       *List // the node's
	Report     Shown // of Reported
	Full       *Full // see [Disclose]; nil to withhold door and time
}

// Open puts an opening together. It verifies the tag, and nothing else: whoever
// opens calls [Opening.Verify] on the result, as the auditor will.
func (c Case) Open() (Opening, error) {
	epoch := c.Opened.ID()
	tag, err := Finish(c.Opened.Key, Input(c.Community, epoch, c.Passport), c.Blind, c.Evaluation)
	if err != nil {
		return Opening{}, fmt.Errorf("%w: %w", ErrTagProof, err)
	}
	o := Opening{Epoch: epoch, Passport: c.Passport, Tag: tag, Blind: c.Blind, Evaluation: c.Evaluation, Salt: c.Salt,
		Attendance: c.Attendance, Index: c.Index, Delegation: c.Delegation, Admission: c.Admission, Report: c.Report, Full: c.Full}
	if o.Proof, err = prove(c.DoorLog, c.Reported.Log.Size, c.Index); err != nil {
		return o, fmt.Errorf("%w: %w", ErrDoorLog, err)
	}
	if o.Tags, err = c.Tags.Prove(tag); err != nil {
		return o, fmt.Errorf("%w: %w", ErrReported, err)
	}
	return o, nil
}

// Marshal encodes an opening deterministically.
func (o Opening) Marshal() []byte { return encode(o) }

// ParseOpening reads what Marshal wrote, strictly. Its errors wrap ErrMalformed.
func ParseOpening(b []byte) (Opening, error) {
	var o Opening
	if err := decodeWhole(b, &o, ledger.MaxSealed); err != nil {
		return Opening{}, err
	}
	if err := o.check(); err != nil {
		return Opening{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return o, nil
}

// check is of the form: what bounds the work of verifying.
func (o Opening) check() error {
	shown := []Shown{{Entry: o.Attendance, Index: o.Index, Proof: o.Proof}, o.Admission, o.Report}
	if o.Full != nil {
		shown = append(shown, o.Full.Decision, o.Full.Passage)
	}
	for _, s := range shown {
		if s.Index < 0 || len(s.Proof) > maxPath || len(s.Note) > ledger.MaxNote {
			return fmt.Errorf("entry %d, %d hashes, a head of %d bytes", s.Index, len(s.Proof), len(s.Note))
		}
	}
	if len(o.Delegation) != passport.SignedDelegationSize {
		return fmt.Errorf("a delegation of %d bytes", len(o.Delegation))
	}
	return o.Tags.check()
}

// Gateway is whose reports and door logs count: its signing key, and its node. Its
// keys are public, so that other nodes may claim it, too: of which it is, it says in
// what it signs.
type Gateway struct {
	Key  ed25519.PublicKey
	Node ledger.CharterID
	Also []ledger.CharterID
}

// Of tells whether a node says that the gateway is its own.
func (g Gateway) Of(node ledger.CharterID) bool {
	return g.Node == node || slices.Contains(g.Also, node)
}

// Rules are what an opening is verified by. A reporter that checks itself and an
// auditor use the same.
type Rules struct {
	Community ledger.CharterID
	Opened    *ledger.EpochOpened
	Chain     ledger.Charters          // of the community
	Gateways  map[ledger.KeyID]Gateway // by directories and node charters, those included that have gone since
	Covered   []Covered                // what the close covers; nil before it, and then the list entry alone counts
	// Standing is nil, or what who holds the issuers' ledgers knows besides: of a
	// passport that was expelled before the epoch or admitted after it, of a door key
	// that was revoked before it or entered after it.
	Standing func(passport uint64, key passport.KeyID) error
	Issuer   func(ledger.Checkpoint) error // nil, or whether a head of an issuer that has retired is one that counted
}

// Check checks that the epoch's key is the word of an evaluator whom the charter
// names. That an issuer opened the epoch is for the caller to see, who has its
// ledger. Errors: ErrRules.
func (r Rules) Check() error {
	if r.Opened == nil || r.Chain.Len() == 0 || r.Chain.ID() != r.Community {
		return ErrRules
	}
	b := r.Opened
	key, ok := author(r.Chain, ledger.Evaluator, ledger.KeyIDOf(b.Evaluator[:]))
	if !ok || !ed25519.Verify(key, b.OfferText(r.Community), b.Offer[:]) {
		return fmt.Errorf("%w: %w", ErrRules, ErrOffer)
	}
	return nil
}

// Verify checks every link from the list's entry to the person's wallet, and says
// by its error which one does not hold: ErrRules, ErrEpoch, ErrTagProof,
// ErrReport, ErrCovered, ErrReported, ErrCommitment, ErrDoorLog, ErrAttendance,
// ErrDelegation, ErrPresentation, ErrAdmission, ErrStanding, ErrFull.
//
// A passport that two nodes reported has one entry in the list, with the
// commitment of one of them. The other's evidence is as good, if its report is
// covered: it was fixed before the draw, too. So no node can void another's by
// reporting the same passport and keeping silent.
func (o Opening) Verify(r Rules, listed Entry) error {
	if err := r.Check(); err != nil {
		return err
	}
	if o.Epoch != r.Opened.ID() {
		return ErrEpoch
	}
	if err := o.verifyTag(r, listed.Tag); err != nil {
		return fmt.Errorf("%w: %w", ErrTagProof, err)
	}
	commitment := Commit(o.Salt, LeafHash(o.Attendance), o.Delegation)
	reported, gateway, err := o.verifyReport(r, commitment)
	if err != nil {
		return err
	}
	if commitment != listed.Commitment && r.Covered == nil {
		return ErrCommitment
	}
	a, err := o.verifyAttendance(r, reported, gateway)
	if err != nil {
		return err
	}
	d, wallet, err := o.verifyDelegation(r, gateway.Node, a)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDelegation, err)
	}
	if err := verifyAttendance(r.Community, a); err != nil {
		return fmt.Errorf("%w: %w", ErrPresentation, err)
	}
	if err := o.verifyAdmission(r, wallet); err != nil {
		return fmt.Errorf("%w: %w", ErrAdmission, err)
	}
	if r.Standing != nil {
		if err := r.Standing(o.Passport, d.Delegation.Key.ID()); err != nil {
			return fmt.Errorf("%w: %w", ErrStanding, err)
		}
	}
	if o.Full != nil {
		if err := o.Full.verify(r, gateway.Node, a, d.Delegation); err != nil {
			return fmt.Errorf("%w: %w", ErrFull, err)
		}
	}
	return nil
}

// RFC 9497 §3.3.2: Finalize checks the proof.
func (o Opening) verifyTag(r Rules, listed Tag) error {
	tag, err := Finish(r.Opened.Key, Input(r.Community, o.Epoch, o.Passport), o.Blind, o.Evaluation)
	switch {
	case err != nil:
		return err
	case tag != o.Tag || tag != listed:
		return errors.New("it is another one than the list's")
	}
	return nil
}

// verifyReport follows the tag to what a gateway signed.
func (o Opening) verifyReport(r Rules, commitment [32]byte) (*ledger.Reported, Gateway, error) {
	reported, head, gateway, err := r.openReport(o.Report)
	if err != nil {
		return nil, gateway, fmt.Errorf("%w: %w", ErrReport, err)
	}
	if r.Covered != nil && !isCovered(r.Covered, head.Origin, o.Report.Index, reported) {
		return nil, gateway, ErrCovered
	}
	if uint64(o.Tags.Size) != reported.Count || o.Tags.Entry != (Entry{Tag: o.Tag, Commitment: commitment}) {
		return nil, gateway, ErrReported
	}
	if err := o.Tags.Verify(reported.Root); err != nil {
		return nil, gateway, fmt.Errorf("%w: %w", ErrReported, err)
	}
	return reported, gateway, nil
}

// openReport checks that a gateway of this community wrote a report of this epoch
// for its own node.
func (r Rules) openReport(s Shown, cosigners ...ledger.Cosigner) (*ledger.Reported, ledger.Head, Gateway, error) {
	origin, err := s.Origin()
	if err != nil {
		return nil, ledger.Head{}, Gateway{}, err
	}
	gateway, ok := r.Gateways[origin.Author]
	if !ok || origin.Community != r.Community || origin.Kind != ledger.ReportLog {
		return nil, ledger.Head{}, gateway, fmt.Errorf("%v is no report ledger of a gateway that is known here", origin)
	}
	head, body, err := s.Verify(gateway.Key, cosigners...)
	if err != nil {
		return nil, head, gateway, err
	}
	reported, ok := body.(*ledger.Reported)
	switch {
	case !ok:
		return nil, head, gateway, fmt.Errorf("entry %d is no report", s.Index)
	case reported.Epoch != r.Opened.ID():
		return nil, head, gateway, errors.New("it is a report of another epoch")
	case !gateway.Of(reported.Node):
		return nil, head, gateway, errors.New("it reports for another node than its own")
	}
	gateway.Node = reported.Node
	return reported, head, gateway, nil
}

// isCovered tells whether a report is among those that the close covers. One that
// its gateway wrote later is not, even of the same tags: it could name another door
// log.
func isCovered(all []Covered, o ledger.Origin, index int64, b *ledger.Reported) bool {
	for _, c := range all {
		if c.Origin == o && index < c.Size && c.Node == b.Node && c.Count == b.Count && c.TagsRoot == b.Root {
			return true
		}
	}
	return false
}

// verifyAttendance finds the attendance in the door log as its author reported it.
func (o Opening) verifyAttendance(r Rules, b *ledger.Reported, g Gateway) (*ledger.Attendance, error) {
	log, err := ledger.ParseOrigin(b.Log.Origin)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDoorLog, err)
	}
	if log.Kind != ledger.DoorLog || log.Community != r.Community || log.Author != ledger.KeyIDOf(g.Key) {
		return nil, fmt.Errorf("%w: %v is not the reporter's own", ErrDoorLog, log)
	}
	body, err := included(log.Kind, o.Attendance, o.Index, o.Proof, b.Log.Size, b.Head)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDoorLog, err)
	}
	a, ok := body.(*ledger.Attendance)
	if !ok || a.Epoch != o.Epoch || a.Passport != o.Passport {
		return nil, ErrAttendance
	}
	return a, nil
}

// verifyDelegation checks that the passport's wallet let this door key speak for
// it, in this way, at this node, at some time of the epoch.
func (o Opening) verifyDelegation(r Rules, node ledger.CharterID, a *ledger.Attendance) (passport.SignedDelegation, [20]byte, error) {
	s, err := passport.ParseSignedDelegation(o.Delegation)
	if err != nil {
		return s, [20]byte{}, err
	}
	wallet, err := s.Verify(r.domains())
	if err != nil {
		return s, wallet, err
	}
	d, mode := s.Delegation, passport.ModeTap
	if a.Window {
		mode = passport.ModeWindow
	}
	switch {
	case uint64(d.Passport) != o.Passport:
		return s, wallet, errors.New("it is for another passport")
	case d.Key != passport.Key{Kind: passport.KeyKind(a.KeyKind), Point: a.Key}:
		return s, wallet, errors.New("it is for another door key")
	case !d.Mode.Has(mode):
		return s, wallet, fmt.Errorf("it is not for a %s", mode)
	case d.NotBefore >= uint64(r.Opened.Closes) || d.NotAfter <= uint64(r.Opened.Opens):
		return s, wallet, errors.New("it was never valid in this epoch")
	case r.elsewhere(d.Scope, node):
		return s, wallet, errors.New("it is for another node")
	}
	return s, wallet, nil
}

// elsewhere tells whether a scope is another node that is known here. A door's
// scope names a door of some node, and which is withheld.
func (r Rules) elsewhere(scope passport.Target, node ledger.CharterID) bool {
	if scope == (passport.Target{}) || scope == passport.NodeTarget(passport.NodeID(node)) {
		return false
	}
	for _, g := range r.Gateways {
		if scope == passport.NodeTarget(passport.NodeID(g.Node)) {
			return true
		}
	}
	return false
}

// domains are the registries under which wallets may have signed.
func (r Rules) domains() (out []passport.Domain) {
	for _, reg := range r.Chain.Registries() {
		out = append(out, passport.Domain{ChainID: reg.ChainID, Registry: reg.Address})
	}
	return out
}
