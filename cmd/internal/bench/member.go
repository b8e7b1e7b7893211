package main

import (
	"context"
	"math/rand/v2"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/replica"
)

// member is a simulated gateway: a real replica, a real link or what stands in for
// it, and a store in memory in the place of a disk. It keeps of each ledger the edge, and the entries
// since the member began.
type member struct {
	name    string
	link    *link.Link // nil: send does not need it
	send    func(replica.Scope, replica.Peer, replica.Message) error
	now     func() time.Time
	events  chan link.Event
	replica *replica.Replica
	held    map[ledger.Origin]*kept
	stored  func(ledger.Head) // told of what is taken; on the member's goroutine
}

type kept struct {
	replica.Ledger
	first   int64 // of entries
	entries []ledger.Entry
}

// newMember makes one that holds ledgers already, without a link.
func newMember(name string, rights replica.Rights, now func() time.Time, all ...replica.Ledger) *member {
	m := &member{
		name: name, now: now, stored: func(ledger.Head) {},
		replica: replica.New(replica.Config{Self: islePeer(name)}), held: map[ledger.Origin]*kept{},
	}
	for _, l := range all {
		m.held[l.Head.Origin] = &kept{Ledger: l, first: l.Head.Size}
	}
	m.step(replica.Started{Rights: rights, Ledgers: all})
	return m
}

// connect gives a member its link.
func (i *isle) connect(m *member) error {
	cfg, err := i.link(m.name)
	if err != nil {
		return err
	}
	m.events = make(chan link.Event, 256)
	if m.link, err = link.Open(cfg, m.events); err == nil {
		m.send = m.link.Send
	}
	return err
}

// run takes part until ctx ends.
func (m *member) run(ctx context.Context) {
	go func() { _ = m.link.Run(ctx) }()
	wake := time.NewTimer(time.Hour)
	defer wake.Stop()
	for {
		if at, ok := m.replica.Wake(); ok {
			wake.Reset(max(time.Until(at), 0))
		} else {
			wake.Stop()
		}
		select {
		case <-ctx.Done():
			return
		case e := <-m.events:
			m.hear(e)
		case <-wake.C:
			m.step(replica.Tick{})
		}
	}
}

func (m *member) hear(e link.Event) {
	switch e := e.(type) {
	case link.Up:
		m.step(replica.LinkUp{Link: e.Link, Scopes: e.Scopes})
	case link.Down:
		m.step(replica.LinkDown{Link: e.Link})
	case link.PeerUp:
		m.step(replica.PeerUp{Link: e.Link, Peer: e.Peer})
	case link.PeerDown:
		m.step(replica.PeerDown{Link: e.Link, Peer: e.Peer})
	case link.Received:
		m.step(replica.Received{Link: e.Link, Scope: e.Scope, From: e.From, Message: e.Message})
	}
}

func (m *member) step(e replica.Event) {
	for _, a := range m.replica.Step(replica.Moment{Now: m.now(), Rand: rand.Uint64()}, e) {
		switch a := a.(type) {
		case replica.Store:
			m.store(a.Extension)
		case replica.Send:
			_ = m.send(a.Scope, a.To, a.Message)
		case replica.SendHead:
			k := m.held[a.Origin]
			h := replica.Head{Author: k.Head.Author, Note: k.Head.Note, From: k.Head.Size}
			if a.TailFrom >= k.first && a.TailFrom < k.Head.Size {
				h.From, h.Tail = a.TailFrom, k.entries[a.TailFrom-k.first:]
			}
			_ = m.send(a.Scope, replica.Peer{}, h)
		case replica.SendHeld:
			m.acknowledge(a)
		}
	}
}

// store is durable at once, as far as memory is.
func (m *member) store(x ledger.Extension) {
	k := m.held[x.Head().Origin]
	if k == nil {
		k = &kept{Ledger: replica.Ledger{Head: ledger.Head{Checkpoint: ledger.Checkpoint{Origin: x.Head().Origin}}}}
		m.held[x.Head().Origin] = k
	}
	k.Edge = x.Tree()
	k.entries = append(k.entries, x.Entries()...)
	if x.Whole() {
		k.Head = x.Head()
	}
	m.stored(k.Head)
	m.step(replica.Stored{Ledger: k.Ledger})
}

func (m *member) acknowledge(a replica.SendHeld) {
	key, now := isleKey(m.name), uint64(m.now().Unix())
	signed, err := ledger.Cosign(a.Head.Note, ledger.RoleHold, key, now)
	if err == nil && a.Witness {
		signed, err = ledger.Cosign(signed, ledger.RoleWitness, key, now)
	}
	if err == nil {
		_ = m.send(a.Scope, replica.Peer{}, replica.Held{Author: a.Head.Author, Note: signed})
	}
}
