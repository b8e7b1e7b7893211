package hub

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// TestClose: what two nodes report becomes one list, in which who was in both stands
// once; a second close changes nothing, and files that are lost come back.
func TestClose(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, d, 2)
			e := w.opened()
			w.append(w.reporter(0), append([]ledger.Body{everyday("hall", 30, 40)}, w.reportOf(0, e.ID(), lines(0, 40, 0), 7)...)...)
			w.append(w.reporter(1), w.reportOf(1, e.ID(), lines(30, 60, 1), 100)...)
			closed, list := w.closeIt(e)
			want := census.Merge(append(lines(0, 40, 0), lines(30, 60, 1)...), nil)
			if list.Root(nil) != must(census.NewList(want)).Root(nil) || closed.Size != 60 || closed.Reports != 2 || closed.Nodes != 2 || closed.Doors != 4 || closed.Floor != 200 {
				t.Errorf("%+v", closed)
			}
			// A report that comes late changes nothing of it.
			w.append(w.reporter(1), w.reportOf(1, e.ID(), lines(30, 90, 1), 100)...)
			if err := os.RemoveAll(w.hub.lists.dir); err != nil {
				t.Fatal(err)
			}
			w.hub = must(New(w.config(w.store)))
			again, _ := w.closeIt(e)
			if again != closed || w.closedEntries(e.ID()) != 1 {
				t.Errorf("closed again with %+v, %d entries", again, w.closedEntries(e.ID()))
			}
			v := must(w.hub.freshView(nil))
			if c := v.counts[e.ID()]; c != (ReportCounts{In: 2, Late: 1}) {
				t.Errorf("%+v", c)
			}
		})
	}
}

func TestCloseRefuses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	e := w.opened()
	ctx := context.Background()
	if _, err := w.hub.Close(ctx, ledger.EpochID{1}, nil); !errors.Is(err, ErrNoEpoch) {
		t.Error(err)
	}
	// An epoch whose key no evaluator of the charter's offered is none.
	forged := w.epoch(2)
	forged.Offer[3] ^= 1
	w.append(w.issuer(), forged)
	if _, err := w.hub.Close(ctx, forged.ID(), nil); !errors.Is(err, ErrNoEpoch) {
		t.Error(err)
	}
	w.at = time.Unix(closesAt-600, 0)
	if _, err := w.hub.Close(ctx, e.ID(), nil); !errors.Is(err, ErrNotOver) {
		t.Error(err)
	}
	w.at = time.Unix(closesAt+1, 0)
	stranger := w.config(w.store)
	stranger.Author = testKey("stranger")
	if _, err := must(New(stranger)).Close(ctx, e.ID(), nil); !errors.Is(err, ErrNotHub) {
		t.Error(err)
	}
	// Who closes elsewhere is waited for, and not for longer than the caller wants.
	if ok, err := w.store.Lease(ctx, "hub/close", "another", time.Minute); !ok || err != nil {
		t.Fatal(ok, err)
	}
	short, end := context.WithTimeout(ctx, 50*time.Millisecond)
	defer end()
	if _, err := w.hub.Close(short, e.ID(), nil); !errors.Is(err, ErrBusy) || !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

// TestWithheld: nothing of fewer than 20 leaves the hub, but to auditors.
func TestWithheld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	e := w.opened()
	w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 19, 0), 100)...)
	closed, list := w.closeIt(e)
	if !closed.Withheld || closed.Size != 0 || list.Len() != 19 {
		t.Errorf("%+v", closed)
	}
	if again, _ := w.closeIt(e); again != closed {
		t.Errorf("%+v", again)
	}
	if _, err := w.hub.Draw(context.Background(), e.ID(), [32]byte{1}, e.Beacon); !errors.Is(err, ErrWithheld) {
		t.Error(err)
	}
}

