package evaluator

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

func TestOfferAndEvaluate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var logged bytes.Buffer
	w.log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	e := w.open()
	first := w.offer(e, w.issuer, term1)
	ask := census.OfferAsk{Number: 1, Opens: term1.Opens, Closes: term1.Closes, Audit: term1.Audit}
	if err := first.Verify(w.community, ask); err != nil || first.Refused != "" {
		t.Fatalf("%+v: %v", first, err)
	}
	if again := w.offer(e, w.issuer, term1); again != first {
		t.Errorf("another ask for one epoch: %+v, then %+v", first, again)
	}
	other := w.offer(e, w.issuer, Term{1, term1.Opens, term1.Closes, term1.Audit + 1})
	if other.Key == first.Key {
		t.Error("two terms have one key")
	}

	opened := w.opened(e, term1, 1000)
	w.at(start + 1500)
	one := w.batch(opened.ID(), 7, 5)
	two := w.batch(opened.ID(), 7, 5)
	var tags [2][]census.Tag
	for i, b := range []batch{one, two} {
		a := w.evaluate(e, w.gateway, b.ask)
		if a.Refused != "" || len(a.Evaluations) != census.BatchSize {
			t.Fatalf("refused: %q, %d evaluations", a.Refused, len(a.Evaluations))
		}
		for j := range b.inputs {
			tag, err := census.Finish(census.PublicKey(opened.Key), b.inputs[j], b.blinds[j], a.Evaluations[j])
			if err != nil {
				t.Fatal(err)
			}
			tags[i] = append(tags[i], tag)
		}
	}
	if !slices.Equal(tags[0], tags[1]) {
		t.Error("one passport has two tags, by its blind")
	}
	if s := e.Stats(); s.Batches != 2 || s.Elements != 2*census.BatchSize || s.Offers != 3 || s.Refused != 0 {
		t.Errorf("%+v", s)
	}
	for _, element := range one.ask.Elements {
		if strings.Contains(logged.String(), hex.EncodeToString(element[:])) {
			t.Error("an element stands in the log")
		}
	}
}

