package hub

import (
	"encoding/hex"
	"time"

	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// The answers of the API. New fields may be added; those that are here keep their
// names and meaning. Times are Unix seconds; keys, ids and hashes are in lower-case
// hexadecimal.

// Hex is a key, an id or a hash of 32 bytes.
type Hex [32]byte

// MarshalText is in lower-case hexadecimal.
func (h Hex) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, h[:]), nil }

// UnmarshalText is strict.
func (h *Hex) UnmarshalText(b []byte) error {
	if len(b) != 2*len(h) {
		return errHex
	}
	if _, err := hex.Decode(h[:], b); err != nil {
		return errHex
	}
	for _, c := range b {
		if c >= 'A' && c <= 'F' {
			return errHex
		}
	}
	return nil
}

func (h Hex) String() string { return hex.EncodeToString(h[:]) }

// CommunityAnswer is /v1/community.
type CommunityAnswer struct {
	ID       Hex           `json:"id"`
	Slug     string        `json:"slug"`
	Charter  uint64        `json:"charter_version"`
	Hub      Hex           `json:"hub"` // by this process's key
	Named    bool          `json:"named"`
	Software string        `json:"software"`
	Time     int64         `json:"time"`
	Estate   census.Estate `json:"estate"`
}

// EpochsAnswer is /v1/epochs: by when they open.
type EpochsAnswer struct {
	Epochs []EpochAnswer `json:"epochs"`
	Next   string        `json:"next,omitempty"`
}

// EpochAnswer is /v1/epochs/{epoch}. What is signed of it stands in the ledgers.
type EpochAnswer struct {
	ID        Hex              `json:"id"`
	Number    uint64           `json:"number"`
	State     string           `json:"state"` // announced, open, closing, closed, drawn, over
	Opens     int64            `json:"opens"`
	Closes    int64            `json:"closes"`
	Audit     int64            `json:"audit"`
	Key       Hex              `json:"key"`
	Evaluator Hex              `json:"evaluator"`
	Issuer    string           `json:"issuer"` // key id
	Beacon    string           `json:"beacon"`
	Sample    uint32           `json:"sample"`
	Quota     uint32           `json:"quota"`
	Auditors  []AuditorAnswer  `json:"auditors"`
	Reports   ReportCounts     `json:"reports"`
	Closed    *ClosedAnswer    `json:"closed,omitempty"`
	Draw      *DrawAnswer      `json:"draw,omitempty"`
	Attested  []AttestedAnswer `json:"attested"` // what issuers say, and nobody checks
	Wrong     string           `json:"wrong,omitempty"`
}

// AuditorAnswer is somebody to whom drawn tags are opened.
type AuditorAnswer struct {
	Name    string `json:"name"`
	Sealing Hex    `json:"sealing"`
}

// ReportCounts are how many reports of an epoch are here.
type ReportCounts struct {
	In     int `json:"in"`     // that count, or did at the close
	Faulty int `json:"faulty"` // that do not
	Late   int `json:"late"`   // that came after the close
}

// ClosedAnswer is what an epoch was closed with. Passports is null when it is
// withheld: fewer than 20.
type ClosedAnswer struct {
	Time      int64   `json:"time"`
	Ledger    string  `json:"ledger"`
	Index     int64   `json:"index"`
	Passports *uint64 `json:"passports"`
	Root      Hex     `json:"root"`
	Rules     uint    `json:"rules"`
	Reports   uint32  `json:"reports"`
	Covers    Hex     `json:"covers"`
	Nodes     uint32  `json:"nodes"`
	Doors     uint32  `json:"doors"`
	Floor     uint64  `json:"floor"`
}

// DrawAnswer is an epoch's draw.
type DrawAnswer struct {
	Time   int64  `json:"time"`
	Ledger string `json:"ledger"`
	Index  int64  `json:"index"`
	Root   Hex    `json:"root"`
	Size   uint64 `json:"size"`
	Seed   Hex    `json:"seed"`
	Source string `json:"source"`
}

// AttestedAnswer is a total that an issuer signed.
type AttestedAnswer struct {
	Issuer string `json:"issuer"` // key id
	Name   string `json:"name"`
	Unit   string `json:"unit"`
	Amount int64  `json:"amount"`
	People uint32 `json:"people"`
}

