package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ecdh"
	"errors"
	"fmt"
	"io"
	"slices"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// hubSource is what an audit asks a hub, or the files that were saved of one.
// Nothing in its answers is believed that does not verify. What it refuses, or was
// not saved, is errNotServed or errNotSaved.
type hubSource interface {
	// Ledgers hands over, as bundles with their charters, the community's ledgers,
	// the nodes' directories and the census ledgers; and heads of them that others
	// cosigned.
	Ledgers(ctx context.Context, take func(name string, bundle io.ReadSeeker) error) (heads [][]byte, err error)
	// List writes a closed epoch's list of so many tags, or of as many as there are.
	List(ctx context.Context, epoch ledger.EpochID, size uint64, w io.Writer, progress func(done, total int64)) error
	// Covers are the heads that a close covers, without what they report.
	Covers(ctx context.Context, epoch ledger.EpochID) ([]census.Covered, error)
	// Reports are what a close covers, with the covered reports' tags if each wants
	// them, as they are sealed to an auditor.
	Reports(ctx context.Context, epoch ledger.EpochID, key *ecdh.PrivateKey, each func(census.Tagged, census.Shown) error) ([]census.Covered, error)
	// Openings hands over what was opened to an auditor for a draw: by tag, and sealed.
	Openings(ctx context.Context, epoch ledger.EpochID, auditor [32]byte, each func(sealedOpening)) error
}

// sealedOpening is one drawn tag's.
type sealedOpening struct {
	draw   [32]byte
	tag    census.Tag
	sealed []byte
}

// errNotServed says that the hub has no such thing to give.
var errNotServed = errors.New("the hub does not serve it")

// gathering is everything that an audit of one epoch looks at.
type gathering struct {
	*records
	hub   hubSource
	key   *ecdh.PrivateKey // an auditor's, or nil
	named bool             // the epoch names that auditor
	bar   *progressBar

	epoch     *epoch
	chain     ledger.Charters
	nodes     []census.Registered
	rules     census.Rules
	closings  []census.Closed // of all epochs
	draws     []census.Drawing
	noteOf    map[ledger.Origin][]byte // heads of census ledgers
	cosigned  [][]byte                 // heads that the hub shows beside
	heads     map[ledger.Origin][]census.Told
	reported  []ledger.Reported // as receipts and openings bring them
	others    []census.Report   // of other auditors
	besides   []*epoch          // of which the days overlap with this one's
	elsewhere int               // openings for another draw
	receipts  []census.Receipt
	list      []byte
	covers    []census.Covered // nil: unknown
	whole     bool             // what is covered is known with what was reported
	reports   []census.Tagged
	answers   map[census.Tag][]census.Answer
	brought   []census.Shown
	unreached []string // what could not be fetched, and why
}

// openEpochOf finds the epoch that is meant and what to verify it by, once the
// ledgers are there.
func (g *gathering) openEpochOf(want *epochFlag) error {
	var err error
	if g.chain, err = g.Community(); err != nil {
		return err
	}
	all, err := epochs(g.Folder)
	if err != nil {
		return err
	}
	if g.epoch, err = want.lastClosed(all).among(all, g.Now()); err != nil {
		return err
	}
	for _, p := range all {
		if p != g.epoch && p.counts && p.Opens < g.epoch.Closes && g.epoch.Opens < p.Closes {
			g.besides = append(g.besides, p)
		}
	}
	if !g.epoch.counts {
		return fmt.Errorf("epoch %d: %w", g.epoch.Number, ledger.ErrOffer)
	}
	if g.nodes, err = g.registered(); err != nil {
		return err
	}
	gateways, err := g.reporters(g.nodes, g.epoch)
	if err != nil {
		return err
	}
	standing, err := g.standing(g.epoch)
	if err != nil {
		return err
	}
	g.rules = census.Rules{Community: g.chain.ID(), Opened: &g.epoch.EpochOpened, Chain: g.chain, Gateways: gateways, Standing: standing, Issuer: g.issuerHead}
	if g.key != nil {
		public := [32]byte(g.key.PublicKey().Bytes())
		g.named = slices.ContainsFunc(g.epoch.Auditors, func(a ledger.Auditor) bool { return a.Sealing == public })
	}
	g.heads, g.noteOf = map[ledger.Origin][]census.Told{}, map[ledger.Origin][]byte{}
	for _, signed := range g.cosigned {
		_ = g.note(signed, nil) // of a ledger that nobody here vouches for, it shows nothing
	}
	return g.readCensus()
}

