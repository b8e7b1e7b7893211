package store

import (
	"bytes"
	"cmp"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"tombolo/sync/ledger"
)

// AuthorConfig says who writes what.
type AuthorConfig struct {
	Key       ed25519.PrivateKey
	Community ledger.CharterID
	Kind      ledger.LogKind
	Charter   ledger.CharterID // the chain that the ledger belongs to: the community's or the node's
	Guard     Guard            // of a file; a database is its own, see [Dialect]
	Now       func() time.Time // safe for concurrent use
	Rand      io.Reader        // salts and incarnations
}

// Author is the one writer of a ledger. It is safe for concurrent use; a second
// Author of the same key, in this process or another, in this folder or a copy
// of it, finds the guard or the tree changed and gives up rather than sign a
// second history.
type Author struct {
	store *Store
	cfg   AuthorConfig

	drawing sync.Mutex                  // held over a read of cfg.Rand
	head    atomic.Pointer[ledger.Head] // info's, for who cannot wait for a commit

	mu     sync.Mutex
	info   Info              // under mu: what is durable
	begin  *ledger.Begin     // under mu: to be written first, in a new incarnation
	signed ledger.Checkpoint // under mu: what the guard was told last
	unsure *ledger.Head      // under mu: of a commit that failed, and nobody knows how far
}

// Draft is an entry to be written.
type Draft struct {
	Body ledger.Body
	Time time.Time
}

// ErrOtherAuthor says that somebody else wrote to the ledger in between. The
// Author is of no more use; open another.
var ErrOtherAuthor = errors.New("the ledger was written to by another process with the same key; run one at a time")

// OpenAuthor prepares to write. The newest incarnation held here is continued
// if the guard knows that it is as far as this key ever signed; otherwise a new
// one begins with the first Append, and names the last head held here.
func (s *Store) OpenAuthor(cfg AuthorConfig) (*Author, error) {
	a := &Author{store: s, cfg: cfg}
	last, err := newest(s.read, cfg)
	if err != nil {
		return nil, err
	}
	if last != nil {
		ok, err := s.allows(cfg, last.Checkpoint)
		if err == nil && ok {
			// What is kept beside this key signed, too.
			err = s.read.QueryRow("SELECT NOT EXISTS (SELECT 1 FROM partial WHERE ledger = ?)", last.id).Scan(&ok)
		}
		if err != nil {
			return nil, err
		}
		if ok {
			a.signed = last.Checkpoint
			a.stand(*last, nil)
			return a, nil
		}
	}
	return a, a.reincarnate(last)
}

