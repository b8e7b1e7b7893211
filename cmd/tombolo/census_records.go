package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"tombolo/cmd/internal/folder"
	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// records is what an audit knows of a community: a folder that is thrown away
// afterwards, into which go the ledgers that everybody brought, as far as they
// verify. Two histories of one ledger come to light there.
type records struct {
	*folder.Folder
	forked  []ledger.Origin // whose author signed two histories
	refused []string        // what was not taken in, and why
}

// newRecords makes the folder, and takes it away again at the end.
func (e *env) newRecords(do func(*records) error) (err error) {
	dir, err := os.MkdirTemp("", "tombolo-audit-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	f, err := folder.Open(dir, true)
	if err != nil {
		return err
	}
	f.Now = e.Now
	defer func() { err = errors.Join(err, f.Close()) }()
	return do(&records{Folder: f})
}

// take takes in a bundle that somebody brought. The first one pins the
// community. What is refused is kept as a remark, as the others may do without.
func (r *records) take(from string, b io.ReadSeeker) error {
	report, err := r.Import(b, folder.PinBoth[:1], nil)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	for _, c := range report.Charters {
		if c.Refused != nil {
			r.refused = append(r.refused, fmt.Sprintf("%s: the charter of %s %q, version %d: %v", from, c.Kind, c.Slug, c.Version, c.Refused))
		}
	}
	for _, l := range report.Ledgers {
		switch {
		case l.Forked:
			if !slices.Contains(r.forked, l.Origin) {
				r.forked = append(r.forked, l.Origin)
			}
		case l.Refused != nil:
			r.refused = append(r.refused, fmt.Sprintf("%s: %v: %v", from, l.Origin, l.Refused))
		}
	}
	return nil
}

// kinds that an audit looks at.
var auditedKinds = []ledger.LogKind{ledger.CommunityLog, ledger.DirectoryLog, ledger.CensusLog}

// takeFolder takes in what another folder holds.
func (r *records) takeFolder(f *folder.Folder) (err error) {
	temp, err := os.CreateTemp("", "tombolo-audit-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, temp.Close(), os.Remove(temp.Name())) }()
	if err := exportHeld(temp, f); err != nil {
		return err
	}
	if _, err := temp.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return r.take("this folder", temp)
}

// exportHeld writes a folder's charters and the audited ledgers as they are held:
// nothing is signed anew, since the folder may be anybody's.
func exportHeld(w io.Writer, f *folder.Folder) error {
	b := ledger.NewBundleWriter(w)
	community, err := f.Community()
	if err != nil {
		return err
	}
	ids, err := f.Store().CharterIDs()
	if err != nil {
		return err
	}
	for _, id := range append([]ledger.CharterID{community.ID()}, slices.DeleteFunc(ids, func(id ledger.CharterID) bool { return id == community.ID() })...) {
		chain, err := f.Store().Charters(id)
		if err != nil {
			return err
		}
		for v := 1; v <= chain.Len(); v++ {
			_, signed := chain.Version(v)
			if err := b.Charter(signed); err != nil {
				return err
			}
		}
	}
	all, err := f.Store().Ledgers()
	if err != nil {
		return err
	}
	for _, kind := range auditedKinds {
		for _, i := range all {
			if i.Origin.Kind != kind {
				continue
			}
			if err := b.Head(i.Author, i.Note); err != nil {
				return err
			}
			for c, err := range f.Store().Chunks(i, 0) {
				if err != nil {
					return err
				}
				if err := b.Chunk(c); err != nil {
					return err
				}
			}
		}
	}
	return b.Close()
}

// registered are the nodes that an issuer made part of the community.
func (r *records) registered() (out []census.Registered, err error) {
	for e, err := range r.Counted(ledger.CommunityLog) {
		if err != nil {
			return nil, err
		}
		if b, ok := e.Body.(*ledger.NodeRegistered); ok {
			out = append(out, census.Registered{Time: e.Time.UnixMilli(), Body: *b})
		}
	}
	return out, nil
}

// reporters are the gateways whose reports count, by the directories of registered
// nodes: those included that have gone since the epoch began. One that its node
// withdrew before is not that node's: it may have been withdrawn because it was stolen.
func (r *records) reporters(nodes []census.Registered, p *epoch) (map[ledger.KeyID]census.Gateway, error) {
	all, err := r.Store().Ledgers()
	if err != nil {
		return nil, err
	}
	type claim struct {
		node    ledger.CharterID
		signing [32]byte
	}
	var claims []claim
	gone := map[claim]bool{} // whichever steward withdrew it
	for _, i := range all {
		if i.Origin.Kind != ledger.DirectoryLog || !slices.ContainsFunc(nodes, func(n census.Registered) bool { return n.Body.Node == i.Charter }) {
			continue
		}
		err := r.directory(i, func(e folder.Record) {
			switch b := e.Body.(type) {
			case *ledger.DirectoryKeys:
				claims = append(claims, claim{i.Charter, b.Keys.Signing})
			case *ledger.DirectoryGone:
				if e.Time.Unix() < p.Opens {
					gone[claim{i.Charter, b.Signing}] = true
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	out := map[ledger.KeyID]census.Gateway{}
	for _, c := range claims {
		if !gone[c] {
			claimed(out, c.signing, c.node)
		}
	}
	return out, r.enrolled(out, p)
}

// claimed adds a node's claim that a gateway is its own.
func claimed(out map[ledger.KeyID]census.Gateway, signing [32]byte, node ledger.CharterID) {
	id := ledger.KeyIDOf(signing[:])
	g, there := out[id]
	switch {
	case !there:
		g = census.Gateway{Key: signing[:], Node: node}
	case !g.Of(node):
		g.Also = append(g.Also, node)
	}
	out[id] = g
}

// enrolled adds the gateways of the folder's own node, if it has one.
func (r *records) enrolled(out map[ledger.KeyID]census.Gateway, p *epoch) error {
	node, err := r.NodeID()
	if err != nil || node.IsZero() {
		return err
	}
	all, err := r.Gateways()
	for _, g := range all {
		if g.Active() || g.Removed.Unix() >= p.Opens {
			claimed(out, g.Keys.Signing, node)
		}
	}
	return err
}

// directory hands over what counts of one.
func (r *records) directory(i store.Info, each func(folder.Record)) error {
	chain, err := r.Store().Charters(i.Charter)
	if err != nil {
		return err
	}
	limit, ok, err := chain.Counts(ledger.Steward, i.Origin, i.Size, ledger.Hashes(r.Store().Reader(i)))
	if err != nil || !ok {
		return err
	}
	for e, err := range r.Records(i) {
		if err != nil {
			return err
		}
		if e.Index >= limit {
			break
		}
		each(e)
	}
	return nil
}

// standing says whether a passport and its door key could let anybody in during an
// epoch, by all issuers' ledgers that are held: who was expelled or admitted, and
// which key was revoked or entered, before it began or after it ended.
func (r *records) standing(p *epoch) (func(uint64, passport.KeyID) error, error) {
	type held struct {
		passport uint64
		key      passport.KeyID
	}
	expelled, admitted := map[uint64]bool{}, map[uint64]bool{}
	revoked, entered := map[held]bool{}, map[held]bool{}
	dropped := map[ledger.Kind]bool{} // what an issuer let go of may have been any
	for e, err := range r.Counted(ledger.CommunityLog) {
		if err != nil {
			return nil, err
		}
		before, ended := e.Time.Unix() < p.Opens, e.Time.Unix() >= p.Closes
		switch b := e.Body.(type) {
		case nil:
			dropped[e.Kind] = true
		case *ledger.Admit:
			admitted[b.Passport] = admitted[b.Passport] || !ended
		case *ledger.Expel:
			expelled[b.Passport] = expelled[b.Passport] || before
		case *ledger.DoorKeyAdded:
			if s, err := passport.ParseSignedDelegation(b.Delegation); err == nil && !ended {
				entered[held{uint64(s.Delegation.Passport), s.Delegation.Key.ID()}] = true
			}
		case *ledger.DoorKeyRevoked:
			if before {
				revoked[held{b.Passport, b.Key}] = true
			}
		}
	}
	return func(n uint64, key passport.KeyID) error {
		switch k := (held{n, key}); {
		case expelled[n]:
			return errors.New("an issuer had expelled it before the epoch opened")
		case !admitted[n] && !dropped[ledger.KindAdmit]:
			return errors.New("no issuer had admitted it before the epoch closed")
		case revoked[k]:
			return errors.New("its door key had been revoked before the epoch opened")
		case !entered[k] && !dropped[ledger.KindDoorKeyAdded]:
			return errors.New("no issuer had entered its door key before the epoch closed")
		}
		return nil
	}, nil
}
