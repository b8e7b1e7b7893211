package replica_test

import (
	"fmt"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// simShort names a ledger in few characters.
func simShort(o ledger.Origin) string {
	return fmt.Sprintf("%s/%.4s/%.4s", o.Kind, o.Author, o.Incarnation)
}

func simSayNote(note []byte, author []byte) string {
	h, err := ledger.OpenHead(note, author)
	if err != nil {
		return fmt.Sprintf("a head that does not verify (%v)", err)
	}
	return fmt.Sprintf("%s %d at %d", simShort(h.Origin), h.Size, h.Time)
}

func simSayEvent(e replica.Event) string {
	switch e := e.(type) {
	case replica.Started:
		return fmt.Sprintf("Started with %d ledgers", len(e.Ledgers))
	case replica.Stored:
		return fmt.Sprintf("Stored %s %d, edge %d", simShort(e.Ledger.Head.Origin), e.Ledger.Head.Size, e.Ledger.Edge.Size())
	case replica.NotStored:
		return fmt.Sprintf("NotStored %s, edge %d: %v", simShort(e.Origin), e.Edge.Size(), e.Err)
	case replica.Received:
		return fmt.Sprintf("Received on %d, %v, from %.4s: %s", e.Link, e.Scope, e.From, simSayMessage(e.Message))
	case replica.PeerUp:
		return fmt.Sprintf("PeerUp on %d: %.4s", e.Link, e.Peer)
	case replica.PeerDown:
		return fmt.Sprintf("PeerDown on %d: %.4s", e.Link, e.Peer)
	case replica.RightsChanged, replica.ChartersChanged, replica.Convicted:
		return fmt.Sprintf("%T", e)
	}
	return fmt.Sprintf("%T%+v", e, e)
}

func simSayMessage(m replica.Message) string {
	switch m := m.(type) {
	case replica.Head:
		return fmt.Sprintf("Head %s, tail %d of %d", simSayNote(m.Note, m.Author), m.From, len(m.Tail))
	case replica.Give:
		return fmt.Sprintf("Give %s, from %d %d entries", simSayNote(m.Note, m.Author), m.From, len(m.Entries))
	case replica.Held:
		return "Held " + simSayNote(m.Note, m.Author)
	case replica.Want:
		return fmt.Sprintf("Want %s from %d, note of %d", simShort(m.Origin), m.From, len(m.Note))
	}
	return fmt.Sprintf("%T", m)
}

func simSayAction(a replica.Action) string {
	switch a := a.(type) {
	case replica.Send:
		return fmt.Sprintf("Send on %d, %v, to %.4s: %s", a.Link, a.Scope, a.To, simSayMessage(a.Message))
	case replica.SendHead:
		return fmt.Sprintf("SendHead on %d, %v: %s, tail from %d", a.Link, a.Scope, simShort(a.Origin), a.TailFrom)
	case replica.SendGive:
		return fmt.Sprintf("SendGive on %d, %v, to %.4s: %s from %d", a.Link, a.Scope, a.To, simShort(a.Origin), a.From)
	case replica.SendHeld:
		return fmt.Sprintf("SendHeld on %d, %v: %s, witness %v", a.Link, a.Scope, simShort(a.Head.Origin), a.Witness)
	case replica.Store:
		return fmt.Sprintf("Store %s up to %d of %d", simShort(a.Extension.Head().Origin), a.Extension.Tree().Size(), a.Extension.Head().Size)
	case replica.StoreHeld:
		return fmt.Sprintf("StoreHeld %.4s: %s %d", a.Peer, simShort(a.Head.Origin), a.Head.Size)
	case replica.Compare:
		return fmt.Sprintf("Compare %s %d", simShort(a.Head.Origin), a.Head.Size)
	case replica.Blame:
		return fmt.Sprintf("Blame %.4s for %s: %v", a.Peer, simShort(a.Origin), a.Err)
	}
	return fmt.Sprintf("%T", a)
}

// noteStatus is how the replicas see it.
func (w *simWorld) noteStatus() {
	for id := range w.removed {
		w.note("%v was removed", id)
	}
	for _, h := range w.hosts {
		if !h.up || !w.trace {
			continue
		}
		s := h.r.Status()
		w.note("%s: %+v", h, s.Counts)
		for _, l := range s.Ledgers {
			w.note("    %s: held %d of %d, edge %d, wanted of %.4s, known to %.4s, forked %v, refused %v",
				simShort(l.Origin), l.Held, l.Newest, l.Partial, l.Wanting, l.Givers, l.Forked, l.Refused)
		}
	}
}
