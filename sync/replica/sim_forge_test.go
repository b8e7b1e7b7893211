package replica_test

import (
	"bytes"
	"crypto/ed25519"
	"maps"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// forge makes another message of a true one, as a broker could that has no key
// of anybody's but its own.
func (w *simWorld) forge(p simPacket) (simPacket, bool) {
	w.lies = true
	switch w.IntN(10) {
	case 0: // another name
		p.from = pick(w, w.hosts).id
		if w.IntN(3) == 0 {
			p.from = simPeer(w.cast.stranger)
		}
	case 1: // another scope
		p.scope = 1 - p.scope
	}
	switch m := p.message.(type) {
	case replica.Head:
		m.Note = bytes.Clone(m.Note)
		m.Tail, m.From, _ = w.forgeEntries(m.Tail, m.From, nil)
		m.Author, m.Note = w.forgeNote(m.Author, m.Note)
		p.message = m
	case replica.Give:
		m.Entries, m.From, m.Proof = w.forgeEntries(m.Entries, m.From, m.Proof)
		if w.IntN(3) == 0 {
			m.Author, m.Note = w.forgeNote(m.Author, m.Note)
		}
		p.message = m
	case replica.Held:
		m.Author, m.Note = w.forgeNote(m.Author, m.Note)
		if w.IntN(2) == 0 { // a head that this peer did not sign for yet, under its own or another's signature
			if l, ok := w.anyHead(p.origin); ok {
				key := pick(w, w.cast.gateways)
				m.Author, m.Note = l.Author, simMust(ledger.Cosign(l.Note, ledger.RoleHold, pick(w, []ed25519.PrivateKey{w.cast.stranger, key.witness}), l.Time))
			}
		}
		p.message = m
	case replica.Want:
		m.Note = w.flipped(m.Note)
		m.From += int64(w.IntN(7) - 3)
		switch w.IntN(6) {
		case 0:
			m.From = -m.From
		case 1:
			m.From = 1 << 50
		case 2:
			w.random(m.Origin.Incarnation[:])
		}
		p.message = m
	case replica.Proof:
		m.Evidence = w.flipped(m.Evidence)
		if f, ok := w.falseProof(p.origin); ok && w.IntN(2) == 0 {
			m.Evidence = f.Marshal()
		}
		p.message = m
	case replica.Charter:
		m.Signed = w.flipped(m.Signed)
		if w.IntN(2) == 0 { // one that the stranger signed and follows
			next := w.community.Next()
			if w.community.Len() == 1 {
				next.Authors = append(next.Authors, ledger.Author{Role: ledger.Issuer, Key: [32]byte(simPublic(w.cast.issuers[2]))})
			}
			slices.SortFunc(next.Authors, func(a, b ledger.Author) int { return bytes.Compare(a.Key[:], b.Key[:]) })
			next.Keys = [][32]byte{[32]byte(simPublic(w.cast.stranger))}
			m.Signed = ledger.SignCharter(simMust(next.Marshal()), w.cast.stranger).Marshal()
		}
		p.message = m
	default:
		return p, false
	}
	return p, true
}

// flipped is b with one bit changed.
func (w *simWorld) flipped(b []byte) []byte {
	if len(b) == 0 {
		return b
	}
	b = bytes.Clone(b)
	b[w.IntN(len(b))] ^= 1 << w.IntN(8)
	return b
}

// anyHead is one that the author of a ledger signed at some time.
func (w *simWorld) anyHead(o ledger.Origin) (ledger.Head, bool) {
	for _, h := range w.truth.logs[o] {
		size := int64(1 + w.IntN(int(h.size())+1))
		for ; size <= h.size(); size++ {
			if head, ok := h.heads[size]; ok {
				return head, true
			}
		}
	}
	return ledger.Head{}, false
}

// forgeNote puts another head in a head's place.
func (w *simWorld) forgeNote(author ed25519.PublicKey, note []byte) (ed25519.PublicKey, []byte) {
	switch w.IntN(8) {
	case 0, 1:
		return author, w.flipped(note)
	case 2:
		return simPublic(w.cast.stranger), note
	case 3: // a ledger of the stranger's own
		c := ledger.Checkpoint{Origin: ledger.Origin{Community: w.cast.community.ID(), Kind: ledger.CommunityLog, Author: simPeer(w.cast.stranger)}, Size: 3}
		w.random(c.Root[:])
		return simPublic(w.cast.stranger), simMust(ledger.Sign(c, w.cast.stranger, uint64(simEpoch.Unix())))
	case 4: // a longer ledger, under the signature that is there
		if _, signature, ok := bytes.Cut(note, []byte("\n\n")); ok {
			if head, err := ledger.OpenHead(note, author); err == nil {
				c := head.Checkpoint
				c.Size++
				w.random(c.Root[:])
				return author, slices.Concat([]byte(c.Text()), []byte("\n"), signature)
			}
		}
	}
	return author, note
}

// forgeEntries changes a run of entries: one mistake at a time.
func (w *simWorld) forgeEntries(entries []ledger.Entry, from int64, proof []tlog.Hash) ([]ledger.Entry, int64, []tlog.Hash) {
	if len(entries) == 0 {
		return entries, from, proof
	}
	entries, proof = slices.Clone(entries), slices.Clone(proof)
	at := w.IntN(len(entries))
	e := &entries[at]
	switch w.IntN(10) {
	case 0: // altered in place
		e.Body = w.flipped(e.Body)
	case 1:
		e.Leaf = w.flipped(e.Leaf)
	case 2: // withheld
		*e = e.Drop()
	case 3:
		entries = slices.Delete(entries, at, at+1)
	case 4:
		entries = entries[:at]
	case 5, 6: // another entry, which is well made
		*e = w.otherEntry(*e, from+int64(at))
	case 7:
		from += int64(w.IntN(3) - 1)
	case 8:
		if len(proof) > 0 {
			proof[w.IntN(len(proof))][w.IntN(32)] ^= 1
		} else {
			proof = append(proof, tlog.Hash{1})
		}
	case 9: // one more than there is
		entries = append(entries, w.otherEntry(*e, from+int64(len(entries))))
	}
	return entries, from, proof
}

// otherEntry says something else of the same kind.
func (w *simWorld) otherEntry(e ledger.Entry, index int64) ledger.Entry {
	leaf, err := ledger.ParseLeaf(e.Leaf)
	if err != nil || e.Dropped() {
		return e
	}
	kind, body := leaf.Kind, e.Body
	switch kind {
	case ledger.KindSuspend:
		kind = ledger.KindReinstate
	case ledger.KindReinstate:
		kind = ledger.KindSuspend
	}
	var salt ledger.Salt
	w.random(salt[:])
	return ledger.Seal(index, kind, leaf.Critical, salt, e.Time, body)
}

// falseProof claims a fork of an author that signed one history.
func (w *simWorld) falseProof(o ledger.Origin) (f ledger.Fork, ok bool) {
	all := w.truth.logs[o]
	if len(all) == 0 {
		return f, false
	}
	a, ok := w.anyHead(o)
	if !ok {
		return f, false
	}
	b := all[0].heads[all[0].size()]
	f = ledger.Fork{Author: [32]byte(a.Author), A: a.Note, B: b.Note, Prefix: b.Root}
	w.random(f.Prefix[:])
	return f, b.Size > 0
}

// flood is what a stranger can make a broker carry: heads, wants and proofs of
// ledgers without end.
func (w *simWorld) flood() {
	w.lies = true
	w.count("flood")
	b := pick(w, w.brokers)
	key := w.cast.stranger
	for range 60 {
		o := ledger.Origin{Community: w.cast.community.ID(), Kind: pick(w, []ledger.LogKind{ledger.CommunityLog, ledger.DoorLog, ledger.NodeLog}), Author: simPeer(key)}
		if w.IntN(2) == 0 {
			o.Author = pick(w, w.hosts).id
		}
		w.random(o.Incarnation[:])
		p := simPacket{simTopic: simTopic{what: simHead, origin: o, scope: simScope(o.Kind)}}
		w.random(p.from[:])
		if w.IntN(2) == 0 {
			p.from = pick(w, w.hosts).id
		}
		switch w.IntN(3) {
		case 0:
			to := pick(w, w.hosts)
			if all := to.disk.held(); len(all) > 0 && w.IntN(2) == 0 {
				p.origin = pick(w, all).head.Origin
				p.scope = simScope(p.origin.Kind)
			}
			p.what, p.to, p.message = simTo, to.id, replica.Want{Origin: p.origin, From: w.Int64N(3)}
		default:
			c := ledger.Checkpoint{Origin: o, Size: 1 + w.Int64N(1<<40)}
			w.random(c.Root[:])
			signed := c
			signed.Origin.Author = simPeer(key)
			note := simMust(ledger.Sign(signed, key, uint64(simEpoch.Unix())))
			if o.Author != simPeer(key) { // in the name of somebody who has rights
				_, signature, _ := bytes.Cut(note, []byte("\n\n"))
				note = slices.Concat([]byte(c.Text()), []byte("\n"), signature)
			}
			p.message = replica.Head{Author: simPublic(key), Note: note, From: c.Size}
		}
		b.pass(nil, p)
	}
	origins := slices.SortedFunc(maps.Keys(w.truth.logs), simCompareOrigins)
	for range 4 { // in the name of anybody: its author is convicted of nothing
		o := pick(w, origins)
		if f, ok := w.falseProof(o); ok && !w.cloned[o.Author] {
			b.pass(nil, simPacket{
				simTopic: simTopic{from: pick(w, w.hosts).id, scope: simScope(o.Kind), what: simProof, origin: o},
				message:  replica.Proof{Evidence: f.Marshal()},
			})
		}
	}
}

// strayLedger is what a steward's key signs for another node: it is the author's,
// and none of this node's.
func (w *simWorld) strayLedger() {
	w.count("stray ledger")
	key := w.cast.stewards[0]
	o := ledger.Origin{Community: w.cast.community.ID(), Kind: ledger.DirectoryLog, Author: simPeer(key)}
	b := w.hub
	if w.IntN(2) == 0 {
		o.Kind, b = ledger.NodeLog, w.brokers[1]
	}
	w.random(o.Incarnation[:])
	body := simMust(ledger.MarshalBody(&ledger.Begin{Charter: w.cast.nodes[1].ID()}))
	e := ledger.Seal(0, ledger.KindBegin, true, ledger.Salt{1}, simEpoch.UnixMilli(), body)
	var t ledger.Tree
	t.Append(e.Leaf, nil)
	note := simMust(ledger.Sign(ledger.Checkpoint{Origin: o, Size: 1, Root: t.Root()}, key, uint64(simEpoch.Add(w.now).Unix())))
	b.pass(nil, simPacket{
		simTopic: simTopic{from: simPeer(key), what: simHead, scope: simScope(o.Kind), origin: o},
		message:  replica.Head{Author: simPublic(key), Note: note, Tail: []ledger.Entry{e}},
	})
}
