package peer

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"tombolo/sync/link"
	"tombolo/sync/replica"
)

var (
	// ErrNobody says that no link that leads to the hub is up.
	ErrNobody = errors.New("no link that leads to the hub is up")
	// ErrNoAnswer says that whoever was asked has not answered.
	ErrNoAnswer = errors.New("no answer")
	// ErrBody says that a question is empty, or longer than link.MaxBody.
	ErrBody = errors.New("a question has 1 to 65536 bytes")
)

// askAgain is how long an answer is awaited before the question is put again, over
// another link where there is one.
const askAgain = 3 * time.Second

// Ask asks a peer something and waits for its answer, at most link.MaxBody bytes
// each way. The question goes over one link that leads to the hub, and over the
// next one when no answer comes: so whoever answers may be asked the same twice,
// and an answer is not to depend on how often. Nothing vouches for what comes back
// but what is in it: a broker may forge the sender.
//
// It gives up with ctx. Errors: ErrNobody when no such link is up (try again
// later), ErrNoAnswer together with the context's, ErrBody. It may be called by
// any goroutine while Run runs.
func (n *Node) Ask(ctx context.Context, to replica.Peer, body []byte) ([]byte, error) {
	if len(body) == 0 || len(body) > link.MaxBody {
		return nil, fmt.Errorf("%w; this one has %d", ErrBody, len(body))
	}
	a := &asking{to: to, answer: make(chan []byte, 1)}
	id := n.asking.add(a)
	defer n.asking.remove(id)
	tick := time.NewTicker(askAgain)
	defer tick.Stop()
	for used := -1; ; {
		next, err := n.ask(to, link.Ask{ID: id, Body: body}, used)
		if err != nil {
			return nil, err
		}
		used = next
		select {
		case b := <-a.answer:
			return b, nil
		case <-tick.C:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w from %s: %w", ErrNoAnswer, n.called(to), ctx.Err())
		}
	}
}

// ask puts a question over the link after the one that was used last, among those
// that are up; one on which the peer was heard goes before one on which it was
// not. It returns the link's index.
func (n *Node) ask(to replica.Peer, q link.Ask, used int) (int, error) {
	n.mu.Lock()
	order := make([]int, 0, len(n.links))
	for i := range n.links {
		if slices.Contains(n.cfg.Links[i].Scopes, replica.Hub) {
			order = append(order, i)
		}
	}
	turn := func(i int) int { return (i - used - 1 + len(n.links)) % len(n.links) }
	away := func(i int) int {
		if n.present[presence{replica.LinkID(i), to}] {
			return 0
		}
		return 1
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(away(a), away(b)), cmp.Compare(turn(a), turn(b)))
	})
	if len(order) > 1 && order[0] == used { // it did not answer there
		order = append(order[1:], used)
	}
	n.mu.Unlock()
	err := error(ErrNobody)
	for _, i := range order {
		bad := n.links[i].Ask(to, q)
		if bad == nil {
			return i, nil
		}
		if !errors.Is(bad, link.ErrDown) {
			err = bad
		}
	}
	return used, err
}

// askings are the questions that wait for an answer.
type askings struct {
	mu sync.Mutex
	of map[uint64]*asking // under mu
}

type asking struct {
	to     replica.Peer
	answer chan []byte // takes one
}

// add gives a question an ID that nobody can guess.
func (q *askings) add(a *asking) uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.of == nil {
		q.of = map[uint64]*asking{}
	}
	for {
		var b [8]byte
		rand.Read(b[:])
		id := binary.BigEndian.Uint64(b[:])
		if q.of[id] == nil {
			q.of[id] = a
			return id
		}
	}
}

func (q *askings) remove(id uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.of, id)
}

// answered takes the first answer to a question by whom it was put to; any other
// is dropped.
func (q *askings) answered(e link.Answered) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if a := q.of[e.Answer.ID]; a != nil && a.to == e.From {
		delete(q.of, e.Answer.ID)
		a.answer <- e.Answer.Body
	}
}
