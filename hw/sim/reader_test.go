package sim_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tombolo/hw/sim"
)

var (
	in  = sim.Mount{Door: "front"}
	out = sim.Mount{Door: "front", Exit: true}
)

func newReaders() *sim.Board {
	now := start
	return sim.New(sim.Config{
		Readers: []sim.Mount{in, out},
		Now:     func() time.Time { now = now.Add(time.Second); return now },
	})
}

// listener notes what it hears; its challenges count.
type listener struct {
	mu    sync.Mutex
	heard []string
	err   error
}

func (l *listener) note(format string, args ...any) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard = append(l.heard, fmt.Sprintf(format, args...))
	return len(l.heard)
}

func (l *listener) Challenge(door string, exit bool) []byte {
	return []byte{byte(l.note("challenge %s %v", door, exit))}
}

func (l *listener) Tap(door string, exit bool, answer []byte) error {
	l.note("tap %s %v %x", door, exit, answer)
	return l.err
}

func (l *listener) Key(door string, exit bool, key byte) error {
	l.note("key %s %v %c", door, exit, key)
	return l.err
}

func TestReaderPresents(t *testing.T) {
	t.Parallel()
	b := newReaders()
	r := must(b.OpenReader(in))
	if _, err := b.Challenge(in); !errors.Is(err, sim.ErrDeaf) {
		t.Errorf("before anybody listens: %v", err)
	}
	var l listener
	stop := r.Listen(&l)
	if c, err := b.Challenge(in); err != nil || !slices.Equal(c, []byte{1}) {
		t.Errorf("challenge %x, %v", c, err)
	}
	if err := errors.Join(b.Tap(in, []byte{0xab}), b.Press(in, '0'), b.Press(in, '#')); err != nil {
		t.Error(err)
	}
	if want := []string{"challenge front false", "tap front false ab", "key front false 0", "key front false #"}; !slices.Equal(l.heard, want) {
		t.Errorf("heard %q", l.heard)
	}
	for _, key := range []byte{'a', 0, '/', ':', ' '} {
		if err := b.Press(in, key); !errors.Is(err, sim.ErrNoKey) {
			t.Errorf("key %q: %v", key, err)
		}
	}
	l.err = errors.New("no challenge is open")
	if err := b.Tap(in, nil); !errors.Is(err, l.err) {
		t.Errorf("what the handler says: %v", err)
	}
	for _, m := range []sim.Mount{out, {Door: "back"}} {
		want := sim.ErrNoLine
		if m == out {
			want = sim.ErrDeaf
		}
		if err := b.Tap(m, nil); !errors.Is(err, want) {
			t.Errorf("at %s: %v", m, err)
		}
	}
	stop()
	if err := b.Press(in, '1'); !errors.Is(err, sim.ErrDeaf) {
		t.Errorf("after stop: %v", err)
	}
	r.Close()
	r.Close()
	b.Check(t)
}

// TestReaderStops: when stop returns, no call is under way.
func TestReaderStops(t *testing.T) {
	t.Parallel()
	b := newReaders()
	r := must(b.OpenReader(in))
	defer r.Close()
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				if err := b.Press(in, '1'); err != nil && !errors.Is(err, sim.ErrDeaf) {
					t.Error(err)
				}
			}
		})
	}
	for range 50 {
		var l listener
		r.Listen(&l)()
		heard := len(l.heard) // without the lock: nobody calls any more
		time.Sleep(10 * time.Microsecond)
		if len(l.heard) != heard {
			t.Error("called after stop")
		}
	}
	wg.Wait()
}

// slow is a handler that takes its time over a key.
type slow struct {
	listener
	begun, release chan struct{}
}

func (s *slow) Key(string, bool, byte) error {
	close(s.begun)
	<-s.release
	return nil
}

// TestReaderStopWaits for the call that is under way.
func TestReaderStopWaits(t *testing.T) {
	t.Parallel()
	b := newReaders()
	r := must(b.OpenReader(in))
	defer r.Close()
	s := &slow{begun: make(chan struct{}), release: make(chan struct{})}
	stop := r.Listen(s)
	pressed := make(chan error, 1)
	go func() { pressed <- b.Press(in, '1') }()
	<-s.begun
	stopped := make(chan struct{})
	go func() { stop(); close(stopped) }()
	select {
	case <-stopped:
		t.Error("stop returned during a call")
	case <-time.After(20 * time.Millisecond):
	}
	close(s.release)
	<-stopped
	if err := <-pressed; err != nil {
		t.Error(err)
	}
}

