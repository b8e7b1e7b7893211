package gateway

import (
	"testing"
	"time"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// TestWhoCounts: a presence counts with a signature, a delegation and an admission
// that show it, and with no gateway's word alone.
func TestWhoCounts(t *testing.T) {
	t.Parallel()
	at := func(i *islet) time.Time { return i.now.Add(-2 * time.Hour) }
	change := func(k *keeper, g *guest, change func(*ledger.Decision)) {
		b := k.entry(g, at(k.i))
		change(b[0].(*ledger.Decision))
		k.record(at(k.i), b...)
	}
	for _, c := range []struct {
		what string
		do   func(i *islet, liar *keeper, g *guest)
		want bool
	}{
		{"let in", func(i *islet, k *keeper, g *guest) { k.enter(g, at(i)) }, true},
		{"let in by a gateway that was removed since", func(i *islet, k *keeper, g *guest) {
			k.enter(g, at(i))
			i.write(ledger.NodeLog, &ledger.GatewayRemoved{Gateway: k.name, Signing: k.key, Why: "broken"})
		}, true},
		{"let in by two doors", func(i *islet, k *keeper, g *guest) { k.enter(g, at(i)); i.gws[0].enter(g, at(i)) }, true},
		{"by a tap and a PIN", func(i *islet, k *keeper, g *guest) { change(k, g, func(d *ledger.Decision) { d.Mode = "tap+pin" }) }, true},
		{"by a code", func(i *islet, k *keeper, g *guest) {
			k.show(g, at(i), "window", passport.DoorTarget(passport.NodeID(i.node), k.door))
		}, true},
		{"by a code for the node, and a PIN", func(i *islet, k *keeper, g *guest) {
			k.show(g, at(i), "window+pin", passport.NodeTarget(passport.NodeID(i.node)))
		}, true},
		{"by a code for another door", func(i *islet, k *keeper, g *guest) {
			k.show(g, at(i), "window", passport.DoorTarget(passport.NodeID(i.node), i.gws[0].door))
		}, false},
		{"by a code of before the epoch", func(i *islet, k *keeper, g *guest) {
			k.show(g, i.now.Add(-4*time.Hour), "window", passport.NodeTarget(passport.NodeID(i.node)))
		}, false},
		{"while there was no clock", func(i *islet, k *keeper, g *guest) {
			change(k, g, func(d *ledger.Decision) { d.RosterAge = -1 })
		}, false},
		{"without a clock, and once more with one", func(i *islet, k *keeper, g *guest) {
			k.record(at(i), &ledger.Boot{Software: "test", Clock: "unknown"})
			change(k, g, func(d *ledger.Decision) { d.RosterAge = -1 })
			k.record(at(i), &ledger.ClockStep{To: at(i).UnixMilli()})
			k.enter(g, at(i))
		}, true},
		{"a guest without a passport", func(i *islet, k *keeper, g *guest) {
			change(k, g, func(d *ledger.Decision) { d.Passport = 0 })
		}, false},
		{"let out", func(i *islet, k *keeper, g *guest) {
			b := k.entry(g, at(i))
			b[0].(*ledger.Decision).Exit, b[2].(*ledger.Passage).Exit = true, true
			k.record(at(i), b...)
		}, false},
		{"let in, and nobody came", func(i *islet, k *keeper, g *guest) {
			b := k.entry(g, at(i))
			b[2].(*ledger.Passage).Entered = false
			k.record(at(i), b...)
		}, false},
		{"by an order from afar", func(i *islet, k *keeper, g *guest) {
			change(k, g, func(d *ledger.Decision) { d.Mode, d.Presentation = "remote", nil })
		}, false},
		{"a signature that is another's", func(i *islet, k *keeper, g *guest) {
			change(k, g, func(d *ledger.Decision) { d.Presentation[len(d.Presentation)-1] ^= 1 })
		}, false},
		{"a presentation to another door", func(i *islet, k *keeper, g *guest) {
			change(k, g, func(d *ledger.Decision) { d.Door = i.gws[0].door })
		}, false},
		{"a presentation to another gateway", func(i *islet, k *keeper, g *guest) {
			theirs := i.gws[0].entry(g, at(i))[0].(*ledger.Decision)
			change(k, g, func(d *ledger.Decision) { d.Presentation = theirs.Presentation })
		}, false},
		{"another's passport", func(i *islet, k *keeper, g *guest) {
			change(k, g, func(d *ledger.Decision) { d.Passport = i.people[1].passport })
		}, false},
		{"a key that nobody added", func(i *islet, k *keeper, g *guest) {
			stranger := *g
			stranger.key = i.people[1].key
			k.enter(&stranger, at(i))
		}, false},
		{"a passport that nobody admitted", func(i *islet, k *keeper, g *guest) {
			change(k, g, func(d *ledger.Decision) { d.Passport = 77 })
		}, false},
		{"expelled before", func(i *islet, k *keeper, g *guest) {
			i.write(ledger.CommunityLog, &ledger.Expel{Passport: g.passport, Why: "t"})
			k.enter(g, at(i))
		}, false},
		{"the key was revoked before", func(i *islet, k *keeper, g *guest) {
			i.write(ledger.CommunityLog, &ledger.DoorKeyRevoked{Passport: g.passport, Key: g.key.Key().ID(), Why: "t"})
			k.enter(g, at(i))
		}, false},
		{"let go of by retention", func(i *islet, k *keeper, g *guest) {
			k.enter(g, at(i))
			size := k.log.Head().Size
			yes(0, k.log.Drop(size-4, size-1, "old"))
		}, false},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			i := newIslet(t, 2, "")
			for _, k := range i.gws {
				k.boot(at(i))
			}
			c.do(i, i.gws[1], i.people[0])
			i.open(1)
			r := i.gws[0].reporter(never(), nil)
			defer r.close()
			look(t, r, never())
			lists, all := i.gws[0].report()
			if len(all) != 1 {
				t.Fatalf("%d reports: %v", len(all), i.gws[0].faults)
			}
			if c.want {
				i.holds(lists[0], all[0], i.people[0])
			} else {
				i.holds(lists[0], all[0])
			}
		})
	}
}
