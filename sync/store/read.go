package store

import (
	"database/sql"
	"errors"
	"fmt"
	"iter"

	"golang.org/x/mod/sumdb/tlog"

	"tombolo/sync/ledger"
)

// Info is what is held of a ledger.
type Info struct {
	ledger.Head
	Generation uint64           // of its Begin entry
	Charter    ledger.CharterID // of its Begin entry
	Tree       ledger.Tree
	Seen       int64 // when Head was first seen here, Unix seconds
	fresh      uint64
	id         int64
}

// Fresh is the newest time of a signature that counted for freshness when Head
// was taken in, a heartbeat's included, in Unix seconds.
func (i Info) Fresh() uint64 { return i.fresh }

const infoColumns = "id, origin, author, charter, generation, l.tree, note, fresh, seen"

func scanInfo(known *heads, scan func(...any) error) (i Info, err error) {
	var origin string
	var author, charter, tree, note []byte
	var generation, fresh int64
	if err := scan(&i.id, &origin, &author, &charter, &generation, &tree, &note, &fresh, &i.Seen); err != nil {
		return i, err
	}
	i.Generation, i.fresh = uint64(generation), uint64(fresh)
	if copy(i.Charter[:], charter) != len(i.Charter) {
		return i, fmt.Errorf("%w: %s: a charter id of %d bytes", ErrDamaged, origin, len(charter))
	}
	if i.Head, err = known.open(origin, note, author); err != nil {
		return i, fmt.Errorf("%w: %s: %w", ErrDamaged, origin, err)
	}
	if i.Origin.String() != origin {
		return i, fmt.Errorf("%w: %s: its head is that of %v", ErrDamaged, origin, i.Origin)
	}
	if i.Tree, err = ledger.ParseTree(tree); err != nil {
		return i, fmt.Errorf("%w: %s: %w", ErrDamaged, origin, err)
	}
	if i.Tree.Size() != i.Size || i.Tree.Root() != i.Root {
		return i, fmt.Errorf("%w: %s: %w", ErrDamaged, origin, ledger.ErrRoot)
	}
	return i, nil
}

// Ledgers lists every ledger that can be read, by origin. The error names those
// that cannot, each of which is ErrDamaged.
func (s *Store) Ledgers() (all []Info, err error) {
	rows, err := s.read.Query("SELECT " + infoColumns + " FROM ledger l WHERE size > 0 ORDER BY origin")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		i, rowErr := scanInfo(&s.heads, rows.Scan)
		if rowErr != nil {
			err = errors.Join(err, rowErr)
			continue
		}
		all = append(all, i)
	}
	return all, errors.Join(err, rows.Err())
}

// Ledger returns what is held of one, or ErrNoLedger.
func (s *Store) Ledger(o ledger.Origin) (Info, error) { return info(s.read, &s.heads, o) }

func info(q querier, known *heads, o ledger.Origin) (Info, error) {
	i, err := scanInfo(known, q.QueryRow("SELECT "+infoColumns+" FROM ledger l WHERE origin = ? AND size > 0", o.String()).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("%w: %v", ErrNoLedger, o)
	}
	return i, err
}

