package sim

import (
	"errors"
	"fmt"
)

// What a channel cannot read.
var (
	ErrNoAnswer = errors.New("sim: the converter does not answer") // since BreakChannel
	ErrReading  = errors.New("sim: a channel reads 0 to 1000 per mille")
)

type channel struct {
	perMille int
	broken   bool
}

// ADC is the board's converter; it has the method set of adc.ADC.
type ADC struct{ board *Board }

// ADC is the board's converter. It has the channels of the Config.
func (b *Board) ADC() ADC { return ADC{b} }

// Read gives what a channel was driven to.
func (a ADC) Read(number int) (perMille int, err error) {
	a.board.mu.Lock()
	defer a.board.mu.Unlock()
	c := a.board.channels[number]
	switch {
	case c == nil:
		a.board.violate(UnknownLine, channelName(number))
		return 0, fmt.Errorf("%w: ADC channel %d", ErrNoLine, number)
	case c.broken:
		return 0, ErrNoAnswer
	}
	return c.perMille, nil
}

func channelName(number int) string { return fmt.Sprintf("adc/%d", number) }

// SetReading drives a channel, 0 to MaxReading per mille, and mends it if it was
// broken.
func (b *Board) SetReading(number, perMille int) error {
	if perMille < 0 || perMille > MaxReading {
		return fmt.Errorf("%w: %d", ErrReading, perMille)
	}
	return b.setChannel(number, channel{perMille: perMille})
}

// BreakChannel makes every reading of a channel fail with ErrNoAnswer, until
// SetReading.
func (b *Board) BreakChannel(number int) error { return b.setChannel(number, channel{broken: true}) }

func (b *Board) setChannel(number int, to channel) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.channels[number]
	if c == nil {
		return fmt.Errorf("%w: ADC channel %d", ErrNoLine, number)
	}
	if *c != to {
		*c = to
		b.tell(Event{T: b.now(), Reading: c.reading(number)})
	}
	return nil
}

// Reading is what a channel reads.
type Reading struct {
	Channel  int
	PerMille int
	Broken   bool // it does not answer, and PerMille means nothing
}

func (c *channel) reading(number int) *Reading { return &Reading{number, c.perMille, c.broken} }
