package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// What a daemon is asked of the census.
const (
	DoCensusStatus  = "census-status"
	DoCensusReceipt = "census-receipt"
)

// CensusStatus is a gateway's part in the census. It is shown as JSON: names of
// fields stay as they are.
type CensusStatus struct {
	Gateway string        `json:"gateway"`
	Epochs  []CensusEpoch `json:"epochs"` // those whose audit is not over, oldest first
}

// CensusEpoch is one epoch as a gateway sees it. Times are Unix seconds.
type CensusEpoch struct {
	Number uint64 `json:"number"`
	ID     string `json:"id"`
	Opens  int64  `json:"opens"`
	Closes int64  `json:"closes"`
	Audit  int64  `json:"audit"`
	// State is what goes on: "to open", "open", "closed" (the node's logs are waited
	// for, or another gateway reports), what this gateway does, or "reported".
	State   string `json:"state"`
	Present int64  `json:"present"`            // passports that it reports, or will
	Tagged  int64  `json:"tagged"`             // of them
	LeftOut int64  `json:"left_out,omitempty"` // presences that could not be shown
	Drawn   bool   `json:"drawn,omitempty"`    // the hub has drawn
	Opened  bool   `json:"opened,omitempty"`   // and this gateway has opened what was drawn of its own
}

// CensusFigures are how a gateway that runs takes part in the census: how many epochs,
// and not how many people, of whom there may be few. It is shown as JSON: names of
// fields stay as they are.
type CensusFigures struct {
	Waiting  int    `json:"waiting"`  // have closed: another gateway has its turn, or their logs are waited for
	Working  int    `json:"working"`  // are reported by this gateway now
	Reported int    `json:"reported"` // were reported by it, and their audit is not over
	Opened   int    `json:"opened"`   // of them, what was drawn of its own was opened
	Error    string `json:"error,omitempty"`
}

// Errors of [AskReceipt], within ErrDaemon.
var (
	errNoReceipt = errors.New("this gateway reported no such passport")
	errNotYet    = errors.New("there are no receipts yet")
	errNoCensus  = errors.New("the census is not taken here: its log says why")
	errNoEpoch   = errors.New("no such epoch is known here, or its audit is over")
)

// AskCensus asks the daemon that runs on a folder for its part in the census. Its
// errors are those of [Ask].
func AskCensus(ctx context.Context, dir string) (CensusStatus, error) {
	a, err := ask(ctx, dir, Request{Do: DoCensusStatus})
	if err != nil || a.Census == nil {
		return CensusStatus{}, err
	}
	return *a.Census, nil
}

// AskReceipt asks the daemon that runs on a folder for a resident's receipt: a file
// that census.ParseReceipt reads. epoch is a number, an id in hexadecimal, or "" for
// the newest that this gateway reported; full discloses door and time. Its errors
// are those of [Ask].
func AskReceipt(ctx context.Context, dir string, passport uint64, epoch string, full bool) ([]byte, error) {
	a, err := ask(ctx, dir, Request{Do: DoCensusReceipt, Passport: passport, Epoch: epoch, Full: full})
	return a.Receipt, err
}

// doCensus answers what is asked of the census.
func (g *Gateway) doCensus(r Request, a *reply) (err error) {
	c := g.census.Load()
	if c == nil {
		return errNoCensus
	}
	if r.Do == DoCensusReceipt {
		a.Receipt, err = c.receipt(r.Passport, r.Epoch, r.Full)
		return err
	}
	a.Census, err = c.status(g.Name)
	return err
}

// status may be called from any goroutine.
func (c *reporter) status(name string) (*CensusStatus, error) {
	out := &CensusStatus{Gateway: name, Epochs: []CensusEpoch{}}
	epochs, err := c.Folder.Epochs()
	if err != nil {
		return nil, err
	}
	closings, err := c.closings()
	if err != nil {
		return nil, err
	}
	now := c.Clock().Now.Unix()
	for _, e := range epochs {
		if now >= e.Opened.Audit {
			continue
		}
		s := CensusEpoch{
			Number: e.Opened.Number, ID: e.ID.String(), Opens: e.Opened.Opens, Closes: e.Opened.Closes, Audit: e.Opened.Audit,
			State: "closed", Drawn: closings[e.ID].draw != nil,
		}
		row, ok, err := c.db.epoch(e.ID)
		if err != nil {
			return nil, err
		}
		switch {
		case ok:
			s.State, s.LeftOut, s.Opened = row.state.String(), row.leftOut, row.answered
		case now < e.Opened.Opens:
			s.State = "to open"
		case now < e.Opened.Closes:
			s.State = "open"
		}
		if s.Present, err = c.db.count(e.ID, "1"); err != nil {
			return nil, err
		}
		if s.Tagged, err = c.db.count(e.ID, "length(tag) = 32"); err != nil {
			return nil, err
		}
		out.Epochs = append(out.Epochs, s)
	}
	return out, nil
}

