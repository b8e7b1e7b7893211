package gateway

import (
	"bytes"
	"context"
	"crypto/rand"
	"strings"
	"testing"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// TestOpensNothingElse: a hub that names lines that were not drawn, or that it made
// up, has nothing opened; a tag that is not this gateway's it cannot have opened.
func TestOpensNothingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  string
		say   func(a *audited, d *ledger.Draw) census.DrawnAnswer
		fault string
	}{
		{"all of the list", func(a *audited, d *ledger.Draw) census.DrawnAnswer {
			var all []uint64
			for i := range a.list.Len() {
				all = append(all, uint64(i))
			}
			return a.list.Drawn(all, func(census.Tag) bool { return true }, -1)
		}, "was not drawn"},
		{"another list", func(a *audited, d *ledger.Draw) census.DrawnAnswer {
			lines := make([]byte, 30*ledger.TagSize)
			yes(rand.Read(lines))
			l := yes(census.NewList(census.Merge(lines, nil)))
			return l.Drawn(census.Indices(d.Seed, d.Root, d.Size, 4), func(census.Tag) bool { return true }, -1)
		}, "does not prove"},
		{"a list that is longer", func(a *audited, d *ledger.Draw) census.DrawnAnswer {
			lines := make([]byte, 31*ledger.TagSize)
			yes(rand.Read(lines))
			l := yes(census.NewList(census.Merge(lines, nil)))
			return l.Drawn(census.Indices(d.Seed, d.Root, d.Size, 4), func(census.Tag) bool { return true }, -1)
		}, "a list of 31"},
		{"another draw's lines", func(a *audited, d *ledger.Draw) census.DrawnAnswer {
			return a.list.Drawn(census.Indices([32]byte{9}, d.Root, d.Size, 4), func(census.Tag) bool { return true }, -1)
		}, "was not drawn"},
		{"nothing", func(*audited, *ledger.Draw) census.DrawnAnswer { return census.DrawnAnswer{} }, ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			a := newAudited(t, 30, 4)
			d := a.draw(a.list, 1)
			a.say = func(census.DrawnAsk) census.DrawnAnswer { return c.say(a, d) }
			look(t, a.r, never())
			if n := len(a.openings()); n != 0 {
				t.Errorf("%d openings", n)
			}
			if told := strings.Join(a.k.faults, "\n"); (c.fault == "") != (told == "") || !strings.Contains(told, c.fault) {
				t.Errorf("faults %q, want %q", told, c.fault)
			}
		})
	}
}

// TestHostileHub: whatever the hub answers to what was drawn, the gateway ends with
// it, opens nothing of others, and opens its own once the hub is honest.
func TestHostileHub(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  string
		say   func(a *audited, d *ledger.Draw) []byte
		fault string
		opens int // of the 2 to whom a tag is opened
	}{
		{"nothing at all", func(*audited, *ledger.Draw) []byte { return nil }, "is not so", 0},
		{"garbage", func(*audited, *ledger.Draw) []byte { return bytes.Repeat([]byte{0xFF}, 60<<10) }, "is not so", 0},
		{"what it was asked", func(a *audited, d *ledger.Draw) []byte {
			return census.DrawnAsk{Epoch: a.opened.ID(), Seed: d.Seed, After: -1}.Marshal()
		}, "is not so", 0},
		{"an evaluator's answer", func(*audited, *ledger.Draw) []byte { return census.EvaluateAnswer{Refused: "over"}.Marshal() }, "is not so", 0},
		{"more, and no line", func(*audited, *ledger.Draw) []byte { return census.DrawnAnswer{More: true}.Marshal() }, "is not so", 0},
		{"one page for ever", func(a *audited, d *ledger.Draw) []byte {
			b := a.list.Drawn(census.Indices(d.Seed, d.Root, d.Size, 4), func(census.Tag) bool { return true }, -1)
			return census.DrawnAnswer{Lines: b.Lines[:1], More: true}.Marshal()
		}, "is not so", 2},
		{"another node's lines", func(a *audited, d *ledger.Draw) []byte {
			theirs := func(tag census.Tag) bool { n, _ := a.r.db.count(a.opened.ID(), "tag = ?", tag[:]); return n == 0 }
			return a.list.Drawn(census.Indices(d.Seed, d.Root, d.Size, 4), theirs, -1).Marshal()
		}, "", 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			a := newAuditedLess(t, 30, 4)
			lists, _ := a.k.report()
			others := make([]byte, 3000*ledger.TagSize)
			yes(rand.Read(others))
			if c.what != "another node's lines" {
				others = nil
			}
			a.list = a.close(lists[0], others)
			d := a.draw(a.list, 1)
			asks := 0
			r := a.k.reporter(never(), func(context.Context, replica.Peer, []byte) ([]byte, error) {
				asks++
				return c.say(a, d), nil
			})
			defer r.close()
			look(t, r, never())
			if n := len(a.openings()); n != c.opens || asks > 2 {
				t.Errorf("%d openings after %d asks", n, asks)
			}
			if told := strings.Join(a.k.faults, "\n"); (c.fault == "") != (told == "") || !strings.Contains(told, c.fault) {
				t.Errorf("faults %q", told)
			}
		})
	}
}
