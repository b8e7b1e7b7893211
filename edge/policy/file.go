package policy

import (
	"errors"
	"strconv"

	"tombolo/edge/strict"
)

// file is the policy as it is written. Tags: see package strict.
type file struct {
	Version   int64                     `toml:"version" min:"1" required:"count the file's versions: 1 for the first, one more at each change; the highest wins"`
	Node      strict.Slug               `toml:"node" required:"name the node that this policy is for, as in \"casa\""`
	Roster    fileRoster                `toml:"roster"`
	Zones     map[strict.Slug]fileZone  `toml:"zones" required:"name the zones that the doors lead from and to, as in [zones.house]"`
	Doors     map[strict.Slug]*fileDoor `toml:"doors" required:"a policy has at least one door, as in [doors.front]"`
	Levels    map[strict.Slug]fileLevel `toml:"levels"`
	Classes   map[strict.Slug]fileGrant `toml:"classes"`
	Passports map[passportKey]fileGrant `toml:"passports"`
}

type fileRoster struct {
	MaxAge *strict.Duration `toml:"max_age" min:"1m" max:"365d" eg:"7d"`
}

type fileZone struct {
	Outside bool `toml:"outside"`
}

type fileDoor struct {
	Gateway        strict.Slug      `toml:"gateway" required:"name the gateway that drives this door, as in \"gw1\""`
	From           strict.Slug      `toml:"from" required:"name the zone that this door leads from"`
	To             strict.Slug      `toml:"to" required:"name the zone that this door leads to"`
	Home           bool             `toml:"home"`
	Strike         *strict.Duration `toml:"strike" min:"1s" max:"255s" eg:"5s"`
	HeldOpen       *strict.Duration `toml:"held_open" min:"1s" max:"1h" eg:"30s"`
	MaxAge         *strict.Duration `toml:"max_age" min:"1m" max:"365d" eg:"72h"`
	Stale          Stale            `toml:"stale"`
	Codes          Codes            `toml:"codes"`
	Rex            Rex              `toml:"rex"`
	RecordFirst    bool             `toml:"record_first"`
	MechanicalExit bool             `toml:"mechanical_exit" required:"say mechanical_exit = true once you have tried it: people must get out of this door without power, network or permission (fire safety)"`
}

type fileLevel struct {
	Doors []string `toml:"doors" required:"list the doors of this level, or [\"*\"] for all"`
}

type fileGrant struct {
	Levels []string `toml:"levels" required:"list the levels that are granted"`
}

// passportKey is a passport's number as a TOML key: decimal, from 1, without
// leading zeros, so that one passport cannot be written twice.
type passportKey uint64

// ErrPassport: a key under [passports] that is no passport's number.
var ErrPassport = errors.New("want a passport's number in decimal, from 1, as in [passports.17]")

func (k *passportKey) UnmarshalText(text []byte) error {
	n, err := strconv.ParseUint(string(text), 10, 64)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != string(text) {
		return ErrPassport
	}
	*k = passportKey(n)
	return nil
}
