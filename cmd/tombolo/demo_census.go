package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"tombolo/cmd/internal/build"
	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/linking"
	"tombolo/sync/census"
	"tombolo/sync/enroll"
	"tombolo/sync/hub"
	"tombolo/sync/hub/evaluator"
	"tombolo/sync/ledger"
	"tombolo/sync/link"
	"tombolo/sync/peer"
)

// The third act: a census of both islands, closed by the hub and audited by somebody
// who trusts neither the hub nor the islands.

const (
	demoGuests  = 24 // more residents, so that the figure may be said
	demoBeacon  = "the hash of the first block after the close"
	demoEpoch   = 12 * time.Second
	demoReports = 60 * time.Second
)

// office is a service of the community: its folder, and how it ends.
type office struct {
	folder *folder.Folder
	stop   func() error
}

// census opens an epoch, has people come, closes it and audits it.
func (a *archipelago) census() (err error) {
	a.say("\nThe third act: a census. The community gets a hub, and an evaluator that is not the hub. %d more residents arrive.", demoGuests)
	var hubOffice, evaluatorOffice *office
	defer func() {
		for _, o := range []*office{evaluatorOffice, hubOffice} {
			if o != nil {
				err = errors.Join(err, o.stop(), o.folder.Close())
			}
		}
	}()
	if err := a.arrivals(); err != nil {
		return err
	}
	hubDir, evaluatorDir, auditorDir := a.path("hub"), a.path("evaluator"), a.path("auditor")
	if err := a.name(hubDir, evaluatorDir, auditorDir); err != nil {
		return err
	}
	if evaluatorOffice, err = a.evaluator(evaluatorDir); err != nil {
		return err
	}
	var url string
	if hubOffice, url, err = a.hub(hubDir); err != nil {
		return err
	}
	id, err := a.epoch(auditorDir)
	if err != nil {
		return err
	}
	if err := a.reported(url, id); err != nil {
		return err
	}
	a.say("\nThe hub closes the epoch. The draw's seed comes from a block that nobody could know before.")
	block := make([]byte, 32)
	if _, err := rand.Read(block); err != nil {
		return err
	}
	out, err := a.desk(hubDir, "census", "close")
	if err != nil {
		return err
	}
	a.say("%s", out)
	if _, err := a.desk(hubDir, "census", "draw", "--block", fmt.Sprintf("0x%x", block)); err != nil {
		return err
	}
	return a.audited(auditorDir, url, fmt.Sprintf("%x", block))
}

// arrivals admits more residents, all with cards.
func (a *archipelago) arrivals() error {
	a.muted = true
	defer func() { a.muted = false }()
	for n := range uint64(demoGuests) {
		if err := a.newcomer(100 + n); err != nil {
			return err
		}
	}
	return nil
}

// name makes the services' keys and has the charter name them.
func (a *archipelago) name(hubDir, evaluatorDir, auditorDir string) error {
	export := func(out string) error {
		return a.do(a.steward(), []string{"ledger", "export", "--kind", "community,directory", "--out", out})
	}
	if err := a.do(a.steward(), []string{"node", "register", "--doors", "2", "--floor", "120"}); err != nil { // what is no part of the community is not counted
		return err
	}
	before, after := a.path("before.tombolo"), a.path("after.tombolo")
	if err := export(before); err != nil {
		return err
	}
	for dir, role := range map[string]ledger.AuthorRole{hubDir: ledger.Hub, evaluatorDir: ledger.Evaluator} {
		if err := a.service(dir, before, role); err != nil {
			return err
		}
	}
	if err := a.do(a.steward(), []string{"charter", "update", "community", "--yes",
		"--service", filepath.Join(hubDir, folder.ServiceFile(ledger.Hub)), "--service", filepath.Join(evaluatorDir, folder.ServiceFile(ledger.Evaluator))}); err != nil {
		return err
	}
	if err := export(after); err != nil {
		return err
	}
	for _, dir := range []string{hubDir, evaluatorDir} {
		if err := a.do(dir, []string{"ledger", "import", after}, []string{"ledger", "import", a.path("mare.tombolo")}); err != nil {
			return err
		}
	}
	return a.do(auditorDir, []string{"ledger", "import", after, "--pin=community"})
}

