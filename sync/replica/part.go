package replica

import (
	"time"

	"tombolo/sync/ledger"
)

// A part that is stored beyond a ledger's whole head was proved against a head of
// which the rest may never come: its author left before it gave all, or was
// retired. Whoever holds less, but holds it whole, can then not add to the part.

// partPatience is how long a part is kept without any progress while somebody
// offers less than it.
const partPatience = 30 * time.Second

// settleFor remembers a head that ends within the part.
func (r *Replica) settleFor(b *book, h ledger.Head) {
	if h.Size <= b.head.Size || b.edge.Size() <= b.head.Size || len(b.flying) > 0 || !b.takes() {
		return
	}
	if b.shorter.Size == 0 || r.better(b, h, b.shorter) {
		b.shorter = h
	}
	if b.partAt == 0 {
		b.partAt = r.plan(b, r.clock+partPatience)
	}
}

// keepPart follows progress.
func (b *book) keepPart() { b.shorter, b.partAt = ledger.Head{}, 0 }

// firePart lets go of a part that stood still, for what can be had.
func (r *Replica) firePart(b *book) {
	switch {
	case b.partAt == 0:
		return
	case b.partAt > r.clock:
		r.plan(b, b.partAt)
		return
	}
	h := b.shorter
	b.keepPart()
	if !b.takes() || len(b.flying) > 0 || h.Size <= b.head.Size || b.edge.Size() <= b.head.Size {
		return
	}
	r.release(b)
	if b.newest.Size == 0 {
		b.newest, b.since = h, r.now
	}
	r.do(Forget{b.origin}) // Stored follows, and then it is asked for
}
