package replica_test

import (
	"slices"
	"time"

	"tombolo/sync/ledger"
)

// simFaults are the kinds of fault that nine worlds in ten have to meet.
var simFaults = []string{
	"drop", "repeat", "reorder", "delay", "partition",
	"crash, not persisted", "crash, persisted but not told", "reboot", "restore",
	"clock forward", "clock back", "broker down", "broker forgets", "not stored",
}

// simCertain are faults that chance alone leaves out of too many worlds: at which
// event of the story, and as which roll of [simWorld.fault].
var simCertain = map[int]int{90: 46, 95: 46, 180: 55, 270: 67, 360: 70, 430: 63}

// begin enrols everybody: what stewards and issuers wrote before the story.
func (w *simWorld) begin() {
	for _, h := range w.hosts {
		h.start()
	}
	write := func(h *simHost, kind ledger.LogKind, bodies ...ledger.Body) {
		h.began = -simDay // nobody has anything of its own yet
		w.require(h.write(kind, bodies...), "%s cannot write", h.name)
	}
	for _, h := range w.role(simStewardRole) {
		var own, directory []ledger.Body
		for _, g := range w.cast.gateways {
			if g.node == h.node {
				own = append(own, &ledger.GatewayEnrolled{Gateway: g.name, Keys: g.keys})
			}
			if g.node == h.node {
				directory = append(directory, &ledger.DirectoryKeys{Gateway: g.name, Keys: g.keys})
			}
		}
		own = append(own, w.cast.policies[h.node][0])
		for _, person := range w.cast.people[:3] {
			own = append(own, &ledger.Home{Door: simHomes[h.node], Passport: uint64(person.number), Owner: person.wallet, Notice: 3600})
		}
		write(h, ledger.NodeLog, own...)
		write(h, ledger.DirectoryLog, directory...)
	}
	for i, h := range w.role(simIssuerRole) {
		var bodies []ledger.Body
		for n, person := range w.cast.people {
			if i == 0 {
				bodies = append(bodies, person.admit, person.keys[0].added)
			} else if n%2 == 0 {
				bodies = append(bodies, person.admit, person.keys[1].added)
			}
		}
		write(h, ledger.CommunityLog, bodies...)
	}
	for _, h := range w.hosts {
		if h.role == simGatewayRole {
			h.roster = w.doorway(h)
		}
		h.backups = []simBackup{h.disk.backup()}
	}
	w.run(w.now + 5*time.Second)
}

// event is one turn of the story.
func (w *simWorld) event(n, events int) {
	switch gap := w.IntN(20); {
	case gap == 0:
		w.run(w.now + w.span(time.Minute, 15*time.Minute))
	case gap < 5:
		w.run(w.now + w.span(3*time.Second, 30*time.Second))
	default:
		w.run(w.now + w.span(0, 2*time.Second))
	}
	switch n {
	case w.removeAt:
		w.removeGateway()
		return
	case w.retireAt:
		w.retireIssuer()
		return
	case w.cloneAt:
		w.clone()
		return
	}
	if roll, ok := simCertain[n]; ok {
		w.fault(roll)
		return
	}
	switch roll := w.IntN(100); {
	case roll < 24:
		w.issuerWrites()
	case roll < 39:
		w.stewardWrites()
	case roll < 52:
		w.gatewayWrites()
	case roll < 54:
		w.hubWrites()
	case roll < 72:
		if d := pick(w, w.role(simGatewayRole)).roster; d != nil && d.h.up {
			if !w.percent(20) {
				d.project()
			}
			d.tap()
		}
	case roll < 77:
		w.comeAndGo()
	default:
		w.fault(w.IntN(100))
	}
}

// comeAndGo: desks are online now and then.
func (w *simWorld) comeAndGo() {
	h := pick(w, append(w.role(simIssuerRole), w.role(simStewardRole)...))
	on := !h.links[0].wanted
	w.note("%s goes online: %v", h.name, on)
	for _, l := range h.links {
		l.wanted = on
		if on {
			l.connect()
		} else {
			l.lost()
		}
	}
}

func (w *simWorld) fault(roll int) {
	h := pick(w, w.hosts)
	switch {
	case roll < 20:
		w.storm()
	case roll < 32:
		h.armed = simBeforeStore
	case roll < 42:
		h.armed = simAfterStore
	case roll < 46:
		pick(w, w.role(simGatewayRole)).armed = simAfterAppend
	case roll < 49:
		if h.up {
			w.count("reboot")
			h.crash(true)
		}
	case roll < 55:
		h.backups = append(h.backups, h.disk.backup())
		if len(h.backups) > 3 {
			h.backups = h.backups[1:]
		}
	case roll < 58:
		w.count("restore")
		h.restore(w.percent(50))
	case roll < 63:
		w.count("clock forward")
		h.jump(w.span(time.Minute, []time.Duration{time.Hour, 5 * simDay}[w.IntN(2)]))
	case roll < 67:
		w.count("clock back")
		h.jump(-w.span(time.Minute, []time.Duration{time.Hour, 5 * simDay}[w.IntN(2)]))
	case roll < 70:
		w.count("broker down")
		pick(w, w.brokers).crash(false, w.span(time.Second, 3*time.Minute))
	case roll < 73:
		w.count("broker forgets")
		pick(w, w.brokers).crash(true, w.span(time.Second, time.Minute))
	case roll < 80:
		w.count("partition")
		pick(w, h.links).pull(w.span(time.Second, 3*time.Minute))
	case roll < 83:
		w.partition()
	case roll < 97:
		h.failing = true
		w.after(w.span(time.Second, 30*time.Second), func() { h.failing = false })
	default:
		if w.hostile {
			w.flood()
			w.strayLedger()
		}
	}
}