// readCensus reads every close and every draw that the hub wrote.
func (g *gathering) readCensus() error {
	for r, err := range g.Counted(ledger.CensusLog) {
		if err != nil {
			return err
		}
		g.noteOf[r.Ledger.Origin] = r.Ledger.Note
		switch b := r.Body.(type) {
		case *ledger.EpochClosed:
			g.closings = append(g.closings, census.Closed{Origin: r.Ledger.Origin, Index: r.Index, Time: r.Time.UnixMilli(), Body: *b})
		case *ledger.Draw:
			g.draws = append(g.draws, census.Drawing{Origin: r.Ledger.Origin, Index: r.Index, Time: r.Time.UnixMilli(), Body: *b})
		}
	}
	return nil
}

// closed is the epoch's close: the first one.
func (g *gathering) closed() (census.Closed, bool) {
	i := slices.IndexFunc(g.closings, func(c census.Closed) bool { return c.Body.Epoch == g.epoch.id })
	if i < 0 {
		return census.Closed{}, false
	}
	return g.closings[i], true
}

// once is an error if the hub closed the epoch twice, and not alike: then the first
// close says nothing.
func (g *gathering) once(c census.Closed) error {
	if slices.ContainsFunc(g.closings, func(x census.Closed) bool { return x.Body.Epoch == g.epoch.id && x.Body != c.Body }) {
		return fmt.Errorf("%w: %s: the hub closed this epoch twice; `tombolo census audit` shows how", errAuditFailed, census.CheckedConsistent)
	}
	return nil
}

// draw is the epoch's; the first one.
func (g *gathering) draw() *census.Drawing {
	i := slices.IndexFunc(g.draws, func(d census.Drawing) bool { return d.Body.Epoch == g.epoch.id })
	if i < 0 {
		return nil
	}
	return &g.draws[i]
}

// issuerHead tells whether a head is how an issuer's ledger that is held begins.
func (g *gathering) issuerHead(c ledger.Checkpoint) error {
	i, err := g.Store().Ledger(c.Origin)
	if err != nil {
		return err
	}
	if c.Size > i.Size {
		return fmt.Errorf("%w: a head of %d entries, of which %d are held", census.ErrHidden, c.Size, i.Size)
	}
	root, err := tlog.TreeHash(c.Size, ledger.Hashes(g.Store().Reader(i)))
	if err == nil && root != c.Root {
		err = ledger.ErrOtherHistory
	}
	return err
}

// fetch asks the hub for what the checks want of the epoch.
func (g *gathering) fetch(ctx context.Context, wants func(check string) bool) error {
	closed, ok := g.closed()
	if !ok {
		return nil
	}
	if g.named {
		if err := g.fetchReports(ctx, wants(census.CheckedAll) || closed.Body.Withheld); err != nil {
			return err
		}
	}
	if err := g.fetchList(ctx, closed); err != nil {
		return err
	}
	if g.named && (wants(census.CheckedEvidence) || wants(census.CheckedConsistent)) {
		return g.fetchOpenings(ctx)
	}
	return nil
}

// missing keeps why something is not there; another error comes back.
func (g *gathering) missing(what string, err error) error {
	if errors.Is(err, errNotServed) || errors.Is(err, errNotSaved) {
		g.unreached = append(g.unreached, fmt.Sprintf("%s: %v", what, err))
		return nil
	}
	return err
}

