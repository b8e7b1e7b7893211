package broker_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"tombolo/sync/broker"
)

// checkPermissions holds for every kind of broker. connect makes a new
// connection of a peer; refusing brokers answer a forbidden SUBSCRIBE with 128,
// others accept it and deliver nothing.
//
// Before something is expected not to come, something is awaited under the same
// filter: a cluster's servers learn of each other's subscriptions a moment
// later.
func checkPermissions(t *testing.T, connect func(t *testing.T, name string) *peer, refusing bool) {
	head := topic("all", "from", alice, "head/community/1/2")

	t.Run("what the table allows", func(t *testing.T) {
		a, b, d := connect(t, alice), connect(t, bob), connect(t, desk)
		for _, place := range []string{"all", node1} {
			for _, f := range []string{"from/+/alive", "from/+/head/#", "from/+/fork/#", "from/+/charter/#", "to/" + bob + "/+", "from/+/held/" + bob + "/#"} {
				if code := b.subscribe(topic(place, f), 0); code != 0 {
					t.Errorf("SUBACK %d for %s at %s", code, f, place)
				}
			}
			if code := d.subscribe(topic(place, "from/+/held/#"), 0); code != 0 {
				t.Errorf("SUBACK %d for the observer's held at %s", code, place)
			}
			for _, to := range []string{
				topic(place, "from", alice, "alive"),
				topic(place, "from", alice, "head/door/5/6"),
				topic(place, "from", alice, "held", bob, "door/7"),
				topic(place, "from", alice, "fork/door/5/6"),
				topic(place, "from", alice, "charter/5/6"),
				topic(place, "to", bob, alice),
			} {
				a.reach(b, to)
			}
			a.reach(d, topic(place, "from", alice, "held", bob, "door/7"))
		}
	})

	t.Run("under another's name", func(t *testing.T) {
		a, b := connect(t, alice), connect(t, bob)
		a.subscribe(topic("all", "from/+/head/#"), 0)
		a.subscribe(topic("all", "to", alice, "+"), 0)
		b.reach(a, topic("all", "from", bob, "head/community/1/2"))
		b.reach(a, topic("all", "to", alice, bob))
		b.publish(head, true, "forged")
		b.publish(topic("all", "to", alice, carol), false, "forged")
		b.publish(topic("all", "to", alice, bob), false, "own")
		a.await(topic("all", "to", alice, bob), "own")
		a.never(head)
		a.never(topic("all", "to", alice, carol))
		last := topic("all", "from", bob, "head/last")
		b.publish(last, true, "own")
		eventually(t, "bob's own head is retained", func() bool {
			got := retained(t, connect(t, bob), a, topic("all", "from/+/head/#"), topic("all", "from", alice, "head/mark"))
			if len(got[head]) != 0 {
				t.Fatalf("a forged head is retained: %q", got)
			}
			return len(got[last]) == 1
		})
		b.publish(last, true, "")
	})

	t.Run("another node's place", func(t *testing.T) {
		a, c := connect(t, alice), connect(t, carol)
		secret := topic(node1, "from", alice, "head/door/5/6")
		code := c.subscribe(topic(node1, "from/+/head/#"), 0)
		if refusing && code != 128 {
			t.Errorf("SUBACK %d for another node's place", code)
		}
		c.subscribe(topic("all", "from/+/head/#"), 0)
		a.reach(c, head)
		a.publish(secret, true, "who came home")
		a.publish(head, true, "public")
		c.await(head, "public")
		c.never(secret)
		forged := topic(node1, "from", carol, "head/door/5/6")
		c.publish(forged, true, "intruder")
		last := topic(node1, "from", alice, "head/last")
		a.publish(last, true, "own")
		eventually(t, "node 1's own gateway is handed what its sibling retained", func() bool {
			got := retained(t, connect(t, bob), a, topic(node1, "from/+/head/#"), topic(node1, "from", alice, "head/mark"))
			if len(got[forged]) != 0 {
				t.Fatalf("node 1's own gateway is handed %q", got)
			}
			return len(got[secret]) == 1 && len(got[last]) == 1
		})
		a.publish(last, true, "")
		a.publish(secret, true, "")
		a.publish(head, true, "")
	})

	t.Run("wildcards over places", func(t *testing.T) {
		a, c := connect(t, alice), connect(t, carol)
		for _, f := range []string{"#", "tombolo/#", "tombolo/v1/" + community + "/#", "tombolo/v1/+/+/from/+/head/#", topic("+", "from/+/head/#"), topic("all", "#"), topic("all", "to/#"), topic("all", "to/+/+")} {
			if code := c.subscribe(f, 0); refusing && code != 128 {
				t.Errorf("SUBACK %d for %s", code, f)
			}
		}
		c.subscribe(topic("all", "from/+/alive"), 0)
		a.reach(c, topic("all", "from", alice, "alive"))
		a.publish(topic(node1, "from", alice, "alive"), false, "x")
		a.publish(topic("all", "to", bob, alice), false, "x")
		a.publish(topic("all", "from", alice, "alive"), false, "x")
		c.await(topic("all", "from", alice, "alive"), "x")
		c.never(topic(node1, "from", alice, "alive"))
		c.never(topic("all", "to", bob, alice))
	})

	t.Run("what others acknowledge", func(t *testing.T) {
		a, b, d := connect(t, alice), connect(t, bob), connect(t, desk)
		if code := b.subscribe(topic("all", "from/+/held/#"), 0); refusing && code != 128 {
			t.Errorf("SUBACK %d for everybody's held", code)
		}
		b.subscribe(topic("all", "from/+/held", bob, "#"), 0)
		d.subscribe(topic("all", "from/+/held/#"), 0)
		ofCarol, ofBob := topic("all", "from", alice, "held", carol, "door/7"), topic("all", "from", alice, "held", bob, "door/7")
		a.reach(b, ofBob)
		a.reach(d, ofCarol)
		a.publish(ofCarol, false, "x")
		a.publish(ofBob, false, "x")
		b.await(ofBob, "x")
		b.never(ofCarol)
		d.await(ofCarol, "x")
	})
}

