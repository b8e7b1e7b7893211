package hub

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"tombolo/sync/ledger"
	"tombolo/sync/replica"
	"tombolo/sync/store"
)

// The processes of a hub divide the report ledgers without speaking to each other:
// each has a seat, which is a lease in the store that they share, and finds out
// which others are taken by trying to take them. Of each shard of authors all who
// see the same seats taken say the same seat. So a newcomer's shards change hands at
// the next look, and those of one that died when its lease is over.

const (
	// shards divide the authors of report ledgers, by their key id's first byte.
	shards = 64
	// maxSeats bounds the processes that take in reports; more of them wait.
	maxSeats = 16
	// trial is how long a seat is held to see that nobody else does. Who looks at
	// that very instant believes it taken until its next look.
	trial = time.Millisecond
)

// seats is a process's knowledge of who takes in what.
type seats struct {
	store  *store.Store
	holder string
	ttl    time.Duration

	mu    sync.Mutex
	seat  int       // under mu: its own, -1 for none
	until time.Time // under mu: by the monotonic clock, when its lease is over unless it is prolonged
	taken []int     // under mu: all, its own included
}

func newSeats(s *store.Store, holder string, ttl time.Duration) *seats {
	return &seats{store: s, holder: holder, ttl: ttl, seat: -1}
}

func seatName(n int) string { return fmt.Sprintf("hub/seat/%d", n) }

// look prolongs the own seat, or takes one, and sees which others are taken. It
// reports whether anything changed.
func (s *seats) look(ctx context.Context) (changed bool, err error) {
	s.mu.Lock()
	had := s.seat
	if !time.Now().Before(s.until) {
		s.seat = -1
	}
	own, was := s.seat, slices.Clone(s.taken)
	s.mu.Unlock()

	began := time.Now()
	try := func(n int, ttl time.Duration) (bool, error) {
		return s.store.Lease(ctx, seatName(n), s.holder, ttl)
	}
	if own >= 0 {
		got, err := try(own, s.ttl)
		if err != nil {
			return false, err
		}
		if !got {
			own = -1
		}
	}
	var taken []int
	for n := range maxSeats {
		if n == own {
			taken = append(taken, n)
			continue
		}
		ttl := trial
		if own < 0 {
			ttl = s.ttl
		}
		got, err := try(n, ttl)
		if err != nil {
			return false, err
		}
		if got && own < 0 {
			own = n
		} else if got {
			continue
		}
		taken = append(taken, n)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seat, s.taken, s.until = own, taken, began.Add(s.ttl)
	return had != own || !slices.Equal(was, taken), nil
}

// share says for each shard whether it is this process's, now.
func (s *seats) share() (mine [shards]bool, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seat < 0 || !time.Now().Before(s.until) {
		return mine, 0
	}
	for shard := range mine {
		if seatOf(shard, s.taken) == s.seat {
			mine[shard] = true
			n++
		}
	}
	return mine, n
}

// seatOf is by rendezvous: when a seat is given up nothing moves but its own shards.
func seatOf(shard int, taken []int) int {
	best, most := -1, uint64(0)
	for _, n := range taken {
		h := sha256.Sum256([]byte{byte(shard), byte(n)})
		if w := binary.BigEndian.Uint64(h[:]); best < 0 || w > most {
			best, most = n, w
		}
	}
	return best
}

// leave gives the seat back.
func (s *seats) leave() {
	s.mu.Lock()
	own := s.seat
	s.seat, s.taken = -1, nil
	s.mu.Unlock()
	if own < 0 {
		return
	}
	ctx, end := context.WithTimeout(context.Background(), time.Second)
	defer end()
	_ = s.store.Release(ctx, seatName(own), s.holder) // or it ends by itself
}

func shardOf(author ledger.KeyID) int { return int(author[0]) % shards }

// rights are those that this process's participant goes by: of report ledgers those
// of its share.
func (h *Hub) rights() (replica.Rights, error) {
	r, err := h.cfg.Rights()
	if err != nil {
		return r, err
	}
	mine, n := h.seats.share()
	if n == shards {
		return r, nil
	}
	r.Authors = maps.Clone(r.Authors)
	for id, a := range r.Authors {
		if !mine[shardOf(id)] && slices.Contains(a.Kinds, ledger.ReportLog) {
			a.Kinds = slices.DeleteFunc(slices.Clone(a.Kinds), func(k ledger.LogKind) bool { return k == ledger.ReportLog })
			r.Authors[id] = a
		}
	}
	return r, nil
}

// keepSeat looks at the seats three times in the time of a lease.
func (h *Hub) keepSeat(ctx context.Context) {
	for pause(ctx, h.cfg.Lease/3) {
		h.sit(ctx)
	}
}

func (h *Hub) sit(ctx context.Context) {
	_, before := h.seats.share()
	changed, err := h.seats.look(ctx)
	if err != nil && ctx.Err() == nil {
		h.cfg.Log.Warn("this process's share of the reports could not be prolonged", "err", err)
	}
	_, n := h.seats.share()
	if !changed && n == before {
		return
	}
	h.cfg.Log.Info("this process's share of the reports changed", "shards", n, "of", shards)
	if h.node != nil {
		h.node.Look()
	}
}
