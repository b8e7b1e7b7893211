package census

import (
	"errors"
	"fmt"

	"tombolo/sync/ledger"
)

// A draw names lines of the hub's list, and a gateway has only its own node's tags:
// which of these were drawn it asks the hub, who proves each line.

// MaxDrawn bounds the lines of one DrawnAnswer.
const MaxDrawn = 32

// maxDrawnAnswer bounds the answer, encoded, in bytes.
const maxDrawnAnswer = 64 << 10

// DrawnAsk is a gateway's: which lines of its own reports has a draw met, after one
// (−1 for the first)?
type DrawnAsk struct {
	Epoch ledger.EpochID
	Seed  [32]byte // of the draw
	After int64
}

// DrawnAnswer is at most MaxDrawn of those lines, ascending, each with its proof
// against the root of the draw; More if others follow.
type DrawnAnswer struct {
	Lines []Proof
	More  bool
}

type (
	drawnAsk struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    uint
		Epoch   ledger.EpochID
		Seed    [32]byte
		After   int64
	}
	drawnAnswer struct {
		_       struct{} `cbor:",toarray"`
		Version uint
		Type    uint
		Lines   []Proof
		More    bool
	}
)

const (
	typeDrawnAsk    = 5
	typeDrawnAnswer = 6
)

// Marshal encodes the ask.
func (a DrawnAsk) Marshal() []byte {
	return encode(drawnAsk{Version: version, Type: typeDrawnAsk, Epoch: a.Epoch, Seed: a.Seed, After: a.After})
}

// Marshal encodes the answer.
func (a DrawnAnswer) Marshal() []byte {
	return encode(drawnAnswer{Version: version, Type: typeDrawnAnswer, Lines: a.Lines, More: a.More})
}

// ParseDrawnAsk reads an ask strictly. Its errors wrap ErrMalformed.
func ParseDrawnAsk(b []byte) (DrawnAsk, error) {
	if err := wantType(b, typeDrawnAsk); err != nil {
		return DrawnAsk{}, err
	}
	var m drawnAsk
	if err := decodeWhole(b, &m, MaxMessage); err != nil {
		return DrawnAsk{}, err
	}
	if m.After < -1 || m.After > MaxSize {
		return DrawnAsk{}, fmt.Errorf("%w: after line %d", ErrMalformed, m.After)
	}
	return DrawnAsk{m.Epoch, m.Seed, m.After}, nil
}

// ParseDrawnAnswer reads an answer strictly: its form, and that the lines ascend.
// That they were drawn, [DrawnAnswer.Verify] says. Its errors wrap ErrMalformed.
func ParseDrawnAnswer(b []byte) (DrawnAnswer, error) {
	if err := wantType(b, typeDrawnAnswer); err != nil {
		return DrawnAnswer{}, err
	}
	var m drawnAnswer
	if err := decodeWhole(b, &m, maxDrawnAnswer); err != nil {
		return DrawnAnswer{}, err
	}
	if len(m.Lines) > MaxDrawn || m.More && len(m.Lines) == 0 {
		return DrawnAnswer{}, fmt.Errorf("%w: %d lines", ErrMalformed, len(m.Lines))
	}
	for i, l := range m.Lines {
		if err := l.check(); err != nil {
			return DrawnAnswer{}, fmt.Errorf("%w: %w", ErrMalformed, err)
		}
		if i > 0 && m.Lines[i-1].Index >= l.Index {
			return DrawnAnswer{}, fmt.Errorf("%w: line %d does not ascend", ErrMalformed, l.Index)
		}
	}
	return DrawnAnswer{m.Lines, m.More}, nil
}

// Drawn answers an ask for a list: those of its lines that a draw meets and that are
// the asker's, by its own reports.
func (l *List) Drawn(drawn []uint64, mine func(Tag) bool, after int64) DrawnAnswer {
	var a DrawnAnswer
	for _, i := range drawn {
		if int64(i) <= after || int64(i) >= l.Len() || !mine(l.At(int64(i)).Tag) {
			continue
		}
		if len(a.Lines) == MaxDrawn {
			a.More = true
			break
		}
		a.Lines = append(a.Lines, l.prove(int64(i)))
	}
	return a
}

// ErrNotDrawn: a line that the draw did not meet is not to be opened.
var ErrNotDrawn = errors.New("the hub asks to have a line opened that was not drawn")

// Verify checks that each line is in the list that was drawn from, was drawn and
// comes after the one that was asked for: otherwise a hub and an auditor together
// would have everything opened. Errors: ErrInclusion, ErrNotDrawn.
func (a DrawnAnswer) Verify(d *ledger.Draw, sample uint32, after int64) error {
	all := d.Size <= uint64(sample)
	drawn := map[uint64]bool{}
	if !all {
		for _, i := range Indices(d.Seed, d.Root, d.Size, sample) {
			drawn[i] = true
		}
	}
	for _, l := range a.Lines {
		if uint64(l.Size) != d.Size {
			return fmt.Errorf("%w: a list of %d, and %d were drawn from", ErrInclusion, l.Size, d.Size)
		}
		if err := l.Verify(d.Root); err != nil {
			return err
		}
		if l.Index <= after || !all && !drawn[uint64(l.Index)] {
			return fmt.Errorf("%w: line %d", ErrNotDrawn, l.Index)
		}
	}
	return nil
}
