package ledger

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
)

// The census: what opens an epoch, what a node's gateway reports of it, and what
// the hub closes it with. None of it names a person, a door or an hour.

const (
	// TagSize is that of one reported presence: a tag, then the salted commitment
	// to what shows it, 32 bytes each.
	TagSize = 64
	// MaxTags bounds the tags of one CensusTags entry.
	MaxTags = 1024
	// MaxSealed bounds one sealed opening, in bytes.
	MaxSealed = 64 << 10
	// MaxAuditors bounds those whom an epoch names.
	MaxAuditors = 64
	// Withheld is the least figure that is published: any below it stays unsaid.
	Withheld = 20

	// maxTime is the end of the year 9999, Unix seconds: what is added to a time
	// below it does not overflow.
	maxTime = 253402300799
)

// EpochID names an epoch: the SHA-256 of its EpochOpened's body, behind a
// separator.
type EpochID [sha256.Size]byte

func (id EpochID) String() string { return fmt.Sprintf("%x", id[:]) }

func (id EpochID) check() error {
	if id == (EpochID{}) {
		return errors.New("no epoch is named")
	}
	return nil
}

// EpochOpened opens an epoch, in an issuer's ledger. Times are Unix seconds:
// presences from Opens until before Closes count; openings are given until Audit,
// and then the evaluator's key goes.
type EpochOpened struct {
	_         struct{} `cbor:",toarray"`
	Number    uint64   // for people: 1 and one more each time
	Opens     int64
	Closes    int64
	Audit     int64
	Key       [32]byte // under which tags are made: an element of ristretto255
	Evaluator [32]byte // Ed25519: who made it, by the charter
	Offer     [64]byte // its signature, see [EpochOpened.OfferText]
	Beacon    string   // where the draw's seed will come from, fixed beforehand
	Sample    uint32   // how many tags are drawn
	Quota     uint32   // how many tags the evaluator makes for one gateway at most
	Auditors  []Auditor
}

// Auditor is somebody to whom drawn tags are opened. Ascending by Sealing.
type Auditor struct {
	_       struct{} `cbor:",toarray"`
	Name    string
	Sealing [32]byte // X25519
}

func (*EpochOpened) Kind() Kind { return KindEpochOpened }

// ID is the epoch's name.
func (b *EpochOpened) ID() EpochID {
	return sha256.Sum256(append([]byte("tombolo/v1/epoch\n"), encode(b)...))
}

// OfferText is what the evaluator signs for an epoch's key.
func (b *EpochOpened) OfferText(community CharterID) []byte {
	return fmt.Appendf(nil, "tombolo/v1/epoch-key\n%s\n%d %d %d %d\n%x\n", community, b.Number, b.Opens, b.Closes, b.Audit, b.Key)
}

func (b *EpochOpened) check() error {
	switch {
	case b.Number == 0:
		return errors.New("epoch 0")
	case b.Opens < 0 || b.Closes <= b.Opens || b.Audit <= b.Closes || b.Audit > maxTime:
		return fmt.Errorf("an epoch from %d until %d, audited until %d", b.Opens, b.Closes, b.Audit)
	case b.Key == [32]byte{} || b.Evaluator == [32]byte{}:
		return errors.New("no evaluator's key")
	case b.Offer == [64]byte{}:
		return errors.New("nothing is signed")
	case b.Sample == 0 || b.Quota == 0:
		return fmt.Errorf("%d tags to be drawn, a quota of %d", b.Sample, b.Quota)
	case len(b.Auditors) > MaxAuditors:
		return fmt.Errorf("%d auditors", len(b.Auditors))
	}
	for i, a := range b.Auditors {
		if a.Sealing == [32]byte{} || i > 0 && bytes.Compare(b.Auditors[i-1].Sealing[:], a.Sealing[:]) >= 0 {
			return errors.New("the auditors' keys are not ascending and distinct")
		}
		if err := text("auditor", a.Name, 1, 100); err != nil {
			return err
		}
	}
	return text("beacon", b.Beacon, 1, 200)
}

