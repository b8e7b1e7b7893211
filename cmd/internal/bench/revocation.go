package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

const (
	revocationRounds   = 7
	revocationPause    = 3 * time.Second // after which all is acknowledged
	revocationPatience = time.Minute
)

// revocations measures how long a revocation takes from the command at the desk,
// whose ledger it is appended to, until the last of many gateways has verified and
// taken it; beside the time that the same bytes take, by the library alone and over
// as many connections at the same broker. Both take turns.
func revocations(b *report, dir string, gateways int) error {
	fmt.Fprintf(os.Stderr, "%d gateways at one broker …\n", gateways)
	i, err := newIsle(dir)
	if err != nil {
		return err
	}
	defer i.close()
	s, err := i.open(issuer)
	if err != nil {
		return err
	}
	defer s.Close()
	a, err := i.author(issuer, s, ledger.CommunityLog)
	if err != nil {
		return err
	}
	if err := admit(a, 1, 1000); err != nil {
		return err
	}
	fan := &fan{last: make(chan time.Time, 1), arrived: make(chan time.Time, 1), all: int64(gateways)}
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	members, err := i.members(gateways, a.Head(), s, fan.took)
	if err != nil {
		return err
	}
	// All at once they would take the two cores for minutes: each hears of each.
	for some := range slices.Chunk(members, 10) {
		for _, m := range some {
			running.Go(func() { m.run(ctx) })
		}
		for _, m := range some {
			if err := eventually(m.name+" is at the broker", time.Minute, func() bool { return m.link.Stats().Up }); err != nil {
				return err
			}
		}
	}
	desk, err := i.run(issuer, s, gateways, nil)
	if err != nil {
		return err
	}
	defer desk.stop()
	if err := desk.up(); err != nil {
		return err
	}
	sender, err := i.subscribers(gateways, fan)
	if err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "until they have all greeted each other …")
	time.Sleep(35 * time.Second) // births are repeated

	var ratios, ours, theirs []float64
	for n := range revocationRounds {
		fan.begin()
		size := a.Head().Size + 1
		fan.size.Store(size)
		began := time.Now()
		if _, err := a.Append(suspend(n + 1)); err != nil {
			return err
		}
		desk.node.Appended()
		last, err := fan.wait(fan.last)
		if err != nil {
			return fmt.Errorf("the revocation: %w", err)
		}
		took := last.Sub(began)
		time.Sleep(revocationPause)

		payload := fan.payload.Load()
		if payload == nil {
			return errors.New("the revocation was not seen at the broker")
		}
		fan.begin()
		began = time.Now()
		token := sender.Publish(i.bareTopic("bare-sender", "x"), 0, false, *payload)
		if last, err = fan.wait(fan.arrived); err == nil {
			err = settled(token)
		}
		if err != nil {
			return fmt.Errorf("the same bytes: %w", err)
		}
		bare := last.Sub(began)
		ours, theirs, ratios = append(ours, took.Seconds()*1e3), append(theirs, bare.Seconds()*1e3), append(ratios, took.Seconds()/bare.Seconds())
	}
	b.most("sync-revocation-ratio", median(ratios), 1.5)
	fmt.Printf("# revocation: %.1f ms to the last of %d gateways, %.1f ms for its %d bytes\n", median(ours), gateways, median(theirs), len(*fan.payload.Load()))
	checking, err := checkAll(a.Head(), gateways)
	if err != nil {
		return err
	}
	fmt.Printf("# of that, %.1f ms are the gateways' checks of the head's signature, which all run on this machine's cores\n", checking.Seconds()*1e3)
	return nil
}

// checkAll has a head's signature checked once for each gateway, on as many cores
// as the benchmark has.
func checkAll(h ledger.Head, gateways int) (time.Duration, error) {
	var all sync.WaitGroup
	var left atomic.Int64
	left.Store(int64(gateways))
	errs := make([]error, runtime.GOMAXPROCS(0))
	began := time.Now()
	for n := range errs {
		all.Go(func() {
			for left.Add(-1) >= 0 && errs[n] == nil {
				_, errs[n] = ledger.OpenHead(h.Note, h.Author)
			}
		})
	}
	all.Wait()
	return time.Since(began), firstOf(errs...)
}

// fan counts who has what was sent last.
type fan struct {
	all           int64
	size          atomic.Int64 // of the ledger that is waited for
	takers, heard atomic.Int64
	last, arrived chan time.Time
	payload       atomic.Pointer[[]byte] // of the last revocation, as the broker gave it
}

func (f *fan) begin() {
	f.takers.Store(0)
	f.heard.Store(0)
}

// took is told by each gateway of what it took.
func (f *fan) took(h ledger.Head) {
	if h.Size == f.size.Load() && f.takers.Add(1) == f.all {
		f.last <- time.Now()
	}
}

func (f *fan) hear(mqtt.Client, mqtt.Message) {
	if f.heard.Add(1) == f.all {
		f.arrived <- time.Now()
	}
}

func (f *fan) wait(c chan time.Time) (time.Time, error) {
	select {
	case at := <-c:
		return at, nil
	case <-time.After(revocationPatience):
		return time.Time{}, fmt.Errorf("only %d gateways have it (%d the bare bytes) of %d", f.takers.Load(), f.heard.Load(), f.all)
	}
}

// members are gateways that hold all of the issuer's ledger.
func (i *isle) members(n int, h ledger.Head, s *store.Store, took func(ledger.Head)) (all []*member, err error) {
	edge, err := s.Edge(h.Origin)
	if err != nil {
		return nil, err
	}
	var rights replica.Rights
	for k := range n {
		if k%isleNode == 0 {
			rights = i.rights(gatewayName(k), n)
		}
		m := newMember(gatewayName(k), rights, time.Now, replica.Ledger{Head: h, Edge: edge})
		m.stored = took
		if err := i.connect(m); err != nil {
			return nil, err
		}
		all = append(all, m)
	}
	return all, nil
}

// subscribers are as many bare ones, each with a filter that one sender's messages
// match; and one that sees what the desk sends.
func (i *isle) subscribers(n int, f *fan) (sender mqtt.Client, err error) {
	for k := range n {
		c, err := i.bare(fmt.Sprint("bare", k), nil)
		if err == nil {
			err = settled(c.Subscribe(fmt.Sprintf("tombolo/v1/%v/%v/from/+/head/#", i.community, nodeOf("bare")), 0, f.hear))
		}
		if err != nil {
			return nil, err
		}
	}
	watcher, err := i.bare("bare-watcher", nil)
	if err != nil {
		return nil, err
	}
	err = settled(watcher.Subscribe(fmt.Sprintf("tombolo/v1/%v/all/from/+/head/#", i.community), 0, func(_ mqtt.Client, m mqtt.Message) {
		if !m.Retained() && f.payload.Load() == nil && f.size.Load() != 0 {
			b := m.Payload()
			f.payload.Store(&b)
		}
	}))
	if err != nil {
		return nil, err
	}
	return i.bare("bare-sender", nil)
}