// TestMalformedReports: each of these reports is faulty, says why, and does not
// count; the one before it of the same gateway does.
func TestMalformedReports(t *testing.T) {
	t.Parallel()
	good := func(w *world, e ledger.EpochID) []ledger.Body { return w.reportOf(0, e, lines(0, 50, 0), 10) }
	reported := func(all []ledger.Body) *ledger.Reported { return all[len(all)-1].(*ledger.Reported) }
	part := func(all []ledger.Body, n int) *ledger.CensusTags { return all[n].(*ledger.CensusTags) }
	for _, c := range []struct {
		name  string
		fault Fault
		make  func(w *world, e ledger.EpochID) []ledger.Body
	}{
		{"no parts", FaultNoParts, func(w *world, e ledger.EpochID) []ledger.Body { return good(w, e)[5:] }},
		{"the first part missing", FaultParts, func(w *world, e ledger.EpochID) []ledger.Body { return good(w, e)[1:] }},
		{"a part missing", FaultParts, func(w *world, e ledger.EpochID) []ledger.Body { return slices.Delete(good(w, e), 2, 3) }},
		{"the last part missing", FaultParts, func(w *world, e ledger.EpochID) []ledger.Body { return slices.Delete(good(w, e), 4, 5) }},
		{"a part twice", FaultParts, func(w *world, e ledger.EpochID) []ledger.Body {
			all := good(w, e)
			return slices.Insert(all, 3, all[2])
		}},
		{"parts out of order", FaultParts, func(w *world, e ledger.EpochID) []ledger.Body {
			all := good(w, e)
			all[1], all[2] = all[2], all[1]
			return all
		}},
		{"tags out of order", FaultOrder, func(w *world, e ledger.EpochID) []ledger.Body {
			all := good(w, e)
			part(all, 1).Part, part(all, 2).Part = 2, 1
			all[1], all[2] = all[2], all[1]
			return all
		}},
		{"a tag twice", FaultOrder, func(w *world, e ledger.EpochID) []ledger.Body {
			all := good(w, e)
			part(all, 1).Tags = append(slices.Clone(part(all, 0).Tags[9*ledger.TagSize:]), part(all, 1).Tags[ledger.TagSize:]...)
			return all
		}},
		{"too many parts said", FaultParts, func(w *world, e ledger.EpochID) []ledger.Body {
			all := good(w, e)
			reported(all).Parts++
			return all
		}},
		{"another count", FaultCount, func(w *world, e ledger.EpochID) []ledger.Body {
			all := good(w, e)
			reported(all).Count--
			return all
		}},
		{"another root", FaultRoot, func(w *world, e ledger.EpochID) []ledger.Body {
			all := good(w, e)
			reported(all).Root[0] ^= 1
			return all
		}},
		{"an altered commitment", FaultRoot, func(w *world, e ledger.EpochID) []ledger.Body {
			all := good(w, e)
			part(all, 0).Tags[40] ^= 1
			return all
		}},
		{"no tags, and a root", FaultRoot, func(w *world, e ledger.EpochID) []ledger.Body {
			all := w.reportOf(0, e, nil, 10)
			reported(all).Root[0] ^= 1
			return all
		}},
		{"parts of another epoch", FaultNoParts, func(w *world, e ledger.EpochID) []ledger.Body {
			all := w.reportOf(0, w.epoch(9).ID(), lines(0, 50, 0), 10)
			reported(all).Epoch = e
			return all
		}},
		{"another node's", FaultNode, func(w *world, e ledger.EpochID) []ledger.Body {
			all := good(w, e)
			reported(all).Node = w.node(1)
			return all
		}},
		{"another gateway's door log", FaultLog, func(w *world, e ledger.EpochID) []ledger.Body {
			all := good(w, e)
			reported(all).Log = reported(w.reportOf(1, e, nil, 10)).Log
			return all
		}},
		{"over the quota", FaultQuota, func(w *world, e ledger.EpochID) []ledger.Body { return w.reportOf(0, e, lines(0, 200, 0), 1000) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, dialects[0], 2)
			e := w.epoch(1)
			e.Quota = 128
			w.append(w.issuer(), e)
			a := w.reporter(0)
			w.append(a, c.make(w, e.ID())...)
			v := must(w.hub.freshView(nil))
			if all := v.reports[e.ID()]; len(all) != 1 || all[0].fault != c.fault {
				t.Fatalf("%+v, want %q", all, c.fault)
			}
			if closed, _ := w.closeIt(e); closed.Reports != 0 || !closed.Withheld {
				t.Errorf("%+v", closed)
			}
			if c := must(w.hub.freshView(nil)).counts[e.ID()]; c != (ReportCounts{Faulty: 1}) {
				t.Errorf("%+v", c)
			}
			if !strings.Contains(w.logs.String(), string(c.fault)) {
				t.Errorf("the log does not say so: %s", w.logs)
			}
			// What was reported before it, or is after it, counts.
			second := w.epoch(2)
			second.Quota = e.Quota
			w.append(w.issuer(), second)
			w.append(a, w.reportOf(0, second.ID(), lines(0, 30, 0), 8)...)
			w.append(a, c.make(w, second.ID())...)
			if closed, _ := w.closeIt(second); closed.Reports != 1 || closed.Size != 30 {
				t.Errorf("%+v", closed)
			}
		})
	}
}