// CoversAnswer is /v1/epochs/{epoch}/covers: by ledger. How many tags each has is
// not published, see the package's documentation; nor is how long each ledger is, by
// which the next close would say how many of its tags were opened since.
type CoversAnswer struct {
	Hash   Hex             `json:"hash"` // of the whole, that auditors are given
	Covers []CoveredAnswer `json:"covers"`
	Next   string          `json:"next,omitempty"`
}

// CoveredAnswer is the head of a report ledger up to which it counts, by its root.
type CoveredAnswer struct {
	Ledger string `json:"ledger"`
	Root   Hex    `json:"root"`
	Node   Hex    `json:"node"`
}

// ReportsAnswer is /v1/epochs/{epoch}/reports: by ledger, and the oldest first.
type ReportsAnswer struct {
	Reports []ReportAnswer `json:"reports"`
	Next    string         `json:"next,omitempty"`
}

// ReportAnswer is one report.
type ReportAnswer struct {
	Ledger string `json:"ledger"`
	Node   Hex    `json:"node"`
	Slug   string `json:"slug,omitempty"`
	State  string `json:"state"` // counts, covered, late, faulty, replaced
	Fault  string `json:"fault,omitempty"`

	entry int64  // of its Reported
	nth   uint64 // of its ledger's
}

// ProofAnswer is /v1/epochs/{epoch}/proof/{tag}: one of the two, in base64 as
// census.ParseProof and census.ParseAbsence read it.
type ProofAnswer struct {
	Proof   []byte `json:"proof,omitempty"`
	Absence []byte `json:"absence,omitempty"`
}

// OpeningsAnswer is /v1/epochs/{epoch}/openings/{auditor}: by tag.
type OpeningsAnswer struct {
	Openings []OpeningAnswer `json:"openings"`
	Next     string          `json:"next,omitempty"`
}

// OpeningAnswer is what a gateway sealed to an auditor: for census.Unseal. There may
// be several for a tag that several nodes reported.
type OpeningAnswer struct {
	Draw   Hex    `json:"draw"`
	Tag    Hex    `json:"tag"`
	Sealed []byte `json:"sealed"` // base64
}

// OccupancyAnswer is /v1/occupancy: who is surely there now, in tens, as the gateways
// say. What is smaller than 20 is not there, nor what it could be computed from.
type OccupancyAnswer struct {
	Time  int64        `json:"time"`
	Total *uint64      `json:"total"` // null: withheld
	Nodes []NodeAnswer `json:"nodes"`
}

// NodeAnswer is a node of which something is said.
type NodeAnswer struct {
	Node  Hex          `json:"node"`
	Slug  string       `json:"slug"`
	Sure  *uint64      `json:"sure"` // null: withheld
	Zones []ZoneAnswer `json:"zones"`
}

// ZoneAnswer is a zone of which something is said: at least Sure, at most Most.
type ZoneAnswer struct {
	Zone string `json:"zone"`
	Sure uint64 `json:"sure"`
	Most uint64 `json:"most"`
	Age  int64  `json:"age"` // seconds
}

// LedgersAnswer is /v1/ledgers: by origin.
type LedgersAnswer struct {
	Ledgers []LedgerAnswer `json:"ledgers"`
	Next    string         `json:"next,omitempty"`
}

// LedgerAnswer is a ledger's head as it is held, and who else said what of it.
type LedgerAnswer struct {
	Origin string       `json:"origin"`
	Author Hex          `json:"author"`
	Size   int64        `json:"size"`
	Root   Hex          `json:"root"`
	Time   uint64       `json:"time"`
	Note   string       `json:"note"`
	Held   []HeldAnswer `json:"held"`
}

// HeldAnswer is a cosigned head: Role is hold or witness.
type HeldAnswer struct {
	Peer string `json:"peer"` // key id
	Role string `json:"role"`
	Size int64  `json:"size"`
	Time uint64 `json:"time"`
	Note string `json:"note"`
}

