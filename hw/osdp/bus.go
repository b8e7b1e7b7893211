package osdp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"go.bug.st/serial"
	"golang.org/x/sys/unix"

	"tombolo/hw/internal/reopen"
)

// Bus is one RS-485 line with its readers. Its methods may be called from any
// goroutine.
type Bus struct {
	cfg  Config
	wake chan struct{} // capacity 1: there is something in the mailbox

	mu      sync.Mutex
	running bool              // the port is open
	opened  chan struct{}     // closed while it is
	mailbox []func(time.Time) // for Run's goroutine; bounded by maxMail
	shown   map[byte]*wish    // what has been asked for since Run looked

	// Run's goroutine owns the rest.
	readers []*reader
	callers map[byte]*caller
	visitor *visitor
	order   schedule
	port    io.ReadWriteCloser
	bytes   <-chan []byte // what came off the line; closed when it is gone
	free    chan<- []byte
	framer  deframer
	out     []byte    // what is sent
	quiet   time.Time // when the line will have been idle long enough
	log     *slog.Logger
}

// maxDiscard is how many reads, of up to 2 kB each, are thrown away ahead of a
// turn: more than a line at 230,400 baud brings in one.
const maxDiscard = 16

// maxMail bounds what waits for Run's goroutine.
const maxMail = 256

// wish is what shall be shown, by kind: the last of each.
type wish struct {
	lights  []light // bounded by the number of colours
	beep    *bool
	text    *string
	outputs map[byte]bool
}

type light struct {
	colour Colour
	on     bool
}

// New checks the configuration; ErrConfig.
func New(cfg Config) (*Bus, error) {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Bus{
		cfg:     cfg,
		wake:    make(chan struct{}, 1),
		opened:  make(chan struct{}),
		shown:   make(map[byte]*wish),
		callers: make(map[byte]*caller),
		log:     cfg.Log.With("port", cfg.Port, "baud", cfg.Baud),
	}, nil
}

// Waits between attempts to open the port.
const (
	reopenMin = 250 * time.Millisecond
	reopenMax = 5 * time.Second
)

// Run serves the bus until ctx ends and returns nil once all handlers have
// returned; a port that is missing or goes is tried again for ever. It may be called once.
func (b *Bus) Run(ctx context.Context) error {
	var wait sync.WaitGroup
	defer wait.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	now := time.Now()
	for _, c := range b.cfg.Readers {
		r := newReader(c, b.challenge, now)
		b.readers = append(b.readers, r)
		c := newCaller(b, c.Address, c.Handler)
		b.callers[r.address] = c
		wait.Go(func() { c.run(ctx) })
	}
	reopen.Run(ctx, reopen.Config{Min: reopenMin, Max: reopenMax, What: "OSDP bus", Log: b.log, State: b.cfg.State}, func(state func(bool, error)) (bool, error) {
		err := b.session(ctx, state)
		b.lost(err)
		return false, err
	})
	return nil
}

func (b *Bus) challenge() (rndA [8]byte) {
	if _, err := io.ReadFull(b.cfg.Rand, rndA[:]); err != nil {
		panic(fmt.Sprintf("osdp: no randomness: %v", err)) // crypto/rand.Reader never fails
	}
	return rndA
}

func (b *Bus) open() (io.ReadWriteCloser, error) {
	if b.cfg.Open != nil {
		return b.cfg.Open()
	}
	return serial.Open(b.cfg.Port, &serial.Mode{BaudRate: b.cfg.Baud, DataBits: 8})
}

// session opens the port and serves the readers until it fails or ctx ends.
func (b *Bus) session(ctx context.Context, state func(bool, error)) error {
	port, err := b.open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPort, err)
	}
	b.port = port
	stop := b.pump(port)
	defer stop()
	state(true, nil)
	b.setRunning(true)
	for ctx.Err() == nil {
		now := time.Now()
		b.readMail(now)
		b.visitEnds(now)
		r, wait := b.order.pick(b.line(), now)
		if r != nil {
			if err := b.turn(ctx, r, now); err != nil {
				return err
			}
			b.deliver(r)
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-b.wake:
		case <-timer.C:
		}
		timer.Stop()
	}
	return nil
}

// line is who hangs on the bus: a visitor stands in for the reader that has its address.
func (b *Bus) line() []*reader {
	if b.visitor == nil {
		return b.readers
	}
	return b.visitor.line
}

// lost takes all readers offline: there is no port.
func (b *Bus) lost(err error) {
	b.setRunning(false)
	if err == nil {
		err = ErrNotRunning
	}
	now := time.Now()
	b.readMail(now)
	b.endVisit(err)
	for _, r := range b.readers {
		r.fail(err, now)
		r.next, r.wait, r.heardAt = now, 0, now
		b.deliver(r)
	}
}

func (b *Bus) setRunning(running bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case running == b.running:
	case running:
		close(b.opened)
	default:
		b.opened = make(chan struct{})
	}
	b.running = running
}

