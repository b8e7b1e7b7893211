package osdp

import (
	"io"
	"sync"
	"time"
)

// pump reads the port in a goroutine of its own, the only one that does, into a
// few buffers that go round: a flood waits in the kernel and not here. stop ends
// it and closes the port.
func (b *Bus) pump(port io.ReadWriteCloser) (stop func()) {
	const buffers = 4
	bytes, free, done := make(chan []byte, buffers), make(chan []byte, buffers), make(chan struct{})
	for range buffers {
		free <- make([]byte, 0, 2048)
	}
	// A serial port must not be closed under a Read that waits: the descriptor
	// could be somebody else's by then. Others end it by being closed.
	timed, ok := port.(interface{ SetReadTimeout(time.Duration) error })
	if ok {
		ok = timed.SetReadTimeout(100*time.Millisecond) == nil
	}
	var reading sync.WaitGroup
	reading.Go(func() {
		defer close(bytes)
		for {
			var buf []byte
			select {
			case <-done:
				return
			case buf = <-free:
			}
			n, err := 0, error(nil)
			for n == 0 && err == nil {
				select {
				case <-done:
					return
				default:
				}
				n, err = port.Read(buf[:cap(buf)]) // 0, nil after a timeout
			}
			if n > 0 {
				bytes <- buf[:n] // never more than there are buffers
			}
			if err != nil {
				return
			}
		}
	})
	b.bytes, b.free = bytes, free
	b.framer.reset()
	return func() {
		close(done)
		if ok {
			reading.Wait()
			port.Close()
			return
		}
		port.Close()
		reading.Wait()
	}
}