// FiguresSigned are totals that an issuer attests, for an epoch: what the hub
// passes on as its word and nobody checks.
type FiguresSigned struct {
	_       struct{} `cbor:",toarray"`
	Epoch   EpochID
	Figures []Figure // ascending by name
}

// Figure is one total over People.
type Figure struct {
	_      struct{} `cbor:",toarray"`
	Name   string   // slug: income
	Unit   string   // EUR a month
	Amount int64
	People uint32 // over how many it is summed, at least Withheld
}

func (*FiguresSigned) Kind() Kind { return KindFiguresSigned }

func (b *FiguresSigned) check() error {
	if err := b.Epoch.check(); err != nil {
		return err
	}
	if len(b.Figures) == 0 || len(b.Figures) > 64 {
		return fmt.Errorf("%d figures", len(b.Figures))
	}
	for i, f := range b.Figures {
		if i > 0 && b.Figures[i-1].Name >= f.Name {
			return errors.New("the figures are not ascending and distinct")
		}
		if f.People < Withheld {
			return fmt.Errorf("a total over %d people; under %d it says too much of each", f.People, Withheld)
		}
		if err := cmp.Or(CheckSlug("figure", f.Name), text("unit", f.Unit, 1, 40)); err != nil {
			return err
		}
	}
	return nil
}

// Attendance is a presence as it may be shown, in the door log of the gateway
// that reports for its node: all of an epoch's together, in an order that says
// nothing. The presentation is there without its door and time: Place and Time
// are commitments, and Seen is one to the records of the passage, see package
// census.
type Attendance struct {
	_         struct{} `cbor:",toarray"`
	Epoch     EpochID
	Passport  uint64
	Window    bool // a code; otherwise a tap
	Key       [33]byte
	KeyKind   uint8
	Place     [32]byte
	Time      [32]byte
	Signature [64]byte
	Seen      [32]byte
}

func (*Attendance) Kind() Kind { return KindAttendance }

func (b *Attendance) check() error {
	switch {
	case b.Key[0] != 2 && b.Key[0] != 3:
		return errors.New("the door key is not a compressed point")
	case b.KeyKind == 0:
		return errors.New("no kind of door key")
	case b.Signature == [64]byte{}:
		return errors.New("nothing is signed")
	case b.Place == [32]byte{} || b.Time == [32]byte{} || b.Seen == [32]byte{}:
		return errors.New("a commitment is missing")
	}
	return cmp.Or(b.Epoch.check(), checkPassport(b.Passport))
}

// Occupancy is how many are in a zone: at least Sure, at most Most, as it was Age
// seconds before the entry's time.
type Occupancy struct {
	_    struct{} `cbor:",toarray"`
	Zone string
	Sure uint32
	Most uint32
	Age  uint32
}

func (*Occupancy) Kind() Kind { return KindOccupancy }

func (b *Occupancy) check() error {
	if b.Most < b.Sure {
		return fmt.Errorf("at least %d and at most %d", b.Sure, b.Most)
	}
	return CheckSlug("zone", b.Zone)
}

// CensusTags is a part of a node's tags of an epoch, strictly ascending over all
// parts: [TagSize] bytes each.
type CensusTags struct {
	_     struct{} `cbor:",toarray"`
	Epoch EpochID
	Part  uint32 // from 0
	Tags  []byte
}

func (*CensusTags) Kind() Kind { return KindCensusTags }

func (b *CensusTags) check() error {
	n := len(b.Tags) / TagSize
	if len(b.Tags)%TagSize != 0 || n == 0 || n > MaxTags {
		return fmt.Errorf("tags of %d bytes", len(b.Tags))
	}
	for i := 1; i < n; i++ {
		if bytes.Compare(b.Tags[(i-1)*TagSize:][:32], b.Tags[i*TagSize:][:32]) >= 0 {
			return errors.New("the tags are not strictly ascending")
		}
	}
	return b.Epoch.check()
}

