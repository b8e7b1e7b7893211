package store

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"sync"

	"tombolo/sync/ledger"
)

// maxHeads bounds the heads that are remembered; beyond it they are all forgotten.
const maxHeads = 1 << 15

// heads remembers which heads were verified: who looks at all ledgers for what is
// new reads the same rows again and again, and a signature takes longer than all
// the rest of one. What is remembered counts for the same bytes alone. The zero
// value remembers nothing yet, and nil never does.
type heads struct {
	mu sync.Mutex
	by map[string]ledger.Head // under mu: by origin; none shares its note or key with who writes to them
}

// open is ledger.OpenHead.
func (h *heads) open(origin string, note []byte, author ed25519.PublicKey) (ledger.Head, error) {
	if h != nil {
		h.mu.Lock()
		known, ok := h.by[origin]
		h.mu.Unlock()
		if ok && bytes.Equal(known.Note, note) && bytes.Equal(known.Author, author) {
			return known, nil
		}
	}
	head, err := ledger.OpenHead(note, author)
	if err == nil {
		h.verified(head)
	}
	return head, err
}

// verified remembers a head. Cosigners that were asked for are not in a row's: such
// a head is verified when it is read.
func (h *heads) verified(head ledger.Head) {
	if h == nil || len(head.Others) > 0 {
		return
	}
	head.Note, head.Author = slices.Clip(head.Note), slices.Clip(head.Author)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.by == nil || len(h.by) >= maxHeads {
		h.by = map[string]ledger.Head{}
	}
	h.by[head.Origin.String()] = head
}
