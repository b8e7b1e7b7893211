package main

import (
	"errors"
	"slices"
	"strings"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/sync/ledger"
)

// passUse is how often a counted pass was used, as far as the door logs that are
// held here tell; they may be behind.
type passUse struct {
	at      []uint32 // entries at each gateway that lets in by it; 0 if missing
	missing []string // names of those of which no door log is held
}

// sum is nil if nobody here can know.
func (u passUse) sum() *uint32 {
	if len(u.missing) > 0 {
		return nil
	}
	var n uint32
	for _, entries := range u.at {
		n += entries
	}
	return &n
}

// up tells whether no gateway lets in by it any more: each counts for itself.
func (u passUse) up(uses uint32) bool {
	for _, entries := range u.at {
		if entries < uses {
			return false
		}
	}
	return len(u.at) > 0 && len(u.missing) == 0
}

// passesUsed counts the entries of counted passes, at the gateways that are
// enrolled and drive a door of their levels.
func passesUsed(f *folder.Folder, passes []guestPass) (map[ledger.PassID]passUse, error) {
	passes = slices.DeleteFunc(slices.Clone(passes), func(p guestPass) bool { return p.body.Uses == 0 })
	if len(passes) == 0 {
		return nil, nil
	}
	p, err := currentPolicy(f)
	if errors.Is(err, errNoPolicy) {
		p, err = &policy.Policy{}, nil // no gateway lets anybody in
	}
	if err != nil {
		return nil, err
	}
	enrolled, err := f.Gateways()
	if err != nil {
		return nil, err
	}
	counted, err := countedPasses(f)
	if err != nil {
		return nil, err
	}
	used := map[ledger.PassID]passUse{}
	for _, pass := range passes {
		var u passUse
		for _, name := range gatewaysOf(p, pass.body.Levels) {
			for _, g := range enrolled {
				if g.Name != name || !g.Active() {
					continue
				}
				var n uint32
				if people := counted[ledger.KeyIDOf(g.Keys.Signing[:])]; people != nil {
					n = people.Used(pass.body.Pass)
				} else {
					u.missing = append(u.missing, name)
				}
				u.at = append(u.at, n)
			}
		}
		used[pass.body.Pass] = u
	}
	return used, nil
}

// countedPasses is what each gateway whose door logs are held here remembers.
func countedPasses(f *folder.Folder) (map[ledger.KeyID]*access.Presence, error) {
	ledgers, err := f.Store().Ledgers()
	if err != nil {
		return nil, err
	}
	all := map[ledger.KeyID]*access.Presence{}
	for _, l := range ledgers {
		if l.Origin.Kind != ledger.DoorLog || all[l.Origin.Author] != nil {
			continue
		}
		people := access.NewPresence() // as the gateway counts
		all[l.Origin.Author] = people
		logs, err := doorLogs(f.Store(), l.Origin.Author)
		if err != nil {
			return nil, err
		}
		for _, l := range logs {
			for r, err := range f.Records(l) {
				if err != nil {
					return nil, err
				}
				if r.Body != nil {
					people.Apply(r.Time.UnixMilli(), r.Body)
				}
			}
		}
	}
	return all, nil
}

// tellMissing says once what would tell how often passes were used.
func (e *env) tellMissing(used map[ledger.PassID]passUse) {
	var missing []string
	for _, u := range used {
		missing = append(missing, u.missing...)
	}
	if missing = names(missing); len(missing) > 0 {
		e.warn("how often passes were used stands in the door logs of %s, which are not here: bring them with `tombolo ledger export --kind door` at the gateway and `tombolo ledger import` here", strings.Join(missing, ", "))
	}
}