// Reported ends a node's report of an epoch: with it the parts count.
type Reported struct {
	_     struct{} `cbor:",toarray"`
	Epoch EpochID
	Node  CharterID
	Parts uint32
	Count uint64
	Root  [32]byte // RFC 6962 over the tags, TagSize bytes a leaf
	Log   Source   // the reporter's door log with the Attendances, when it was reported
	Head  [32]byte // that log's root
}

func (*Reported) Kind() Kind { return KindReported }

func (b *Reported) check() error {
	switch {
	case b.Node.IsZero():
		return errors.New("no node is named")
	case b.Count < uint64(b.Parts) || b.Count > uint64(b.Parts)*MaxTags: // no part is empty
		return fmt.Errorf("%d tags in %d parts", b.Count, b.Parts)
	case b.Log.Size < 1:
		return errors.New("a door log of no entries")
	}
	return cmp.Or(b.Epoch.check(), checkSources([]Source{b.Log}, DoorLog))
}

// Opened opens a drawn tag to one auditor.
type Opened struct {
	_       struct{} `cbor:",toarray"`
	Epoch   EpochID
	Draw    [32]byte // its seed
	Tag     [32]byte
	Auditor [32]byte // X25519
	Sealed  []byte   // see package census
}

func (*Opened) Kind() Kind { return KindOpened }

func (b *Opened) check() error {
	switch n := len(b.Sealed); {
	case n == 0 || n > MaxSealed:
		return fmt.Errorf("an opening of %d bytes", n)
	case b.Auditor == [32]byte{}:
		return errors.New("no auditor is named")
	}
	return b.Epoch.check()
}

// EpochClosed is the hub's word of what an epoch came to. Of a list that is
// withheld the size is not said and is 0.
type EpochClosed struct {
	_        struct{} `cbor:",toarray"`
	Epoch    EpochID
	Withheld bool
	Size     uint64   // distinct tags
	Root     [32]byte // RFC 6962 over the list, strictly ascending, TagSize bytes a leaf
	Rules    uint     // how it was made: 1, see package census
	Reports  uint32   // that it covers
	Covers   [32]byte // SHA-256 of the list of their heads
	Nodes    uint32   // real estate: registered nodes
	Doors    uint32
	Floor    uint64 // square metres
}

func (*EpochClosed) Kind() Kind { return KindEpochClosed }

func (b *EpochClosed) check() error {
	switch {
	case b.Rules == 0:
		return errors.New("no rules are named")
	case b.Withheld && b.Size != 0:
		return fmt.Errorf("a figure of %d that is withheld", b.Size)
	case !b.Withheld && b.Size < Withheld:
		return fmt.Errorf("a figure of %d; under %d it is withheld", b.Size, Withheld)
	case b.Size > 0 && b.Reports == 0:
		return fmt.Errorf("a figure of %d out of no report", b.Size)
	}
	return b.Epoch.check()
}

// Draw is an epoch's one draw. From a list that is withheld none is drawn: the
// draw would say how long it is.
type Draw struct {
	_      struct{} `cbor:",toarray"`
	Epoch  EpochID
	Root   [32]byte // of the list that is drawn from
	Size   uint64
	Seed   [32]byte // from the beacon
	Source string   // where exactly the seed is to be found
}

func (*Draw) Kind() Kind { return KindDraw }

func (b *Draw) check() error {
	switch {
	case b.Size < Withheld:
		return fmt.Errorf("a draw from %d; under %d nothing is drawn", b.Size, Withheld)
	case b.Seed == [32]byte{}:
		return errors.New("no seed")
	}
	return cmp.Or(b.Epoch.check(), text("source", b.Source, 1, 200))
}
