package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"

	"tombolo/sync/ledger"
)

// A head is verified once for as long as its row stays the same: not at all after it
// came with entries, and again after a single bit of it changed, however often it
// was read before.
func TestHeadsVerifiedOnce(t *testing.T) { both(t, testHeadsVerifiedOnce) }

func testHeadsVerifiedOnce(t *testing.T) {
	t.Parallel()
	from, a := filled(t, 20)
	o := a.Head().Origin
	to := open(t)
	if err := extend(t, from, to, o, 1<<20); err != nil {
		t.Fatal(err)
	}
	known, ok := to.heads.by[o.String()]
	if !ok || !bytes.Equal(known.Note, a.Head().Note) {
		t.Fatalf("what was stored is not remembered: %+v", known)
	}
	fresh := openAt(t, placeOf(to))
	for range 2 {
		if _, err := fresh.Ledger(o); err != nil {
			t.Fatal(err)
		}
	}
	if one, other := held(t, to, o), held(t, fresh, o); one.Checkpoint != other.Checkpoint || one.Time != other.Time || one.Unknown != other.Unknown || !one.Author.Equal(other.Author) {
		t.Errorf("remembered %+v, read %+v", one.Head, other.Head)
	}
	note := slices.Clone(known.Note)
	for at := len(note) - 20; at < len(note)-16; at++ { // in the signature
		note[at] ^= 1
		change(t, to, "UPDATE ledger SET note = ?", note)
		for name, s := range map[string]*Store{"stored": to, "read": fresh} {
			if _, err := s.Ledger(o); !errors.Is(err, ErrDamaged) {
				t.Errorf("%s, byte %d: %v", name, at, err)
			}
		}
		note[at] ^= 1
	}
	change(t, to, "UPDATE ledger SET note = ?, author = ?", note, []byte(public(testKey("thief"))))
	if _, err := fresh.Ledger(o); !errors.Is(err, ledger.ErrAuthor) {
		t.Errorf("another author: %v", err)
	}
}

// What callers append to a note that they read is nobody else's.
func TestHeadsShareNothingThatGrows(t *testing.T) {
	t.Parallel()
	s, a := filled(t, 3)
	fresh := openAt(t, placeOf(s))
	held(t, fresh, a.Head().Origin)
	for range 2 {
		if i := held(t, fresh, a.Head().Origin); cap(i.Note) != len(i.Note) || cap(i.Author) != len(i.Author) {
			t.Errorf("there is room for %d bytes more", cap(i.Note)-len(i.Note))
		}
	}
}

func TestHeadsBounded(t *testing.T) {
	t.Parallel()
	var h heads
	for n := range maxHeads + 10 {
		o := ledger.Origin{Kind: ledger.ReportLog}
		o.Author[0], o.Author[1], o.Author[2] = byte(n), byte(n>>8), byte(n>>16)
		h.verified(ledger.Head{Checkpoint: ledger.Checkpoint{Origin: o}})
	}
	if len(h.by) != 10 {
		t.Errorf("%d are remembered", len(h.by))
	}
	h.verified(ledger.Head{Others: []ledger.Cosignature{{}}})
	if len(h.by) != 10 {
		t.Error("a head with cosignatures is remembered as if it had none")
	}
}

// Two ledgers of different lanes never wait for the same lock, and all that one
// author writes of a kind is in one lane.
func TestLanes(t *testing.T) { both(t, testLanes) }

func testLanes(t *testing.T) {
	t.Parallel()
	s := open(t)
	lanes := s.Lanes()
	if want := map[bool]int{false: 1, true: 2}[isPostgres(t)]; lanes != want {
		t.Errorf("%d lanes, want %d", lanes, want)
	}
	laneOf, used := map[int32]int{}, map[int]int{}
	for n := range 4000 {
		o := ledger.Origin{Kind: ledger.ReportLog, Author: ledger.KeyIDOf(public(testKey(fmt.Sprint(n))))}
		lane := s.Lane(o)
		if was, ok := laneOf[key(lineage(o))]; lane < 0 || lane >= lanes || ok && was != lane {
			t.Fatalf("lane %d, was %d", lane, was)
		}
		laneOf[key(lineage(o))] = lane
		used[lane]++
		o.Incarnation[0] = 1
		if s.Lane(o) != lane {
			t.Fatal("an incarnation changes lanes")
		}
	}
	for lane, n := range used {
		if n < 4000/lanes*9/10 {
			t.Errorf("lane %d has %d of 4000", lane, n)
		}
	}
}
