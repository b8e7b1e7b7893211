package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/gateway"
	"tombolo/sync/ledger"
)

// epochView is an epoch in JSON.
type epochView struct {
	Number   uint64       `json:"number"`
	ID       string       `json:"id"`
	State    string       `json:"state"` // opens in …, open, closing, closed, drawn, over
	Opens    stamp        `json:"opens"`
	Closes   stamp        `json:"closes"`
	Audit    stamp        `json:"audit"`
	Key      hex32        `json:"key"`
	Offered  bool         `json:"offered"` // by the charter's evaluator
	Beacon   string       `json:"beacon"`
	Sample   uint32       `json:"sample"`
	Quota    uint32       `json:"quota"`
	Auditors []auditorRow `json:"auditors"`
	Closed   *closedView  `json:"closed,omitempty"`
	Draw     *drawView    `json:"draw,omitempty"`
	Wrong    string       `json:"wrong,omitempty"` // what the hub may not have done
	Reports  *reportsView `json:"reports,omitempty"`
	// Own is a gateway's own part, asked for on one.
	Own *gateway.CensusEpoch `json:"own,omitempty"`
}

type auditorRow struct {
	Name string `json:"name"`
	Key  hex32  `json:"key"`
}

// closedView is what an epoch came to.
type closedView struct {
	Passports *uint64 `json:"passports"` // null: withheld, fewer than 20
	Root      hex32   `json:"root"`
	Reports   uint32  `json:"reports"`
	Nodes     uint32  `json:"nodes"`
	Doors     uint32  `json:"doors"`
	Floor     uint64  `json:"floor"`
}

type drawView struct {
	Seed   hex32  `json:"seed"`
	Source string `json:"source"`
	Size   uint64 `json:"size"`
}

// reportsView is how many reports of an epoch a hub has.
type reportsView struct {
	In     int `json:"in"`
	Faulty int `json:"faulty"`
	Late   int `json:"late"`
}

func viewOfEpoch(p *epoch, now time.Time) epochView {
	v := epochView{
		Number: p.Number, ID: p.id.String(), State: p.state(now), Opens: stamp(unix(p.Opens)), Closes: stamp(unix(p.Closes)), Audit: stamp(unix(p.Audit)),
		Key: p.Key, Offered: p.counts, Beacon: p.Beacon, Sample: p.Sample, Quota: p.Quota, Auditors: []auditorRow{},
	}
	for _, a := range p.Auditors {
		v.Auditors = append(v.Auditors, auditorRow{a.Name, a.Sealing})
	}
	if len(p.closed) > 0 {
		c := p.closed[0]
		v.Closed = &closedView{Root: c.Root, Reports: c.Reports, Nodes: c.Nodes, Doors: c.Doors, Floor: c.Floor}
		if !c.Withheld {
			v.Closed.Passports = &c.Size
		}
	}
	if len(p.draws) > 0 {
		d := p.draws[0]
		v.Draw = &drawView{d.Seed, d.Source, d.Size}
	}
	switch {
	case len(p.closed) > 1:
		v.Wrong = "the hub closed it twice"
	case len(p.draws) > 1:
		v.Wrong = "the hub drew twice"
	case len(p.ordered) > 0 && p.ordered[0] == "draw":
		v.Wrong = "the hub drew before it closed"
	case !p.counts:
		v.Wrong = "its key is not one that the charter's evaluator offered"
	}
	return v
}

func figureWords(c *closedView) string {
	switch {
	case c == nil:
		return "-"
	case c.Passports == nil:
		return fmt.Sprintf("withheld, under %d", ledger.Withheld)
	}
	return fmt.Sprint(*c.Passports)
}

func (e *env) censusStatus() *cobra.Command {
	var hub string
	c := verb("status", "List the epochs: when they open and close, what they came to, and how far each is", func(c *cobra.Command, _ []string) error {
		if hub != "" {
			if err := checkHubURL(c, hub); err != nil {
				return err
			}
			return e.hubStatus(c.Context(), hub)
		}
		return e.open(false, func(f *folder.Folder) error {
			all, err := epochs(f)
			if err != nil {
				return err
			}
			rows := make([]epochView, 0, len(all))
			for _, p := range all {
				rows = append(rows, viewOfEpoch(p, e.Now()))
			}
			if name, err := f.Gateway(); err != nil {
				return err
			} else if name != "" {
				e.addOwn(c.Context(), f, rows)
			}
			return e.printEpochs(rows)
		})
	})
	c.Flags().StringVar(&hub, "hub", "", "what the hub at this `URL` says, which nobody checks here (default what this folder holds)")
	return c
}

// addOwn adds what the gateway that runs on the folder does for each epoch.
func (e *env) addOwn(ctx context.Context, f *folder.Folder, rows []epochView) {
	own, err := gateway.AskCensus(ctx, f.Dir())
	if err != nil {
		e.warn("what this gateway does for the census is not known: %v", err)
		return
	}
	for _, x := range own.Epochs {
		for i := range rows {
			if rows[i].ID == x.ID {
				rows[i].Own = &x
			}
		}
	}
}

// ownWords says how far a gateway is. How many it reports it knows after the close.
func ownWords(own *gateway.CensusEpoch) string {
	if own.State == "open" || own.State == "to open" {
		return "here: open"
	}
	return fmt.Sprintf("here: %s, %s", own.State, count(own.Present, "passport", "passports"))
}

func (e *env) printEpochs(rows []epochView) error {
	for _, v := range rows {
		if v.Wrong != "" {
			e.warn("epoch %d: %s", v.Number, v.Wrong)
		}
	}
	return table(e, rows, "No epoch was opened, as far as is known here; at a desk `tombolo sync run` asks the others.", []string{"EPOCH", "STATE", "OPENS", "CLOSES", "AUDITED UNTIL", "PASSPORTS", "REPORTS", "ID"}, func(v epochView) []string {
		reports := "-"
		switch {
		case v.Reports != nil:
			reports = fmt.Sprint(v.Reports.In)
			if v.Reports.Faulty > 0 {
				reports += fmt.Sprintf(" (%d faulty)", v.Reports.Faulty)
			}
			if v.Reports.Late > 0 {
				reports += fmt.Sprintf(" (%d late)", v.Reports.Late)
			}
		case v.Closed != nil:
			reports = fmt.Sprint(v.Closed.Reports)
		case v.Own != nil:
			reports = ownWords(v.Own)
		}
		return []string{fmt.Sprint(v.Number), v.State, when(asTime(v.Opens)), when(asTime(v.Closes)), when(asTime(v.Audit)), figureWords(v.Closed), reports, v.ID[:16]}
	})
}
