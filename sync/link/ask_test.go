package link

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"tombolo/sync/replica"
)

func inHub(name, address string) Config {
	cfg := config(name, address)
	cfg.Scopes = []replica.Scope{replica.All, replica.Hub}
	return cfg
}

func TestExchangesSurvive(t *testing.T) {
	t.Parallel()
	for _, m := range []any{Ask{7, []byte{1}}, Answer{1 << 63, []byte("an answer")}, Ask{0, make([]byte, MaxBody)}} {
		got, err := decodeExchange(must(encodeMessage(m)))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(must(encodeMessage(got)), must(encodeMessage(m))) {
			t.Errorf("%T came back as %T", m, got)
		}
	}
	if len(must(encodeMessage(Ask{1 << 63, make([]byte, MaxBody)}))) > MaxPayload {
		t.Error("the longest question does not travel as one packet")
	}
}

func TestMalformedExchanges(t *testing.T) {
	t.Parallel()
	good := must(encodeMessage(Ask{7, []byte("batch")}))
	swap := func(at int, v ...byte) []byte { b := bytes.Clone(good); copy(b[at:], v); return b }
	long := exchange{Version: 1, Type: TypeAsk, ID: 7, Body: make([]byte, MaxBody+1)}
	for name, c := range map[string]struct {
		b    []byte
		want error
	}{
		"nothing":                  {nil, ErrMessage},
		"a map":                    {swap(0, 0xa4), ErrMessage},
		"version 0":                {swap(1, 0), ErrVersion},
		"version 2":                {swap(1, 2), ErrVersion},
		"a want":                   {swap(2, byte(TypeWant)), ErrMessage},
		"a part":                   {swap(2, byte(TypePart)), ErrMessage},
		"an unknown type":          {swap(2, byte(types)), ErrMessage},
		"a negative id":            {swap(3, 0x27), ErrMessage},
		"an id in two bytes":       {append(append(bytes.Clone(good[:3]), 0x18, 7), good[4:]...), ErrMessage},
		"a text as body":           {swap(4, 0x65), ErrMessage},
		"no body":                  {encode(exchange{Version: 1, Type: TypeAsk, ID: 7}), ErrMessage},
		"an empty answer":          {encode(exchange{Version: 1, Type: TypeAnswer, ID: 7, Body: []byte{}}), ErrMessage},
		"a long body":              {encode(long), ErrMessage},
		"very long":                {encode(exchange{Version: 1, Type: TypeAsk, ID: 7, Body: make([]byte, maxMessage)}), ErrMessage},
		"a promised giant":         {append(bytes.Clone(good[:4]), 0x5a, 0xff, 0xff, 0xff, 0xff), ErrMessage},
		"a body without an end":    {append(bytes.Clone(good[:4]), 0x5f, 0x41, 1, 0xff), ErrMessage},
		"cut short":                {good[:len(good)-1], ErrMessage},
		"a byte more":              {append(bytes.Clone(good), 0), ErrMessage},
		"a field less":             {swap(0, 0x83), ErrMessage},
		"a field more":             {append(swap(0, 0x85), 0), ErrMessage},
		"indefinite length":        {append(swap(0, 0x9f), 0xff), ErrMessage},
		"null as body":             {append(bytes.Clone(good[:4]), 0xf6), ErrMessage},
		"a body with a long count": {append(append(bytes.Clone(good[:4]), 0x58, 5), good[5:]...), ErrMessage},
	} {
		if m, err := decodeExchange(c.b); m != nil || !errors.Is(err, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, m, err, c.want)
		}
		if m, err := decodeMessage(c.b); m != nil || err == nil {
			t.Errorf("%s: a replica's message: %v, %v", name, m, err)
		}
	}
}

