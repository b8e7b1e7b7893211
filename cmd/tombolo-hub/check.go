package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
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

func (e *env) checkCmd() *cobra.Command {
	return verb("check", "Say what is wrong with the folder before the hub runs", func(*cobra.Command, []string) error {
		s, err := e.open()
		if err != nil {
			return err
		}
		findings := e.findings(s)
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
}

func (e *env) findings(s *site) (out []finding) {
	add := func(level, part, format string, args ...any) {
		out = append(out, finding{level, part, fmt.Sprintf(format, args...)})
	}
	for _, role := range backupKeys {
		if _, err := s.Key(role); err != nil {
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
	if key, err := s.Public(folder.HubKey); err == nil {
		if inForce(community, ledger.Hub, key) {
			add(levelOK, "charter", "version %d of %q names this hub", community.Latest().Version, community.Latest().Slug)
		} else {
			add(levelFault, "charter", "version %d of %q does not name this hub: take %s to whoever holds its charter keys (`tombolo charter update community --service %s`), then `tombolo-hub admit` what they export",
				community.Latest().Version, community.Latest().Slug, filepath.Join(s.Dir(), folder.ServiceFile(ledger.Hub)), folder.ServiceFile(ledger.Hub))
		}
	}
	switch _, err := s.EvaluatorAuthor(); {
	case errors.Is(err, folder.ErrNoEvaluator):
		add(levelNote, "evaluator", "%v", err)
	case err != nil:
		add(levelFault, "evaluator", "%v", err)
	}
	e.findNodes(s, add)
	if _, err := readLinks(s.Dir(), nil); err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, errNoLinks) {
		add(levelFault, "links", "%v", err)
	}
	e.findClock(s, add)
	return out
}

// findNodes says whose reports can come.
func (e *env) findNodes(s *site, add func(level, part, format string, args ...any)) {
	rights, err := s.Rights()
	if err != nil {
		add(levelFault, "nodes", "%v", err)
		return
	}
	gateways := 0
	nodes := map[ledger.CharterID]bool{}
	for _, a := range rights.Authors {
		if id, ok := a.Charter[ledger.ReportLog]; ok && !a.Removed {
			gateways++
			nodes[id] = true
		}
	}
	level := levelOK
	if gateways == 0 {
		level = levelNote
	}
	add(level, "nodes", "%d gateways of %d registered nodes may report; `tombolo-hub admit` takes in more", gateways, len(nodes))
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
