package ledger

import "fmt"

// Kind says what an entry's body is. Numbers are never reused and a kind's
// body never changes: what needs another field gets another kind.
type Kind uint16

// Kinds of every ledger, in the order of the ledgers that they stand in.
const (
	KindBegin   Kind = 1 // first entry of every ledger
	KindDropped Kind = 2 // the author dropped bodies

	KindAdmit          Kind = 16
	KindSuspend        Kind = 17
	KindReinstate      Kind = 18
	KindExpel          Kind = 19
	KindDoorKeyAdded   Kind = 20
	KindDoorKeyRevoked Kind = 21
	KindNodeRegistered Kind = 22
	KindNodeVouched    Kind = 23
	KindSnapshot       Kind = 24
	KindEpochOpened    Kind = 25
	KindFiguresSigned  Kind = 26

	KindGatewayEnrolled Kind = 32
	KindGatewayRemoved  Kind = 33
	KindPolicy          Kind = 34
	KindHome            Kind = 35
	KindHomeEnded       Kind = 36
	KindLockdown        Kind = 37
	KindLockdownLifted  Kind = 38
	KindBar             Kind = 39
	KindGuestPass       Kind = 40
	KindGuestEnded      Kind = 41
	KindForgive         Kind = 42
	KindPinSet          Kind = 43
	KindGatewayVouched  Kind = 44
	KindOpen            Kind = 45

	KindDecision    Kind = 64
	KindPassage     Kind = 65
	KindDoorState   Kind = 66
	KindInput       Kind = 67
	KindBoot        Kind = 68
	KindClockStep   Kind = 69
	KindFault       Kind = 70
	KindForkSeen    Kind = 71
	KindBasis       Kind = 72
	KindPassUsed    Kind = 73
	KindOpening     Kind = 74
	KindLine        Kind = 75
	KindForgiven    Kind = 76
	KindSiblings    Kind = 77
	KindOrdered     Kind = 78
	KindPolicyTried Kind = 79
	KindExpired     Kind = 80
	KindAttendance  Kind = 81

	KindDirectoryKeys Kind = 96
	KindDirectoryGone Kind = 97

	KindOccupancy  Kind = 112
	KindCensusTags Kind = 113
	KindReported   Kind = 114
	KindOpened     Kind = 115

	KindEpochClosed Kind = 128
	KindDraw        Kind = 129
)

