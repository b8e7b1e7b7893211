package access

import (
	"fmt"
	"math"
	"time"

	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// Basis is what the ledgers say beside the holder: the part of the roster that
// is ready in memory. It is never changed; when the ledgers grow there is
// another. The zero value knows nothing.
type Basis struct {
	Generation uint64         // counts those of one process; a holder found under an older one is looked up again
	Policy     *policy.Policy // nil before the first signed one
	Floor      int64          // Unix seconds: no clock that shows less is right
	Fresh      int64          // Unix seconds: the issuer heard longest ago was heard then; 0 if none ever was

	Homes     map[string]map[Resident]int64 // door → who → end, Unix seconds
	Lockdowns map[string]int64              // of the policy's doors those that are under one → end, Unix seconds
	Bars      map[passport.ID]int64         // → end, Unix seconds
	Passes    map[passport.ID][]Pass        // those that have not been ended, oldest first
	Forgiven  map[passport.ID]int64         // up to when what Presence remembers of each is to be forgotten, Unix milliseconds; 0 stands for everybody

	Siblings map[ledger.KeyID]string // the node's other gateways → their names, by the keys that write their door logs
	Opens    []Order                 // doors that stewards opened from afar within the last day, ascending by origin and index
	Tried    []Tried                 // what became of policies that were tried

	Sources []ledger.Source // what it was made of, ascending by origin
}

// Resident is a passport and the wallet whose keys open its home.
type Resident struct {
	Passport passport.ID
	Wallet   [20]byte
}

// Pass is a guest's.
type Pass struct {
	ID        ledger.PassID
	Levels    []string
	NotBefore int64  // Unix seconds
	NotAfter  int64  // it is over from then on
	Uses      uint32 // 0: any number
}

// Order is a steward's Open: the entry Index of the node's ledger Origin.
type Order struct {
	Origin string
	Index  int64
	At     int64 // by its author, Unix milliseconds
	Door   string
}

// Tried is a policy that the gateway has tried to live with.
type Tried struct {
	Version uint64
	Hash    [32]byte
	OK      bool
	Why     string // not
}

// maxAhead is how far an issuer's clock may be ahead of the gateway's.
const maxAhead = 24 * time.Hour

// LivesHere reports whether a passport has its home behind a door, and the
// wallet is that of the home. Without a clock no home has ended.
func (b *Basis) LivesHere(door string, p passport.ID, wallet [20]byte, c Clock) bool {
	ends, ok := b.Homes[door][Resident{p, wallet}]
	return ok && (!c.Known() || c.Now.Unix() < ends)
}

// Age is the time since the issuers were last heard, in whole seconds, by the
// one that was heard longest ago; negative if none ever was, or at a time to
// come by more than a day. A smaller lead counts as now.
func (b *Basis) Age(now time.Time) time.Duration {
	if b.Fresh == 0 || b.Fresh > now.Add(maxAhead).Unix() {
		return -1
	}
	return time.Duration(max(0, now.Unix()-b.Fresh)) * time.Second
}

// LockedDown reports whether a lockdown holds at a door. Without a clock it ends
// when an author has signed something later than its end.
func (b *Basis) LockedDown(door string, c Clock) bool {
	ends, ok := b.Lockdowns[door]
	return ok && b.reached(c) < ends
}

// Barred is like LockedDown, for a passport.
func (b *Basis) Barred(p passport.ID, c Clock) bool {
	ends, ok := b.Bars[p]
	return ok && b.reached(c) < ends
}

// reached is a time that has certainly come, Unix seconds.
func (b *Basis) reached(c Clock) int64 {
	if c.Known() {
		return max(b.Floor, c.Now.Unix())
	}
	return b.Floor
}

// Trust is where a clock has its time from: the higher, the better.
type Trust uint8

// The kinds of trust. Unknown decides nothing that needs a time.
const (
	TrustUnknown Trust = iota // not set: it shows a time that is over
	TrustFloor                // shows a time that may be: none of the authors has signed a later one
	TrustRTC                  // set at the start from a clock that runs on a battery
	TrustNTP                  // the kernel says that it is synchronised
)

var trusts = [...]string{"unknown", "floor", "rtc", "ntp"}

func (t Trust) String() string {
	if int(t) < len(trusts) {
		return trusts[t]
	}
	return fmt.Sprintf("trust-%d", uint8(t))
}

// ParseTrust reads what String writes; anything else is unknown.
func ParseTrust(s string) Trust {
	for i, name := range trusts {
		if s == name {
			return Trust(i)
		}
	}
	return TrustUnknown
}

// Meets reports whether a clock is as good as a door wants it.
func (t Trust) Meets(least policy.ClockTrust) bool { return t >= TrustFloor+Trust(least) }

// Clock is what the gateway's clock shows, and how far to believe it.
type Clock struct {
	Now   time.Time
	Trust Trust
}

// Known reports whether anything may be decided by it.
func (c Clock) Known() bool { return c.Trust > TrustUnknown }

// Forever is an end that never comes, in Unix seconds.
const Forever = math.MaxInt64