// storm is a while in which the network does some of what it can.
func (w *simWorld) storm() {
	some := func(most int) int {
		if w.IntN(2) == 0 {
			return 0
		}
		return w.IntN(most + 1)
	}
	storm := simWeather{drop: some(40), repeat: some(30), reorder: some(80), delay: some(20)}
	if w.hostile {
		storm.hostile, storm.replay = some(25), some(15)
	}
	w.weather = storm
	w.note("weather %+v", storm)
	w.after(w.span(10*time.Second, 2*time.Minute), func() {
		if w.weather == storm {
			w.weather = simWeather{}
		}
	})
}

// partition cuts some hosts off from a broker, all at once.
func (w *simWorld) partition() {
	w.count("partition")
	b := pick(w, w.brokers)
	until := w.span(10*time.Second, 5*time.Minute)
	for _, l := range b.links {
		if w.IntN(2) == 0 {
			l.pull(until)
		}
	}
}

// removeGateway takes one out of its node; it goes on as if it did not know.
func (w *simWorld) removeGateway() {
	g := w.cast.gateways[2+2*w.IntN(2)]
	for _, h := range w.role(simStewardRole) {
		if h.node != g.node || !h.up {
			continue
		}
		if !h.write(ledger.NodeLog, &ledger.GatewayRemoved{Gateway: g.name, Signing: g.keys.Signing, Why: "stolen"}) {
			w.removeAt += 5 // later
			return
		}
		w.removed[g.peer()] = true
		w.lies = true // whoever knows blames nobody; whoever does not know yet may be fooled
		w.count("removal")
		h.write(ledger.DirectoryLog, &ledger.DirectoryGone{Gateway: g.name, Signing: g.keys.Signing})
		return
	}
	w.removeAt += 5
}

// retireIssuer signs the next charter: of the second issuer counts what the first
// one's desk holds, and a third follows it.
func (w *simWorld) retireIssuer() {
	desk := w.role(simIssuerRole)[0]
	second := simPeer(w.cast.issuers[1])
	next := w.community.Next()
	for i := range next.Authors {
		a := &next.Authors[i]
		if ledger.KeyIDOf(a.Key[:]) != second {
			continue
		}
		a.Retired, a.Successor = true, simPublic(w.cast.issuers[2])
		for _, l := range desk.disk.held() {
			if o := l.head.Origin; o.Author == second && len(a.Counted) < 16 {
				w.note("of %s count %d entries", simShort(o), l.head.Size)
				a.Counted = append(a.Counted, ledger.Counted{Incarnation: o.Incarnation, Size: l.head.Size, Root: l.head.Root})
			}
		}
		slices.SortFunc(a.Counted, func(a, b ledger.Counted) int { return slices.Compare(a.Incarnation[:], b.Incarnation[:]) })
	}
	if !desk.up || len(desk.disk.forks()) > 0 {
		w.retireAt += 5
		return
	}
	next.Authors = append(next.Authors, ledger.Author{Role: ledger.Issuer, Key: [32]byte(simPublic(w.cast.issuers[2]))})
	w.community = w.cast.sign(w.community, next)
	w.count("retirement")
	_, signed := w.community.Version(w.community.Len())
	if err := desk.disk.addCharter(signed); err != nil {
		w.require(false, "the charter: %v", err)
	}
	desk.checkCharters()
	desk.charterChanged()
	third := w.issuer(2)
	if err := third.disk.addCharter(signed); err != nil {
		w.require(false, "the charter: %v", err)
	}
	third.backups = []simBackup{third.disk.backup()}
	third.start()
}

// clone copies a running machine, memory and all: from now on two sign with one
// key.
func (w *simWorld) clone() {
	from := w.hosts[[]int{1, 5, 7}[w.IntN(3)]] // casa-2, casa's steward, the first issuer
	if !from.up || w.removed[from.id] {
		w.cloneAt += 5
		return
	}
	w.count("clone")
	w.lies = true
	w.cloned[from.id] = true
	h := w.host(from.name+"'s clone", from.role, from.node, from.key)
	h.holdKey, h.witnessKey, h.doors, h.observer, h.number = from.holdKey, from.witnessKey, from.doors, from.observer, from.number
	h.disk.close()
	h.disk = from.disk.backup().restore()
	h.skew = from.skew
	from.guard.copyTo(&h.guard)
	for o, history := range from.mine {
		h.mine[o] = history.clone()
		w.truth.logs[o] = append(w.truth.logs[o], h.mine[o])
	}
	h.backups = []simBackup{h.disk.backup()}
	for _, l := range from.links {
		h.link(l.broker, l.scopes...)
	}
	h.seen = newSimSeen()
	h.start()
}
