package main

import (
	"cmp"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

func (e *env) censusCmd() *cobra.Command {
	return group("census", "How many passports were seen, in a figure that anybody can check",
		e.censusOpen(), e.censusStatus(), e.censusClose(), e.censusDraw(), e.censusReceipt(), e.censusAudit(), e.censusSummon(), e.censusVerify(), e.censusAuditorKey())
}

// epoch is one that an issuer opened, and what the hub made of it.
type epoch struct {
	ledger.EpochOpened
	id      ledger.EpochID
	issuer  ledger.KeyID
	opened  time.Time // by its entry
	counts  bool      // the evaluator whom a charter names made its key
	closed  []*ledger.EpochClosed
	draws   []*ledger.Draw
	ordered []string // of closed and draws in the census ledger: "closed", "draw"
}

// epochs lists those that count in a folder, oldest first.
func epochs(f *folder.Folder) ([]*epoch, error) {
	chain, err := f.Community()
	if err != nil {
		return nil, err
	}
	var all []*epoch
	byID := map[ledger.EpochID]*epoch{}
	for r, err := range f.Counted(ledger.CommunityLog) {
		if err != nil {
			return nil, err
		}
		b, ok := r.Body.(*ledger.EpochOpened)
		if !ok {
			continue
		}
		if p := byID[b.ID()]; p != nil { // two issuers wrote it down
			if r.Time.Before(p.opened) {
				p.opened = r.Time
			}
			continue
		}
		p := &epoch{EpochOpened: *b, id: b.ID(), issuer: r.Ledger.Origin.Author, opened: r.Time, counts: chain.CheckOffer(b) == nil}
		byID[p.id] = p
		all = append(all, p)
	}
	for r, err := range f.Counted(ledger.CensusLog) {
		if err != nil {
			return nil, err
		}
		switch b := r.Body.(type) {
		case *ledger.EpochClosed:
			if p := byID[b.Epoch]; p != nil {
				p.closed, p.ordered = append(p.closed, b), append(p.ordered, "closed")
			}
		case *ledger.Draw:
			if p := byID[b.Epoch]; p != nil {
				p.draws, p.ordered = append(p.draws, b), append(p.ordered, "draw")
			}
		}
	}
	slices.SortStableFunc(all, func(a, b *epoch) int {
		return cmp.Or(cmp.Compare(a.Opens, b.Opens), cmp.Compare(a.Number, b.Number), slices.Compare(a.id[:], b.id[:]))
	})
	return all, nil
}

// state is where an epoch stands at a time.
func (p *epoch) state(now time.Time) string {
	t := now.Unix()
	switch {
	case t < p.Opens:
		return "opens in " + ageWords(unix(p.Opens).Sub(now))
	case t < p.Closes:
		return "open"
	case t >= p.Audit:
		return "over"
	case len(p.closed) == 0:
		return "closing"
	case len(p.draws) == 0:
		return "closed"
	}
	return "drawn"
}

// Errors of an epoch that is meant.
var (
	errNoEpoch    = errors.New("no epoch was opened here; an issuer does with `tombolo census open`")
	errEpochTwice = errors.New("several epochs have that number; name one by its id")
)

// epochFlag is an epoch as a flag: its number, or its id. None is the last that
// has begun.
type epochFlag struct {
	number uint64
	id     ledger.EpochID
	text   string
}

var errEpochFlag = errors.New("want an epoch's number, from 1, or its id of 64 hexadecimal digits")

func (p *epochFlag) Set(s string) error {
	if b, err := hex.DecodeString(s); err == nil && len(b) == len(p.id) {
		*p = epochFlag{id: ledger.EpochID(b), text: s}
		return nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != s {
		return errEpochFlag
	}
	*p = epochFlag{number: n, text: s}
	return nil
}

func (p *epochFlag) Type() string { return "N|ID" }

func (p *epochFlag) String() string {
	if p == nil {
		return ""
	}
	return p.text
}

func (p *epochFlag) flag(c *cobra.Command) {
	c.Flags().Var(p, "epoch", "the epoch, by its number or its id (default: the last that has begun)")
}

// lastClosed means the last epoch that was closed where none is named, if one was.
func (p *epochFlag) lastClosed(all []*epoch) *epochFlag {
	if p.text == "" {
		for _, e := range slices.Backward(all) {
			if len(e.closed) > 0 {
				return &epochFlag{id: e.id, text: e.id.String()}
			}
		}
	}
	return p
}

// among finds the epoch that is meant.
func (p *epochFlag) among(all []*epoch, now time.Time) (*epoch, error) {
	if len(all) == 0 {
		return nil, errNoEpoch
	}
	var found []*epoch
	for _, e := range all {
		switch {
		case p.text == "":
			if e.Opens <= now.Unix() {
				found = []*epoch{e}
			}
		case p.number != 0:
			if e.Number == p.number {
				found = append(found, e)
			}
		case e.id == p.id:
			found = append(found, e)
		}
	}
	switch {
	case len(found) == 0 && p.text == "":
		return nil, fmt.Errorf("epoch %d opens only on %s", all[0].Number, when(unix(all[0].Opens)))
	case len(found) == 0:
		return nil, fmt.Errorf("no epoch %s was opened, as far as is known here; `tombolo census status` lists them", p.text)
	case len(found) > 1:
		var ids []string
		for _, e := range found {
			ids = append(ids, e.id.String())
		}
		return nil, fmt.Errorf("%w: %s", errEpochTwice, strings.Join(ids, ", "))
	}
	return found[0], nil
}