func TestReaderShows(t *testing.T) {
	t.Parallel()
	b := newReaders()
	r := must(b.OpenReader(in))
	granted := []sim.Step{{"green", true, 200 * time.Millisecond}}
	open := []sim.Step{{"red", true, 100 * time.Millisecond}, {"", false, time.Second}}
	r.Show(nil, true) // it is dark: nothing new
	r.Show(nil, false)
	r.Show(granted, false)
	granted[0].Colour = "blue" // the board has a copy
	r.Show(open, true)
	r.Show(open, true) // begins anew
	r.Show(open[:1], false)
	r.Close()
	var said []string
	for _, s := range b.Shows() {
		said = append(said, s.String())
	}
	want := []string{
		"front/reader: green+beep 200ms",
		"front/reader: red+beep 100ms, off 1s, again",
		"front/reader: red+beep 100ms, off 1s, again",
		"front/reader: red+beep 100ms",
		"front/reader: dark",
	}
	if !slices.Equal(said, want) {
		t.Errorf("got  %q\nwant %q", said, want)
	}
	b.Check(t)

	r.Show(open, false)
	if v := b.Violations(); len(v) != 1 || v[0].Rule != sim.SetAfterClose || v[0].Line != "front/reader" {
		t.Errorf("shown after its end: %v", v)
	}
}

func TestReaderContract(t *testing.T) {
	t.Parallel()
	b := newReaders()
	r := must(b.OpenReader(out))
	if _, err := b.OpenReader(out); !errors.Is(err, sim.ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
	if _, err := b.OpenReader(sim.Mount{Door: "back"}); !errors.Is(err, sim.ErrNoLine) {
		t.Errorf("not there: %v", err)
	}
	var f failures
	if b.Check(&f); len(f.text) != 3 || !strings.Contains(f.text[2], "front/reader/out: left open") {
		t.Errorf("Check said %q", f.text)
	}
	r.Show([]sim.Step{{"red", false, time.Second}}, true)
	r.Listen(&listener{})
	b.Kill()
	if n := len(b.Shows()); n != 1 {
		t.Errorf("a kill turned the reader dark: %d shows", n)
	}
	if err := b.Press(out, '1'); !errors.Is(err, sim.ErrDeaf) {
		t.Errorf("a dead process listens: %v", err)
	}
	must(b.OpenReader(out)).Close()
	if s := b.Shows(); len(s) != 2 || len(s[1].Steps) != 0 {
		t.Errorf("opened after a kill it is not dark: %v", s)
	}
}

// TestServeReader: challenge, tap and keys go in over the socket, and patterns
// come out.
func TestServeReader(t *testing.T) {
	t.Parallel()
	b := newReaders()
	path, _ := serve(t, b)
	ctx, cancel := context.WithTimeout(t.Context(), soon)
	defer cancel()
	r := must(b.OpenReader(out))
	defer r.Close()
	var l listener
	defer r.Listen(&l)()
	c := must(sim.Dial(path))
	defer c.Close()
	for range 2 {
		if e, err := c.Next(ctx); err != nil || e.Shown == nil || len(e.Shown.Steps) != 0 {
			t.Errorf("at first: %+v, %v", e, err)
		}
	}
	if challenge, err := c.Challenge(out); err != nil || !slices.Equal(challenge, []byte{1}) {
		t.Errorf("challenge %x, %v", challenge, err)
	}
	if err := errors.Join(c.Tap(out, []byte{0, 255}), c.Press(out, "12#")); err != nil {
		t.Error(err)
	}
	if want := []string{"challenge front true", "tap front true 00ff", "key front true 1", "key front true 2", "key front true #"}; !slices.Equal(l.heard, want) {
		t.Errorf("heard %q", l.heard)
	}
	if _, err := c.Challenge(in); !errors.Is(err, sim.ErrRefused) || !strings.Contains(err.Error(), "front/reader") {
		t.Errorf("nobody listens: %v", err)
	}
	if err := c.Press(out, "1a"); !errors.Is(err, sim.ErrRefused) {
		t.Errorf("a key that no keypad has: %v", err)
	}
	steps := []sim.Step{{"red", true, 100 * time.Millisecond}, {"off", false, 1500 * time.Microsecond}}
	r.Show(steps, true)
	s, err := c.WaitShown(ctx, out, "red")
	if err != nil || !reflect.DeepEqual(s.Steps, steps) || !s.Loop || s.Mount != out || !s.At.Equal(b.Shows()[0].At) {
		t.Errorf("%+v, %v", s, err)
	}
	r.Show(nil, true)
	if s, err := c.WaitShown(ctx, out, ""); err != nil || !s.Loop || len(s.Steps) != 0 {
		t.Errorf("%+v, %v", s, err)
	}
}