// receipt makes a resident's. It may be called from any goroutine.
func (c *reporter) receipt(passport uint64, epoch string, full bool) ([]byte, error) {
	e, row, err := c.reportedEpoch(epoch)
	if err != nil {
		return nil, err
	}
	of, err := c.db.presences(e.ID, "passport = ?", int64(passport))
	if err != nil {
		return nil, err
	}
	if len(of) == 0 {
		return nil, fmt.Errorf("%w in epoch %d: it has to have come in by one of the node's doors, and another gateway of the node may have reported (`tombolo census status` there)", errNoReceipt, e.Opened.Number)
	}
	list, err := c.list(e.ID)
	if err != nil {
		return nil, err
	}
	head, err := c.acknowledged(row)
	if err != nil {
		return nil, err
	}
	o, err := c.open(e, row, of[0], list, head, full)
	if err != nil {
		return nil, err
	}
	return census.Receipt{Opening: o}.Marshal(), nil
}

// reportedEpoch finds an epoch that this gateway reported: the last one, or that of a
// name.
func (c *reporter) reportedEpoch(name string) (e folder.Epoch, row epochRow, err error) {
	epochs, err := c.Folder.Epochs()
	if err != nil {
		return e, row, err
	}
	now := c.Clock().Now.Unix()
	var next *ledger.EpochOpened // the last that has closed, else the one that closes first
	for _, e := range slices.Backward(epochs) {
		if name != "" && name != e.ID.String() && name != strconv.FormatUint(e.Opened.Number, 10) || now >= e.Opened.Audit {
			continue
		}
		row, _, err := c.db.epoch(e.ID)
		if err != nil || row.state == reported {
			return e, row, err
		}
		if next == nil || next.Closes > now {
			next = e.Opened
		}
	}
	if next == nil {
		return e, row, errNoEpoch
	}
	closes := time.Unix(next.Closes, 0).UTC().Format(time.DateTime)
	if next.Closes > now {
		return e, row, fmt.Errorf("%w: epoch %d has not closed yet; it closes on %s UTC, and is reported some time later (`tombolo census status` says how far it is)", errNotYet, next.Number, closes)
	}
	return e, row, fmt.Errorf("%w: epoch %d closed on %s UTC, and this gateway has not reported it; `tombolo census status` says how far it is, on another gateway of the node if that one reports",
		errNotYet, next.Number, closes)
}

// acknowledge keeps the first head with the report that the hub acknowledged: when
// that was decides whether the hub had it in time, and a later one would not say.
func (c *reporter) acknowledge(ctx context.Context, id ledger.EpochID, row epochRow) error {
	if len(row.note) > 0 {
		return nil
	}
	hub, ok, err := c.Folder.HubAuthor()
	if err != nil || !ok {
		return err
	}
	i, err := c.ledger(row.report)
	if err != nil {
		return err
	}
	all, err := c.Folder.Store().Held(i.Origin)
	if err != nil {
		return err
	}
	for _, h := range all {
		if h.Peer == ledger.KeyIDOf(hub[:]) && h.Role == ledger.RoleHold && h.Size > row.entry && h.Size <= i.Size {
			return c.setEpoch(ctx, id, "note = ?", h.Note)
		}
	}
	return nil
}

// acknowledged is that head; nil while there is none.
func (c *reporter) acknowledged(row epochRow) (*ledger.Head, error) {
	if len(row.note) == 0 {
		return nil, nil
	}
	i, err := c.ledger(row.report)
	if err != nil {
		return nil, err
	}
	head, err := ledger.OpenHead(row.note, i.Author)
	return &head, err
}
