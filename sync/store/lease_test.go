package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func lease(tb testing.TB, s *Store, name, holder string, ttl time.Duration, want bool) {
	tb.Helper()
	if got, err := s.Lease(tb.Context(), name, holder, ttl); err != nil || got != want {
		tb.Errorf("%s for %s: %v, %v", name, holder, got, err)
	}
}

func TestLease(t *testing.T) { both(t, testLease) }

func testLease(t *testing.T) {
	t.Parallel()
	s := open(t)
	other := openAt(t, placeOf(s)) // another process
	lease(t, s, "close", "hub 1", MaxLease, true)
	lease(t, other, "close", "hub 2", MaxLease, false)
	lease(t, other, "draw", "hub 2", MaxLease, true)
	lease(t, s, "close", "hub 1", 300*time.Millisecond, true) // again, for less
	began := time.Now()
	for {
		got, err := other.Lease(t.Context(), "close", "hub 2", MaxLease)
		if err != nil {
			t.Fatal(err)
		}
		took := time.Since(began)
		if got && took < 250*time.Millisecond || !got && took > 10*time.Second {
			t.Fatalf("after %v: %v", took, got)
		}
		if got {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	lease(t, s, "close", "hub 1", MaxLease, false)
	for _, holder := range []string{"hub 1", "nobody", "hub 2"} { // only the last has it
		lease(t, s, "close", "hub 3", MaxLease, false)
		if err := s.Release(t.Context(), "close", holder); err != nil {
			t.Fatal(err)
		}
	}
	lease(t, s, "close", "hub 3", MaxLease, true)
	for _, c := range []struct {
		name, holder string
		ttl          time.Duration
	}{{"", "hub", MaxLease}, {"x", "", MaxLease}, {"x", "hub", 0}, {"x", "hub", -time.Hour}, {"x", "hub", time.Microsecond}} {
		if got, err := s.Lease(t.Context(), c.name, c.holder, c.ttl); got || err == nil {
			t.Errorf("%+v: %v, %v", c, got, err)
		}
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if got, err := s.Lease(ended, "x", "hub", MaxLease); got || err == nil {
		t.Errorf("%v, %v", got, err)
	}
	lease(t, s, "x", "hub", MaxLease, true) // nothing was taken above
}

// Of many that want it at once one has it.
func TestLeaseRace(t *testing.T) { both(t, testLeaseRace) }

func testLeaseRace(t *testing.T) {
	t.Parallel()
	s := open(t)
	stores := []*Store{s, openAt(t, placeOf(s)), openAt(t, placeOf(s))}
	var wg sync.WaitGroup
	var have, turns atomic.Int64
	for n := range 6 {
		wg.Go(func() {
			s, holder := stores[n%3], fmt.Sprint("hub ", n)
			for range 15 {
				got, err := s.Lease(t.Context(), "close", holder, MaxLease)
				if err != nil {
					t.Error(err)
				}
				if !got {
					time.Sleep(time.Millisecond)
					continue
				}
				turns.Add(1)
				if others := have.Add(1); others != 1 {
					t.Errorf("%d have it", others)
				}
				have.Add(-1)
				if err := s.Release(t.Context(), "close", holder); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if turns.Load() < 3 {
		t.Errorf("%d turns", turns.Load())
	}
}

// A lease of before the clock was set back blocks nobody for as long as that was.
func TestLeaseClockSetBack(t *testing.T) { both(t, testLeaseClockSetBack) }

func testLeaseClockSetBack(t *testing.T) {
	t.Parallel()
	s := open(t)
	lease(t, s, "close", "who was killed", MaxLease, true)
	if _, err := s.write.Exec("UPDATE lease SET ends = ends + 86400000"); err != nil {
		t.Fatal(err)
	}
	lease(t, s, "close", "hub", time.Minute, true)
	lease(t, s, "close", "another", time.Minute, false)
	if got, err := s.Lease(t.Context(), "x", "hub", MaxLease+time.Millisecond); got || err == nil {
		t.Errorf("%v, %v", got, err)
	}
}