// TestReportBegunAnew: a reporter that was killed begins anew, and goes on in a
// second incarnation: its newest report counts alone.
func TestReportBegunAnew(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	e := w.opened()
	whole := w.reportOf(0, e.ID(), lines(0, 50, 0), 10)
	a := w.reporter(0)
	w.append(a, whole[:3]...)
	w.append(a, whole[:2]...)
	w.append(a, whole...)
	w.ok(os.RemoveAll(filepath.Join(w.dir, "guard-"+gatewayName(0))))
	w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 45, 7), 10)...)
	closed, list := w.closeIt(e)
	if closed.Size != 45 || closed.Reports != 1 || list.Root(nil) != must(census.NewList(lines(0, 45, 7))).Root(nil) {
		t.Errorf("%+v", closed)
	}
}

// TestWhoseReportsCount: a gateway that was removed, retired or never registered, and
// one that signed two histories, does not report.
func TestWhoseReportsCount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault Fault
		alter func(w *world, a *replica.Author)
	}{
		{"removed", FaultGateway, func(w *world, a *replica.Author) { a.Removed = true }},
		{"no gateway of a registered node", FaultGateway, func(w *world, a *replica.Author) { a.Kinds = nil }},
		{"another node's now", FaultGateway, func(w *world, a *replica.Author) {
			a.Charter = map[ledger.LogKind]ledger.CharterID{ledger.ReportLog: w.node(1)}
		}},
		{"retired", FaultRetired, func(w *world, a *replica.Author) { a.Retired = true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, dialects[0], 2)
			cfg := w.config(w.store)
			cfg.Rights = func() (replica.Rights, error) {
				r, err := w.rights()
				a := r.Authors[idOf(gatewayName(0))]
				c.alter(w, &a)
				r.Authors[idOf(gatewayName(0))] = a
				return r, err
			}
			w.hub = must(New(cfg))
			e := w.opened()
			w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 50, 0), 10)...)
			w.append(w.reporter(1), w.reportOf(1, e.ID(), lines(0, 30, 1), 10)...)
			if closed, _ := w.closeIt(e); closed.Size != 30 || closed.Reports != 1 {
				t.Errorf("%+v", closed)
			}
			all := must(w.hub.freshView(nil)).reports[e.ID()]
			if i := slices.IndexFunc(all, func(s seen) bool { return s.fault == c.fault }); i < 0 {
				t.Errorf("%+v", all)
			}
		})
	}
}

// TestDropped: a gateway that drops the bodies of its report after it was looked at
// keeps no epoch from being closed, and after the close loses no list that is there.
func TestDropped(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 2)
	e := w.opened()
	a := w.reporter(0)
	for range 3 { // only the newest would count
		w.append(a, w.reportOf(0, e.ID(), lines(0, 50, 0), 10)...)
	}
	w.append(w.reporter(1), w.reportOf(1, e.ID(), lines(20, 60, 1), 10)...)
	must(w.hub.freshView(nil))
	for _, n := range []int64{2, 8, 14} {
		w.ok(a.Drop(n, n, "to spoil it"))
	}
	closed, _ := w.closeIt(e)
	if closed.Size != 40 || closed.Reports != 1 {
		t.Errorf("%+v", closed)
	}
	if c := must(w.hub.freshView(nil)).counts[e.ID()]; c.Faulty != 3 {
		t.Errorf("%+v", c)
	}
}

