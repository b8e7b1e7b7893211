package nfc

import (
	"errors"
	"fmt"
	"math/bits"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/ZaparooProject/go-pn532"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/conn/v3/spi/spireg"
	"periph.io/x/host/v3/sysfs"
)

// spiWire: each transaction begins with a byte that says which it is, and all
// bytes go with their lowest bit first, UM0701-02 §6.2.5.
type spiWire struct {
	port spi.PortCloser
	conn spi.Conn
}

const (
	spiWrite  = 0x01
	spiStatus = 0x02
	spiRead   = 0x03

	spiSpeed = physic.MegaHertz // the chip takes 5; long wires do not
)

func openSPI(path string) (bus, error) {
	port, err := openSPIPort(path)
	if err != nil {
		return nil, err
	}
	conn, err := port.Connect(spiSpeed, spi.Mode0, 8)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), port.Close())
	}
	return polled{&spiWire{port: port, conn: conn}}, nil
}

// openSPIPort opens the kernel's device, and else a port that a driver
// registered, as i2cbus does.
func openSPIPort(path string) (spi.PortCloser, error) {
	real := path
	if to, err := filepath.EvalSymlinks(path); err == nil {
		real = to
	}
	if name, ok := strings.CutPrefix(real, "/dev/spidev"); ok {
		b, cs, _ := strings.Cut(name, ".")
		bus, err1 := strconv.Atoi(b)
		line, err2 := strconv.Atoi(cs)
		if err1 == nil && err2 == nil {
			port, err := sysfs.NewSPI(bus, line)
			if err != nil {
				return nil, fmt.Errorf("%w (Raspberry Pi: dtparam=spi=on in config.txt, then restart; the service's user has to be in the group spi)", err)
			}
			return port, nil
		}
	}
	port, err := spireg.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s is no SPI device: name one as /dev/spidev0.0", path)
	}
	return port, nil
}

func (w *spiWire) kind() pn532.TransportType { return pn532.TransportSPI }
func (w *spiWire) close() error              { return w.port.Close() }

func (w *spiWire) wake() error {
	_, err := w.ready() // selecting it wakes it
	time.Sleep(2 * time.Millisecond)
	return err
}

func (w *spiWire) put(frame []byte) error {
	return w.conn.Tx(reversed(append([]byte{spiWrite}, frame...)), nil)
}

func (w *spiWire) ready() (bool, error) {
	b := reversed([]byte{spiStatus, 0})
	err := w.conn.Tx(b, b) // both of one length: a full duplex port takes nothing else
	return bits.Reverse8(b[1])&1 == 1, err
}

func (w *spiWire) fetch(n int) ([]byte, bool, error) {
	if ready, err := w.ready(); err != nil || !ready {
		return nil, false, err
	}
	b := make([]byte, 1+n)
	b[0] = bits.Reverse8(spiRead)
	err := w.conn.Tx(b, b)
	return reversed(b[1:]), true, err
}

// reversed turns each byte around, in place.
func reversed(b []byte) []byte {
	for i, v := range b {
		b[i] = bits.Reverse8(v)
	}
	return b
}
