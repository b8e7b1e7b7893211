package gateway

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"tombolo/cmd/internal/cli"
	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/wiring"
	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
	"tombolo/hw/board"
)

// Level is how much a Finding matters.
type Level string

// Levels.
const (
	OK    Level = "ok"    // as it should be
	Note  Level = "note"  // works, and somebody should know
	Fault Level = "fault" // must be mended
)

// Finding is something that Check saw.
type Finding struct {
	Level Level  `json:"level"`
	Part  string `json:"part"`
	What  string `json:"what"` // one line
}

type findings []Finding

func (f *findings) add(l Level, part, format string, args ...any) {
	what := strings.ReplaceAll(strings.TrimSpace(fmt.Sprintf(format, args...)), "\n", "; ")
	*f = append(*f, Finding{l, part, what})
}

// fault adds one finding for each of the errors that errors.Join has joined.
func (f *findings) fault(part string, err error) {
	joined, ok := err.(interface{ Unwrap() []error }) // of this error itself, not of one that it wraps
	if ok && err.Error() == errors.Join(joined.Unwrap()...).Error() {
		for _, e := range joined.Unwrap() {
			f.fault(part, e)
		}
		return
	}
	f.add(Fault, part, "%v", err)
}

// Check looks at everything that can be wrong before anything moves: the
// enrolment, the signed policy, the wiring against both, the readers' ports, the
// GPIO lines and the kernel's settings. It opens no line. As [Open] does it
// takes in a first approval that lies in the folder; beyond that it writes
// nothing but the roster's projection.
func Check(w *wiring.Wiring, now time.Time) []Finding {
	var f findings
	var phones error
	var epochs []folder.Epoch
	name, fresh, view, err := state(w, now, func(in *folder.Folder) {
		epochs, _ = in.Epochs() // what cannot be read the roster tells of
		if takesTaps(w) {
			_, phones = in.Vouched()
		}
	})
	switch {
	case name == "":
		f.fault("enrolment", err)
	case fresh:
		f.add(OK, "enrolment", "enrolled just now as %q, by %s", name, filepath.Join(w.Data, ApprovalFile))
	default:
		f.add(OK, "enrolment", "enrolled as %q", name)
	}
	if name != "" && err != nil {
		f.fault("roster", err)
	}
	var p *policy.Policy
	if view != nil {
		p = view.Policy
		f.view(view, now)
	}
	for _, problem := range wiring.Check(w, p, name) {
		level := Fault
		if problem.Severity == wiring.Note {
			level = Note
		}
		f.add(level, "wiring", "%s", problem.What())
	}
	switch {
	case errors.Is(phones, folder.ErrUnvouched):
		f.add(Note, "phones", "%v; cards and codes work", phones)
	case phones != nil:
		f.add(Fault, "phones", "%v", phones)
	}
	f.network(w, now)
	f.census(w, epochs, now)
	f.ports(w)
	f.lines(w)
	return f
}

// view tells of what the ledgers say.
func (f *findings) view(v *roster.View, now time.Time) {
	for _, problem := range v.Problems {
		f.add(Fault, problem.Part, "%s", problem.What)
	}
	if v.Policy == nil {
		f.add(Fault, "policy", "no signed policy is here: only exits open; sign one with `tombolo node policy sign` and import the node's ledger")
	} else {
		f.add(OK, "policy", "version %d is in force", v.Policy.Version)
	}
	if !v.Believes(now) {
		f.add(Fault, "clock", "%s is over by what is known here: until the clock is right only taps work", now.UTC().Format(time.DateTime))
	}
	if age := v.Age(now); age < 0 {
		f.add(Fault, "roster", "no issuer was ever heard: nobody but the people of a home gets in")
	} else {
		f.add(OK, "roster", "the issuers were last heard %v ago", age.Round(time.Second))
	}
}

// owned refuses to look at another user's folder: what a look writes there, the
// service could not open afterwards.
func owned(dir string) error {
	info, err := os.Stat(dir)
	if err != nil {
		return nil // that it is missing is said better by whoever opens it
	}
	if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != os.Geteuid() {
		return fmt.Errorf("%s belongs to user %d: run this as that user (sudo -u '#%d' …)", dir, s.Uid, s.Uid)
	}
	return nil
}

// state is the enrolment and the roster; without an enrolment the name is empty
// and err says why. Its clock is not believed, so that looking starts no notice.
// more looks at the folder of an enrolled gateway, too.
func state(w *wiring.Wiring, now time.Time, more func(*folder.Folder)) (name string, fresh bool, v *roster.View, err error) {
	if err := owned(w.Data); err != nil {
		return "", false, nil, err
	}
	f, err := folder.Open(w.Data, false)
	if err != nil {
		return "", false, nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	f.Now = func() time.Time { return now }
	if name, fresh, err = enrolled(f, silent); err != nil {
		return "", false, nil, err
	}
	more(f)
	r, err := openRoster(f, silent, nil)
	if err != nil {
		return name, fresh, nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if v, err = r.Project(access.Clock{}); err != nil {
		return name, fresh, nil, err
	}
	return name, fresh, v, nil
}

// runs tells whether a daemon works on the folder now.
func runs(dir string) bool {
	unlock, err := folder.Lock(dir, folder.DaemonLock, false)
	if err == nil {
		err = unlock()
	}
	return errors.Is(err, folder.ErrLocked)
}

// lines looks at the GPIO lines, and at what becomes of them when the daemon
// dies.
func (f *findings) lines(w *wiring.Wiring) {
	var uses []board.LineUse
	use := func(l wiring.Line) {
		if l.Chip != "" && !l.Simulated() {
			uses = append(uses, board.LineUse{Chip: l.Chip, Line: l.Offset, For: l.Name})
		}
	}
	for _, l := range w.Outputs() {
		use(l)
	}
	for _, in := range w.AllInputs() {
		use(in.Line)
	}
	if len(uses) == 0 {
		return
	}
	if runs(w.Data) {
		f.add(Note, "gpio", "a tombolod runs here and holds its lines; stop it to have them looked at")
	} else if err := board.CheckLines(uses); err != nil {
		f.fault("gpio", err)
	} else {
		f.add(OK, "gpio", "%s there and free", cli.Count(len(uses), "line is", "lines are"))
	}
	switch name, keeps, err := board.PersistSetting("/"); {
	case errors.Is(err, board.ErrPersistUnknown):
		f.add(Note, "kernel", "%v", err)
	case err != nil:
		f.add(Fault, "kernel", "%v", err)
	case keeps:
		f.add(Fault, "kernel", "%s keeps the level of a line whose program died: a daemon killed during a strike leaves the lock open; set it to N on the kernel's command line", name)
	default:
		f.add(OK, "kernel", "%s is off: a line whose program died lets its relay go", name)
	}
}
