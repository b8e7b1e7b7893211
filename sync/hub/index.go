package hub

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// Fault is why a report does not count. Its text says nothing of how many were
// seen.
type Fault string

// The faults of reports.
const (
	FaultNoParts Fault = "no part of it is there"
	FaultParts   Fault = "parts are missing, repeated or out of order"
	FaultOrder   Fault = "its tags are not strictly ascending over all parts"
	FaultCount   Fault = "its count is not that of its tags"
	FaultRoot    Fault = "its root is not that of its tags"
	FaultNode    Fault = "it is of another node than its ledger"
	FaultLog     Fault = "it names another gateway's door log"
	FaultDropped Fault = "the bodies of its parts were dropped"
	FaultGateway Fault = "its author is no gateway of a registered node, or was removed"
	FaultRetired Fault = "its author was retired before it"
	FaultForked  Fault = "its author signed two histories"
	FaultQuota   Fault = "it has more tags than the evaluator makes for one gateway"
	FaultUnfit   Fault = "it cannot be read"
)

const (
	// maxRuns bounds the epochs that one ledger is reporting at the same time.
	maxRuns = 4
	// maxReports bounds the reports of one ledger that are remembered.
	maxReports = 512
	// maxOpened bounds the openings in one ledger that are remembered: the newest. Some
	// MB, which a gateway fills at its own cost alone.
	maxOpened = 1 << 16
	// faultsPerEpoch bounds the faulty reports of an epoch in one ledger that are
	// remembered.
	faultsPerEpoch = 8
	// maxZones bounds the zones of one gateway.
	maxZones = 256
)

// index is what the report ledgers hold, in short.
type index struct {
	community ledger.CharterID // zero before the first update
	books     map[ledger.Origin]*reportBook
}

// reportBook is one report ledger.
type reportBook struct {
	origin     ledger.Origin
	node       ledger.CharterID // by its Begin, as is generation
	generation uint64
	read       reading
	runs       []*run    // the newest last
	reports    []*report // in the ledger's order
	opened     []opened  // in the ledger's order
	zones      map[string]zone
}

// run are the parts of a report, of which Reported has not come.
type run struct {
	epoch ledger.EpochID
	first int64 // index of part 0
	parts uint32
	last  [32]byte // tag
	tree  ledger.Tree
	fault Fault
}

// report is one that was ended by Reported.
type report struct {
	epoch ledger.EpochID
	first int64 // entries first to index hold it
	index int64
	time  int64 // of Reported, Unix milliseconds
	count uint64
	root  [32]byte
	fault Fault // "" for none; under Hub.looking, see seen
}

// opened says where the opening of a tag is.
type opened struct {
	epoch              ledger.EpochID
	draw, tag, auditor [32]byte
	index              int64
}

// zone is the last that was said of one.
type zone struct {
	sure, most uint32
	at         int64 // Unix milliseconds
}

func newIndex() *index { return &index{books: map[ledger.Origin]*reportBook{}} }

// update reads what was added to report ledgers. An error of one keeps no other from
// being read.
func (x *index) update(s *store.Store, community ledger.CharterID, all []store.Info, progress func(done, total int64)) error {
	x.community = community
	var books []*reportBook
	var infos []store.Info
	var total int64
	held := map[ledger.Origin]bool{}
	for _, i := range all {
		if i.Origin.Kind != ledger.ReportLog || i.Origin.Community != community {
			continue
		}
		held[i.Origin] = true
		total += i.Size
		books, infos = append(books, x.book(i.Origin)), append(infos, i)
	}
	// Nothing that a book keeps is another's, so that all processors can read.
	errs := make([]error, len(books))
	var read atomic.Int64
	spread(len(books), 1, func(n, _ int) {
		errs[n] = books[n].read.on(s, infos[n], books[n].forget, books[n].take)
		read.Add(infos[n].Size)
	}, func(int) {
		if progress != nil {
			progress(read.Load(), total)
		}
	})
	for o := range x.books {
		if !held[o] {
			delete(x.books, o)
		}
	}
	return errors.Join(errs...)
}

// add takes in what was stored a moment ago, if all before it was read: what is left
// out the next update finds in the store.
func (x *index) add(e ledger.Extension) {
	o := e.Head().Origin
	if o.Community != x.community || !e.Whole() {
		return
	}
	b := x.book(o)
	b.read.add(e.Run, b.forget, func(index int64, e ledger.Entry) {
		leaf, body, err := e.Reopen()
		b.entry(index, e.Time, leaf, body, err)
	})
}

func (x *index) book(o ledger.Origin) *reportBook {
	b := x.books[o]
	if b == nil {
		b = &reportBook{origin: o}
		x.books[o] = b
	}
	return b
}

func (b *reportBook) forget() {
	b.runs, b.reports, b.opened, b.zones = nil, nil, nil, map[string]zone{}
}

// take reads one entry. What cannot be read is a fault of the report that it
// belongs to: the ledger goes on.
func (b *reportBook) take(index int64, e ledger.Entry) error {
	leaf, body, err := e.Open(ledger.ReportLog, index)
	b.entry(index, e.Time, leaf, body, err)
	return nil
}

