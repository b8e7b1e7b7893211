package main

import (
	"bytes"
	crand "crypto/rand"
	"slices"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
)

// island is a node, and what its gateway knows of an epoch.
type island struct {
	slug    string
	node    ledger.CharterID
	steward *folder.Folder
	gateway *folder.Folder
	self    [32]byte // the gateway's signing key

	cases    map[census.Tag]*seenCase
	tags     []byte
	list     *census.List // of tags, once reported
	reported *ledger.Reported
	index    int64 // of Reported
	size     int64 // of the report ledger then
}

// seenCase is what a reporter keeps of one tag.
type seenCase struct {
	passport uint64
	secret   census.Salt
	seen     census.Seen
	at       int64 // of the attendance
	entry    ledger.Entry
}

// visit has people tap at an island's front door and go in.
func (w *censusWorld) visit(n *island, numbers ...uint64) {
	w.t.Helper()
	at := unix(w.opened.Opens).Add(36 * time.Hour)
	door := passport.DoorTarget(passport.NodeID(n.node), "front")
	bodies := make([]ledger.Body, 0, 2*len(numbers))
	taps := parallelly(len(numbers), func(i int) []byte {
		p := w.people[numbers[i]]
		c := passport.Challenge{Community: passport.CommunityID(w.chain.ID()), Place: passport.TapPlace(n.self, door), Time: uint64(at.Unix()) - 1}
		crand.Read(c.Nonce[:])
		return must(must(passport.NewTap(c, p.key.Key(), must(p.key.Sign(c.Sum())))).MarshalBinary())
	})
	for i, number := range numbers {
		id := w.people[number].key.Key().ID()
		bodies = append(bodies,
			&ledger.Decision{Seq: uint64(i) + 1, Door: "front", Mode: "tap", Granted: true, Reason: "granted", Passport: number, Key: id[:], Presentation: taps[i]},
			&ledger.Passage{Seq: uint64(i) + 1, Door: "front", Entered: true})
	}
	first := w.writeAt(n.gateway, ledger.DoorLog, at, bodies...)
	w.attend(n, first, numbers, bodies)
}

// attend has the island's gateway write the attendances, ordered by tag, and keep
// what it needs to open them.
func (w *censusWorld) attend(n *island, first int64, numbers []uint64, bodies []ledger.Body) {
	w.t.Helper()
	log := w.own(n.gateway, ledger.DoorLog)
	var leaves [][32]byte
	for e, err := range n.gateway.Store().Entries(log, first, first+int64(len(bodies))) {
		if err != nil {
			w.t.Fatal(err)
		}
		leaves = append(leaves, census.LeafHash(e))
	}
	type made struct {
		tag  census.Tag
		kept *seenCase
		body *ledger.Attendance
	}
	all := parallelly(len(numbers), func(i int) made {
		p := w.people[numbers[i]]
		k := &seenCase{passport: p.number, seen: census.Seen{Log: log.Origin, Decision: first + int64(2*i), Passage: first + int64(2*i) + 1, DecisionLeaf: leaves[2*i], PassageLeaf: leaves[2*i+1]}}
		crand.Read(k.secret[:])
		body, err := census.NewAttendance(w.opened.ID(), census.Presence{Community: w.chain.ID(), Node: n.node, Gateway: n.self,
			Decision: bodies[2*i].(*ledger.Decision), Key: p.key.Key()}, census.SeenCommit(k.secret.SeenSalt(), k.seen))
		if err != nil {
			panic(err)
		}
		return made{w.quickTag(p.number), k, body}
	})
	slices.SortFunc(all, func(a, b made) int { return bytes.Compare(a.tag[:], b.tag[:]) })
	attendances := make([]ledger.Body, len(all))
	for i, m := range all {
		attendances[i] = m.body
	}
	start := w.write(n.gateway, ledger.DoorLog, attendances...)
	log = w.own(n.gateway, ledger.DoorLog)
	n.cases = map[census.Tag]*seenCase{}
	i := int64(0)
	for e, err := range n.gateway.Store().Entries(log, start, start+int64(len(all))) {
		if err != nil {
			w.t.Fatal(err)
		}
		m := all[i]
		m.kept.at, m.kept.entry = start+i, e
		n.cases[m.tag] = m.kept
		c := census.Commit(m.kept.secret.TagSalt(), census.LeafHash(e), w.people[m.kept.passport].delegation)
		n.tags = append(append(n.tags, m.tag[:]...), c[:]...)
		i++
	}
	n.reported = &ledger.Reported{Epoch: w.opened.ID(), Node: n.node, Log: ledger.Source{Origin: log.Origin.String(), Size: log.Size}, Head: log.Root}
}

// report writes the report ledger: parts, then Reported.
func (w *censusWorld) report(n *island) {
	w.t.Helper()
	b := n.reported
	var bodies []ledger.Body
	for rest := n.tags; len(rest) > 0; b.Parts++ {
		part := rest[:min(len(rest), ledger.MaxTags*ledger.TagSize)]
		bodies = append(bodies, &ledger.CensusTags{Epoch: b.Epoch, Part: b.Parts, Tags: part})
		rest = rest[len(part):]
	}
	n.list = must(census.NewList(n.tags))
	b.Count, b.Root = uint64(n.list.Len()), n.list.Root(nil)
	first := w.write(n.gateway, ledger.ReportLog, append(bodies, b)...)
	n.index, n.size = first+int64(len(bodies)), first+int64(len(bodies))+1
}

// shownReport proves the Reported entry.
func (w *censusWorld) shownReport(n *island) census.Shown {
	i := w.own(n.gateway, ledger.ReportLog)
	return must(census.Show(n.gateway.Store().Reader(i), i.Head, n.index, w.entry(n.gateway, i, n.index)))
}

// opening opens one tag of an island, as its gateway does.
func (w *censusWorld) opening(n *island, tag census.Tag, full bool) census.Opening {
	w.t.Helper()
	k := n.cases[tag]
	p := w.people[k.passport]
	_, blind, evaluation := w.tag(k.passport)
	issuer := w.own(w.issuer, ledger.CommunityLog)
	log := w.own(n.gateway, ledger.DoorLog)
	c := census.Case{Community: w.chain.ID(), Opened: w.opened, Passport: k.passport, Blind: blind, Evaluation: evaluation, Salt: k.secret.TagSalt(),
		Attendance: k.entry, Index: k.at, DoorLog: n.gateway.Store().Reader(log), Reported: n.reported, Delegation: p.delegation,
		Admission: must(census.Show(w.issuer.Store().Reader(issuer), issuer.Head, p.admitted, w.entry(w.issuer, issuer, p.admitted))),
		Tags:      n.list, Report: w.shownReport(n)}
	if full {
		c.Full = must(census.Disclose(n.gateway.Store().Reader(log), log.Head, k.seen, w.entry(n.gateway, log, k.seen.Decision), w.entry(n.gateway, log, k.seen.Passage), k.secret.SeenSalt()))
	}
	return must(c.Open())
}

// islandOf finds the island whose gateway reported a line with that commitment.
func (w *censusWorld) islandOf(commitment []byte) *island {
	for _, n := range w.islands {
		if bytes.Contains(n.tags, commitment) {
			return n
		}
	}
	w.t.Fatal("no island reported it")
	return nil
}
