package main

import (
	"crypto/ed25519"
	"fmt"
	"maps"
	"slices"
	"strings"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// author is the key of whoever writes a ledger, by the charter and the
// directories.
func (g *gathering) author(o ledger.Origin) (ed25519.PublicKey, bool) {
	if gw, ok := g.rules.Gateways[o.Author]; ok {
		return gw.Key, true
	}
	for _, a := range g.chain.Latest().Authors {
		if ledger.KeyIDOf(a.Key[:]) == o.Author {
			return a.Key[:], true
		}
	}
	return nil, false
}

// note takes in a signed head that somebody was shown, and the entry that it came
// with, if one did.
func (g *gathering) note(signed []byte, s *census.Shown) error {
	if len(signed) > ledger.MaxNote {
		return ledger.ErrCheckpoint
	}
	line, _, _ := strings.Cut(string(signed), "\n")
	o, err := ledger.ParseOrigin(line)
	if err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrCheckpoint, err)
	}
	key, ok := g.author(o)
	if !ok {
		return fmt.Errorf("%v: %w", o, folder.ErrNobody)
	}
	h, err := ledger.OpenHead(signed, key)
	if err != nil {
		return err
	}
	if s != nil {
		if _, _, err := s.Verify(key); err != nil {
			return err
		}
	}
	if !slices.ContainsFunc(g.heads[o], func(have census.Told) bool {
		return have.Size == h.Size && have.Root == h.Root && (s == nil || have.Shown != nil && have.Shown.Index == s.Index)
	}) {
		g.heads[o] = append(g.heads[o], census.Told{Head: h, Shown: s})
	}
	return nil
}

// shown takes in the heads and the report that an opening stands on. What does
// not verify is the other checks' affair.
func (g *gathering) shown(o census.Opening) {
	for _, s := range []census.Shown{o.Report, o.Admission} {
		_ = g.note(s.Note, &s)
	}
	if o.Full != nil {
		_ = g.note(o.Full.Decision.Note, &o.Full.Decision)
	}
	origin, err := o.Report.Origin()
	if err != nil {
		return
	}
	if gw, ok := g.rules.Gateways[origin.Author]; ok {
		if _, body, err := o.Report.Verify(gw.Key); err == nil {
			if b, ok := body.(*ledger.Reported); ok && !slices.ContainsFunc(g.reported, func(have ledger.Reported) bool { return have == *b }) {
				g.reported = append(g.reported, *b)
			}
		}
	}
}

// histories are all heads that anybody brought, with the ledgers that are held.
func (g *gathering) histories() ([]census.History, error) {
	all, err := g.Store().Ledgers()
	if err != nil {
		return nil, err
	}
	heads := maps.Clone(g.heads)
	trees := map[ledger.Origin]census.History{}
	for _, i := range all {
		if slices.Contains(auditedKinds, i.Origin.Kind) {
			heads[i.Origin] = append(slices.Clone(heads[i.Origin]), census.Told{Head: i.Head})
			trees[i.Origin] = census.History{Tree: ledger.Hashes(g.Store().Reader(i)), Size: i.Size}
		}
	}
	var out []census.History
	for _, o := range slices.SortedFunc(maps.Keys(heads), ledger.Origin.Compare) {
		h := trees[o]
		h.Heads = heads[o]
		out = append(out, h)
	}
	return out, nil
}
