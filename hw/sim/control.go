package sim

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"
	"unicode/utf8"
)

// MaxLine bounds a line of the control protocol, in bytes without its end.
const MaxLine = 1024

// queued is how far a watcher may fall behind before it is cut off; the board
// never waits for one.
const queued = 4096

// Why a command was refused.
var (
	ErrSyntax   = errors.New("sim: command is not one JSON object in UTF-8")
	ErrField    = errors.New(`sim: command has a field other than "input" and "active"`)
	ErrTwice    = errors.New("sim: command has a field twice")
	ErrType     = errors.New("sim: command has a field of the wrong type")
	ErrMissing  = errors.New("sim: command lacks a field")
	ErrTrailing = errors.New("sim: command has something after the object")
	ErrLong     = errors.New("sim: command is longer than 1024 bytes")
)

// Command drives an input: {"input":"front/contact","active":true}.
type Command struct {
	Input  string `json:"input"`
	Active bool   `json:"active"`
}

// ParseCommand reads one line, without its end. It takes exactly the two
// fields, once each, in any order.
func ParseCommand(line []byte) (Command, error) {
	var c Command
	if len(line) > MaxLine {
		return c, ErrLong
	}
	if !utf8.Valid(line) {
		return c, ErrSyntax
	}
	d := json.NewDecoder(bytes.NewReader(line))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return c, ErrSyntax
	}
	var input, active bool
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return c, ErrSyntax
		}
		value, err := d.Token()
		if err != nil {
			return c, ErrSyntax
		}
		var seen *bool
		var ok bool
		switch key {
		case "input":
			seen = &input
			c.Input, ok = value.(string)
			ok = ok && c.Input != ""
		case "active":
			seen = &active
			c.Active, ok = value.(bool)
		default:
			return c, fmt.Errorf("%w: %q", ErrField, key)
		}
		if !ok {
			return c, fmt.Errorf("%w: %q", ErrType, key)
		}
		if *seen {
			return c, fmt.Errorf("%w: %q", ErrTwice, key)
		}
		*seen = true
	}
	if _, err := d.Token(); err != nil {
		return c, ErrSyntax
	}
	if _, err := d.Token(); err != io.EOF {
		return c, ErrTrailing
	}
	switch {
	case !input:
		return c, fmt.Errorf(`%w: "input"`, ErrMissing)
	case !active:
		return c, fmt.Errorf(`%w: "active"`, ErrMissing)
	}
	return c, nil
}

// Event is what the board tells: the state of a relay or of an input, one of
// which is named. A new watcher gets all of them once, and then each change.
type Event struct {
	T         time.Time
	Relay     string
	Energised bool // of the relay
	Input     string
	Active    bool // of the input
}

// MarshalJSON gives {"t":…,"relay":…,"energised":…} or {"t":…,"input":…,"active":…}.
func (e Event) MarshalJSON() ([]byte, error) {
	if e.Relay != "" {
		return json.Marshal(struct {
			T         time.Time `json:"t"`
			Relay     string    `json:"relay"`
			Energised bool      `json:"energised"`
		}{e.T, e.Relay, e.Energised})
	}
	return json.Marshal(struct {
		T      time.Time `json:"t"`
		Input  string    `json:"input"`
		Active bool      `json:"active"`
	}{e.T, e.Input, e.Active})
}

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
	w := make(chan Event, queued+len(b.relays)+len(b.inputs))
	now := b.now()
	for n, l := range b.relays {
		w <- Event{T: now, Relay: n, Energised: l.energised}
	}
	for n, l := range b.inputs {
		w <- Event{T: now, Input: n, Active: l.active}
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
// line, events out, commands in, and to each command one reply, {"ok":true} or
// {"error":"…"}. A line that is too long ends the connection after its reply.
// Serve closes l and every connection when it is done; it ends with l's error,
// nil when l was closed.
func (b *Board) Serve(l net.Listener) error {
	var mu sync.Mutex
	open := make(map[net.Conn]struct{})
	var wg sync.WaitGroup
	defer func() {
		l.Close()
		mu.Lock()
		for c := range open {
			c.Close()
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
		mu.Lock()
		open[c] = struct{}{}
		mu.Unlock()
		wg.Go(func() {
			b.serve(c)
			mu.Lock()
			delete(open, c)
			mu.Unlock()
		})
	}
}

func (b *Board) serve(c net.Conn) {
	events := b.watch()
	replies := make(chan any)
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

	type refusal struct {
		Error string `json:"error"`
	}
	reply := func(err error) bool {
		var v any = struct {
			OK bool `json:"ok"`
		}{true}
		if err != nil {
			v = refusal{err.Error()}
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
		cmd, err := ParseCommand(lines.Bytes())
		if err == nil {
			err = b.SetInput(cmd.Input, cmd.Active)
		}
		if !reply(err) {
			return
		}
	}
	if errors.Is(lines.Err(), bufio.ErrTooLong) {
		reply(ErrLong)
	}
}