// service makes a service's folder and its request.
func (a *archipelago) service(dir, ledgers string, role ledger.AuthorRole) error {
	f, err := folder.Open(dir, true)
	if err != nil {
		return err
	}
	r, err := os.Open(ledgers)
	if err == nil {
		_, err = f.Import(r, folder.PinBoth[:1], nil)
		err = errors.Join(err, r.Close())
	}
	if err == nil {
		_, err = f.NewService(role)
	}
	return errors.Join(err, f.Close())
}

// linksOf are a service's links: to casa's broker, as a desk's.
func (a *archipelago) linksOf(f *folder.Folder, author ed25519.PrivateKey, name string) ([]link.Config, error) {
	server, err := serverOf(a.edge())
	if err != nil {
		return nil, err
	}
	text := fmt.Sprintf("[links.casa]\nbroker = \"tls://%s\"\nserver = %q\n", a.broker, server)
	if err := os.WriteFile(filepath.Join(f.Dir(), linksFile), []byte(text), 0o600); err != nil {
		return nil, err
	}
	links, err := readLinks(f)
	if err != nil {
		return nil, err
	}
	key, err := f.EnsureKey(folder.TLSKey)
	if err != nil {
		return nil, err
	}
	return linking.Participant{
		Folder: f, Self: ledger.KeyIDOf(author.Public().(ed25519.PublicKey)), Key: key, Name: name, Software: "tombolo demo", Now: a.Now, Log: a.log(),
		Own: func() (tls.Certificate, error) { return enroll.DeskCertificate(author, a.Now()) },
	}.Configs(links, "")
}

// log takes what goes wrong for good; the rest shows in the outcomes.
func (a *archipelago) log() *slog.Logger {
	return slog.New(slog.NewTextHandler(a.Err, &slog.HandlerOptions{Level: slog.LevelError + 1}))
}

// running has something run until it is stopped.
func running(run func(context.Context) error) func() error {
	ctx, end := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	return func() error {
		end()
		return <-done
	}
}

// evaluator runs the community's evaluator.
func (a *archipelago) evaluator(dir string) (*office, error) {
	f, err := folder.Open(dir, false)
	if err != nil {
		return nil, err
	}
	f.Now = a.Now
	o := &office{folder: f, stop: func() error { return nil }}
	author, err := f.Key(folder.EvaluatorKey)
	if err != nil {
		return o, err
	}
	community, err := f.CommunityID()
	if err != nil {
		return o, err
	}
	keys, err := evaluator.Open(evaluator.Config{
		Dir: filepath.Join(dir, "epochs"), Community: community, Rights: f.Rights, Author: author, Now: a.Now, Log: a.log(),
		Epochs: func() (out []ledger.EpochOpened, err error) {
			all, err := f.Epochs()
			for _, e := range all {
				out = append(out, *e.Opened)
			}
			return out, err
		},
	})
	if err != nil {
		return o, err
	}
	o.stop = keys.Close
	links, err := a.linksOf(f, author, "evaluator")
	if err != nil {
		return o, err
	}
	node, err := peer.New(peer.Config{
		Store: f.Store(), Self: ledger.KeyIDOf(author.Public().(ed25519.PublicKey)), Rights: f.Rights, Links: links, Answer: keys.Answer, Now: a.Now, Log: a.log(),
	})
	if err != nil {
		return o, err
	}
	stop := running(node.Run)
	o.stop = func() error { return errors.Join(stop(), keys.Close()) }
	return o, nil
}

// hub runs the community's hub, and serves its figures.
func (a *archipelago) hub(dir string) (*office, string, error) {
	f, err := folder.Open(dir, false)
	if err != nil {
		return nil, "", err
	}
	f.Now = a.Now
	o := &office{folder: f, stop: func() error { return nil }}
	cfg := hub.Config{Store: f.Store(), Dir: dir, Community: f.Community, Rights: f.Rights, Grace: -1, Software: "tombolo demo " + build.Version(), Now: a.Now, Log: a.log()}
	for role, key := range map[folder.Role]*ed25519.PrivateKey{folder.HubKey: &cfg.Author, folder.HubHoldKey: &cfg.Hold, folder.HubWitnessKey: &cfg.Witness} {
		if *key, err = f.Key(role); err != nil {
			return o, "", err
		}
	}
	if cfg.Guard, err = folder.Guard(); err != nil {
		return o, "", err
	}
	if cfg.Links, err = a.linksOf(f, cfg.Author, "hub"); err != nil {
		return o, "", err
	}
	h, err := hub.New(cfg)
	if err != nil {
		return o, "", err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return o, "", err
	}
	server := hub.Server(h.Handler())
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	stop := running(h.Run)
	o.stop = func() error {
		err := errors.Join(server.Close(), stop())
		if bad := <-served; !errors.Is(bad, http.ErrServerClosed) {
			err = errors.Join(err, bad)
		}
		return err
	}
	return o, "http://" + listener.Addr().String(), nil
}

