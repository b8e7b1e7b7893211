package main

import (
	"fmt"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

const (
	idleDay   = 24 * time.Hour
	idleStart = 1777636800 // 2026-05-01T12:00Z

	// What a message takes beside its note and entries, at most: the author's key
	// and the framing of its fields, its topic, MQTT's header, TLS's record.
	idleFields = 32 + 32
	idleTopic  = 256
	idlePacket = 7
	idleRecord = 5 + 1 + 16 // RFC 8446 §5.2
	// A link pings after so long, in seconds, if nothing else was sent.
	idlePing = 30
)

// idle measures what a gateway sends on a day on which nothing happens: ten real
// replicas of one node, each with the community's ledger, the node's, the
// directory and all ten door logs, live through it by a clock of their own. Of the
// ten it is the one that sends most; each message is counted with the most that
// its topic, MQTT and TLS can add, and pings as if nothing else were sent.
func idle(b *report) error {
	now := time.Unix(idleStart, 0)
	clock := func() time.Time { return now }
	i := &isle{community: communityCharter().Hash()}
	rights := i.rights(gatewayName(0), isleNode)
	all, err := i.idleLedgers(&rights, now)
	if err != nil {
		return err
	}
	var members []*member
	sent, messages := make([]int, isleNode), make([]int, isleNode)
	type letter struct {
		from  int
		to    replica.Peer
		scope replica.Scope
		m     replica.Message
	}
	var post []letter
	for n := range isleNode {
		m := newMember(gatewayName(n), rights, clock, all...)
		m.send = func(s replica.Scope, to replica.Peer, msg replica.Message) error {
			sent[n] += onWire(msg)
			messages[n]++
			post = append(post, letter{n, to, s, msg})
			return nil
		}
		members = append(members, m)
	}
	deliver := func() {
		for len(post) > 0 {
			l := post[0]
			post = post[1:]
			for n, m := range members {
				if n != l.from && (l.to == replica.Peer{} || l.to == islePeer(m.name)) {
					m.step(replica.Received{Scope: l.scope, From: islePeer(gatewayName(l.from)), Message: l.m})
				}
			}
		}
	}
	for _, m := range members {
		m.step(replica.LinkUp{Scopes: []replica.Scope{replica.All, replica.Node}})
		deliver()
	}
	for end := now.Add(idleDay); ; {
		var next *member
		at := end
		for _, m := range members {
			if t, ok := m.replica.Wake(); ok && t.Before(at) {
				next, at = m, t
			}
		}
		if next == nil {
			break
		}
		if at.After(now) {
			now = at
		}
		next.step(replica.Tick{})
		deliver()
	}
	most := 0
	for n := range members {
		if sent[n] > sent[most] {
			most = n
		}
	}
	pings := int(idleDay.Seconds()) / idlePing * (2 + idleRecord)
	b.most("sync-idle-bytes", float64(sent[most]+pings), 1_000_000)
	fmt.Printf("# a day of nothing: %d bytes in %d messages, %d bytes of pings\n", sent[most], messages[most], pings)
	return nil
}

// onWire bounds what a message takes.
func onWire(m replica.Message) (n int) {
	var entries []ledger.Entry
	switch m := m.(type) {
	case replica.Head:
		n, entries = len(m.Note), m.Tail
	case replica.Held:
		n = len(m.Note)
	case replica.Want:
		n = len(m.Note)
	}
	for _, e := range entries {
		n += len(e.Leaf) + len(e.Salt) + 8 + len(e.Body) + 16
	}
	return n + idleFields + idleTopic + idlePacket + idleRecord
}

// idleLedgers are those of a node, as far as a replica looks at what is held.
func (i *isle) idleLedgers(rights *replica.Rights, now time.Time) (all []replica.Ledger, err error) {
	steward := islePublic("steward")
	rights.Authors[ledger.KeyIDOf(steward)] = replica.Author{Key: steward, Kinds: []ledger.LogKind{ledger.NodeLog, ledger.DirectoryLog}}
	write := func(author string, kind ledger.LogKind) {
		o := ledger.Origin{Community: i.community, Kind: kind, Author: islePeer(author), Incarnation: ledger.Incarnation{1}}
		var tree ledger.Tree
		tree.Append([]byte(author), nil)
		c := ledger.Checkpoint{Origin: o, Size: tree.Size(), Root: tree.Root()}
		note, bad := ledger.Sign(c, isleKey(author), uint64(now.Unix()))
		if bad == nil {
			var h ledger.Head
			h, bad = ledger.OpenHead(note, islePublic(author))
			all = append(all, replica.Ledger{Head: h, Edge: tree})
		}
		if bad != nil {
			err = bad
		}
	}
	write(issuer, ledger.CommunityLog)
	write("steward", ledger.NodeLog)
	write("steward", ledger.DirectoryLog)
	for n := range isleNode {
		write(gatewayName(n), ledger.DoorLog)
	}
	return all, err
}
