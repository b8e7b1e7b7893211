package sim

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
)

// ErrHungUp means that the board went away, or cut a slow watcher off.
var ErrHungUp = errors.New("sim: board hung up")

// ErrRefused wraps the text with which the board refused a command.
var ErrRefused = errors.New("sim: board refused")

// Client watches and drives a board in another process. Next and WaitRelay are
// for one goroutine, everything else for any.
type Client struct {
	conn    net.Conn
	events  chan Event // closed by read when the board hangs up
	replies chan replyJSON
	gone    chan struct{} // closed by Close
	once    sync.Once

	mu sync.Mutex // one command is on its way at a time
}

// Dial connects to the Unix socket at path.
func Dial(path string) (*Client, error) {
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, fmt.Errorf("sim: no board answers there: %w", err)
	}
	c := &Client{
		conn:    conn,
		events:  make(chan Event, queued),
		replies: make(chan replyJSON, 1),
		gone:    make(chan struct{}),
	}
	go c.read()
	return c, nil
}

// Close hangs up. Closing twice does nothing.
func (c *Client) Close() error {
	var err error
	c.once.Do(func() {
		close(c.gone)
		err = c.conn.Close()
	})
	return err
}

func (c *Client) read() {
	defer close(c.events)
	defer close(c.replies)
	lines := bufio.NewScanner(c.conn)
	for lines.Scan() {
		var m struct {
			eventJSON
			replyJSON
		}
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			return
		}
		if m.OK || m.Error != "" {
			select {
			case c.replies <- m.replyJSON:
			case <-c.gone:
				return
			}
			continue
		}
		e, err := m.event()
		if err != nil {
			return
		}
		select {
		case c.events <- e:
		case <-c.gone:
			return
		}
	}
}

// Do sends a command and waits for the board's answer. challenge is nil unless
// it was asked for.
func (c *Client) Do(cmd Command) (challenge []byte, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	line, err := json.Marshal(cmd)
	if err != nil {
		return nil, fmt.Errorf("sim: %w", err)
	}
	if _, err := c.conn.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrHungUp, err)
	}
	reply, ok := <-c.replies
	switch {
	case !ok:
		return nil, ErrHungUp
	case reply.Error != "":
		return nil, fmt.Errorf("%w: %s", ErrRefused, reply.Error)
	case reply.Challenge == "":
		return nil, nil
	}
	return hex.DecodeString(reply.Challenge)
}

// SetInput drives an input.
func (c *Client) SetInput(name string, active bool) error {
	_, err := c.Do(DriveInput{name, active})
	return err
}

// SetReading drives an ADC's channel, per mille.
func (c *Client) SetReading(channel, perMille int) error {
	_, err := c.Do(DriveChannel{channel, perMille})
	return err
}

// Challenge asks a reader what a key has to sign.
func (c *Client) Challenge(at Mount) ([]byte, error) { return c.Do(AskChallenge{at}) }

// Tap gives a reader the answer to its last challenge.
func (c *Client) Tap(at Mount, answer []byte) error {
	_, err := c.Do(PresentTap{at, string(answer)})
	return err
}

// Press presses keys of a reader's keypad, one after the other.
func (c *Client) Press(at Mount, keys string) error {
	for _, key := range []byte(keys) {
		if _, err := c.Do(PressKey{at, key}); err != nil {
			return err
		}
	}
	return nil
}

// Next gives the next event: first the state of every line, then each change.
func (c *Client) Next(ctx context.Context) (Event, error) {
	select {
	case e, ok := <-c.events:
		if !ok {
			return Event{}, ErrHungUp
		}
		return e, nil
	case <-ctx.Done():
		return Event{}, ctx.Err()
	}
}

// WaitRelay reads events until one says that the relay is in that state.
func (c *Client) WaitRelay(ctx context.Context, relay string, energised bool) (Event, error) {
	for {
		e, err := c.Next(ctx)
		if err != nil {
			return Event{}, fmt.Errorf("sim: waiting for relay %q, energised %v: %w", relay, energised, err)
		}
		if e.Relay == relay && e.Energised == energised {
			return e, nil
		}
	}
}

// WaitShown reads events until one says that a reader shows a pattern of this
// first colour; "" waits for a dark one.
func (c *Client) WaitShown(ctx context.Context, at Mount, colour string) (Shown, error) {
	for {
		e, err := c.Next(ctx)
		if err != nil {
			return Shown{}, fmt.Errorf("sim: waiting for %q at %s: %w", colour, at, err)
		}
		if s := e.Shown; s != nil && s.Mount == at && (len(s.Steps) == 0 && colour == "" || len(s.Steps) > 0 && s.Steps[0].Colour == colour) {
			return *s, nil
		}
	}
}
