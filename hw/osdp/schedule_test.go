package osdp

import (
	"testing"
	"time"
)

// Eight readers in synthetic time, some dead, a card at one of the others: how
// long the living ones wait.
func TestSchedule(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		took  time.Duration // a POLL
		dead  int
		busy  bool // a card's APDUs at one reader, always
		limit time.Duration
	}{
		{"all alive", 6 * time.Millisecond, 0, false, 100 * time.Millisecond},
		{"one dead", 6 * time.Millisecond, 1, false, 190 * time.Millisecond},
		{"three dead", 6 * time.Millisecond, 3, false, 200 * time.Millisecond},
		{"one dead, one with a card", 6 * time.Millisecond, 1, true, 200 * time.Millisecond},
		{"9600 baud, one dead", 35 * time.Millisecond, 1, false, 700 * time.Millisecond}, // it cannot be met: the dead one has its 200 ms
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			now := time.Unix(1e9, 0)
			var all []*reader
			for i := range 8 {
				r := newReader(ReaderConfig{Address: byte(i), Insecure: true}, nil, now)
				if i >= c.dead {
					r.phase, r.took = phaseOnline, c.took
				}
				all = append(all, r)
			}
			var s schedule
			polled := make(map[*reader]time.Time)
			tried, longest := 0, time.Duration(0)
			for end := now.Add(20 * time.Second); now.Before(end); {
				if c.busy && len(all[7].requests) == 0 {
					all[7].requests = []*request{{card: 1, command: sendAPDU([]byte{0, 0, 0, 0})}}
				}
				r, wait := s.pick(all, now)
				if r == nil {
					if wait <= 0 {
						t.Fatal("no time passes")
					}
					now = now.Add(wait)
					continue
				}
				window := s.window(all, r, now)
				if window > replyTimeout || window < windowLeast {
					t.Fatalf("a window of %v", window)
				}
				if _, err := r.turn(now); err != nil {
					t.Fatal(err)
				}
				if int(r.address) < c.dead {
					tried++
					now = now.Add(window)
					r.silence(now)
					s.done(r, now)
					continue
				}
				if last, ok := polled[r]; ok && r.command == cmdPoll {
					longest = max(longest, now.Sub(last))
				}
				if r.command == cmdPoll {
					polled[r] = now
				}
				took := c.took
				if r.command == cmdXWR {
					took *= 4
				}
				now = now.Add(took)
				f := frame{address: r.address, reply: true, sequence: r.number, code: repACK}
				if r.command == cmdXWR {
					f.code, f.data = repXRD, []byte{1, 2, 0, 0, 0x90, 0}
				}
				encoded, err := f.append(nil)
				if err != nil || !r.heard(f, encoded, now) {
					t.Fatal("a reply is not taken")
				}
				s.done(r, now)
			}
			if len(polled) != 8-c.dead || longest > c.limit {
				t.Errorf("%d readers were polled, the longest wait was %v of at most %v", len(polled), longest, c.limit)
			}
			if c.dead > 0 && tried < 5 {
				t.Errorf("the dead were tried %d times", tried)
			}
			t.Logf("longest wait %v; the dead were tried %d times", longest, tried)
		})
	}
}

// A reader that answers late is given the whole time afterwards.
func TestSlowReader(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	a := newReader(ReaderConfig{Address: 1, Insecure: true}, nil, now)
	o := newReader(ReaderConfig{Address: 2, Insecure: true}, nil, now)
	a.phase, o.phase, a.took, o.took = phaseOnline, phaseOnline, 50*time.Millisecond, 50*time.Millisecond
	var s schedule
	all := []*reader{a, o}
	if w := s.window(all, a, now); w >= replyTimeout {
		t.Fatalf("a window of %v", w)
	}
	a.misses = 1
	b := &Bus{readers: all}
	b.late(frame{address: 1, reply: true}, now)
	if w := s.window(all, a, now); w != replyTimeout {
		t.Errorf("a window of %v for one that was late", w)
	}
}
