package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"tombolo/passport"
	"tombolo/passport/qr"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

func (e entries) RecordFirst(b ledger.Body, at time.Time) func(context.Context) error {
	return e.Journal.RecordFirst(store.Draft{Body: b, Time: at})
}

// runBoth runs the controller and then, for longer, its journal; stop ends them.
func runBoth(control, journal func(context.Context) error) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	journalCtx, cancelJournal := context.WithCancel(context.Background())
	var c, j sync.WaitGroup
	var errs [2]error
	c.Go(func() { errs[0] = control(ctx) })
	j.Go(func() { errs[1] = journal(journalCtx) })
	return func() error {
		cancel()
		c.Wait()
		cancelJournal()
		j.Wait()
		return firstOf(errs[:]...)
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// nonces are never the same.
var nonces atomic.Uint64

// show is one presentation, ready to be shown: show shows it, bare checks its
// signature and nothing else.
type presentation struct {
	show func(door string) error
	bare func() error
}

// code is a phone's QR code for the node.
func (g *gateway) code(key *passport.SoftKey, number passport.ID) (presentation, error) {
	s := passport.WindowStatement{Community: community, Passport: number, Target: passport.NodeTarget(node), Start: uint32(time.Now().Unix() + g.lead), Length: 15}
	binary.BigEndian.PutUint64(s.Nonce[:], nonces.Add(1))
	w, err := passport.SignWindow(key, s)
	if err != nil {
		return presentation{}, err
	}
	frame, public, sum := []byte(qr.Encode(w)), key.Key(), s.Sum()
	return presentation{
		show: func(door string) error { return g.Code(context.Background(), door, false, frame) },
		bare: func() error { return public.Verify(sum, w.Sig) },
	}, nil
}

// tap is a card's answer to a door's challenge.
func (g *gateway) tap(key *passport.SoftKey, door string) (presentation, error) {
	var nonce [32]byte
	binary.BigEndian.PutUint64(nonce[:], nonces.Add(1))
	c := g.Challenge(door, nonce)
	sum, public := c.Sum(), key.Key()
	sig, err := key.Sign(sum)
	if err != nil {
		return presentation{}, err
	}
	return presentation{
		show: func(door string) error { return g.Tap(context.Background(), door, false, c, public, sig) },
		bare: func() error { return public.Verify(sum, sig) },
	}, nil
}

// presentations makes one for each of the keys from first on.
func (g *gateway) presentations(people, kind, first, n int, door func(i int) string) ([]presentation, error) {
	out := make([]presentation, n)
	for i := range out {
		k := (first + i) % keysOf
		key := keyOf(kinds[kind], k)
		var err error
		if key.Key().Kind.Card() {
			out[i], err = g.tap(key, door(i))
		} else {
			out[i], err = g.code(key, number(people, kind, k))
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

const (
	tapRounds  = 30   // of a tap at each door, a strike apart, so that each moves a relay
	rateRounds = 9    // of one door and ten in turns
	ratedTaps  = 3000 // in each; a gateway remembers the codes of two rounds
)

// measured are the kinds of presentation, as kinds has their keys.
var measured = [...]string{"code-p256", "tap-secp256k1"}

func taps(b *report, dir, path string, people int) error {
	g, err := newGateway(dir, path)
	if err != nil {
		return err
	}
	started := time.Now()
	g.lead = 14
	time.Sleep(2 * time.Second) // a code that began before the start opens nothing
	if err := latency(b, g, path, people); err != nil {
		return err
	}
	g.lead = -26 // their time is over in four seconds, and then they need not be remembered
	time.Sleep(time.Until(started.Add(42 * time.Second)))
	if err := throughput(b, g, path, people); err != nil {
		return err
	}
	return g.close()
}

// latency measures from the frame to the relay, each time beside the bare check
// and with the kinds in turns.
func latency(b *report, g *gateway, path string, people int) error {
	var whole, bare, allocs [len(measured)][]float64
	for round := range tapRounds {
		moved := time.NewTimer(1400 * time.Millisecond) // by then all is locked again, and recorded
		if err := keepCached(path); err != nil {
			return err
		}
		<-moved.C
		all := make([]presentation, doors)
		for i := range all {
			one, err := g.presentations(people, (round+i)%len(measured), round*doors+i, 1, func(int) string { return doorName(i) })
			if err != nil {
				return err
			}
			all[i] = one[0]
		}
		for i, p := range all {
			kind := (round + i) % len(measured)
			begin := time.Now()
			if err := p.bare(); err != nil {
				return err
			}
			bare[kind] = append(bare[kind], float64(time.Since(begin)))
			counts := i >= doors-len(measured) // reading the counter stops the world: not between the others
			g.relays[i].counts.Store(counts)
			var before uint64
			if counts {
				before = mallocs()
			}
			begin = time.Now()
			if err := p.show(doorName(i)); err != nil {
				return err
			}
			select {
			case m := <-g.relays[i].moved:
				whole[kind] = append(whole[kind], float64(m.at.Sub(begin)))
				if counts {
					allocs[kind] = append(allocs[kind], float64(m.mallocs-before))
				}
			case <-time.After(time.Second):
				return fmt.Errorf("%s: no relay moved", measured[kind])
			}
		}
	}
	for kind, name := range measured {
		whole, bare := median(whole[kind]), median(bare[kind])
		b.most("frame-to-relay-"+name, whole/bare, 1.3)
		b.most("allocations-"+name, median(allocs[kind]), 40)
		fmt.Printf("# %s: %.1f µs from frame to relay, %.1f µs the bare check\n", name, whole/1e3, bare/1e3)
	}
	return nil
}

// keepCached reads a file, so that the system keeps it in its cache: what is
// measured is the gateway, and not how long the machine keeps what it has read.
func keepCached(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	for buf := make([]byte, 1<<20); ; {
		if _, err := f.Read(buf); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// throughput measures how many more taps ten doors at once make than one. At each
// door a tap follows the answer to the one before.
func throughput(b *report, g *gateway, path string, people int) error {
	var ones, tens, ratios [len(measured)][]float64
	for range rateRounds {
		round := time.NewTimer(2200 * time.Millisecond)
		if err := keepCached(path); err != nil {
			return err
		}
		for kind := range measured {
			one, err := tapRate(g, people, kind, 1)
			if err != nil {
				return err
			}
			ten, err := tapRate(g, people, kind, doors)
			if err != nil {
				return err
			}
			ones[kind], tens[kind], ratios[kind] = append(ones[kind], one), append(tens[kind], ten), append(ratios[kind], ten/one)
		}
		<-round.C
	}
	for kind, name := range measured {
		b.least("ten-doors-"+name, median(ratios[kind]), 1.8)
		fmt.Printf("# %s: %.0f a second at ten doors, %.0f at one\n", name, median(tens[kind]), median(ones[kind]))
	}
	return nil
}

// tapRate is taps a second at so many doors at once, as long as there are people
// at all of them.
func tapRate(g *gateway, people, kind, doors int) (float64, error) {
	all := make([][]presentation, doors)
	for i := range all {
		var err error
		if all[i], err = g.presentations(people, kind, i*50, ratedTaps/doors, func(int) string { return doorName(i) }); err != nil {
			return 0, err
		}
	}
	runtime.GC()
	begin := time.Now()
	var wg sync.WaitGroup
	var taps atomic.Int64
	var rate float64
	errs := make([]error, doors)
	rated := sync.OnceFunc(func() { rate = float64(taps.Load()) / time.Since(begin).Seconds() })
	for i := range all {
		wg.Go(func() {
			errs[i] = g.showAll(i, all[i], &taps)
			rated()
		})
	}
	wg.Wait()
	return rate, firstOf(errs...)
}

// showAll shows one after the other and waits for each one's answer.
func (g *gateway) showAll(door int, all []presentation, taps *atomic.Int64) error {
	answered := g.readers[door].answered
	select {
	case <-answered: // of earlier
	default:
	}
	for _, p := range all {
		if err := p.show(doorName(door)); err != nil {
			return err
		}
		if !<-answered {
			return fmt.Errorf("%s: somebody was refused", doorName(door))
		}
		taps.Add(1)
	}
	return nil
}
