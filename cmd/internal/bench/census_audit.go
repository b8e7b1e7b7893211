package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/hub"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

const sealedFile = "sealed"

// sealAll keeps what the hub's API seals to the auditor.
func sealAll(o order) (out told, err error) {
	on, err := store.Open(filepath.Join(o.Dir, "ledgers.db"))
	if err != nil {
		return out, err
	}
	defer func() { err = errors.Join(err, on.Close()) }()
	h, err := hub.New(o.Sea.hub(on, o.Dir))
	if err != nil {
		return out, err
	}
	api := httptest.NewServer(h.Handler())
	defer api.Close()
	answer, err := http.Get(fmt.Sprintf("%s/v1/epochs/%v/reports/%x", api.URL, o.Sea.epoch().ID(), o.Sea.auditor().PublicKey().Bytes()))
	if err != nil {
		return out, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return out, errors.New(answer.Status)
	}
	f, err := os.Create(filepath.Join(o.Dir, sealedFile))
	if err != nil {
		return out, err
	}
	_, err = io.Copy(f, answer.Body)
	return out, errors.Join(err, f.Close())
}

// audit checks the list that the hub published, from files, as anybody can; and, for
// the auditor whom the epoch names, with every report that it covers.
func audit(o order) (out told, err error) {
	w := census.Whole{
		Rules:  census.Rules{Community: o.Sea.id(), Opened: o.Sea.epoch(), Gateways: map[ledger.KeyID]census.Gateway{}},
		Closed: census.Closed{Body: o.Closed},
	}
	for n := range o.Sea.Gateways {
		name := gatewayName(n)
		w.Rules.Gateways[islePeer(name)] = census.Gateway{Key: islePublic(name), Node: o.Sea.node(n)}
	}
	began := time.Now()
	files := filepath.Join(o.Dir, "epochs", o.Sea.epoch().ID().String())
	if w.List, err = os.ReadFile(filepath.Join(files, "list")); err != nil {
		return out, err
	}
	covers, err := os.ReadFile(filepath.Join(files, "covers"))
	if err != nil {
		return out, err
	}
	if w.Covers, err = census.ParseCovers(covers); err != nil {
		return out, err
	}
	w.Rules.Covered = w.Covers
	if o.What == "named" {
		if w.Reports, err = openSealed(o, w.Rules); err != nil {
			return out, err
		}
	}
	check, list := census.CheckAll(w)
	out.Seconds = time.Since(began).Seconds()
	if !check.OK {
		return out, fmt.Errorf("%s %q", check.What, check.Details)
	}
	for i := range int64(1000) {
		p, err := list.Prove(list.At(i * (list.Len() - 1) / 999).Tag)
		if err == nil {
			err = p.Verify(o.Closed.Root)
		}
		if err != nil {
			return out, err
		}
		out.Proof = max(out.Proof, len(p.Marshal()))
	}
	return out, nil
}

// openSealed unseals the reports, and checks whose signature is under each.
func openSealed(o order, r census.Rules) (all []census.Tagged, err error) {
	f, err := os.Open(filepath.Join(o.Dir, sealedFile))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	sealed, err := hub.OpenReports(o.Sea.auditor(), f)
	if err != nil {
		return nil, err
	}
	for {
		report, err := sealed.Next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		if _, _, err := report.Shown.Verify(r.Gateways[report.Origin.Author].Key); err != nil {
			return nil, err
		}
		all = append(all, census.Tagged{Covered: report.Covered, Tags: report.Tags})
	}
}
