package peer

import (
	"context"
	"errors"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"

	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// refreshRights is a job: rights and charters are looked at again.
type refreshRights struct{}

// againAfter is how long after a link came up own heads are announced once more,
// and as much later at most. A broker may give what is published while another
// subscribes to neither of its hands, the live one or the one that hands out what
// is retained; and after a broker's restart all subscribe at once.
const againAfter = 2 * time.Second

// hear tells the replica what a link told.
func (n *Node) hear(ctx context.Context, e link.Event) {
	switch e := e.(type) {
	case link.Up:
		n.cfg.Log.Info("link up", "link", n.cfg.Links[e.Link].Name)
		n.step(replica.LinkUp{Link: e.Link, Scopes: e.Scopes})
		time.AfterFunc(againAfter+rand.N(againAfter), func() { n.tell(ctx, func(n *Node) { n.announce(e) }) })
	case link.Down:
		n.cfg.Log.Warn("link down", "link", n.cfg.Links[e.Link].Name, "err", e.Err)
		n.there(func(p map[presence]bool) {
			maps.DeleteFunc(p, func(at presence, _ bool) bool { return at.link == e.Link })
		})
		n.step(replica.LinkDown{Link: e.Link})
	case link.PeerUp:
		n.there(func(p map[presence]bool) {
			if len(p) < n.mostNames() {
				p[presence{e.Link, e.Peer}] = true
			}
			if _, known := n.names[e.Peer]; known || len(n.names) < n.mostNames() {
				n.names[e.Peer] = e.Name
			}
		})
		n.step(replica.PeerUp{Link: e.Link, Peer: e.Peer})
	case link.PeerDown:
		n.there(func(p map[presence]bool) { delete(p, presence{e.Link, e.Peer}) })
		n.step(replica.PeerDown{Link: e.Link, Peer: e.Peer})
	case link.Received:
		n.step(replica.Received{Link: e.Link, Scope: e.Scope, From: e.From, Message: e.Message, Live: e.Live})
		return
	case link.Asked:
		n.hearAsk(e)
		return
	case link.Answered:
		n.asking.answered(e)
		return
	}
	if n.cfg.Present != nil {
		n.cfg.Present()
	}
}

func (n *Node) there(change func(map[presence]bool)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	change(n.present)
}

// announce announces own heads on a link.
func (n *Node) announce(up link.Up) {
	for o, k := range n.known {
		if s := replica.ScopeOf(o.Kind); n.own(o) && slices.Contains(up.Scopes, s) && k.edge > 0 {
			n.queue(n.read, first, replica.SendHead{Link: up.Link, Scope: s, Origin: o, TailFrom: math.MaxInt64})
		}
	}
}

// own tells whether this participant writes a ledger.
func (n *Node) own(o ledger.Origin) bool {
	return o.Author == n.cfg.Self || slices.Contains(n.cfg.Also, o.Author)
}

// maxNames bounds of how many peers it is kept that they are there, and how they
// call themselves, unless Config.Ledgers is more.
const maxNames = 4096

func (n *Node) mostNames() int { return max(maxNames, n.cfg.Ledgers) }

// do has an action done. It runs on the owner's goroutine and does not wait.
func (n *Node) do(a replica.Action) {
	switch a := a.(type) {
	case replica.Send:
		n.send(a.Link, a.Scope, a.To, a.Message)
	case replica.SendHead, replica.SendHeld:
		n.queue(n.read, first, a)
	case replica.SendGive, replica.Compare:
		n.queue(n.read, second, a)
	case replica.Store:
		if !n.queue(n.writer(a.Extension.Head().Origin), first, a) {
			n.notStored(a, errBusy)
		}
	case replica.Forget:
		n.queue(n.writer(a.Origin), first, a)
	case replica.StoreCharter, replica.StoreFork, replica.StoreHeld:
		n.queue(n.write[0], first, a)
	case replica.Blame:
		n.troubles.log(n.cfg.Log, "a peer sent what does not verify", "peer", n.called(a.Peer), "ledger", a.Origin.String(), "err", a.Err)
	}
}

// writer is who writes what comes of a ledger, all of it. What rights depend on has
// the first.
func (n *Node) writer(o ledger.Origin) *worker {
	if o.Kind != ledger.ReportLog {
		return n.write[0]
	}
	return n.write[n.cfg.Store.Lane(o)]
}

func (n *Node) queue(w *worker, u urgency, a replica.Action) bool {
	ok := w.add(u, a)
	if !ok {
		n.troubles.log(n.cfg.Log, "the disk does not keep up with what others send and want")
	}
	return ok
}

func (n *Node) send(id replica.LinkID, s replica.Scope, to replica.Peer, m replica.Message) {
	err := n.links[id].Send(s, to, m)
	if err != nil && !errors.Is(err, link.ErrDown) { // what is down announces anew when it is up
		n.troubles.log(n.cfg.Log, "a message was not sent", "link", n.cfg.Links[id].Name, "err", err)
	}
}

// answer does what needs the store to be read. It runs on a worker's goroutine.
func (n *Node) answer(jobs []job) {
	for _, j := range jobs {
		var o ledger.Origin
		var err error
		switch j := j.(type) {
		case replica.SendHead:
			o, err = j.Origin, n.sendHead(j)
		case replica.SendHeld:
			o, err = j.Head.Origin, n.sendHeld(j)
		case replica.SendGive:
			o, err = j.Origin, n.sendGive(j)
		case replica.Compare:
			o, err = j.Head.Origin, n.compare(j.Head)
		}
		if err != nil {
			n.troubles.log(n.cfg.Log, "a ledger cannot be shown to others", "ledger", o.String(), "err", err)
		}
	}
}

// sendHead broadcasts the newest head, and what follows TailFrom if it is little.
func (n *Node) sendHead(a replica.SendHead) error {
	i, err := n.cfg.Store.Ledger(a.Origin)
	if err != nil {
		return err
	}
	m := replica.Head{Author: i.Author, Note: i.Note, From: i.Size}
	if missing := i.Size - a.TailFrom; missing > 0 && missing <= replica.MaxTail/minEntry {
		tail, err := n.tail(i, a.TailFrom)
		if err != nil {
			return err
		}
		if tail != nil {
			m.From, m.Tail = a.TailFrom, tail
		}
	}
	n.send(a.Link, a.Scope, replica.Peer{}, m)
	return nil
}

const (
	// minEntry is less than the shortest entry has, encoded, in bytes.
	minEntry = 32
	// entryHead is what an entry has encoded beside its leaf and its body at most:
	// salt, time and the heads of CBOR's items.
	entryHead = 48
)

// tail is the end of a ledger, nil if it is longer than a head carries.
func (n *Node) tail(i store.Info, from int64) (tail []ledger.Entry, err error) {
	size := 0
	for e, err := range n.cfg.Store.Entries(i, from, i.Size) {
		if err != nil {
			return nil, err
		}
		if size += len(e.Leaf) + len(e.Body) + entryHead; size > replica.MaxTail {
			return nil, nil
		}
		tail = append(tail, e)
	}
	if int64(len(tail)) != i.Size-from {
		return nil, ledger.ErrTruncated
	}
	return tail, nil
}

// sendHeld broadcasts that the ledger is held, and witnessed: one history of it
// is stored here, and the store takes in no other.
func (n *Node) sendHeld(a replica.SendHeld) error {
	if n.cfg.Hold == nil {
		return nil
	}
	now := uint64(max(0, n.cfg.Now().Unix()))
	signed, err := bare(a.Head.Note)
	if err == nil {
		signed, err = ledger.Cosign(signed, ledger.RoleHold, n.cfg.Hold, now)
	}
	if err == nil && a.Witness && n.cfg.Witness != nil {
		signed, err = ledger.Cosign(signed, ledger.RoleWitness, n.cfg.Witness, now)
	}
	if err != nil {
		return err
	}
	n.send(a.Link, a.Scope, replica.Peer{}, replica.Held{Author: a.Head.Author, Note: signed})
	return nil
}

// bare is a head's note with its first signature alone, the author's: what else
// somebody hung on it leaves no room for ours.
func bare(signed []byte) ([]byte, error) {
	parsed, err := note.Open(signed, note.VerifierList())
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		parsed = unverified.Note
	} else if err != nil {
		return nil, err
	}
	origin, err := ledger.ParseCheckpoint(parsed.Text)
	if err != nil {
		return nil, err
	}
	author := authorName(origin.Origin.Author)
	parsed.UnverifiedSigs = slices.DeleteFunc(parsed.UnverifiedSigs, func(s note.Signature) bool { return s.Name != author })
	return note.Sign(parsed)
}

// authorName is how an author's signatures under a note are called; see
// ledger.RoleAuthor.
func authorName(id ledger.KeyID) string {
	return "tombolo/v1/" + string(ledger.RoleAuthor) + "/" + id.String()
}

// sendGive sends a few stretches; whoever wants more asks again.
func (n *Node) sendGive(a replica.SendGive) error {
	i, err := n.cfg.Store.Ledger(a.Origin)
	if err != nil {
		return err
	}
	for from, sent := a.From, 0; sent < replica.GiveMessages; sent++ {
		s, err := n.cfg.Store.Stretch(i, from, replica.MaxGive)
		if err != nil {
			return err
		}
		n.send(a.Link, a.Scope, a.To, replica.Give{Author: i.Author, Note: i.Note, From: s.From, Entries: s.Entries, Proof: s.Proof})
		if from = s.From + int64(len(s.Entries)); from >= i.Size {
			break
		}
	}
	return nil
}

func (n *Node) compare(h ledger.Head) error {
	fork, err := n.cfg.Store.Compare(h)
	if err == nil && fork != nil {
		n.write[0].add(first, replica.StoreFork{Fork: *fork})
	}
	return err
}
