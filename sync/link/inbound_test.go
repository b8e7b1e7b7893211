package link

import (
	"context"
	"math/rand/v2"
	"testing"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

func upQueue() (*inbound, *counters) {
	c := new(counters)
	q := newInbound(7, c)
	q.up([]replica.Scope{replica.All})
	return q, c
}

func message(from byte, t Type, size int) incoming {
	return incoming{event: Received{Link: 7, From: replica.Peer{from}, Message: replica.Proof{Evidence: []byte{byte(t), byte(size)}}}, from: replica.Peer{from}, typ: t, size: size}
}

func kinds(q *inbound) (all []Type) {
	for e := q.take(); e != nil; e = q.take() {
		switch e := e.(type) {
		case Received:
			all = append(all, Type(e.Message.(replica.Proof).Evidence[0]))
		case PeerUp:
			all = append(all, TypeBirth)
		case PeerDown:
			all = append(all, TypeGone)
		}
	}
	return all
}

func TestEventOrder(t *testing.T) {
	t.Parallel()
	c := new(counters)
	q := newInbound(7, c)
	q.push(message(1, TypeHead, 10), rankNews) // retained, while the link subscribes
	if e := q.take(); e != nil {
		t.Fatalf("%T before Up", e)
	}
	q.up(nil)
	q.push(message(1, TypeGive, 10), rankGive)
	q.there(replica.Peer{1}, PeerUp{Peer: replica.Peer{1}})
	q.there(replica.Peer{1}, PeerDown{Peer: replica.Peer{1}}) // the newest state is told
	q.push(message(1, TypeWant, 10), rankSmall)
	if _, ok := q.take().(Up); !ok {
		t.Fatal("Up is not first")
	}
	got := kinds(q)
	want := []Type{TypeGone, TypeHead, TypeWant, TypeGive}
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] {
			t.Fatalf("%v, want %v", got, want)
		}
	}
}

func TestStatesAreTold(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		steps string // u up, d down, x a failed attempt, t the host takes one
		want  string
	}{
		"up":                        {"utt", "u"},
		"up and down":               {"utdt", "ud"},
		"down before it was told":   {"ud", ""},
		"failed attempts":           {"xxx", ""},
		"back before it was told":   {"utdu", "udu"},
		"again and again":           {"utdududu", "udu"},
		"gone while nobody listens": {"utdudud", "ud"},
	} {
		q := newInbound(7, new(counters))
		got := ""
		take := func() bool {
			e := q.take()
			switch e.(type) {
			case Up:
				got += "u"
			case Down:
				got += "d"
			}
			return e != nil
		}
		for _, s := range c.steps {
			switch s {
			case 'u':
				q.up(nil)
			case 'd', 'x':
				q.push(message(1, TypeHead, 1), rankNews)
				q.down(context.Canceled, s == 'd')
			case 't':
				take()
			}
			if len(q.states) > 2 {
				t.Errorf("%s: %d states wait", name, len(q.states))
			}
		}
		for take() {
		}
		if got != c.want {
			t.Errorf("%s: told %q, want %q", name, got, c.want)
		}
		if q.n != 0 || q.bytes != 0 || len(q.of) != 0 {
			t.Errorf("%s: %d messages outlive their connection", name, q.n)
		}
	}
}

// TestFullQueue holds what makes room for what.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	q, c := upQueue()
	q.take()
	for i := range maxIn + maxIn/2 {
		typ, r := TypeGive, rankGive
		if i%2 == 0 {
			typ, r = TypeHead, rankDoors
		}
		q.push(message(byte(i/4), typ, 100), r)
	}
	if q.n != maxIn {
		t.Fatalf("%d wait", q.n)
	}
	doors := len(q.queues[rankDoors])
	q.push(message(1, TypeHead, 100), rankNews)
	if len(q.queues[rankNews]) != 1 || len(q.queues[rankDoors]) != doors || q.n != maxIn {
		t.Error("news did not take a give's place")
	}
	for len(q.queues[rankGive]) > 0 {
		q.push(message(2, TypeHeld, 100), rankSmall)
	}
	q.push(message(3, TypeHead, 100), rankNews)
	if len(q.queues[rankDoors]) != doors-1 {
		t.Error("news did not take a door log's place")
	}
	before := c.stats().DroppedIn[TypeGive]
	q.push(message(4, TypeGive, 100), rankGive)
	if c.stats().DroppedIn[TypeGive] != before+1 || q.n != maxIn {
		t.Error("a give found room")
	}
	// And by bytes.
	q, _ = upQueue()
	for i := range 1000 {
		q.push(message(byte(i), TypeGive, MaxPayload), rankGive)
		if q.bytes > maxInBytes {
			t.Fatalf("%d bytes wait", q.bytes)
		}
	}
}

