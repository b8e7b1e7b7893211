package main

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"tombolo/sync/census"
	"tombolo/sync/hub"
	"tombolo/sync/ledger"
)

func checkHubURL(c *cobra.Command, s string) error {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return usage("%s: --hub %s: want a URL such as https://hub.example", c.CommandPath(), s)
	}
	return nil
}

// hubSilent is how long a hub may take to begin with an answer.
const hubSilent = time.Minute

func hubTransport() http.RoundTripper {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.ResponseHeaderTimeout = hubSilent
	return t
}

// fromHub asks the hub, or the files that were saved of it.
func (e *env) fromHub(s *auditSource, do func(hubSource) error) (err error) {
	if s.from != "" {
		root, err := os.OpenRoot(s.from)
		if err != nil {
			return err
		}
		return errors.Join(do(hubClient{&hub.Client{Base: "http://saved", HTTP: &http.Client{Transport: savedAnswers{root}}}}), root.Close())
	}
	transport := hubTransport()
	if s.save != "" {
		if err := os.MkdirAll(s.save, 0o700); err != nil {
			return err
		}
		transport = savingAnswers{next: transport, dir: s.save}
	}
	return do(hubClient{&hub.Client{Base: s.hub, HTTP: &http.Client{Transport: transport}}})
}

// hubClient is a hub as an audit asks it.
type hubClient struct{ *hub.Client }

// publicKinds are those of the ledgers that a hub gives to everybody.
var publicKinds = []ledger.LogKind{ledger.CommunityLog, ledger.DirectoryLog, ledger.CensusLog}

func (h hubClient) Ledgers(ctx context.Context, take func(string, io.ReadSeeker) error) (heads [][]byte, err error) {
	var charters bytes.Buffer
	if err := h.Charters(ctx, &charters); err != nil {
		return nil, err
	}
	if err := take("the hub's charters", bytes.NewReader(charters.Bytes())); err != nil {
		return nil, err
	}
	for _, kind := range publicKinds {
		all, err := h.Heads(ctx, kind)
		if err != nil {
			return nil, err
		}
		for _, l := range all {
			o, err := ledger.ParseOrigin(l.Origin)
			if err != nil {
				return nil, err
			}
			if err := h.bundle(ctx, o, take); err != nil {
				return nil, err
			}
			for _, by := range l.Held {
				heads = append(heads, []byte(by.Note))
			}
		}
	}
	return heads, nil
}

// bundle brings a ledger by way of a file: it may be large.
func (h hubClient) bundle(ctx context.Context, o ledger.Origin, take func(string, io.ReadSeeker) error) (err error) {
	temp, err := os.CreateTemp("", "tombolo-audit-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, temp.Close(), os.Remove(temp.Name())) }()
	if err := h.Bundle(ctx, o, temp); err != nil {
		return err
	}
	if _, err := temp.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return take("the hub", temp)
}

// served makes of the hub's refusal that it does not serve something.
func served(err error) error {
	if r, ok := errors.AsType[*hub.Refusal](err); ok && (r.Status == http.StatusForbidden || r.Status == http.StatusNotFound) {
		return fmt.Errorf("%w: %w", errNotServed, err)
	}
	return err
}

// written counts what has come.
type written struct {
	io.Writer
	n int64
}

func (w *written) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	w.n += int64(n)
	return n, err
}

func (h hubClient) List(ctx context.Context, epoch ledger.EpochID, size uint64, w io.Writer, progress func(done, total int64)) error {
	count := &written{Writer: w}
	err := h.Client.List(ctx, epoch, size, count, progress)
	if errors.Is(err, hub.ErrAnswer) && count.n > 0 {
		return nil // a whole list of another size: that is for the checks to judge
	}
	return served(err)
}

func (h hubClient) Covers(ctx context.Context, epoch ledger.EpochID) ([]census.Covered, error) {
	out, err := h.Client.Covers(ctx, epoch)
	return out, served(err)
}

func (h hubClient) Reports(ctx context.Context, epoch ledger.EpochID, key *ecdh.PrivateKey, each func(census.Tagged, census.Shown) error) (_ []census.Covered, err error) {
	sealed, body, err := h.Client.Reports(ctx, epoch, key)
	if err != nil {
		return nil, served(err)
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	for each != nil {
		r, err := sealed.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		if err := each(census.Tagged{Covered: r.Covered, Tags: r.Tags}, r.Shown); err != nil {
			return nil, err
		}
	}
	return sealed.Covers, nil
}

func (h hubClient) Openings(ctx context.Context, epoch ledger.EpochID, auditor [32]byte, each func(sealedOpening)) error {
	return served(h.Client.Openings(ctx, epoch, auditor, func(o hub.OpeningAnswer) error {
		each(sealedOpening{o.Draw, census.Tag(o.Tag), o.Sealed})
		return nil
	}))
}

// hubStatus lists the epochs as a hub tells them.
func (e *env) hubStatus(ctx context.Context, base string) error {
	client := &hub.Client{Base: base, HTTP: &http.Client{Transport: hubTransport()}}
	all, err := client.Epochs(ctx)
	if err != nil {
		return err
	}
	rows := make([]epochView, 0, len(all))
	for _, a := range all {
		rows = append(rows, viewOfAnswer(a, e.Now()))
	}
	return e.printEpochs(rows)
}

func viewOfAnswer(a hub.EpochAnswer, now time.Time) epochView {
	p := epoch{EpochOpened: ledger.EpochOpened{Number: a.Number, Opens: a.Opens, Closes: a.Closes, Audit: a.Audit, Key: a.Key, Beacon: a.Beacon, Sample: a.Sample, Quota: a.Quota},
		id: ledger.EpochID(a.ID), counts: true}
	for _, x := range a.Auditors {
		p.Auditors = append(p.Auditors, ledger.Auditor{Name: x.Name, Sealing: x.Sealing})
	}
	if c := a.Closed; c != nil {
		b := &ledger.EpochClosed{Withheld: c.Passports == nil, Root: c.Root, Reports: c.Reports, Nodes: c.Nodes, Doors: c.Doors, Floor: c.Floor}
		if c.Passports != nil {
			b.Size = *c.Passports
		}
		p.closed = append(p.closed, b)
	}
	if d := a.Draw; d != nil {
		p.draws = append(p.draws, &ledger.Draw{Seed: d.Seed, Source: d.Source, Size: d.Size})
	}
	v := viewOfEpoch(&p, now)
	v.Reports = &reportsView{a.Reports.In, a.Reports.Faulty, a.Reports.Late}
	v.Wrong = a.Wrong
	return v
}
