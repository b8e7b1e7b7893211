package folder

import (
	"cmp"
	"slices"
	"time"

	"tombolo/sync/ledger"
)

// Gateway is a controller that a steward of the node enrolled.
type Gateway struct {
	Name     string
	Keys     ledger.GatewayKeys
	Enrolled time.Time
	Removed  time.Time // zero while it is not
	Why      string    // it was removed
}

// Active tells whether the gateway was not removed.
func (g Gateway) Active() bool { return g.Removed.IsZero() }

// Gateways lists every gateway that was ever enrolled in the node, by name and
// time. A removal holds whichever steward wrote it, and for good: a gateway that
// comes back comes with new keys.
func (f *Folder) Gateways() ([]Gateway, error) {
	all := map[[32]byte]*Gateway{}
	removed := map[[32]byte]Record{}
	for r, err := range f.Counted(ledger.NodeLog) {
		if err != nil {
			return nil, err
		}
		switch b := r.Body.(type) {
		case *ledger.GatewayEnrolled:
			if g := all[b.Keys.Signing]; g == nil || r.Time.Before(g.Enrolled) {
				all[b.Keys.Signing] = &Gateway{Name: b.Gateway, Keys: b.Keys, Enrolled: r.Time}
			}
		case *ledger.GatewayRemoved:
			if first, ok := removed[b.Signing]; !ok || r.Time.Before(first.Time) {
				removed[b.Signing] = r
			}
		}
	}
	var out []Gateway
	for key, g := range all {
		if r, ok := removed[key]; ok {
			g.Removed, g.Why = r.Time, r.Body.(*ledger.GatewayRemoved).Why
		}
		out = append(out, *g)
	}
	slices.SortFunc(out, func(a, b Gateway) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Enrolled.Compare(b.Enrolled), slices.Compare(a.Keys.Signing[:], b.Keys.Signing[:]))
	})
	return out, nil
}
