package nfc

import (
	"context"
	"errors"
	"time"

	"github.com/ZaparooProject/go-pn532"
)

const (
	statusEvery  = time.Millisecond     // how often the chip is asked whether it is ready, at first
	statusSlow   = 6 * time.Millisecond // and when it takes its time: a card is computing
	statusPlenty = 20                   // how often at first
	busFailures  = 8                    // in a row before the bus counts as failed: §6.2.4 lets the chip miss its address
)

// wired is I²C or SPI: a bus whose master asks the chip whether it has a frame,
// and fetches it in one transaction without being told its length.
type wired interface {
	kind() pn532.TransportType
	wake() error
	put(frame []byte) error
	// fetch gives the n bytes from the frame's first, if the chip has one.
	fetch(n int) (b []byte, ready bool, err error)
	close() error
}

// polled makes a bus of what is wired.
//
// A fetch that is longer than the frame reads filling; one that is shorter loses
// the rest (UM0701-02 §6.2.4), and a NACK has the chip send the frame again
// (§6.2.1.4). The drivers of the kernel and of libnfc fetch the longest frame
// each time: 25 ms on I²C at its usual 100 kHz. So here the length that suffices
// for most frames is fetched first.
type polled struct{ wired }

func (p polled) write(b []byte) error {
	err := p.put(b)
	if err != nil { // standing by, a chip misses what wakes it: the kernel's driver does the same
		time.Sleep(6 * time.Millisecond)
		err = p.put(b)
	}
	return err
}

func (p polled) flush() error { return nil } // nothing is received without being asked for

func (p polled) read(ctx context.Context, want int) (frame, error) {
	for range 3 { // whole at once, or after its length is known; an extended frame's takes one more
		got, err := p.next(ctx, want)
		if err != nil {
			return frame{}, err
		}
		f, used, need, err := decodeFrame(got)
		if !errors.Is(err, errFrameShort) {
			return f, err
		}
		if want = min(used+need, maxFrame); need == 0 || want <= len(got) {
			break
		}
		if err := p.write(frameNACK); err != nil {
			return frame{}, err
		}
	}
	return frame{}, errFrameNoStart
}

// next waits until the chip is ready and fetches n bytes.
func (p polled) next(ctx context.Context, n int) ([]byte, error) {
	failed := 0
	for asked := 0; ; asked++ {
		// What is there in time counts, however late a busy machine comes to look.
		over := ctx.Err()
		b, ready, err := p.fetch(n)
		switch {
		case err == nil && ready:
			return b, nil
		case err == nil:
			failed = 0
		default:
			if failed++; failed == busFailures {
				return nil, err
			}
		}
		if over != nil {
			return nil, over
		}
		wait := statusEvery
		if asked > statusPlenty {
			wait = statusSlow
		}
		_ = pause(ctx, wait)
	}
}

// pause waits, or returns ctx's error.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return ctx.Err()
	case <-ctx.Done():
		return ctx.Err()
	}
}
