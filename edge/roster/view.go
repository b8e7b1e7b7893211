package roster

import (
	"database/sql"
	"errors"
	"fmt"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// View is what every decision needs beside the holder, and what a steward has to
// know. It is never changed: a Project that changes anything makes another.
type View struct {
	access.Basis
	Problems   []Problem
	Unreadable bool      // some ledgers could not be read: project again soon
	Gateways   []Gateway // of the node that no steward has removed, by name
	Trial      *Trial    // the policy in force is on trial; nil if it is not

	residents map[passport.KeyID]access.Holder // of the keys that open homes
}

// Problem is something that a steward has to know: a ledger that stopped, an
// entry that was refused.
type Problem struct {
	Part string // the ledger as kind/author/incarnation, an issuer, or policy
	What string
}

// epoch is a time that had passed when this was written. A clock that shows
// less is not set: a board without a battery wakes up in 1970.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Unix()

// floorSlack forgives clocks that differ a little between machines.
const floorSlack = 5 * time.Minute

// Believes reports whether a clock may be right: it does not show a time that
// was over when this was written or when an author last signed. No
// author moves that floor by more than a day past the clock of the time.
func (v *View) Believes(now time.Time) bool {
	return now.Unix() >= max(epoch, v.Floor-int64(floorSlack/time.Second))
}

// Successors names who follows each retired issuer, by key ids in
// hexadecimal.
type Successors map[string]string

// SuccessorsOf reads a community's charter.
func SuccessorsOf(c ledger.Charter) Successors {
	s := Successors{}
	for _, a := range c.Authors {
		if a.Role == ledger.Issuer && len(a.Successor) > 0 {
			s[ledger.KeyIDOf(a.Key[:]).String()] = ledger.KeyIDOf(a.Successor).String()
		}
	}
	return s
}

// SpeakFor reports whether one issuer follows another, directly or not: then its
// word on a passport replaces the other's.
func (s Successors) SpeakFor(successor, issuer string) bool {
	for range s { // a chain of charters could name a circle
		next, ok := s[issuer]
		if !ok {
			return false
		}
		if next == successor {
			return true
		}
		issuer = next
	}
	return false
}

func (r *Roster) loadView(p *pass, unreadable error) (*View, error) {
	v := &View{Basis: access.Basis{Generation: r.View().Generation + 1}}
	if unreadable != nil {
		v.Unreadable = true
		v.problem("ledgers", "%v", unreadable)
	}
	if err := r.loadPolicy(v, p.node.Latest().Slug); err != nil {
		return nil, err
	}
	// Orders want the floor, which loadFresh finds.
	return v, errors.Join(r.loadGateways(v), r.loadRemoval(v), r.loadHomes(v), r.loadResidents(v), r.loadFresh(v, p.community, unreadable == nil), r.loadOrders(v))
}

// loadRemoval tells a gateway that a steward has taken it out of the node: its
// doors go on, and nobody takes its word any more.
func (r *Roster) loadRemoval(v *View) error {
	var place []byte
	var why string
	err := r.write.QueryRow("SELECT place, why FROM removed WHERE gateway = ?", r.cfg.Gateway[:]).Scan(&place, &why)
	if errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	if err == nil {
		v.problem("enrolment", "a steward removed this gateway on %s (%s): its doors go on, and nobody vouches for its door log any more; to bring it back, begin a new folder with `tombolod init`",
			time.Unix(placeTime(place), 0).UTC().Format(time.DateOnly), why)
	}
	return err
}

func (v *View) problem(part, format string, args ...any) {
	v.Problems = append(v.Problems, Problem{part, fmt.Sprintf(format, args...)})
}

// parsePolicy parses only what is new.
func (r *Roster) parsePolicy(file []byte) (*policy.Policy, error) {
	if old := r.View().Policy; old != nil && old.Hash() == policy.Hash(file) {
		return old, nil
	}
	return policy.Parse("signed policy", file)
}
