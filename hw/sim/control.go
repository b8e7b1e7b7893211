package sim

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// queued is how far a watcher may fall behind before it is cut off; the board
// never waits for one.
const queued = 4096

// goodbye is how long a watcher has for what it was not told yet when the board goes.
const goodbye = time.Second

// tell queues an event for each watcher; b.mu is held. One that is too far
// behind is cut off, which it notices: events are never left out silently.
func (b *Board) tell(e Event) {
	for w := range b.watchers {
		select {
		case w <- e:
		default:
			delete(b.watchers, w)
			close(w)
		}
	}
}

func (b *Board) watch() chan Event {
	b.mu.Lock()
	defer b.mu.Unlock()
	w := make(chan Event, queued+len(b.relays)+len(b.inputs)+len(b.channels)+len(b.readers))
	now := b.now()
	for n, l := range b.relays {
		w <- Event{T: now, Relay: n, Energised: l.energised}
	}
	for n, l := range b.inputs {
		w <- Event{T: now, Input: n, Active: l.active}
	}
	for n, c := range b.channels {
		w <- Event{T: now, Reading: c.reading(n)}
	}
	for _, u := range b.readers {
		again := u.again
		w <- Event{T: now, Shown: &again}
	}
	b.watchers[w] = struct{}{}
	return w
}

func (b *Board) unwatch(w chan Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.watchers[w]; ok {
		delete(b.watchers, w)
		close(w)
	}
}

// Serve lets other processes watch and drive the board: one JSON object a
// line, events out, commands in, and to each [Command] one reply, {"ok":true},
// with a challenge if that was asked for, or {"error":"…"}. A line that is too long ends the connection after its reply.
// Serve closes l and every connection when it is done; it ends with l's error,
// nil when l was closed.
func (b *Board) Serve(l net.Listener) error {
	var mu sync.Mutex
	open := make(map[net.Conn]chan Event)
	var wg sync.WaitGroup
	defer func() {
		l.Close()
		mu.Lock()
		for c, events := range open { // what happened is told to the end, unless nobody reads it
			c.SetWriteDeadline(time.Now().Add(goodbye))
			b.unwatch(events)
		}
		mu.Unlock()
		wg.Wait()
	}()
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("sim: control socket: %w", err)
		}
		events := b.watch()
		mu.Lock()
		open[c] = events
		mu.Unlock()
		wg.Go(func() {
			b.serve(c, events)
			mu.Lock()
			delete(open, c)
			mu.Unlock()
		})
	}
}

type replyJSON struct {
	OK        bool   `json:"ok,omitempty"`
	Challenge string `json:"challenge,omitempty"`
	Error     string `json:"error,omitempty"`
}

func (b *Board) serve(c net.Conn, events chan Event) {
	replies := make(chan replyJSON)
	done := make(chan struct{}) // closed when nobody writes any more
	go func() {
		defer close(done)
		defer c.Close()
		enc := json.NewEncoder(c)
		for {
			var v any
			select {
			case e, ok := <-events:
				if !ok {
					return
				}
				v = e
			case r, ok := <-replies:
				if !ok {
					return
				}
				v = r
			}
			if enc.Encode(v) != nil {
				return
			}
		}
	}()
	defer func() {
		close(replies)
		<-done
		b.unwatch(events)
	}()

	reply := func(challenge []byte, err error) bool {
		v := replyJSON{OK: err == nil, Challenge: hex.EncodeToString(challenge)}
		if err != nil {
			v = replyJSON{Error: err.Error()}
		}
		select {
		case replies <- v:
			return true
		case <-done:
			return false
		}
	}
	lines := bufio.NewScanner(c)
	lines.Buffer(make([]byte, 0, MaxLine), MaxLine+2) // with a CR and LF
	for lines.Scan() {
		var challenge []byte
		cmd, err := ParseCommand(lines.Bytes())
		if err == nil {
			challenge, err = cmd.do(b)
		}
		if !reply(challenge, err) {
			return
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		reply(nil, ErrLong)
	}
}