// TestOneSenderLeavesRoom floods from one peer.
func TestOneSenderLeavesRoom(t *testing.T) {
	t.Parallel()
	q, c := upQueue()
	for range 2 * maxIn {
		q.push(message(1, TypeHead, 10), rankNews)
	}
	for range 100 {
		q.push(message(1, TypeGive, MaxPayload), rankGive)
	}
	if q.n != maxInSender {
		t.Errorf("%d of one sender wait", q.n)
	}
	q.push(message(2, TypeGive, 10), rankGive)
	if q.n != maxInSender+1 || c.stats().DroppedIn[TypeHead] != 2*maxIn-maxInSender {
		t.Errorf("%d wait; %v", q.n, c.stats().DroppedIn)
	}
	// Among so much news the give's turn comes soon all the same.
	q.take() // Up
	for i := 0; ; i++ {
		if e, _ := q.take().(Received); e.From == (replica.Peer{2}) {
			break
		} else if i > 4 {
			t.Fatal("the give waits behind all news")
		}
	}
}

// TestSharesAddUp does what may happen at random and counts after each step.
func TestSharesAddUp(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 2))
	q, _ := upQueue()
	for range 20_000 {
		switch r.IntN(20) {
		case 0, 1, 2, 3, 4, 5:
			q.take()
		case 6:
			if r.IntN(100) == 0 {
				q.down(nil, true)
				q.up(nil)
			}
		default:
			q.push(message(byte(r.IntN(4)), TypeHead, r.IntN(20_000)), rank(r.IntN(int(ranks))))
		}
	}
	n, bytes, of := 0, 0, map[replica.Peer]share{}
	for _, queue := range q.queues {
		for _, m := range queue {
			n, bytes = n+1, bytes+m.size
			s := of[m.from]
			of[m.from] = share{s.n + 1, s.bytes + m.size}
		}
	}
	if n != q.n || bytes != q.bytes || len(of) != len(q.of) || n > maxIn || bytes > maxInBytes {
		t.Errorf("seed %d: %d messages of %d bytes by %d, counted %d, %d, %d", seed, n, bytes, len(of), q.n, q.bytes, len(q.of))
	}
	for p, s := range of {
		if *q.of[p] != s {
			t.Errorf("seed %d: %v has %+v, counted %+v", seed, p, s, *q.of[p])
		}
	}
}

// TestHeadsOutliveTheirTails: a hub that comes up is given the heads of thousands
// of reports at once. Beyond what may wait their tails go, and no head does.
func TestHeadsOutliveTheirTails(t *testing.T) {
	t.Parallel()
	q, c := upQueue()
	const heads = 10_000
	l := newLog("a gateway", ledger.ReportLog)
	h := l.append(t, 1, 7000)
	for i := range heads {
		m := incoming{event: Received{From: replica.Peer{byte(i), byte(i >> 8)}, Message: h}, from: replica.Peer{byte(i), byte(i >> 8)}, typ: TypeHead, size: len(must(encodeMessage(h)))}
		q.push(m, rankOf(TypeHead, l.origin))
	}
	if q.bytes > maxInBytes {
		t.Errorf("%d bytes wait", q.bytes)
	}
	whole, bare := 0, 0
	for e := q.take(); e != nil; e = q.take() {
		r, ok := e.(Received)
		if !ok {
			continue
		}
		switch got := r.Message.(replica.Head); {
		case len(got.Tail) == 1 && got.From == 0:
			whole++
		case len(got.Tail) == 0 && got.From == 1 && string(got.Note) == string(h.Note):
			bare++
		}
	}
	if whole < maxInBytes/tailShare/8000 || whole+bare != heads || q.bytes != 0 {
		t.Errorf("%d whole and %d bare of %d, %d bytes are left; dropped %v", whole, bare, heads, q.bytes, c.droppedIn)
	}
}
