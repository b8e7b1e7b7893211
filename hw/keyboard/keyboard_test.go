package keyboard

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	evdev "github.com/holoplot/go-evdev"

	"tombolo/hw/scanner"
)

var errUnplugged = errors.New("no such device")

// played is a source that plays batches, and asserts that it is closed once.
type played struct {
	t      *testing.T
	script chan batch
	closed chan struct{}
}

func newPlayed(t *testing.T) *played {
	return &played{t: t, script: make(chan batch), closed: make(chan struct{})}
}

func (p *played) Read() ([]Event, []uint16, error) {
	select {
	case b := <-p.script:
		return b.events, b.held, b.err
	case <-p.closed:
		return nil, nil, os.ErrClosed
	}
}

func (p *played) Close() error {
	select {
	case <-p.closed:
		p.t.Error("closed twice")
	default:
		close(p.closed)
	}
	return nil
}

// typed plays events one report at a time, as far apart as USB polls.
func (p *played) typed(events []Event) {
	for _, e := range events {
		p.script <- batch{events: []Event{e}}
		if e.Type == evdev.EV_SYN {
			time.Sleep(8 * time.Millisecond)
		}
	}
}

// heard is what Run reported, in order.
type heard struct{ lines []string }

// listen runs a keyboard in a bubble, with the devices that open gives.
func listen(t *testing.T, h *heard, cfg Config, open func() (source, error), play func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	cfg.Device = "/dev/input/by-id/scanner"
	cfg.Frame = func(f []byte) { h.lines = append(h.lines, string(f)) }
	cfg.Refused = func(err error) {
		for _, why := range []error{ErrLost, ErrKey, scanner.ErrTooLong} {
			if errors.Is(err, why) {
				if _, ok := errors.AsType[*scanner.FrameError](err); !ok {
					t.Errorf("refused without where: %v", err)
				}
				h.lines = append(h.lines, "!"+why.Error())
				return
			}
		}
		t.Errorf("refused for no reason: %v", err)
	}
	cfg.State = func(up bool, err error) {
		switch {
		case up != (err == nil):
			t.Errorf("state %v with %v", up, err)
		case up:
			h.lines = append(h.lines, "up")
		case errors.Is(err, ErrGone):
			h.lines = append(h.lines, "gone")
		default:
			h.lines = append(h.lines, "missing")
		}
	}
	done := make(chan error, 1)
	go func() {
		done <- run(ctx, cfg, func(path string) (source, error) {
			if path != cfg.Device {
				t.Errorf("opened %s", path)
			}
			return open()
		})
	}()
	play()
	synctest.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func (h *heard) want(t *testing.T, lines ...string) {
	t.Helper()
	if !slices.Equal(h.lines, lines) {
		t.Errorf("heard\n%.300q\nwant\n%.300q", h.lines, lines)
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h heard
		p := newPlayed(t)
		listen(t, &h, Config{}, func() (source, error) { return p, nil }, func() {
			p.script <- batch{held: []uint16{evdev.KEY_LEFTSHIFT}} // while it is opened
			p.typed(cat(press(evdev.KEY_5), up(evdev.KEY_LEFTSHIFT), press(evdev.KEY_ENTER)))
			p.typed(cat(typeUS("ONE"), press(evdev.KEY_ENTER)))
			p.typed(cat(typeUS("TWO"), press(evdev.KEY_TAB), press(evdev.KEY_ENTER)))
			p.typed(typeUS("THREE"))
			time.Sleep(300 * time.Millisecond)
			p.typed(cat(typeALT("FOUR: 5%", 4), press(evdev.KEY_KPENTER))) // 80 ms a character
			p.typed(typeUS("FI"))
			time.Sleep(150 * time.Millisecond)
			p.typed(cat(typeUS("VE"), press(evdev.KEY_ENTER)))
			p.script <- batch{events: cat(typeUS("AT ONCE"), press(evdev.KEY_ENTER), typeUS("AND MORE"), press(evdev.KEY_ENTER))}
		})
		h.want(t, "up", "%", "ONE", "TWO", "THREE", "FOUR: 5%", "FIVE", "AT ONCE", "AND MORE")
	})
}

// TestRunRefuses: each bad code is told once and with its reason, nothing of it
// is taken for a code, and the next one is read.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	lost := []Event{dropped, {evdev.EV_SYN, evdev.SYN_REPORT, 0}}
	for _, c := range []struct {
		name   string
		events []Event
		want   string
	}{
		{"loss at the start", cat(lost, typeUS("ONE")), "!" + ErrLost.Error()},
		{"loss in the middle", cat(typeUS("ON"), lost, typeUS("E")), "!" + ErrLost.Error()},
		{"loss twice", cat(typeUS("ON"), lost, typeUS("E"), lost), "!" + ErrLost.Error()},
		{"a function key", cat(typeUS("ON"), press(evdev.KEY_F12), typeUS("E")), "!" + ErrKey.Error()},
		{"ALT code beyond ASCII", cat(typeUS("ON"), typeALT("\xfc", 4)), "!" + ErrKey.Error()},
		{"AltGr", cat(with(evdev.KEY_RIGHTALT, press(evdev.KEY_E)...), typeUS("ONE")), "!" + ErrKey.Error()},
		{"longer than a code", press(slices.Repeat([]uint16{evdev.KEY_A}, scanner.MaxFrame+1)...), "!" + scanner.ErrTooLong.Error()},
		{"a key that hangs", append(down(evdev.KEY_A), slices.Repeat([]Event{{evdev.EV_KEY, evdev.KEY_A, 2}}, 10000)...), "A"},
	} {
		synctest.Test(t, func(t *testing.T) {
			var h heard
			p := newPlayed(t)
			listen(t, &h, Config{}, func() (source, error) { return p, nil }, func() {
				for events := range slices.Chunk(c.events, maxEvents) {
					b := batch{events: events}
					if slices.Contains(events, dropped) {
						b.held = []uint16{}
					}
					p.script <- b
				}
				p.script <- batch{events: press(evdev.KEY_ENTER)}
				p.script <- batch{events: cat(typeUS("GOOD"), press(evdev.KEY_ENTER))}
			})
			h.want(t, "up", c.want, "GOOD")
		})
	}
}

