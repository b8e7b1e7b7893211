package peer_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/sync/link"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
)

// server is a participant that is on the isle's broker for all of the community.
func (i *isle) server(name string, also func(*peer.Config)) *participant {
	p := i.participant(name)
	p.also = func(c *peer.Config) {
		c.Links[0].Scopes = []replica.Scope{replica.All}
		c.Observer, c.Server = name == "hub", name == "hub"
		also(c)
	}
	return p
}

// echo answers with who asked and what.
func echo(_ context.Context, from replica.Peer, body []byte) []byte {
	return fmt.Appendf(nil, "%v asked %s", from, body)
}

func answering(f func(context.Context, replica.Peer, []byte) []byte) func(*peer.Config) {
	return func(c *peer.Config) { c.Answer = f }
}

func within(d time.Duration) context.Context {
	ctx, end := context.WithTimeout(context.Background(), d)
	time.AfterFunc(d+time.Second, end)
	return ctx
}

// TestAsk: many questions at a time, each with its own answer.
func TestAsk(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	i.server("evaluator", answering(echo)).run().up()
	gw := i.participant("gw1").run().up()
	var all sync.WaitGroup
	for n := range 40 {
		all.Go(func() {
			body := fmt.Appendf(nil, "question %d", n)
			// The answerer takes four of one peer's at a time: the rest is asked again.
			got, err := gw.node.Ask(within(60*time.Second), idOf("evaluator"), body)
			if want := echo(context.Background(), idOf("gw1"), body); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%q, %v, want %q", got, err, want)
			}
		})
		if n%4 == 3 {
			all.Wait()
		}
	}
	long := bytes.Repeat([]byte("x"), link.MaxBody-64)
	if got, err := gw.node.Ask(within(20*time.Second), idOf("evaluator"), long); err != nil || !bytes.HasSuffix(got, long) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestAskInVain(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	silent := i.server("evaluator", answering(func(context.Context, replica.Peer, []byte) []byte { return nil })).run().up()
	hub := i.server("hub", func(*peer.Config) {}).run().up() // answers nobody
	gw := i.participant("gw1").run()
	if _, err := gw.node.Ask(within(time.Second), idOf("evaluator"), []byte("x")); err != nil && !errors.Is(err, peer.ErrNobody) && !errors.Is(err, peer.ErrNoAnswer) {
		t.Errorf("while it connects: %v", err)
	}
	gw.up()
	for name, body := range map[string][]byte{"nothing": nil, "too much": make([]byte, link.MaxBody+1)} {
		if _, err := gw.node.Ask(within(time.Second), idOf("evaluator"), body); !errors.Is(err, peer.ErrBody) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, to := range map[string]string{"who does not answer": "evaluator", "who answers nobody": "hub", "who is not there": "gw2"} {
		if _, err := gw.node.Ask(within(100*time.Millisecond), idOf(to), []byte("x")); !errors.Is(err, peer.ErrNoAnswer) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Too long an answer is none.
	silent.stop()
	i.server("evaluator", answering(func(context.Context, replica.Peer, []byte) []byte { return make([]byte, link.MaxBody+1) })).run().up()
	if _, err := gw.node.Ask(within(200*time.Millisecond), idOf("evaluator"), []byte("x")); !errors.Is(err, peer.ErrNoAnswer) {
		t.Errorf("an answer that does not travel: %v", err)
	}
	hub.stop()
	i.broker.Close()
	eventually(t, 10*time.Second, func() error {
		if gw.node.Status().Links[0].Up {
			return errors.New("its link is up")
		}
		return nil
	})
	if _, err := gw.node.Ask(within(10*time.Second), idOf("evaluator"), []byte("x")); !errors.Is(err, peer.ErrNobody) {
		t.Errorf("without a link: %v", err)
	}
}

// TestAskOverAnotherLink: one link is down, one leads to where nobody answers, and
// one to whoever does.
func TestAskOverAnotherLink(t *testing.T) {
	t.Parallel()
	i, elsewhere := newIsle(t), newIsle(t)
	i.server("evaluator", answering(echo)).run().up()
	gw := i.participant("gw1")
	gw.also = func(c *peer.Config) {
		good := c.Links[0]
		good.Name, good.Scopes = "good", []replica.Scope{replica.All}
		dead, deaf := good, good
		dead.Name, dead.Broker = "dead", "tcp://127.0.0.1:1"
		deaf.Name, deaf.Broker = "deaf", "tcp://"+elsewhere.listen
		deaf.Login = func() (string, string) { return elsewhere.login("gw1") }
		// What leads into the node alone leads to no hub.
		inside := deaf
		inside.Name, inside.Scopes = "inside", []replica.Scope{replica.Node}
		c.Links = []link.Config{dead, inside, deaf, good}
	}
	gw.run()
	eventually(t, 20*time.Second, func() error {
		for _, l := range gw.node.Status().Links {
			if l.Up == (l.Name == "dead") {
				return fmt.Errorf("%s: up %t: %s", l.Name, l.Up, l.Error)
			}
			if hub := slices.Contains(l.Scopes, "hub"); hub == (l.Name == "inside") {
				return fmt.Errorf("%s carries %v", l.Name, l.Scopes)
			}
		}
		return nil
	})
	if got, err := gw.node.Ask(within(20*time.Second), idOf("evaluator"), []byte("x")); err != nil || !bytes.HasSuffix(got, []byte("asked x")) {
		t.Errorf("%q, %v", got, err)
	}
	if n := gw.node.Status().Links[1].Stats.Sent[link.TypeAsk].Messages; n != 0 {
		t.Errorf("%d questions within the node", n)
	}
}

// TestFloodOfAsks: one peer asks without end, and whoever else asks is answered
// meanwhile.
func TestFloodOfAsks(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	var mu sync.Mutex
	work, most := map[replica.Peer]int{}, 0
	i.server("evaluator", answering(func(ctx context.Context, from replica.Peer, body []byte) []byte {
		mu.Lock()
		work[from]++
		at := 0
		for _, n := range work {
			at += n
		}
		most = max(most, at)
		mu.Unlock()
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
		}
		mu.Lock()
		work[from]--
		mu.Unlock()
		return echo(ctx, from, body)
	})).run().up()
	gw := i.participant("gw1").run().up()
	bad := i.talker("gw3")
	flooding := make(chan struct{})
	var sent atomic.Uint64
	go func() {
		for id := uint64(0); ; id++ {
			select {
			case <-flooding:
				return
			default:
			}
			if bad.Ask(idOf("evaluator"), link.Ask{ID: id, Body: []byte("again")}) == nil {
				sent.Add(1)
			} else {
				time.Sleep(time.Millisecond)
			}
		}
	}()
	defer close(flooding)
	eventually(t, 10*time.Second, func() error {
		if n := sent.Load(); n < 1000 {
			return fmt.Errorf("%d sent", n)
		}
		return nil
	})
	for n := range 10 {
		begun := time.Now()
		if _, err := gw.node.Ask(within(10*time.Second), idOf("evaluator"), []byte("x")); err != nil {
			t.Fatalf("%d: %v", n, err)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("answered after %v", took)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if most > 2 {
		t.Errorf("%d are answered at a time", most)
	}
}

// talker is a link whose events the test reads, and says what it likes.
type talker struct {
	*link.Link
	t      *testing.T
	events chan link.Event
}

func (i *isle) talker(name string) *talker {
	k := &talker{t: i.t, events: make(chan link.Event, 10_000)}
	k.Link = must(link.Open(link.Config{
		Name: "talker", Broker: "tcp://" + i.listen, Community: i.communityID(), Node: i.nodeID(),
		Scopes: []replica.Scope{replica.All, replica.Hub}, Self: idOf(name), SelfName: name, Software: "test",
		Login: func() (string, string) { return i.login(name) },
	}, k.events))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	i.t.Cleanup(func() { cancel(); <-done })
	awaitEvent[link.Up](k)
	return k
}

func awaitEvent[E link.Event](k *talker) E {
	k.t.Helper()
	for {
		select {
		case e := <-k.events:
			if x, ok := e.(E); ok {
				return x
			}
		case <-time.After(10 * time.Second):
			k.t.Fatal("nothing comes")
		}
	}
}

// TestAnswersNobodyAskedFor: only the one that was asked answers, once, in time, by
// the question's name.
func TestAnswersNobodyAskedFor(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	evaluator, bad := i.talker("evaluator"), i.talker("gw3")
	gw := i.participant("gw1").run().up()
	self := idOf("gw1")
	say := func(k *talker, id uint64, body string) {
		t.Helper()
		if err := k.Answer(self, link.Answer{ID: id, Body: []byte(body)}); err != nil {
			t.Fatal(err)
		}
	}
	type result struct {
		body []byte
		err  error
	}
	ask := func(body string, d time.Duration) chan result {
		c := make(chan result, 1)
		go func() {
			b, err := gw.node.Ask(within(d), idOf("evaluator"), []byte(body))
			c <- result{b, err}
		}()
		return c
	}
	say(evaluator, 7, "unasked")
	first := ask("first", 20*time.Second)
	q := awaitEvent[link.Asked](evaluator).Ask
	say(bad, q.ID, "forged")        // somebody else, who guessed the question's name
	say(evaluator, q.ID+1, "wrong") // another name
	second := ask("second", 20*time.Second)
	p := awaitEvent[link.Asked](evaluator).Ask
	if p.ID == q.ID || string(p.Body) != "second" {
		t.Fatalf("%+v after %+v", p, q)
	}
	select {
	case r := <-first:
		t.Fatalf("%q, %v", r.body, r.err)
	case <-time.After(200 * time.Millisecond):
	}
	say(evaluator, p.ID, "two")
	say(evaluator, q.ID, "one")
	say(evaluator, q.ID, "one more")
	if r := <-first; r.err != nil || string(r.body) != "one" {
		t.Errorf("%q, %v", r.body, r.err)
	}
	if r := <-second; r.err != nil || string(r.body) != "two" {
		t.Errorf("%q, %v", r.body, r.err)
	}
	// Too late: nobody waits any more, and the next question is another.
	third := ask("third", 100*time.Millisecond)
	q = awaitEvent[link.Asked](evaluator).Ask
	if r := <-third; !errors.Is(r.err, peer.ErrNoAnswer) {
		t.Errorf("%q, %v", r.body, r.err)
	}
	fourth := ask("fourth", 20*time.Second)
	p = awaitEvent[link.Asked](evaluator).Ask
	say(evaluator, q.ID, "late")
	say(evaluator, p.ID, "four")
	if r := <-fourth; r.err != nil || string(r.body) != "four" {
		t.Errorf("%q, %v", r.body, r.err)
	}
}

// TestWhoIsAnswered: somebody who was removed is not, and strangers share what one
// peer has.
func TestWhoIsAnswered(t *testing.T) {
	t.Parallel()
	i := newIsle(t)
	i.gateways = append(slices.Clone(i.gateways), "stranger-1", "stranger-2", "removed")
	hold := make(chan struct{})
	var mu sync.Mutex
	asked := map[replica.Peer]int{}
	i.server("evaluator", func(c *peer.Config) {
		c.Answer = func(_ context.Context, from replica.Peer, body []byte) []byte {
			if string(body) != "through" {
				mu.Lock()
				asked[from]++
				mu.Unlock()
				<-hold
			}
			return echo(context.Background(), from, body)
		}
		c.Rights = func() (replica.Rights, error) {
			r := i.rights()
			delete(r.Authors, idOf("stranger-1"))
			delete(r.Authors, idOf("stranger-2"))
			a := r.Authors[idOf("removed")]
			a.Removed = true
			r.Authors[idOf("removed")] = a
			return r, nil
		}
	}).run().up()
	defer sync.OnceFunc(func() { close(hold) })()
	to := idOf("evaluator")
	removed, one, two := i.talker("removed"), i.talker("stranger-1"), i.talker("stranger-2")
	for n := range uint64(10) {
		for _, k := range []*talker{removed, one, two} {
			if err := k.Ask(to, link.Ask{ID: n, Body: []byte("x")}); err != nil {
				t.Fatal(err)
			}
		}
	}
	eventually(t, 10*time.Second, func() error {
		mu.Lock()
		defer mu.Unlock()
		if len(asked) == 0 {
			return errors.New("nobody is answered")
		}
		return nil
	})
	time.Sleep(100 * time.Millisecond) // whatever came is queued
	mu.Lock()
	if n := asked[idOf("stranger-1")] + asked[idOf("stranger-2")]; n != 2 || asked[idOf("removed")] != 0 {
		t.Errorf("%v are answered", asked)
	}
	mu.Unlock()
	for range 2 {
		hold <- struct{}{}
		hold <- struct{}{}
	}
	eventually(t, 10*time.Second, func() error {
		mu.Lock()
		defer mu.Unlock()
		if n := asked[idOf("stranger-1")] + asked[idOf("stranger-2")]; n != 4 {
			return fmt.Errorf("%v", asked)
		}
		return nil
	})
}
