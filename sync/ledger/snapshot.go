package ledger

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math/bits"
	"slices"
)

// MaxSuperseded bounds what one Snapshot lists, in bytes; what does not fit goes
// into the next one.
const MaxSuperseded = 128 << 10

// Snapshot bounds the growth of a community ledger: the bodies of the entries
// that it lists mean nothing any more after later entries of the same ledger,
// and go. State tells whether what is left means what all of it meant, see
// [Reduce]. Whoever holds the bodies finds the same before it lets go of them.
type Snapshot struct {
	_          struct{} `cbor:",toarray"`
	Size       int64    // it speaks of the entries below
	State      [32]byte
	Superseded []byte // runs of indexes: for each the entries skipped since the last, from 0, and its length, as minimal uvarints
}

func (*Snapshot) Kind() Kind { return KindSnapshot }

func (b *Snapshot) check() error {
	switch {
	case len(b.Superseded) == 0:
		return errors.New("it lists nothing")
	case len(b.Superseded) > MaxSuperseded:
		return fmt.Errorf("a list of %d bytes, at most %d", len(b.Superseded), MaxSuperseded)
	case b.Size < 1 || b.Size > maxSize:
		return fmt.Errorf("a snapshot of %d entries", b.Size)
	}
	end := int64(0)
	for list := b.Superseded; len(list) > 0; {
		skip, n := uvarint(list)
		length, m := uvarint(list[n:])
		switch {
		case n == 0 || m == 0:
			return errors.New("the list holds a number that is not a minimal uvarint")
		case skip == 0 || length == 0: // runs touch neither the Begin nor each other
			return errors.New("the list holds an empty run, or two that touch")
		case skip > maxSize || length > maxSize || end+int64(skip+length) > b.Size:
			return fmt.Errorf("the list reaches beyond %d entries", b.Size)
		}
		end += int64(skip + length)
		list = list[n+m:]
	}
	return nil
}

// uvarint reads a number in its shortest form; n is 0 when there is none.
func uvarint(b []byte) (v uint64, n int) {
	v, n = binary.Uvarint(b)
	if n <= 0 || n > 1 && b[n-1] == 0 {
		return 0, 0
	}
	return v, n
}

// Runs yields the first and the last index of each run of superseded entries,
// ascending. The body has been checked.
func (b *Snapshot) Runs() iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		end := int64(0)
		for list := b.Superseded; len(list) > 0; {
			skip, n := binary.Uvarint(list)
			length, m := binary.Uvarint(list[n:])
			first := end + int64(skip)
			end = first + int64(length)
			list = list[n+m:]
			if !yield(first, end-1) {
				return
			}
		}
	}
}

// Reduced is what [Reduce] found.
type Reduced struct {
	Size  int64
	State [32]byte
	Gone  int64 // superseded entries that still have their bodies

	gone, may bitmap // by index; may: gone, or without a body and of a kind that can be superseded
}

// ErrNotCommunity refuses to reduce a ledger of another kind.
var ErrNotCommunity = errors.New("only a community's ledger is reduced")

// superseding groups the kinds of which one entry takes the meaning of the one
// before it, for the same passport in the same ledger; each group is a bit.
// Nothing else goes: a door key's first claim and its renewals count side by
// side, a revocation counts for good, and of an expelled passport the home and
// its keys live on. Another rule is another kind than [Snapshot].
func superseding(b Body) (passport uint64, group uint8) {
	switch b := b.(type) {
	case *Admit:
		return b.Passport, 1
	case *Suspend:
		return b.Passport, 2
	case *Reinstate:
		return b.Passport, 2
	case *Expel:
		return b.Passport, 4
	}
	return 0, 0
}

func (k Kind) canBeSuperseded() bool {
	return k == KindAdmit || k == KindSuspend || k == KindReinstate || k == KindExpel
}

