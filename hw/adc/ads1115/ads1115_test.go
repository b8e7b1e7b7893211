package ads1115

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2creg"
	"periph.io/x/conn/v3/i2c/i2ctest"
	"periph.io/x/conn/v3/physic"

	"tombolo/hw/adc"
)

// Register contents are those of the data sheet, SBAS444 §9.6: the configuration is
//
//	OS 1 │ MUX 1xx: AINxx against ground │ PGA 001: ±4.096 V, 000: ±6.144 V │ MODE 1: single shot
//	DR 111: 860/s │ COMP_MODE 0, COMP_POL 0, COMP_LAT 0 │ COMP_QUE 11: no comparator
//
// so AIN0 at ±4.096 V is 1 100 001 1 │ 111 0 0 0 11 = C3 E3, and OS reads as 0
// while a conversion is under way.
const (
	ain0, ain1, ain2, ain3 = 0xc3, 0xd3, 0xe3, 0xf3
	ain0at6                = 0xc1 // ±6.144 V
	low                    = 0xe3
)

// reading is what passes on the bus for one: the start, one look that finds the
// conversion done, and the result.
func reading(addr uint16, config byte, result uint16) []i2ctest.IO {
	return []i2ctest.IO{
		{Addr: addr, W: []byte{0x01, config, low}},
		{Addr: addr, W: []byte{0x01}, R: []byte{config, low}},
		{Addr: addr, W: []byte{0x00}, R: []byte{byte(result >> 8), byte(result)}},
	}
}

// playback gives a converter that has found its chip, and then the script.
func playback(t *testing.T, supply physic.ElectricPotential, script ...[]i2ctest.IO) *Converter {
	t.Helper()
	first := byte(ain0)
	if supply > 4096*physic.MilliVolt {
		first = ain0at6
	}
	bus := &i2ctest.Playback{Ops: reading(DefaultAddress, first, 0), DontPanic: true}
	for _, s := range script {
		bus.Ops = append(bus.Ops, s...)
	}
	c, err := open(bus, Config{Bus: "/dev/i2c-1", Address: DefaultAddress, Supply: supply})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil { // it checks that the script came to its end
			t.Error(err)
		}
	})
	return c
}

const (
	volt33 = 3300 * physic.MilliVolt
	volt5  = 5 * physic.Volt
)

func TestChannels(t *testing.T) {
	t.Parallel()
	// 1.65 V of ±4.096 V are 1.65 / 4.096 × 2¹⁵ = 13200.
	c := playback(t, volt33,
		reading(0x48, ain0, 13200), reading(0x48, ain1, 0), reading(0x48, ain2, 26400), reading(0x48, ain3, 8))
	for channel, want := range []int{500, 0, 1000, 0} {
		if got, err := c.Read(channel); err != nil || got != want {
			t.Errorf("channel %d: %d, %v instead of %d", channel, got, err, want)
		}
	}
	for _, channel := range []int{-1, 4, 1 << 30} {
		if _, err := c.Read(channel); !errors.Is(err, ErrConfig) {
			t.Errorf("channel %d: %v", channel, err)
		}
	}
}

