package gateway

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/attendance"
	"tombolo/passport"
	"tombolo/sync/census"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// piece is how many entries or presences are taken at a time.
const piece = ledger.ChunkSize

// fold finds who was present, in all of the node's door logs, and what shows it.
func (c *reporter) fold(ctx context.Context, e folder.Epoch, row epochRow) error {
	// A gateway that was away hears of an epoch and of who moved in at the same moment,
	// and whose door key the roster does not know is not counted.
	if _, err := c.Project(c.Clock()); err != nil {
		return err
	}
	keys, err := c.gateways()
	if err != nil {
		return err
	}
	logs, err := c.doorLogs(maps.Keys(keys))
	if err != nil {
		return err
	}
	if err := c.db.inTx(ctx, func(tx *sql.Tx) error {
		_, err := tx.Exec("DELETE FROM presence WHERE epoch = ?", e.ID[:])
		if err == nil {
			_, err = tx.Exec("UPDATE epoch SET left_out = 0 WHERE id = ?", e.ID[:])
		}
		return err
	}); err != nil {
		return err
	}
	for _, i := range logs {
		if err := c.foldLog(ctx, e, row.salt, i, keys[i.Origin.Author]); err != nil {
			return fmt.Errorf("%v: %w", i.Origin, err)
		}
	}
	return c.gather(ctx, e)
}

