package peer

import (
	"context"
	"sync"

	"tombolo/sync/link"
	"tombolo/sync/replica"
)

const (
	// answerers is how many questions are answered at a time.
	answerers = 2
	// askedMost bounds the questions that wait for an answer, askedBytes what they
	// take.
	askedMost  = 1024
	askedBytes = 8 << 20
	// askedEach bounds one peer's, those included that are being answered; peers
	// without rights have as much together.
	askedEach = 4
)

// asked is a question from a peer.
type asked struct {
	from replica.Peer
	by   replica.Peer // on whose account; zero for peers without rights
	id   uint64
	body []byte
	over replica.LinkID
}

// answering are the questions that others put here: peers take turns, each with its
// oldest.
type answering struct {
	wake chan struct{}

	mu    sync.Mutex
	of    map[replica.Peer][]asked // under mu: those that wait, by account
	turns []replica.Peer           // under mu: the accounts in of, the next one first
	work  map[replica.Peer]int     // under mu: how many are being answered, by account
	n     int                      // under mu: that wait
	bytes int                      // under mu: of them
}

func newAnswering() *answering {
	return &answering{wake: make(chan struct{}, answerers), of: map[replica.Peer][]asked{}, work: map[replica.Peer]int{}}
}

// add queues a question unless there are enough, or the same one waits already.
func (q *answering) add(a asked) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	mine := q.of[a.by]
	for _, x := range mine {
		if x.from == a.from && x.id == a.id {
			return true
		}
	}
	if q.n >= askedMost || q.bytes+len(a.body) > askedBytes || len(mine)+q.work[a.by] >= askedEach {
		return false
	}
	if len(mine) == 0 {
		q.turns = append(q.turns, a.by)
	}
	q.of[a.by] = append(mine, a)
	q.n++
	q.bytes += len(a.body)
	signal(q.wake)
	return true
}

// take takes the next question, if there is one.
func (q *answering) take() (asked, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.n == 0 {
		return asked{}, false
	}
	by := q.turns[0]
	q.turns = q.turns[1:]
	a := q.of[by][0]
	if rest := q.of[by][1:]; len(rest) > 0 {
		q.of[by] = rest
		q.turns = append(q.turns, by)
	} else {
		delete(q.of, by)
	}
	q.n--
	q.bytes -= len(a.body)
	q.work[by]++
	return a, true
}

// done notes that a question was answered, or will not be.
func (q *answering) done(a asked) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.work[a.by]--; q.work[a.by] == 0 {
		delete(q.work, a.by)
	}
}

// hearAsk queues what a peer asks, if anything is answered here at all.
func (n *Node) hearAsk(e link.Asked) {
	if n.cfg.Answer == nil || e.From == n.cfg.Self {
		return
	}
	a := asked{from: e.From, id: e.Ask.ID, body: e.Ask.Body, over: e.Link}
	n.mu.Lock()
	author, known := n.rights.Authors[e.From]
	n.mu.Unlock()
	switch {
	case author.Removed:
		return
	case known:
		a.by = e.From
	}
	if !n.asked.add(a) {
		n.troubles.log(n.cfg.Log, "a peer asks more than is answered at a time", "peer", n.called(e.From))
	}
}

// answerAll answers until ctx ends.
func (n *Node) answerAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-n.asked.wake:
		}
		for a, ok := n.asked.take(); ok && ctx.Err() == nil; a, ok = n.asked.take() {
			n.answerOne(ctx, a)
		}
	}
}

func (n *Node) answerOne(ctx context.Context, a asked) {
	defer n.asked.done(a)
	body := n.cfg.Answer(ctx, a.from, a.body)
	if len(body) == 0 {
		return
	}
	if err := n.links[a.over].Answer(a.from, link.Answer{ID: a.id, Body: body}); err != nil {
		n.troubles.log(n.cfg.Log, "an answer was not sent", "to", n.called(a.from), "link", n.cfg.Links[a.over].Name, "err", err)
	}
}
