package policy

import (
	"crypto/sha256"
	"time"

	"tombolo/edge/strict"
)

// Policy is a valid policy. It is not changed after Parse, so any number of
// goroutines may read it. What is signed is the file, not this type: the
// package doc says how that may change.
type Policy struct {
	Version   uint64 // 1 to 2^63-1; the highest signed version wins
	Node      string // slug
	Roster    Roster
	Zones     map[string]*Zone
	Doors     map[string]*Door
	Levels    map[string]*Level
	Classes   map[string]*Class
	Passports map[uint64][]string // levels granted to one passport, beside its class's

	// Warnings are lawful but probably not meant, sorted by position.
	Warnings []strict.Error

	hash   [32]byte
	grants grants
}

// Roster is what holds for the roster at every door that says nothing else.
type Roster struct {
	MaxAge time.Duration
}

// Zone is a space that doors lead from and to.
type Zone struct {
	Name    string
	Outside bool // the street: whoever is there is not inside
}

// Door is one door and how it behaves. Its wiring is not the policy's affair.
type Door struct {
	Name           string
	Gateway        string // slug of the gateway that drives it
	From, To       string // zones; entering leads from From to To
	Home           bool   // people live behind it
	Strike         time.Duration
	HeldOpen       time.Duration // open for longer is reported
	MaxAge         time.Duration // largest age of the roster
	Stale          Stale         // what then
	Codes          Codes
	Rex            Rex
	RecordFirst    bool // the record is committed before the relay moves
	MechanicalExit bool // always true: Parse refuses a door without
}

// Level is a named set of doors.
type Level struct {
	Name  string
	Doors []string // sorted; all doors if All
	All   bool     // written as "*": also the doors that a later version adds
}

// Class is what every passport of a class may open.
type Class struct {
	Name   string
	Levels []string // sorted
}

// Hash is SHA-256("tombolo/v1/policy\n" ‖ data), data being the file's bytes.
func Hash(data []byte) [32]byte {
	h := sha256.New()
	h.Write([]byte("tombolo/v1/policy\n"))
	h.Write(data)
	return [32]byte(h.Sum(nil))
}

// Hash is Hash of the bytes that p was parsed from.
func (p *Policy) Hash() [32]byte { return p.hash }
