package link

import (
	"errors"
	"testing"

	"pgregory.net/rapid"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

func opened(tb failer) *Link {
	tb.Helper()
	l, err := Open(config("a gateway", "tcp://127.0.0.1"), make(chan Event))
	if err != nil {
		tb.Fatal(err)
	}
	l.out.open()
	return l
}

// drain takes all that waits, in order.
func drain(l *Link) (all []replica.Message) {
	for m := l.out.take(); m != nil; m = l.out.take() {
		all = append(all, m.message.(replica.Message))
	}
	return all
}

func TestSendOrder(t *testing.T) {
	t.Parallel()
	l := opened(t)
	doors := newLog("a gateway", ledger.DoorLog)
	h := doors.append(t, 1, 50)
	c, _ := charter(t, ledger.CommunityCharter)
	send := func(scope replica.Scope, to replica.Peer, m replica.Message) {
		t.Helper()
		if err := l.Send(scope, to, m); err != nil {
			t.Fatal(err)
		}
	}
	send(replica.Node, peerOf("a desk"), doors.give(h, 0))
	send(replica.Node, peerOf("a desk"), replica.Want{Origin: doors.origin})
	send(replica.Node, replica.Peer{}, replica.Held{Author: h.Author, Note: h.Note})
	send(replica.Node, replica.Peer{}, h)
	send(replica.All, replica.Peer{}, fork(t, "an issuer"))
	send(replica.All, replica.Peer{}, c)
	if n := l.Stats().Waiting; n != 6 {
		t.Errorf("%d wait", n)
	}
	want := []Type{TypeHead, TypeProof, TypeCharter, TypeWant, TypeHeld, TypeGive}
	for i, m := range drain(l) {
		typ, err := peek(must(encodeMessage(m)))
		if err != nil || typ != want[i] {
			t.Errorf("%d: %v, want %v", i, typ, want[i])
		}
	}
	if l.out.n != 0 || l.out.bytes != 0 || len(l.out.same) != 0 {
		t.Errorf("left over: %d, %d bytes, %d topics", l.out.n, l.out.bytes, len(l.out.same))
	}
}

func TestSendRefuses(t *testing.T) {
	t.Parallel()
	l := opened(t)
	doors := newLog("a gateway", ledger.DoorLog)
	h := doors.append(t, 1, 50)
	node, _ := charter(t, ledger.NodeCharter)
	elsewhere := newLog("a gateway", ledger.DoorLog)
	elsewhere.origin.Community = testNode
	hub := opened(t)
	hub.cfg.Scopes, hub.cfg.Node = []replica.Scope{replica.All}, ledger.CharterID{}
	for name, c := range map[string]struct {
		l     *Link
		scope replica.Scope
		to    replica.Peer
		m     replica.Message
		want  error
	}{
		"a scope that it does not carry": {hub, replica.Node, replica.Peer{}, h, ErrScope},
		"another community's ledger":     {l, replica.Node, replica.Peer{}, elsewhere.append(t, 1, 1), ErrScope},
		"a want to nobody":               {l, replica.Node, replica.Peer{}, replica.Want{Origin: doors.origin}, ErrMessage},
		"a give to nobody":               {l, replica.Node, replica.Peer{}, doors.give(h, 0), ErrMessage},
		"a head without a note":          {l, replica.Node, replica.Peer{}, replica.Head{Author: h.Author}, ErrMessage},
		"a note that is none":            {l, replica.Node, replica.Peer{}, replica.Held{Author: h.Author, Note: []byte("a\n\nb\n")}, ErrMessage},
		"evidence of nothing":            {l, replica.All, replica.Peer{}, replica.Proof{Evidence: []byte{1}}, ledger.ErrFork},
		"a charter that is none":         {l, replica.All, replica.Peer{}, replica.Charter{Signed: []byte{1}}, ledger.ErrCharter},
		"no message":                     {l, replica.All, replica.Peer{}, nil, ErrMessage},
	} {
		if err := c.l.Send(c.scope, c.to, c.m); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
	if err := l.Send(replica.All, replica.Peer{}, node); err != nil {
		t.Errorf("a node's charter in the community: %v", err)
	}
	l.out.close()
	if err := l.Send(replica.Node, replica.Peer{}, h); !errors.Is(err, ErrDown) {
		t.Errorf("down: %v", err)
	}
	if n := l.Stats().DroppedOut[TypeCharter]; n != 1 {
		t.Errorf("%d charters dropped with the connection", n)
	}
}

// TestNewestHeadIsSent holds that whoever held all before the first head that
// waited can use what is sent at last, or is given no tail at all.
func TestNewestHeadIsSent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l, log := opened(t), newLog("a gateway", ledger.DoorLog)
		log.append(t, rapid.IntRange(0, 3).Draw(t, "before"), 20)
		var newest replica.Head
		begins := int64(-1) // where the first that waited began
		for range rapid.IntRange(1, 8).Draw(t, "heads") {
			n := rapid.SampledFrom([]int{0, 1, 1, 1, 2, 30}).Draw(t, "n")
			newest = log.append(t, n, rapid.SampledFrom([]int{20, 200}).Draw(t, "body"))
			if rapid.Bool().Draw(t, "without tail") {
				newest.From, newest.Tail = int64(len(log.entries)), nil
			}
			if begins < 0 {
				begins = newest.From
			}
			if err := l.Send(replica.Node, replica.Peer{}, newest); err != nil {
				t.Fatal(err)
			}
		}
		all := drain(l)
		if len(all) != 1 {
			t.Fatalf("%d heads wait for one topic", len(all))
		}
		got := all[0].(replica.Head)
		if string(got.Note) != string(newest.Note) {
			t.Fatal("not the newest note")
		}
		size := int64(len(log.entries))
		if len(got.Tail) == 0 {
			return
		}
		if got.From > begins || runSize(got.Tail) > replica.MaxTail {
			t.Fatalf("the tail begins at %d, the first head's at %d; %d bytes", got.From, begins, runSize(got.Tail))
		}
		if got.From+int64(len(got.Tail)) != size {
			t.Fatalf("the tail ends at %d, not at %d", got.From+int64(len(got.Tail)), size)
		}
		for i, e := range got.Tail {
			if string(e.Leaf) != string(log.entries[got.From+int64(i)].Leaf) {
				t.Fatalf("entry %d is another's", got.From+int64(i))
			}
		}
	})
}

