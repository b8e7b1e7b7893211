package main_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/linking"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/census"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
)

// participant has a folder take part at a broker until the test ends.
func (w *world) participant(f *folder.Folder, author ed25519.PrivateKey, own func() (tls.Certificate, error), broker string) *peer.Node {
	w.t.Helper()
	log := slog.New(slog.DiscardHandler)
	links := must(linking.Participant{
		Folder: f, Key: must(f.EnsureKey(folder.TLSKey)), Software: "test", Own: own, Log: log,
	}.Configs(map[string]*wiring.Link{"hub": {Name: "hub", Broker: "tls://" + broker}}, ""))
	n := must(peer.New(peer.Config{
		Store: f.Store(), Self: ledger.KeyIDOf(author.Public().(ed25519.PublicKey)), Rights: f.Rights, Links: links, Log: log,
	}))
	ctx, end := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = n.Run(ctx) })
	w.t.Cleanup(func() { end(); running.Wait() })
	return n
}

// ask asks until an answer comes.
func (w *world) ask(n *peer.Node, to [32]byte, body []byte) []byte {
	w.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
		answer, err := n.Ask(ctx, ledger.KeyIDOf(to[:]), body)
		cancel()
		if err == nil {
			return answer
		}
	}
	w.t.Fatal("no answer")
	return nil
}

