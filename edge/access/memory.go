package access

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"tombolo/passport"
	"tombolo/sync/ledger"
)

// memoryFormat counts the ways in which a Presence was ever written. Another one
// is not read: whoever kept it makes it again from the door logs.
const memoryFormat = 3

// memory is a Presence as it is kept between two runs. It is the gateway's own
// and can be made again from its door logs; it may change with its format.
type memory struct {
	Format   int                     `json:"format"`
	Boot     uint64                  `json:"boot"`
	Known    bool                    `json:"known"`
	Last     map[passport.ID]seen    `json:"last"`
	Entries  map[passport.ID][]seen  `json:"entries"`
	Spent    map[string]uint32       `json:"spent"` // by guest pass
	Wrong    map[passport.ID][]stamp `json:"wrong"`
	Entered  map[string]stamp        `json:"entered"`
	Forgiven map[passport.ID]int64   `json:"forgiven"`
	Due      map[uint64]passage      `json:"due"`
	Takes    map[uint64]string       `json:"takes"`   // guest pass by decision
	Ordered  map[string]int64        `json:"ordered"` // by origin
	Tried    map[string]bool         `json:"tried"`   // by hash, in hexadecimal
}

// MarshalJSON writes all that is remembered: the same for the same.
func (p *Presence) MarshalJSON() ([]byte, error) {
	m := memory{
		memoryFormat, p.boot, p.known, p.last, p.entries, make(map[string]uint32, len(p.spent)), p.wrong, p.entered, p.forgiven,
		p.due, make(map[uint64]string, len(p.takes)), p.ordered, make(map[string]bool, len(p.tried)),
	}
	for pass, n := range p.spent {
		m.Spent[pass.String()] = n
	}
	for seq, pass := range p.takes {
		m.Takes[seq] = pass.String()
	}
	for hash, ok := range p.tried {
		m.Tried[hex.EncodeToString(hash[:])] = ok
	}
	return json.Marshal(m)
}

// ErrPresence says that what was kept cannot be read; it is to be made again.
var ErrPresence = errors.New("what was remembered of people cannot be read")

// UnmarshalJSON reads what MarshalJSON writes. All its errors are ErrPresence, and
// leave p as it was.
func (p *Presence) UnmarshalJSON(data []byte) error {
	read, err := parseMemory(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPresence, err)
	}
	*p = *read
	return nil
}

func parseMemory(data []byte) (*Presence, error) {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var m memory
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows")
	}
	if m.Format != memoryFormat {
		return nil, fmt.Errorf("format %d, and this software reads %d", m.Format, memoryFormat)
	}
	p := NewPresence()
	for text, n := range m.Spent {
		pass, err := ledger.ParsePassID(text)
		switch {
		case err != nil:
			return nil, err
		case n == 0:
			return nil, fmt.Errorf("pass %s was spent on nothing", pass)
		}
		p.spent[pass] = n
	}
	taken := map[ledger.PassID]uint32{}
	for seq, text := range m.Takes {
		pass, err := ledger.ParsePassID(text)
		switch {
		case err != nil:
			return nil, err
		case p.spent[pass] == 0:
			return nil, fmt.Errorf("pass %s was spent on decision %d and on nothing", pass, seq)
		}
		if taken[pass]++; taken[pass] > p.spent[pass] {
			return nil, fmt.Errorf("pass %s was spent on more decisions than entries", pass)
		}
		p.takes[seq] = pass
	}
	for text, ok := range m.Tried {
		hash, err := hex.DecodeString(text)
		if err != nil || len(hash) != len([32]byte{}) || hex.EncodeToString(hash) != text {
			return nil, fmt.Errorf("%q is no policy's hash", text)
		}
		p.tried[[32]byte(hash)] = ok
	}
	if err := m.check(); err != nil {
		return nil, err
	}
	p.boot, p.known = m.Boot, m.Known
	for who, s := range m.Last {
		p.place(who, s)
	}
	maps.Copy(p.entries, m.Entries)
	maps.Copy(p.wrong, m.Wrong)
	maps.Copy(p.entered, m.Entered)
	maps.Copy(p.forgiven, m.Forgiven)
	maps.Copy(p.due, m.Due)
	maps.Copy(p.ordered, m.Ordered)
	return p, nil
}

// check holds what was read to what Apply could have made.
func (m *memory) check() error {
	for _, n := range [...]struct {
		what      string
		have, max int
	}{
		{"passports", len(m.Last), maxSeen}, {"guest passes", len(m.Spent), maxPasses}, {"passports with wrong PINs", len(m.Wrong), maxSeen},
		{"doors", len(m.Entered), maxEntered}, {"grants", len(m.Due), maxDue}, {"entries of guest passes", len(m.Takes), maxDue},
		{"forgiven passports", len(m.Forgiven), maxSeen}, {"ledgers with orders", len(m.Ordered), maxOrdered}, {"policies", len(m.Tried), maxTried},
	} {
		if n.have > n.max {
			return fmt.Errorf("%d %s, at most %d", n.have, n.what, n.max)
		}
	}
	for who, s := range m.Last {
		if err := m.checkSeen(who, s); err != nil {
			return err
		}
	}
	for who, entries := range m.Entries {
		if _, ok := m.Last[who]; !ok {
			return fmt.Errorf("passport %d entered and was not seen", who)
		}
		if n := len(entries); n == 0 || n > maxEntries {
			return fmt.Errorf("%d entries of passport %d, at most %d", n, who, maxEntries)
		}
		for i, e := range entries {
			err := m.checkSeen(who, e)
			switch {
			case err != nil:
				return err
			case e.Exit:
				return fmt.Errorf("an exit among the entries of passport %d", who)
			case slices.ContainsFunc(entries[:i], func(other seen) bool { return other.Door == e.Door }):
				return fmt.Errorf("door %s twice among the entries of passport %d", e.Door, who)
			}
		}
	}
	for who, times := range m.Wrong {
		if n := len(times); who == 0 || n == 0 || n > maxWrong {
			return fmt.Errorf("%d wrong PINs of passport %d, at most %d", n, who, maxWrong)
		}
		for _, t := range times {
			if err := m.checkStamp(t); err != nil {
				return err
			}
		}
	}
	for door, t := range m.Entered {
		if err := cmp.Or(ledger.CheckSlug("door", door), m.checkStamp(t)); err != nil {
			return err
		}
	}
	for origin, next := range m.Ordered {
		switch o, err := ledger.ParseOrigin(origin); {
		case err != nil:
			return err
		case o.Kind != ledger.NodeLog || next < 1:
			return fmt.Errorf("orders of %s below entry %d", origin, next)
		}
	}
	for seq, d := range m.Due {
		if err := m.checkSeen(d.Passport, d.seen); err != nil {
			return err
		}
		if d.Boot != m.Boot {
			return fmt.Errorf("decision %d is of boot %d, and this is boot %d", seq, d.Boot, m.Boot)
		}
	}
	return nil
}

func (m *memory) checkSeen(who passport.ID, s seen) error {
	if who == 0 {
		return errors.New("passport 0 was seen")
	}
	return cmp.Or(ledger.CheckSlug("door", s.Door), m.checkStamp(s.stamp))
}

func (m *memory) checkStamp(t stamp) error {
	if t.Boot > m.Boot {
		return fmt.Errorf("something of boot %d, and this is boot %d", t.Boot, m.Boot)
	}
	return nil
}