// TestNewHeadsMergeTails pins what the property leaves open.
func TestNewHeadsMergeTails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bodies []int // of one head each
		from   int64
		tail   int
	}{
		"one":        {[]int{20}, 0, 1},
		"contiguous": {[]int{20, 20, 20}, 0, 3},
		"too much":   {[]int{20, 5000, 5000, 20}, 4, 0},
	} {
		l, log := opened(t), newLog("a gateway", ledger.DoorLog)
		for _, n := range c.bodies {
			if err := l.Send(replica.Node, replica.Peer{}, log.append(t, 1, n)); err != nil {
				t.Fatal(err)
			}
		}
		if h := drain(l)[0].(replica.Head); h.From != c.from || len(h.Tail) != c.tail {
			t.Errorf("%s: tail of %d from %d, want %d from %d", name, len(h.Tail), h.From, c.tail, c.from)
		}
		if got := l.Stats().Replaced; got != uint64(len(c.bodies)-1) {
			t.Errorf("%s: %d replaced", name, got)
		}
	}
}

// TestSendIsBounded floods the queue: Gives are dropped first, and all of it
// stays within its bounds.
func TestSendIsBounded(t *testing.T) {
	t.Parallel()
	l, log := opened(t), newLog("a gateway", ledger.DoorLog)
	h := log.append(t, 20, 5000)
	full := 0
	for i := range 200 {
		if err := l.Send(replica.Node, replica.Peer{byte(i + 1)}, log.give(h, 0)); errors.Is(err, ErrFull) {
			full++
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if n := len(l.out.queues[bulk]); n != maxOutGives || full != 200-n {
		t.Errorf("%d gives wait, %d were refused", n, full)
	}
	var refused bool
	for i := range 2 * maxOut {
		log.origin.Incarnation = ledger.Incarnation{byte(i >> 8), byte(i)}
		err := l.Send(replica.Node, replica.Peer{}, replica.Held{Author: h.Author, Note: noteOf(log.origin, 1)})
		if err != nil && !errors.Is(err, ErrFull) {
			t.Fatal(err)
		}
		refused = refused || err != nil
		if l.out.n > maxOut || l.out.bytes > maxOutBytes {
			t.Fatalf("%d messages of %d bytes", l.out.n, l.out.bytes)
		}
	}
	if n := len(l.out.queues[bulk]); n != 0 || !refused {
		t.Errorf("%d gives stayed; something refused: %t", n, refused)
	}
	if d := l.Stats().DroppedOut; d[TypeGive] != 200 || d[TypeHeld] == 0 {
		t.Errorf("dropped: %v", d)
	}
}
