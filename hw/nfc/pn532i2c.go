package nfc

import (
	"time"

	"github.com/ZaparooProject/go-pn532"
	"periph.io/x/conn/v3/i2c"

	"tombolo/hw/internal/i2cbus"
)

const i2cAddress = 0x24 // the manual gives it as 48h, with the direction bit

// i2cWire: each read begins with a byte whose lowest bit says whether a frame
// follows in the same transaction, UM0701-02 §6.2.4.
type i2cWire struct {
	bus i2c.BusCloser
	dev i2c.Dev
}

func openI2C(path string) (bus, error) {
	b, err := i2cbus.Open(path)
	if err != nil {
		return nil, err
	}
	return polled{&i2cWire{bus: b, dev: i2c.Dev{Bus: b, Addr: i2cAddress}}}, nil
}

func (w *i2cWire) kind() pn532.TransportType { return pn532.TransportI2C }
func (w *i2cWire) close() error              { return w.bus.Close() }
func (w *i2cWire) put(frame []byte) error    { return w.dev.Tx(frame, nil) }

func (w *i2cWire) wake() error {
	_, _, _ = w.fetch(0) // its address wakes it
	time.Sleep(2 * time.Millisecond)
	return nil
}

func (w *i2cWire) fetch(n int) ([]byte, bool, error) {
	b := make([]byte, 1+n)
	err := w.dev.Tx(nil, b)
	return b[1:], b[0]&1 == 1, err
}
