package gateway

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"tombolo/cmd/internal/wiring"
	"tombolo/hw/osdp"
)

// osdpBus is an RS-485 bus and the readers on it.
type osdpBus struct {
	cfg     wiring.Bus
	keys    *osdpKeys
	readers map[byte]*osdpReader

	installing sync.Mutex // held while a reader is given a key

	mu    sync.Mutex
	bus   *osdp.Bus     // that runs, or nil
	anew  func()        // ends it, so that it is begun anew
	begun chan struct{} // closed while a bus runs
}

// newBuses are the buses of a wiring, by name.
func newBuses(w *wiring.Wiring, keys *osdpKeys) map[string]*osdpBus {
	buses := map[string]*osdpBus{}
	for name, cfg := range w.Buses {
		buses[name] = &osdpBus{cfg: *cfg, keys: keys, readers: map[byte]*osdpReader{}, begun: make(chan struct{})}
	}
	for _, r := range readersOf(w) {
		if r.cfg.Kind == wiring.OSDP {
			b := buses[r.cfg.Bus]
			b.readers[r.cfg.Address] = &osdpReader{reader: r, place: Place{r.cfg.Bus, r.cfg.Address}, bus: b}
		}
	}
	return buses
}

// part is what faults call it.
func (b *osdpBus) part() string { return "bus/" + b.cfg.Name }

// readBus runs a bus until ctx ends.
func (rd *reading) readBus(ctx context.Context, b *osdpBus, tried func()) error {
	log := rd.log.With("bus", b.cfg.Name)
	for _, r := range b.readers {
		r.attach(ctx, rd, log)
		defer r.taps.stop()
	}
	state := rd.state(ctx, b.part(), "no RS-485 adapter at "+b.cfg.Port, tried)
	for ctx.Err() == nil {
		cfg := osdp.Config{Port: b.cfg.Port, Baud: b.cfg.Baud, Log: log, State: state}
		for _, address := range slices.Sorted(maps.Keys(b.readers)) {
			cfg.Readers = append(cfg.Readers, b.readers[address].config())
		}
		bus, err := osdp.New(cfg)
		if err != nil {
			return err
		}
		session, end := context.WithCancel(ctx)
		b.begin(bus, end)
		err = bus.Run(session)
		b.renew()
		end()
		if err != nil {
			return err
		}
	}
	return nil
}

func (b *osdpBus) begin(bus *osdp.Bus, anew func()) {
	for _, r := range b.readers {
		r.forget()
	}
	b.mu.Lock()
	b.bus, b.anew = bus, anew
	close(b.begun)
	b.mu.Unlock()
	for _, r := range b.readers {
		r.lights.again()
	}
}

// running is the bus that runs, or nil.
func (b *osdpBus) running() *osdp.Bus {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bus
}

// await is the bus that runs, for which it waits until ctx ends.
func (b *osdpBus) await(ctx context.Context) (*osdp.Bus, error) {
	for {
		b.mu.Lock()
		bus, begun := b.bus, b.begun
		b.mu.Unlock()
		if bus != nil {
			return bus, nil
		}
		select {
		case <-begun:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// renew has the bus begun anew, with the keys that its readers have now.
func (b *osdpBus) renew() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.anew != nil {
		b.anew()
		b.bus, b.anew, b.begun = nil, nil, make(chan struct{}) // nobody works on it any more
	}
}

// What keeps a reader from being given a key.
var (
	errNoReader   = errors.New("the wiring file has no OSDP reader there")
	errInsecure   = errors.New("the wiring file says insecure = true there: such a reader has no key; leave insecure out and start tombolod again")
	errInstalling = errors.New("another reader of this bus is being given a key: wait for it")
	errNoKeys     = errors.New("every OSDP reader of this gateway is insecure, and has no key")
)

// MaxInstall is for how long a reader may be talked to with the key that
// everybody knows.
const MaxInstall = 2 * time.Minute

// install gives the reader at an address a key of its own, which has to be in its
// installation mode, and takes it to be the reader of this place from then on.
func (b *osdpBus) install(ctx context.Context, address byte, window time.Duration, now time.Time) error {
	return b.give(ctx, address, true, now, func(bus *osdp.Bus, key osdp.Key) (osdp.Identity, error) {
		return bus.Install(ctx, address, key, min(window, MaxInstall))
	})
}

// rotate gives an installed reader that answers another key.
func (b *osdpBus) rotate(ctx context.Context, address byte, now time.Time) error {
	var id osdp.Identity
	if r := b.readers[address]; r != nil && !r.cfg.Insecure {
		var up bool
		if id, up = r.identity(); !up {
			return osdp.ErrOffline
		}
	}
	return b.give(ctx, address, false, now, func(bus *osdp.Bus, key osdp.Key) (osdp.Identity, error) {
		return id, bus.Rotate(ctx, address, key)
	})
}

func (b *osdpBus) give(ctx context.Context, address byte, fresh bool, now time.Time, send func(*osdp.Bus, osdp.Key) (osdp.Identity, error)) error {
	r := b.readers[address]
	switch {
	case r == nil:
		return errNoReader
	case r.cfg.Insecure:
		return errInsecure
	case !b.installing.TryLock():
		return errInstalling
	}
	defer b.installing.Unlock()
	bus, err := b.await(ctx)
	if err != nil {
		return err
	}
	// Written before it is sent: whatever becomes of this process, the next one
	// knows the key that the reader has.
	s, err := b.keys.send(r.place, fresh)
	if err != nil {
		return err
	}
	defer b.renew()
	if fresh {
		r.setAside(true) // what it says now is not what it is here for
		defer r.setAside(false)
	}
	id, err := send(bus, s.key)
	switch {
	case err == nil:
		return b.keys.took(r.place, s.generation, id, now)
	case !s.again && untaken(err, fresh):
		return errors.Join(err, b.keys.unsent(r.place, s.generation))
	}
	return err
}

// untaken tells whether the reader surely does not have the key that it was to
// be given. An installation tries until its time is over: one that was refused
// at last may have been taken at first.
func untaken(err error, fresh bool) bool {
	for _, sure := range []error{osdp.ErrNotInInstallMode, osdp.ErrNotRunning, osdp.ErrUnknownReader} {
		if errors.Is(err, sure) {
			return true
		}
	}
	return !fresh && errors.Is(err, osdp.ErrKeyNotTaken)
}

// otherReader says that a reader is not the one that was installed.
type otherReader struct {
	place    Place
	uid, was string
}

func (e *otherReader) Error() string {
	return fmt.Sprintf("another reader answers there (%s) than the one that was installed (%s): find out who changed it; if you did, run `tombolod osdp install --bus %s --address %d`",
		e.uid, e.was, e.place.Bus, e.place.Address)
}

// keyless says that a reader cannot be there: it was never given a key.
type keyless struct {
	place Place
	err   error
}

func (e *keyless) Error() string {
	return fmt.Sprintf("it was not given a key yet: put it into its installation mode and run `tombolod osdp install --bus %s --address %d` (%v)", e.place.Bus, e.place.Address, e.err)
}

func (e *keyless) Unwrap() error { return e.err }
