package osdp

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// How long things take, OSDP 2.2 §5.7 and what panels do.
const (
	pollEvery    = 50 * time.Millisecond
	offlineAfter = 8 * time.Second
	steadyAfter  = 10 * time.Second // online: what went wrong before is over
	restartEvery = time.Minute      // a reader's restart is an ordinary event
	noteEvery    = time.Minute      // the same for the log
	busyWait     = 20 * time.Millisecond
	statusEvery  = 10 * time.Second // readers that do not report a tamper by themselves

	repeats   = 3 // of a command before the link is begun anew
	probeMin  = 250 * time.Millisecond
	probeMax  = 2 * time.Second
	refuseMin = time.Second // after a failure of security
	refuseMax = 8 * time.Second
)

// phase is what a reader is asked for next.
type phase int

const (
	phaseFind      phase = iota // ID, in clear, sequence 0; see probe
	phaseCap                    // CAP, in clear
	phaseChallenge              // CHLNG
	phaseCrypt                  // SCRYPT
	phaseIdentify               // ID, inside the Secure Channel
	phaseAssess                 // CAP, inside the Secure Channel
	phaseSize                   // ACURXSIZE, which it may refuse
	phaseMode                   // XWR: transparent mode, which it may refuse
	phaseOnline
)

// reader is the panel's side of one reader. It is pure: the bus calls turn when
// the line is the reader's, then heard for each frame until one is the reply,
// or silence; each may leave events.
type reader struct {
	link
	config    ReaderConfig
	keys      []Key          // to try, in this order
	install   *Key           // the key to set: the reader is visited for that
	keySent   bool           // it may have been taken
	visit     bool           // somebody works at it by hand: nothing but requests
	challenge func() [8]byte // a fresh RND.A

	phase    phase
	key      int // which of keys is tried or used
	identity Identity
	began    *session // until its R-MAC is confirmed

	up        bool  // what the handler knows
	told      bool  // it knows something
	why       error // why not up
	lacks     lacks
	probes    int  // in phaseFind
	greeted   bool // there: it has had a POLL
	noCRC     bool // it could not read CRCs
	noted     map[string]time.Time
	onlineAt  time.Time
	next      time.Time // when it wants its next turn
	lastTurn  time.Time
	lastPoll  time.Time
	polls     int           // in a row
	owed      bool          // the next turn has to be a POLL
	heardAt   time.Time     // of the last valid reply
	took      time.Duration // what a POLL usually takes
	slowTill  time.Time     // was heard to answer late: wait the full time until then
	misses    int           // turns without a reply, in a row
	garbled   int           // NAK 01, in a row
	suspect   error         // what came instead of the reply
	restarted time.Time     // when the reader last was
	wait      time.Duration // before it is tried again

	work     []command  // to be sent after going online, and now and then
	statusAt time.Time  // when to ask for the status again
	requests []*request // the first may be under way
	current  *request   // the waiting command's, nil if it is nobody's
	rotating *request   // KEYSET was sent: waits for the next Secure Channel
	shown    shown
	card     cardState
	inputs   []bool
	known    bool // tamper and power have been told since going online
	tamper   [2]bool
	power    bool

	events []any
}

func newReader(c ReaderConfig, challenge func() [8]byte, now time.Time) *reader {
	return &reader{link: link{address: c.Address}, config: c, keys: slices.Clone(c.Keys),
		challenge: challenge, next: now, heardAt: now}
}

func (r *reader) tell(event any) { r.events = append(r.events, event) }

// take gives the events since the last call.
func (r *reader) drain() []any {
	events := r.events
	r.events = nil
	return events
}

// answering says that the reader's last turn had a reply.
func (r *reader) answering() bool {
	return r.misses == 0 && !r.heardAt.IsZero() && r.phase != phaseFind
}

// secure says that a Secure Channel is needed.
func (r *reader) secure() bool { return !r.config.Insecure }

