package gateway

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
)

// visited is an islet where some came in by the one door, some by the other, some by
// both, and an epoch has closed.
func visited(t *testing.T, people int) *islet {
	i := newIslet(t, people, "")
	i.visit()
	i.open(5)
	return i
}

// visitedBefore is visited, and the gateways signed nothing since the epoch closed.
func visitedBefore(t *testing.T, people int) *islet {
	i := newIslet(t, people, "")
	i.now = i.now.Add(-time.Hour)
	i.visit()
	i.carry()
	i.now = i.now.Add(time.Hour)
	i.open(5)
	return i
}

func (i *islet) visit() {
	a, b := i.gws[0], i.gws[1]
	at := i.now.Add(-time.Hour)
	a.boot(at)
	b.boot(at)
	for n, g := range i.people {
		if n%3 != 0 {
			a.enter(g, at.Add(time.Duration(n)*time.Second))
		}
		if n%3 != 1 {
			b.enter(g, at.Add(time.Duration(n)*time.Minute/2))
		}
	}
}

func look(t *testing.T, r *reporter, ctx context.Context) {
	t.Helper()
	if err := r.look(ctx); err != nil {
		t.Fatal(err)
	}
}

// TestReport: one gateway reports for its node, each passport once, whichever doors
// it used; the other stands back.
func TestReport(t *testing.T) {
	t.Parallel()
	i := visited(t, 25)
	first, second := i.gws[0].reporter(never(), nil), i.gws[1].reporter(never(), nil)
	defer first.close()
	defer second.close()
	look(t, second, never())
	if _, all := i.gws[1].report(); len(all) != 0 {
		t.Fatal("the second does not wait for its turn")
	}
	look(t, first, never())
	lists, all := i.gws[0].report()
	if len(all) != 1 {
		t.Fatalf("%d reports, faults %v", len(all), i.gws[0].faults)
	}
	i.holds(lists[0], all[0], i.people...)
	look(t, first, never())
	if _, all := i.gws[0].report(); len(all) != 1 {
		t.Error("it reports again")
	}
	for body, n := range i.asks {
		if n != 1 || len(i.asks) != 1 {
			t.Errorf("%d batches, one of them asked %d times: %x", len(i.asks), n, body[:4])
		}
	}
	// What the first wrote arrives, and when the second's turn comes it stands back.
	i.carry()
	i.now = i.now.Add(30 * time.Minute)
	i.gws[1].status = there(i.gws[0])
	look(t, second, never())
	if _, all := i.gws[1].report(); len(all) != 0 {
		t.Error("both report")
	}
	// The first is gone for good, as far as anybody can tell: another report does no
	// harm, and says the same.
	i.gws[1].status = peer.Status{}
	i.now = i.now.Add(30 * time.Minute)
	look(t, second, never())
	again, all := i.gws[1].report()
	if len(all) != 1 {
		t.Fatal("nobody takes over")
	}
	i.holds(again[0], all[0], i.people...)
	if l := i.close(lists[0], again[0]); l.Len() != 25 {
		t.Errorf("both together are %d", l.Len())
	}
}

// there is a status that shows a gateway on the node's own link.
func there(k *keeper) peer.Status {
	return peer.Status{
		Links: []peer.LinkStatus{{Name: "node", Own: true, Up: true}},
		Peers: []peer.PeerStatus{{Peer: k.id().String(), Links: []string{"node"}}},
	}
}

// TestTakesOver: a gateway that died before it began is replaced.
func TestTakesOver(t *testing.T) {
	t.Parallel()
	i := visitedBefore(t, 4)
	second := i.gws[1].reporter(never(), nil)
	defer second.close()
	i.gws[1].status = peer.Status{}
	i.now = i.now.Add(5 * time.Minute)
	look(t, second, never())
	if _, all := i.gws[1].report(); len(all) != 0 {
		t.Fatal("what the first wrote last is not waited for")
	}
	i.now = i.now.Add(5 * time.Minute)
	look(t, second, never())
	lists, all := i.gws[1].report()
	if len(all) != 1 {
		t.Fatal("nobody reports")
	}
	i.holds(lists[0], all[0], i.people...)
	if told := strings.Join(i.gws[1].faults, "\n"); !strings.Contains(told, "reported without what "+i.gws[0].name+" wrote last") {
		t.Errorf("faults %q", told)
	}
}

