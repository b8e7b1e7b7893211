package main

import (
	"bytes"
	"crypto/ed25519"
	crand "crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// carry brings what others have written to the hub's folder, as its links do.
func (w *censusWorld) carry() {
	w.t.Helper()
	take := func(f *folder.Folder, kind ledger.LogKind) {
		i := w.own(f, kind)
		if _, err := w.hub.Store().Ingest(i.Head, w.now.Unix(), f.Store().Chunks(i, 0)); err != nil {
			w.t.Fatal(err)
		}
	}
	take(w.issuer, ledger.CommunityLog)
	for _, n := range w.islands {
		take(n.steward, ledger.DirectoryLog)
		if n.reported != nil {
			take(n.gateway, ledger.ReportLog)
		}
	}
}

// answerInLedgers has the islands' gateways answer a draw in their report ledgers.
func (w *censusWorld) answerInLedgers(d *ledger.Draw, list *census.List) {
	w.t.Helper()
	for _, i := range census.Indices(d.Seed, d.Root, d.Size, w.opened.Sample) {
		tag := list.At(int64(i)).Tag
		for _, n := range w.islands {
			if n.cases[tag] == nil {
				continue
			}
			o := w.opening(n, tag, false)
			for _, a := range w.opened.Auditors {
				sealed := must(census.Seal(census.Sealing{Community: w.chain.ID(), Epoch: w.opened.ID(), Draw: d.Seed, Tag: tag, Auditor: a.Sealing}, o))
				w.write(n.gateway, ledger.ReportLog, &ledger.Opened{Epoch: w.opened.ID(), Draw: d.Seed, Tag: tag, Auditor: a.Sealing, Sealed: sealed})
			}
		}
	}
}

// does runs a command and wants an exit status and words.
func (w *censusWorld) does(dir string, want int, words []string, args ...string) (out string) {
	w.t.Helper()
	out, errs, status := w.run(dir, args...)
	if status != want {
		w.t.Fatalf("%q: exit status %d, want %d\n%s%s", args, status, want, out, errs)
	}
	for _, word := range words {
		if !strings.Contains(out+errs, word) {
			w.t.Errorf("%q does not say %q:\n%s%s", args, word, out, errs)
		}
	}
	return out
}

// TestCensusCommands is an epoch from its opening to its audit by the commands that
// people type, at a hub's own API.
func TestCensusCommands(t *testing.T) {
	w := newCensusWorld(t)
	w.admit(numbers(1, 30)...)
	desk, hubDir := filepath.Join(w.dir, "issuer"), filepath.Join(w.dir, "hub")
	press := w.auditors[0]
	key := strings.TrimSpace(w.does(press.dir, 0, nil, "census", "auditor-key"))
	if key != hex.EncodeToString(press.key.PublicKey().Bytes()) {
		t.Errorf("the auditor's key is %q", key)
	}
	w.does(desk, 0, []string{"No epoch was opened", "tombolo sync run"}, "census", "status")

	// The epoch's key comes from the evaluator as a file.
	w.key = must(census.NewKey(crand.Reader))
	opens, closes, audit := w.now.Add(time.Hour), w.now.AddDate(0, 0, 10), w.now.AddDate(0, 2, 0)
	b := &ledger.EpochOpened{Number: 1, Opens: opens.Unix(), Closes: closes.Unix(), Audit: audit.Unix(), Key: w.key.Public()}
	offer := filepath.Join(w.dir, "offer")
	answer := census.OfferAnswer{Key: w.key.Public(), Evaluator: public(w.evaluator), Signature: [64]byte(ed25519.Sign(w.evaluator, b.OfferText(w.chain.ID())))}
	if err := os.WriteFile(offer, answer.Marshal(), 0o600); err != nil {
		t.Fatal(err)
	}
	times := []string{"--opens", opens.Format(time.RFC3339), "--closes", closes.Format(time.RFC3339), "--audit", audit.Format(time.RFC3339)}
	open := append([]string{"census", "open", "--beacon", "the block at noon", "--auditor", "the press=" + key, "--offer", offer}, times...)
	w.does(desk, 2, []string{"--beacon is missing"}, append([]string{"census", "open", "--offer", offer}, times...)...)
	w.does(desk, 1, []string{"offered this epoch's key"}, append(open, "--closes", closes.Add(time.Hour).Format(time.RFC3339))...)
	w.does(desk, 1, []string{"no links.toml", "--offer"}, append([]string{"census", "open", "--beacon", "x"}, times...)...)
	w.does(hubDir, 1, []string{"an issuer opens epochs"}, open...)
	w.does(desk, 0, []string{"epoch 1  ", "the press", "The gateways report by themselves"}, open...)
	w.does(desk, 0, []string{"opens in 1h"}, "census", "status")
	w.does(desk, 1, []string{"was opened already", "overlaps with epoch 1", "offered this epoch's key"}, append(open, "--number", "1", "--audit", audit.Add(time.Hour).Format(time.RFC3339))...)
	w.does(desk, 1, []string{"its rules came late", "offered this epoch's key"}, append(open, "--opens", w.now.Format(time.RFC3339))...)
	all := must(epochs(w.issuer))
	if len(all) != 1 || !all[0].counts || all[0].Quota != 128 || all[0].Sample != 300 {
		t.Fatalf("%+v", all)
	}
	w.opened = &all[0].EpochOpened

	w.now = closes.Add(time.Hour)
	w.visit(w.islands[0], numbers(1, 18)...)
	w.visit(w.islands[1], numbers(14, 30)...)
	for _, n := range w.islands {
		w.report(n)
	}
	w.carry()
	server := httptest.NewServer(must(w.hubHandler()))
	defer server.Close()
	w.does(desk, 0, []string{"closing", " 2 "}, "census", "status", "--hub", server.URL)
	w.does(press.dir, 3, []string{"has not closed this epoch yet"}, "census", "audit", "--hub", server.URL)
	w.does(hubDir, 1, []string{"not closed yet"}, "census", "draw", "--seed", strings.Repeat("01", 32))
	w.does(desk, 1, []string{"is no hub's folder"}, "census", "close")
	w.does(hubDir, 0, []string{"passports  30", "reports    2"}, "census", "close")
	w.does(hubDir, 0, []string{"closed before", "passports  30"}, "census", "close", "--epoch", "1")

	w.does(hubDir, 2, []string{"--source has to begin"}, "census", "draw", "--seed", strings.Repeat("01", 32), "--source", "my own")
	w.does(hubDir, 2, []string{"--seed HEX, or --block HASH"}, "census", "draw")
	var drawn struct {
		Draw struct{ Seed, Source string }
	}
	if err := json.Unmarshal([]byte(w.does(hubDir, 0, nil, "census", "draw", "--json", "--block", "0x"+strings.Repeat("ab", 32))), &drawn); err != nil {
		t.Fatal(err)
	}
	if want := strings.Repeat("ab", 32); drawn.Draw.Seed != want || drawn.Draw.Source != "the block at noon: 0x"+want {
		t.Errorf("%+v", drawn)
	}
	w.does(hubDir, 1, []string{"there is one draw for an epoch"}, "census", "draw", "--seed", strings.Repeat("01", 32))
	d := must(epochs(w.hub))[0].draws[0]
	list := must(census.NewList(get(t, server.URL+"/v1/epochs/"+w.opened.ID().String()+"/list")))

	// Before the gateways answer, the audit is incomplete.
	w.does(press.dir, 3, []string{"were not opened yet", "it could not be checked: evidence"}, "census", "audit", "--hub", server.URL)
	w.answerInLedgers(d, list)
	w.carry()
	saved, report, receipt := filepath.Join(w.dir, "saved"), filepath.Join(w.dir, "report.json"), w.receipt(w.islands[0], 7, false)
	text := w.does(press.dir, 0, []string{"Figure: 30 passports", "30 good, 0 bad", "Is everybody who shows a receipt"},
		"census", "audit", "--hub", server.URL, "--save", saved, "-o", report, "--receipt", receipt, "--beacon", strings.Repeat("ab", 32))
	for _, name := range checkNames {
		if !strings.Contains(text, fmt.Sprintf("%-10s  passed", name)) {
			t.Errorf("%s did not pass:\n%s", name, text)
		}
	}
	w.does(press.dir, 0, []string{"drawn"}, "census", "status", "--hub", server.URL)
	w.does(press.dir, 0, []string{"mine        passed"}, "census", "verify", receipt, "--hub", server.URL)
	w.does(press.dir, 0, []string{"tell one story"}, "census", "verify", report, report)
	w.does(press.dir, 0, []string{"Figure: 30 passports"}, "census", "verify", report)
	w.does(desk, 3, []string{"knows no gateway"}, "census", "verify", receipt)
	w.does(filepath.Join(w.dir, "nowhere"), 3, []string{"no ledgers here", "--hub"}, "census", "verify", receipt)
	w.does(hubDir, 0, []string{"receipt of passport 7 in epoch 1 holds", "The hub acknowledged"}, "census", "verify", receipt)

	// The same without the hub, from what was saved.
	server.Close()
	w.does(press.dir, 3, []string{"it could not be checked"}, "census", "audit", "--hub", server.URL)
	again := filepath.Join(w.dir, "again.json")
	w.does(press.dir, 0, nil, "census", "audit", "--from", saved, "-o", again, "--receipt", receipt, "--beacon", strings.Repeat("ab", 32))
	if !bytes.Equal(must(os.ReadFile(report)), must(os.ReadFile(again))) {
		t.Error("an audit of what was saved says something else")
	}
	w.does(press.dir, 3, []string{"do not hold this answer"}, "census", "audit", "--from", t.TempDir())

	w.summons(press, saved, report, list)
}

// summons has one person come, one send another's key, and one stay away.
func (w *censusWorld) summons(desk *auditorDesk, saved, report string, list *census.List) {
	t := w.t
	t.Helper()
	keyOf := func(index int64) string {
		tag := list.At(index).Tag
		path := filepath.Join(t.TempDir(), "key")
		for _, n := range w.islands {
			if k := n.cases[tag]; k != nil {
				if err := os.WriteFile(path, must(w.people[k.passport].key.MarshalText()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		}
		return path
	}
	summon := []string{"census", "summon", "--report", report, "--from", saved}
	w.does(desk.dir, 0, []string{"line 3: came and tapped. Of 1 summoned 1 came."}, append(summon, "--index", "3", "--simulated", keyOf(3))...)
	w.does(desk.dir, 1, []string{"not the drawn passport's answer"}, append(summon, "--index", "4", "--simulated", keyOf(3))...)
	w.does(desk.dir, 0, []string{"line 4: nobody came, which counts against. Of 2 summoned 1 came."}, "census", "summon", "--report", report, "--index", "4", "--absent")
	w.does(desk.dir, 1, []string{"line 99 was not drawn"}, "census", "summon", "--report", report, "--index", "99", "--absent")
	w.does(desk.dir, 2, []string{"--index is missing"}, "census", "summon", "--report", report)
	w.does(desk.dir, 2, []string{"say where the census is"}, "census", "summon", "--report", report, "--index", "3")
	w.does(desk.dir, 0, []string{"Summoned, apart from that: 1 of 2 came and tapped"}, "census", "verify", report)
}

// hubHandler is the API of the hub's folder.
func (w *censusWorld) hubHandler() (http.Handler, error) {
	e := &env{Now: func() time.Time { return w.now }}
	h, err := e.hubOf(w.hub)
	if err != nil {
		return nil, err
	}
	return h.Handler(), nil
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s, %v", url, resp.Status, err)
	}
	return b
}

// TestCensusUsage: what was not understood is exit status 2.
func TestCensusUsage(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("neither"), 0o600); err != nil {
		t.Fatal(err)
	}
	w := &censusWorld{t: t, now: time.Now()}
	for _, c := range []struct {
		want  int
		words string
		args  []string
	}{
		{2, "say what: audit, auditor-key, close, draw, open, receipt, status, summon, verify", nil},
		{2, "--hub URL, or --from DIR", []string{"audit"}},
		{2, "--hub URL, or --from DIR", []string{"audit", "--hub", "http://x", "--from", dir}},
		{2, "--save keeps what a hub answers", []string{"audit", "--from", dir, "--save", dir}},
		{2, "want a URL", []string{"audit", "--hub", "hub.example"}},
		{2, "want a URL", []string{"audit", "--hub", "ftp://hub.example"}},
		{2, "want a URL", []string{"audit", "--hub", "https://a:b@hub.example"}},
		{2, "want a URL", []string{"status", "--hub", "https://hub.example/?x=1"}},
		{2, "--check everything: want mine, all, evidence, consistent", []string{"audit", "--from", dir, "--check", "everything"}},
		{2, "want an epoch's number", []string{"audit", "--from", dir, "--epoch", "last"}},
		{2, "want 64 hexadecimal digits", []string{"audit", "--from", dir, "--beacon", "12"}},
		{2, "FILE is missing", []string{"verify"}},
		{2, "one argument too many", []string{"verify", file, file, file}},
		{1, "neither a receipt", []string{"verify", file}},
		{1, "no such file", []string{"verify", filepath.Join(dir, "none")}},
		{2, "PASSPORT is missing", []string{"receipt"}},
		{2, "no passport's number", []string{"receipt", "zero"}},
		{1, "exists", []string{"receipt", "1", "-o", file}},
		{1, dir + ": no tombolod runs there: start it (systemctl start tombolod), it talks to the readers and to others; or name the folder of a gateway that runs (--dir", []string{"receipt", "1", "-o", filepath.Join(dir, "out")}},
		{1, "no Tombolo folder", []string{"close", "--dir", filepath.Join(dir, "none")}},
		{1, "no Tombolo folder", []string{"status", "--dir", filepath.Join(dir, "none")}},
		{1, "not an auditor's key", []string{"audit", "--from", dir, "--key", file, "--community", strings.Repeat("00", 32)}},
		{2, "--report is missing", []string{"summon", "--index", "1"}},
	} {
		out, errs, status := w.run(dir, append([]string{"census"}, c.args...)...)
		// What keeps an audit from judging is 3, whatever it is.
		if want := c.want; status != want && !(len(c.args) > 0 && c.args[0] == "audit" && want == 1 && status == 3) || !strings.Contains(errs, c.words) {
			t.Errorf("%q: exit status %d, want %d and %q\n%s%s", c.args, status, want, c.words, out, errs)
		}
	}
}
