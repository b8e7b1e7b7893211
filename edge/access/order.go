package access

import "cmp"

// Compare orders by ledger, then as they stand there.
func (o Order) Compare(other Order) int {
	return cmp.Or(cmp.Compare(o.Origin, other.Origin), cmp.Compare(o.Index, other.Index))
}

// Answered reports whether the log says what became of an order. Of one ledger
// they are answered in their order.
func (p *Presence) Answered(o Order) bool {
	next, known := p.ordered[o.Origin]
	return o.Index < next || !known && len(p.ordered) >= maxOrdered
}

// TriedBefore is what the log says became of a policy; ok is false if it says
// nothing.
func (p *Presence) TriedBefore(hash [32]byte) (kept, ok bool) {
	kept, ok = p.tried[hash]
	return kept, ok
}