// TestAskAndAnswer: a question and its answer, and neither without the place for it.
func TestAskAndAnswer(t *testing.T) {
	onBrokers(t, func(t *testing.T, address string) {
		a, b := start(t, inHub("a gateway", address), quick), start(t, inHub("an evaluator", address), quick)
		await[Up](a, nil)
		await[Up](b, nil)
		body := bytes.Repeat([]byte("blinded "), MaxBody/8)
		if err := a.Ask(b.cfg.Self, Ask{9, body}); err != nil {
			t.Fatal(err)
		}
		asked := await[Asked](b, nil)
		if asked.From != a.cfg.Self || asked.Link != b.cfg.ID || asked.Ask.ID != 9 || !bytes.Equal(asked.Ask.Body, body) {
			t.Errorf("asked %v, %d, %d bytes", asked.From, asked.Ask.ID, len(asked.Ask.Body))
		}
		if err := b.Answer(asked.From, Answer{asked.Ask.ID, []byte("evaluated")}); err != nil {
			t.Fatal(err)
		}
		if got := await[Answered](a, nil); got.From != b.cfg.Self || got.Answer.ID != 9 || string(got.Answer.Body) != "evaluated" {
			t.Errorf("answered %+v", got)
		}
		if n := b.Stats().Received[TypeAsk]; n.Messages != 1 {
			t.Errorf("%+v", n)
		}
	})
}

func TestExchangeRefused(t *testing.T) {
	t.Parallel()
	events := make(chan Event)
	open := func(cfg Config) *Link {
		l, err := Open(cfg, events)
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	up, down, elsewhere := open(inHub("a gateway", "tcp://127.0.0.1")), open(inHub("a gateway", "tcp://127.0.0.1")), open(config("a gateway", "tcp://127.0.0.1"))
	up.out.open()
	elsewhere.out.open()
	to := peerOf("an evaluator")
	for name, c := range map[string]struct {
		l    *Link
		to   replica.Peer
		body []byte
		want error
	}{
		"to nobody":             {up, replica.Peer{}, []byte{1}, ErrMessage},
		"nothing":               {up, to, nil, ErrMessage},
		"too much":              {up, to, make([]byte, MaxBody+1), ErrMessage},
		"without the scope Hub": {elsewhere, to, []byte{1}, ErrScope},
		"while it is down":      {down, to, []byte{1}, ErrDown},
	} {
		if err := c.l.Ask(c.to, Ask{1, c.body}); !errors.Is(err, c.want) {
			t.Errorf("an ask, %s: %v", name, err)
		}
		if err := c.l.Answer(c.to, Answer{1, c.body}); !errors.Is(err, c.want) {
			t.Errorf("an answer, %s: %v", name, err)
		}
	}
	// What waits is bounded, as everything is, and none takes another's place.
	sent := 0
	for up.Ask(to, Ask{1, make([]byte, MaxBody)}) == nil {
		sent++
	}
	if sent < 2 || sent > maxOutBytes/MaxBody {
		t.Errorf("%d wait", sent)
	}
}

// TestStrangeExchanges has another client publish what no participant would.
func TestStrangeExchanges(t *testing.T) {
	onBrokers(t, func(t *testing.T, address string) {
		me, other := peerOf("a gateway"), peerOf("a hub")
		to := func(p place) string {
			return base(testCommunity, p) + "to/" + me.String() + "/" + other.String()
		}
		hub := to(place{Scope: replica.Hub})
		ask := must(encodeMessage(Ask{3, []byte("x")}))
		c := raw(t, address)
		settle(t, c.Publish(hub, 1, true, ask)) // retained, before the link is there
		h := start(t, inHub("a gateway", address), quick)
		await[Up](h, nil)
		eventually(t, "the retained question is refused", func() bool { return h.Stats().Refused[RefusedRetained] == 1 })
		settle(t, c.Publish(to(place{}), 1, false, ask)) // in another place
		settle(t, c.Publish(base(testCommunity, place{Scope: replica.Hub})+"from/"+other.String()+"/alive", 1, false, ask))
		settle(t, c.Publish(hub, 1, false, append(bytes.Clone(ask), 0)))
		settle(t, c.Publish(hub, 1, false, must(encodeMessage(Answer{4, []byte("y")}))))
		if got := await[Answered](h, nil); got.Answer.ID != 4 || got.From != other {
			t.Errorf("%+v", got)
		}
		if got := h.Stats().Refused; got[RefusedMessage] != 3 || got[RefusedRate] != 0 {
			t.Errorf("refused %v", got)
		}
		// A flood of one sender's is let through at a rate, and another's is not in its way.
		for range 3 * exchangesBurst {
			c.Publish(hub, 0, false, ask)
		}
		calm := base(testCommunity, place{Scope: replica.Hub}) + "to/" + me.String() + "/" + peerOf("an evaluator").String()
		settle(t, c.Publish(calm, 1, false, ask))
		if got := await(h, func(a Asked) bool { return a.From == peerOf("an evaluator") }); got.Ask.ID != 3 {
			t.Errorf("%+v", got)
		}
		if n := h.Stats().Refused[RefusedRate]; n < exchangesBurst || n > 2*exchangesBurst+10 {
			t.Errorf("%d refused of %d", n, 3*exchangesBurst)
		}
	})
}

func TestExchangeRate(t *testing.T) {
	t.Parallel()
	var x exchanges
	now := time.Unix(testTime, 0)
	take := func(from int, n int) (taken int) {
		for range n {
			if x.take(replica.Peer{byte(from), byte(from >> 8)}, now) {
				taken++
			}
		}
		return taken
	}
	if n := take(1, 1000); n != exchangesBurst {
		t.Errorf("%d at once", n)
	}
	now = now.Add(time.Second)
	if n := take(1, 1000); n != exchangesPerSecond {
		t.Errorf("%d in a second", n)
	}
	now = now.Add(-time.Hour) // a clock that is set back gives nothing
	if n := take(1, 10); n != 0 {
		t.Errorf("%d after the clock was set back", n)
	}
	// Names without end neither grow it nor get more together than one of them.
	x = exchanges{}
	for from := range 2 * maxExchangers {
		take(from, 1)
	}
	if len(x.of) != maxExchangers || x.rest.spent != exchangesBurst {
		t.Errorf("%d senders, %v of the rest", len(x.of), x.rest.spent)
	}
	now = now.Add(time.Minute)
	if n := take(1<<15, 1); n != 1 || len(x.of) > 1 {
		t.Errorf("%d taken, %d senders after all was quiet", n, len(x.of))
	}
}

// TestTwoOfOneName: two processes of a hub are one participant. What one's
// connection leaves behind does not hide that the other is there.
func TestTwoOfOneName(t *testing.T) {
	onBrokers(t, func(t *testing.T, address string) {
		server := inHub("a hub", address)
		server.Observer, server.Server = true, true
		gateway := start(t, inHub("a gateway", address), quick)
		await[Up](gateway, nil)
		var two [2]*host
		var births [2]uint64
		for i := range two {
			two[i] = start(t, server, quick)
			await[Up](two[i], nil)
			await(gateway, func(p PeerUp) bool { return p.Peer == server.Self })
			births[i] = gateway.peers.birthOf(server.Self)
		}
		if births[0] == births[1] {
			t.Fatal("two connections with one birth")
		}
		two[1].end() // the one that was heard last; it says goodbye
		await(gateway, func(p PeerUp) bool { return p.Peer == server.Self })
		eventually(t, "the birth of the one that is left is heard", func() bool { return gateway.peers.birthOf(server.Self) == births[0] })
		// Whoever comes now finds that it is there as well.
		late := start(t, inHub("another gateway", address), quick)
		await[Up](late, nil)
		await(late, func(p PeerUp) bool { return p.Peer == server.Self })
		two[0].end()
		await(late, func(p PeerDown) bool { return p.Peer == server.Self })
	})
}

func (p *presence) birthOf(peer replica.Peer) uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.peers[peer].ID
}