// TestRefused is what askers of every kind get.
func TestRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.open()
	now := w.opened(e, term1, 200)
	later := w.opened(e, Term{2, start + 5000, start + 6000, start + 7000}, 200)
	over := w.opened(e, Term{3, start + 1, start + 100, start + 1400}, 200)
	small := w.opened(e, Term{4, start, start + 1000, start + 2000}, census.BatchSize-1)
	foreign := now
	foreign.Evaluator = [32]byte(public("another evaluator"))
	swapped := now // this evaluator's key, for other times than it was offered for
	swapped.Audit += 10_000
	stolen := now // a key that nobody has
	stolen.Key = [32]byte{1, 2, 3}
	w.epochs = append(w.epochs, foreign, swapped, stolen)
	w.at(start + 1500)
	unwritten := now
	unwritten.Beacon = "an epoch that is in no ledger"

	ask := func(b ledger.EpochOpened) []byte { return w.batch(b.ID(), 1, 3).ask.Marshal() }
	bad := w.batch(now.ID(), 1, 3).ask
	bad.Elements[60] = census.Element{31: 0xff}
	zero := w.batch(now.ID(), 1, 3).ask
	zero.Elements[0] = census.Element{}
	offer := census.OfferAsk{Number: 9, Opens: start, Closes: start + 1, Audit: start + 9000}.Marshal()
	for _, c := range []struct {
		name string
		from replica.Peer
		body []byte
		want string // "": no answer at all
	}{
		{"a gateway of the world's", w.gateway, ask(now), "answered"},
		{"nobody", peerOf("nobody"), ask(now), census.RefusedStranger},
		{"a gateway of a node that is not registered", peerOf("unregistered"), ask(now), census.RefusedStranger},
		{"a removed gateway", peerOf("removed"), ask(now), census.RefusedStranger},
		{"an issuer", w.issuer, ask(now), census.RefusedStranger},
		{"a steward", peerOf("steward"), ask(now), census.RefusedStranger},
		{"the hub", peerOf("hub"), ask(now), census.RefusedStranger},
		{"an epoch that no ledger has", w.gateway, ask(unwritten), census.RefusedUnknownEpoch},
		{"another evaluator's epoch", w.gateway, ask(foreign), census.RefusedUnknownEpoch},
		{"an epoch with the key of another", w.gateway, ask(swapped), census.RefusedUnknownEpoch},
		{"an epoch with nobody's key", w.gateway, ask(stolen), census.RefusedUnknownEpoch},
		{"before it opens", w.gateway, ask(later), census.RefusedNotOpen},
		{"after its audit", w.gateway, ask(over), census.RefusedOver},
		{"a batch above the whole quota", w.gateway, ask(small), census.RefusedQuota},
		{"an offer for a gateway", w.gateway, offer, census.RefusedStranger},
		{"an offer for a retired issuer", peerOf("was issuer"), offer, census.RefusedStranger},
		{"an offer for a steward", peerOf("steward"), offer, census.RefusedStranger},
		{"an offer for the hub", peerOf("hub"), offer, census.RefusedStranger},
		{"an offer whose audit is over", w.issuer, census.OfferAsk{Number: 9, Opens: 1, Closes: 2, Audit: 3}.Marshal(), census.RefusedOver},
		{"no element", w.gateway, bad.Marshal(), ""},
		{"the identity", w.gateway, zero.Marshal(), ""},
		{"a batch too small", w.gateway, census.EvaluateAsk{Epoch: now.ID(), Elements: bad.Elements[:63]}.Marshal(), ""},
		{"nothing", w.gateway, nil, ""},
		{"rubbish", w.gateway, []byte("evaluate this, please"), ""},
		{"cut", w.gateway, ask(now)[:100], ""},
		{"more behind it", w.gateway, append(ask(now), 0), ""},
		{"an answer", w.gateway, census.EvaluateAnswer{Refused: "over"}.Marshal(), ""},
		{"an epoch 0", w.issuer, census.OfferAsk{Opens: 1, Closes: 2, Audit: 3}.Marshal(), ""},
	} {
		raw := w.tell(e, t.Context(), c.from, c.body)
		got := ""
		if a, err := census.ParseEvaluateAnswer(raw); err == nil {
			got = a.Refused
			if len(a.Evaluations) > 0 {
				got = "answered"
			}
		} else if a, err := census.ParseOfferAnswer(raw); err == nil {
			got = a.Refused
			if got == "" {
				got = "answered"
			}
		} else if raw != nil {
			got = fmt.Sprintf("%x", raw)
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if s := e.Stats(); s.Failed != 0 || s.Batches != 1 {
		t.Errorf("%+v", s)
	}
}

func TestQuota(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.open()
	opened := w.opened(e, term1, 2*census.BatchSize+10)
	// Another issuer opens another epoch with the same offer: one key, one quota.
	twin := opened
	twin.Beacon = "another block"
	w.epochs = append(w.epochs, twin)
	w.at(start + 1500)

	one := w.batch(opened.ID(), 1, 60)
	if a := w.evaluate(e, w.gateway, one.ask); a.Refused != "" || a.Left != census.BatchSize+10 {
		t.Fatalf("%q, %d left", a.Refused, a.Left)
	}
	if a := w.evaluate(e, w.gateway, one.ask); a.Refused != "" || a.Left != census.BatchSize+10 {
		t.Errorf("asked again: %q, %d left", a.Refused, a.Left)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	e = w.open()
	if a := w.evaluate(e, w.gateway, one.ask); a.Refused != "" || a.Left != census.BatchSize+10 {
		t.Errorf("asked again of another process: %q, %d left", a.Refused, a.Left)
	}
	if a := w.evaluate(e, w.gateway, w.batch(twin.ID(), 1, 60).ask); a.Refused != "" || a.Left != 10 {
		t.Errorf("the twin: %q, %d left", a.Refused, a.Left)
	}
	if a := w.evaluate(e, w.gateway, w.batch(opened.ID(), 100, 1).ask); a.Refused != census.RefusedQuota || a.Left != 10 || len(a.Evaluations) > 0 {
		t.Errorf("over it: %q, %d left, %d evaluations", a.Refused, a.Left, len(a.Evaluations))
	}
	if a := w.evaluate(e, w.gateway, one.ask); a.Refused != "" {
		t.Errorf("what was counted is answered after the quota, too: %q", a.Refused)
	}
	if a := w.evaluate(e, peerOf("other gateway"), one.ask); a.Refused != "" || a.Left != census.BatchSize+10 {
		t.Errorf("another gateway has its own: %q, %d left", a.Refused, a.Left)
	}
}

// TestQuotaAtOnce: of many asks at once no more are answered than the quota has.
func TestQuotaAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.open()
	opened := w.opened(e, term1, 2*census.BatchSize)
	w.at(start + 1500)
	var asking sync.WaitGroup
	answers := make(chan census.EvaluateAnswer, 6)
	for i := range 6 {
		ask := w.batch(opened.ID(), uint64(1000*i), 1).ask.Marshal()
		asking.Go(func() {
			a, err := census.ParseEvaluateAnswer(w.tell(e, t.Context(), w.gateway, ask))
			if err != nil {
				t.Error(err)
			}
			answers <- a
		})
	}
	asking.Wait()
	close(answers)
	given := 0
	for a := range answers {
		if a.Refused == "" {
			given++
		}
	}
	if given != 2 {
		t.Errorf("%d batches were answered, and the quota is for 2", given)
	}
}

// TestNotCounted: what cannot be counted is not answered, whatever the cores have
// made of it by then.
func TestNotCounted(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.open()
	opened := w.opened(e, term1, 1000)
	w.at(start + 1500)
	body := w.batch(opened.ID(), 1, 3).ask.Marshal()
	if err := e.quotas.close(); err != nil {
		t.Fatal(err)
	}
	if a := w.tell(e, t.Context(), w.gateway, body); a != nil {
		t.Errorf("it answered %d bytes", len(a))
	}
	if s := e.Stats(); s.Failed != 1 || s.Batches != 0 {
		t.Errorf("%+v", s)
	}
}

// TestAskerGone: whoever leaves meanwhile has had his share, and the pool is free.
func TestAskerGone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.open()
	opened := w.opened(e, term1, 1000)
	w.at(start + 1500)
	ctx, leave := context.WithCancel(t.Context())
	leave()
	b := w.batch(opened.ID(), 1, 3)
	if a := w.tell(e, ctx, w.gateway, b.ask.Marshal()); a != nil {
		t.Errorf("%d bytes for nobody", len(a))
	}
	if len(e.pool) != 0 {
		t.Errorf("%d workers did not come back", len(e.pool))
	}
	if a := w.evaluate(e, w.gateway, b.ask); a.Refused != "" || a.Left != 1000-census.BatchSize {
		t.Errorf("%q, %d left", a.Refused, a.Left)
	}
}

