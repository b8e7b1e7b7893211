package hub

import (
	"bytes"
	"context"
	"os"
	"slices"
	"testing"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// asks asks as a gateway would, and again as long as there is more; nil if there was
// no answer.
func (w *world) asks(name string, ask census.DrawnAsk) (pages []census.DrawnAnswer) {
	w.t.Helper()
	for {
		body := census.SignAsk(testKey(name), w.id(), pub("hub"), ask.Marshal())
		answer := w.hub.answer(context.Background(), replica.Peer{}, body)
		if answer == nil {
			return nil
		}
		a, err := census.ParseDrawnAnswer(answer)
		w.ok(err)
		pages = append(pages, a)
		if !a.More {
			return pages
		}
		ask.After = a.Lines[len(a.Lines)-1].Index
	}
}

// TestDrawn: each gateway is told of its own tags that were drawn, of all of them, with
// proofs, and of no other's.
func TestDrawn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 3)
	e := w.epoch(1)
	e.Sample = 150
	w.append(w.issuer(), e)
	tags := [3][]byte{lines(0, 300, 0), lines(200, 400, 1), lines(390, 420, 2)}
	for n, b := range tags {
		if n < 2 {
			w.append(w.reporter(n), w.reportOf(n, e.ID(), b, 50)...)
		}
	}
	seed, ask := [32]byte{7}, census.DrawnAsk{Epoch: e.ID(), Seed: [32]byte{7}, After: -1}
	silent := func(when, name string, a census.DrawnAsk) {
		t.Helper()
		if got := w.asks(name, a); got != nil {
			t.Errorf("%s: %+v", when, got)
		}
	}
	silent("before anything was looked at", gatewayName(0), ask)
	must(w.hub.freshView(nil))
	silent("before the close", gatewayName(0), ask)
	closed, list := w.closeIt(e)
	must(w.hub.freshView(nil))
	silent("before the draw", gatewayName(0), ask)
	draw := must(w.hub.Draw(t.Context(), e.ID(), seed, e.Beacon))
	// What is late is nobody's, and whoever begins now has no list yet.
	w.append(w.reporter(2), w.reportOf(2, e.ID(), tags[2], 50)...)
	w.ok(os.RemoveAll(w.hub.lists.dir))
	w.hub = must(New(w.config(w.store)))
	must(w.hub.freshView(nil))

	drawn := census.Indices(seed, closed.Root, closed.Size, e.Sample)
	told := map[int64]bool{}
	for n := range tags {
		var want, got []int64
		for _, i := range drawn {
			if tag := list.At(int64(i)).Tag; n < 2 && has(tags[n], tag) {
				want = append(want, int64(i))
			}
		}
		pages := w.asks(gatewayName(n), ask)
		after := int64(-1)
		for _, p := range pages {
			if err := p.Verify(&draw, e.Sample, after); err != nil {
				t.Errorf("gateway %d: %v", n, err)
			}
			for _, l := range p.Lines {
				got, after = append(got, l.Index), l.Index
				told[l.Index] = true
			}
		}
		if !slices.Equal(got, want) || n == 0 && len(pages) < 3 || n == 2 && len(pages) != 1 {
			t.Errorf("gateway %d is told of %v in %d answers, want %v", n, got, len(pages), want)
		}
	}
	if len(told) != int(e.Sample) {
		t.Errorf("%d of %d drawn tags were told of", len(told), e.Sample)
	}
	if pages := w.asks(gatewayName(0), census.DrawnAsk{Epoch: e.ID(), Seed: seed, After: int64(closed.Size)}); len(pages) != 1 || len(pages[0].Lines) != 0 {
		t.Errorf("after the last: %+v", pages)
	}
	for _, name := range []string{"issuer", "stranger"} {
		for _, p := range w.asks(name, ask) {
			if len(p.Lines) > 0 {
				t.Errorf("%s is told of %+v", name, p)
			}
		}
	}
	silent("another seed", gatewayName(0), census.DrawnAsk{Epoch: e.ID(), Seed: [32]byte{8}, After: -1})
	silent("another epoch", gatewayName(0), census.DrawnAsk{Epoch: ledger.EpochID{1}, Seed: seed, After: -1})
	good := census.SignAsk(testKey(gatewayName(0)), w.id(), pub("hub"), ask.Marshal())
	flip := func(at int) []byte {
		b := bytes.Clone(good)
		b[at] ^= 1
		return b
	}
	for name, body := range map[string][]byte{
		"nothing":           nil,
		"a byte":            {1},
		"no signature":      ask.Marshal(),
		"another form":      flip(0),
		"another key":       flip(5),
		"another signature": flip(50),
		"an altered ask":    flip(len(good) - 1),
		"cut short":         good[:len(good)-1],
		"something behind":  append(bytes.Clone(good), 0),
		"to another hub":    census.SignAsk(testKey(gatewayName(0)), w.id(), pub("evaluator"), ask.Marshal()),
		"in another place":  census.SignAsk(testKey(gatewayName(0)), ledger.CharterID{1}, pub("hub"), ask.Marshal()),
		"no ask":            census.SignAsk(testKey(gatewayName(0)), w.id(), pub("hub"), []byte{0xff}),
		"before the first":  census.SignAsk(testKey(gatewayName(0)), w.id(), pub("hub"), census.DrawnAsk{Epoch: e.ID(), Seed: seed, After: -2}.Marshal()),
		"the evaluator's":   census.SignAsk(testKey(gatewayName(0)), w.id(), pub("hub"), census.EvaluateAsk{Epoch: e.ID(), Elements: make([]census.Element, census.BatchSize)}.Marshal()),
		"an answer":         census.SignAsk(testKey(gatewayName(0)), w.id(), pub("hub"), census.DrawnAnswer{}.Marshal()),
	} {
		if a := w.hub.answer(t.Context(), replica.Peer{}, body); a != nil {
			t.Errorf("%s: %x", name, a)
		}
	}
}

