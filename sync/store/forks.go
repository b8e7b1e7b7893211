package store

import "tombolo/sync/ledger"

// AddFork verifies evidence that an author signed two histories and keeps it.
// The first proof against a ledger stays; more of them say nothing new.
func (s *Store) AddFork(f ledger.Fork, seen int64) error {
	f, err := ledger.ParseFork(f.Marshal())
	if err != nil {
		return err
	}
	a, _, err := f.Heads()
	if err != nil {
		return err
	}
	return s.inTx(func(tx txn) error {
		_, err := tx.values("INSERT INTO fork VALUES (?, ?, ?) ON CONFLICT DO NOTHING", a.Origin.String(), f.Marshal(), seen)
		return err
	})
}

// Forks lists the evidence that is kept, by origin.
func (s *Store) Forks() (all []ledger.Fork, err error) {
	rows, err := s.read.Query("SELECT evidence FROM fork ORDER BY origin")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var b []byte
		if err := rows.Scan(&b); err != nil {
			return nil, err
		}
		f, err := ledger.ParseFork(b)
		if err != nil {
			return nil, err
		}
		all = append(all, f)
	}
	return all, rows.Err()
}
