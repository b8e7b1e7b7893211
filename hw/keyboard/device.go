package keyboard

import (
	"fmt"
	"os"
	"slices"

	evdev "github.com/holoplot/go-evdev"
)

// source is an open keyboard. Read blocks until there are events, or Close;
// held is not nil when the keys that are down had to be asked for. Read is
// called by one goroutine, Close by another, once.
type source interface {
	Read() (events []Event, held []uint16, err error)
	Close() error
}

// maxEvents of one read: what the kernel keeps for a keyboard.
const maxEvents = 64

type device struct {
	dev   *evdev.InputDevice
	fresh bool // the keys that are down have not been asked for yet
}

// openDevice opens a keyboard and takes it for this program alone.
func openDevice(path string) (source, error) {
	dev, err := evdev.OpenWithFlags(path, os.O_RDONLY)
	switch {
	case os.IsPermission(err):
		return nil, fmt.Errorf("keyboard: %w: give the service its udev rule for scanners", err)
	case os.IsNotExist(err):
		return nil, fmt.Errorf("keyboard: %w: is the scanner plugged in?", err)
	case err != nil: // it has no input device's ioctls
		return nil, fmt.Errorf("%w: %s: %w", ErrNotKeyboard, path, err)
	}
	d := &device{dev: dev, fresh: true}
	if err := d.take(path); err != nil {
		dev.Close()
		return nil, err
	}
	return d, nil
}

func (d *device) take(path string) error {
	if !types(d.dev.CapableEvents(evdev.EV_KEY)) {
		name, _ := d.dev.Name() // only for the message
		return fmt.Errorf("%w: %s is %q", ErrNotKeyboard, path, name)
	}
	if err := d.dev.Grab(); err != nil {
		return fmt.Errorf("%w: %s: %w", ErrGrabbed, path, err)
	}
	return d.dev.NonBlock()
}

func (d *device) Read() ([]Event, []uint16, error) {
	if d.fresh {
		d.fresh = false
		held, err := d.down()
		return nil, held, err
	}
	read, err := d.dev.ReadSlice(maxEvents)
	if err != nil {
		return nil, nil, err
	}
	events := make([]Event, len(read))
	for i, e := range read {
		events[i] = Event{uint16(e.Type), uint16(e.Code), e.Value}
	}
	if !slices.ContainsFunc(events, func(e Event) bool { return e.Type == evdev.EV_SYN && e.Code == evdev.SYN_DROPPED }) {
		return events, nil, nil
	}
	held, err := d.down()
	return events, held, err
}

// down gives the keys that are down, not nil.
func (d *device) down() ([]uint16, error) {
	state, err := d.dev.State(evdev.EV_KEY)
	if err != nil {
		return nil, fmt.Errorf("keys that are down: %w", err)
	}
	held := []uint16{}
	for code, is := range state {
		if is {
			held = append(held, uint16(code))
		}
	}
	// An ioctl of package evdev makes the file blocking, and a read that blocks
	// does not end with Close.
	return held, d.dev.NonBlock()
}

func (d *device) Close() error { return d.dev.Close() } // and ends the grab

// batch is what one Read gave.
type batch struct {
	events []Event
	held   []uint16
	err    error
}

// reads are the batches of a source, read by a goroutine of its own.
type reads struct {
	c    chan batch
	stop func() // closes the source; the goroutine has ended when it returns
}

func pump(src source) reads {
	r := reads{c: make(chan batch)}
	end, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			var b batch
			b.events, b.held, b.err = src.Read()
			select {
			case r.c <- b:
			case <-end:
				return
			}
			if b.err != nil {
				return
			}
		}
	}()
	r.stop = func() {
		close(end)
		_ = src.Close() // nothing was written
		<-ended
	}
	return r
}