// TestBearsInTurn: wills that come faster than births are published again are
// answered by one birth, and none is forgotten.
func TestBearsInTurn(t *testing.T) {
	onBrokers(t, func(t *testing.T, address string) {
		timing := quick
		timing.bear = 300 * time.Millisecond
		server := inHub("a hub", address)
		server.Observer, server.Server = true, true
		h := start(t, server, timing)
		await[Up](h, nil)
		c := raw(t, address)
		alive := server.alive().String()
		for round := range 2 {
			before := h.Stats().Sent[TypeBirth].Messages
			for id := range 20 {
				settle(t, c.Publish(alive, 1, true, encode(gone{Version: 1, Type: TypeGone, ID: uint64(id)})))
			}
			eventually(t, "the birth is published again", func() bool { return h.Stats().Sent[TypeBirth].Messages > before })
			eventually(t, "the birth is what is retained", func() bool {
				late := start(t, inHub("a gateway", address), quick)
				defer late.end()
				await[Up](late, nil)
				deadline := time.After(200 * time.Millisecond)
				for {
					select {
					case e := <-late.events:
						if p, ok := e.(PeerUp); ok && p.Peer == server.Self {
							return true
						}
					case <-deadline:
						return false
					}
				}
			})
			if n := h.Stats().Sent[TypeBirth].Messages - before; n > 3 {
				t.Errorf("round %d: %d births", round, n)
			}
		}
	})
}