// turn gives the bytes to send now. An error is a command that cannot be sent;
// its request has been told, and the turn is over.
func (r *reader) turn(now time.Time) ([]byte, error) {
	r.lastTurn, r.suspect = now, nil
	if r.waiting() {
		return r.repeat(), nil
	}
	r.current, r.card.asking = nil, false
	switch r.phase {
	case phaseFind:
		return r.probe()
	case phaseCap, phaseAssess:
		return r.send(askCap())
	case phaseIdentify:
		return r.send(askID())
	case phaseSize:
		if c := setReceiveSize(); !r.lacks.any(c) {
			return r.send(c)
		}
		r.phase = phaseMode
		fallthrough
	case phaseMode:
		if c := setMode(1); !r.lacks.any(c) {
			return r.send(c)
		}
		return r.send(poll()) // its ACK is not taken for that of a mode
	case phaseChallenge:
		r.began = newSession(r.keys[r.key], r.challenge())
		return r.sendHandshake(command{cmdChlng, r.began.rndA[:]}, scs11, r.keyKind())
	case phaseCrypt:
		return r.sendHandshake(command{cmdSCrypt, r.began.serverCryptogram[:]}, scs13, r.keyKind())
	}
	c := r.choose(now)
	if r.polls++; c.code != cmdPoll {
		r.polls = 0
	} else {
		r.lastPoll = now
	}
	b, err := r.send(c)
	if err != nil && r.current != nil {
		r.finish(nil, err)
	}
	return b, err
}

// probe looks for the reader with ID. Some answer nothing before they have had a
// POLL, and some nothing that has a CRC and not a checksum: both are tried now
// and then.
func (r *reader) probe() ([]byte, error) {
	if r.greeted {
		r.greeted = false
		return r.send(askID())
	}
	r.link.reset()
	r.checksum = r.noCRC
	r.probes++
	switch r.probes % 4 {
	case 3:
		return r.send(poll())
	case 0:
		r.checksum = true
	}
	return r.send(askID())
}

// keyKind says in a handshake which key is meant, Annex D.4.1.
func (r *reader) keyKind() byte {
	if r.keys[r.key] == DefaultKey {
		return 0
	}
	return 1
}

// heard takes a frame that came in this reader's turn, and says whether the turn
// is over.
func (r *reader) heard(f frame, encoded []byte, now time.Time) bool {
	a := r.link.take(f, encoded)
	switch a.kind {
	case answerForeign:
		return false
	case answerSuspect:
		r.suspect = a.err
		return false
	case answerBusy:
		r.misses = 0
		r.next = now.Add(busyWait)
		if now.Sub(r.heardAt) >= offlineAfter {
			r.fail(fmt.Errorf("%w (it only says that it is busy)", ErrSilent), now)
		}
		return true
	case answerGarbled:
		r.wasGarbled(now)
		return true
	case answerKeySet:
		r.restart(now)
		return true
	}
	r.received()
	r.misses, r.garbled, r.suspect, r.next = 0, 0, nil, now
	if r.phase == phaseFind && r.command == cmdPoll {
		r.greeted = true // whatever it says: it is in clear, and not yet who it is
		return true
	}
	r.heardAt = now
	r.lacks.knows(r.kind)
	reply, err := parseReply(a.code, a.data)
	if err != nil {
		r.malformed(a.code, err, now)
		return true
	}
	if r.phase == phaseOnline {
		if now.Sub(r.onlineAt) > steadyAfter {
			r.wait = 0
		}
		r.lacks.age(now)
		r.online(reply, now)
		r.schedule(now)
		return true
	}
	r.connect(reply, a.key, now)
	return true
}

// wasGarbled repeats what the reader could not read; one that never can may not
// know CRCs (Annex B.9).
func (r *reader) wasGarbled(now time.Time) {
	r.misses, r.next = 0, now
	if now.Sub(r.heardAt) >= offlineAfter {
		r.fail(&NAKError{r.command, nakCheck}, now)
		return
	}
	if r.garbled++; r.garbled > 1 {
		r.next = now.Add(busyWait)
	}
	if r.garbled <= repeats {
		return
	}
	r.garbled = 0
	// Some say so of a command that they do not know, as HID's RPK40 of a scan.
	if !r.doubt(now) && r.session == nil {
		r.noCRC = !r.noCRC
	}
	r.restart(now)
}

