package sim_test

import (
	"context"
	"errors"
	"testing"

	"tombolo/hw/adc"
	"tombolo/hw/sim"
)

var _ adc.ADC = sim.ADC{}

func TestADC(t *testing.T) {
	t.Parallel()
	b := sim.New(sim.Config{Channels: map[int]int{0: 400, 3: 500}})
	a := b.ADC()
	reads := func(channel, want int) {
		t.Helper()
		if got, err := a.Read(channel); err != nil || got != want {
			t.Errorf("channel %d reads %d, %v, want %d", channel, got, err, want)
		}
	}
	reads(0, 400)
	reads(3, 500)
	for _, v := range []int{0, sim.MaxReading} {
		if err := b.SetReading(3, v); err != nil {
			t.Fatal(err)
		}
		reads(3, v)
	}
	if err := b.BreakChannel(3); err != nil {
		t.Fatal(err)
	}
	if v, err := a.Read(3); !errors.Is(err, sim.ErrNoAnswer) || v != 0 {
		t.Errorf("broken, it reads %d, %v", v, err)
	}
	reads(0, 400)
	for _, v := range []int{-1, 1001} {
		if err := b.SetReading(3, v); !errors.Is(err, sim.ErrReading) {
			t.Errorf("driven to %d: %v", v, err)
		}
	}
	if err := b.SetReading(3, 7); err != nil {
		t.Fatal(err)
	}
	reads(3, 7)
	for _, err := range []error{b.SetReading(1, 0), b.BreakChannel(1)} {
		if !errors.Is(err, sim.ErrNoLine) {
			t.Errorf("a channel that is not there is driven: %v", err)
		}
	}
	b.Check(t)
	if _, err := a.Read(1); !errors.Is(err, sim.ErrNoLine) {
		t.Errorf("a channel that is not there is read: %v", err)
	}
	if v := b.Violations(); len(v) != 1 || v[0].Rule != sim.UnknownLine || v[0].Line != "adc/1" {
		t.Errorf("violations %v", v)
	}
}

// TestServeADC: a channel is watched, driven and broken over the socket.
func TestServeADC(t *testing.T) {
	t.Parallel()
	b := sim.New(sim.Config{Channels: map[int]int{3: 400}})
	path, _ := serve(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	c := must(sim.Dial(path))
	defer c.Close()
	next := func(want sim.Reading) {
		t.Helper()
		if e, err := c.Next(ctx); err != nil || e.Reading == nil || *e.Reading != want {
			t.Errorf("got %+v (%+v), %v, want %+v", e, e.Reading, err, want)
		}
	}
	next(sim.Reading{Channel: 3, PerMille: 400})
	if err := errors.Join(c.SetReading(3, 400), c.SetReading(3, 0)); err != nil { // the first changes nothing
		t.Fatal(err)
	}
	next(sim.Reading{Channel: 3})
	if _, err := c.Do(sim.BreakChannel{Channel: 3}); err != nil {
		t.Fatal(err)
	}
	next(sim.Reading{Channel: 3, Broken: true})
	if _, err := b.ADC().Read(3); !errors.Is(err, sim.ErrNoAnswer) {
		t.Errorf("read: %v", err)
	}
	if err := c.SetReading(4, 0); !errors.Is(err, sim.ErrRefused) {
		t.Errorf("another channel: %v", err)
	}
}
