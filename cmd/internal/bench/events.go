package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

const (
	eventsRound  = 10_000
	eventRounds  = 5
	eventsAhead  = 4096 // that wait at the journal, as a gateway bounds them
	bareAhead    = 100  // publishes under way
	eventsWithin = 2 * time.Minute
)

// doorEvents measures how many of a door's events a second reach another gateway:
// written by the journal of one, durably, carried over the link, verified and
// durable at the other. Beside it the bare library carries as many messages of an
// event's bytes, at QoS 1 and one by one, from one client to another through the
// same broker. The two take turns.
func doorEvents(b *report, dir string) error {
	i, err := newIsle(dir)
	if err != nil {
		return err
	}
	defer i.close()
	var gateways [2]*participant
	for n := range gateways {
		s, err := i.open(gatewayName(n))
		if err != nil {
			return err
		}
		defer s.Close()
		if gateways[n], err = i.run(gatewayName(n), s, 2, nil); err != nil {
			return err
		}
		defer gateways[n].stop()
	}
	from, to := gateways[0], gateways[1]
	a, err := i.author(gatewayName(0), from.store, ledger.DoorLog)
	if err != nil {
		return err
	}
	if err := a.Refresh(); err != nil {
		return err
	}
	from.node.Appended()
	if err := to.holds(a.Head().Origin, 1, eventsWithin); err != nil {
		return err
	}
	j := store.NewJournal(store.JournalConfig{
		Author: a, Delay: 50 * time.Millisecond, Queue: 2 * eventsAhead, Trouble: func(error) {}, Committed: from.node.Appended,
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- j.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	drafts, err := decisions(256)
	if err != nil {
		return err
	}
	bare, err := i.newBarePair()
	if err != nil {
		return err
	}
	var ratios, ours, theirs []float64
	for range eventRounds {
		began, size := time.Now(), to.size(a.Head().Origin)+eventsRound
		for n := range eventsRound {
			for j.Waiting() >= eventsAhead {
				time.Sleep(time.Millisecond)
			}
			if err := j.Record(drafts[n%len(drafts)]); err != nil {
				return err
			}
		}
		if err := to.holds(a.Head().Origin, size, eventsWithin); err != nil {
			return err
		}
		rate := eventsRound / time.Since(began).Seconds()
		time.Sleep(time.Second) // what follows: acknowledgements
		bytes, err := entryBytes(from.store, a.Head().Origin, size-1)
		if err != nil {
			return err
		}
		alone, err := bare.rate(bytes)
		if err != nil {
			return err
		}
		ratios, ours, theirs = append(ratios, rate/alone), append(ours, rate), append(theirs, alone)
	}
	b.least("sync-door-events-ratio", median(ratios), 0.6)
	fmt.Printf("# door events: %.0f a second from one gateway to another, %.0f bare messages at QoS 1\n", median(ours), median(theirs))
	return nil
}

// barePair are two bare clients.
type barePair struct {
	from    mqtt.Client
	topic   string
	arrived atomic.Int64
}

func (i *isle) newBarePair() (*barePair, error) {
	p := &barePair{topic: i.bareTopic("bare-from", "x")}
	to, err := i.bare("bare-to", nil)
	if err == nil {
		err = settled(to.Subscribe(p.topic, 0, func(mqtt.Client, mqtt.Message) { p.arrived.Add(1) }))
	}
	if err == nil {
		p.from, err = i.bare("bare-from", nil)
	}
	return p, err
}

// rate is messages a second until the last has arrived.
func (p *barePair) rate(bytes int) (float64, error) {
	p.arrived.Store(0)
	payload := make([]byte, bytes)
	var way []mqtt.Token
	began := time.Now()
	for range eventsRound {
		if len(way) == bareAhead {
			if err := settled(way[0]); err != nil {
				return 0, err
			}
			way = way[1:]
		}
		way = append(way, p.from.Publish(p.topic, 1, false, payload))
	}
	if err := eventually("all bare messages arrived", eventsWithin, func() bool { return p.arrived.Load() >= eventsRound }); err != nil {
		return 0, err
	}
	return eventsRound / time.Since(began).Seconds(), nil
}
