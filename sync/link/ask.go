package link

import (
	"fmt"
	"slices"
	"time"

	"tombolo/sync/replica"
)

// MaxBody bounds an Ask's and an Answer's body, in bytes.
const MaxBody = 64 << 10

// Ask is a question to one peer that is no matter of a ledger: whoever gets it may
// answer with an [Answer] of the same ID, or not at all. What Body means is for
// those two to know.
type Ask struct {
	ID   uint64 // random: who answers shows that it read the question
	Body []byte // 1 to MaxBody bytes
}

// Answer answers an [Ask].
type Answer struct {
	ID   uint64
	Body []byte // 1 to MaxBody bytes
}

// Ask queues a question to a peer, in the scope Hub. It does not wait, and neither
// the question nor the answer may arrive. Errors: those of [Link.Send].
func (l *Link) Ask(to replica.Peer, a Ask) error { return l.exchange(TypeAsk, to, len(a.Body), a) }

// Answer queues the answer to what a peer asked, in the scope Hub. Errors: those of
// [Link.Send].
func (l *Link) Answer(to replica.Peer, a Answer) error {
	return l.exchange(TypeAnswer, to, len(a.Body), a)
}

func (l *Link) exchange(typ Type, to replica.Peer, size int, m any) error {
	switch err := checkSize(typ.String(), size, MaxBody); {
	case !slices.Contains(l.cfg.Scopes, replica.Hub):
		return fmt.Errorf("%w: scope %v", ErrScope, replica.Hub)
	case to == replica.Peer{}:
		return fmt.Errorf("%w: %v to nobody", ErrMessage, typ)
	case err != nil:
		return err
	}
	t := topic{Community: l.cfg.Community, Place: l.cfg.place(replica.Hub), Sender: l.cfg.Self, Type: TypeWant, To: to}
	return l.out.add(t, &outgoing{topic: t, typ: typ, message: m, size: 256 + size})
}

// decodeExchange reads an Ask or an Answer. Errors: ErrVersion, ErrMessage.
func decodeExchange(b []byte) (any, error) {
	if len(b) > MaxBody+64 {
		return nil, fmt.Errorf("%w: %d bytes", ErrMessage, len(b))
	}
	t, err := peek(b)
	if err != nil {
		return nil, err
	}
	if t != TypeAsk && t != TypeAnswer {
		return nil, fmt.Errorf("%w: %v neither asks nor answers", ErrMessage, t)
	}
	var m exchange
	if err := decodeInto(b, &m); err != nil {
		return nil, err
	}
	if err := checkSize(t.String(), len(m.Body), MaxBody); err != nil {
		return nil, err
	}
	if t == TypeAsk {
		return Ask{m.ID, m.Body}, nil
	}
	return Answer{m.ID, m.Body}, nil
}

// What one sender may ask and answer. A gateway asks for one batch after the
// other, and a server answers each of a few askers here as often.
const (
	exchangesPerSecond = 50
	exchangesBurst     = 100
	maxExchangers      = 4096 // senders that are kept apart
)

// exchanges bounds the rate of each sender's asks and answers. Those who are
// beyond maxExchangers at a time share one allowance.
type exchanges struct {
	of   map[replica.Peer]*allowance
	rest allowance
}

// allowance is what is left of a burst. The zero value is full.
type allowance struct {
	spent float64
	at    time.Time
}

func (a *allowance) take(now time.Time) bool {
	a.spent = max(0, a.spent-max(0, now.Sub(a.at).Seconds())*exchangesPerSecond)
	a.at = now
	if a.spent+1 > exchangesBurst {
		return false
	}
	a.spent++
	return true
}

func (x *exchanges) take(from replica.Peer, now time.Time) bool {
	a := x.of[from]
	if a == nil {
		if x.of == nil {
			x.of = map[replica.Peer]*allowance{}
		}
		if len(x.of) >= maxExchangers {
			x.forget(now)
		}
		if len(x.of) >= maxExchangers {
			return x.rest.take(now)
		}
		a = &allowance{at: now}
		x.of[from] = a
	}
	return a.take(now)
}

// forget lets go of those whose allowance is full again.
func (x *exchanges) forget(now time.Time) {
	for p, a := range x.of {
		if now.Sub(a.at).Seconds()*exchangesPerSecond >= a.spent {
			delete(x.of, p)
		}
	}
}
