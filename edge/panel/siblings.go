package panel

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tombolo/edge/access"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

// What siblings tell counts from when the log says that it was heard: a Siblings
// entry stands before the first decision that is made on it. Its Heard names the
// logs that have told something since the one before it, with how far they were
// folded; a log that this run names for the first time is folded from there on.
// So whoever holds the siblings' logs, too, knows what was known. Their Siblings
// entries tell nobody anything, so that none answers another.

// news is what a sibling's door log has told.
type news struct {
	log   ledger.Origin
	name  string // the log's as text
	begun bool   // a Siblings entry names it
	from  int64  // so far it was folded
	size  int64  // so far it was told
	queue []Logged
}

const (
	// maxNews bounds the entries of one log that wait to be folded, at some 500
	// bytes each.
	maxNews = 512
	// maxMissing bounds the gateways that an entry names.
	maxMissing = 256
)

// Heard is how far a sibling's door log was told; ok is false before the first
// Told of it.
func (p *Panel) Heard(log ledger.Origin) (size int64, ok bool) {
	i, ok := p.findNews(log)
	if !ok {
		return 0, false
	}
	return p.news[i].size, true
}

func (p *Panel) findNews(log ledger.Origin) (int, bool) {
	return slices.BinarySearchFunc(p.news, log.String(), func(n *news, name string) int { return cmp.Compare(n.name, name) })
}

// hearOf takes what a sibling told. It waits until a decision may hang on it, but
// for what nothing may be too late for: that a code has opened a door there which
// opened one here.
func (p *Panel) hearOf(m Moment, e Told) {
	i, ok := p.findNews(e.Log)
	if !ok {
		if len(p.news) == access.MaxSiblings || e.Log.Kind != ledger.DoorLog {
			return
		}
		p.news = slices.Insert(p.news, i, &news{log: e.Log, name: e.Log.String(), from: e.From, size: e.From})
	}
	n := p.news[i]
	if e.From > n.size {
		return
	}
	for _, entry := range e.Entries {
		if entry.Index < n.size || entry.Index >= e.Size || entry.Body == nil || !access.Heard(entry.Body.Kind()) {
			continue
		}
		if len(n.queue) == maxNews {
			n.size = entry.Index
			p.hear(m)
		}
		n.queue = append(n.queue, entry)
		n.size = entry.Index + 1
		if p.twice(entry.Body) {
			p.hear(m)
		}
	}
	n.size = max(n.size, e.Size)
}

// twice reports whether a decision lets in on a code that has opened a door here.
func (p *Panel) twice(b ledger.Body) bool {
	d, ok := b.(*ledger.Decision)
	if !ok || !d.Granted || len(d.Presentation) == 0 {
		return false
	}
	w, err := passport.ParseWindow(d.Presentation)
	return err == nil && p.siblings.Ours(w)
}

// listen takes in what siblings told before somebody is judged whom it concerns.
func (p *Panel) listen(m Moment, d *panelDoor, e *Presented) {
	if e.Refused == access.None && p.listens(d, e) {
		p.hear(m)
	}
}

// listens reports whether what siblings tell concerns a presentation.
func (p *Panel) listens(d *panelDoor, e *Presented) bool {
	return e.Raw != nil && (d.shared || e.Mode == "window" && !e.ForDoor)
}

// hear records what was heard and who cannot be, if that is not what the log says
// already, and takes it in.
func (p *Panel) hear(m Moment) {
	if p.follows {
		return
	}
	missing := p.missing[:min(len(p.missing), maxMissing)]
	var begin, grown []ledger.Source
	for _, n := range p.news {
		if len(n.queue) == 0 {
			continue
		}
		if !n.begun {
			n.begun = true
			begin = append(begin, ledger.Source{Origin: n.name, Size: n.from})
		}
		grown = append(grown, ledger.Source{Origin: n.name, Size: n.size})
	}
	if begin != nil {
		p.heard(m, begin, missing)
	}
	if grown != nil || !slices.Equal(missing, p.known) {
		p.heard(m, grown, missing)
	}
	p.known = missing
}

// heard records a Siblings entry and takes what it says.
func (p *Panel) heard(m Moment, logs []ledger.Source, missing []string) {
	p.record(m, &ledger.Siblings{Heard: logs, Missing: missing})
	for _, s := range logs {
		for _, n := range p.news {
			if n.name == s.Origin && n.begun && s.Size > n.from {
				p.fold(m, n.log, n.queue)
				n.from, n.queue = s.Size, nil
			} else if n.name == s.Origin {
				p.siblings.Begin(n.log)
			}
		}
	}
}

// codePart is what the Fault that tells of a code's second door names. It happens,
// and is never over.
func codePart(door string) string { return "door/" + door + "/code" }

// CodeTwice is the door of a Fault that tells of a code which has opened a
// sibling's door, too, by the Fault's part; ok is false for any other.
func CodeTwice(part string) (door string, ok bool) {
	door = strings.TrimSuffix(strings.TrimPrefix(part, "door/"), "/code")
	return door, part == codePart(door)
}

// fold takes entries of a sibling's door log, and tells of codes that have opened a
// door on either side.
func (p *Panel) fold(m Moment, log ledger.Origin, entries []Logged) {
	now := m.MS()
	if p.trust == access.TrustUnknown {
		now = 0
	}
	for _, e := range entries {
		if double := p.siblings.Apply(log, now, e.Time, e.Body); double != nil {
			there := p.basis.Siblings[log.Author]
			if there == "" {
				there = log.Author.String()
			}
			p.record(m, &ledger.Fault{
				Part: codePart(double.Here.Door),
				What: fmt.Sprintf("a code of passport %d that opened it by decision %d has opened %s at gateway %s, too, by decision %d of that log",
					double.Passport, double.Here.Seq, double.There.Door, there, double.There.Seq),
			})
		}
	}
}