// TestRunReopens has a scanner that is missing, comes, goes in the middle of a
// code and comes back.
func TestRunReopens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h heard
		var at []time.Duration
		began := time.Now()
		devices := make(chan *played, 1)
		listen(t, &h, Config{}, func() (source, error) {
			at = append(at, time.Since(began))
			select {
			case p := <-devices:
				return p, nil
			default:
				return nil, fs.ErrNotExist
			}
		}, func() {
			time.Sleep(30 * time.Second)
			p := newPlayed(t)
			devices <- p
			p.typed(typeUS("HALF A CO"))
			p.script <- batch{err: errUnplugged}
			time.Sleep(time.Second)
			p = newPlayed(t)
			devices <- p
			p.typed(cat(typeUS("DE"), press(evdev.KEY_ENTER)))
		})
		h.want(t, "missing", "up", "gone", "up", "DE")
		want := []time.Duration{0, 250, 750, 1750, 3750, 7750, 12750, 17750, 22750, 27750} // ms
		for i, w := range want {
			if i >= len(at) || at[i] != w*time.Millisecond {
				t.Fatalf("attempts at %v, want %v ms", at, want)
			}
		}
	})
}

// TestRunHeldUp: a callee that takes long does not cut a code in two.
func TestRunHeldUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h heard
		p := newPlayed(t)
		listen(t, &h, Config{}, func() (source, error) { return p, nil }, func() {
			p.script <- batch{events: typeUS("ON")}
			time.Sleep(100 * time.Millisecond)
			p.script <- batch{events: press(evdev.KEY_LEFTSHIFT)} // types nothing, and is no silence
			time.Sleep(199 * time.Millisecond)
			p.script <- batch{events: cat(typeUS("E"), press(evdev.KEY_ENTER))}
		})
		h.want(t, "up", "ONE")
	})
}

func TestConfig(t *testing.T) {
	t.Parallel()
	frame := func([]byte) {}
	for name, cfg := range map[string]Config{
		"no device":    {Frame: frame},
		"no frame":     {Device: "/dev/null"},
		"negative min": {Device: "/dev/null", Frame: frame, RetryMin: -1},
		"negative max": {Device: "/dev/null", Frame: frame, RetryMax: -1},
	} {
		if err := Run(context.Background(), cfg); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestOpenRefuses: what is no keyboard is refused with words that help.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "event0")
	if err := os.WriteFile(file, make([]byte, 240), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]error{
		file:                         ErrNotKeyboard,
		"/dev/null":                  ErrNotKeyboard,
		filepath.Dir(file):           ErrNotKeyboard,
		filepath.Dir(file) + "/none": fs.ErrNotExist,
	} {
		src, err := openDevice(path)
		if !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", path, err, want)
		}
		if err == nil {
			src.Close()
		}
	}
	var letters []evdev.EvCode
	for code := range us {
		letters = append(letters, evdev.EvCode(code))
	}
	for name, c := range map[string]struct {
		codes []evdev.EvCode
		want  bool
	}{
		"a keyboard":     {append(letters, evdev.KEY_LEFTSHIFT), true},
		"without shift":  {letters, false},
		"a mouse":        {[]evdev.EvCode{evdev.BTN_LEFT, evdev.BTN_RIGHT}, false},
		"a power button": {[]evdev.EvCode{evdev.KEY_POWER}, false},
		"a keypad":       {[]evdev.EvCode{evdev.KEY_0, evdev.KEY_9, evdev.KEY_KP0, evdev.KEY_LEFTSHIFT}, false},
		"nothing":        {nil, false},
	} {
		if types(c.codes) != c.want {
			t.Errorf("%s is taken for a keyboard: %v", name, !c.want)
		}
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	if got, err := listIn(filepath.Join(t.TempDir(), "none"), look); err != nil || got != nil {
		t.Errorf("without input devices: %v, %v", got, err)
	}
	dir := t.TempDir()
	for _, name := range []string{"event0", "event1", "event2", "mouse0", "mice"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "by-id"), 0o700); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "by-id", "usb-scanner-event-kbd")
	if err := os.Symlink("../event1", link); err != nil {
		t.Fatal(err)
	}
	if got, err := listIn(dir, look); err != nil || len(got) != 0 { // files without ioctls
		t.Errorf("files: %v, %v", got, err)
	}
	got, err := listIn(dir, func(node string) (Attached, bool) {
		if strings.HasSuffix(node, "2") {
			return Attached{}, false
		}
		return Attached{Name: filepath.Base(node)}, true
	})
	want := []Attached{
		{Path: link, Node: filepath.Join(dir, "event1"), Name: "event1"},
		{Path: filepath.Join(dir, "event0"), Node: filepath.Join(dir, "event0"), Name: "event0"},
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}
