package board

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/warthog618/go-gpiocdev"
	"golang.org/x/sys/unix"
	"periph.io/x/conn/v3/gpio"
)

// Bias is the resistor that the chip puts on an input. It is periph's word, and
// given here so that nobody outside hw has to import periph.
type Bias = gpio.Pull

// Biases.
const (
	Float    = gpio.Float
	PullUp   = gpio.PullUp
	PullDown = gpio.PullDown
)

// InputConfig names a contact's line, and who hears of it.
type InputConfig struct {
	Chip      string // label, path or HeaderChip
	Line      int    // offset on the chip
	ActiveLow bool   // active is the low level, as with a contact to ground
	Bias      Bias   // Float is off; silently absent where the chip has none

	// Report gets the level when the line is opened, before OpenInput returns,
	// and then each change; never the same level twice, one call at a time.
	// at is when the kernel saw the edge, and carries a monotonic reading.
	// While it runs edges wait in a queue of 256, whose oldest are lost when it
	// overflows, never the newest: the last level reported is always true.
	// It must not call Close. Contacts bounce: debouncing is the caller's.
	Report func(active bool, at time.Time)
}

// eventBuffer is far more than the 16 edges that the kernel keeps by default.
const eventBuffer = 256

// Input is a contact or a button.
type Input struct {
	name string
	line *gpiocdev.Line

	mu     sync.Mutex // orders the first report before those of edges
	report func(bool, time.Time)
	level  bool
	close  func() error
}

// OpenInput requests the line as an input with edges both ways and reports its
// level.
func OpenInput(cfg InputConfig) (*Input, error) {
	if cfg.Report == nil {
		return nil, errors.New("board: InputConfig.Report is nil")
	}
	chip, _, err := openChip(cfg.Chip, cfg.Line)
	if err != nil {
		return nil, err
	}
	defer chip.Close() // the line request outlives it
	in := &Input{name: fmt.Sprintf("line %d of %s", cfg.Line, chip.Label), report: cfg.Report}
	opts := []gpiocdev.LineReqOption{
		gpiocdev.WithConsumer(consumer), gpiocdev.AsInput, gpiocdev.WithBothEdges,
		gpiocdev.WithEventHandler(in.edge), gpiocdev.WithEventBufferSize(eventBuffer),
	}
	switch cfg.Bias {
	case PullUp:
		opts = append(opts, gpiocdev.WithPullUp)
	case PullDown:
		opts = append(opts, gpiocdev.WithPullDown)
	default:
		opts = append(opts, gpiocdev.WithBiasDisabled)
	}
	if cfg.ActiveLow {
		opts = append(opts, gpiocdev.AsActiveLow)
	}

	// Edges that come between the request and the reading wait for the lock;
	// those that the reading already shows are then of equal level, and dropped.
	in.mu.Lock()
	in.line, err = chip.RequestLine(cfg.Line, opts...)
	if err != nil {
		in.mu.Unlock()
		return nil, fmt.Errorf("board: request input, %s: %w", in.name, err)
	}
	in.close = sync.OnceValue(in.line.Close)
	v, err := in.line.Value()
	if err != nil {
		in.mu.Unlock()
		in.close()
		return nil, fmt.Errorf("board: read input, %s: %w", in.name, err)
	}
	in.level = v == 1
	in.report(in.level, time.Now())
	in.mu.Unlock()
	return in, nil
}

// edge runs on the line's own goroutine.
func (in *Input) edge(e gpiocdev.LineEvent) {
	at := wall(e.Timestamp)
	in.mu.Lock()
	defer in.mu.Unlock()
	active := e.Type == gpiocdev.LineEventRisingEdge // logical: active low is the kernel's
	if active == in.level {
		return
	}
	in.level = active
	in.report(active, at)
}

// wall turns the kernel's CLOCK_MONOTONIC into a time of this process.
func wall(mono time.Duration) time.Time {
	now := time.Now()
	var ts unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
		return now
	}
	if age := time.Duration(ts.Nano()) - mono; age > 0 {
		return now.Add(-age)
	}
	return now
}

// Close frees the line. When it returns, the line's goroutine has ended and
// Report will not be called again. Closing twice does nothing.
func (in *Input) Close() error { return in.close() }
