package panel

import (
	"maps"
	"slices"

	"tombolo/sync/ledger"
)

// forgive carries out each Forgive of the rules once. From there on nothing goes
// by its time any more, but by the order of the log: a clock that begins behind it
// would otherwise forgive for days what is yet to come.
func (p *Panel) forgive(m Moment) {
	for _, who := range slices.Sorted(maps.Keys(p.basis.Forgiven)) {
		at := p.basis.Forgiven[who]
		if before, ok := p.presence.Forgiven(who); !ok || before != at {
			p.record(m, &ledger.Forgiven{Passport: uint64(who), Before: at})
		}
	}
}