func (c *reporter) foldLog(ctx context.Context, e folder.Epoch, salt [32]byte, i store.Info, gateway [32]byte) error {
	f := attendance.NewLog(attendance.Span{Opens: e.Opened.Opens, Closes: e.Opened.Closes})
	s := c.Folder.Store()
	for from := int64(0); from < i.Size; from += piece {
		found, err := passedIn(s, f, i, from, min(from+piece, i.Size))
		if err != nil {
			return err
		}
		if len(found) > 0 {
			if err := c.db.inTx(ctx, func(tx *sql.Tx) error {
				for _, p := range found {
					if err := c.keep(tx, e, salt, i.Origin, gateway, p); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				return err
			}
		}
		if err := c.rest(ctx); err != nil {
			return err
		}
	}
	return nil
}

// passedIn gives entries of a door log to a fold.
func passedIn(s *store.Store, f *attendance.Log, i store.Info, from, upTo int64) (found []*attendance.Passed, err error) {
	index := from - 1
	for e, err := range s.Entries(i, from, upTo) {
		if err != nil {
			return nil, err
		}
		index++
		leaf, err := ledger.ParseLeaf(e.Leaf)
		if err != nil {
			return nil, &ledger.At{First: index, Last: index, Err: err}
		}
		if !attendance.Counts(leaf.Kind) {
			continue
		}
		var body ledger.Body
		switch {
		case !e.Dropped():
			if _, body, err = e.Open(ledger.DoorLog, index); err != nil {
				return nil, &ledger.At{First: index, Last: index, Err: err}
			}
		case leaf.Kind == ledger.KindBoot:
			body = &ledger.Boot{} // that it was one is known
		default:
			continue
		}
		if p := f.Apply(e.Time, attendance.Place{Index: index, Leaf: census.LeafHash(e)}, body); p != nil {
			found = append(found, p)
		}
	}
	return found, nil
}

// keep keeps a presence if it is the one of its passport that counts, so far. What
// a sibling wrote counts only if the door key's signature shows it.
func (c *reporter) keep(tx *sql.Tx, e folder.Epoch, salt [32]byte, log ledger.Origin, gateway [32]byte, p *attendance.Passed) error {
	pick := p.Pick(salt)
	var have []byte
	err := tx.QueryRow("SELECT pick FROM presence WHERE epoch = ? AND passport = ?", e.ID[:], int64(p.Passport)).Scan(&have)
	if err != nil && !errors.Is(err, sql.ErrNoRows) || err == nil && bytes.Compare(have, pick[:]) <= 0 {
		if errors.Is(err, sql.ErrNoRows) {
			err = nil
		}
		return err
	}
	holder, err := c.Holder(passport.KeyID(p.Key))
	if err != nil {
		return err
	}
	if !holder.Known {
		return nil
	}
	at := census.Presence{Community: log.Community, Node: c.Node, Gateway: gateway, Decision: p.Decision, Key: holder.Delegation.Key}
	if _, err := census.NewAttendance(e.ID, at, [32]byte{}); err != nil {
		c.Log.Warn("a presence cannot be shown", "log", log.String(), "entry", p.At.Index, "err", err)
		return nil
	}
	key, err := holder.Delegation.Key.MarshalBinary()
	if err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO presence (epoch, passport, pick, log, decision, passage, made_leaf, passed_leaf, key) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT DO UPDATE SET pick = excluded.pick, log = excluded.log, decision = excluded.decision, passage = excluded.passage,
			made_leaf = excluded.made_leaf, passed_leaf = excluded.passed_leaf, key = excluded.key`,
		e.ID[:], int64(p.Passport), pick[:], log.String(), p.At.Index, p.Passage.Index, p.At.Leaf[:], p.Passage.Leaf[:], key)
	return err
}

// gathering bounds the presences that one reading of the issuers' ledgers serves.
const gathering = 4096

// wanted is a presence whose delegation and admission are looked for.
type wanted struct {
	presence
	came        *attendance.Passed
	delegations []signed
	admits      []admit
	out         bool // expelled, or the key revoked, before the epoch began
}

type signed struct {
	bytes  []byte
	wallet [20]byte
}

type admit struct {
	origin string
	index  int64
	owner  [20]byte
}

// gather finds, in the issuers' ledgers that count, each presence's delegation and
// its passport's admission. Whoever has none, or was expelled or had the key revoked
// before the epoch began, as a home's people may have been, is left out: nobody
// could be shown why they count.
func (c *reporter) gather(ctx context.Context, e folder.Epoch) error {
	domains, err := c.Folder.Registries()
	if err != nil {
		return err
	}
	for {
		some, err := c.db.presences(e.ID, "length(delegation) = 0 ORDER BY passport LIMIT ?", gathering)
		if err != nil {
			return err
		}
		if len(some) == 0 {
			return c.db.setState(ctx, e.ID, evidenced)
		}
		all := make(map[uint64]*wanted, len(some))
		for _, p := range some {
			came, err := c.came(p)
			if err != nil {
				return err
			}
			all[p.passport] = &wanted{presence: p, came: came}
		}
		n := 0
		for r, err := range c.Folder.Counted(ledger.CommunityLog) {
			if err != nil {
				return err
			}
			find(all, r, e, passport.NodeID(c.Node), domains)
			if n++; n%piece == 0 {
				if err := c.rest(ctx); err != nil {
					return err
				}
			}
		}
		if err := c.db.inTx(ctx, func(tx *sql.Tx) error { return found(tx, e.ID, all) }); err != nil {
			return err
		}
	}
}

// came reads again how somebody passed.
func (c *reporter) came(p presence) (*attendance.Passed, error) {
	d, _, err := c.decision(p)
	if err != nil || d == nil {
		return nil, err
	}
	came := &attendance.Passed{Decision: d, Window: len(d.Presentation) == passport.WindowSize}
	if came.Window {
		w, err := passport.ParseWindow(d.Presentation)
		came.Signed = int64(w.Start)
		return came, err
	}
	t, err := passport.ParseTap(d.Presentation)
	came.Signed = int64(t.Time)
	return came, err
}

// decision reads the decision of a presence; nil if its body has been let go of.
func (c *reporter) decision(p presence) (*ledger.Decision, ledger.Entry, error) {
	e, err := c.entry(p.log, p.decision)
	if err != nil || e.Dropped() {
		return nil, e, err
	}
	_, body, err := e.Open(ledger.DoorLog, p.decision)
	if err != nil {
		return nil, e, err
	}
	d, ok := body.(*ledger.Decision)
	if !ok || census.LeafHash(e) != p.made {
		return nil, e, fmt.Errorf("%v: entry %d is another one than it was", p.log, p.decision)
	}
	return d, e, nil
}

// entry reads one entry of a ledger.
func (c *reporter) entry(o ledger.Origin, index int64) (ledger.Entry, error) {
	i, err := c.Folder.Store().Ledger(o)
	if err != nil {
		return ledger.Entry{}, err
	}
	for e, err := range c.Folder.Store().Entries(i, index, index+1) {
		return e, err
	}
	return ledger.Entry{}, fmt.Errorf("%v: %w: entry %d of %d", o, store.ErrNotFound, index, i.Size)
}

// find takes what an issuer wrote of those who are wanted.
func find(all map[uint64]*wanted, r folder.Record, e folder.Epoch, node passport.NodeID, domains []passport.Domain) {
	before := r.Time.UnixMilli() < 1000*e.Opened.Opens
	switch b := r.Body.(type) {
	case *ledger.Admit:
		if w := all[b.Passport]; w != nil && b.NotBefore < e.Opened.Closes && b.NotAfter > e.Opened.Opens {
			w.admits = append(w.admits, admit{r.Ledger.Origin.String(), r.Index, b.Owner})
		}
	case *ledger.Expel:
		if w := all[b.Passport]; w != nil && before {
			w.out = true
		}
	case *ledger.DoorKeyRevoked:
		if w := all[b.Passport]; w != nil && before && b.Key == [32]byte(w.key.ID()) {
			w.out = true
		}
	case *ledger.DoorKeyAdded:
		s, err := passport.ParseSignedDelegation(b.Delegation)
		if err != nil {
			return
		}
		w := all[uint64(s.Delegation.Passport)]
		if w == nil || w.came == nil || w.came.Covered(s.Delegation, node) != nil {
			return
		}
		if wallet, err := s.Verify(domains); err == nil {
			w.delegations = append(w.delegations, signed{b.Delegation, wallet})
		}
	}
}

// found writes down what was found: of several the last delegation by a wallet that
// an issuer admitted, and its last admission.
func found(tx *sql.Tx, id ledger.EpochID, all map[uint64]*wanted) error {
	for who, w := range all {
		d, a := w.shown()
		if d == nil {
			if _, err := tx.Exec("DELETE FROM presence WHERE epoch = ? AND passport = ?", id[:], int64(who)); err != nil {
				return err
			}
			if _, err := tx.Exec("UPDATE epoch SET left_out = left_out + 1 WHERE id = ?", id[:]); err != nil {
				return err
			}
			continue
		}
		if _, err := tx.Exec("UPDATE presence SET delegation = ?, admitted = ?, admit = ? WHERE epoch = ? AND passport = ?",
			d.bytes, a.origin, a.index, id[:], int64(who)); err != nil {
			return err
		}
	}
	return nil
}

func (w *wanted) shown() (*signed, *admit) {
	if w.out {
		return nil, nil
	}
	for n := len(w.delegations) - 1; n >= 0; n-- {
		for m := len(w.admits) - 1; m >= 0; m-- {
			if w.delegations[n].wallet == w.admits[m].owner {
				return &w.delegations[n], &w.admits[m]
			}
		}
	}
	return nil, nil
}
