package roster

import (
	"bytes"
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"tombolo/edge/access"
	"tombolo/edge/policy"
)

// TrialTime is how long a gateway lives with a new policy before it is confirmed.
const TrialTime = 2 * time.Minute

// maxDeaths is how many processes a policy may end before it is refused.
const maxDeaths = 2

// Trial says that the policy in force is a new one, and that the gateway goes back
// to the one before it unless it can live with this. That is marked durably before
// the policy is in force: whoever has lived with it for TrialTime calls
// [Roster.Confirm]; whoever ends in good order before that calls [Roster.Leave];
// and if two processes end without either, the next one refuses the policy until a
// higher version comes. So it does, without a trial, what Config.Accept refuses. A
// gateway's first policy is not tried: there is none to go back to.
type Trial struct {
	Version uint64
	Hash    [32]byte
}

// trial is a row of the table.
type trial struct {
	hash    [32]byte
	version int64
	state   string
	first   bool
	why     string
}

// The states of a trial.
const (
	stateTrying  = "trying"
	stateKept    = "kept"
	stateRefused = "refused"
)

// begun counts the processes that a policy on trial has ended.
func (r *Roster) begun() error {
	var trying int
	if err := r.write.QueryRow("SELECT count(*) FROM trial WHERE state = ?", stateTrying).Scan(&trying); err != nil || trying == 0 {
		return err
	}
	return r.durably(func(tx *sql.Tx) error {
		if _, err := tx.Exec("UPDATE trial SET deaths = deaths + running, running = 0 WHERE state = ?", stateTrying); err != nil {
			return err
		}
		_, err := tx.Exec("UPDATE trial SET state = ?, why = ? WHERE state = ? AND deaths >= ?", stateRefused,
			fmt.Sprintf("%d times the gateway stopped within %v of taking it", maxDeaths, TrialTime), stateTrying, maxDeaths)
		return err
	})
}

// durably is inTx and waits for the disk: a power cut may be the policy's doing.
func (r *Roster) durably(f func(*sql.Tx) error) (err error) {
	if _, err := r.write.Exec("PRAGMA synchronous = FULL"); err != nil {
		return err
	}
	defer func() {
		_, back := r.write.Exec("PRAGMA synchronous = NORMAL")
		err = errors.Join(err, back)
	}()
	return inTx(r.write, f)
}

// Confirm says that the gateway has lived with the policy on trial for TrialTime. The
// next Project has a view without it.
func (r *Roster) Confirm(hash [32]byte) error {
	r.projecting.Lock()
	defer r.projecting.Unlock()
	r.unfinished = true
	return r.durably(func(tx *sql.Tx) error { return keep(tx, hash) })
}

// keep has a policy kept, and forgets what became of those below.
func keep(tx *sql.Tx, hash [32]byte) error {
	if _, err := tx.Exec("UPDATE trial SET state = ?, running = 0 WHERE hash = ? AND state = ?", stateKept, hash[:], stateTrying); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM trial WHERE version < (SELECT max(version) FROM trial WHERE state = ?)", stateKept)
	return err
}

// Leave says that the process ends because it was asked to, and not by a policy.
func (r *Roster) Leave() error {
	r.projecting.Lock()
	defer r.projecting.Unlock()
	return r.durably(func(tx *sql.Tx) error {
		_, err := tx.Exec("UPDATE trial SET running = 0")
		return err
	})
}

// try marks that the gateway lives by a policy that it may not be able to live with.
func (r *Roster) try(version int64, hash [32]byte) error {
	return r.durably(func(tx *sql.Tx) error {
		if _, err := tx.Exec("UPDATE trial SET running = 0 WHERE hash != ?", hash[:]); err != nil {
			return err
		}
		_, err := tx.Exec("INSERT INTO trial VALUES (?, ?, ?, 1, 0, 0, '') ON CONFLICT DO UPDATE SET running = 1", hash[:], version, stateTrying)
		return err
	})
}

// untry takes it back: it cannot be used at all.
func (r *Roster) untry(hash [32]byte) error {
	_, err := r.write.Exec("DELETE FROM trial WHERE hash = ? AND state = ?", hash[:], stateTrying)
	return err
}

// settled notes the first policy of a gateway.
func (r *Roster) settled(version int64, hash [32]byte) error {
	_, err := r.write.Exec("INSERT OR IGNORE INTO trial VALUES (?, ?, ?, 0, 0, 1, '')", hash[:], version, stateKept)
	return err
}