// TestLateSibling: a sibling that was out of reach while the epoch closed is waited
// for, and what it wrote before the close is counted.
func TestLateSibling(t *testing.T) {
	t.Parallel()
	i := newIslet(t, 2, "")
	a, b := i.gws[0], i.gws[1]
	closed := i.now.Add(-15 * time.Minute)
	i.now = closed.Add(-time.Hour)
	a.boot(i.now)
	b.boot(i.now)
	a.enter(i.people[0], i.now)
	i.carry()
	b.enter(i.people[1], i.now) // nobody hears of it
	i.now = closed.Add(15 * time.Minute)
	opened := i.sign(1)
	i.write(ledger.CommunityLog, opened)
	carry(i.desk.Store(), a.folder.Store(), ledger.CommunityLog)
	a.status = peer.Status{}
	r := a.reporter(never(), nil)
	defer r.close()
	i.now = closed.Add(11 * time.Minute)
	look(t, r, never())
	if _, all := a.report(); len(all) != 0 {
		t.Fatal("it does not wait")
	}
	i.now = closed.Add(14 * time.Minute)
	b.record(i.now, &ledger.Line{Door: b.door, Input: "contact", State: "normal"}) // signed after the close
	i.carry()
	look(t, r, never())
	lists, all := a.report()
	if len(all) != 1 || len(a.faults) != 0 {
		t.Fatalf("%d reports, faults %v", len(all), a.faults)
	}
	i.holds(lists[0], all[0], i.people...)
}

// TestKilled: a gateway that is killed between any two steps makes one report, and
// asks the evaluator for no tag twice but what it has asked before.
func TestKilledReport(t *testing.T) {
	t.Parallel()
	for what, boots := range map[string]bool{"and started": false, "and its machine with it": true} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			killedReport(t, boots)
		})
	}
}

// killedReport kills a gateway at each step; if its machine starts anew with it, its
// ledgers begin a new incarnation.
func killedReport(t *testing.T, boots bool) {
	i := visited(t, 3)
	k := i.gws[0]
	k.close()
	template, guard := k.dir, k.guard
	step, done := 1, false
	for ; !done; step++ {
		k.dir, k.guard = t.TempDir(), t.TempDir()
		copyAll(t, template, k.dir)
		copyAll(t, guard, k.guard)
		clear(i.asks)
		k.boots = ""
		for kills := 0; ; kills++ {
			if k.open(); kills > 0 && boots {
				k.boots = strings.Repeat("1", kills)
				k.log = k.author(ledger.DoorLog)
				k.boot(i.now)
			}
			left := -1
			switch kills {
			case 0:
				left = step
			case 1:
				left = step / 2 // and once more, while it goes on
			}
			ctx := &killed{Context: context.Background(), left: left}
			r := k.reporter(ctx, nil)
			err := r.look(ctx)
			if err := r.close(); err != nil {
				t.Fatal(err)
			}
			if err != nil && !errors.Is(err, errKilled) {
				t.Fatalf("killed at step %d: %v", step, err)
			}
			if err == nil {
				done = kills == 0
				break
			}
			k.close()
		}
		lists, all := k.report()
		if len(all) != 1 {
			t.Fatalf("killed at step %d: %d reports", step, len(all))
		}
		i.holds(lists[0], all[0], i.people...)
		if len(i.asks) != 1 {
			t.Errorf("killed at step %d: %d batches were asked", step, len(i.asks))
		}
		checkAttendances(t, k, all[0], 3)
		k.close()
		if t.Failed() {
			break
		}
	}
	if step < 30 {
		t.Errorf("only %d steps", step)
	}
	t.Logf("killed at each of %d steps", step)
}

// checkAttendances checks that a report's log holds each Attendance once, within what was
// reported, in the order of the tags.
func checkAttendances(t *testing.T, k *keeper, r *ledger.Reported, want int) {
	t.Helper()
	o, err := ledger.ParseOrigin(r.Log.Origin)
	if err != nil {
		t.Fatal(err)
	}
	log := yes(k.folder.Store().Ledger(o))
	of := map[uint64]bool{}
	for index, e := range entriesOf(k.folder.Store(), log) {
		_, b, err := e.Open(ledger.DoorLog, int64(index))
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := b.(*ledger.Attendance); ok {
			if of[a.Passport] {
				t.Errorf("an attendance of passport %d twice", a.Passport)
			}
			if of[a.Passport] = true; int64(index) >= r.Log.Size {
				t.Errorf("attendance %d is not within the %d entries that were reported", index, r.Log.Size)
			}
		}
	}
	if len(of) != want {
		t.Errorf("%d attendances, want %d", len(of), want)
	}
}