// Entries yields entries lo to hi-1 in order, up to the end of what was held when i
// was read. It stops after an error.
func (s *Store) Entries(i Info, lo, hi int64) iter.Seq2[ledger.Entry, error] {
	hi = min(hi, i.Size)
	return func(yield func(ledger.Entry, error) bool) {
		for lo := lo; lo < hi; {
			// Pages, so that a slow reader keeps no transaction open.
			page, err := page(s.read, i.id, lo, min(hi, lo+ledger.ChunkSize))
			if err != nil {
				yield(ledger.Entry{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			if len(page) == 0 {
				return
			}
			lo += int64(len(page))
		}
	}
}

// page reads entries lo to hi-1, as many of them as there are.
func page(q querier, id, lo, hi int64) (out []ledger.Entry, err error) {
	err = scanEntries(q, id, lo, hi, func(e ledger.Entry) (more bool, err error) {
		out = append(out, e)
		return true, nil
	})
	return out, err
}

// scanEntries gives entries from lo to hi-1 to take for as long as it wants more.
func scanEntries(q querier, id, lo, hi int64, take func(ledger.Entry) (more bool, err error)) error {
	rows, err := q.Query("SELECT idx, leaf, salt, time, body FROM entry WHERE ledger = ? AND idx >= ? AND idx < ? ORDER BY idx", id, lo, hi)
	if err != nil {
		return err
	}
	defer rows.Close()
	for next := lo; rows.Next(); next++ {
		var e ledger.Entry
		var idx int64
		var salt []byte
		var time sql.NullInt64
		if err := rows.Scan(&idx, &e.Leaf, &salt, &time, &e.Body); err != nil {
			return err
		}
		if idx != next {
			return &ledger.At{First: next, Last: idx - 1, Err: ledger.ErrTruncated}
		}
		if copy(e.Salt[:], salt) != len(salt) || (salt != nil && len(salt) != len(e.Salt)) {
			return &ledger.At{First: idx, Last: idx, Err: fmt.Errorf("%w: a salt of %d bytes", ledger.ErrCommitment, len(salt))}
		}
		e.Time = time.Int64
		if more, err := take(e); !more || err != nil {
			return err
		}
	}
	return rows.Err()
}

// Chunks yields every chunk of the held ledger from the one that holds entry
// from, each with its proof against the held head.
func (s *Store) Chunks(i Info, from int64) iter.Seq2[ledger.Chunk, error] {
	return func(yield func(ledger.Chunk, error) bool) {
		r := s.nearReader(i)
		for start := from - from%ledger.ChunkSize; start < i.Size; start += ledger.ChunkSize {
			c := ledger.Chunk{Start: start}
			end := ledger.ChunkEnd(start, i.Size)
			var err error
			if c.Entries, err = page(s.read, i.id, start, end); err == nil && int64(len(c.Entries)) != end-start {
				err = &ledger.At{First: start + int64(len(c.Entries)), Last: end - 1, Err: ledger.ErrTruncated}
			}
			if err == nil {
				c.Proof, err = ledger.ProveChunk(r, start, i.Size)
			}
			if !yield(c, err) || err != nil {
				return
			}
		}
	}
}

// Reader is the stored tree of a ledger as it was when i was read.
func (s *Store) Reader(i Info) ledger.Reader { return reader{s.read, i} }

// nearReader is a Reader for one goroutine, which makes many proofs: a node is
// read with those beside it, which are mostly asked for next.
func (s *Store) nearReader(i Info) ledger.Reader {
	return &nearReader{reader: reader{s.read, i}, near: map[[2]int64][]tlog.Hash{}}
}

type nearReader struct {
	reader
	near map[[2]int64][]tlog.Hash // by level and number of the tile
}

func (r *nearReader) Node(level int, n int64) (tlog.Hash, error) {
	const width = ledger.ChunkSize
	tile := [2]int64{int64(level), n / width}
	hashes, ok := r.near[tile]
	if !ok {
		var err error
		if hashes, err = r.nodes(level, tile[1]*width, (tile[1]+1)*width); err != nil {
			return tlog.Hash{}, err
		}
		r.near[tile] = hashes
	}
	if n%width >= int64(len(hashes)) {
		return tlog.Hash{}, fmt.Errorf("%w: no node %d at level %d of %v", ErrDamaged, n, level, r.info.Origin)
	}
	return hashes[n%width], nil
}

func (r reader) nodes(level int, lo, hi int64) (out []tlog.Hash, err error) {
	rows, err := r.q.Query("SELECT n, hash FROM node WHERE ledger = ? AND level = ? AND n >= ? AND n < ? ORDER BY n", r.info.id, level, lo, hi)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var n int64
		var b []byte
		if err := rows.Scan(&n, &b); err != nil {
			return nil, err
		}
		if n != lo+int64(len(out)) || len(b) != tlog.HashSize {
			return nil, fmt.Errorf("%w: nodes of %v at level %d around %d", ErrDamaged, r.info.Origin, level, n)
		}
		out = append(out, tlog.Hash(b))
	}
	return out, rows.Err()
}

type reader struct {
	q    querier
	info Info
}

func (r reader) Tree() (ledger.Tree, error) { return r.info.Tree, nil }

func (r reader) Leaves(lo, hi int64) ([][]byte, error) {
	rows, err := r.q.Query("SELECT leaf FROM entry WHERE ledger = ? AND idx >= ? AND idx < ? ORDER BY idx", r.info.id, lo, hi)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out [][]byte
	for rows.Next() {
		var leaf []byte
		if err := rows.Scan(&leaf); err != nil {
			return nil, err
		}
		out = append(out, leaf)
	}
	return out, rows.Err()
}

func (r reader) Node(level int, n int64) (h tlog.Hash, err error) {
	var b []byte
	if err := r.q.QueryRow("SELECT hash FROM node WHERE ledger = ? AND level = ? AND n = ?", r.info.id, level, n).Scan(&b); err != nil {
		return h, fmt.Errorf("node %d at level %d of %v: %w", n, level, r.info.Origin, err)
	}
	if len(b) != len(h) {
		return h, fmt.Errorf("node %d at level %d of %v: %d bytes", n, level, r.info.Origin, len(b))
	}
	return tlog.Hash(b), nil
}
