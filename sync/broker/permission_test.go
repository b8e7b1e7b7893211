package broker_test

import (
	"testing"
	"time"
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

func TestPermissions(t *testing.T) {
	t.Parallel()
	h := standard(t)
	b := open(t, h, nil)
	checkPermissions(t, func(t *testing.T, name string) *peer { return h.dial(t, b, name) }, true)
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
