package store

import (
	"bytes"
	"crypto/ed25519"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"tombolo/sync/ledger"
)

// AuthorConfig says who writes what.
type AuthorConfig struct {
	Key       ed25519.PrivateKey
	Community ledger.CharterID
	Kind      ledger.LogKind
	Charter   ledger.CharterID // the chain that the ledger belongs to: the community's or the node's
	Guard     Guard
	Now       func() time.Time
	Rand      io.Reader // salts and incarnations
}

// Author is the one writer of a ledger. It is safe for concurrent use; a second
// Author of the same key, in this process or another, in this folder or a copy
// of it, finds the guard or the tree changed and gives up rather than sign a
// second history.
type Author struct {
	store *Store
	cfg   AuthorConfig

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
		ok, err := cfg.Guard.Allows(last.Checkpoint)
		if err != nil {
			return nil, err
		}
		if ok {
			a.info, a.signed = *last, last.Checkpoint
			return a, nil
		}
	}
	return a, a.reincarnate(last)
}

// newest is the author's incarnation of the highest generation among those that
// belong to the charter; of several, the longest; nil if there is none.
func newest(q querier, cfg AuthorConfig) (*Info, error) {
	prefix := cfg.origin().String()
	prefix = prefix[:len(prefix)-2*len(ledger.Incarnation{})]
	i, err := scanInfo(q.QueryRow("SELECT "+infoColumns+" FROM ledger WHERE substr(origin, 1, ?) = ? AND charter = ? ORDER BY generation DESC, size DESC, origin LIMIT 1",
		len(prefix), prefix, cfg.Charter[:]).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &i, err
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
	a.begin = &ledger.Begin{Charter: a.cfg.Charter, Predecessor: predecessor(last)}
	if last != nil {
		a.begin.Generation = last.Generation + 1
	}
	a.info = Info{
		Head:       ledger.Head{Checkpoint: ledger.Checkpoint{Origin: o}, Author: a.cfg.public()},
		Generation: a.begin.Generation, Charter: a.cfg.Charter,
	}
	a.signed = a.info.Checkpoint
	return nil
}

func predecessor(last *Info) *ledger.Predecessor {
	if last == nil {
		return nil
	}
	return &ledger.Predecessor{Incarnation: last.Origin.Incarnation, Size: last.Size, Root: last.Root}
}

// Head is the newest durable head. Its Size is 0 before the first Append of a
// new incarnation.
func (a *Author) Head() ledger.Head {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.info.Head
}

// Append seals the drafts, stores them with the signed head that covers them,
// and returns the index of the first once everything is durable. After an
// error nothing was stored, unless the disk could not even be read: then the
// next call finds out, and the drafts may turn out to have been stored.
func (a *Author) Append(drafts ...Draft) (first int64, err error) {
	records := make([]record, len(drafts))
	for i, d := range drafts {
		if records[i], err = a.accept(d); err != nil {
			return 0, err
		}
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.append(records)
}

// record is a draft that was checked, with its body's encoding.
type record struct {
	Draft
	body []byte
}

// accept checks what can be known of a draft before its turn comes.
func (a *Author) accept(d Draft) (record, error) {
	switch kind := d.Body.Kind(); {
	case kind == ledger.KindBegin || kind == ledger.KindDropped:
		return record{}, fmt.Errorf("%w: the author writes %v by itself", ledger.ErrWrongLog, kind)
	case !kind.In(a.cfg.Kind):
		return record{}, fmt.Errorf("%w: %v in a %s ledger", ledger.ErrWrongLog, kind, a.cfg.Kind)
	}
	return newRecord(d)
}

func newRecord(d Draft) (record, error) {
	body, err := ledger.MarshalBody(d.Body)
	return record{d, body}, err
}

// Drop drops the bodies of entries first to last, both included, and records
// it, at once; only the records of earlier drops stay. The bytes are overwritten
// in the file too, as soon as no reader holds them.
func (a *Author) Drop(first, last int64, why string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if last >= a.info.Tree.Size() {
		return fmt.Errorf("%w: entries %d to %d of %d", ErrNotFound, first, last, a.info.Tree.Size())
	}
	r, err := newRecord(Draft{&ledger.Dropped{First: first, Last: last, Why: why}, a.cfg.Now()})
	if err != nil {
		return err
	}
	if _, err := a.append([]record{r}); err != nil {
		return err
	}
	// The write-ahead log still holds the pages as they were.
	_, err = a.store.write.Exec("PRAGMA wal_checkpoint(TRUNCATE)")
	return err
}

// Refresh signs the head anew, so that it says the ledger had nothing newer at
// this time.
func (a *Author) Refresh() error {
	_, err := a.Append()
	return err
}

// append is called under mu.
func (a *Author) append(records []record) (first int64, err error) {
	if err := a.settle(); err != nil {
		return 0, err
	}
	first = a.info.Tree.Size()
	if a.begin != nil {
		begin, err := newRecord(Draft{a.begin, a.cfg.Now()})
		if err != nil {
			return 0, err
		}
		records = append([]record{begin}, records...)
		first++
	}
	if err := a.commit(records); err != nil {
		return 0, fmt.Errorf("append to %v: %w", a.info.Origin, err)
	}
	return first, nil
}

// commit stores records and the head that covers them.
func (a *Author) commit(records []record) error {
	salts := make([]byte, len(ledger.Salt{})*len(records))
	if _, err := io.ReadFull(a.cfg.Rand, salts); err != nil {
		return err
	}
	next, signed := a.info, false
	err := inTx(a.store.write, func(tx *sql.Tx) error {
		if err := a.stillMine(tx, &next); err != nil {
			return err
		}
		w := writer{tx: tx, id: next.id, tree: next.Tree}
		for i, r := range records {
			kind := r.Body.Kind()
			salt := ledger.Salt(salts[i*len(ledger.Salt{}):])
			e := ledger.Seal(w.tree.Size(), kind, kind.Critical(), salt, max(0, r.Time.UnixMilli()), r.body)
			if err := w.store(e, r.Body); err != nil {
				return err
			}
		}
		var err error
		next.Tree = w.tree
		if next.Head, err = a.sign(w.tree); err != nil {
			return err
		}
		// The guard moves before the commit: if that fails after all, the next
		// start begins a new incarnation rather than trusting this one.
		if err := a.cfg.Guard.Advance(a.signed, next.Checkpoint); err != nil {
			return err
		}
		a.signed, signed = next.Checkpoint, true
		return w.finish(next.Head, int64(next.Time))
	})
	if err == nil {
		next.fresh, next.Seen = next.Time, int64(next.Time)
		a.info, a.begin = next, nil
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

func (a *Author) sign(tree ledger.Tree) (ledger.Head, error) {
	c := ledger.Checkpoint{Origin: a.info.Origin, Size: tree.Size(), Root: tree.Root()}
	now := uint64(max(0, a.cfg.Now().Unix()))
	signed, err := ledger.Sign(c, a.cfg.Key, now)
	return ledger.Head{Checkpoint: c, Author: a.info.Author, Time: now, Note: signed}, err
}

// stillMine checks that nobody else wrote since the last commit, and makes the
// row of a new incarnation.
func (a *Author) stillMine(tx *sql.Tx, next *Info) error {
	if a.begin == nil {
		var size int64
		if err := tx.QueryRow("SELECT size FROM ledger WHERE id = ?", next.id).Scan(&size); err != nil {
			return err
		}
		if size != next.Tree.Size() {
			return ErrOtherAuthor
		}
		return nil
	}
	// Two incarnations that name the same predecessor would be evidence of a fork.
	last, err := newest(tx, a.cfg)
	if err != nil {
		return err
	}
	now, then := predecessor(last), a.begin.Predecessor
	if (now == nil) != (then == nil) || now != nil && *now != *then {
		return ErrOtherAuthor
	}
	row, err := newLedger(tx, next.Head)
	next.id = row.id
	return err
}

// settle finds out what became of a commit that failed.
func (a *Author) settle() error {
	if a.unsure == nil {
		return nil
	}
	stored, err := a.store.Ledger(a.unsure.Origin)
	switch {
	case errors.Is(err, ErrNoLedger): // a new incarnation's first commit was not persisted
	case err != nil:
		return err
	case bytes.Equal(stored.Note, a.unsure.Note):
		a.info, a.begin = stored, nil
	}
	a.unsure = nil
	return nil
}
