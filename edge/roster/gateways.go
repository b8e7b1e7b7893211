package roster

import (
	"slices"
	"time"

	"tombolo/edge/access"
	"tombolo/sync/ledger"
)

// Gateway is one that a steward enrolled in the node and that none removed.
type Gateway struct {
	Name     string
	Keys     ledger.GatewayKeys
	Enrolled time.Time // by its steward's clock
}

// loadGateways tells who the node's gateways are: a removal holds whichever steward
// wrote it, and for good.
func (r *Roster) loadGateways(v *View) error {
	v.Siblings = map[ledger.KeyID]string{}
	var damaged error
	var signing, hold, witness, sealing, tls, at []byte
	var name string
	err := r.each(func() {
		g := Gateway{Name: name, Enrolled: time.UnixMilli(placeTime(at) * 1000)}
		for _, k := range []struct {
			to   *[32]byte
			from []byte
		}{{&g.Keys.Signing, signing}, {&g.Keys.Hold, hold}, {&g.Keys.Witness, witness}, {&g.Keys.Sealing, sealing}, {&g.Keys.TLS, tls}} {
			if len(k.from) != len(k.to) {
				damaged = errDamaged
				return
			}
			*k.to = [32]byte(k.from)
		}
		v.Gateways = append(v.Gateways, g)
		if g.Keys.Signing != r.cfg.Gateway {
			v.Siblings[ledger.KeyIDOf(g.Keys.Signing[:])] = name
		}
	}, `SELECT signing, name, hold, witness, sealing, tls, place FROM gateway g
		WHERE NOT EXISTS (SELECT 1 FROM removed r WHERE r.gateway = g.signing) ORDER BY name, place`,
		nil, &signing, &name, &hold, &witness, &sealing, &tls, &at)
	if err != nil {
		return err
	}
	return damaged
}

const (
	// maxOpens bounds the remote openings that a view names, the newest.
	maxOpens = 256
	// openAge is for how long one is answered that a gateway meets too late to carry
	// it out, seconds.
	openAge = 24 * 3600
)

// loadOpens takes what stewards opened from afar lately. What was ordered before
// this gateway was enrolled was never for it.
func (r *Roster) loadOpens(v *View) error {
	since := (v.Floor - openAge) * 1000
	for _, g := range v.Gateways {
		if g.Keys.Signing == r.cfg.Gateway {
			since = max(since, g.Enrolled.UnixMilli())
		}
	}
	var o access.Order
	err := r.each(func() { v.Opens = append(v.Opens, o) },
		"SELECT origin, entry, at, door FROM opens WHERE at >= ? ORDER BY at DESC, origin, entry LIMIT ?", []any{since, maxOpens},
		&o.Origin, &o.Index, &o.At, &o.Door)
	slices.SortFunc(v.Opens, access.Order.Compare)
	return err
}