// trials are what became of policies; kept tells whether there is one to go back to.
func (r *Roster) trials() (all map[[32]byte]trial, kept bool, err error) {
	all = map[[32]byte]trial{}
	var t trial
	var hash []byte
	var damaged error
	err = r.each(func() {
		if len(hash) != len(t.hash) {
			damaged = errDamaged
			return
		}
		t.hash = [32]byte(hash)
		all[t.hash] = t
		kept = kept || t.state == stateKept
	}, "SELECT hash, version, state, first, why FROM trial", nil, &hash, &t.version, &t.state, &t.first, &t.why)
	return all, kept, errors.Join(err, damaged)
}

// loadPolicy takes the first that this gateway can use and live with, in the order
// in which they win. It forgets those below the one that it has kept: a gateway goes
// on with the policy that it can read, through restarts too.
func (r *Roster) loadPolicy(v *View, node string) error {
	trials, kept, err := r.trials()
	if err != nil {
		return err
	}
	v.tell(trials)
	type candidate struct {
		version int64
		hash    [32]byte
	}
	var all []candidate
	var version int64
	var hash []byte
	if err := r.each(func() {
		if len(hash) == len([32]byte{}) {
			all = append(all, candidate{version, [32]byte(hash)})
		}
	}, "SELECT version, hash FROM policy ORDER BY version DESC, hash", nil, &version, &hash); err != nil {
		return err
	}
	for _, c := range all {
		t := trials[c.hash]
		if t.state == stateRefused {
			v.problem("policy", "version %d is refused: %s; sign a higher version", c.version, t.why)
			continue
		}
		p, err := r.weigh(v, node, c.version, c.hash, r.cfg.Accept != nil && kept && t.state != stateKept)
		if err != nil {
			return err
		}
		if p == nil {
			continue
		}
		v.Policy = p
		switch {
		case t.state == stateKept, r.cfg.Accept == nil && len(trials) == 0:
		case r.cfg.Accept == nil:
			return nil // whoever lives by it says what becomes of it
		case kept:
			v.Trial = &Trial{p.Version, c.hash}
			return nil
		default:
			if err := r.settled(c.version, c.hash); err != nil {
				return err
			}
		}
		_, err = r.write.Exec("DELETE FROM policy WHERE version < ?1 OR (version = ?1 AND hash > ?2)", c.version, c.hash[:])
		return err
	}
	return nil
}

// weigh looks whether a policy can be used, nil if not. Of one that is to be tried it
// marks that first: to read it may be the end of the process.
func (r *Roster) weigh(v *View, node string, version int64, hash [32]byte, try bool) (*policy.Policy, error) {
	unusable, done := r.weighed[hash]
	if try && unusable == nil && (!done || r.living != hash) {
		if err := r.try(version, hash); err != nil {
			return nil, err
		}
		r.living = hash
	}
	var p *policy.Policy
	if unusable == nil {
		var file []byte
		if err := r.write.QueryRow("SELECT file FROM policy WHERE version = ? AND hash = ?", version, hash[:]).Scan(&file); err != nil {
			return nil, err
		}
		p, unusable = r.parsePolicy(file)
		switch {
		case unusable != nil:
		case int64(p.Version) != version:
			unusable = fmt.Errorf("the file says that it is version %d", p.Version)
		case p.Node != node:
			unusable = fmt.Errorf("it is for the node %q, and this is %q", p.Node, node)
		case try && !done:
			if err := r.cfg.Accept(p); err != nil {
				unusable = notAccepted{err}
			}
		}
		r.weighed[hash] = unusable
		if try && unusable != nil {
			if err := r.untry(hash); err != nil {
				return nil, err
			}
		}
	}
	if unusable == nil {
		return p, nil
	}
	v.problem("policy", "version %d cannot be used: %v", version, unusable)
	if refused, ok := errors.AsType[notAccepted](unusable); ok {
		v.Tried = append(v.Tried, access.Tried{Version: uint64(version), Hash: hash, Why: refused.Error()})
	}
	return nil, nil
}

// notAccepted is Config.Accept's no.
type notAccepted struct{ error }

// tell has the door log say what became of policies.
func (v *View) tell(trials map[[32]byte]trial) {
	for _, t := range trials {
		if t.state == stateRefused || t.state == stateKept && !t.first {
			v.Tried = append(v.Tried, access.Tried{Version: uint64(t.version), Hash: t.hash, OK: t.state == stateKept, Why: t.why})
		}
	}
	slices.SortFunc(v.Tried, func(a, b access.Tried) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), bytes.Compare(a.Hash[:], b.Hash[:]))
	})
}