// newest is the author's incarnation of the highest generation among those that
// belong to the charter; of several, the longest; nil if there is none.
func newest(q querier, cfg AuthorConfig) (*Info, error) {
	i, err := scanInfo(nil, q.QueryRow("SELECT "+infoColumns+" FROM ledger l WHERE "+ofAuthor+" ORDER BY generation DESC, size DESC, origin LIMIT 1", cfg.args()...).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &i, err
}

// incarnations are all of these, the oldest first.
func incarnations(q querier, cfg AuthorConfig) (all []Info, err error) {
	rows, err := q.Query("SELECT "+infoColumns+" FROM ledger l WHERE "+ofAuthor+" ORDER BY generation, size, origin", cfg.args()...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		i, err := scanInfo(nil, rows.Scan)
		if err != nil {
			return nil, err
		}
		all = append(all, i)
	}
	return all, rows.Err()
}

// ofAuthor takes the values of args.
const ofAuthor = "substr(origin, 1, ?) = ? AND charter = ? AND size > 0"

func (cfg AuthorConfig) args() []any {
	prefix := cfg.origin().String()
	prefix = prefix[:len(prefix)-2*len(ledger.Incarnation{})]
	return []any{len(prefix), prefix, cfg.Charter[:]}
}

// origin lacks the incarnation.
func (cfg AuthorConfig) origin() ledger.Origin {
	return ledger.Origin{Community: cfg.Community, Kind: cfg.Kind, Author: ledger.KeyIDOf(cfg.public())}
}

func (cfg AuthorConfig) public() ed25519.PublicKey { return cfg.Key.Public().(ed25519.PublicKey) }

// reincarnate starts over in a ledger that nobody has seen.
func (a *Author) reincarnate(last *Info) error {
	o := a.cfg.origin()
	if _, err := io.ReadFull(a.cfg.Rand, o.Incarnation[:]); err != nil {
		return err
	}
	begin := &ledger.Begin{Charter: a.cfg.Charter, Predecessor: predecessor(last)}
	if last != nil {
		begin.Generation = last.Generation + 1
	}
	a.signed = ledger.Checkpoint{Origin: o}
	a.stand(Info{
		Head:       ledger.Head{Checkpoint: a.signed, Author: a.cfg.public()},
		Generation: begin.Generation, Charter: a.cfg.Charter,
	}, begin)
	return nil
}

// stand says where the ledger stands. It is called under mu.
func (a *Author) stand(at Info, begin *ledger.Begin) {
	a.info, a.begin = at, begin
	a.head.Store(&at.Head)
}

func predecessor(last *Info) *ledger.Predecessor {
	if last == nil {
		return nil
	}
	return &ledger.Predecessor{Incarnation: last.Origin.Incarnation, Size: last.Size, Root: last.Root}
}

// Head is the newest durable head. Its Size is 0 before the first Append of a
// new incarnation.
func (a *Author) Head() ledger.Head { return *a.head.Load() }

// Append seals the drafts, stores them with the signed head that covers them,
// and returns the index of the first once everything is durable. After an
// error nothing was stored, unless the disk could not even be read: then the
// next call finds out, and the drafts may turn out to have been stored.
func (a *Author) Append(drafts ...Draft) (first int64, err error) {
	g := group{given: make([]record, len(drafts))}
	for i, d := range drafts {
		if g.given[i], err = accept(a.cfg.Kind, d); err != nil {
			return 0, err
		}
	}
	err = a.commit(&g)
	return g.first(), err
}

// record is a draft that was checked, with its body's encoding.
type record struct {
	Draft
	body []byte
}

// accept checks what can be known of a draft before its turn comes.
func accept(log ledger.LogKind, d Draft) (record, error) {
	switch kind := d.Body.Kind(); {
	case kind.IsRecord():
		return record{}, fmt.Errorf("%w: the author writes %v by itself", ledger.ErrWrongLog, kind)
	case !kind.In(log):
		return record{}, fmt.Errorf("%w: %v in a %s ledger", ledger.ErrWrongLog, kind, log)
	}
	return newRecord(d)
}

func newRecord(d Draft) (record, error) {
	body, err := ledger.MarshalBody(d.Body)
	return record{d, body}, err
}

// Drop drops the bodies of entries first to last, both included, and records
// it, at once; only records (ledger.Kind.IsRecord) stay. The bytes are overwritten
// in the file too, as soon as no reader holds them.
func (a *Author) Drop(first, last int64, why string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last >= a.info.Tree.Size() {
		return fmt.Errorf("%w: entries %d to %d of %d", ErrNotFound, first, last, a.info.Tree.Size())
	}
	return a.letGo(&ledger.Dropped{First: first, Last: last, Why: why})
}

// Refresh signs the head anew, so that it says the ledger had nothing newer at
// this time.
func (a *Author) Refresh() error {
	_, err := a.Append()
	return err
}

// commit stores a group, sealed for what is durable by now.
func (a *Author) commit(g *group) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.append(g)
}

// basis is where the ledger stands, as far as anybody knows.
func (a *Author) basis() basis {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.durable()
}

// durable is called under mu.
func (a *Author) durable() basis { return basis{a.info.Head, a.info.Tree, a.begin} }

// append is called under mu.
func (a *Author) append(g *group) error {
	if err := a.settle(); err != nil {
		return err
	}
	if on := a.durable(); !g.sealed || !g.basis.is(on) {
		if err := a.seal(g, on); err != nil {
			return err
		}
	}
	if err := a.persist(g); err != nil {
		return fmt.Errorf("append to %v: %w", a.info.Origin, err)
	}
	return nil
}

