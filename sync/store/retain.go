package store

import (
	"fmt"
	"time"

	"tombolo/sync/ledger"
)

// maxRetained bounds the bodies that go in one commit.
const maxRetained = 1 << 14

// Retain lets go of bodies that were written before a time, of this ledger, which
// says so in a Dropped entry, and of the author's earlier incarnations of it, for
// which Expired entries say so. It takes the oldest first, and some thousands at
// once, so that nobody waits long: call it again until it returns 0. Of other
// ledgers nothing goes for its age (ledger.ErrWrongLog): a suspension counts for as
// long as it stands.
func (a *Author) Retain(before time.Time, why string) (dropped int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.cfg.Kind.Expires() {
		return 0, fmt.Errorf("%w: retention in a %s ledger", ledger.ErrWrongLog, a.cfg.Kind)
	}
	if dropped, err = a.expire(before, why); dropped > 0 || err != nil {
		return dropped, err
	}
	first, last, dropped, err := a.store.old(a.info, 1, before, a.cfg.Now())
	if dropped == 0 || err != nil {
		return 0, err
	}
	return dropped, a.letGo(&ledger.Dropped{First: first, Last: last, Why: why})
}

// expire lets go of old bodies of the earlier incarnation whose are the oldest. It
// is called under mu.
func (a *Author) expire(before time.Time, why string) (dropped int64, err error) {
	all, err := incarnations(a.store.read, a.cfg)
	if err != nil {
		return 0, err
	}
	for _, i := range all {
		if i.Origin == a.info.Origin {
			continue
		}
		from, err := expiredBefore(a.store.read, i.Origin)
		if err != nil {
			return 0, err
		}
		_, last, dropped, err := a.store.old(i, max(1, from), before, a.cfg.Now())
		if err != nil {
			return 0, err
		}
		if dropped > 0 {
			return dropped, a.letGo(&ledger.Expired{Incarnation: i.Origin.Incarnation, Before: last + 1, Why: why})
		}
	}
	return 0, nil
}

// old finds the bodies, records apart, that were written before a time: from the
// first to the last, and how many they are. What is dated to a time to come was
// written by a wrong clock: it is as old as what follows it.
func (s *Store) old(i Info, from int64, before, now time.Time) (first, last, count int64, err error) {
	if from >= i.Size {
		return 0, 0, 0, nil
	}
	rows, err := s.read.Query("SELECT idx, time FROM entry WHERE ledger = ? AND idx >= ? AND idx < ? AND body IS NOT NULL AND "+notRecord+" ORDER BY idx LIMIT ?", i.id, from, i.Size, maxRetained)
	if err != nil {
		return 0, 0, 0, err
	}
	defer rows.Close()
	met := int64(0)
	for rows.Next() {
		var index, at int64
		if err := rows.Scan(&index, &at); err != nil {
			return 0, 0, 0, err
		}
		if met == 0 {
			first = index
		}
		met++
		switch {
		case at < before.UnixMilli():
			last, count = index, met
		case at <= now.UnixMilli():
			return first, last, count, nil
		}
	}
	return first, last, count, rows.Err()
}

// Snapshot lets go of bodies that later entries superseded, if there are at least
// so many, and says so in Snapshot entries. It returns how many went.
func (a *Author) Snapshot(least int64) (dropped int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	reduced, err := ledger.Reduce(a.cfg.Kind, a.info.Tree.Size(), func(lo, hi int64) ([]ledger.Entry, error) { return page(a.store.read, a.info.id, lo, hi) })
	if err != nil || reduced.Gone < max(1, least) {
		return 0, err
	}
	var bodies []ledger.Body
	for _, b := range reduced.Snapshots() {
		bodies = append(bodies, b)
	}
	return reduced.Gone, a.letGo(bodies...)
}

// letGo writes entries that let go of bodies, and sees that these are overwritten
// in a file too, as soon as no reader holds them. It is called under mu.
func (a *Author) letGo(bodies ...ledger.Body) error {
	var g group
	for _, b := range bodies {
		r, err := newRecord(Draft{b, a.cfg.Now()})
		if err != nil {
			return err
		}
		g.given = append(g.given, r)
	}
	if err := a.append(&g); err != nil {
		return err
	}
	if a.store.dialect.Erase == "" {
		return nil
	}
	// The write-ahead log still holds the pages as they were.
	_, err := a.store.write.Exec(a.store.dialect.Erase)
	return err
}
