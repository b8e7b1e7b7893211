package panel_test

import (
	"fmt"
	"maps"
	"strings"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

func people(s *story, a *args) {
	s.change(func(*access.Basis) {
		for a.more() {
			name, class, _ := strings.Cut(a.next(), "=")
			who := a.passport(name)
			s.holders[who] = newHolder(who, class)
		}
	})
}

// standing is a command of the issuers'.
func standing(f func(*access.Holder)) func(*story, *args) {
	return func(s *story, a *args) { s.hold(a.who(), f) }
}

func expires(s *story, a *args) {
	s.hold(a.who(), func(h *access.Holder) { h.Delegation.NotAfter = uint64(a.end()) })
}

func setPolicy(s *story, a *args) {
	if a.has("none") {
		s.gone = true
		s.change(func(b *access.Basis) { b.Policy, b.Lockdowns = nil, nil })
		return
	}
	warnings := a.has("warnings")
	s.texts++
	p, err := policy.Parse("policy", []byte(completed(s.texts, a.text)))
	if err != nil {
		a.fail("%v\n%s", err, completed(s.texts, a.text))
	}
	s.zoned = p.Location != time.UTC
	s.change(func(b *access.Basis) { b.Policy = p })
	if warnings {
		for _, w := range p.Warnings {
			s.note("warning: %s: %s", w.Key, w.Msg)
		}
	}
}

// completed adds to a policy what transcripts leave out: its version and node;
// what each door has to say, and that it does not mind an old roster; and what
// of these is not named: zones street and house, and residents, who have a level
// with every door.
func completed(version int, text string) string {
	var tables []string // the text before the first header, then each with its header
	table := ""
	for l := range strings.Lines(text) {
		if strings.HasPrefix(l, "[") {
			tables = append(tables, table)
			table = ""
		}
		table += l
	}
	tables = append(tables, table+"\n")
	for i, t := range tables {
		if !strings.HasPrefix(t, "[doors.") {
			continue
		}
		for _, pair := range []string{`gateway = "gw1"`, `from = "street"`, `to = "house"`, `stale = "allow"`, `mechanical_exit = true`} {
			key, _, _ := strings.Cut(pair, " ")
			if !strings.Contains(t, "\n"+key+" ") {
				t += pair + "\n"
			}
		}
		tables[i] = t
	}
	out := fmt.Sprintf("version = %d\nnode = \"casa\"\n", version) + strings.Join(tables, "")
	for _, implied := range []string{
		"[zones.street]\noutside = true\n", "[zones.house]\n", "[levels.all]\ndoors = [\"*\"]\n", "[classes.resident]\nlevels = [\"all\"]\n",
	} {
		if header, _, _ := strings.Cut(implied, "\n"); !strings.Contains(text, header) {
			out += implied
		}
	}
	return out
}

// doors are those that DOOR or all names.
func (a *args) doors() []string {
	name := a.next()
	if name != "all" {
		return []string{name}
	}
	var all []string
	for name := range a.basis.Policy.Doors {
		all = append(all, name)
	}
	return all
}

func lockdown(s *story, a *args) {
	doors, end := a.doors(), a.end()
	s.change(func(b *access.Basis) {
		if b.Lockdowns == nil {
			b.Lockdowns = map[string]int64{}
		}
		for _, name := range doors {
			b.Lockdowns[name] = max(b.Lockdowns[name], end)
		}
	})
}

func lift(s *story, a *args) {
	doors := a.doors()
	s.change(func(b *access.Basis) {
		for _, name := range doors {
			delete(b.Lockdowns, name)
		}
	})
}

func bar(s *story, a *args) {
	who, end := a.who(), a.end()
	s.change(func(b *access.Basis) {
		if b.Bars == nil {
			b.Bars = map[passport.ID]int64{}
		}
		b.Bars[who] = end
	})
}

func home(s *story, a *args) {
	name, who, end := a.next(), a.who(), int64(access.Forever)
	if a.has("ends") {
		end = a.end()
	}
	s.change(func(b *access.Basis) {
		homes := maps.Clone(b.Homes[name])
		if homes == nil {
			homes = map[access.Resident]int64{}
		}
		homes[access.Resident{Passport: who, Wallet: s.holder(who).Wallet}] = end
		if b.Homes == nil {
			b.Homes = map[string]map[access.Resident]int64{}
		}
		b.Homes[name] = homes
	})
}

func guest(s *story, a *args) {
	who, name := a.who(), a.next()
	p := access.Pass{ID: passID(who, name), Levels: []string{a.value("level")}, NotBefore: s.now.Unix()}
	if uses := a.value("uses"); uses != "" {
		if _, err := fmt.Sscan(uses, &p.Uses); err != nil {
			a.fail("%v", err)
		}
	}
	if a.has("from") {
		p.NotBefore = a.time().Unix()
	}
	p.NotAfter = a.end()
	s.passes[p.ID] = name
	s.change(func(b *access.Basis) {
		if b.Passes == nil {
			b.Passes = map[passport.ID][]access.Pass{}
		}
		b.Passes[who] = append(append([]access.Pass(nil), b.Passes[who]...), p)
	})
}

func endGuest(s *story, a *args) {
	who, name := a.who(), a.next()
	s.change(func(b *access.Basis) {
		var left []access.Pass
		for _, p := range b.Passes[who] {
			if p.ID != passID(who, name) {
				left = append(left, p)
			}
		}
		b.Passes[who] = left
	})
}

func passID(who passport.ID, name string) (id ledger.PassID) {
	id[0] = byte(who)
	copy(id[1:], name)
	return id
}

func forgive(s *story, a *args) {
	var who passport.ID
	if !a.has("everybody") {
		who = a.who()
	}
	at := s.now.UnixMilli()
	s.change(func(b *access.Basis) {
		if b.Forgiven == nil {
			b.Forgiven = map[passport.ID]int64{}
		}
		b.Forgiven[who] = at
	})
}

func heard(s *story, a *args) {
	at := s.now.Add(-a.duration()).Unix()
	s.change(func(b *access.Basis) { b.Fresh = at })
}

func inside(s *story, a *args) {
	z := s.basis.Policy.Zones[a.next()]
	if z == nil {
		a.fail("there is no such zone")
	}
	presence := access.NewPresence()
	for _, e := range s.log {
		presence.Apply(e.Time, e.Body)
	}
	s.note("%s: %d inside", z.Name, presence.Count(s.basis, z, s.now.UnixMilli()))
}