// TestGain: the range is the smallest that the supply fits into.
func TestGain(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		supply physic.ElectricPotential
		config byte
		half   uint16 // of the supply, as a result
	}{
		{2 * physic.Volt, 0xc5, 16000}, // ±2.048 V: PGA 010
		{2500 * physic.MilliVolt, 0xc3, 10000},
		{volt33, 0xc3, 13200},
		{4096 * physic.MilliVolt, 0xc3, 16384},
		{volt5, 0xc1, 13333}, // ±6.144 V: PGA 000
		{5500 * physic.MilliVolt, 0xc1, 14667},
	} {
		bus := &i2ctest.Playback{Ops: append(reading(0x48, tt.config, 0), reading(0x48, tt.config, tt.half)...), DontPanic: true}
		c, err := open(bus, Config{Address: 0x48, Supply: tt.supply})
		if err != nil {
			t.Errorf("%v: %v", tt.supply, err)
			continue
		}
		if got, err := c.Read(0); err != nil || got != 500 {
			t.Errorf("half of %v: %d, %v", tt.supply, got, err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestRange: a little beyond either end is the end, and more is an error.
func TestRange(t *testing.T) {
	t.Parallel()
	c := playback(t, volt33)
	for _, tt := range []struct {
		result uint16
		want   int
		err    error
	}{
		{0x0000, 0, nil},
		{0xffff, 0, nil},                     // −125 µV of offset
		{0xfdf0, 0, nil},                     // −66 mV: 20 ‰
		{0xfd00, 0, adc.ErrRange},            // −96 mV
		{0x8000, 0, adc.ErrRange},            // −4.096 V
		{26400, 1000, nil},                   // the supply
		{26433, 1000, nil},                   // and 1.25 ‰
		{27984, 1000, nil},                   // and 6 %
		{28050, 0, adc.ErrRange},             // and 6.25 %
		{0x7fff, 0, adc.ErrRange},            // as high as it goes
		{13187, 500, nil}, {13186, 499, nil}, // rounded
	} {
		bus := c.bus.(*i2ctest.Playback)
		bus.Ops = append(bus.Ops, reading(0x48, ain2, tt.result)...)
		if got, err := c.Read(2); got != tt.want || !errors.Is(err, tt.err) {
			t.Errorf("%#x: %d, %v instead of %d, %v", tt.result, got, err, tt.want, tt.err)
		}
	}
}

// TestWaits: a conversion that is under way is waited for, and its neighbour's
// result is not read in its place.
func TestWaits(t *testing.T) {
	t.Parallel()
	busy := i2ctest.IO{Addr: 0x48, W: []byte{0x01}, R: []byte{ain1 &^ bitDone, low}}
	ops := reading(0x48, ain1, 13200)
	ops = append([]i2ctest.IO{ops[0], busy, busy}, ops[1:]...)
	c := playback(t, volt33, ops)
	begin := time.Now()
	if got, err := c.Read(1); err != nil || got != 500 {
		t.Errorf("%d, %v", got, err)
	}
	if d := time.Since(begin); d < time.Second/860+2*lookAgain {
		t.Errorf("it waited for %v only", d)
	}
}

// TestWrong: what the bus and another chip may do instead.
func TestWrong(t *testing.T) {
	t.Parallel()
	start := i2ctest.IO{Addr: 0x48, W: []byte{0x01, ain3, low}}
	config := func(b ...byte) []i2ctest.IO {
		return []i2ctest.IO{start, {Addr: 0x48, W: []byte{0x01}, R: b}}
	}
	busy := config(ain3&^bitDone, low)
	for range looks - 1 {
		busy = append(busy, busy[1])
	}
	for _, tt := range []struct {
		name   string
		script []i2ctest.IO
		fails  int // the transaction that does, 0: none
		want   error
		says   string
	}{
		{"the start fails", nil, 1, ErrMissing, "i2cdetect shows it as 48"},
		{"the look fails", []i2ctest.IO{start}, 2, ErrMissing, "check its wires"},
		{"the result fails", config(ain3, low), 3, ErrMissing, "remote I/O error"},
		{"a conversion without end", busy, 0, ErrConverter, "does not end"},
		{"its state after power-up", config(0x85, 0x83), 0, ErrConverter, "its configuration is 8583 and not f3e3"}, // §9.6.3
		{"another channel", config(ain2, low), 0, ErrConverter, "another chip"},
		{"another gain", config(ain3^0x02, low), 0, ErrConverter, "another chip"},
		{"continuous mode", config(ain3&^0x01, low), 0, ErrConverter, "another chip"},
		{"another rate", config(ain3, 0x83), 0, ErrConverter, "another chip"},
		{"a bus held low", config(0x00, 0x00), 0, ErrConverter, "another chip"},
		{"a bus that nobody pulls", config(0xff, 0xff), 0, ErrConverter, "another chip"},
		{"bytes in the other order", config(low, ain3), 0, ErrConverter, "another chip"},
	} {
		bus := &failing{BusCloser: &i2ctest.Playback{Ops: append(reading(0x48, ain0, 0), tt.script...), DontPanic: true}}
		c, err := open(bus, Config{Bus: "/dev/i2c-1", Address: 0x48, Supply: volt33})
		if err != nil {
			t.Fatal(err)
		}
		bus.in = tt.fails
		begin := time.Now()
		got, err := c.Read(3)
		if got != 0 || !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || !strings.Contains(err.Error(), "/dev/i2c-1") {
			t.Errorf("%s: %d, %v", tt.name, got, err)
		}
		if d := time.Since(begin); d > 500*time.Millisecond { // 3 ms, and what a busy machine adds
			t.Errorf("%s: it took %v", tt.name, d)
		}
		if err := c.Close(); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

// failing is a bus whose in-th transaction from now fails, as a chip's that does
// not acknowledge.
type failing struct {
	i2c.BusCloser
	in int
}

func (f *failing) Tx(addr uint16, w, r []byte) error {
	if f.in > 0 {
		if f.in--; f.in == 0 {
			return errors.New("sysfs-i2c: remote I/O error")
		}
	}
	return f.BusCloser.Tx(addr, w, r)
}

func TestOpen(t *testing.T) {
	t.Parallel()
	for i, tt := range []struct {
		cfg  Config
		want error
		says string
	}{
		{Config{Bus: "x", Supply: volt33, Address: 0x47}, ErrConfig, "0x48 to 0x4B"},
		{Config{Bus: "x", Supply: volt33, Address: 0x4c}, ErrConfig, "0x48 to 0x4B"},
		{Config{Bus: "x", Supply: volt33, Address: 0xffff}, ErrConfig, "0x48 to 0x4B"},
		{Config{Bus: "x"}, ErrConfig, "2 to 5.5 V"},
		{Config{Bus: "x", Supply: -volt33}, ErrConfig, "2 to 5.5 V"},
		{Config{Bus: "x", Supply: physic.Volt}, ErrConfig, "2 to 5.5 V"},
		{Config{Bus: "x", Supply: 12 * physic.Volt}, ErrConfig, "2 to 5.5 V"},
		{Config{Bus: "no-such-bus", Supply: volt33}, nil, "is no I²C bus"},
		{Config{Bus: "", Supply: volt33}, nil, "is no I²C bus"},
		{Config{Bus: "/dev/i2c-4711", Supply: volt33}, nil, "switch the bus on"},
		{Config{Bus: "/dev/i2c-", Supply: volt33}, nil, "is no I²C bus"},
	} {
		c, err := Open(tt.cfg)
		if c != nil || err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%d: %v, %v", i, c, err)
		}
	}
	// By the registry: found, missing, and let go of.
	for i, ops := range [][]i2ctest.IO{reading(0x4a, ain0, 13200), nil} {
		bus := &i2ctest.Playback{Ops: ops, DontPanic: true}
		name := fmt.Sprintf("ads1115-%d", i)
		closed := 0
		if err := i2creg.Register(name, nil, -1, func() (i2c.BusCloser, error) { return &closing{bus, &closed}, nil }); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { i2creg.Unregister(name) })
		c, err := Open(Config{Bus: name, Address: 0x4a, Supply: volt33})
		if ops == nil {
			if c != nil || !errors.Is(err, ErrMissing) || !strings.Contains(err.Error(), "i2cdetect shows it as 4a") {
				t.Errorf("%v, %v", c, err)
			}
		} else if err != nil {
			t.Fatal(err)
		} else if err := c.Close(); err != nil {
			t.Error(err)
		}
		if closed != 1 {
			t.Errorf("%s was closed %d times", name, closed)
		}
	}
}

type closing struct {
	*i2ctest.Playback
	n *int
}

func (c *closing) Close() error { *c.n++; return nil }

// wire is a chip on a bus, with conversions that take their time, which can be
// pulled out. Out of the bus it forgets everything.
type wire struct {
	mu     sync.Mutex
	out    bool
	config [2]byte
	result uint16
	done   time.Time
	volts  [Channels]float64
}

func (c *wire) String() string                  { return "wire" }
func (c *wire) SetSpeed(physic.Frequency) error { return nil }
func (c *wire) Close() error                    { return nil }

func (c *wire) Tx(addr uint16, w, r []byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out || addr != DefaultAddress {
		return errors.New("sysfs-i2c: remote I/O error")
	}
	if time.Now().After(c.done) && c.config[0]&bitDone == 0 { // the conversion has come to its end
		c.config[0] |= bitDone
		c.result = uint16(c.volts[c.config[0]>>4&3] / 4.096 * (1 << 15))
	}
	switch {
	case len(w) == 3 && w[0] == 1:
		c.config = [2]byte{w[1] &^ bitDone, w[2]}
		c.done = time.Now().Add(1279 * time.Microsecond) // 1/860 s and a tenth more
	case len(w) == 1 && w[0] == 1 && len(r) == 2:
		copy(r, c.config[:])
	case len(w) == 1 && w[0] == 0 && len(r) == 2:
		r[0], r[1] = byte(c.result>>8), byte(c.result)
	default:
		return fmt.Errorf("%x: %d bytes are read", w, len(r))
	}
	return nil
}

func (c *wire) pull(out bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.out, c.config, c.result = out, [2]byte{0x85, 0x83}, 0
}

// TestRun samples a chip whose clock is as slow as the data sheet allows: no
// channel reads its neighbour's value, and a chip that is pulled out is told, as
// is its return.
func TestRun(t *testing.T) {
	t.Parallel()
	chip := &wire{config: [2]byte{0x85, 0x83}, volts: [Channels]float64{0, 1.1, 2.2, 3.3}}
	c, err := open(chip, Config{Bus: "wire", Address: DefaultAddress, Supply: volt33})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var readings, failed, back int
	err = adc.Run(ctx, adc.Config{
		ADC: c, Channels: []int{0, 1, 2, 3}, Every: 20 * time.Millisecond,
		Reading: func(channel, perMille int) {
			if want := []int{0, 333, 667, 1000}[channel]; perMille < want-1 || perMille > want+1 {
				t.Errorf("channel %d reads %d and not %d", channel, perMille, want)
			}
			if readings++; readings == 40 {
				chip.pull(true)
			}
		},
		State: func(channel int, err error) {
			switch {
			case err == nil:
				back++
			case !errors.Is(err, ErrMissing):
				t.Errorf("channel %d: %v", channel, err)
			default:
				failed++
			}
			if failed == Channels && err != nil {
				chip.pull(false)
			}
			if back == Channels {
				cancel()
			}
		},
	})
	if err != nil || failed != Channels || back != Channels {
		t.Errorf("%d channels failed and %d came back: %v", failed, back, err)
	}
}