func TestRightsUnread(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	cfg := w.config()
	cfg.Rights = func() (replica.Rights, error) { return replica.Rights{}, errors.New("the disk is gone") }
	e, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if a := w.tell(e, t.Context(), w.issuer, census.OfferAsk{Number: 1, Opens: start, Closes: start + 1, Audit: start + 2}.Marshal()); a != nil {
		t.Errorf("it answered %x", a)
	}
	if s := e.Stats(); s.Failed != 1 {
		t.Errorf("%+v", s)
	}
}

// FuzzAnswer: whatever comes, from whomever, it ends in an answer that parses or in
// none, and in no evaluation for a stranger.
func FuzzAnswer(f *testing.F) {
	w := newWorld(f)
	e := w.open()
	opened := w.opened(e, term1, 1<<31)
	w.at(start + 1500)
	for _, from := range []byte{0, 1, 2} {
		f.Add(from, w.batch(opened.ID(), 1, 3).ask.Marshal())
		f.Add(from, census.OfferAsk{Number: 1, Opens: term1.Opens, Closes: term1.Closes, Audit: term1.Audit}.Marshal())
		f.Add(from, []byte{})
	}
	askers := []replica.Peer{w.gateway, w.issuer, peerOf("nobody")}
	f.Fuzz(func(t *testing.T, from byte, body []byte) {
		asker := askers[int(from)%len(askers)]
		raw := w.tell(e, t.Context(), asker, body)
		if raw == nil {
			return
		}
		if a, err := census.ParseEvaluateAnswer(raw); err == nil {
			if len(a.Evaluations) > 0 && asker != w.gateway {
				t.Errorf("%d evaluations for %v", len(a.Evaluations), asker)
			}
			return
		}
		a, err := census.ParseOfferAnswer(raw)
		if err != nil {
			t.Fatalf("it answered %x: %v", raw, err)
		}
		if a.Refused == "" && asker != w.issuer {
			t.Errorf("an offer for %v", asker)
		}
	})
}

