package gateway

import (
	"errors"
	"fmt"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/wiring"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
	"tombolo/hw/board"
)

// Finding is something that Check saw.
type Finding struct {
	Fault bool   `json:"fault"` // otherwise a note
	Part  string `json:"part"`
	What  string `json:"what"`
}

// Check looks at everything that can be wrong before anything moves: the
// enrolment, the signed policy, the wiring against both, the GPIO lines and
// the kernel's settings. It opens no line and writes nothing but the roster's
// projection.
func Check(w *wiring.Wiring, now time.Time) (findings []Finding) {
	add := func(fault bool, part, format string, args ...any) {
		findings = append(findings, Finding{fault, part, fmt.Sprintf(format, args...)})
	}
	name, view, err := state(w)
	if err != nil {
		add(true, "enrolment", "%v", err)
	} else {
		add(false, "enrolment", "enrolled as %q", name)
	}
	var p *policy.Policy
	if view != nil {
		for _, problem := range view.Problems {
			add(true, problem.Part, "%s", problem.What)
		}
		if p = view.Policy; p == nil {
			add(true, "policy", "no signed policy is here: only exits open; sign one with `tombolo node policy sign` and import the node's ledger")
		} else {
			add(false, "policy", "version %d is in force", p.Version)
		}
		if !view.Believes(now) {
			add(true, "clock", "%s is over by what is known here: until the clock is right only taps work", now.UTC().Format(time.DateTime))
		}
		if age := view.Age(now); age < 0 {
			add(true, "roster", "no issuer was ever heard: nobody but the people of a home gets in")
		} else {
			add(false, "roster", "the issuers were last heard %v ago", age.Round(time.Second))
		}
	}
	for _, problem := range wiring.Check(w, p, name) {
		add(problem.Severity != wiring.Note, "wiring", "%s", problem)
	}
	return append(findings, checkLines(w)...)
}

// state is the enrolment and the roster. Its clock is not believed, so that
// looking starts no notice.
func state(w *wiring.Wiring) (name string, v *roster.View, err error) {
	f, err := folder.Open(w.Data, false)
	if err != nil {
		return "", nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if name, err = f.Gateway(); err != nil {
		return "", nil, err
	}
	if name == "" {
		return "", nil, fmt.Errorf("%w: take %s to a steward", ErrUnenrolled, folder.RequestFile)
	}
	r, err := openRoster(f)
	if err != nil {
		return name, nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if v, err = r.Project(roster.Clock{}); err != nil {
		return name, nil, err
	}
	return name, v, removed(f)
}

// removed tells of a gateway that a steward has taken out of the node.
func removed(f *folder.Folder) error {
	own, err := f.Public(folder.SigningKey)
	if err != nil {
		return err
	}
	all, err := f.Gateways()
	if err != nil {
		return err
	}
	for _, g := range all {
		if g.Keys.Signing == own && !g.Active() {
			return fmt.Errorf("a steward removed this gateway on %s (%s): begin a new folder with `tombolod init`", g.Removed.UTC().Format(time.DateOnly), g.Why)
		}
	}
	return nil
}

func checkLines(w *wiring.Wiring) (findings []Finding) {
	var uses []board.LineUse
	for _, d := range w.Doors {
		for _, l := range []*wiring.Line{&d.Relay, d.Contact, d.Rex} {
			if l != nil && !l.Simulated() {
				uses = append(uses, board.LineUse{Chip: l.Chip, Line: l.Offset, For: l.Name})
			}
		}
	}
	if len(uses) == 0 {
		return nil
	}
	if err := board.CheckLines(uses); err != nil {
		findings = append(findings, Finding{true, "gpio", err.Error()})
	}
	switch name, keeps, err := board.PersistSetting("/"); {
	case errors.Is(err, board.ErrPersistUnknown):
		findings = append(findings, Finding{false, "kernel", fmt.Sprintf("%v: a daemon that is killed during a strike may leave the lock open until it starts again", err)})
	case err != nil:
		findings = append(findings, Finding{true, "kernel", err.Error()})
	case keeps:
		findings = append(findings, Finding{true, "kernel", fmt.Sprintf("%s keeps the level of a line whose program died: a daemon killed during a strike leaves the lock open; set it to N on the kernel's command line", name)})
	}
	return findings
}