// checkHubPlace holds for every kind of broker, too: what a gateway tells the hub is
// for the hub alone, and the hub is no member of any node.
func checkHubPlace(t *testing.T, connect func(t *testing.T, name string) *peer, refusing bool) {
	report := topic("hub", "from", alice, "head/report/1/2")
	ask, answered := topic("hub", "to", hub, alice), topic("hub", "to", alice, hub)

	t.Run("what is told the hub", func(t *testing.T) {
		a, b, d, s := connect(t, alice), connect(t, bob), connect(t, desk), connect(t, hub)
		for _, f := range []string{"from/+/alive", "from/+/head/#", "from/+/fork/#", "from/+/held/#", "to/" + hub + "/+"} {
			if code := s.subscribe(topic("hub", f), 0); code != 0 {
				t.Errorf("SUBACK %d for the hub's %s", code, f)
			}
		}
		for _, to := range []string{report, topic("hub", "from", alice, "fork/report/1/2"), ask} {
			a.reach(s, to)
		}
		for _, f := range []string{"from/+/alive", "to/" + alice + "/+", "from/+/held/" + alice + "/#"} {
			if code := a.subscribe(topic("hub", f), 0); code != 0 {
				t.Errorf("SUBACK %d for a gateway's %s", code, f)
			}
		}
		for _, to := range []string{topic("hub", "from", hub, "alive"), answered, topic("hub", "from", hub, "held", alice, "report/2")} {
			s.reach(a, to)
		}
		// Whoever else listens, a sibling in the same house or a desk, hears nothing of it.
		for who, p := range map[string]*peer{"a sibling": b, "a desk": d} {
			for _, f := range []string{"from/+/head/#", "from/" + alice + "/#", "from/+/fork/#", "from/+/held/#", "from/+/held/" + alice + "/#", "to/" + hub + "/+", "to/" + alice + "/+", "to/#", "#"} {
				if code := p.subscribe(topic("hub", f), 0); refusing && code != 128 {
					t.Errorf("SUBACK %d for %s's %s", code, who, f)
				}
			}
			p.subscribe(topic("hub", "from/+/alive"), 0)
			s.reach(p, topic("hub", "from", hub, "alive"))
		}
		a.publish(report, true, "how many were in")
		a.publish(ask, false, "blinded")
		s.await(report, "how many were in")
		s.await(ask, "blinded")
		s.publish(answered, false, "evaluated")
		s.publish(topic("hub", "from", hub, "held", alice, "report/2"), false, "held")
		a.await(answered, "evaluated")
		s.publish(topic("hub", "from", hub, "alive"), false, "last")
		for _, p := range []*peer{b, d} {
			p.await(topic("hub", "from", hub, "alive"), "last")
			for _, secret := range []string{report, ask, answered, topic("hub", "from", hub, "held", alice, "report/2")} {
				p.never(secret)
			}
		}
		a.publish(report, true, "")
	})

	t.Run("under another's name to the hub", func(t *testing.T) {
		a, b, s := connect(t, alice), connect(t, bob), connect(t, hub)
		s.subscribe(topic("hub", "from/+/head/#"), 0)
		s.subscribe(topic("hub", "to", hub, "+"), 0)
		own, bobs := topic("hub", "from", bob, "head/report/3/4"), topic("hub", "to", hub, bob)
		b.reach(s, own)
		b.reach(s, bobs)
		b.publish(report, true, "forged")
		b.publish(ask, false, "forged")
		a.subscribe(topic("hub", "to", alice, "+"), 0)
		s.reach(a, answered)
		b.publish(answered, false, "forged")
		b.publish(bobs, false, "last")
		s.await(bobs, "last")
		s.never(report)
		s.never(ask)
		s.publish(answered, false, "own")
		a.await(answered, "own")
		a.mu.Lock()
		defer a.mu.Unlock()
		for _, got := range a.got[answered] {
			if got == "forged" {
				t.Error("an answer under the hub's name reached a gateway")
			}
		}
	})

	t.Run("a node's place is not the hub's", func(t *testing.T) {
		a, s := connect(t, alice), connect(t, hub)
		secret := topic(node1, "from", alice, "head/door/5/6")
		for _, f := range []string{topic(node1, "from/+/head/#"), topic(node1, "from/+/alive"), topic("+", "from/+/head/#"), topic(node1, "#")} {
			if code := s.subscribe(f, 0); refusing && code != 128 {
				t.Errorf("SUBACK %d for the hub's %s", code, f)
			}
		}
		s.subscribe(topic("all", "from/+/head/#"), 0)
		a.reach(s, topic("all", "from", alice, "head/community/1/2"))
		a.publish(secret, false, "who came home")
		a.publish(topic("all", "from", alice, "head/community/1/2"), false, "public")
		s.await(topic("all", "from", alice, "head/community/1/2"), "public")
		s.never(secret)
	})
}

