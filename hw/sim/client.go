package sim

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// ErrHungUp means that the board went away, or cut a slow watcher off.
var ErrHungUp = errors.New("sim: board hung up")

// ErrRefused wraps the text with which the board refused a command.
var ErrRefused = errors.New("sim: board refused")

// Client watches and drives a board in another process. Next and WaitRelay are
// for one goroutine, SetInput for any.
type Client struct {
	conn    net.Conn
	events  chan Event    // closed by read when the board hangs up
	replies chan string   // "" is ok
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
		replies: make(chan string, 1),
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
			T         time.Time `json:"t"`
			Relay     string    `json:"relay"`
			Energised bool      `json:"energised"`
			Input     string    `json:"input"`
			Active    bool      `json:"active"`
			OK        bool      `json:"ok"`
			Error     string    `json:"error"`
		}
		if json.Unmarshal(lines.Bytes(), &m) != nil {
			return
		}
		if m.OK || m.Error != "" {
			select {
			case c.replies <- m.Error:
			case <-c.gone:
				return
			}
			continue
		}
		select {
		case c.events <- Event{m.T, m.Relay, m.Energised, m.Input, m.Active}:
		case <-c.gone:
			return
		}
	}
}

// SetInput drives an input and waits for the board's answer.
func (c *Client) SetInput(name string, active bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	line, err := json.Marshal(Command{name, active})
	if err != nil {
		return fmt.Errorf("sim: %w", err)
	}
	if _, err := c.conn.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%w: %w", ErrHungUp, err)
	}
	switch refused, ok := <-c.replies; {
	case !ok:
		return ErrHungUp
	case refused != "":
		return fmt.Errorf("%w: %s", ErrRefused, refused)
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
