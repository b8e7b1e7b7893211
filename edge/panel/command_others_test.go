package panel_test

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// There are other gateways, whose door logs tell this one what happens at their
// doors, and stewards' desks from which doors are opened.

// neighbour is another gateway.
type neighbour struct {
	log    ledger.Origin
	seq    uint64
	told   int64         // so many of its entries this gateway has heard of
	ahead  time.Duration // its clock
	cut    bool          // nothing reaches this gateway from there
	lost   bool          // its log is not at hand when the story is replayed
	logged []panel.Logged
}

// doorLogOf is a made-up door log's name.
func doorLogOf(gateway string) ledger.Origin {
	sum := sha256.Sum256([]byte(gateway))
	return ledger.Origin{Community: ledger.CharterID(community), Kind: ledger.DoorLog, Author: ledger.KeyID(sum[:16]), Incarnation: ledger.Incarnation(sum[16:24])}
}

// deskLog is the ledger of the steward who gives orders.
var deskLog = ledger.Origin{Community: ledger.CharterID(community), Kind: ledger.NodeLog, Author: ledger.KeyID{5}, Incarnation: ledger.Incarnation{6}}

// enrol is: siblings NAME …
func enrol(s *story, a *args) {
	s.change(func(b *access.Basis) {
		b.Siblings = maps.Clone(b.Siblings)
		if b.Siblings == nil {
			b.Siblings = map[ledger.KeyID]string{}
		}
		for a.more() {
			name := a.next()
			log := doorLogOf(name)
			b.Siblings[log.Author] = name
			if s.neighbours[name] == nil {
				s.neighbours[name] = &neighbour{log: log}
				s.neighbours[name].add(s, &ledger.Boot{Software: software, Clock: "ntp"})
			}
		}
	})
}

// removed is: removed NAME
func removed(s *story, a *args) {
	n := s.neighbour(a)
	s.change(func(b *access.Basis) {
		b.Siblings = maps.Clone(b.Siblings)
		delete(b.Siblings, n.log.Author)
	})
}

func (s *story) neighbour(a *args) *neighbour {
	n := s.neighbours[a.next()]
	if n == nil {
		a.fail("there is no such gateway; say: siblings NAME")
	}
	return n
}

// add writes an entry of a neighbour's log.
func (n *neighbour) add(s *story, b ledger.Body) {
	n.logged = append(n.logged, panel.Logged{Index: int64(len(n.logged)), Time: s.now.Add(n.ahead).UnixMilli(), Body: b})
}

// there is: there NAME WHO DOOR [exit] [granted] [code]; there NAME restarts; there
// NAME ahead DURATION
func there(s *story, a *args) {
	n := s.neighbour(a)
	switch {
	case a.has("restarts"):
		n.seq = 0
		n.add(s, &ledger.Boot{Software: software, Clock: "ntp"})
	case a.has("ahead"):
		n.ahead = a.duration()
		return
	default:
		exit, stays, mode, raw := a.has("exit"), a.has("granted"), "tap", []byte(nil)
		code := a.has("code")
		who := a.who()
		if code {
			mode = "window"
			var err error
			if raw, err = s.codes[who].MarshalBinary(); err != nil {
				a.fail("%v", err)
			}
		}
		n.seq++
		d := &ledger.Decision{Seq: n.seq, Door: a.next(), Exit: exit, Mode: mode, Granted: true, Reason: "granted", Passport: uint64(who), Presentation: raw}
		if exit {
			d.Reason = "exit"
		}
		n.add(s, d)
		if !stays {
			n.add(s, &ledger.Passage{Seq: n.seq, Door: d.Door, Exit: exit, Entered: true})
		}
	}
	s.hear(n)
}

// mint is: mint WHO: a code for the node, which nobody has presented yet.
func mint(s *story, a *args) { s.mint(a, a.who(), passport.NodeTarget(casa), s.now) }

// hear has a neighbour's news arrive.
func (s *story) hear(n *neighbour) {
	if size := int64(len(n.logged)); s.panel != nil && !n.cut && n.told < size {
		s.step(panel.Told{Log: n.log, From: n.told, Size: size, Entries: slices.Clone(n.logged[n.told:])})
		n.told = size
	}
}

// cut is: cut NAME; and heal NAME
func cut(off bool) func(*story, *args) {
	return func(s *story, a *args) {
		n := s.neighbour(a)
		n.cut = off
		s.reach()
		s.hear(n)
	}
}

func (s *story) reach() {
	var missing []string
	for name, n := range s.neighbours {
		if n.cut {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	if s.panel != nil {
		s.step(panel.Reach{Missing: missing})
	}
}

// forget is: forgotten NAME: whoever replays the story has not that log.
func forgotten(s *story, a *args) { s.neighbour(a).lost = true }

// Sibling is panel.World.
func (p *past) Sibling(log ledger.Origin, from, size int64) ([]panel.Logged, error) {
	for _, n := range p.neighbours {
		if n.log == log && !n.lost {
			return n.logged[from:size], nil
		}
	}
	return nil, panel.ErrNotHeld
}

// openFromAfar is: open DOOR [ago DURATION] [ahead DURATION] [again]
func openFromAfar(s *story, a *args) {
	name, at, again := a.next(), s.now, a.has("again")
	if a.has("ago") {
		at = at.Add(-a.duration())
	}
	if a.has("ahead") {
		at = at.Add(a.duration())
	}
	o := access.Order{Origin: deskLog.String(), Index: int64(len(s.basis.Opens) + 1), At: at.UnixMilli(), Door: name}
	s.change(func(b *access.Basis) {
		if !again { // otherwise the roster was made again, and says the same
			b.Opens = append(slices.Clone(b.Opens), o)
		}
	})
}

// triedPolicy is: tried VERSION kept, or a reason
func triedPolicy(s *story, a *args) {
	var t access.Tried
	if _, err := fmt.Sscan(a.next(), &t.Version); err != nil {
		a.fail("%v", err)
	}
	t.Hash = [32]byte{byte(t.Version)}
	t.OK = a.has("kept")
	t.Why, a.words = strings.Join(a.words, " "), nil
	s.change(func(b *access.Basis) { b.Tried = append(slices.Clone(b.Tried), t) })
}

// heardWords says what a Siblings entry does.
func (s *story) heardWords(b *ledger.Siblings) string {
	var words []string
	for _, h := range b.Heard {
		name := h.Origin
		for n, of := range s.neighbours {
			if of.log.String() == h.Origin {
				name = n
			}
		}
		words = append(words, fmt.Sprintf("%s was heard up to entry %d", name, h.Size))
	}
	if len(b.Missing) > 0 {
		words = append(words, strings.Join(b.Missing, ", ")+" cannot be reached")
	}
	return cmp.Or(strings.Join(words, "; "), "all siblings are reached")
}
