// Package adc samples the channels of an analogue-to-digital converter: what
// supervised inputs hang on, whose resistors tell a cut or shorted line from a
// contact that is open or closed.
//
// Call [Run] with a converter: it reads every channel at a steady pace, from one
// goroutine, and hands over each reading, and each channel that stops answering
// or answers again.
//
// It knows readings and not states: what a reading means follows from the
// resistors (package edge/door). It smooths nothing; debouncing is the caller's.
// Its drivers come with the readers; package hw/sim has a simulated one.
package adc

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Full is the reading at the converter's reference voltage.
const Full = 1000

// ErrRange is wrapped by the error of a reading outside 0 to Full: no state is
// made of what cannot be.
var ErrRange = errors.New("adc: reading is not 0 to 1000 per mille")

// ErrConfig is wrapped by Run when it cannot start at all.
var ErrConfig = errors.New("adc: configuration")

// ADC is a converter. Read gives one channel's voltage as a fraction of the
// reference, 0 to Full per mille; it returns within a few milliseconds, with an
// error when the converter does not answer. It is called from one goroutine.
type ADC interface {
	Read(channel int) (perMille int, err error)
}

// Config says what to sample, and who hears of it. All functions are called
// from Run's own goroutine, one at a time, and hold up sampling while they run.
type Config struct {
	ADC      ADC
	Channels []int         // each once
	Every    time.Duration // between two readings of a channel; 0 is 10 ms

	// Reading gets each reading that was right. Required.
	Reading func(channel, perMille int)

	// State is called with the error when a channel cannot be read, and with nil
	// once it has been read for Steady without one. May be nil.
	State func(channel int, err error)
}

const (
	defaultEvery = 10 * time.Millisecond

	// Steady is how long a channel that failed has to answer before it is said to:
	// a loose plug is one fault and not a hundred a second.
	Steady = time.Second
)

func (c Config) withDefaults() (Config, error) {
	channels := slices.Sorted(slices.Values(c.Channels))
	switch {
	case c.ADC == nil || c.Reading == nil:
		return c, fmt.Errorf("%w: ADC or Reading is nil", ErrConfig)
	case c.Every < 0:
		return c, fmt.Errorf("%w: a reading every %v", ErrConfig, c.Every)
	case len(channels) == 0:
		return c, fmt.Errorf("%w: no channel is named", ErrConfig)
	case channels[0] < 0 || len(slices.Compact(channels)) != len(c.Channels):
		return c, fmt.Errorf("%w: channels %v: each is 0 or more, and named once", ErrConfig, c.Channels)
	}
	if c.Every == 0 {
		c.Every = defaultEvery
	}
	if c.State == nil {
		c.State = func(int, error) {}
	}
	return c, nil
}

// Run samples until ctx ends and then returns nil. The only error is ErrConfig,
// at once. The first round of readings is taken at once too.
func Run(ctx context.Context, cfg Config) error {
	cfg, err := cfg.withDefaults()
	if err != nil {
		return err
	}
	good := make(map[int]int, len(cfg.Channels)) // of a channel that failed: readings since; absent if it did not
	steady := max(1, int(Steady/cfg.Every))
	tick := time.NewTicker(cfg.Every)
	defer tick.Stop()
	for ctx.Err() == nil {
		for _, channel := range cfg.Channels {
			v, err := read(cfg.ADC, channel)
			n, failing := good[channel]
			switch {
			case err != nil:
				good[channel] = 0
				if !failing {
					cfg.State(channel, err)
				}
				continue
			case failing && n+1 >= steady:
				delete(good, channel)
				cfg.State(channel, nil)
			case failing:
				good[channel] = n + 1
			}
			cfg.Reading(channel, v)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	return nil
}

func read(a ADC, channel int) (int, error) {
	v, err := a.Read(channel)
	if err != nil {
		return 0, fmt.Errorf("adc: channel %d: %w", channel, err)
	}
	if v < 0 || v > Full {
		return 0, fmt.Errorf("%w: channel %d read %d", ErrRange, channel, v)
	}
	return v, nil
}
