package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/linking"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// finding is something that an operator has to know.
type finding struct {
	Level string `json:"level"` // fault, note or ok
	Part  string `json:"part"`
	What  string `json:"what"`
}

const (
	levelFault = "fault"
	levelNote  = "note"
	levelOK    = "ok"
)

func (e *env) checkCmd(role ledger.AuthorRole) *cobra.Command {
	c := verb("check", fmt.Sprintf("Say what is wrong with the folder before the %s runs", role), func(*cobra.Command, []string) error {
		s, err := e.open()
		if err != nil {
			return err
		}
		findings := e.findings(s, role)
		if err := s.Close(); err != nil {
			return err
		}
		faults := 0
		for _, f := range findings {
			mark := f.Level
			if f.Level == levelFault {
				faults++
				mark = strings.ToUpper(mark)
			}
			if err := e.print(f, "%-5s  %s: %s\n", mark, f.Part, f.What); err != nil {
				return err
			}
		}
		if faults > 0 {
			return fmt.Errorf("%d of these must be mended", faults)
		}
		return nil
	})
	c.Long = "Keys, ledgers, the charter's word on it, the evaluator, nodes, links and the clock. One that runs is not disturbed.\nThe exit status is 1 if anything must be mended; what is only noted leaves it at 0."
	return c
}

// serviceKeys are the keys of a service's folder.
var serviceKeys = map[ledger.AuthorRole][]folder.Role{ledger.Hub: backupKeys, ledger.Evaluator: {folder.EvaluatorKey, folder.TLSKey}}

func (e *env) findings(s *site, role ledger.AuthorRole) (out []finding) {
	add := func(level, part, format string, args ...any) {
		out = append(out, finding{level, part, fmt.Sprintf(format, args...)})
	}
	other, author := ledger.Evaluator, folder.EvaluatorKey
	if role == ledger.Evaluator {
		other, author = ledger.Hub, folder.HubKey
	}
	if is, err := s.HasKey(author); err == nil && is {
		add(levelFault, "keys", "this is the folder of the %s: name that of the %s with --data", other, role)
		return out
	}
	for _, key := range serviceKeys[role] {
		if _, err := s.Key(key); err != nil {
			add(levelFault, "keys", "%v", err)
		}
	}
	add(levelOK, "ledgers", "in %s", e.where())
	if err := s.Store().Trouble(); err != nil {
		add(levelFault, "ledgers", "%v", err)
	}
	community, err := s.Community()
	if err != nil {
		add(levelFault, "charter", "%v", err)
		return out
	}
	e.findCharter(s, role, community, add)
	if role == ledger.Hub {
		switch _, err := s.EvaluatorAuthor(); {
		case errors.Is(err, folder.ErrNoEvaluator):
			add(levelNote, "evaluator", "%v", err)
		case err != nil:
			add(levelFault, "evaluator", "%v", err)
		}
	}
	e.findNodes(s, role, add)
	e.findLinks(s, role, add)
	e.findClock(s, add)
	return out
}

// charterKeys are a service's keys that a charter names.
var charterKeys = map[ledger.AuthorRole]map[ledger.AuthorRole]folder.Role{
	ledger.Hub:       {ledger.Hub: folder.HubKey, ledger.HubHold: folder.HubHoldKey, ledger.HubWitness: folder.HubWitnessKey},
	ledger.Evaluator: {ledger.Evaluator: folder.EvaluatorKey},
}