// TestNotice: what whoever has a gateway's key has to do is in the log, once, and how
// much each has asked for can be listed.
func TestNotice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var text bytes.Buffer // asks come one after the other here
	w.log = slog.New(slog.NewTextHandler(&text, nil))
	for name, node := range map[string]byte{"gateway": 1, "other gateway": 2, "sibling": 1} {
		w.rights.Authors[peerOf(name)] = replica.Author{
			Name: name, Key: public(name), Kinds: []ledger.LogKind{ledger.ReportLog}, Charter: map[ledger.LogKind]ledger.CharterID{ledger.ReportLog: {node}},
		}
	}
	e := w.open()
	opened := w.opened(e, term1, 4*census.BatchSize)
	w.at(start + 1500)
	ask := func(name string, first uint64, want ...string) {
		t.Helper()
		text.Reset()
		b := w.batch(opened.ID(), first, 1)
		for range 2 { // a batch that is asked for again says nothing again
			if a := w.evaluate(e, peerOf(name), b.ask); a.Refused != "" {
				t.Fatal(a.Refused)
			}
		}
		if strings.Count(text.String(), "\n") != len(want) {
			t.Errorf("%s, from %d: want %q\n%s", name, first, want, text.String())
		}
		for _, s := range want {
			if strings.Count(text.String(), s) != 1 || !strings.Contains(text.String(), `gateway="`+name+`"`) && !strings.Contains(text.String(), "gateway="+name+" ") {
				t.Errorf("%s, from %d: want %q\n%s", name, first, want, text.String())
			}
		}
	}
	ask("gateway", 1, "level=INFO msg=\"a gateway has begun to ask\"")
	ask("gateway", 2)
	ask("gateway", 3, "level=WARN msg=\"a gateway has asked for more than half of its quota")
	ask("gateway", 4)
	ask("other gateway", 1, "a gateway has begun to ask")
	ask("sibling", 1, "a gateway has begun to ask", "level=WARN msg=\"a second gateway of a node asks")
	text.Reset()
	if a := w.evaluate(e, w.gateway, w.batch(opened.ID(), 5, 1).ask); a.Refused != census.RefusedQuota || !strings.Contains(text.String(), "level=WARN msg=refused") {
		t.Errorf("%q, %s", a.Refused, text.String())
	}
	got, err := e.Shares(opened.Key)
	if err != nil || len(got) != 3 || got[0] != (Share{w.gateway, 4 * census.BatchSize}) || got[1].Elements != census.BatchSize {
		t.Errorf("%v, %v", got, err)
	}
}
