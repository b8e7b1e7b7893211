package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"tombolo/edge/policy"
	"tombolo/hw/sim"
	"tombolo/passport"
)

// challengeLife is how long a simulated reader takes the answer to a challenge.
const challengeLife = 10 * time.Second

// Why a simulated reader presented nothing; at an exit it presents that too.
var (
	errNoChallenge = errors.New("no challenge is open: ask for one, and answer it within 10 s, once")
	errAnswer      = errors.New("an answer is the door key's 34 bytes and its signature's 64")
)

// simReader is what a card reader's driver is, for a reader on the simulated
// board: it makes challenges and forgets each with its answer. It is a
// sim.Handler.
type simReader struct {
	ctx context.Context
	to  Doors
	now func() time.Time // monotonic

	mu    sync.Mutex
	open  bool
	until time.Time
	last  passport.Challenge // if open
}

// Challenge replaces the last challenge.
func (r *simReader) Challenge(door string, _ bool) []byte {
	var nonce [32]byte
	_, _ = rand.Read(nonce[:]) // never fails (crypto/rand)
	ch := r.to.Challenge(door, nonce)
	r.mu.Lock()
	r.open, r.until, r.last = true, r.now().Add(challengeLife), ch
	r.mu.Unlock()
	sum := ch.Sum()
	return sum[:]
}

// take gives the open challenge, once.
func (r *simReader) take() (passport.Challenge, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ok := r.open && r.now().Before(r.until)
	r.open = false
	return r.last, ok
}

// Tap takes key ‖ signature. A challenge is used up by whatever answers it. On
// the way out what is no answer counts too: nobody is kept in by a card that is
// taken away too soon.
func (r *simReader) Tap(door string, exit bool, answer []byte) error {
	ch, ok := r.take()
	key, sig, err := parseAnswer(answer)
	if !ok {
		err = errNoChallenge
	}
	switch {
	case err != nil && exit:
		return r.to.Unread(r.ctx, door, exit)
	case err != nil:
		return err
	}
	return r.to.Tap(r.ctx, door, exit, ch, key, sig)
}

func parseAnswer(answer []byte) (key passport.Key, sig passport.Signature, err error) {
	if len(answer) != passport.KeySize+len(sig) {
		return key, sig, fmt.Errorf("%w; these are %d bytes", errAnswer, len(answer))
	}
	key, err = passport.ParseKey(answer[:passport.KeySize])
	return key, passport.Signature(answer[passport.KeySize:]), err
}

// Key passes a key on.
func (r *simReader) Key(door string, exit bool, key byte) error {
	return r.to.Key(r.ctx, door, exit, key)
}

// readSim has a simulated reader heard until ctx ends.
func (rd *reading) readSim(ctx context.Context, r reader, tried func()) error {
	unit := rd.board.simReaders[r.mount()]
	defer unit.Listen(&simReader{ctx: ctx, to: rd.to, now: time.Now})()
	tried()
	<-ctx.Done()
	return nil
}

// simLamp shows patterns at a simulated reader. It is an edge.Reader.
type simLamp struct{ *sim.Reader }

// Show is edge.Reader's.
func (s simLamp) Show(p policy.Pattern, loop bool) {
	steps := make([]sim.Step, len(p))
	for i, step := range p {
		steps[i] = sim.Step{Colour: step.Colour.String(), Beep: step.Beep, For: step.For}
	}
	s.Reader.Show(steps, loop)
}