// TestDrawnWithheld: of a list that is withheld, and of one that is closed twice, a
// gateway is told nothing, whatever stands in the census ledger.
func TestDrawnWithheld(t *testing.T) {
	t.Parallel()
	w := newWorld(t, dialects[0], 1)
	small, twice := w.epoch(1), w.epoch(2)
	w.append(w.issuer(), small, twice)
	w.append(w.reporter(0), w.reportOf(0, small.ID(), lines(0, 19, 0), 50)...)
	w.append(w.reporter(0), w.reportOf(0, twice.ID(), lines(0, 40, 0), 50)...)
	seed := [32]byte{7}
	for _, e := range []*ledger.EpochOpened{small, twice} {
		closed, list := w.closeIt(e)
		forged := closed
		forged.Reports++
		hub := w.author(w.store, "hub", ledger.CensusLog, w.id())
		if e == twice {
			w.append(hub, &forged)
		}
		w.append(hub, &ledger.Draw{Epoch: e.ID(), Root: closed.Root, Size: max(ledger.Withheld, uint64(list.Len())), Seed: seed, Source: e.Beacon})
		must(w.hub.freshView(nil))
		if got := w.asks(gatewayName(0), census.DrawnAsk{Epoch: e.ID(), Seed: seed, After: -1}); got != nil {
			t.Errorf("epoch %d: %+v", e.Number, got)
		}
	}
}

// TestDrawnLines: what is remembered of one draw is no other's, with the same seed and
// as many tags.
func TestDrawnLines(t *testing.T) {
	t.Parallel()
	var d drawings
	for _, c := range []struct {
		draw   ledger.Draw
		sample uint32
	}{
		{ledger.Draw{Seed: [32]byte{1}, Root: [32]byte{1}, Size: 1000}, 10},
		{ledger.Draw{Seed: [32]byte{1}, Root: [32]byte{2}, Size: 1000}, 10},
		{ledger.Draw{Seed: [32]byte{2}, Root: [32]byte{2}, Size: 1000}, 10},
		{ledger.Draw{Seed: [32]byte{2}, Root: [32]byte{2}, Size: 1000 + 1<<32}, 10},
		{ledger.Draw{Seed: [32]byte{2}, Root: [32]byte{2}, Size: 1000}, 20},
	} {
		for range 2 {
			if got, want := d.lines(&c.draw, [32]byte{}, c.sample).all, census.Indices(c.draw.Seed, c.draw.Root, c.draw.Size, c.sample); !slices.Equal(got, want) {
				t.Errorf("%+v: %v, want %v", c, got, want)
			}
		}
	}
}

// FuzzAnswer: whatever is asked, the hub lives, and answers nobody who is not signed.
func FuzzAnswer(f *testing.F) {
	w := newWorld(f, dialects[0], 1)
	e := w.opened()
	w.append(w.reporter(0), w.reportOf(0, e.ID(), lines(0, 40, 0), 50)...)
	w.closeIt(e)
	must(w.hub.Draw(f.Context(), e.ID(), [32]byte{7}, e.Beacon))
	must(w.hub.freshView(nil))
	ask := census.DrawnAsk{Epoch: e.ID(), Seed: [32]byte{7}, After: -1}.Marshal()
	good := census.SignAsk(testKey(gatewayName(0)), w.id(), pub("hub"), ask)
	if w.hub.answer(f.Context(), replica.Peer{}, good) == nil {
		f.Fatal("a good ask is not answered")
	}
	f.Add(good, ask)
	f.Fuzz(func(t *testing.T, body, ask []byte) {
		if a := w.hub.answer(t.Context(), replica.Peer{}, body); a != nil && !bytes.Equal(body, good) {
			t.Errorf("%x is answered", body)
		}
		signed := census.SignAsk(testKey(gatewayName(0)), w.id(), pub("hub"), ask)
		if a := w.hub.answer(t.Context(), replica.Peer{}, signed); a != nil {
			if _, err := census.ParseDrawnAnswer(a); err != nil {
				t.Error(err)
			}
		}
	})
}
