package replica

import (
	"bytes"
	"cmp"
	"math"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// book is what is known of one ledger.
type book struct {
	origin  ledger.Origin
	scope   Scope
	rank    int // lower goes first
	own     bool
	author  Author // by the rights in force
	allowed bool   // its author may write it, so it is taken, given and acknowledged
	limit   int64  // nothing is taken any more once so many entries are held

	head   ledger.Head // whole and durable; of Size 0 if there is none
	edge   ledger.Tree // durable
	ahead  ledger.Tree // the edge, and behind it what the store was handed
	flying []int64     // sizes that the store has not confirmed yet, ascending
	proved ledger.Head // what the edge beyond head was proved against; of Size 0 if that is not known

	shorter ledger.Head   // the best that was heard and ends within the part beyond head; of Size 0 if there is none
	partAt  time.Duration // when the part gives way to it

	newest  ledger.Head // the best that was heard and is not held; of Size 0 if there is none
	needy   bool        // it is among the replica's needy
	since   time.Time   // when there began to be one
	givers  []giver
	want    want          // under way
	retry   time.Duration // not asked before
	rounds  int           // in vain, over all givers, since the last progress
	anyone  bool          // in this round somebody was asked who had not announced it
	misfits int           // since the last progress
	doubted time.Duration // when its author's history was last put in doubt
	refused error         // what the store said last, nil if it took all
	barred  error         // why nothing is taken, whoever gives it

	forked   bool
	evidence []byte        // marshalled
	accused  time.Duration // when evidence was last handed to the host
	agreed   [16]mark      // heads that need not be compared
	nextMark int
	compares bucket

	due  time.Duration // when something of it is, or earlier; 0: nothing is, and it is not on the agenda
	seat int           // on the agenda

	shown       []shown       // by the index of the link
	ackAt       time.Duration // when to acknowledge or to witness
	ackLast     time.Duration
	ackSize     int64
	ackPause    time.Duration
	witnessLast time.Duration
	witnessSize int64
}

// mark is a head, for short.
type mark struct {
	size int64
	root tlog.Hash
}

const ranks = 5

func rankOf(k ledger.LogKind) int {
	switch k {
	case ledger.CommunityLog: // revocations
		return 0
	case ledger.NodeLog:
		return 1
	case ledger.DirectoryLog:
		return 2
	case ledger.CensusLog:
		return 3
	}
	return ranks - 1 // what gateways write, each for itself
}

func compareOrigins(a, b ledger.Origin) int {
	return cmp.Or(cmp.Compare(rankOf(a.Kind), rankOf(b.Kind)), a.Compare(b))
}

func (r *Replica) place(o ledger.Origin) int {
	i, _ := slices.BinarySearchFunc(r.order, o, func(b *book, o ledger.Origin) int { return compareOrigins(b.origin, o) })
	return i
}

// track finds the book of a ledger that the host stores, or makes it.
func (r *Replica) track(o ledger.Origin) *book {
	if b := r.books[o]; b != nil {
		return b
	}
	b := &book{origin: o, scope: ScopeOf(o.Kind), rank: rankOf(o.Kind), own: r.cfg.writes(o.Author)}
	b.entitled(&r.rights)
	r.books[o] = b
	r.order = slices.Insert(r.order, r.place(o), b)
	r.heardOf[o.Author]++
	r.count(o, 1)
	return b
}

// series is all that one author writes of one kind, or all of a kind when no
// author is named.
type series struct {
	kind   ledger.LogKind
	author ledger.KeyID
}

func (r *Replica) count(o ledger.Origin, n int) {
	for _, s := range []series{{o.Kind, o.Author}, {kind: o.Kind}} {
		if r.tracked[s] += n; r.tracked[s] == 0 {
			delete(r.tracked, s)
		}
	}
}

// crowded reports whether there is no room for one more ledger of its kind: door
// logs without end keep no revocation out, nor one gateway's the others'.
func (r *Replica) crowded(o ledger.Origin) bool {
	most := r.cfg.Ledgers
	switch o.Kind {
	case ledger.DoorLog:
		most = max(1, r.cfg.Ledgers/4)
	case ledger.ReportLog: // one for each time that its author lost its disk
		most = max(1, min(r.cfg.Ledgers/4, r.cfg.LedgersPerAuthor))
	}
	return r.tracked[series{kind: o.Kind}] >= r.cfg.Ledgers || r.tracked[series{o.Kind, o.Author}] >= most
}

// trackHeard is track for a ledger that somebody else speaks of: nil if there
// are too many.
func (r *Replica) trackHeard(o ledger.Origin) *book {
	if r.books[o] == nil && (r.heardOf[o.Author] >= r.cfg.LedgersPerAuthor || r.crowded(o)) {
		r.counts.Throttled++
		return nil
	}
	return r.track(o)
}

func (r *Replica) dropBook(b *book) {
	r.release(b)
	r.sated(b)
	r.unplan(b)
	r.flying -= len(b.flying)
	r.eager = true
	delete(r.books, b.origin)
	r.order = slices.Delete(r.order, r.place(b.origin), r.place(b.origin)+1)
	r.count(b.origin, -1)
	if !b.stored() {
		r.unheard(b)
	}
}

// unheard counts one ledger less that is only announced.
func (r *Replica) unheard(b *book) {
	if r.heardOf[b.origin.Author]--; r.heardOf[b.origin.Author] == 0 {
		delete(r.heardOf, b.origin.Author)
	}
}

// entitled looks the author up.
func (b *book) entitled(r *Rights) {
	b.author, b.allowed = r.author(b.origin)
	b.limit, b.barred = math.MaxInt64, nil
	if b.author.Removed {
		b.allowed = false
	}
	if b.author.Retired {
		counted, ok := b.author.Counted[b.origin.Incarnation]
		b.limit, b.allowed = counted, b.allowed && ok
	}
}

func (b *book) stored() bool { return b.edge.Size() > 0 || b.head.Size > 0 }

// takes reports whether more of the ledger is taken.
func (b *book) takes() bool {
	return b.allowed && b.barred == nil && (!b.forked || b.author.Retired) && b.head.Size < b.limit
}

// shows reports whether the ledger is announced, given and acknowledged.
func (b *book) shows() bool {
	return b.allowed && (!b.forked || b.author.Retired) && b.head.Size > 0
}

// better reports whether a head is worth more than another that is not held
// either. Of a retired author's heads the one that reaches what counts with the
// least beyond it is the best.
func (r *Replica) better(b *book, h, than ledger.Head) bool {
	if h.Size == than.Size {
		return newer(h.Fresh(), than.Fresh(), r.now)
	}
	enough, other := h.Size >= b.limit, than.Size >= b.limit
	if enough != other {
		return enough
	}
	return enough == (h.Size < than.Size)
}

const (
	maxAhead = 24 * 3600  // seconds
	epoch    = 1767225600 // 2026-01-01: a clock that shows less is not set and judges nobody
)

// newer compares the dates of two heads of one size, in Unix seconds, as the
// store does: one that is dated to a time to come is no news, and gives way to
// any other.
func newer(offered, held uint64, now time.Time) bool {
	date := func(t uint64) int64 { return int64(min(t, math.MaxInt64-maxAhead)) }
	if most := now.Unix() + maxAhead; now.Unix() >= epoch {
		switch {
		case date(offered) > most:
			return false
		case date(held) > most:
			return true
		}
	}
	return offered > held
}

// hold notes how far a ledger is stored.
func (r *Replica) hold(l Ledger) *book {
	b := r.track(l.Head.Origin)
	was := b.stored()
	b.head, b.edge = r.dated(b, l.Head), l.Edge
	switch now := b.stored(); {
	case now && !was:
		r.unheard(b)
	case was && !now:
		r.heardOf[b.origin.Author]++
	}
	flew := len(b.flying)
	b.flying = slices.DeleteFunc(b.flying, func(size int64) bool { return size <= b.edge.Size() })
	if len(b.flying) == 0 || b.ahead.Size() < b.edge.Size() {
		b.ahead, b.flying = b.edge, nil
	}
	r.flying += len(b.flying) - flew
	if b.head.Size == b.edge.Size() && len(b.flying) == 0 {
		b.proved = ledger.Head{}
	}
	b.agree(b.head)
	if b.newest.Size < b.head.Size || b.newest.Size == b.head.Size && !newer(b.newest.Fresh(), b.head.Fresh(), r.now) || !b.takes() {
		b.newest = ledger.Head{}
	}
	b.givers = slices.DeleteFunc(b.givers, func(g giver) bool { return g.size <= b.head.Size })
	return b
}

// dated is a stored head with the heartbeats' signatures, which the store does
// not look for.
func (r *Replica) dated(b *book, h ledger.Head) ledger.Head {
	if h.Size == 0 || len(h.Others) > 0 || len(r.rights.Heartbeats) == 0 {
		return h
	}
	if same, ok := b.remembers(h.Note); ok {
		return same
	}
	if again, err := ledger.OpenHead(h.Note, h.Author, r.rights.Heartbeats...); err == nil {
		return again
	}
	return h
}

// remembers finds a head that was verified before by its note.
func (b *book) remembers(note []byte) (ledger.Head, bool) {
	for _, h := range []*ledger.Head{&b.head, &b.newest, &b.proved} {
		if h.Size > 0 && bytes.Equal(h.Note, note) {
			return *h, true
		}
	}
	return ledger.Head{}, false
}

func (r *Replica) stored(l Ledger) {
	before := ledger.Head{}
	if b := r.books[l.Head.Origin]; b != nil {
		before = b.head
	}
	b := r.hold(l)
	b.refused = nil
	if b.head.Size != before.Size || !bytes.Equal(b.head.Note, before.Note) {
		r.grown(b)
	}
	r.need(b)
}

func (r *Replica) notStored(e NotStored) {
	b := r.books[e.Origin]
	if b == nil {
		return
	}
	if len(b.flying) > 0 { // otherwise it failed with the one before it
		b.rounds++
	}
	was := b.stored()
	r.flying -= len(b.flying)
	b.edge, b.ahead, b.flying, b.proved = e.Edge, e.Edge, nil, ledger.Head{}
	if was && !b.stored() { // the part was let go of
		r.heardOf[b.origin.Author]++
	}
	b.refused = e.Err
	b.retry = r.dueWant(r.clock + backoff(b.rounds))
	if isAt(e.Err) { // what was given verified as far as it went, and is not whole
		r.blame(e.Giver, b.origin, e.Err)
		b.tried(e.Giver)
	}
	r.release(b)
	r.need(b)
}

// agree remembers a head that fits what is held.
func (b *book) agree(h ledger.Head) {
	if h.Size > 0 && !b.agrees(h) {
		b.agreed[b.nextMark] = mark{h.Size, h.Root}
		b.nextMark = (b.nextMark + 1) % len(b.agreed)
	}
}

func (b *book) agrees(h ledger.Head) bool { return slices.Contains(b.agreed[:], mark{h.Size, h.Root}) }
