package nfc

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"periph.io/x/conn/v3"
	"periph.io/x/conn/v3/i2c"
	"periph.io/x/conn/v3/i2c/i2creg"
	"periph.io/x/conn/v3/physic"
	"periph.io/x/conn/v3/spi"
	"periph.io/x/conn/v3/spi/spireg"
)

// buildPN532Peer builds testdata/pn532peer inside a copy of go-pn532's module,
// whose simulator nobody else may import, and gives the program's path. It is
// built with this module's own versions of everything else.
func buildPN532Peer(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	goTool := func(env []string, arg ...string) string {
		t.Helper()
		cmd := exec.Command("go", arg...)
		cmd.Env = append(os.Environ(), append(env, "GOFLAGS=", "GOWORK=off")...)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(arg, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	const module = "github.com/ZaparooProject/go-pn532"
	from, to := goTool(nil, "list", "-m", "-f", "{{.Dir}}", module), filepath.Join(dir, "module")
	for _, part := range []string{"", "detection", "pkg/ndef", "internal/frame", "internal/syncutil", "internal/testing"} {
		names, err := filepath.Glob(filepath.Join(from, part, "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s/%s holds no Go files: %v", module, part, err)
		}
		for _, name := range names {
			if !strings.HasSuffix(name, "_test.go") {
				copyFile(t, name, filepath.Join(to, part, filepath.Base(name)))
			}
		}
	}
	copyFile(t, filepath.Join(from, "go.mod"), filepath.Join(to, "go.mod"))
	copyFile(t, "testdata/pn532peer/main.go.txt", filepath.Join(to, "cmd/peer/main.go"))

	main := goTool(nil, "env", "GOMOD")
	copyFile(t, strings.TrimSuffix(main, ".mod")+".sum", filepath.Join(dir, "go.sum"))
	copyFile(t, main, filepath.Join(dir, "go.mod"))
	mod := filepath.Join(dir, "go.mod")
	goTool(nil, "mod", "edit", "-replace="+module+"="+to, mod)
	program := filepath.Join(dir, "peer")
	goTool([]string{"CGO_ENABLED=0"}, "build", "-trimpath", "-modfile="+mod, "-o", program, module+"/cmd/peer")
	return program
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

// peerOrder and peerFault are the peer's order and fault.
type peerOrder struct {
	ID    int `json:",omitempty"`
	Cards []peerCard
	Set   bool

	Checksum, DropACK, Collision bool
	Zombie                       *bool
	ACKFailures, Glitch          int
	Garbage                      []byte

	Fault *peerFault
	Chunk int

	Reply bool
	Data  []byte
	Torn  bool
}

type peerCard struct {
	Kind     string // iso, ntag, classic
	UID, ATS []byte
}

type peerFault struct {
	Cmd   byte
	ACK   bool
	Kind  string
	At    int
	Delay time.Duration
	Data  []byte
	Times int
}

// Cards that can be put into the field. The phone's UID is a random one, which
// begins with 08: ISO 14443-3 §6.5.4.
var (
	halo532    = peerCard{"iso", unhex532("04a1b2c3d4e5f6"), unhex532("0578807002")}
	keycard532 = peerCard{"iso", unhex532("04112233445566"), unhex532("107880a0021f00810073c84000009000")}
	phone532   = peerCard{"iso", unhex532("08d1e2f3"), unhex532("067577810280")}
	ntag532    = peerCard{"ntag", unhex532("04010203040506"), nil}
	classic532 = peerCard{"classic", unhex532("01020304"), nil}
)

func unhex532(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}

// reader532 is a PN532 that a peer plays, on a bus of its own.
type reader532 struct {
	t       *testing.T
	program string
	kind    string // uart, i2c, spi
	path    string // of the bus
	jitter  uint64
	pace    atomic.Int64 // nanoseconds that a byte takes on I²C and SPI

	mu      sync.Mutex
	process *exec.Cmd // nil: unplugged
	wire    net.Conn  // of I²C and SPI
	ends    []io.Closer
	control *json.Encoder
	next    int
	done    map[int]chan struct{}
	card    func(apdu []byte) (response []byte, torn bool)
	turn    sync.Mutex // held while card runs, so that the detector sees that its calls come one after the other
	opened  int        // buses that are open
}

var bus532 atomic.Int64

// newReader532 starts a peer for a bus of the kind.
func newReader532(t *testing.T, program, kind string, jitter uint64) *reader532 {
	t.Helper()
	r := &reader532{t: t, program: program, kind: kind, jitter: jitter}
	name := fmt.Sprintf("pn532-%s-%d", kind, bus532.Add(1))
	switch kind {
	case "uart":
		r.path = filepath.Join(t.TempDir(), name)
	case "i2c":
		r.path = name
		if err := i2creg.Register(name, nil, -1, func() (i2c.BusCloser, error) { return &i2cTo{r}, r.open() }); err != nil {
			t.Fatal(err)
		}
	case "spi":
		r.path = name
		if err := spireg.Register(name, nil, -1, func() (spi.PortCloser, error) { return &spiTo{r: r}, r.open() }); err != nil {
			t.Fatal(err)
		}
	}
	r.plug()
	t.Cleanup(func() {
		r.unplug()
		if r.opened != 0 {
			t.Errorf("%d buses were left open", r.opened)
		}
	})
	return r
}

func (r *reader532) config() PN532Config { return PN532Config{Bus: r.kind + ":" + r.path} }

// plug starts the peer.
func (r *reader532) plug() {
	r.t.Helper()
	var wire *os.File
	var near io.Closer
	if r.kind == "uart" {
		master, slave, err := pty.Open()
		if err != nil {
			r.t.Fatal(err)
		}
		os.Remove(r.path)
		if err := os.Symlink(slave.Name(), r.path); err != nil {
			r.t.Fatal(err)
		}
		slave.Close()
		wire, near = master, io.NopCloser(nil)
	} else {
		wire, near = socket(r.t)
	}
	far, control := socket(r.t)
	cmd := exec.Command(r.program, "-bus", r.kind, "-jitter", fmt.Sprint(r.jitter))
	cmd.ExtraFiles = []*os.File{wire, far}
	cmd.Stderr = os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	wire.Close()
	far.Close()
	r.mu.Lock()
	r.process, r.control, r.done = cmd, json.NewEncoder(control), map[int]chan struct{}{}
	r.ends = []io.Closer{near, control}
	r.wire, _ = near.(net.Conn)
	go r.listen(control, r.control)
	r.mu.Unlock()
	r.order(peerOrder{}) // it has started
}

// unplug ends the peer: the bus is silent, and the UART's device is gone.
func (r *reader532) unplug() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return
	}
	r.process.Process.Kill()
	r.process.Wait()
	for _, c := range r.ends {
		c.Close()
	}
	r.process, r.wire = nil, nil
	os.Remove(r.path)
}

// socket gives the two ends of a connection, the first for a child.
func socket(t *testing.T) (*os.File, net.Conn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := os.NewFile(uintptr(fds[1]), "near")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		t.Fatal(err)
	}
	return os.NewFile(uintptr(fds[0]), "far"), c
}

