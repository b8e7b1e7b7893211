// Package ads1115 reads the ADS1115, the four-channel converter that supervised
// inputs hang on, as an adc.ADC.
//
// Call [Open] and give the [Converter] to adc.Run. A reading takes 1.2 to 1.3 ms
// and, on a bus of 100 kHz, 1.3 ms to pass: all four channels, 11 ms.
//
// The resistors' divider hangs between the supply and ground, so a reading is a
// fraction of the supply, which has to be named: the chip measures volts against a
// reference of its own. A rail that is 3 % high reads 3 % high, which is well
// within what tells the states of a line apart (package edge/door).
//
// Gains, multiplexer and rates are periph's driver's (devices/ads1x15). It is
// given a bus that looks whether the conversion is done before the result is
// read, and whether it is the one that was asked for: the driver sleeps for the
// nominal time of a conversion, of which the chip's clock may take a tenth more
// (data sheet SBAS444 §7.5), and what is read too early is another channel's value.
// A line that is watched must not be taken for its neighbour. What the driver
// offers for continuous reading is not used: it passes over errors in silence.
package ads1115

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/devices/v3/ads1x15"

	"tombolo/hw/adc"
	"tombolo/hw/internal/i2cbus"
)

// Channels is how many there are: 0 to 3, AIN0 to AIN3 against ground.
const Channels = 4

// DefaultAddress is the chip's with ADDR at ground; at VDD, SDA or SCL it is one,
// two or three more.
const DefaultAddress = 0x48

var (
	// ErrConfig is wrapped by Open for what cannot work.
	ErrConfig = errors.New("ads1115: configuration")
	// ErrMissing is wrapped by the error of a chip that does not answer.
	ErrMissing = errors.New("ads1115: no answer")
	// ErrConverter is wrapped by the error of a chip that answers, but not as an
	// ADS1115 does.
	ErrConverter = errors.New("ads1115: wrong answer")
)

// Config says where the converter is.
type Config struct {
	Bus     string                   // its device, e.g. /dev/i2c-1
	Address uint16                   // 0x48 to 0x4B; 0 is DefaultAddress
	Supply  physic.ElectricPotential // of the dividers: what a reading of adc.Full is; 2 to 5.5 V
}

// Bounds of a reading, in per mille of the supply. What is beyond Full by no more
// than the supply's and the chip's tolerance is Full; what is below zero by no
// more than noise and offset is zero. Beyond that, something is wired wrongly.
const (
	over  = 60
	under = 20
)

// Converter is an open ADS1115. It implements adc.ADC.
type Converter struct {
	cfg  Config
	bus  i2c.BusCloser
	pins [Channels]ads1x15.PinADC
}

var _ adc.ADC = (*Converter)(nil)

// Open opens the bus and takes one reading, so that a chip that is missing is
// known at once. The error says what to check.
func Open(cfg Config) (*Converter, error) {
	if cfg.Address == 0 {
		cfg.Address = DefaultAddress
	}
	switch {
	case cfg.Address < 0x48 || cfg.Address > 0x4b:
		return nil, fmt.Errorf("%w: address %#x: it has one of 0x48 to 0x4B", ErrConfig, cfg.Address)
	case cfg.Supply < 2*physic.Volt || cfg.Supply > 5500*physic.MilliVolt:
		return nil, fmt.Errorf("%w: a supply of %v: it runs on 2 to 5.5 V, and its inputs bear no more than its supply", ErrConfig, cfg.Supply)
	}
	bus, err := i2cbus.Open(cfg.Bus)
	if err != nil {
		return nil, fmt.Errorf("ads1115: %w", err)
	}
	c, err := open(bus, cfg)
	if err != nil {
		return nil, errors.Join(err, bus.Close())
	}
	return c, nil
}

// rate is the highest data rate: 1.16 ms for a conversion, data sheet §9.6.3.
const rate = 860 * physic.Hertz