// answerOf is an epoch as it is shown.
func answerOf(e *Epoch, now time.Time, counts ReportCounts, attested []census.Attested) EpochAnswer {
	o := e.Opened
	out := EpochAnswer{
		ID: Hex(e.ID), Number: o.Number, State: e.state(now), Opens: o.Opens, Closes: o.Closes, Audit: o.Audit, Key: o.Key, Evaluator: o.Evaluator,
		Issuer: e.Issuer.String(), Beacon: o.Beacon, Sample: o.Sample, Quota: o.Quota, Auditors: []AuditorAnswer{}, Reports: counts, Attested: []AttestedAnswer{},
	}
	for _, a := range o.Auditors {
		out.Auditors = append(out.Auditors, AuditorAnswer{a.Name, a.Sealing})
	}
	for _, a := range attested {
		out.Attested = append(out.Attested, AttestedAnswer{a.Issuer.String(), a.Name, a.Unit, a.Amount, a.People})
	}
	if len(e.Closed) > 0 {
		c := e.Closed[0]
		out.Closed = &ClosedAnswer{
			Time: c.Time.Unix(), Ledger: c.Origin.String(), Index: c.Index, Root: c.Root, Rules: c.Rules, Reports: c.Reports, Covers: c.Covers, Nodes: c.Nodes, Doors: c.Doors, Floor: c.Floor,
		}
		if !c.Withheld {
			out.Closed.Passports = &c.Size
		}
	}
	if len(e.Draws) > 0 {
		d := e.Draws[0]
		out.Draw = &DrawAnswer{d.Time.Unix(), d.Origin.String(), d.Index, d.Root, d.Size, d.Seed, d.Source}
	}
	if _, err := e.closed(); err == ErrTwoClosed {
		out.Wrong = "the census ledger closes it twice, with different lists"
	} else if len(e.Draws) > 1 {
		out.Wrong = "the census ledger has more than one draw"
	}
	return out
}

// state is where an epoch stands.
func (e *Epoch) state(now time.Time) string {
	t := now.Unix()
	switch {
	case t < e.Opened.Opens:
		return "announced"
	case t < e.Opened.Closes:
		return "open"
	case t >= e.Opened.Audit:
		return "over"
	case len(e.Closed) == 0:
		return "closing"
	case len(e.Draws) == 0:
		return "closed"
	}
	return "drawn"
}

// occupancyAnswer withholds what is small. freshest is for how long a figure is one.
func occupancyAnswer(v *view, now time.Time) OccupancyAnswer {
	const total = "*"
	live := []zoneOf{}
	sums := map[ledger.CharterID]uint64{}
	for _, z := range v.zones {
		if age := now.UnixMilli() - z.at; age > freshest.Milliseconds() || age < -freshest.Milliseconds() {
			continue
		}
		live = append(live, z)
		sums[z.node] += uint64(z.sure / 10 * 10)
	}
	cells := []census.Cell{{Name: total}}
	for _, z := range live {
		sure := uint64(z.sure / 10 * 10)
		if node := z.node.String(); cells[len(cells)-1].Parent != node {
			cells = append(cells, census.Cell{Name: node, Value: sums[z.node], Parent: total})
			cells[0].Value += sums[z.node]
		}
		cells = append(cells, census.Cell{Name: z.node.String() + "/" + z.name, Value: sure, Parent: z.node.String()})
	}
	cells = census.Suppress(cells)
	out := OccupancyAnswer{Time: now.Unix(), Nodes: []NodeAnswer{}}
	if !cells[0].Withheld {
		out.Total = &cells[0].Value
	}
	at := 1
	for i := 0; i < len(live); {
		node := live[i].node
		a := NodeAnswer{Node: Hex(node), Slug: v.slugs[node], Zones: []ZoneAnswer{}}
		if c := cells[at]; !c.Withheld {
			a.Sure = &c.Value
		}
		for at++; i < len(live) && live[i].node == node; i, at = i+1, at+1 {
			if z := live[i]; !cells[at].Withheld {
				_, most := census.Rounded(z.sure, z.most)
				a.Zones = append(a.Zones, ZoneAnswer{z.name, cells[at].Value, uint64(most), max(0, (now.UnixMilli()-z.at)/1000)})
			}
		}
		if a.Sure != nil || len(a.Zones) > 0 {
			out.Nodes = append(out.Nodes, a)
		}
	}
	return out
}

// freshest is for how long what a gateway said of a zone is shown: it says it anew
// when it has changed, and every hour; a zone that became small falls silent.
const freshest = 2 * time.Hour
