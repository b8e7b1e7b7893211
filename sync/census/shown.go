package census

import (
	"crypto/ed25519"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// Shown is one entry of a ledger with what proves that it stands there: the
// inclusion proof against a head that the ledger's author signed. Its form is
// fixed by version 1.
type Shown struct {
	_     struct{} `cbor:",toarray"`
	Entry ledger.Entry
	Index int64
	Proof [][32]byte // RFC 6962 §2.1.1
	Note  []byte     // the head: a signed checkpoint
}

// maxPath bounds an inclusion proof: a tree has fewer levels than that.
const maxPath = 48

// Show proves an entry of a ledger against one of its heads, which r holds whole.
// Of the signatures under the head the author's is kept, and under a report
// ledger's the hub's acknowledgement: a proof that many have witnessed is no larger.
func Show(r ledger.Reader, head ledger.Head, index int64, e ledger.Entry) (Shown, error) {
	proof, err := prove(r, head.Size, index)
	keep := []ledger.Role{ledger.RoleAuthor}
	if head.Origin.Kind == ledger.ReportLog {
		keep = append(keep, ledger.RoleHold)
	}
	return Shown{Entry: e, Index: index, Proof: proof, Note: trimmed(head.Note, keep)}, err
}

// prove is the inclusion proof of an entry against the ledger's first size entries.
func prove(r ledger.Reader, size, index int64) ([][32]byte, error) {
	if index < 0 || index >= size {
		return nil, fmt.Errorf("entry %d of %d cannot be shown", index, size)
	}
	p, err := tlog.ProveRecord(size, index, ledger.Hashes(r))
	if err != nil {
		return nil, fmt.Errorf("show entry %d of %d: %w", index, size, err)
	}
	return convert[[32]byte](p), nil
}

// included checks an entry's inclusion proof, and that it is what the leaf says.
func included(log ledger.LogKind, e ledger.Entry, index int64, proof [][32]byte, size int64, root [32]byte) (ledger.Body, error) {
	if len(proof) > maxPath || index < 0 || index >= size {
		return nil, fmt.Errorf("%w: entry %d of %d, by %d hashes", ledger.ErrProof, index, size, len(proof))
	}
	_, body, err := e.Open(log, index)
	if err != nil {
		return nil, err
	}
	if body == nil {
		return nil, fmt.Errorf("%w: its body is not there, or of a kind that is not known", ledger.ErrBody)
	}
	if err := tlog.CheckRecord(convert[tlog.Hash](proof), size, root, index, LeafHash(e)); err != nil {
		return nil, ledger.ErrProof
	}
	return body, nil
}

// Origin is the ledger that the head names; nothing is verified.
func (s Shown) Origin() (ledger.Origin, error) {
	line, _, _ := strings.Cut(string(s.Note[:min(len(s.Note), 256)]), "\n")
	return ledger.ParseOrigin(line)
}

// Verify checks the head's signature and the entry's place in it, and gives both.
// Errors: those of [ledger.OpenHead], [ledger.Entry.Open] and [ledger.ErrProof].
func (s Shown) Verify(author ed25519.PublicKey, cosigners ...ledger.Cosigner) (ledger.Head, ledger.Body, error) {
	head, err := ledger.OpenHead(s.Note, author, cosigners...)
	if err != nil {
		return head, nil, err
	}
	body, err := included(head.Origin.Kind, s.Entry, s.Index, s.Proof, head.Size, head.Root)
	return head, body, err
}

// prefix is the root of the ledger up to the entry and with it, which the inclusion
// proof fixes: its left siblings are the complete subtrees before the entry. Whatever
// heads show an entry with one prefix, they tell one history up to it. The proof has
// been verified against size entries. RFC 6962 §2.1.1
func (s Shown) prefix(size int64) tlog.Hash {
	h := tlog.Hash(LeafHash(s.Entry))
	at, last := s.Index, size-1 // the node on the path, and the last one of its level
	for _, sibling := range s.Proof {
		for at&1 == 0 && at == last { // it has no sibling here
			at, last = at>>1, last>>1
		}
		if at&1 == 1 {
			h = tlog.NodeHash(sibling, h)
		}
		at, last = at>>1, last>>1
	}
	return h
}

// trimmed is a signed note with the signatures of some roles alone. What is no such note stays what it is: it will not verify.
func trimmed(note []byte, keep []ledger.Role) []byte {
	text, signatures, ok := strings.Cut(string(note), "\n\n")
	if !ok {
		return note
	}
	var b strings.Builder
	b.WriteString(text + "\n\n")
	for line := range strings.Lines(signatures) {
		for _, role := range keep {
			if strings.HasPrefix(line, "— tombolo/v1/"+string(role)+"/") {
				b.WriteString(line)
				break
			}
		}
	}
	return []byte(b.String())
}
