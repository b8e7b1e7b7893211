package roster_test

import (
	"tombolo/edge/access"
	"tombolo/edge/roster"
	"tombolo/passport"
)

// verdict is what the front door, a home, says to a tap.
func (w *world) verdict(r *roster.Roster, k *passport.SoftKey) access.Reason {
	w.t.Helper()
	return w.decide(r.View(), holder(w.t, r, k))
}

func (w *world) decide(v *roster.View, h access.Holder) access.Reason {
	return access.Decide(w.now, h, access.Presentation{Mode: passport.ModeTap}, access.View{
		Node: passport.NodeID(w.node.ID()), Basis: &v.Basis, Name: "front", Door: v.Policy.Doors["front"],
		Clock: known(w.now), RosterAge: v.Age(w.now),
	}).Reason
}
