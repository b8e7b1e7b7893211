package store

import (
	"context"
	"errors"
	"time"
)

// MaxLease is the longest that a lease is taken for at a time.
const MaxLease = 10 * time.Minute

// Lease takes a lease, or prolongs one that the holder has, and returns whether it
// is the holder's now. Nobody else gets it for ttl, counted from the call, unless
// the holder releases it. Time is the database's: however the clocks of those who
// share it differ, no two have a lease at once. Who holds one must count the ttl
// from before the call, and stop when it is over; what it writes after that
// nobody hinders, so that it has to be safe to write twice.
//
// One that ends later than anybody can have taken it for is of before the clock was
// set back, and is over.
//
// Errors: of a name or a holder that is empty, of a ttl under a millisecond or over
// MaxLease.
func (s *Store) Lease(ctx context.Context, name, holder string, ttl time.Duration) (bool, error) {
	if name == "" || holder == "" || ttl < time.Millisecond || ttl > MaxLease {
		return false, errors.New("a lease needs a name, a holder and a time of at most ten minutes")
	}
	now := s.dialect.Clock
	r, err := s.write.ExecContext(ctx, "INSERT INTO lease VALUES (?1, ?2, "+now+" + CAST(?3 AS BIGINT)) "+
		"ON CONFLICT (name) DO UPDATE SET holder = ?2, ends = "+now+" + CAST(?3 AS BIGINT) WHERE lease.holder = ?2 OR lease.ends <= "+now+" OR lease.ends > "+now+" + CAST(?4 AS BIGINT)",
		name, holder, ttl.Milliseconds(), MaxLease.Milliseconds())
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n == 1 && err == nil, err
}

// Release gives a lease back, if the holder has it.
func (s *Store) Release(ctx context.Context, name, holder string) error {
	_, err := s.write.ExecContext(ctx, "DELETE FROM lease WHERE name = ? AND holder = ?", name, holder)
	return err
}
