package enroll

import (
	"errors"
	"fmt"
)

// Why an enrolment ends; [Refused] wraps them when the other side said so.
var (
	ErrBusy     = errors.New("another desk is enrolling this gateway: try again when it has ended")
	ErrWay      = errors.New("the gateway does not take this way of enrolment: use the code that it shows, or the short one")
	ErrAttempts = errors.New("too many attempts by short code: wait ten minutes, use the long code that the gateway shows, or carry its request as a file")
	ErrSecret   = errors.New("the code's secret is wrong: copy the code that the gateway shows now")
	ErrDigits   = errors.New("these are not the digits that the other side shows: if they were typed right, somebody sits between gateway and desk; carry the request as a file")
	ErrDeclined = errors.New("the steward's tool did not approve; it says why")
	ErrNotTaken = errors.New("the gateway did not take the approval")
	ErrSlow     = errors.New("the other side, or a person at it, took too long: begin again")
	ErrOpening  = errors.New("the gateway's number is not the one that it committed to: somebody is at work in between")
	ErrKey      = errors.New("what answers at this address has another key than the code names: somebody is at work in between, or the code is of another gateway")
	ErrLost     = errors.New("the connection ended")
	ErrUnknown  = errors.New("the connection ended before the gateway said whether it took the approval: look there, or approve it again, which does no harm")

	errOther = errors.New("for a reason that this version does not know")
)

// refused is a reason's number in a refusal; numbers are never used again.
type refused uint8

var reasons = map[refused]error{
	1: ErrBusy, 2: ErrWay, 3: ErrAttempts, 4: ErrSecret, 5: ErrDigits, 6: ErrDeclined, 7: ErrNotTaken, 8: ErrSlow,
	9: ErrOpening, 10: ErrVersion, 11: ErrFrame,
}

// Refused is the other side's refusal. It wraps what the reason stands for here.
type Refused struct {
	Reason error  // one of this package's
	Why    string // the other side's words, at most 400 characters of one line; or ""
}

func (e *Refused) Error() string {
	if e.Why == "" {
		return fmt.Sprintf("refused by the other side: %v", e.Reason)
	}
	return fmt.Sprintf("refused by the other side: %v: %s", e.Reason, e.Why)
}

func (e *Refused) Unwrap() error { return e.Reason }

// told is the refusal that tells the other side of err, or nil: of what is this
// side's own affair it learns no more than that it ended.
func told(err error) *refusal {
	for code := refused(1); int(code) <= len(reasons); code++ {
		if !errors.Is(err, reasons[code]) {
			continue
		}
		m := &refusal{Code: code}
		if t, ok := errors.AsType[*notTaken](err); ok { // the steward is to learn what the gateway lacks
			m.Why = clean(t.err.Error())
		}
		return m
	}
	return nil
}

// notTaken is [ErrNotTaken] with the reason that the host gave.
type notTaken struct{ err error }

func (e *notTaken) Error() string   { return fmt.Sprintf("%v: %v", ErrNotTaken, e.err) }
func (e *notTaken) Unwrap() []error { return []error{ErrNotTaken, e.err} }