func open(bus i2c.BusCloser, cfg Config) (*Converter, error) {
	c := &Converter{cfg: cfg, bus: bus}
	dev, err := ads1x15.NewADS1115(&checked{Bus: bus}, &ads1x15.Opts{I2cAddress: cfg.Address})
	if err != nil {
		return nil, err
	}
	for i, ch := range [Channels]ads1x15.Channel{ads1x15.Channel0, ads1x15.Channel1, ads1x15.Channel2, ads1x15.Channel3} {
		// The range is the next that the supply fits into: a reading that
		// saturates would hide that it is too high.
		if c.pins[i], err = dev.PinForChannel(ch, cfg.Supply, rate, ads1x15.SaveEnergy); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	if _, err := c.Read(0); err != nil && !errors.Is(err, adc.ErrRange) {
		return nil, err
	}
	return c, nil
}

// Read implements adc.ADC: the channel's voltage in per mille of the supply. The
// error wraps adc.ErrRange, ErrMissing or ErrConverter.
func (c *Converter) Read(channel int) (int, error) {
	if channel < 0 || channel >= Channels {
		return 0, fmt.Errorf("%w: channel %d: it has 0 to %d", ErrConfig, channel, Channels-1)
	}
	sample, err := c.pins[channel].Read()
	switch {
	case errors.Is(err, ErrConverter):
		return 0, fmt.Errorf("%w (at %#x on %s)", err, c.cfg.Address, c.cfg.Bus)
	case err != nil:
		return 0, fmt.Errorf("%w at %#x on %s: check its wires, supply and address; i2cdetect shows it as %x: %w",
			ErrMissing, c.cfg.Address, c.cfg.Bus, c.cfg.Address, err)
	}
	return perMille(sample.V, c.cfg.Supply)
}

func perMille(v, supply physic.ElectricPotential) (int, error) {
	m := int((2*adc.Full*v + supply) / (2 * supply)) // rounded; of negative ones towards zero
	if m < -under || m > adc.Full+over {
		return 0, fmt.Errorf("%w: %v where the supply is %v: check the supply and what is wired to the input", adc.ErrRange, v, supply)
	}
	return max(0, min(m, adc.Full)), nil
}

// Close lets go of the bus.
func (c *Converter) Close() error { return c.bus.Close() }

// checked is the bus that periph's driver is given.
type checked struct {
	i2c.Bus
	config []byte // that the driver wrote last
}

const (
	regConversion, regConfig = 0x00, 0x01 // data sheet §9.6.1
	bitDone                  = 0x80       // OS, in the first byte of the configuration: no conversion is under way

	looks     = 6                      // for the end of a conversion
	lookAgain = 250 * time.Microsecond // after one in vain: 1.5 ms in all on top of the nominal time
)

// Tx passes on what the driver wants, and before it reads a result waits for the
// end of the conversion that it has started.
func (b *checked) Tx(addr uint16, w, r []byte) error {
	if len(w) == 3 && w[0] == regConfig {
		b.config = bytes.Clone(w[1:])
	}
	if len(w) == 1 && w[0] == regConversion {
		if err := b.await(addr); err != nil {
			return err
		}
	}
	return b.Bus.Tx(addr, w, r)
}

func (b *checked) await(addr uint16) error {
	var is [2]byte
	for n := range looks {
		if n > 0 {
			time.Sleep(lookAgain)
		}
		if err := b.Bus.Tx(addr, []byte{regConfig}, is[:]); err != nil {
			return err
		}
		done := is[0]&bitDone != 0
		is[0] |= bitDone // the driver set it to start the conversion
		switch {
		case !bytes.Equal(is[:], b.config):
			// It was switched off and on, or it is another chip.
			return fmt.Errorf("%w: its configuration is %x and not %x: its supply may be interrupted, or another chip answers", ErrConverter, is, b.config)
		case done:
			return nil
		}
	}
	return fmt.Errorf("%w: a conversion does not end", ErrConverter)
}
