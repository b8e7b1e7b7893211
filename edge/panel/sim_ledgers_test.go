package panel_test

import (
	"encoding/binary"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/panel"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// simLedgers is what the ledgers say, and what they said: each version is one
// Basis, and a holder is remembered from version to version. It is the World of
// a Replay.
type simLedgers struct {
	simDice
	now      access.Basis // as the next version has it; its maps are copied
	bases    []*access.Basis
	holders  map[passport.KeyID][]simHolder
	keys     []passport.KeyID
	changed  *simChange                        // for a Replay under another policy
	others   map[*policy.Policy]*policy.Policy // each policy with the change
	at       int                               // the version that a Replay has reached
	siblings map[ledger.Origin][]panel.Logged  // door logs of other gateways
}

type simHolder struct {
	version int
	access.Holder
}

const simPassports = 10

var (
	simNode   = passport.NodeID{7}
	simOrigin = "tombolo/v1/" + strings.Repeat("1", 64) + "/node/" + strings.Repeat("2", 32) + "/" + strings.Repeat("3", 16)
)

// newSimLedgers admits people: some have two keys, some nobody has admitted.
func newSimLedgers(r *rand.Rand, at time.Time) *simLedgers {
	l := &simLedgers{simDice: simDice{r}, holders: map[passport.KeyID][]simHolder{}, others: map[*policy.Policy]*policy.Policy{}, siblings: map[ledger.Origin][]panel.Logged{}}
	l.now = access.Basis{
		Homes: map[string]map[access.Resident]int64{}, Lockdowns: map[string]int64{}, Bars: map[passport.ID]int64{},
		Passes: map[passport.ID][]access.Pass{}, Forgiven: map[passport.ID]int64{},
	}
	for n := passport.ID(1); n <= simPassports; n++ {
		class := l.one(simClasses...)
		if l.in(12) {
			class = "stranger"
		}
		for k := range 1 + l.IntN(2) {
			h := access.Holder{
				Known: true, ByOwner: true, Admitted: true, Class: class, Wallet: [20]byte{byte(n)},
				NotBefore: at.Add(-100 * time.Hour).Unix(), NotAfter: at.Add(400 * time.Hour).Unix(),
				Delegation: passport.Delegation{
					Passport: n, Mode: passport.ModeTap | passport.ModeWindow,
					NotBefore: uint64(at.Add(-100 * time.Hour).Unix()), NotAfter: uint64(at.Add(400 * time.Hour).Unix()),
				},
			}
			binary.BigEndian.PutUint64(h.KeyID[:], uint64(n)<<8|uint64(k))
			if l.in(8) {
				h.Delegation.Scope = passport.NodeTarget(simNode)
			}
			l.holders[h.KeyID] = []simHolder{{0, h}}
			l.keys = append(l.keys, h.KeyID)
		}
	}
	return l
}

// publish makes a version of what the ledgers say now.
func (l *simLedgers) publish() *access.Basis {
	b := l.now
	n := len(l.bases) + 1
	b.Generation = uint64(n)
	b.Homes = map[string]map[access.Resident]int64{}
	for door, people := range l.now.Homes {
		b.Homes[door] = maps.Clone(people)
	}
	b.Lockdowns, b.Bars, b.Forgiven = maps.Clone(b.Lockdowns), maps.Clone(b.Bars), maps.Clone(b.Forgiven)
	b.Passes = map[passport.ID][]access.Pass{}
	for who, passes := range l.now.Passes {
		b.Passes[who] = slices.Clone(passes)
	}
	b.Sources = []ledger.Source{{Origin: simOrigin, Size: int64(n)}}
	l.bases = append(l.bases, &b)
	return &b
}

// holder is what a version says of a key.
func (l *simLedgers) holder(id passport.KeyID, version int) access.Holder {
	history := l.holders[id]
	for _, h := range slices.Backward(history) {
		if h.version <= version {
			return h.Holder
		}
	}
	return access.Holder{}
}

// hold changes a holder, for the version that publish makes next.
func (l *simLedgers) hold(id passport.KeyID, f func(*access.Holder)) {
	h := l.holder(id, len(l.bases)+1)
	f(&h)
	l.holders[id] = append(l.holders[id], simHolder{len(l.bases) + 1, h})
}

// all changes what is said of a passport with each of its keys.
func (l *simLedgers) all(who passport.ID, f func(*access.Holder)) {
	for _, id := range l.keys {
		if l.holder(id, len(l.bases)+1).Delegation.Passport == who {
			l.hold(id, f)
		}
	}
}

// enact changes one thing, drawn by lot. now is what the steward's clock shows.
func (l *simLedgers) enact(now time.Time, doors []string) {
	who := passport.ID(1 + l.IntN(simPassports))
	key := l.keys[l.IntN(len(l.keys))]
	door := l.one(doors...)
	soon := now.Add(time.Duration(1+l.IntN(300)) * time.Second).Unix()
	b := &l.now
	switch l.IntN(18) {
	case 0:
		l.hold(key, func(h *access.Holder) { h.Revoked, h.ClosedAtHome = true, l.in(2) })
	case 1, 2, 7: // the key of another card in its place
		l.hold(key, func(h *access.Holder) { h.Revoked, h.ClosedAtHome = false, false })
	case 3:
		l.all(who, func(h *access.Holder) { h.Suspended = l.in(4) })
	case 4:
		l.all(who, func(h *access.Holder) { h.Expelled = l.in(4) })
	case 5:
		l.oddity(who, key, soon)
	case 6:
		if b.Homes[door] == nil {
			b.Homes[door] = map[access.Resident]int64{}
		}
		end := int64(access.Forever)
		if l.in(3) {
			end = soon // the notice has been given
		}
		b.Homes[door][access.Resident{Passport: who, Wallet: [20]byte{byte(who)}}] = end
	case 8:
		delete(b.Homes, door)
	case 9, 10:
		b.Lockdowns[door] = soon
		if l.in(4) {
			for _, d := range doors {
				b.Lockdowns[d] = soon
			}
		}
	case 11:
		clear(b.Lockdowns)
	case 12:
		b.Bars[who] = soon
		if l.in(2) {
			clear(b.Bars)
		}
	case 13, 14:
		l.guest(who, now)
	case 15:
		delete(b.Passes, who)
	case 16:
		b.Forgiven[who] = now.UnixMilli()
		if l.in(3) {
			b.Forgiven[0] = now.UnixMilli()
		}
	case 17:
		b.Floor = max(b.Floor, now.Unix()-int64(l.IntN(100)))
	}
	if !l.in(4) {
		b.Fresh = now.Unix() - int64(l.IntN(900))
	}
}

// oddity is one of the rarer things that a roster says of a holder; the next for
// the same takes it back.
func (l *simLedgers) oddity(who passport.ID, key passport.KeyID, soon int64) {
	if !l.in(3) {
		l.all(who, func(h *access.Holder) {
			h.Admitted, h.Disputed, h.ByOwner, h.NotBefore, h.NotAfter = true, false, true, 0, soon+400*3600
			h.Delegation.NotBefore, h.Delegation.NotAfter = 0, uint64(soon+400*3600)
		})
		return
	}
	switch l.IntN(11) {
	case 9, 10: // the key's place was taken by another
		l.hold(key, func(h *access.Holder) { h.Delegation.Key.Kind++ })
	case 8:
		l.hold(key, func(h *access.Holder) { h.Delegation.NotBefore = uint64(soon) })
	case 0:
		l.all(who, func(h *access.Holder) { h.Admitted = false })
	case 1:
		l.all(who, func(h *access.Holder) { h.Disputed = true })
	case 2:
		l.hold(key, func(h *access.Holder) { h.ByOwner = false })
	case 3:
		l.hold(key, func(h *access.Holder) { h.Delegation.Mode = passport.ModeTap })
	case 4:
		l.hold(key, func(h *access.Holder) { h.Delegation.NotAfter = uint64(soon) })
	case 5:
		l.all(who, func(h *access.Holder) { h.NotAfter = soon })
	case 6:
		l.all(who, func(h *access.Holder) { h.NotBefore = soon })
	case 7:
		l.all(who, func(h *access.Holder) { h.Class = l.one(simClasses...) })
	}
}

func (l *simLedgers) guest(who passport.ID, now time.Time) {
	pass := access.Pass{
		Levels: l.some(simLevels), Uses: uint32(l.IntN(4)),
		NotBefore: now.Add(time.Duration(l.IntN(300)-200) * time.Second).Unix(),
		NotAfter:  now.Add(time.Duration(60+l.IntN(9000)) * time.Second).Unix(),
	}
	binary.BigEndian.PutUint64(pass.ID[:], l.Uint64()|1)
	l.now.Passes[who] = append(l.now.Passes[who], pass)
}

// Basis is panel.World.
func (l *simLedgers) Basis(b *ledger.Basis, _ access.Clock) (*access.Basis, error) {
	l.at = int(b.Sources[0].Size)
	basis := l.bases[l.at-1]
	if l.changed == nil || basis.Policy == nil {
		return basis, nil
	}
	other := *basis
	other.Policy = l.others[basis.Policy]
	return &other, nil
}

// ByKey is panel.World.
func (l *simLedgers) ByKey(id passport.KeyID) (access.Holder, error) { return l.holder(id, l.at), nil }

// Sibling is panel.World.
func (l *simLedgers) Sibling(log ledger.Origin, from, size int64) ([]panel.Logged, error) {
	all := l.siblings[log]
	if size > int64(len(all)) {
		return nil, panel.ErrNotHeld
	}
	return all[from:size], nil
}

var _ panel.World = (*simLedgers)(nil)
