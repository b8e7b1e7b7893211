package store

import (
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
// Author of the same key, in this process or another, finds the guard or the
// tree changed and gives up rather than sign a second history.
type Author struct {
	store *Store
	cfg   AuthorConfig

	mu         sync.Mutex
	info       Info          // under mu: what is durable
	generation uint64        // under mu
	begin      *ledger.Begin // under mu: to be written first, in a new incarnation
}

// Draft is an entry to be written.
type Draft struct {
	Body ledger.Body
	Time time.Time
}

// ErrOtherAuthor says that somebody else wrote to the ledger in between.
var ErrOtherAuthor = errors.New("the ledger was written to by another process with the same key; run one at a time")

// OpenAuthor prepares to write. The newest incarnation held here is continued
// if the guard knows that it is as far as this key ever signed; otherwise a new
// one begins with the first Append, and names the last head held here.
func (s *Store) OpenAuthor(cfg AuthorConfig) (*Author, error) {
	a := &Author{store: s, cfg: cfg}
	last, err := s.newest(cfg)
	switch {
	case errors.Is(err, ErrNoLedger):
		return a, a.reincarnate(nil)
	case err != nil:
		return nil, err
	}
	if ok, err := cfg.Guard.Allows(last.Checkpoint); err != nil {
		return nil, err
	} else if !ok {
		return a, a.reincarnate(&last)
	}
	a.info, a.generation = last, last.Generation
	return a, nil
}

// newest is the author's incarnation of the highest generation; of several, the
// longest.
func (s *Store) newest(cfg AuthorConfig) (Info, error) {
	pub := cfg.Key.Public().(ed25519.PublicKey)
	prefix := ledger.Origin{Community: cfg.Community, Kind: cfg.Kind, Author: ledger.KeyIDOf(pub)}.String()
	prefix = prefix[:len(prefix)-2*len(ledger.Incarnation{})]
	i, err := scanInfo(s.read.QueryRow("SELECT "+infoColumns+" FROM ledger WHERE substr(origin, 1, ?) = ? ORDER BY generation DESC, size DESC, origin LIMIT 1",
		len(prefix), prefix).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNoLedger
	}
	return i, err
}

// reincarnate starts over in a ledger that nobody has seen.
func (a *Author) reincarnate(last *Info) error {
	o := ledger.Origin{Community: a.cfg.Community, Kind: a.cfg.Kind, Author: ledger.KeyIDOf(a.cfg.Key.Public().(ed25519.PublicKey))}
	if _, err := io.ReadFull(a.cfg.Rand, o.Incarnation[:]); err != nil {
		return err
	}
	a.begin = &ledger.Begin{Charter: a.cfg.Charter}
	a.generation = 0
	if last != nil {
		a.generation = last.Generation + 1
		a.begin.Predecessor = &ledger.Predecessor{Incarnation: last.Origin.Incarnation, Size: last.Size, Root: last.Root}
	}
	a.begin.Generation = a.generation
	a.info = Info{Head: ledger.Head{Checkpoint: ledger.Checkpoint{Origin: o}, Author: a.cfg.Key.Public().(ed25519.PublicKey)}}
	return nil
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
// error nothing was stored, unless it was the commit itself that failed: then
// the next Append finds out.
func (a *Author) Append(drafts ...Draft) (first int64, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	first = a.info.Tree.Size()
	if a.begin != nil {
		drafts = append([]Draft{{a.begin, a.cfg.Now()}}, drafts...)
		first++
	}
	entries, err := a.seal(drafts)
	if err != nil {
		return 0, err
	}
	tree := a.info.Tree
	for _, e := range entries {
		tree.Append(e.Leaf, nil)
	}
	head, err := a.sign(tree)
	if err != nil {
		return 0, err
	}
	// The guard moves first: if the commit fails after all, the next start
	// begins a new incarnation rather than trusting this one.
	if err := a.cfg.Guard.Advance(head.Checkpoint); err != nil {
		return 0, err
	}
	if err := a.commit(entries, head); err != nil {
		return 0, fmt.Errorf("append to %v: %w", head.Origin, err)
	}
	a.begin = nil
	a.info.Tree, a.info.Generation = tree, a.generation
	return first, nil
}

// Refresh signs the head anew, so that it says the ledger had nothing newer at
// this time.
func (a *Author) Refresh() error {
	if a.Head().Size == 0 {
		_, err := a.Append()
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	head, err := a.sign(a.info.Tree)
	if err != nil {
		return err
	}
	if err := a.commit(nil, head); err != nil {
		return fmt.Errorf("refresh %v: %w", head.Origin, err)
	}
	return nil
}

func (a *Author) seal(drafts []Draft) ([]ledger.Entry, error) {
	entries := make([]ledger.Entry, len(drafts))
	for i, d := range drafts {
		body, err := ledger.MarshalBody(d.Body)
		if err != nil {
			return nil, err
		}
		kind := d.Body.Kind()
		if !kind.In(a.cfg.Kind) {
			return nil, fmt.Errorf("%w: %v in a %s ledger", ledger.ErrWrongLog, kind, a.cfg.Kind)
		}
		var salt ledger.Salt
		if _, err := io.ReadFull(a.cfg.Rand, salt[:]); err != nil {
			return nil, err
		}
		entries[i] = ledger.Seal(a.info.Tree.Size()+int64(i), kind, kind.Critical(), salt, max(0, d.Time.UnixMilli()), body)
	}
	return entries, nil
}

func (a *Author) sign(tree ledger.Tree) (ledger.Head, error) {
	c := ledger.Checkpoint{Origin: a.info.Origin, Size: tree.Size(), Root: tree.Root()}
	now := uint64(max(0, a.cfg.Now().Unix()))
	signed, err := ledger.Sign(c, a.cfg.Key, now)
	return ledger.Head{Checkpoint: c, Author: a.info.Author, Time: now, Note: signed}, err
}

// commit stores entries and the head that covers them. A commit that reports
// failure may have been persisted all the same, so the file has the last word.
func (a *Author) commit(entries []ledger.Entry, head ledger.Head) error {
	id := a.info.id
	err := inTx(a.store.write, func(tx *sql.Tx) error {
		if a.begin != nil {
			i, err := newLedger(tx, head)
			if err != nil {
				return err
			}
			id = i.id
		}
		w := writer{tx: tx, id: id, tree: a.info.Tree}
		var size int64
		if err := tx.QueryRow("SELECT size FROM ledger WHERE id = ?", id).Scan(&size); err != nil {
			return err
		}
		if size != w.tree.Size() {
			return ErrOtherAuthor
		}
		for _, e := range entries {
			if err := w.append(e); err != nil {
				return err
			}
		}
		return w.finish(head, int64(head.Time))
	})
	if err != nil {
		stored, readErr := a.store.Ledger(head.Origin)
		if readErr != nil || stored.Checkpoint != head.Checkpoint || errors.Is(err, ErrOtherAuthor) {
			return err
		}
		id = stored.id
	}
	a.info.id, a.info.Head = id, head
	return nil
}
