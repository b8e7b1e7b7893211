package access

import (
	"maps"
	"slices"
	"strings"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Presence is what a gateway remembers of people: who passed which door last,
// which guest passes were spent, whose PIN was typed wrongly; and which of the
// stewards' orders it has answered. It is a projection
// of door logs and of nothing else: whoever applies the entries of one in their
// order has it, a gateway after a start as much as an auditor later. It has one
// owner; make it with NewPresence.
type Presence struct {
	boot     uint64 // counts the Boots
	known    bool   // the clock is, by the latest Boot or Basis
	last     map[passport.ID]seen
	at       map[Side]map[passport.ID]struct{} // last, by side
	entries  map[passport.ID][]seen            // each one's latest entries, one a door, newest last
	spent    map[ledger.PassID]uint32
	wrong    map[passport.ID][]stamp  // when each one's PIN was typed wrongly since it last was right, the latest last
	entered  map[string]stamp         // door → when somebody last came in by it whom a level lets in
	forgiven map[passport.ID]int64    // up to when each was forgiven, Unix ms; 0 stands for everybody
	due      map[uint64]passage       // this boot's grants that nobody has passed by yet, by decision
	takes    map[uint64]ledger.PassID // this boot's entries of guest passes that may yet be taken back, by decision
	ordered  map[string]int64         // node's ledger → the entries below this one were answered, if they order something
	tried    map[[32]byte]bool        // policy → what became of it
}

// Side is a direction through a door.
type Side struct {
	Door string `json:"door"`
	Exit bool   `json:"exit"`
}

type seen struct {
	Side
	stamp
}

type passage struct {
	Passport passport.ID `json:"passport"`
	seen                 // when it was granted
	Level    bool        `json:"level"` // a level granted it
}

const (
	// maxSeen bounds the passports that are remembered; of more the one who was
	// seen longest ago is forgotten, as forgiven.
	maxSeen    = 1 << 18
	maxEntries = 16  // of one passport: doors of one gateway that one person goes in by
	maxWrong   = 100 // of one passport: no policy counts further
	maxDue     = 1 << 12
	// maxPasses bounds the guest passes of which it is known how often they were
	// used. One that is used first when there is no room counts as used up.
	maxPasses  = 1 << 18
	maxEntered = ledger.MaxDoors
	maxOrdered = ledger.MaxSources // what orders beyond it counts as answered
	maxTried   = 256
)

// NewPresence has seen nobody.
func NewPresence() *Presence {
	return &Presence{
		last: map[passport.ID]seen{}, entries: map[passport.ID][]seen{}, at: map[Side]map[passport.ID]struct{}{}, spent: map[ledger.PassID]uint32{},
		wrong: map[passport.ID][]stamp{}, entered: map[string]stamp{}, forgiven: map[passport.ID]int64{},
		due: map[uint64]passage{}, takes: map[uint64]ledger.PassID{}, ordered: map[string]int64{}, tried: map[[32]byte]bool{},
	}
}

// Remembered reports whether Apply takes entries of a kind: whoever folds a door
// log may pass over the others.
func Remembered(k ledger.Kind) bool {
	switch k {
	case ledger.KindBoot, ledger.KindBasis, ledger.KindClockStep, ledger.KindForgiven,
		ledger.KindDecision, ledger.KindPassage, ledger.KindPassUsed, ledger.KindOrdered, ledger.KindPolicyTried:
		return true
	}
	return false
}

// Apply takes the next entry of a door log, with its time in Unix milliseconds.
func (p *Presence) Apply(at int64, body ledger.Body) {
	switch b := body.(type) {
	case *ledger.Boot:
		p.start(at, b.Clock != TrustUnknown.String())
	case *ledger.Basis:
		p.trust(at, b.Clock != TrustUnknown.String())
	case *ledger.ClockStep:
		p.clockSet(b.From, b.To)
	case *ledger.Forgiven:
		p.forgive(passport.ID(b.Passport), b.Before)
	case *ledger.Decision:
		p.decision(at, b)
	case *ledger.Passage:
		due, ok := p.due[b.Seq]
		delete(p.due, b.Seq)
		delete(p.takes, b.Seq)
		if ok && b.Entered {
			p.passes(due, at)
		}
	case *ledger.PassUsed:
		if used, known := p.spent[b.Pass]; known || len(p.spent) < maxPasses {
			p.spent[b.Pass] = max(used+1, used)
			if len(p.takes) < maxDue {
				p.takes[b.Seq] = b.Pass
			}
		}
	case *ledger.Ordered:
		if _, known := p.ordered[b.Origin]; known || len(p.ordered) < maxOrdered {
			p.ordered[b.Origin] = max(p.ordered[b.Origin], b.Index+1)
		}
	case *ledger.PolicyTried:
		if _, known := p.tried[b.Hash]; !known && len(p.tried) == maxTried {
			clear(p.tried) // it is told once more
		}
		p.tried[b.Hash] = b.OK
	}
}

// start begins another run. Who was let in and has not passed when the last one
// broke off may have: they count as gone in, and nobody as gone out. A run that
// ends in order leaves nobody so.
func (p *Presence) start(at int64, known bool) {
	for _, seq := range slices.Sorted(maps.Keys(p.due)) {
		if d := p.due[seq]; !d.Exit {
			p.move(d.Passport, d.seen)
		}
	}
	clear(p.due)
	clear(p.takes)
	p.boot++
	p.known = false // by this run
	p.trust(at, known)
}

func (p *Presence) decision(at int64, b *ledger.Decision) {
	who := passport.ID(b.Passport)
	_, again := p.due[b.Seq]
	delete(p.due, b.Seq) // a second decision of one number takes the first back
	if pass, ok := p.takes[b.Seq]; ok && !b.Granted {
		delete(p.takes, b.Seq)
		if p.spent[pass]--; p.spent[pass] == 0 {
			delete(p.spent, pass)
		}
	}
	if !again {
		p.typed(who, at, b)
	}
	if b.Granted && who != 0 && len(p.due) < maxDue {
		level := b.Reason == Granted.String() || b.Reason == PassbackNoted.String()
		p.due[b.Seq] = passage{who, seen{Side{b.Door, b.Exit}, p.stamp(at)}, level}
	}
}

// typed counts PINs. A wrong one counts whatever else refused it, or it could be
// tried for nothing while a partner's door is open; a right one once all else has
// let it pass. While somebody is locked out none counts: a lockout ends by time.
func (p *Presence) typed(who passport.ID, at int64, b *ledger.Decision) {
	switch _, typed, _ := strings.Cut(b.Mode, "+"); {
	case who == 0, b.Reason == LockedOut.String(), b.Reason == LockedOutDuress.String():
	case typed == "wrong-pin":
		p.typedWrong(who, at)
	case typed != "pin" && typed != "duress":
	case b.Granted, b.Reason == AwaitsSecond.String(), b.Reason == AwaitsEscort.String():
		delete(p.wrong, who)
	}
}

func (p *Presence) typedWrong(who passport.ID, at int64) {
	times, known := p.wrong[who]
	if !known && len(p.wrong) >= maxSeen {
		delete(p.wrong, oldest(p.wrong, func(t []stamp) int64 { return t[len(t)-1].At }))
	}
	if len(times) == maxWrong {
		times = slices.Delete(times, 0, 1)
	}
	p.wrong[who] = append(times, p.stamp(at))
}

// oldest is whose value has the earliest time, of several the lowest number, so
// that everybody who folds a log forgets the same.
func oldest[V any](m map[passport.ID]V, at func(V) int64) (found passport.ID) {
	earliest, ok := int64(0), false
	for id, v := range m {
		if t := at(v); !ok || t < earliest || t == earliest && id < found {
			found, earliest, ok = id, t, true
		}
	}
	return found
}

// passes: somebody goes by a grant.
func (p *Presence) passes(d passage, at int64) {
	d.stamp = p.stamp(at)
	p.move(d.Passport, d.seen)
	if _, known := p.entered[d.Door]; d.Level && !d.Exit && (known || len(p.entered) < maxEntered) {
		p.entered[d.Door] = d.stamp
	}
}

func (p *Presence) move(who passport.ID, s seen) {
	p.forget(who)
	if len(p.last) >= maxSeen {
		gone := oldest(p.last, func(s seen) int64 { return s.At })
		p.forget(gone)
		delete(p.entries, gone)
	}
	p.place(who, s)
	if s.Exit {
		return
	}
	entries := slices.DeleteFunc(p.entries[who], func(e seen) bool { return e.Door == s.Door })
	if len(entries) == maxEntries {
		entries = slices.Delete(entries, 0, 1)
	}
	p.entries[who] = append(entries, s)
}

func (p *Presence) place(who passport.ID, s seen) {
	p.last[who] = s
	if p.at[s.Side] == nil {
		p.at[s.Side] = map[passport.ID]struct{}{}
	}
	p.at[s.Side][who] = struct{}{}
}

func (p *Presence) forget(who passport.ID) {
	if l, ok := p.last[who]; ok {
		delete(p.at[l.Side], who)
		if len(p.at[l.Side]) == 0 {
			delete(p.at, l.Side)
		}
		delete(p.last, who)
	}
}
