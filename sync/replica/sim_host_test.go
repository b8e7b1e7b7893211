package replica_test

import (
	"crypto/ed25519"
	"fmt"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// simRole is what a host is for.
type simRole uint8

const (
	simGatewayRole simRole = iota
	simStewardRole
	simIssuerRole
	simHubRole
)

// simHost is a participant: a replica, a disk and a few links, as package peer
// puts them together.
type simHost struct {
	w                   *simWorld
	name                string
	role                simRole
	node                int // -1: of none
	number              int // of a gateway
	id                  replica.Peer
	observer            bool
	key                 ed25519.PrivateKey // writes its ledgers
	holdKey, witnessKey ed25519.PrivateKey
	doors               []string
	links               []*simLink

	disk    simDisk
	backups []simBackup
	guard   simGuard
	skew    time.Duration // by which its clock is ahead

	// Of one life; a crash ends it.
	up       bool
	life     int
	began    time.Duration
	r        *replica.Replica
	wake     uint64
	diskFree time.Duration
	authors  map[ledger.LogKind]simAuthor
	notes    map[simCosigned][]byte
	rights   replica.Rights
	rightsAt time.Duration

	mine map[ledger.Origin]*simHistory // that it writes

	seen    simSeen
	armed   simCrash
	failing bool // the disk refuses to store
	roster  *simDoorway
}

// simCrash is where a host is about to crash.
type simCrash uint8

const (
	simNoCrash     simCrash = iota
	simBeforeStore          // nothing of it is persisted
	simAfterStore           // it is, but nobody was told
	simAfterAppend          // an own entry is, but nobody was told
)

func (w *simWorld) host(name string, role simRole, node int, key ed25519.PrivateKey) *simHost {
	h := &simHost{
		w: w, name: name, role: role, node: node, id: simPeer(key), key: key,
		notes: map[simCosigned][]byte{}, mine: map[ledger.Origin]*simHistory{}, seen: newSimSeen(),
	}
	h.guard = simGuard{signed: map[ledger.Origin]ledger.Checkpoint{}}
	h.disk = w.newDisk(h)
	for _, chain := range []ledger.Charters{w.cast.community, w.cast.nodes[0], w.cast.nodes[1]} {
		for v := 1; v <= chain.Len(); v++ {
			_, signed := chain.Version(v)
			if err := h.disk.addCharter(signed); err != nil {
				panic(err)
			}
		}
	}
	w.hosts = append(w.hosts, h)
	return h
}

func (h *simHost) link(b *simBroker, scopes ...replica.Scope) {
	l := &simLink{host: h, broker: b, id: replica.LinkID(len(h.links)), scopes: scopes, wanted: true}
	h.links = append(h.links, l)
	b.links = append(b.links, l)
}

// clock is what the host believes the time to be.
func (h *simHost) clock() time.Time { return simEpoch.Add(h.w.now + h.skew) }

// start is that of the process.
func (h *simHost) start() {
	if h.up {
		return
	}
	h.w.note("%s starts", h.name)
	h.up, h.began, h.armed = true, h.w.now, simNoCrash
	h.life++
	h.authors, h.diskFree = map[ledger.LogKind]simAuthor{}, 0
	h.r = replica.New(replica.Config{Self: h.id, Observer: h.observer})
	h.rights = h.makeRights()
	h.freeze()
	e := replica.Started{Rights: h.rights, Charters: h.chains()}
	for _, l := range h.disk.held() {
		edge, _ := h.disk.edge(l.head.Origin)
		e.Ledgers = append(e.Ledgers, replica.Ledger{Head: l.head, Edge: edge})
	}
	for _, o := range h.disk.parts() {
		edge, _ := h.disk.edge(o)
		e.Ledgers = append(e.Ledgers, replica.Ledger{Head: ledger.Head{Checkpoint: ledger.Checkpoint{Origin: o}}, Edge: edge})
	}
	e.Forked = h.disk.forks()
	h.step(e)
	for _, l := range h.links {
		l.connect()
	}
}

func (h *simHost) chains() (all []replica.Chain) {
	for _, chain := range []ledger.Charters{h.w.cast.community, h.w.cast.nodes[0], h.w.cast.nodes[1]} {
		if h.node < 0 || chain.ID() == h.w.cast.community.ID() || chain.ID() == h.w.cast.nodes[h.node].ID() {
			all = append(all, h.disk.charters(chain.ID()))
		}
	}
	return all
}

// crash ends the process; reboot takes what is volatile with it.
func (h *simHost) crash(reboot bool) {
	if !h.up {
		return
	}
	h.w.note("%s crashes (reboot %v)", h.name, reboot)
	h.up, h.r = false, nil
	h.life++
	for _, l := range h.links {
		l.lost()
	}
	if reboot {
		h.guard.signed = map[ledger.Origin]ledger.Checkpoint{}
		h.guard.boot++
	}
	h.w.after(h.w.span(100*time.Millisecond, time.Minute), h.start)
}

// restore puts an old backup in the disk's place.
func (h *simHost) restore(reboot bool) {
	h.crash(reboot)
	h.disk.close()
	h.disk = pick(h.w, h.backups).restore()
	h.seen.lostDisk()
	for _, l := range h.disk.held() {
		h.checkLedger(l.head.Origin)
	}
	if h.roster != nil {
		h.roster.lost()
	}
}

func (h *simHost) linkUp(l *simLink) { h.step(replica.LinkUp{Link: l.id, Scopes: l.scopes}) }

func (h *simHost) linkDown(l *simLink) { h.step(replica.LinkDown{Link: l.id}) }

func (h *simHost) receive(l *simLink, p simPacket) {
	switch {
	case p.message != nil:
		h.w.require(p.origin.Kind != ledger.ReportLog || h.maySee(p.origin), "%s hears of %v", h.name, p.origin)
		h.step(replica.Received{Link: l.id, Scope: p.scope, From: p.from, Message: p.message, Live: p.live})
	case p.gone:
		h.step(replica.PeerDown{Link: l.id, Peer: p.from})
	default:
		h.step(replica.PeerUp{Link: l.id, Peer: p.from})
	}
}

// step is one turn of the host's loop.
func (h *simHost) step(e replica.Event) {
	w := h.w
	if w.trace {
		w.note("%s: %s", h.name, simSayEvent(e))
	}
	actions := h.r.Step(replica.Moment{Now: h.clock(), Rand: w.Uint64()}, e)
	for _, a := range actions {
		if w.trace {
			w.note("    %s", simSayAction(a))
		}
		h.perform(a)
	}
	h.sleep()
}

// sleep sets the timer.
func (h *simHost) sleep() {
	h.wake++
	at, ok := h.r.Wake()
	if !ok {
		return
	}
	// A timer is never early, and late by a little.
	due, wake := at.Sub(simEpoch)-h.skew, h.wake
	h.w.at(max(due, h.w.now)+h.w.span(0, 2*time.Millisecond), func() {
		if h.up && h.wake == wake {
			h.w.count("tick")
			h.step(replica.Tick{})
		}
	})
}

// tell steps soon, with what is so by then, unless the host crashes first.
func (h *simHost) tell(event func() replica.Event) {
	life := h.life
	h.w.after(h.w.span(0, 2*time.Millisecond), func() {
		if h.up && h.life == life {
			h.step(event())
		}
	})
}

// jump sets the host's clock.
func (h *simHost) jump(by time.Duration) {
	h.w.note("%s: the clock jumps by %v", h.name, by)
	h.skew += by
	if h.up {
		h.step(replica.Tick{})
	}
}

func (h *simHost) String() string { return fmt.Sprintf("%s (%v)", h.name, h.id) }