// epoch opens one, and has everybody tap in it.
func (a *archipelago) epoch(auditorDir string) (id string, err error) {
	var auditor struct {
		Key string `json:"key"`
	}
	if err := a.tomboloJSON(&auditor, a.Now, auditorDir, "census", "auditor-key"); err != nil {
		return "", err
	}
	opens := a.Now().Add(2 * time.Second).Truncate(time.Second)
	closes := opens.Add(demoEpoch)
	at := func(t time.Time) string { return t.UTC().Format(time.RFC3339) }
	a.say("\nAn issuer opens an epoch: its times, the evaluator's key for it, whence the draw's seed will come, and who may audit.")
	var opened struct {
		ID string `json:"id"`
	}
	out, err := a.desk(a.steward(), "--json", "census", "open", "--opens", at(opens), "--closes", at(closes),
		"--audit", at(closes.Add(time.Hour)), "--beacon", demoBeacon, "--auditor", "journalist="+auditor.Key)
	if err != nil {
		return "", err
	}
	// Whom it reached follows as another value.
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&opened); err != nil {
		return "", err
	}
	a.sleepFor(opens.Sub(a.Now()) + time.Second)
	a.say("\n%d residents tap: most at casa's garden door, some at mare's boathouse, and one at both.", demoGuests)
	came := 0
	for n := range uint64(demoGuests) {
		doors := []struct {
			at   *demoGateway
			door string
		}{{a.garden, "garden"}}
		switch {
		case n == 0:
			doors = append(doors, struct {
				at   *demoGateway
				door string
			}{a.boathouse, "boathouse"})
		case n%4 == 0:
			doors[0].at, doors[0].door = a.boathouse, "boathouse"
		}
		for _, d := range doors {
			answer, err := a.answer(d.at, d.door, 100+n)
			if err != nil {
				return "", err
			}
			if answer.Granted {
				came++
			}
		}
	}
	a.expect("all of them were let in", fmt.Sprint(came), fmt.Sprint(demoGuests+1))
	a.sleepFor(closes.Sub(a.Now()))
	return opened.ID, nil
}

// reported waits until both islands have.
func (a *archipelago) reported(url, id string) error {
	a.say("\nThe epoch is over. One gateway of each island has blinded numbers evaluated and reports tags: no person, no door, no hour.")
	for end := time.Now().Add(demoReports); ; a.sleepFor(250 * time.Millisecond) {
		resp, err := http.Get(url + "/v1/epochs/" + id)
		if err != nil {
			return err
		}
		var e struct {
			Reports struct{ In int }
		}
		err = errors.Join(json.NewDecoder(resp.Body).Decode(&e), resp.Body.Close())
		if resp.StatusCode == http.StatusOK && err != nil {
			return err
		}
		if e.Reports.In == 2 || time.Now().After(end) {
			a.expect("islands that have reported", fmt.Sprint(e.Reports.In), "2")
			return nil
		}
	}
}

// audited audits until the gateways have opened what was drawn.
func (a *archipelago) audited(dir, url, block string) error {
	a.say("\nAn auditor checks: is the list what the islands reported, does it stand for people whom a door let in, was everybody told the same?")
	a.sleepFor(time.Second)
	path := a.path("report.json")
	defer func() { a.muted = false }()
	for end := time.Now().Add(demoReports); ; a.sleepFor(time.Second) {
		_, err := a.desk(dir, "census", "audit", "--hub", url, "--beacon", block, "-o", path)
		if err != nil && time.Now().Before(end) && strings.Contains(err.Error(), "exit status 3") {
			a.muted = true
			continue // not everything was opened yet
		}
		if err != nil {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		report, err := census.ParseReport(data)
		if err != nil {
			return err
		}
		a.say("%s", report.Text())
		a.expect("passports seen with valid evidence", fmt.Sprint(report.Size), fmt.Sprint(demoGuests))
		a.expect("drawn tags that were opened and hold", fmt.Sprint(report.Result.Good), fmt.Sprint(demoGuests))
		return nil
	}
}
