package main

import (
	"bytes"
	"context"
	"crypto/ecdh"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// toldHub is what a hub tells one auditor: what the islands reported, and the close
// and the draw that the hub wrote, unless a test has it lie.
type toldHub struct {
	w       *censusWorld
	list    []byte
	covers  []census.Covered
	reports []census.Tagged
	shown   []census.Shown                     // of reports
	seed    [32]byte                           // of the draw that was answered
	sealed  map[[32]byte]map[census.Tag][]byte // by auditor
	hub     *folder.Folder                     // whose census ledger is shown
}

func (h *toldHub) Ledgers(_ context.Context, take func(string, io.ReadSeeker) error) ([][]byte, error) {
	for name, f := range map[string]*folder.Folder{"issuer": h.w.issuer, "north": h.w.islands[0].steward, "south": h.w.islands[1].steward, "hub": h.hub} {
		var b bytes.Buffer
		if err := exportHeld(&b, f); err != nil {
			return nil, err
		}
		if err := take(name, bytes.NewReader(b.Bytes())); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (h *toldHub) List(_ context.Context, _ ledger.EpochID, _ uint64, w io.Writer, _ func(done, total int64)) error {
	_, err := w.Write(h.list)
	return err
}

func (h *toldHub) Covers(context.Context, ledger.EpochID) ([]census.Covered, error) {
	out := slices.Clone(h.covers)
	for i := range out {
		out[i].Count, out[i].TagsRoot = 0, [32]byte{}
	}
	return out, nil
}

func (h *toldHub) Reports(_ context.Context, _ ledger.EpochID, _ *ecdh.PrivateKey, each func(census.Tagged, census.Shown) error) ([]census.Covered, error) {
	for i, r := range h.reports {
		if each == nil {
			break
		}
		if err := each(r, h.shown[i]); err != nil {
			return nil, err
		}
	}
	return h.covers, nil
}

func (h *toldHub) Openings(_ context.Context, _ ledger.EpochID, auditor [32]byte, each func(sealedOpening)) error {
	for tag, sealed := range h.sealed[auditor] {
		each(sealedOpening{h.seed, tag, sealed})
	}
	return nil
}

// collect is what an honest hub has of the islands' reports.
func (w *censusWorld) collect(islands ...*island) *toldHub {
	h := &toldHub{w: w, sealed: map[[32]byte]map[census.Tag][]byte{}, hub: w.hub}
	for _, n := range islands {
		i := w.own(n.gateway, ledger.ReportLog)
		c := census.Covered{Origin: i.Origin, Size: i.Size, Root: i.Root, Node: n.node, Count: n.reported.Count, TagsRoot: n.reported.Root}
		h.covers = append(h.covers, c)
		h.reports = append(h.reports, census.Tagged{Covered: c, Tags: n.tags})
		h.shown = append(h.shown, w.shownReport(n))
		h.list = append(h.list, n.tags...)
	}
	h.list = census.Merge(h.list, nil)
	return h
}

// close writes the close of what the hub has into its census ledger, and the
// draw: honest, unless what it has is not.
func (w *censusWorld) close(h *toldHub) *ledger.EpochClosed {
	w.t.Helper()
	b := w.closeOf(h)
	w.write(h.hub, ledger.CensusLog, b)
	return b
}

func (w *censusWorld) closeOf(h *toldHub) *ledger.EpochClosed {
	b := &ledger.EpochClosed{Epoch: w.opened.ID(), Size: uint64(len(h.list) / ledger.TagSize), Rules: census.RulesVersion,
		Reports: uint32(len(h.covers)), Covers: census.CoversHash(h.covers), Nodes: 2, Doors: 5, Floor: 500}
	b.Root = rootOf(h.list)
	return b
}

// rootOf is the root of lines as they stand, sorted or not.
func rootOf(list []byte) [32]byte {
	var t ledger.Tree
	for ; len(list) > 0; list = list[ledger.TagSize:] {
		t.Append(list[:ledger.TagSize], nil)
	}
	return t.Root()
}

func (w *censusWorld) draw(h *toldHub, seed [32]byte) *ledger.Draw {
	w.t.Helper()
	d := &ledger.Draw{Epoch: w.opened.ID(), Root: rootOf(h.list), Size: uint64(len(h.list) / ledger.TagSize), Seed: seed, Source: w.opened.Beacon + ": 0xabc"}
	w.write(h.hub, ledger.CensusLog, d)
	return d
}

// answer has the islands open what was drawn, to all auditors.
func (w *censusWorld) answer(h *toldHub, d *ledger.Draw, islands ...*island) {
	w.t.Helper()
	list := must(census.NewList(h.list))
	h.seed = d.Seed
	for _, a := range w.opened.Auditors {
		h.sealed[a.Sealing] = map[census.Tag][]byte{}
	}
	for _, i := range census.Indices(d.Seed, d.Root, d.Size, w.opened.Sample) {
		tag := list.At(int64(i)).Tag
		for _, n := range islands {
			if n.cases[tag] == nil {
				continue
			}
			o := w.opening(n, tag, false)
			for _, a := range w.opened.Auditors {
				h.sealed[a.Sealing][tag] = must(census.Seal(census.Sealing{Community: w.chain.ID(), Epoch: w.opened.ID(), Draw: d.Seed, Tag: tag, Auditor: a.Sealing}, o))
			}
		}
	}
}

// audits audits at an auditor's desk, and wants these checks to fail, and no other.
func (w *censusWorld) audits(h *toldHub, desk *auditorDesk, a auditFlags, failing ...string) census.Report {
	w.t.Helper()
	var out, errs bytes.Buffer
	e := &env{Now: func() time.Time { return w.now }, Sleep: sleep, In: strings.NewReader(""), Out: &out, Err: &errs, dir: desk.dir, ctx: w.t.Context()}
	a.out = w.t.TempDir() + "/report.json"
	if a.community == "" {
		a.community = w.chain.ID().String()
	}
	err := e.audit(w.t.Context(), h, &a)
	f, bad := readCensusFile(a.out)
	if bad != nil {
		w.t.Fatalf("%v, %v\n%s%s", err, bad, out.String(), errs.String())
	}
	if failed := f.report.Failed(); !slices.Equal(failed, failing) || len(f.report.Undone()) > 0 {
		w.t.Fatalf("failed %v and could not do %v, want %v failed\n%s%s", failed, f.report.Undone(), failing, out.String(), errs.String())
	}
	if (len(failing) > 0) != errors.Is(err, errAuditFailed) || len(failing) == 0 && err != nil {
		w.t.Fatalf("%v", err)
	}
	return *f.report
}

// details are those of one check.
func details(r census.Report, check string) string {
	for _, c := range r.Checks {
		if c.Name == check {
			return c.What + "\n" + strings.Join(c.Details, "\n")
		}
	}
	return ""
}

func wants(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, word := range words {
		if !strings.Contains(text, word) {
			t.Errorf("%q does not say %q", text, word)
		}
	}
}
