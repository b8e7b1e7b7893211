package osdp_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tombolo/hw/osdp"
	"tombolo/hw/osdp/osdptest"
	"tombolo/passport/card"
)

// soon is what a thing that has to happen may take; nothing waits for it whole.
const soon = 15 * time.Second

var scbk = osdp.Key{0xC0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// TestMain has many tests run side by side: they wait for their lines, not for
// processors.
func TestMain(m *testing.M) {
	flag.Parse()
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		if err := flag.Set("test.parallel", "10"); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// report is a call of State.
type report struct {
	up  bool
	err error
}

// ear is a Handler that remembers what it heard.
type ear struct {
	onCard func(ctx context.Context, t card.Transceiver)

	mu      sync.Mutex
	reports []report
	ids     []osdp.Identity
	keys    []byte
	refused []error
	tamper  []bool
	power   []bool
	inputs  map[int][]bool
	cards   int

	calls atomic.Int32 // that run now
	twice atomic.Bool  // two ran at a time, which the contract rules out
}

// call is one of the panel's calls.
func (e *ear) call(f func()) {
	if e.calls.Add(1) > 1 {
		e.twice.Store(true)
	}
	defer e.calls.Add(-1)
	e.note(f)
}

func (e *ear) note(f func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	f()
}

func (e *ear) State(up bool, err error) {
	e.call(func() { e.reports = append(e.reports, report{up, err}) })
}
func (e *ear) Identity(id osdp.Identity) { e.call(func() { e.ids = append(e.ids, id) }) }
func (e *ear) Refused(err error)         { e.call(func() { e.refused = append(e.refused, err) }) }
func (e *ear) Key(k byte)                { e.call(func() { e.keys = append(e.keys, k) }) }
func (e *ear) Tamper(on bool)            { e.call(func() { e.tamper = append(e.tamper, on) }) }
func (e *ear) Power(failed bool)         { e.call(func() { e.power = append(e.power, failed) }) }
func (e *ear) Input(n int, on bool) {
	e.call(func() {
		if e.inputs == nil {
			e.inputs = map[int][]bool{}
		}
		e.inputs[n] = append(e.inputs[n], on)
	})
}

func (e *ear) Card(ctx context.Context, t card.Transceiver) {
	var do func(context.Context, card.Transceiver)
	e.call(func() { e.cards++; do = e.onCard })
	if do != nil {
		e.calls.Add(1)
		defer e.calls.Add(-1)
		do(ctx, t)
	}
}

// heard runs f with what was heard so far.
func heard[T any](e *ear, f func(*ear) T) T {
	e.mu.Lock()
	defer e.mu.Unlock()
	return f(e)
}

func (e *ear) up() bool {
	return heard(e, func(e *ear) bool { return len(e.reports) > 0 && e.reports[len(e.reports)-1].up })
}

func (e *ear) pressed() string { return heard(e, func(e *ear) string { return string(e.keys) }) }

func (e *ear) all() []report {
	return heard(e, func(e *ear) []report { return slices.Clone(e.reports) })
}

// said tells whether State reported an error that is want.
func (e *ear) said(want error) bool {
	return slices.ContainsFunc(e.all(), func(r report) bool { return !r.up && errors.Is(r.err, want) })
}

// downs counts how often the reader was reported as lost after it was there.
func (e *ear) downs() (n int) {
	was := false
	for _, r := range e.all() {
		if was && !r.up {
			n++
		}
		was = r.up
	}
	return n
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for end := time.Now().Add(soon); !f(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %v", what, soon)
		}
	}
}

// never watches for a while that something does not happen.
func never(t *testing.T, what string, d time.Duration, f func() bool) {
	t.Helper()
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		if f() {
			t.Fatal(what)
		}
	}
}

// newLine makes a line; with OSDP_TRACE set, what runs over it is shown.
func newLine(t *testing.T, cfg osdptest.LineConfig, devices ...*osdptest.PD) *osdptest.Line {
	t.Helper()
	if os.Getenv("OSDP_TRACE") != "" {
		start := time.Now()
		cfg.Trace = func(fromPanel bool, b []byte) {
			t.Logf("%8.3f %s % X", time.Since(start).Seconds(), map[bool]string{true: ">", false: "    <"}[fromPanel], b)
		}
	}
	l, err := osdptest.NewLine(cfg, devices...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// run starts a panel on a line and stops it at the test's end.
func run(t *testing.T, cfg osdp.Config) *osdp.Bus {
	t.Helper()
	b, _ := start(t, cfg)
	return b
}

// start is run with a function that stops the panel, which the test's end does
// too.
func start(t *testing.T, cfg osdp.Config) (*osdp.Bus, func()) {
	t.Helper()
	if os.Getenv("OSDP_TRACE") != "" {
		cfg.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	b, err := osdp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	stop := sync.OnceFunc(func() {
		for _, r := range cfg.Readers {
			if e, ok := r.Handler.(*ear); ok && e.twice.Load() {
				t.Errorf("reader %d: two calls of its Handler at a time", r.Address)
			}
		}
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(soon):
			t.Error("Run goes on after its context ended")
		}
	})
	t.Cleanup(stop)
	return b, stop
}

// rig is a panel with one reader.
type rig struct {
	*osdptest.PD
	line *osdptest.Line
	ear  *ear
	bus  *osdp.Bus
}

const address = 5

// deviceConfig is a device that the panel's scbk fits.
func deviceConfig() osdptest.Config {
	key := [16]byte(scbk)
	return osdptest.Config{Address: address, Vendor: [3]byte{0x5C, 0x26, 0x23}, Model: 2, Version: 7, Serial: 0xFEDC9876,
		Firmware: [3]byte{1, 2, 3}, UID: [8]byte{9, 8, 7, 6, 5, 4, 3, 2}, Key: &key, Inputs: 2, Outputs: 2}
}

// secured and insecure are the panel's two ways of having a reader.
func secured(*osdp.ReaderConfig)    {}
func insecure(r *osdp.ReaderConfig) { r.Keys, r.Insecure = nil, true }

func newRig(t *testing.T, device osdptest.Config, how func(*osdp.ReaderConfig)) *rig {
	t.Helper()
	return newRigWith(t, osdptest.New(device), how)
}

// newRigWith is newRig with a device that was made before.
func newRigWith(t *testing.T, pd *osdptest.PD, how func(*osdp.ReaderConfig)) *rig {
	t.Helper()
	r := &rig{PD: pd, ear: &ear{}}
	r.line = newLine(t, osdptest.LineConfig{}, r.PD)
	reader := osdp.ReaderConfig{Address: address, Keys: []osdp.Key{scbk}, Handler: r.ear}
	how(&reader)
	r.bus = run(t, osdp.Config{Port: r.line.Path(), Baud: 115200, Readers: []osdp.ReaderConfig{reader}})
	return r
}

func (r *rig) online(t *testing.T) {
	t.Helper()
	eventually(t, "the reader is online", r.ear.up)
}

// echo is a card that answers with the command and 9000.
type echo struct{}

func (echo) Transmit(c []byte) ([]byte, error) {
	c = c[:min(len(c), card.MaxResponse-2)]
	return append(slices.Clone(c), 0x90, 0x00), nil
}

// torn is a card that is gone after so many commands.
type torn struct{ left int }

func (c *torn) Transmit(b []byte) ([]byte, error) {
	if c.left--; c.left < 0 {
		return nil, io.EOF
	}
	return echo{}.Transmit(b)
}

func filled(n int, with byte) []byte { return bytes.Repeat([]byte{with}, n) }