func TestPermissions(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, nil)
	checkPermissions(t, func(t *testing.T, name string) *peer { return h.dial(t, b, name) }, true)
	checkHubPlace(t, func(t *testing.T, name string) *peer { return h.dial(t, b, name) }, true)
	if v := b.Stats().Violations; v < 10 {
		t.Errorf("%d violations were counted: nats-server's words have changed", v)
	}
}

// A will is checked when it fires, not when it is left.
func TestWillUnderAnothersName(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, nil)
	a := h.dial(t, b, alice)
	alive := func(name string) string { return topic("all", "from", name, "alive") }
	a.subscribe(topic("all", "from/+/alive"), 0)

	for name, will := range map[string]string{bob: alive(bob), carol: alive(alice)} {
		o := h.options(b, name)
		o.SetWill(will, "gone", 0, true)
		c := mustDial(t, o)
		before := b.Stats().Violations
		i := h.known[string(h.certs[name].Leaf.Raw)]
		h.set(i, false)
		b.Refresh() // a kick is not a DISCONNECT: the will fires
		<-c.lost
		if name == bob {
			a.await(alive(bob), "gone")
		} else {
			eventually(t, "the forged will is refused", func() bool { return b.Stats().Violations > before })
		}
	}
	a.never(alive(alice))
}

func TestQoSAboveZeroIsNotServed(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, nil)
	a := h.dial(t, b, alice)
	for _, qos := range []byte{1, 2} {
		if code := a.subscribe(topic("all", "from/+/head/#"), qos); code != 128 {
			t.Errorf("SUBACK %d for QoS %d", code, qos)
		}
	}
	if code := a.subscribe(topic("all", "from/+/head/#"), 0); code != 0 {
		t.Errorf("SUBACK %d for QoS 0 afterwards", code)
	}
	a.publish(topic("all", "from", alice, "head/x"), false, "1")
	a.await(topic("all", "from", alice, "head/x"), "1")
	a.Publish(topic("all", "from", alice, "head/x"), 2, false, "2")
	select {
	case <-a.lost:
	case <-time.After(patience):
		t.Error("a QoS 2 publish was taken: each one is stored until it is released")
	}
}

// TestViolationsAreNoErrors: whoever asks for more than it may read is told of in the
// log, as who has just been enrolled may, and the broker has done nothing wrong.
func TestViolationsAreNoErrors(t *testing.T) {
	t.Parallel()
	var log lockedBuffer
	h := standard(t)
	b := open(t, h, func(c *broker.Config) { c.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	a := h.dial(t, b, alice)
	if code := a.subscribe(topic(node2, "from/+/head/#"), 0); code != 128 {
		t.Fatalf("SUBACK %d", code)
	}
	eventually(t, "the log tells of it", func() bool { return strings.Contains(log.String(), "level=WARN msg=broker said=") })
	b.Close()
	if text := log.String(); strings.Contains(text, "level=ERROR") {
		t.Error(text)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