// entry takes in what an entry was read as; time is in Unix milliseconds.
func (b *reportBook) entry(index, time int64, leaf ledger.Leaf, body ledger.Body, err error) {
	if err != nil {
		b.spoil(FaultUnfit)
		return
	}
	if body == nil && leaf.Kind == ledger.KindCensusTags {
		b.spoil(FaultDropped)
	}
	switch body := body.(type) {
	case *ledger.Begin:
		b.node, b.generation = body.Charter, body.Generation
	case *ledger.CensusTags:
		b.part(index, body)
	case *ledger.Reported:
		b.reported(index, time, body)
	case *ledger.Opened:
		if len(b.opened) == maxOpened {
			b.opened = slices.Delete(b.opened, 0, maxOpened/2)
		}
		b.opened = append(b.opened, opened{body.Epoch, body.Draw, body.Tag, body.Auditor, index})
	case *ledger.Occupancy:
		if _, there := b.zones[body.Zone]; there || len(b.zones) < maxZones {
			b.zones[body.Zone] = zone{body.Sure, body.Most, time - int64(body.Age)*1000}
		}
	}
}

// spoil ends what is under way: nobody knows whose part is missing.
func (b *reportBook) spoil(f Fault) {
	for _, r := range b.runs {
		if r.fault == "" {
			r.fault = f
		}
	}
}

func (b *reportBook) run(epoch ledger.EpochID) *run {
	for _, r := range b.runs {
		if r.epoch == epoch {
			return r
		}
	}
	return nil
}

func (b *reportBook) end(r *run) {
	b.runs = slices.DeleteFunc(b.runs, func(o *run) bool { return o == r })
}

// part adds one; part 0 begins anew.
func (b *reportBook) part(index int64, p *ledger.CensusTags) {
	r := b.run(p.Epoch)
	if r == nil || p.Part == 0 {
		b.end(r)
		if len(b.runs) == maxRuns {
			b.runs = b.runs[1:]
		}
		r = &run{epoch: p.Epoch, first: index}
		b.runs = append(b.runs, r)
	}
	if r.fault != "" {
		return
	}
	if p.Part != r.parts {
		r.fault = FaultParts
		return
	}
	if r.parts > 0 && bytes.Compare(r.last[:], p.Tags[:32]) >= 0 {
		r.fault = FaultOrder
		return
	}
	for line := range slices.Chunk(p.Tags, ledger.TagSize) {
		r.tree.Append(line, nil)
	}
	r.parts++
	copy(r.last[:], p.Tags[len(p.Tags)-ledger.TagSize:])
}

// reported ends a report.
func (b *reportBook) reported(index, time int64, body *ledger.Reported) {
	r := b.run(body.Epoch)
	b.end(r)
	out := &report{epoch: body.Epoch, first: index, index: index, time: time, count: body.Count, root: body.Root}
	if r == nil {
		r = &run{}
		if body.Parts > 0 {
			r.fault = FaultNoParts
		}
	} else {
		out.first = r.first
	}
	log, err := ledger.ParseOrigin(body.Log.Origin)
	switch {
	case r.fault != "":
		out.fault = r.fault
	case body.Parts != r.parts:
		out.fault = FaultParts
	case body.Count != uint64(r.tree.Size()):
		out.fault = FaultCount
	case tlog.Hash(body.Root) != r.tree.Root():
		out.fault = FaultRoot
	case body.Node != b.node:
		out.fault = FaultNode
	case err != nil || log.Author != b.origin.Author || log.Community != b.origin.Community:
		out.fault = FaultLog
	}
	b.remember(out)
}

// remember keeps of an epoch's reports the good ones and the last few faulty ones.
func (b *reportBook) remember(r *report) {
	b.reports = append(b.reports, r)
	faulty := 0
	for i := len(b.reports) - 1; i >= 0; i-- {
		if o := b.reports[i]; o.epoch == r.epoch && o.fault != "" {
			if faulty++; faulty > faultsPerEpoch {
				b.reports = slices.Delete(b.reports, i, i+1)
			}
		}
	}
	if len(b.reports) > maxReports {
		b.reports = slices.Delete(b.reports, 0, 1)
	}
}

// of lists an epoch's reports, in order.
func (b *reportBook) of(epoch ledger.EpochID) (out []*report) {
	for _, r := range b.reports {
		if r.epoch == epoch {
			out = append(out, r)
		}
	}
	return out
}

// errDropped: a body that was there when the ledger came was dropped by its author.
var errDropped = errors.New("the body of a part was dropped")

// tags appends the tags of a report. It is exact about what was found when
// the ledger came: an entry that has been let go of since is an error.
func (r *report) tags(s *store.Store, i store.Info, tags []byte) ([]byte, error) {
	begin, next := len(tags), r.first
	for e, err := range s.Entries(i, r.first, r.index) {
		if err != nil {
			return tags[:begin], err
		}
		// What the body is was read strictly when the ledger came; that it is still
		// that body its leaf says.
		leaf, err := e.Check(next)
		if err == nil && leaf.Kind == ledger.KindCensusTags {
			var p ledger.CensusTags
			if e.Dropped() {
				err = errDropped
			} else if err = codec.DecodeLoose(e.Body, &p); err == nil && p.Epoch == r.epoch {
				tags = append(tags, p.Tags...)
			}
		}
		if err != nil {
			return tags[:begin], fmt.Errorf("%v, entry %d: %w", i.Origin, next, err)
		}
		next++
	}
	if got := uint64(len(tags)-begin) / ledger.TagSize; next != r.index || got != r.count {
		return tags[:begin], fmt.Errorf("%v, entries %d to %d: %w", i.Origin, r.first, r.index, ledger.ErrTruncated)
	}
	return tags, nil
}
