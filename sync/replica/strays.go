package replica

import (
	"bytes"
	"crypto/ed25519"
	"slices"

	"tombolo/sync/ledger"
)

// strayNote bounds the note of what is remembered, in bytes.
const strayNote = 2 << 10

// stray is a head or an acknowledgement by keys that the rights do not name, or
// do not name yet: a gateway hears its siblings before it has read who they are,
// and of two processes of a hub one takes over what the other read.
type stray struct {
	via     via
	origin  ledger.Origin
	message Message // Head without its tail, or Held
	stale   bool    // another took its place
}

// strayKey tells strays apart of which only the last is remembered.
type strayKey struct {
	origin ledger.Origin
	link   *link
	holder Peer // of a Held
}

// strays are remembered in the order in which they came; the oldest goes.
type strays struct {
	of    map[strayKey]*stray
	order []*stray
}

func (s *strays) add(k strayKey, x *stray, most int) {
	if s.of == nil {
		s.of = map[strayKey]*stray{}
	}
	if old := s.of[k]; old != nil {
		old.stale = true
	}
	s.of[k] = x
	s.order = append(s.order, x)
	for len(s.of) > most {
		oldest := s.order[0]
		if s.order = s.order[1:]; !oldest.stale {
			delete(s.of, oldest.key())
		}
	}
	if len(s.order) > 2*most {
		s.order = slices.DeleteFunc(s.order, func(x *stray) bool { return x.stale })
	}
}

func (x *stray) key() strayKey {
	k := strayKey{origin: x.origin, link: x.via.link}
	if _, ok := x.message.(Held); ok {
		k.holder = x.via.peer
	}
	return k
}

// stray remembers what may count by other rights: the last head of each ledger,
// the last acknowledgement of each ledger and holder.
func (r *Replica) stray(v via, o ledger.Origin, m Message) {
	if o.Community != r.rights.Community && !r.rights.Community.IsZero() {
		return
	}
	remember := func(s *strays, author ed25519.PublicKey, note []byte, most int, m Message) {
		if len(note) <= strayNote && len(author) <= ed25519.PublicKeySize {
			x := &stray{via: v, origin: o, message: m}
			s.add(x.key(), x, most)
		}
	}
	switch x := m.(type) {
	case Head:
		remember(&r.heads, x.Author, x.Note, r.cfg.Strays, Head{Author: bytes.Clone(x.Author), Note: bytes.Clone(x.Note)})
	case Held:
		remember(&r.helds, x.Author, x.Note, 2*r.cfg.Strays, Held{Author: bytes.Clone(x.Author), Note: bytes.Clone(x.Note)})
	}
}

// retryStrays looks at them with new rights.
func (r *Replica) retryStrays() {
	all := slices.Concat(r.heads.order, r.helds.order)
	r.heads, r.helds = strays{}, strays{}
	for _, s := range all {
		if s.stale || !s.via.link.up {
			continue
		}
		switch m := s.message.(type) {
		case Head:
			r.hearHead(s.via, m)
		case Held:
			r.hearHeld(s.via, m)
		}
	}
}

// unlearn lets go of the head that was to be had of a ledger whose author has no
// right to it any more. The right may come back before the author says it again.
func (r *Replica) unlearn(b *book) {
	h := b.newest
	b.newest = ledger.Head{}
	if h.Size == 0 || b.author.Removed || len(b.givers) == 0 {
		return
	}
	g := b.givers[0]
	r.stray(via{g.peer, g.link, b.scope, false}, b.origin, Head{Author: h.Author, Note: h.Note})
}
