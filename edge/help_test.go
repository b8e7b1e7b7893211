package edge_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/policy"
	"tombolo/edge/roster"
	"tombolo/passport"
	"tombolo/sync/ledger"
)

var (
	community = passport.CommunityID{1}
	node      = passport.NodeID{2}
	self      = [32]byte{3}
)

const policyHead = `version = 4
node = "casa"
[zones.street]
outside = true
[zones.house]
[levels.all]
doors = ["*"]
[classes.resident]
levels = ["all"]
`

// policyDoor is a door of the policy with one more line.
func policyDoor(name, more string) string {
	return fmt.Sprintf("[doors.%s]\ngateway = \"gw1\"\nfrom = \"street\"\nto = \"house\"\nstale = \"allow\"\nstrike = \"5s\"\nheld_open = \"30s\"\nmechanical_exit = true\n%s\n", name, more)
}

func parsePolicy(t testing.TB, doors ...string) *policy.Policy {
	t.Helper()
	p, err := policy.Parse("policy.toml", []byte(policyHead+strings.Join(doors, "")))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// people is a Roster that holds each call to its contract.
type people struct {
	mu      sync.Mutex
	view    *roster.View
	holders map[passport.KeyID]access.Holder
	err     error
	after   func() // runs after a lookup, as a projection that comes in between
}

func (p *people) View() *roster.View {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.view
}

// change is a projection.
func (p *people) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	v := *p.view
	v.Generation++
	p.view = &v
}

func (p *people) ByKey(id passport.KeyID) (access.Holder, error) {
	return p.find(func(h access.Holder) bool { return h.KeyID == id })
}

func (p *people) ByWindow(n passport.ID, short [8]byte) (access.Holder, error) {
	return p.find(func(h access.Holder) bool { return h.Delegation.Passport == n && h.KeyID.Short() == short })
}

func (p *people) find(is func(access.Holder) bool) (access.Holder, error) {
	p.mu.Lock()
	var found access.Holder
	for _, h := range p.holders {
		if is(h) {
			found = h
		}
	}
	err, after := p.err, p.after
	p.after = nil
	p.mu.Unlock()
	if after != nil {
		after()
	}
	if err != nil {
		return access.Holder{}, err
	}
	return found, nil
}

// journal is a Journal that refuses what a door log would refuse.
type journal struct {
	t       *testing.T
	mu      sync.Mutex
	records []record
	err     error         // of RecordFirst
	gate    chan struct{} // RecordFirst waits for it, if it is not nil
}

type record struct {
	at   time.Time // as the controller stamped it
	body ledger.Body
}

func (j *journal) add(b ledger.Body, at time.Time) error {
	if _, err := ledger.MarshalBody(b); err != nil || !b.Kind().In(ledger.DoorLog) {
		j.t.Errorf("no door log takes this %v: %v", b.Kind(), err)
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.records = append(j.records, record{at, b})
	return nil
}

func (j *journal) Record(b ledger.Body, at time.Time) error { return j.add(b, at) }

// RecordFirst keeps the entry's place; what fails is taken out again.
func (j *journal) RecordFirst(b ledger.Body, at time.Time) func(context.Context) error {
	j.mu.Lock()
	gate, err := j.gate, j.err
	j.mu.Unlock()
	return func(ctx context.Context) error {
		if gate != nil {
			select {
			case <-gate:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		if err != nil {
			return err
		}
		return j.add(b, at)
	}
}

// take returns what was recorded since, and forgets it.
func (j *journal) take() (out []record) {
	j.mu.Lock()
	defer j.mu.Unlock()
	out, j.records = j.records, nil
	return out
}

// reader is a Reader that notes what it is shown.
type reader struct {
	mu    sync.Mutex
	shown []string // names of signals; … where it is shown again and again
}

func (d *reader) Show(p policy.Pattern, loop bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	word := p.String()
	for s, pattern := range policy.DefaultFeedback() {
		if pattern.String() == word {
			word = policy.Signal(s).String()
			break
		}
	}
	if loop {
		word += "…"
	}
	d.shown = append(d.shown, word)
}

func (j *journal) peek() []record {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.records)
}

func decisions(records []record) (out []*ledger.Decision) {
	for _, r := range records {
		if d, ok := r.body.(*ledger.Decision); ok {
			out = append(out, d)
		}
	}
	return out
}

// words says records in few words, one line.
func words(records []record) string {
	var out []string
	for _, r := range records {
		switch b := r.body.(type) {
		case *ledger.Decision:
			word := "denied"
			if b.Granted {
				word = "granted"
			}
			out = append(out, fmt.Sprintf("%s %d %s", word, b.Seq, b.Reason))
		case *ledger.Passage:
			word := "lapsed"
			if b.Entered {
				word = "entered"
			}
			out = append(out, fmt.Sprintf("%s %d", word, b.Seq))
		case *ledger.DoorState:
			out = append(out, b.State)
		case *ledger.Line:
			out = append(out, strings.TrimSpace(b.Door+" "+b.Input+" "+b.State))
		case *ledger.Opening:
			out = append(out, fmt.Sprintf("opening %d", b.Seq))
		case *ledger.PassUsed:
			out = append(out, fmt.Sprintf("pass used %d", b.Seq))
		case *ledger.Basis:
			out = append(out, "basis "+b.Clock)
		case *ledger.Fault:
			word := "fault "
			if b.Cleared {
				word = "cleared "
			}
			out = append(out, word+b.Part)
		default:
			out = append(out, b.Kind().String())
		}
	}
	return strings.Join(out, ", ")
}