func TestDraw(t *testing.T) {
	t.Parallel()
	for _, d := range dialects {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, d, 1)
			e := w.opened()
			ctx, seed := context.Background(), [32]byte{7}
			source := e.Beacon + ": 0x07"
			if _, err := w.hub.Draw(ctx, ledger.EpochID{1}, seed, source); !errors.Is(err, ErrNoEpoch) {
				t.Error(err)
			}
			if _, err := w.hub.Draw(ctx, e.ID(), seed, source); !errors.Is(err, ErrNotClosed) {
				t.Error(err)
			}
			w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 50, 0), 10)...)
			closed, _ := w.closeIt(e)
			for _, source := range []string{"", "block 1001 of chain 1", " " + source, strings.ToUpper(source)} {
				if _, err := w.hub.Draw(ctx, e.ID(), seed, source); !errors.Is(err, ErrBeacon) {
					t.Errorf("%q: %v", source, err)
				}
			}
			if _, err := w.hub.Draw(ctx, e.ID(), [32]byte{}, source); !errors.Is(err, ErrBeacon) {
				t.Error(err)
			}
			was := w.at
			w.at = time.Unix(auditAt, 0)
			if _, err := w.hub.Draw(ctx, e.ID(), seed, source); !errors.Is(err, ErrAudited) {
				t.Error(err)
			}
			w.at = was
			drawn, err := w.hub.Draw(ctx, e.ID(), seed, source)
			if want := (ledger.Draw{Epoch: e.ID(), Root: closed.Root, Size: 50, Seed: seed, Source: source}); err != nil || drawn != want {
				t.Errorf("%+v, %v", drawn, err)
			}
			again, err := must(New(w.config(w.store))).Draw(ctx, e.ID(), [32]byte{8}, source)
			if !errors.Is(err, ErrDrawn) || again != drawn {
				t.Errorf("%+v, %v", again, err)
			}
		})
	}
}

// TestTwoClosed: a census ledger that closes an epoch twice, with different lists, is
// shown as wrong and drawn from by nobody.
func TestTwoClosed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	e := w.opened()
	w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 50, 0), 10)...)
	closed, _ := w.closeIt(e)
	closed.Size--
	w.append(w.author(w.store, "hub", ledger.CensusLog, w.id()), &closed)
	if _, err := w.hub.Close(context.Background(), e.ID(), nil); !errors.Is(err, ErrTwoClosed) {
		t.Error(err)
	}
	if _, err := w.hub.Draw(context.Background(), e.ID(), [32]byte{1}, e.Beacon); !errors.Is(err, ErrTwoClosed) {
		t.Error(err)
	}
}

// TestRealTags: two nodes that saw the same passport, each with its own blind, have
// one tag of it, and the lower of the two commitments stands in the list.
func TestRealTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 2)
	e := w.opened()
	report := func(node, from, to int) []byte {
		var out []byte
		for passport := from; passport < to; passport++ {
			input := census.Input(w.id(), e.ID(), uint64(passport))
			blind := must(census.NewBlind(rand.Reader))
			ev := must(w.key.Evaluate(must(blind.Element(input))))
			tag := must(census.Finish(e.Key, input, blind, ev))
			out = append(append(out, tag[:]...), line(passport, node)[32:]...)
		}
		return census.Merge(out, nil)
	}
	first, second := report(0, 0, 25), report(1, 15, 40)
	w.append(w.reporter(0), w.reportOf(0, e.ID(), first, 10)...)
	w.append(w.reporter(1), w.reportOf(1, e.ID(), second, 10)...)
	closed, list := w.closeIt(e)
	if closed.Size != 40 {
		t.Fatalf("%d passports", closed.Size)
	}
	for _, tags := range [][]byte{first, second} {
		for l := range slices.Chunk(tags, ledger.TagSize) {
			at, ok := list.Find(census.Tag(l))
			if c := list.At(at).Commitment; !ok || bytes.Compare(c[:], l[32:]) > 0 {
				t.Errorf("%x: %v, %v", l[:8], at, ok)
			}
		}
	}
}