// listen answers what the peer asks.
func (r *reader532) listen(control io.Reader, to *json.Encoder) {
	for d := json.NewDecoder(control); ; {
		var e struct {
			ID   int
			APDU []byte
		}
		if d.Decode(&e) != nil {
			return
		}
		r.mu.Lock()
		done, card := r.done[e.ID], r.card
		r.mu.Unlock()
		switch {
		case e.APDU == nil:
			close(done)
		case card == nil:
			r.send(to, peerOrder{ID: e.ID, Reply: true, Torn: true})
		default:
			go func() { // it may take its time
				r.turn.Lock()
				response, torn := card(e.APDU)
				r.turn.Unlock()
				r.send(to, peerOrder{ID: e.ID, Reply: true, Data: response, Torn: torn})
			}()
		}
	}
}

func (r *reader532) send(to *json.Encoder, o peerOrder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	to.Encode(o) // the peer may be gone
}

// order has the peer do something and waits until it has.
func (r *reader532) order(o peerOrder) {
	r.t.Helper()
	r.mu.Lock()
	r.next++
	o.ID = r.next
	done := make(chan struct{})
	r.done[o.ID] = done
	err := r.control.Encode(o)
	r.mu.Unlock()
	if err != nil {
		r.t.Fatal("the peer is gone:", err)
	}
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		r.t.Fatal("the peer does not obey")
	}
}

// field puts cards into the field; card answers the APDUs of one of kind iso.
func (r *reader532) field(card func([]byte) ([]byte, bool), cards ...peerCard) {
	r.t.Helper()
	r.mu.Lock()
	r.card = card
	r.mu.Unlock()
	r.order(peerOrder{Set: true, Cards: cards})
}

func (r *reader532) open() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.process == nil {
		return errors.New("no such device")
	}
	r.opened++
	return nil
}

// tx is one transaction of I²C or SPI.
func (r *reader532) tx(bus byte, w, into []byte) error {
	r.mu.Lock()
	wire := r.wire
	r.mu.Unlock()
	if wire == nil {
		return errors.New("remote I/O error")
	}
	time.Sleep(time.Duration(r.pace.Load()) * time.Duration(1+len(w)+len(into)))
	m := binary.BigEndian.AppendUint16([]byte{bus}, uint16(len(w)))
	m = append(binary.BigEndian.AppendUint16(m, uint16(len(into))), w...)
	if _, err := wire.Write(m); err != nil {
		return err
	}
	_, err := io.ReadFull(wire, into)
	return err
}

func (r *reader532) closed() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened--
	return nil
}

// i2cTo is an I²C bus with the peer at its address.
type i2cTo struct{ *reader532 }

func (b *i2cTo) String() string                  { return b.path }
func (b *i2cTo) SetSpeed(physic.Frequency) error { return nil }
func (b *i2cTo) Close() error                    { return b.closed() }
func (b *i2cTo) Tx(addr uint16, w, into []byte) error {
	if addr != 0x24 {
		return errors.New("remote I/O error")
	}
	return b.tx('I', w, into)
}

// spiTo is a full duplex SPI port with the peer at its chip select.
type spiTo struct{ r *reader532 }

func (p *spiTo) String() string                    { return p.r.path }
func (p *spiTo) LimitSpeed(physic.Frequency) error { return nil }
func (p *spiTo) Close() error                      { return p.r.closed() }
func (p *spiTo) Duplex() conn.Duplex               { return conn.Full }
func (p *spiTo) TxPackets([]spi.Packet) error      { return errors.ErrUnsupported }
func (p *spiTo) Connect(f physic.Frequency, mode spi.Mode, bits int) (spi.Conn, error) {
	if f > 5*physic.MegaHertz || mode != spi.Mode0 || bits != 8 {
		return nil, fmt.Errorf("the chip does not speak %v mode %v with %d bits", f, mode, bits)
	}
	return p, nil
}

func (p *spiTo) Tx(w, into []byte) error {
	if len(w) == 0 || len(into) != 0 && len(into) != len(w) { // as the kernel's driver in periph
		return fmt.Errorf("both buffers must be of one length: %d and %d", len(w), len(into))
	}
	return p.r.tx('S', w, into)
}