// note is for the log, and not more often than that bears; there are few texts.
func (r *reader) note(text string, err error, now time.Time) {
	if last, ok := r.noted[text]; ok && now.Sub(last) < noteEvery {
		return
	}
	if r.noted == nil {
		r.noted = make(map[string]time.Time)
	}
	r.noted[text] = now
	r.tell(noteEvent{text, err})
}

// malformed is a reply that breaks the specification. It ends its command: the
// same would come again.
func (r *reader) malformed(code byte, err error, now time.Time) {
	switch {
	case r.current != nil:
		r.finish(nil, err)
	case r.phase == phaseSize, r.phase == phaseMode:
		r.connect(nil, 0, now)
	case r.phase != phaseOnline:
		r.fail(err, now)
		return
	}
	r.note("malformed reply", err, now)
	switch { // whoever holds a card there is told all the same
	case r.visit:
	case code == repRaw:
		r.tell(refusedEvent{fmt.Errorf("%w: %w", ErrRaw, err)})
	case code == repXRD && r.command == cmdPoll:
		r.tell(refusedEvent{fmt.Errorf("%w: %w", ErrCard, err)})
	}
	r.schedule(now)
}

// silence: the turn ended without a reply.
func (r *reader) silence(now time.Time) {
	r.misses++
	r.next = now
	switch err := r.suspect; {
	case errors.Is(err, ErrRestarted):
		r.fail(err, now)
		return
	case err != nil && r.misses > 1:
		r.fail(err, now)
		return
	}
	switch {
	case now.Sub(r.heardAt) >= offlineAfter, !r.told && r.misses >= repeats:
		r.fail(ErrSilent, now)
	case r.phase == phaseFind && !r.up:
		r.again(now, probeMin, probeMax)
		r.begin()
	case r.misses > repeats:
		r.doubt(now)
		r.restart(now)
		r.next = now.Add(time.Duration(r.misses) * pollEvery)
	default:
		r.next = now.Add(time.Duration(r.misses-1) * pollEvery)
	}
}

// again puts the next attempt off, twice as far each time.
func (r *reader) again(now time.Time, least, most time.Duration) {
	r.wait = min(max(2*r.wait, least), most)
	r.next = now.Add(r.wait)
}

// begin makes the next command the first of a new connection.
func (r *reader) begin() {
	r.link.reset()
	r.phase, r.key, r.began, r.greeted = phaseFind, 0, nil, false
	r.work = nil
}

// restart begins the connection anew without telling anybody: the reader has not
// been silent for long. What was under way is not sent twice.
func (r *reader) restart(now time.Time) {
	r.dropCard(fmt.Errorf("%w: the reader was lost", errCardGone))
	switch q := r.current; {
	case q == nil:
	case q == r.rotating:
		r.forget(q)
	default:
		r.finish(nil, ErrOffline)
	}
	r.begin()
	r.next = now
}

// fail takes the reader offline and says why.
func (r *reader) fail(err error, now time.Time) {
	lost := fmt.Errorf("%w: %w", ErrOffline, err)
	r.dropCard(fmt.Errorf("%w: %w", errCardGone, err))
	if r.rotating != nil {
		r.forget(r.rotating)
		r.tell(resultEvent{request: r.rotating, err: lost})
	}
	for _, q := range r.requests {
		r.tell(resultEvent{request: q, err: lost})
	}
	r.requests, r.current, r.rotating = nil, nil, nil
	r.begin()
	if !errors.Is(err, ErrRestarted) {
		r.lacks = lacks{} // it may be another one that comes back
	}
	switch {
	case errors.Is(err, ErrRestarted) && now.Sub(r.restarted) > restartEvery:
		r.restarted, r.next = now, now
		r.misses, r.wait = 0, 0
	case r.visit:
		r.again(now, probeMin, refuseMin)
	case errors.Is(err, ErrSilent):
		r.again(now, probeMin, probeMax)
	default:
		r.again(now, refuseMin, refuseMax)
	}
	if r.visit {
		r.tell(visitEvent{err: err})
		return
	}
	r.state(false, err)
}

// state tells the handler what it does not know yet.
func (r *reader) state(up bool, err error) {
	if r.told && r.up == up && (up || r.why != nil && err != nil && r.why.Error() == err.Error()) {
		return
	}
	r.told, r.up, r.why = true, up, err
	r.tell(stateEvent{up, err})
}
