package adc_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"tombolo/hw/adc"
)

// script is a converter whose channels read what a function of the time says.
type script struct {
	start time.Time
	read  func(channel int, after time.Duration) (int, error)
}

func (s script) Read(channel int) (int, error) { return s.read(channel, time.Since(s.start)) }

var errGone = errors.New("no answer on the bus")

// run samples a script for a while and gives what was told, one line each, with
// the milliseconds since the start; equal readings in a row are told once.
func run(t *testing.T, forHow time.Duration, channels []int, read func(int, time.Duration) (int, error)) (told []string) {
	t.Helper()
	start := time.Now()
	say := func(format string, args ...any) {
		told = append(told, fmt.Sprintf("%d ms: ", time.Since(start).Milliseconds())+fmt.Sprintf(format, args...))
	}
	last := map[int]int{}
	ctx, cancel := context.WithTimeout(t.Context(), forHow)
	defer cancel()
	err := adc.Run(ctx, adc.Config{
		ADC: script{start, read}, Channels: channels,
		Reading: func(channel, perMille int) {
			if was, ok := last[channel]; !ok || was != perMille {
				say("%d reads %d", channel, perMille)
			}
			last[channel] = perMille
		},
		State: func(channel int, err error) {
			if err == nil {
				say("%d answers", channel)
				return
			}
			if !errors.Is(err, errGone) && !errors.Is(err, adc.ErrRange) {
				t.Errorf("channel %d: %v", channel, err)
			}
			say("%d: %v", channel, err)
		},
	})
	if err != nil {
		t.Errorf("Run: %v", err)
	}
	return told
}

func TestRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		read func(channel int, after time.Duration) (int, error)
		want []string
	}{
		{"readings follow the line", func(channel int, after time.Duration) (int, error) {
			if after < 50*time.Millisecond {
				return channel, nil
			}
			return 1000 - channel, nil
		}, []string{"0 ms: 3 reads 3", "0 ms: 7 reads 7", "50 ms: 3 reads 997", "50 ms: 7 reads 993"}},
		{"a converter that goes and comes", func(channel int, after time.Duration) (int, error) {
			if channel == 3 && after >= 100*time.Millisecond && after < 200*time.Millisecond {
				return 0, errGone
			}
			return 500, nil
		}, []string{"0 ms: 3 reads 500", "0 ms: 7 reads 500", "100 ms: 3: adc: channel 3: no answer on the bus", "1190 ms: 3 answers"}},
		{"a loose plug is one fault", func(channel int, after time.Duration) (int, error) {
			if channel == 3 && after < 2*time.Second && after.Milliseconds()%100 == 0 {
				return 0, errGone
			}
			return int(after / time.Second), nil
		}, []string{"0 ms: 3: adc: channel 3: no answer on the bus", "0 ms: 7 reads 0", "10 ms: 3 reads 0",
			"1000 ms: 7 reads 1", "1010 ms: 3 reads 1", "2000 ms: 3 reads 2", "2000 ms: 7 reads 2", "2900 ms: 3 answers"}},
		{"what cannot be", func(channel int, after time.Duration) (int, error) {
			return []int{1001, -1}[channel%2], nil
		}, []string{"0 ms: 3: adc: reading is not 0 to 1000 per mille: channel 3 read -1", "0 ms: 7: adc: reading is not 0 to 1000 per mille: channel 7 read -1"}},
	} {
		synctest.Test(t, func(t *testing.T) {
			if got := run(t, 2950*time.Millisecond, []int{3, 7}, c.read); !slices.Equal(got, c.want) {
				t.Errorf("%s: got  %q\nwant %q", c.name, got, c.want)
			}
		})
	}
}

// TestPace: a hundred readings a second of each channel, in their order.
func TestPace(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var order []int
		run(t, 995*time.Millisecond, []int{2, 0}, func(channel int, _ time.Duration) (int, error) {
			order = append(order, channel)
			return 0, nil
		})
		if want := slices.Repeat([]int{2, 0}, 100); !slices.Equal(order, want) {
			t.Errorf("%d readings: %v", len(order), order)
		}
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	a, reading := script{read: func(int, time.Duration) (int, error) { return 0, nil }}, func(int, int) {}
	for name, cfg := range map[string]adc.Config{
		"no converter":      {Channels: []int{0}, Reading: reading},
		"nobody listens":    {ADC: a, Channels: []int{0}},
		"no channel":        {ADC: a, Reading: reading},
		"a channel twice":   {ADC: a, Channels: []int{1, 0, 1}, Reading: reading},
		"a negative one":    {ADC: a, Channels: []int{0, -1}, Reading: reading},
		"a negative period": {ADC: a, Channels: []int{0}, Reading: reading, Every: -1},
	} {
		if err := adc.Run(t.Context(), cfg); !errors.Is(err, adc.ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