// persist stores a sealed group whose basis is durable. It is called under mu.
func (a *Author) persist(g *group) error {
	next, signed := a.info, false
	next.Head, next.Tree = g.after.head, g.after.tree
	err := a.store.inTx(func(tx txn) (err error) {
		if a.begin != nil {
			if next.id, err = a.open(tx); err != nil {
				return err
			}
		}
		w := writer{tx: tx, id: next.id, origin: next.Origin}
		if err := w.advanceAlone(a.info.Size, a.begin, next.Tree, next.Head, int64(next.Time)); err != nil {
			return err
		}
		if err := g.write(w); err != nil {
			return err
		}
		signed = true
		if a.store.dialect.Mark != "" {
			return a.marked(tx)
		}
		// The guard moves before the commit: if that fails after all, the next
		// start begins a new incarnation rather than trusting this one.
		err = a.cfg.Guard.Advance(a.signed, next.Checkpoint)
		if signed = err == nil; signed {
			a.signed = next.Checkpoint
		}
		return err
	}, lineage(next.Origin))
	if err == nil {
		next.fresh, next.Seen = next.Time, int64(next.Time)
		a.stand(next, nil)
		return nil
	}
	if !signed {
		return err
	}
	// A commit that reports failure may have been persisted all the same: the
	// file has the last word.
	a.unsure = &next.Head
	if a.settle() == nil && bytes.Equal(a.info.Note, next.Note) {
		return nil
	}
	return err
}

// open makes the row of a new incarnation.
func (a *Author) open(tx txn) (id int64, err error) {
	// Two incarnations that name the same predecessor would be evidence of a fork.
	last, err := newest(tx, a.cfg)
	if err != nil {
		return 0, err
	}
	now, then := predecessor(last), a.begin.Predecessor
	if (now == nil) != (then == nil) || now != nil && *now != *then {
		return 0, ErrOtherAuthor
	}
	err = newLedgers(tx, []ledger.Head{a.info.Head}, func(_ ledger.Origin, made int64) { id = made })
	return id, err
}

// settle finds out what became of a commit that failed.
func (a *Author) settle() error {
	if a.unsure == nil {
		return nil
	}
	stored, err := a.store.settled(a.unsure.Origin)
	switch {
	case errors.Is(err, ErrNoLedger): // a new incarnation's first commit was not persisted
	case err != nil:
		return err
	case bytes.Equal(stored.Note, a.unsure.Note):
		a.stand(stored, nil)
	}
	a.unsure = nil
	return nil
}

// settled reads a ledger as it is when no transaction is under way that writes to
// it: a server may still commit what nobody waits for any more.
func (s *Store) settled(o ledger.Origin) (i Info, err error) {
	if s.dialect.Lock == "" {
		return s.Ledger(o)
	}
	var found error
	err = s.inTx(func(tx txn) error {
		i, found = info(tx, nil, o)
		return cmp.Or(found, errEnough)
	}, lineage(o))
	if errors.Is(err, errEnough) {
		err = nil
	}
	return i, err
}

// errEnough ends a transaction that has read what it wanted to.
var errEnough = errors.New("enough was read")

// allows reports whether a checkpoint that is held is as far as its author signed.
func (s *Store) allows(cfg AuthorConfig, c ledger.Checkpoint) (ok bool, err error) {
	if s.dialect.Marked == "" {
		return cfg.Guard.Allows(c)
	}
	err = s.read.QueryRow(s.dialect.Marked, c.Origin.String()).Scan(&ok)
	return ok, err
}

// marked marks a new incarnation in its database, and of one that goes on it checks
// the mark. It is called under mu.
func (a *Author) marked(tx txn) error {
	if a.begin != nil {
		_, err := tx.values(a.store.dialect.Mark, a.info.Origin.String())
		return err
	}
	var ok bool
	if err := tx.QueryRow(a.store.dialect.Marked, a.info.Origin.String()).Scan(&ok); err != nil || ok {
		return err
	}
	return fmt.Errorf("%w, or the database was restarted or restored", ErrOtherAuthor)
}