// TestEvaluatorTrouble: whatever the evaluator does, the gateway keeps trying, and
// reports what it has once the evaluator makes no more.
func TestEvaluatorTrouble(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  string
		ask   func(i *islet, body []byte) ([]byte, error)
		fault string
	}{
		{"nobody is there", func(*islet, []byte) ([]byte, error) { return nil, peer.ErrNobody }, ""},
		{"nobody answers", func(*islet, []byte) ([]byte, error) { return nil, peer.ErrNoAnswer }, ""},
		{"it says nothing", func(*islet, []byte) ([]byte, error) { return nil, nil }, "what the evaluator answers is none"},
		{"it answers something else", func(i *islet, b []byte) ([]byte, error) { return b, nil }, "what the evaluator answers is none"},
		{"it is cut short", func(i *islet, b []byte) ([]byte, error) { return i.asked(b)[:100], nil }, "what the evaluator answers is none"},
		{"it uses another key", func(i *islet, b []byte) ([]byte, error) {
			key := i.key
			defer func() { i.key = key }()
			i.key = another
			return i.asked(b), nil
		}, "is not by the key of epoch 1"},
		{"it swaps two", func(i *islet, b []byte) ([]byte, error) { return swapped(i.asked(b)), nil }, "is not by the key of epoch 1"},
		{"it knows no such epoch", refuses("unknown-epoch"), "unknown-epoch"},
		{"it knows no such gateway", refuses("stranger"), "stranger"},
		{"it says that it is over", refuses("over"), "over"},
		{"it refuses for a reason to come", refuses("full-moon"), "full-moon"},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			i := visited(t, 2)
			k, works := i.gws[0], false
			r := k.reporter(never(), func(_ context.Context, _ replica.Peer, body []byte) ([]byte, error) {
				if works {
					return i.asked(body), nil
				}
				return c.ask(i, body)
			})
			defer r.close()
			look(t, r, never())
			look(t, r, never())
			if _, all := k.report(); len(all) != 0 {
				t.Fatal("a report without tags")
			}
			if told := strings.Join(k.faults, "\n"); (c.fault == "") != (told == "") || !strings.Contains(told, c.fault) || len(k.faults) > 1 {
				t.Errorf("faults: %s", told)
			}
			works = true
			look(t, r, never()) // too soon: it waits a while
			if _, all := k.report(); len(all) != 0 {
				t.Error("it does not wait before it tries again")
			}
			i.now = i.now.Add(time.Minute)
			look(t, r, never())
			lists, all := k.report()
			if len(all) != 1 {
				t.Fatalf("no report once it works: %v", k.faults)
			}
			i.holds(lists[0], all[0], i.people...)
			if c.fault != "" && !strings.HasSuffix(k.faults[len(k.faults)-1], "(true)") {
				t.Errorf("the fault stands: %v", k.faults)
			}
		})
	}
}

// TestQuota: more came than the evaluator makes tags of. The others are reported.
func TestQuota(t *testing.T) {
	t.Parallel()
	i := newIslet(t, 70, "")
	i.quota = 64
	k := i.gws[0]
	k.boot(i.now.Add(-2 * time.Hour))
	for _, g := range i.people {
		k.enter(g, i.now.Add(-2*time.Hour))
	}
	i.open(1)
	r := k.reporter(never(), nil)
	defer r.close()
	look(t, r, never())
	_, all := k.report()
	if len(all) != 1 || all[0].Count != 64 {
		t.Fatalf("%d reports, %v", len(all), all)
	}
	if len(k.faults) != 1 || !strings.Contains(k.faults[0], "higher quota") {
		t.Errorf("faults %v", k.faults)
	}
	if s := yes(r.status("gw")); s.Epochs[0].LeftOut != 6 || s.Epochs[0].State != "reported" || s.Epochs[0].Present != 64 {
		t.Errorf("%+v", s)
	}
}

// TestNobodyCame: an epoch without anybody is reported, too.
func TestNobodyCame(t *testing.T) {
	t.Parallel()
	i := newIslet(t, 1, "")
	i.gws[0].boot(i.now.Add(-2 * time.Hour))
	i.open(1)
	r := i.gws[0].reporter(never(), nil)
	defer r.close()
	look(t, r, never())
	lists, all := i.gws[0].report()
	if len(all) != 1 || all[0].Count != 0 || len(i.asks) != 1 { // of padding alone
		t.Fatalf("%v, %d asks", all, len(i.asks))
	}
	i.holds(lists[0], all[0])
}

// TestRosterBehind: a gateway that was away hears of an epoch that has closed and of who
// moved in, all at once: it reports when its roster knows them, too.
func TestRosterBehind(t *testing.T) {
	t.Parallel()
	i := newIslet(t, 24, "")
	i.visit()
	late, k := i.admit(25), i.gws[0]
	i.gws[1].enter(late, i.now.Add(-30*time.Minute))
	i.write(ledger.CommunityLog, i.sign(5))
	carry(i.desk.Store(), k.folder.Store(), ledger.CommunityLog, ledger.NodeLog)
	carry(i.gws[1].folder.Store(), k.folder.Store(), ledger.DoorLog)
	if h, err := k.roster.ByKey(late.key.Key().ID()); err != nil || h.Known {
		t.Fatalf("the roster knows already: %+v, %v", h, err)
	}
	r := k.reporter(never(), nil)
	defer r.close()
	look(t, r, never())
	lists, all := k.report()
	if len(all) != 1 {
		t.Fatalf("%d reports, faults %v", len(all), k.faults)
	}
	i.holds(lists[0], all[0], i.people...)
}
