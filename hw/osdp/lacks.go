package osdp

import "time"

// lacks is what a reader was found not to know of the commands that it can do
// without. A command that nothing comes back to costs the Secure Channel, and
// would again each time; but so does a cable that somebody touches just then.
// So what counts is a reader that twice, with nothing else between, fell silent
// on one kind of command and was back at once.
type lacks struct {
	known map[[3]byte]int // by command.kind: how often; enough is enough
	last  time.Time       // that anything was added to it
	doubt [3]byte
	since time.Time // zero: no doubt
}

const (
	enough  = 2
	atOnce  = 3 * time.Second
	believe = time.Hour // then it is tried again: somebody on the wire may have feigned it
)

// any says that c need not be tried.
func (l *lacks) any(c command) bool { return l.known[c.kind()] >= enough }

// refused is the reader's own word for it.
func (l *lacks) refused(kind [3]byte, now time.Time) { l.count(kind, enough, now) }

// knows forgets a doubt: there was a reply.
func (l *lacks) knows(kind [3]byte) {
	if n := l.known[kind]; n > 0 && n < enough {
		delete(l.known, kind)
	}
}

// fell notes on what the reader fell silent; alive, that it is back.
func (l *lacks) fell(kind [3]byte, now time.Time) { l.doubt, l.since = kind, now }

func (l *lacks) alive(now time.Time) {
	if !l.since.IsZero() && now.Sub(l.since) < atOnce {
		l.count(l.doubt, 1, now)
	}
	l.since = time.Time{}
}

func (l *lacks) count(kind [3]byte, n int, now time.Time) {
	if l.known == nil {
		l.known = make(map[[3]byte]int) // of our own kinds of commands, which are few
	}
	l.known[kind] += n
	l.last = now
}

// age forgets what was found long ago.
func (l *lacks) age(now time.Time) {
	if len(l.known) > 0 && now.Sub(l.last) > believe {
		l.known = nil
	}
}

// doubt is called when the reader made nothing of its command, and says whether
// that may be the command's fault.
func (r *reader) doubt(now time.Time) bool {
	if r.phase < phaseSize || r.current != nil || r.command == cmdPoll || r.command == cmdKeySet {
		return false
	}
	r.lacks.fell(r.kind, now)
	r.note("no use of "+commandName(r.command), nil, now)
	return true
}