// kinds lists what this version knows: a maker of the body's type, the ledgers
// it may stand in, and whether it is written as critical.
var kinds = map[Kind]struct {
	name     string
	body     func() Body
	in       LogKind // "" is every ledger
	critical bool
}{
	KindBegin:           {"Begin", func() Body { return new(Begin) }, "", true},
	KindDropped:         {"Dropped", func() Body { return new(Dropped) }, "", true},
	KindAdmit:           {"Admit", func() Body { return new(Admit) }, CommunityLog, true},
	KindSuspend:         {"Suspend", func() Body { return new(Suspend) }, CommunityLog, true},
	KindReinstate:       {"Reinstate", func() Body { return new(Reinstate) }, CommunityLog, true},
	KindExpel:           {"Expel", func() Body { return new(Expel) }, CommunityLog, true},
	KindDoorKeyAdded:    {"DoorKeyAdded", func() Body { return new(DoorKeyAdded) }, CommunityLog, true},
	KindDoorKeyRevoked:  {"DoorKeyRevoked", func() Body { return new(DoorKeyRevoked) }, CommunityLog, true},
	KindNodeRegistered:  {"NodeRegistered", func() Body { return new(NodeRegistered) }, CommunityLog, false},
	KindNodeVouched:     {"NodeVouched", func() Body { return new(NodeVouched) }, CommunityLog, false},
	KindSnapshot:        {"Snapshot", func() Body { return new(Snapshot) }, CommunityLog, true},
	KindEpochOpened:     {"EpochOpened", func() Body { return new(EpochOpened) }, CommunityLog, false},
	KindFiguresSigned:   {"FiguresSigned", func() Body { return new(FiguresSigned) }, CommunityLog, false},
	KindGatewayEnrolled: {"GatewayEnrolled", func() Body { return new(GatewayEnrolled) }, NodeLog, true},
	KindGatewayRemoved:  {"GatewayRemoved", func() Body { return new(GatewayRemoved) }, NodeLog, true},
	KindPolicy:          {"Policy", func() Body { return new(Policy) }, NodeLog, true},
	KindHome:            {"Home", func() Body { return new(Home) }, NodeLog, true},
	KindHomeEnded:       {"HomeEnded", func() Body { return new(HomeEnded) }, NodeLog, true},
	KindLockdown:        {"Lockdown", func() Body { return new(Lockdown) }, NodeLog, true},
	KindLockdownLifted:  {"LockdownLifted", func() Body { return new(LockdownLifted) }, NodeLog, true},
	KindBar:             {"Bar", func() Body { return new(Bar) }, NodeLog, true},
	KindGuestPass:       {"GuestPass", func() Body { return new(GuestPass) }, NodeLog, true},
	KindGuestEnded:      {"GuestEnded", func() Body { return new(GuestEnded) }, NodeLog, true},
	KindForgive:         {"Forgive", func() Body { return new(Forgive) }, NodeLog, true},
	KindPinSet:          {"PinSet", func() Body { return new(PinSet) }, NodeLog, true},
	KindGatewayVouched:  {"GatewayVouched", func() Body { return new(GatewayVouched) }, NodeLog, false},
	KindOpen:            {"Open", func() Body { return new(Open) }, NodeLog, false}, // unknown, it opens nothing
	KindDecision:        {"Decision", func() Body { return new(Decision) }, DoorLog, false},
	KindPassage:         {"Passage", func() Body { return new(Passage) }, DoorLog, false},
	KindDoorState:       {"DoorState", func() Body { return new(DoorState) }, DoorLog, false},
	KindInput:           {"Input", func() Body { return new(Input) }, DoorLog, false},
	KindBoot:            {"Boot", func() Body { return new(Boot) }, DoorLog, false},
	KindClockStep:       {"ClockStep", func() Body { return new(ClockStep) }, DoorLog, false},
	KindFault:           {"Fault", func() Body { return new(Fault) }, DoorLog, false},
	KindForkSeen:        {"Fork", func() Body { return new(ForkSeen) }, DoorLog, false},
	KindBasis:           {"Basis", func() Body { return new(Basis) }, DoorLog, false},
	KindPassUsed:        {"PassUsed", func() Body { return new(PassUsed) }, DoorLog, false},
	KindOpening:         {"Opening", func() Body { return new(Opening) }, DoorLog, false},
	KindLine:            {"Line", func() Body { return new(Line) }, DoorLog, false},
	KindForgiven:        {"Forgiven", func() Body { return new(Forgiven) }, DoorLog, false},
	KindSiblings:        {"Siblings", func() Body { return new(Siblings) }, DoorLog, false},
	KindOrdered:         {"Ordered", func() Body { return new(Ordered) }, DoorLog, false},
	KindPolicyTried:     {"PolicyTried", func() Body { return new(PolicyTried) }, DoorLog, false},
	KindExpired:         {"Expired", func() Body { return new(Expired) }, DoorLog, false},
	KindAttendance:      {"Attendance", func() Body { return new(Attendance) }, DoorLog, false},
	KindDirectoryKeys:   {"DirectoryKeys", func() Body { return new(DirectoryKeys) }, DirectoryLog, false},
	KindDirectoryGone:   {"DirectoryGone", func() Body { return new(DirectoryGone) }, DirectoryLog, false},
	KindOccupancy:       {"Occupancy", func() Body { return new(Occupancy) }, ReportLog, false},
	KindCensusTags:      {"CensusTags", func() Body { return new(CensusTags) }, ReportLog, false},
	KindReported:        {"Reported", func() Body { return new(Reported) }, ReportLog, false},
	KindOpened:          {"Opened", func() Body { return new(Opened) }, ReportLog, false},
	KindEpochClosed:     {"EpochClosed", func() Body { return new(EpochClosed) }, CensusLog, false},
	KindDraw:            {"Draw", func() Body { return new(Draw) }, CensusLog, false},
}

func (k Kind) String() string {
	if d, ok := kinds[k]; ok {
		return d.name
	}
	return fmt.Sprintf("kind %d", uint16(k))
}

// Known reports whether this version can read the kind.
func (k Kind) Known() bool { _, ok := kinds[k]; return ok }

// KnownKinds lists every kind this version reads, in ascending order.
func KnownKinds() []Kind {
	return sortedKeys(kinds)
}

// Critical reports whether entries of this kind are written as critical: a
// reader that does not know the kind has to stop there.
func (k Kind) Critical() bool { return kinds[k].critical }

// In reports whether the kind belongs in a ledger of that kind.
func (k Kind) In(l LogKind) bool {
	d, ok := kinds[k]
	return ok && (d.in == "" || d.in == l)
}
