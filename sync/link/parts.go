package link

import (
	"fmt"
	"time"

	"tombolo/sync/replica"
)

const (
	// maxPart leaves room for a part's own fields within a payload.
	maxPart    = MaxPayload - 64
	maxParts   = (maxMessage + maxPart - 1) / maxPart
	maxSenders = 16 // whose parts are kept at a time
	partsStale = 30 * time.Second
)

// split is a message's payloads: itself, or parts under an id.
func split(message []byte, id uint64) [][]byte {
	if len(message) <= MaxPayload {
		return [][]byte{message}
	}
	count := (len(message) + maxPart - 1) / maxPart
	var all [][]byte
	for i := range count {
		piece := message[i*maxPart : min((i+1)*maxPart, len(message))]
		all = append(all, encode(part{Version: version, Type: TypePart, ID: id, Index: uint(i), Count: uint(count), Bytes: piece}))
	}
	return all
}

// joiner puts parts together: of each sender one message at a time, its parts in
// order, as one connection delivers them. It holds at most maxSenders times
// maxMessage bytes.
type joiner struct {
	of map[sender]*joining
}

// sender tells apart who sends, and in which scope.
type sender struct {
	scope replica.Scope
	peer  replica.Peer
}

type joining struct {
	id          uint64
	next, count uint
	bytes       []byte
	last        time.Time
}

// add takes a part. It returns the message with its last part, nil before, and
// an error that wraps ErrMessage when what came, or what it ends, is dropped.
func (j *joiner) add(from sender, b []byte, now time.Time) ([]byte, error) {
	var p part
	if err := decodeInto(b, &p); err != nil {
		return nil, err
	}
	last := p.Index+1 == p.Count
	if p.Count < 2 || p.Count > maxParts || p.Index >= p.Count || len(p.Bytes) == 0 || (!last && len(p.Bytes) != maxPart) || len(p.Bytes) > maxPart {
		return nil, fmt.Errorf("%w: part %d of %d with %d bytes", ErrMessage, p.Index, p.Count, len(p.Bytes))
	}
	m := j.of[from]
	var err error
	switch {
	case p.Index == 0:
		if m != nil {
			err = fmt.Errorf("%w: another began after part %d of %d", ErrMessage, m.next, m.count)
		}
		j.drop(now, from)
		m = &joining{id: p.ID, count: p.Count}
		j.of[from] = m
	case m == nil || m.id != p.ID || m.count != p.Count || m.next != p.Index || now.Sub(m.last) > partsStale:
		delete(j.of, from)
		return nil, fmt.Errorf("%w: part %d of %d does not follow", ErrMessage, p.Index, p.Count)
	}
	m.next, m.last = p.Index+1, now
	m.bytes = append(m.bytes, p.Bytes...)
	if !last {
		return nil, err
	}
	delete(j.of, from)
	if len(m.bytes) > maxMessage {
		return nil, fmt.Errorf("%w: parts of %d bytes", ErrMessage, len(m.bytes))
	}
	return m.bytes, err
}

// drop makes room for a sender: it forgets what is stale, then whoever was
// silent for the longest time.
func (j *joiner) drop(now time.Time, from sender) {
	if j.of == nil {
		j.of = map[sender]*joining{}
	}
	delete(j.of, from)
	for s, m := range j.of {
		if now.Sub(m.last) > partsStale {
			delete(j.of, s)
		}
	}
	for len(j.of) >= maxSenders {
		var oldest sender
		var at time.Time
		for s, m := range j.of {
			if at.IsZero() || m.last.Before(at) {
				oldest, at = s, m.last
			}
		}
		delete(j.of, oldest)
	}
}
