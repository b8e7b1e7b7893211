package gateway

import (
	"context"
	"fmt"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// recoverPatience is how long peers may take to say how far the door log went.
const recoverPatience = 3 * time.Second

// openAuthor opens the door log's author for the journal. Where a new incarnation
// would begin, peers are asked first: it names the last head that is known, and
// this disk may have been set back.
func (g *Gateway) openAuthor() (*store.Author, error) {
	a, err := g.folder.Author(ledger.DoorLog)
	if err == nil && a.Head().Size == 0 && g.net.wired() {
		g.net.recovered(g.running, recoverPatience)
		a, err = g.folder.Author(ledger.DoorLog)
	}
	if err == nil && g.author.Swap(a) == nil {
		close(g.authored)
	}
	return a, err
}

// recorder is the controller's journal.
type recorder struct{ g *Gateway }

func (r recorder) Record(b ledger.Body, at time.Time) error {
	err := r.g.journal.Record(store.Draft{Body: b, Time: at})
	r.observe(b, at, err)
	return err
}

func (r recorder) RecordFirst(b ledger.Body, at time.Time) func(context.Context) error {
	durable := r.g.journal.RecordFirst(store.Draft{Body: b, Time: at})
	return func(ctx context.Context) error {
		err := durable(ctx)
		if err == nil {
			r.observe(b, at, nil)
		}
		return err
	}
}

// observe shows what was recorded; err is the journal's.
func (r recorder) observe(b ledger.Body, at time.Time, err error) {
	r.g.figures.count(b, err)
	if r.g.cfg.Observe == nil {
		return
	}
	r.g.observing.Lock()
	defer r.g.observing.Unlock()
	r.g.cfg.Observe(b, at)
}

// journalTrouble runs on the journal's goroutine, which the owner may be
// waiting for: it hands the fault over beside it.
func (g *Gateway) journalTrouble(err error) {
	what := "the journal is written again"
	if err != nil {
		what = fmt.Sprintf("the journal cannot be written: %v", err)
	}
	g.cfg.Log.Error(what)
	go g.fault(context.Background(), "journal", what, err == nil)
}

// Head is the newest durable head of the door log.
func (g *Gateway) Head() ledger.Head { return g.journal.Head() }