// Reduce finds which of a community ledger's entries below size mean nothing any
// more after later ones below size, and the state of the ledger there:
//
//	SHA-256("tombolo/v1/snapshot\n" ‖ size u64 ‖ for every other entry that has a body, from the last to the first: index u64 ‖ leaf)
//
// It is the same of the whole ledger and of one from which superseded bodies went.
// page reads entries lo to hi-1; it is asked for each chunk once, from the last to
// the first. Memory is a quarter byte for each entry and one for each passport,
// and what a map needs.
func Reduce(log LogKind, size int64, page func(lo, hi int64) ([]Entry, error)) (*Reduced, error) {
	if log != CommunityLog {
		return nil, ErrNotCommunity
	}
	if size < 0 || size > maxSize {
		return nil, fmt.Errorf("%w: %d entries", ErrTruncated, size)
	}
	r := &Reduced{Size: size, gone: newBitmap(size), may: newBitmap(size)}
	state := sha256.New()
	state.Write([]byte("tombolo/v1/snapshot\n"))
	state.Write(binary.BigEndian.AppendUint64(nil, uint64(size)))
	later := map[uint64]uint8{} // groups that were met of a passport
	for hi := size; hi > 0; {
		lo := (hi - 1) / ChunkSize * ChunkSize
		entries, err := page(lo, hi)
		if err != nil {
			return nil, err
		}
		if int64(len(entries)) != hi-lo {
			return nil, &At{lo, hi - 1, ErrTruncated}
		}
		for i, e := range slices.Backward(entries) {
			index := lo + int64(i)
			kept, err := r.take(index, e, later)
			if err != nil {
				return nil, &At{index, index, err}
			}
			if kept {
				var place [8]byte
				binary.BigEndian.PutUint64(place[:], uint64(index))
				state.Write(place[:])
				state.Write(e.Leaf)
			}
		}
		hi = lo
	}
	state.Sum(r.State[:0])
	return r, nil
}

// take looks at the entry before those that were taken.
func (r *Reduced) take(index int64, e Entry, later map[uint64]uint8) (kept bool, err error) {
	leaf, err := ParseLeaf(e.Leaf)
	switch {
	case err != nil:
		return false, err
	case e.Dropped():
		if leaf.Kind.canBeSuperseded() {
			r.may.set(index)
		}
		return false, nil
	case !leaf.Kind.canBeSuperseded():
		return true, nil
	}
	body, err := ParseBody(leaf.Kind, e.Body)
	if err != nil {
		return false, err
	}
	passport, group := superseding(body)
	if later[passport]&group == 0 {
		later[passport] |= group
		return true, nil
	}
	r.gone.set(index)
	r.may.set(index)
	r.Gone++
	return false, nil
}

// Snapshots list the superseded entries that still have their bodies, as many of
// them in each as it takes.
func (r *Reduced) Snapshots() (all []*Snapshot) {
	var list []byte
	end := int64(0)
	flush := func() {
		if len(list) > 0 {
			all = append(all, &Snapshot{Size: r.Size, State: r.State, Superseded: list})
		}
		list, end = nil, 0
	}
	for first, last := range r.gone.runs() {
		const longest = 2 * binary.MaxVarintLen64
		if len(list)+longest > MaxSuperseded {
			flush()
		}
		list = binary.AppendUvarint(list, uint64(first-end))
		list = binary.AppendUvarint(list, uint64(last+1-first))
		end = last + 1
	}
	flush()
	return all
}

// Lists reports whether a snapshot of no more entries lists only what was
// superseded, or may have been and has no body any more.
func (r *Reduced) Lists(b *Snapshot) bool {
	if b.Size > r.Size {
		return false
	}
	for first, last := range b.Runs() {
		for i := first; i <= last; i++ {
			if !r.may.has(i) {
				return false
			}
		}
	}
	return true
}

// bitmap is a set of indexes.
type bitmap []uint64

func newBitmap(size int64) bitmap { return make(bitmap, (size+63)/64) }

func (b bitmap) set(i int64)      { b[i/64] |= 1 << (i % 64) }
func (b bitmap) has(i int64) bool { return b[i/64]&(1<<(i%64)) != 0 }

// runs yields the first and the last of each run, ascending.
func (b bitmap) runs() iter.Seq2[int64, int64] {
	return func(yield func(first, last int64) bool) {
		for at := b.next(0, false); at >= 0; {
			end := b.next(at, true)
			if end < 0 {
				end = int64(len(b)) * 64
			}
			if !yield(at, end-1) {
				return
			}
			at = b.next(end, false)
		}
	}
}

// next is the first index from i on that is in the set, or with out the first that
// is not; -1 behind the end.
func (b bitmap) next(i int64, out bool) int64 {
	for i < int64(len(b))*64 {
		word := b[i/64]
		if out {
			word = ^word
		}
		if word >>= i % 64; word != 0 {
			return i + int64(bits.TrailingZeros64(word))
		}
		i += 64 - i%64
	}
	return -1
}