// findCharter says whether the charter names this service, with each of its keys: without
// the one to hold with nobody counts what a hub takes as kept.
func (e *env) findCharter(s *site, service ledger.AuthorRole, community ledger.Charters, add func(level, part, format string, args ...any)) {
	now := community.Latest()
	named, whole := false, true
	for role, file := range charterKeys[service] {
		key, err := s.Public(file)
		if err != nil {
			return // the keys' own fault
		}
		in := inForce(community, role, key)
		named, whole = named || in && role == service, whole && in
	}
	says := fmt.Sprintf("does not name this %s", service)
	if named {
		says = "names this hub, but not the keys that it acknowledges and witnesses with"
	}
	if whole {
		add(levelOK, "charter", "version %d of %q names this %s", now.Version, now.Slug, service)
		return
	}
	add(levelFault, "charter", "version %d of %q %s: take %s to whoever holds its charter keys (`tombolo charter update community --service %s`), then `%s` what they export",
		now.Version, now.Slug, says, filepath.Join(s.Dir(), folder.ServiceFile(service)), folder.ServiceFile(service), admits[service])
}

// admits is how each takes in what others wrote.
var admits = map[ledger.AuthorRole]string{ledger.Hub: "tombolo-hub admit", ledger.Evaluator: "tombolo-hub evaluator admit"}

// mayReport counts the gateways that may report, and their nodes.
func mayReport(rights replica.Rights) (gateways, nodes int) {
	all := map[ledger.CharterID]bool{}
	for _, a := range rights.Authors {
		if id, ok := a.Charter[ledger.ReportLog]; ok && !a.Removed {
			gateways++
			all[id] = true
		}
	}
	return gateways, len(all)
}

// findNodes says whose reports can come.
func (e *env) findNodes(s *site, role ledger.AuthorRole, add func(level, part, format string, args ...any)) {
	rights, err := s.Rights()
	if err != nil {
		add(levelFault, "nodes", "%v", err)
		return
	}
	gateways, nodes := mayReport(rights)
	if gateways == 0 {
		add(levelNote, "nodes", "no registered node has a gateway that may report; `%s` takes in what its steward exports", admits[role])
		return
	}
	add(levelOK, "nodes", "%s of %s may report; `%s` takes in more", count(gateways, "gateway", "gateways"), count(nodes, "registered node", "registered nodes"), admits[role])
}

// expiring is how long before a certificate ends somebody should know.
const expiring = 30 * 24 * time.Hour

// findLinks looks at links.toml, where there is one, and at what it names.
func (e *env) findLinks(s *site, role ledger.AuthorRole, add func(level, part, format string, args ...any)) {
	if role == ledger.Hub && !exists(filepath.Join(s.Dir(), linksFile)) {
		return // the hub's own broker
	}
	all, err := readLinks(s.Dir(), nil)
	if err != nil {
		add(levelFault, "links", "%v", err)
		return
	}
	var own ed25519.PublicKey
	if key, err := s.Public(folder.TLSKey); err == nil {
		own = key[:]
	}
	for _, l := range wiring.SortedLinks(all) {
		part := "links/" + l.Name
		if !l.Outside() {
			add(levelOK, part, "leads to %s", l.Broker)
			continue
		}
		until, err := linking.CheckOutside(l, fmt.Sprintf("this %s", role), own, e.Now())
		switch {
		case err != nil:
			add(levelFault, part, "%v", err)
		case until.Sub(e.Now()) < expiring:
			add(levelNote, part, "%s ends on %s: have a steward issue another", l.Cert, until.UTC().Format(time.DateOnly))
		default:
			add(levelOK, part, "leads to %s, with a certificate that is good until %s", l.Broker, until.UTC().Format(time.DateOnly))
		}
	}
}

// clockSlack is how far a ledger may be ahead of a clock that is right.
const clockSlack = 5 * time.Minute

// findClock holds the clock against the newest head.
func (e *env) findClock(s *site, add func(level, part, format string, args ...any)) {
	all, err := s.Store().Ledgers()
	if err != nil {
		add(levelFault, "ledgers", "some cannot be read: %v", err)
	}
	var newest uint64
	for _, i := range all {
		newest = max(newest, i.Time)
	}
	if at := time.Unix(int64(newest), 0); at.After(e.Now().Add(clockSlack)) {
		add(levelFault, "clock", "it shows %s, and a ledger was signed at %s: set it (NTP)", e.Now().UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339))
	}
}
