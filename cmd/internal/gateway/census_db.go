package gateway

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"

	"github.com/mattn/go-sqlite3"

	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

//go:embed census.sql
var censusSchema string

// epochState is how far an epoch has come here.
type epochState int

// The states, in their order. A gateway that is killed goes on from the last one
// that is durable.
const (
	folding   epochState = iota // presences are looked for, all of them again
	evidenced                   // found, each with its delegation and its admission
	asking                      // blinded, and the batches written down
	tagged                      // all are tagged
	attending                   // their Attendances stand in the door log
	reported                    // the report is made
)

var stateWords = [...]string{"looking for presences", "blinding", "asking the evaluator", "writing attendances", "reporting", "reported"}

func (s epochState) String() string {
	if int(s) < len(stateWords) {
		return stateWords[s]
	}
	return fmt.Sprintf("state %d", int(s))
}

// censusDB is the gateway's own file of the census. It is safe for concurrent use.
type censusDB struct{ *sql.DB }

func openCensusDB(path string) (*censusDB, error) {
	db, err := store.Database(path, 1)
	if err != nil {
		return nil, err
	}
	if err := store.Migrate(db, 1, censusSchema); err != nil {
		if damaged := (sqlite3.Error{}); errors.As(err, &damaged) && (damaged.Code == sqlite3.ErrNotADB || damaged.Code == sqlite3.ErrCorrupt) {
			err = fmt.Errorf("%w: %w", errCensusFile, err)
		}
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), db.Close())
	}
	return &censusDB{db}, nil
}

func (d *censusDB) close() error { return d.DB.Close() }

// inTx commits what f does, or nothing.
func (d *censusDB) inTx(ctx context.Context, f func(*sql.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	tx, err := d.Begin()
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

// epochRow is what is kept of an epoch.
type epochRow struct {
	state          epochState
	salt           [32]byte
	log            string
	size           int64
	root           [32]byte
	report         string
	entry          int64
	note           []byte // empty while the hub has not acknowledged the report
	leftOut        int64
	seed           []byte // empty while none is answered
	answered, told bool
}

// begin is the row of an epoch, made if it is not there.
func (d *censusDB) begin(id ledger.EpochID, audit int64, salt [32]byte) (epochRow, error) {
	if _, err := d.Exec("INSERT INTO epoch (id, state, audit, salt) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", id[:], folding, audit, salt[:]); err != nil {
		return epochRow{}, err
	}
	r, _, err := d.epoch(id)
	return r, err
}

func (d *censusDB) epoch(id ledger.EpochID) (r epochRow, ok bool, err error) {
	var salt, root []byte
	err = d.QueryRow("SELECT state, salt, log, size, root, report, entry, note, left_out, seed, answered, told FROM epoch WHERE id = ?", id[:]).
		Scan(&r.state, &salt, &r.log, &r.size, &root, &r.report, &r.entry, &r.note, &r.leftOut, &r.seed, &r.answered, &r.told)
	if errors.Is(err, sql.ErrNoRows) {
		return r, false, nil
	}
	copy(r.salt[:], salt)
	copy(r.root[:], root)
	return r, err == nil, err
}

// audited are those of which something is kept although their audit was over at a
// time, Unix seconds.
func (d *censusDB) audited(at int64) (ids []ledger.EpochID, err error) {
	rows, err := d.Query("SELECT id FROM epoch WHERE audit <= ?", at)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id []byte
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		if len(id) != len(ledger.EpochID{}) {
			return nil, errCensusFile
		}
		ids = append(ids, ledger.EpochID(id))
	}
	return ids, rows.Err()
}

var errCensusFile = errors.New(CensusFile + " is damaged: set it aside; what it held of epochs that are not audited yet cannot be opened any more")

// forget lets go of an epoch: of blinds and salts, by which tags lead to passports.
// The bytes are overwritten, in the file and in what was written ahead of it.
func (d *censusDB) forget(ctx context.Context, id ledger.EpochID) error {
	err := d.inTx(ctx, func(tx *sql.Tx) error {
		for _, table := range []string{"presence", "batch"} {
			if _, err := tx.Exec("DELETE FROM "+table+" WHERE epoch = ?", id[:]); err != nil {
				return err
			}
		}
		_, err := tx.Exec("DELETE FROM epoch WHERE id = ?", id[:])
		return err
	})
	if err == nil {
		_, err = d.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	}
	return err
}

// presence is one passport's.
type presence struct {
	passport          uint64
	log               ledger.Origin
	decision, passage int64
	made, passed      [32]byte // their leaf hashes
	key               passport.Key
	delegation        []byte
	admitted          string
	admit             int64
	secret            census.Salt
	blind             census.Blind
	evaluation        census.Evaluation
	tag               census.Tag
	attended          int64
	leaf              [32]byte
}

const presenceColumns = "passport, log, decision, passage, made_leaf, passed_leaf, key, delegation, admitted, admit, secret, blind, element, proof, tag, attended, leaf"

// presences reads those that match; where takes the epoch first.
func (d *censusDB) presences(id ledger.EpochID, where string, args ...any) (all []presence, err error) {
	rows, err := d.Query("SELECT "+presenceColumns+" FROM presence WHERE epoch = ? AND "+where, append([]any{id[:]}, args...)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var p presence
		var who int64
		var log string
		var made, passed, key, secret, blind, element, proof, tag, leaf []byte
		if err := rows.Scan(&who, &log, &p.decision, &p.passage, &made, &passed, &key, &p.delegation, &p.admitted, &p.admit,
			&secret, &blind, &element, &proof, &tag, &p.attended, &leaf); err != nil {
			return nil, err
		}
		p.passport = uint64(who)
		if p.log, err = ledger.ParseOrigin(log); err != nil {
			return nil, fmt.Errorf("%w: %w", errCensusFile, err)
		}
		if err := p.key.UnmarshalBinary(key); err != nil {
			return nil, fmt.Errorf("%w: %w", errCensusFile, err)
		}
		for _, c := range []struct{ to, from []byte }{
			{p.made[:], made}, {p.passed[:], passed}, {p.secret[:], secret}, {p.blind[:], blind},
			{p.evaluation.Element[:], element}, {p.evaluation.Proof[:], proof}, {p.tag[:], tag}, {p.leaf[:], leaf},
		} {
			if n := len(c.from); n != 0 && n != len(c.to) {
				return nil, errCensusFile
			}
			copy(c.to, c.from)
		}
		all = append(all, p)
	}
	return all, rows.Err()
}

// count is how many presences match.
func (d *censusDB) count(id ledger.EpochID, where string, args ...any) (n int64, err error) {
	err = d.QueryRow("SELECT count(*) FROM presence WHERE epoch = ? AND "+where, append([]any{id[:]}, args...)...).Scan(&n)
	return n, err
}

// become moves an epoch on.
func (d *censusDB) become(tx *sql.Tx, id ledger.EpochID, s epochState) error {
	_, err := tx.Exec("UPDATE epoch SET state = ? WHERE id = ?", s, id[:])
	return err
}
