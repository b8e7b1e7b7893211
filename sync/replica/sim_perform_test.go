package replica_test

import (
	"bytes"
	"errors"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// What the simulated worlds send is smaller than what links do, so that ledgers
// of a hundred entries take many messages.
const (
	simMaxTail = 1500
	simMaxGive = 2500
)

// perform carries an action out.
func (h *simHost) perform(a replica.Action) {
	w := h.w
	switch a := a.(type) {
	case replica.Send:
		h.send(a)
	case replica.SendHead:
		if l, ok := h.disk.ledger(a.Origin); ok {
			m := replica.Head{Author: l.head.Author, Note: l.head.Note, From: l.head.Size}
			if tail := h.disk.entries(a.Origin, a.TailFrom, l.head.Size); len(tail) > 0 && simBytes(tail) <= simMaxTail {
				m.From, m.Tail = a.TailFrom, tail
			}
			h.publish(a.Link, a.Scope, simPacket{simTopic: simTopic{what: simHead, origin: a.Origin}, message: m})
		}
	case replica.SendGive:
		h.give(a)
	case replica.SendHeld:
		h.hold(a)
	case replica.Store:
		h.store(a)
	case replica.Forget:
		h.disk.forget(a.Origin)
		life := h.life
		w.after(0, func() {
			if h.up && h.life == life {
				h.stored(a.Origin)
			}
		})
	case replica.StoreCharter:
		if err := h.disk.addCharter(a.Signed); err != nil {
			w.require(false, "%s: a charter that does not follow is to be stored: %v", h.name, err)
		}
		h.checkCharters()
		h.charterChanged()
	case replica.StoreFork:
		h.convicts(a.Fork)
	case replica.StoreHeld:
		h.checkHeld(a)
		if err := h.disk.addHeld(a.Peer, a.Head, h.clock().Unix()); err != nil {
			w.require(false, "%s: %v", h.name, err)
		}
	case replica.Compare:
		f, err := h.disk.compare(a.Head)
		w.require(err == nil, "%s compares: %v", h.name, err)
		if f != nil {
			h.convicts(*f)
		}
	case replica.Blame:
		w.count("blame")
		w.note("    %s blames %v: %v", h.name, a.Peer, a.Err)
		h.checkBlame(a)
	default:
		w.require(false, "an action that nobody knows: %T", a)
	}
}

func simBytes(entries []ledger.Entry) (n int) {
	for _, e := range entries {
		n += len(e.Leaf) + len(e.Body) + 40
	}
	return n
}

// publish hands a message to a link, if it stands.
func (h *simHost) publish(link replica.LinkID, scope replica.Scope, p simPacket) {
	w := h.w
	w.require(int(link) < len(h.links), "%s sends over link %d, which it does not have", h.name, link)
	l := h.links[link]
	w.require(l.carries(scope), "%s sends in scope %v to %s, which does not carry it", h.name, scope, l.broker.name)
	switch p.what {
	case simHead, simHeldBy, simProof, simTo:
		w.require(simScope(p.origin.Kind) == scope, "%s speaks of %v in scope %v", h.name, p.origin, scope)
		w.require(p.origin.Kind != ledger.DoorLog || l.broker != w.hub, "%s speaks of a door log to the hub's broker", h.name)
	}
	if p.what == simHead || p.what == simHeldBy {
		w.require(!h.rights.Authors[p.origin.Author].Removed || w.now-h.rightsAt < time.Second,
			"%s speaks for %v, whose author was removed", h.name, p.origin)
	}
	p.from, p.scope = h.id, scope
	l.broker.publish(l, p)
}

// simScope is who may hear of a kind of ledger.
func simScope(k ledger.LogKind) replica.Scope {
	switch k {
	case ledger.CommunityLog, ledger.DirectoryLog, ledger.CensusLog:
		return replica.All
	case ledger.ReportLog:
		return replica.Hub
	}
	return replica.Node
}

func (h *simHost) send(a replica.Send) {
	p := simPacket{message: a.Message, to: a.To}
	switch m := a.Message.(type) {
	case replica.Want:
		h.w.count("want")
		if !h.w.removed[h.id] {
			h.w.wants[m.Origin]++
		}
		h.w.require(a.To != replica.Peer{} && a.To != h.id, "%s wants something of nobody or itself", h.name)
		p.what, p.origin = simTo, m.Origin
	case replica.Proof:
		f, err := ledger.ParseFork(m.Evidence)
		h.w.require(err == nil, "%s announces what proves nothing: %v", h.name, err)
		head, _, err := f.Heads()
		h.w.require(err == nil, "%v", err)
		p.what, p.origin = simProof, head.Origin
	case replica.Charter:
		p.what = simCharter
		for _, chain := range h.chains() {
			for v := 1; v <= chain.Len(); v++ {
				if _, signed := chain.Version(v); bytes.Equal(signed.Marshal(), m.Signed) {
					p.chain, p.version = chain.ID(), uint64(v)
				}
			}
		}
		h.w.require(p.version > 0, "%s announces a charter that it does not hold", h.name)
	default:
		h.w.require(false, "%s sends %T", h.name, m)
	}
	h.publish(a.Link, a.Scope, p)
}

func (h *simHost) give(a replica.SendGive) {
	to, known := h.rights.Authors[a.To]
	h.w.require(known || a.Scope == replica.All, "%s gives %v to a stranger", h.name, a.Origin)
	h.w.require(!to.Removed || h.w.now-h.rightsAt < time.Second, "%s gives %v to a gateway that was removed", h.name, a.Origin)
	h.w.require(a.Origin.Kind != ledger.ReportLog || a.To == h.w.cast.hub.peer() || a.To == a.Origin.Author, "%s gives %v to another than the hub", h.name, a.Origin)
	for range replica.GiveMessages {
		head, s, err := h.disk.stretch(a.Origin, a.From, simMaxGive)
		if err != nil {
			return
		}
		h.w.count("give")
		h.publish(a.Link, a.Scope, simPacket{
			simTopic: simTopic{what: simTo, origin: a.Origin}, to: a.To,
			message: replica.Give{Author: head.Author, Note: head.Note, From: s.From, Entries: s.Entries, Proof: s.Proof},
		})
		if a.From += int64(len(s.Entries)); a.From >= head.Size {
			return
		}
	}
}

// hold acknowledges what is durable.
func (h *simHost) hold(a replica.SendHeld) {
	if h.holdKey == nil {
		return
	}
	o := a.Head.Origin
	l, ok := h.disk.ledger(o)
	h.w.require(ok && l.head.Size >= a.Head.Size, "%s acknowledges %d entries of %s, and has %d", h.name, a.Head.Size, simShort(o), l.head.Size)
	note := h.cosigned(a.Head.Note, a.Witness)
	h.seen.acked[o] = max(h.seen.acked[o], a.Head.Size)
	h.seen.ever[o] = max(h.seen.ever[o], a.Head.Size)
	h.w.count("held")
	h.publish(a.Link, a.Scope, simPacket{
		simTopic: simTopic{what: simHeldBy, origin: o},
		message:  replica.Held{Author: a.Head.Author, Note: note},
	})
}

// cosigned is a note with the host's cosignatures, which it makes once.
func (h *simHost) cosigned(note []byte, witness bool) []byte {
	key := simCosigned{string(note), witness}
	if have, ok := h.notes[key]; ok {
		return have
	}
	now := uint64(h.clock().Unix())
	signed, err := ledger.Cosign(note, ledger.RoleHold, h.holdKey, now)
	h.w.require(err == nil, "%v", err)
	if witness {
		signed, err = ledger.Cosign(signed, ledger.RoleWitness, h.witnessKey, now)
		h.w.require(err == nil, "%v", err)
	}
	h.notes[key] = signed
	return signed
}

type simCosigned struct {
	note    string
	witness bool
}

var errSimDisk = errors.New("the disk is full")

// store takes its time, and the disk takes one extension after the other.
func (h *simHost) store(a replica.Store) {
	w, o, life := h.w, a.Extension.Head().Origin, h.life
	h.diskFree = max(h.diskFree, w.now) + w.span(0, 15*time.Millisecond)
	w.at(h.diskFree, func() {
		if !h.up || h.life != life {
			return
		}
		if h.armed == simBeforeStore {
			w.count("crash, not persisted")
			h.crash(w.percent(15))
			return
		}
		err := errSimDisk
		if !h.failing {
			err = h.disk.extend(a.Extension, h.clock().Unix())
		}
		if err != nil {
			w.count("not stored")
			w.note("%s cannot store %v: %v", h.name, o, err)
			edge, _ := h.disk.edge(o)
			h.step(replica.NotStored{Origin: o, Err: err, Edge: edge, Giver: a.Giver})
			return
		}
		h.checkLedger(o)
		if h.armed == simAfterStore {
			w.count("crash, persisted but not told")
			h.crash(w.percent(15))
			return
		}
		h.stored(o)
	})
}

// stored tells of a ledger that grew, and of what follows from it.
func (h *simHost) stored(o ledger.Origin) {
	l, ok := h.disk.ledger(o)
	if !ok {
		l.head = ledger.Head{Checkpoint: ledger.Checkpoint{Origin: o}}
	}
	edge, _ := h.disk.edge(o)
	if h.roster != nil && ok {
		h.roster.dirty = true
	}
	h.step(replica.Stored{Ledger: replica.Ledger{Head: l.head, Edge: edge}})
	if ok && h.up && (o.Kind == ledger.NodeLog || o.Kind == ledger.DirectoryLog) {
		h.newRights()
	}
}

func (h *simHost) convicts(f ledger.Fork) {
	a, _, err := f.Heads()
	h.w.require(err == nil, "%s: %v", h.name, err)
	h.w.require(h.w.truth.forked(a.Origin), "%s convicts the author of %v, who signed one history", h.name, a.Origin)
	h.w.count("conviction")
	if err := h.disk.addFork(f, h.clock().Unix()); err != nil {
		h.w.require(false, "%s: %v", h.name, err)
	}
	if h.roster != nil {
		h.roster.dirty = true
	}
	h.tell(func() replica.Event { return replica.Convicted{Evidence: f} })
	h.freeze()
}

// charterChanged tells of a chain that grew.
func (h *simHost) charterChanged() {
	if h.roster != nil {
		h.roster.dirty = true
	}
	h.tell(func() replica.Event { return replica.ChartersChanged{Chains: h.chains()} })
	h.newRights()
}