// fetchReports reads what the close covers, and its reports' tags.
func (g *gathering) fetchReports(ctx context.Context, tags bool) error {
	var each func(census.Tagged, census.Shown) error
	if tags {
		each = func(r census.Tagged, s census.Shown) error {
			g.reports = append(g.reports, r)
			g.brought = append(g.brought, s)
			_ = g.note(s.Note, &s) // *all* says what is wrong with it
			g.bar.at("reports", int64(len(g.reports)), 0)
			return nil
		}
	}
	covers, err := g.hub.Reports(ctx, g.epoch.id, g.key, each)
	if bad := g.missing("what the list covers", err); bad != nil || err != nil {
		g.reports = nil
		return bad
	}
	if tags && g.reports == nil {
		g.reports = []census.Tagged{}
	}
	g.covers, g.whole, g.rules.Covered = slices.Clip(covers), true, covers
	return nil
}

// fetchList fetches the list. One that is withheld is made of the reports, by
// auditors who have them.
func (g *gathering) fetchList(ctx context.Context, closed census.Closed) error {
	if closed.Body.Withheld {
		if g.reports != nil {
			g.list = []byte{}
			for _, r := range g.reports {
				g.list = append(g.list, r.Tags...)
			}
			g.list = census.Merge(g.list, nil)
		}
		return nil
	}
	if closed.Body.Size > census.MaxSize {
		return nil
	}
	// A line more, so that one too many is seen.
	w := &boundedBuffer{most: int64(closed.Body.Size+1) * ledger.TagSize}
	w.b.Grow(int(min(w.most, 1<<30)))
	err := g.hub.List(ctx, g.epoch.id, closed.Body.Size, w, func(done, total int64) { g.bar.at("list", done, total) })
	if bad := g.missing("the list", err); bad != nil {
		return bad
	}
	if err == nil {
		g.list = w.b.Bytes()
		if g.list == nil {
			g.list = []byte{}
		}
	}
	if g.whole {
		return nil
	}
	covers, err := g.hub.Covers(ctx, g.epoch.id)
	if err == nil {
		g.covers = covers
	}
	return g.missing("what the list covers", err)
}

// fetchOpenings unseals what was opened to this auditor of the drawn tags. It keeps
// one answer for each: a good one, if any is, and so no more than were drawn,
// whatever a hub sends.
func (g *gathering) fetchOpenings(ctx context.Context) error {
	d := g.draw()
	closed, ok := g.closed()
	list, err := census.NewList(g.list)
	if d == nil || !ok || g.list == nil || err != nil {
		return nil // then nothing can be said to be drawn
	}
	type sought struct {
		entry census.Entry
		left  int // openings to be looked at
		good  bool
	}
	drawn := map[census.Tag]*sought{}
	for _, i := range census.Indices(d.Body.Seed, closed.Body.Root, uint64(list.Len()), g.epoch.Sample) {
		e := list.At(int64(i))
		drawn[e.Tag] = &sought{entry: e, left: cmp.Or(len(g.covers), maxAnswers)} // of each gateway the hub gives one
	}
	g.answers = map[census.Tag][]census.Answer{}
	seen := int64(0)
	err = g.hub.Openings(ctx, g.epoch.id, [32]byte(g.key.PublicKey().Bytes()), func(s sealedOpening) {
		seen++
		g.bar.at("openings", seen, 0)
		if s.draw != d.Body.Seed {
			g.elsewhere++
			return
		}
		want := drawn[s.tag]
		if want == nil || want.good || want.left == 0 {
			return
		}
		want.left--
		o, err := census.Unseal(g.key, census.Sealing{Community: g.chain.ID(), Epoch: g.epoch.id, Draw: s.draw, Tag: s.tag}, s.sealed)
		if err == nil {
			g.shown(o)
			err = o.Verify(g.rules, want.entry)
		}
		if want.good = err == nil; want.good || len(g.answers[s.tag]) == 0 {
			g.answers[s.tag] = []census.Answer{{Opening: o, Err: err}}
		}
	})
	return g.missing("the openings", err)
}

// maxAnswers bounds the openings of one tag that are looked at when it is not known
// how many gateways reported.
const maxAnswers = 64

// boundedBuffer takes so many bytes.
type boundedBuffer struct {
	b    bytes.Buffer
	most int64
}

func (w *boundedBuffer) Write(p []byte) (int, error) {
	if room := w.most - int64(w.b.Len()); int64(len(p)) > room {
		return 0, errors.New("more than was asked for")
	}
	return w.b.Write(p)
}