// charTime is how long n characters of 10 bits take.
func (b *Bus) charTime(n int) time.Duration {
	return time.Duration(n) * 10 * time.Second / time.Duration(b.cfg.Baud)
}

const (
	// idleGap ends a frame that stopped: twice the 20 ms of §5.7, for what
	// USB adapters hold back.
	idleGap = 40 * time.Millisecond
	// mark is sent ahead: it settles the line and is no part of the frame (§5.9).
	mark = 0xFF
)

// pause waits for less than time.Sleep can, which takes a millisecond at least: at
// 115,200 baud the gap between two frames is a sixth of that.
func pause(d time.Duration) {
	if d > 0 {
		t := unix.NsecToTimespec(int64(d))
		_ = unix.Nanosleep(&t, nil) // a signal makes the gap shorter, and then a reader may ask again
	}
}

// turn sends one reader's command and waits for its reply.
func (b *Bus) turn(ctx context.Context, r *reader, now time.Time) error {
	b.discard(now)
	command, err := r.turn(now)
	if err != nil {
		b.log.Warn("OSDP command not sent", "reader", r.address, "err", err)
		return nil
	}
	b.out = append(append(b.out[:0], mark), command...)
	pause(time.Until(b.quiet)) // the line is idle for two characters, §5.7
	if _, err := b.port.Write(b.out); err != nil {
		return fmt.Errorf("%w: %w", ErrPort, err)
	}
	sent := time.Now().Add(b.charTime(len(command) + 1))
	b.quiet = sent.Add(b.charTime(2))
	window := b.order.window(b.line(), r, now)
	first := sent.Add(window)               // for the reply to begin
	last := first.Add(b.charTime(maxFrame)) // for it to be whole, whatever comes
	deadline := first
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
			f, encoded := b.framer.expire()
			if encoded != nil {
				if b.frame(r, f, encoded) {
					return nil
				}
				timer.Reset(time.Until(deadline))
				continue
			}
			end := time.Now()
			r.silence(end)
			b.order.done(r, end)
			return nil
		case chunk, ok := <-b.bytes:
			if !ok {
				return fmt.Errorf("%w: it was closed", ErrPort)
			}
			replied := b.feed(r, chunk)
			b.free <- chunk[:0]
			if replied {
				return nil
			}
			if b.framer.started() || b.framer.bad > 0 {
				if deadline = time.Now().Add(idleGap); deadline.After(last) {
					deadline = last
				}
				timer.Reset(time.Until(deadline))
			}
		}
	}
}

// feed looks for r's reply in what came off the line.
func (b *Bus) feed(r *reader, chunk []byte) bool {
	b.quiet = time.Now().Add(b.charTime(2))
	for len(chunk) > 0 {
		f, encoded, used := b.framer.push(chunk)
		chunk = chunk[used:]
		if encoded != nil && b.frame(r, f, encoded) {
			return true
		}
	}
	return false
}

// frame takes one frame, and says whether it ended r's turn.
func (b *Bus) frame(r *reader, f frame, encoded []byte) bool {
	now := time.Now()
	if r.heard(f, encoded, now) {
		b.order.done(r, now)
		return true
	}
	b.late(f, now)
	return false
}

// late notes a reader whose reply came when nobody waited for it any more.
func (b *Bus) late(f frame, now time.Time) {
	if !f.reply {
		return // our own command, echoed by the adapter; or a second panel
	}
	for _, r := range b.line() {
		if r.address == f.address && r.misses > 0 {
			r.slowTill = now.Add(time.Minute)
		}
	}
}

// discard throws away what came since the last turn: it answers nothing.
func (b *Bus) discard(now time.Time) {
	defer b.framer.reset()
	for range maxDiscard { // an adapter that floods must not hold the turns up
		select {
		case chunk, ok := <-b.bytes:
			if !ok {
				return // the turn will see it
			}
			b.quiet = now.Add(b.charTime(2))
			for rest := chunk; len(rest) > 0; {
				f, encoded, used := b.framer.push(rest)
				if rest = rest[used:]; encoded != nil {
					b.late(f, now)
				}
			}
			b.free <- chunk[:0]
		default:
			return
		}
	}
}

// deliver hands on what a reader told.
func (b *Bus) deliver(r *reader) {
	for _, event := range r.drain() {
		switch e := event.(type) {
		case resultEvent:
			e.request.result <- e // its only result: capacity 1
		case visitEvent:
			b.visited(e)
		case noteEvent:
			b.log.Warn("OSDP: "+e.text, "reader", r.address, "err", e.err)
		case goneEvent:
			b.callers[r.address].gone(e)
		default:
			if s, ok := e.(stateEvent); ok {
				b.logState(r, s)
			}
			b.callers[r.address].queue(e)
		}
	}
}

func (b *Bus) logState(r *reader, s stateEvent) {
	switch {
	case s.up:
		b.log.Info("OSDP reader online", "reader", r.address, "secure", r.secure())
	case !errors.Is(s.err, ErrNotRunning):
		b.log.Warn("OSDP reader offline", "reader", r.address, "err", s.err)
	}
}