// TestEvaluator: hub and evaluator are processes; an issuer's desk asks for an
// epoch's key and opens the epoch, a gateway has presences evaluated, and when the
// key is forgotten nothing of the epoch can be evaluated again.
func TestEvaluator(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	dir, own := w.hub(), w.path("evaluator")
	w.ok("evaluator", "init", "--data", own, w.export())
	w.name(own, ledger.Evaluator)
	n := w.node("casa")
	write(t, w.desk, ledger.CommunityLog, &ledger.NodeRegistered{Node: n.id, Slug: "casa", Doors: 1, Floor: 10})
	bundle := w.exportOf(n.desk, ledger.DirectoryLog)
	w.ok("admit", "--data", dir, w.export(), bundle)
	w.ok("evaluator", "admit", "--data", own, w.export(), bundle)
	must(n.gateway.Import(must(os.Open(w.export())), folder.PinBoth[:1], nil))

	hub := w.startHub(dir)
	broker := hub.After("msg=broker listen=")
	if err := os.WriteFile(filepath.Join(own, "links.toml"), fmt.Appendf(nil, "[links.hub]\nbroker = \"tls://%s\"\n", broker), 0o600); err != nil {
		t.Fatal(err)
	}
	daemon := w.start("msg=ready", "evaluator", "run", "--data", own)
	f := must(folder.Open(own, false))
	defer f.Close()
	self := must(f.Public(folder.EvaluatorKey))

	community := must(w.desk.CommunityID())
	issuer := must(w.desk.Key(folder.IssuerKey))
	desk := w.participant(w.desk, issuer, func() (tls.Certificate, error) { return enroll.DeskCertificate(issuer, time.Now()) }, broker)
	now := time.Now().Unix()
	term := census.OfferAsk{Number: 1, Opens: now - 100, Closes: now - 10, Audit: now + 10_000}
	offer := must(census.ParseOfferAnswer(w.ask(desk, self, census.SignAsk(issuer, community, self, term.Marshal()))))
	if err := offer.Verify(community, term); err != nil || offer.Evaluator != self {
		t.Fatalf("%+v: %v", offer, err)
	}
	// The same by a file.
	path := w.path("1.offer")
	w.ok("evaluator", "key", "--data", own, "--number", "1", "--opens", fmt.Sprint(term.Opens), "--closes", fmt.Sprint(term.Closes), "--audit", fmt.Sprint(term.Audit), "--out", path)
	if file := must(census.ParseOfferAnswer(must(os.ReadFile(path)))); file != offer {
		t.Errorf("the file has %+v, the answer was %+v", file, offer)
	}
	opened := &ledger.EpochOpened{
		Number: 1, Opens: term.Opens, Closes: term.Closes, Audit: term.Audit, Key: offer.Key, Evaluator: offer.Evaluator, Offer: offer.Signature,
		Beacon: "a block", Sample: 300, Quota: 2 * census.BatchSize,
	}
	write(t, w.desk, ledger.CommunityLog, opened)
	desk.Appended()

	signing := must(n.gateway.Key(folder.SigningKey))
	cert := must(enroll.SelfSigned(must(n.gateway.Key(folder.TLSKey)), "casa-gw"))
	reporter := w.participant(n.gateway, signing, func() (tls.Certificate, error) { return cert, nil }, broker)
	evaluate := func(first uint64) (census.EvaluateAnswer, census.Blind) {
		t.Helper()
		ask := census.EvaluateAsk{Epoch: opened.ID()}
		blind := must(census.NewBlind(rand.Reader))
		ask.Elements = append(ask.Elements, must(blind.Element(census.Input(community, opened.ID(), first))))
		for len(ask.Elements) < census.BatchSize {
			ask.Elements = append(ask.Elements, must(census.Padding(rand.Reader)))
		}
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
			a := must(census.ParseEvaluateAnswer(w.ask(reporter, self, census.SignAsk(signing, community, self, ask.Marshal()))))
			if a.Refused != census.RefusedUnknownEpoch || time.Now().After(end) { // the ledger is on its way
				return a, blind
			}
		}
	}
	a, blind := evaluate(7)
	if a.Refused != "" || a.Left != census.BatchSize {
		t.Fatalf("%q, %d left", a.Refused, a.Left)
	}
	if _, err := census.Finish(offer.Key, census.Input(community, opened.ID(), 7), blind, a.Evaluations[0]); err != nil {
		t.Error(err)
	}
	evaluate(8)
	if a, _ := evaluate(9); a.Refused != census.RefusedQuota {
		t.Errorf("over the quota: %q, %d evaluations", a.Refused, len(a.Evaluations))
	}
	if out := w.ok("evaluator", "status", "--data", own); !strings.Contains(out, "state      running\n") || !strings.Contains(out, ", named by the charter") ||
		!strings.Contains(out, "1 gateway of 1 registered node may ask") || !strings.Contains(out, "casa/") || !strings.Contains(out, " asked for 128 of 128\n") {
		t.Errorf("status: %s", out)
	}
	if log := daemon.Log.String(); !strings.Contains(log, "a gateway has begun to ask") || !strings.Contains(log, "more than half of its quota") {
		t.Errorf("nobody could notice: %s", log)
	}
	if out := w.ok("evaluator", "check", "--data", own); strings.Contains(out, "FAULT") || !strings.Contains(out, "names this evaluator") || !strings.Contains(out, "leads to tls://"+broker) {
		t.Errorf("check: %s", out)
	}
	// The evaluator is not the hub, which is no gateway either.
	hubFolder := must(folder.Open(dir, false))
	defer hubFolder.Close()
	forged := census.SignAsk(must(hubFolder.Key(folder.HubKey)), community, self, census.EvaluateAsk{Epoch: opened.ID(), Elements: make([]census.Element, census.BatchSize)}.Marshal())
	if a := must(census.ParseEvaluateAnswer(w.ask(reporter, self, forged))); a.Refused != census.RefusedStranger {
		t.Errorf("the hub's ask, through a gateway: %q", a.Refused)
	}

	key := fmt.Sprintf("%x", offer.Key[:])
	if _, errs, code := w.run("evaluator", "forget", "--data", own, key); code != 1 || !strings.Contains(errs, "--yes") {
		t.Errorf("forget without a word: %d %s", code, errs)
	}
	w.ok("evaluator", "forget", "--data", own, "--yes", key)
	if out := w.ok("evaluator", "keys", "--data", own); !strings.Contains(out, key+", gone for good") {
		t.Errorf("keys: %s", out)
	}
	if a, _ := evaluate(7); a.Refused != census.RefusedOver {
		t.Errorf("after its key is gone: %q", a.Refused)
	}
	if _, errs, code := w.run("evaluator", "key", "--data", own, "--number", "1", "--opens", fmt.Sprint(term.Opens), "--closes", fmt.Sprint(term.Closes), "--audit", fmt.Sprint(term.Audit), "--out", path); code != 1 || !strings.Contains(errs, "not made again") {
		t.Errorf("made anew: %d %s", code, errs)
	}
	daemon.End(syscall.SIGTERM)
	if out := w.ok("evaluator", "status", "--data", own); !strings.Contains(out, "not running: start it") || !strings.Contains(out, "gone for good") {
		t.Errorf("status: %s", out)
	}
	if err := os.Remove(filepath.Join(own, "links.toml")); err != nil {
		t.Fatal(err)
	}
	if out, _, code := w.run("evaluator", "check", "--data", own); code != 1 || !strings.Contains(out, "FAULT  links: there is no ") {
		t.Errorf("check without links: %d %s", code, out)
	}
	if out, _, code := w.run("check", "--data", own); code != 1 || !strings.Contains(out, "this is the folder of the evaluator") {
		t.Errorf("check of the hub: %d %s", code, out)
	}
	hub.End(syscall.SIGTERM)
	for _, log := range []string{daemon.Log.String(), hub.Log.String()} {
		if strings.Contains(log, key) {
			t.Error("a key stands in a log")
		}
	}
}
