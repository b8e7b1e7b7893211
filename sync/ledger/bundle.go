package ledger

import (
	"bufio"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"golang.org/x/mod/sumdb/tlog"
)

// A bundle is how charters and ledgers travel as a file: a line that names the
// format, then records of a type byte, a length u32 and so many bytes, the last
// of them of type 'Z'. It needs no trust: every charter and every chunk is
// verified by whoever reads it. New record types may follow; a reader refuses
// those it does not know.
const bundleMagic = "tombolo bundle v1\n"

const (
	recordCharter = 'C' // SignedCharter
	recordHead    = 'H' // author's key and signed note; the ledger's chunks follow
	recordChunk   = 'K' // start, number of entries, proof; the entries follow
	recordEntry   = 'E' // Entry
	recordEnd     = 'Z' // empty
)

// maxRecord bounds a record, in bytes.
const maxRecord = MaxBody + 4096

// ErrBundle is wrapped by errors about a bundle's form.
var ErrBundle = errors.New("not a whole tombolo bundle")

type headRecord struct {
	_      struct{} `cbor:",toarray"`
	Author [32]byte
	Note   []byte
}

type chunkRecord struct {
	_     struct{} `cbor:",toarray"`
	Start int64
	Count int
	Proof []tlog.Hash
}

// BundleWriter writes a bundle. After the first error every call returns it.
type BundleWriter struct {
	w   *bufio.Writer
	err error
}

// NewBundleWriter begins a bundle.
func NewBundleWriter(w io.Writer) *BundleWriter {
	b := &BundleWriter{w: bufio.NewWriter(w)}
	_, b.err = b.w.WriteString(bundleMagic)
	return b
}

func (b *BundleWriter) record(kind byte, payload []byte) error {
	if b.err != nil {
		return b.err
	}
	if len(payload) > maxRecord {
		b.err = fmt.Errorf("%w: a record of %d bytes", ErrBundle, len(payload))
		return b.err
	}
	var head [5]byte
	head[0] = kind
	binary.BigEndian.PutUint32(head[1:], uint32(len(payload)))
	if _, b.err = b.w.Write(head[:]); b.err == nil {
		_, b.err = b.w.Write(payload)
	}
	return b.err
}

// Charter writes one charter; a chain goes oldest first.
func (b *BundleWriter) Charter(s SignedCharter) error { return b.record(recordCharter, s.Marshal()) }

// Head begins a ledger.
func (b *BundleWriter) Head(author ed25519.PublicKey, signed []byte) error {
	return b.record(recordHead, encode(headRecord{Author: [32]byte(author), Note: signed}))
}

// Chunk writes the next chunk of the ledger begun last.
func (b *BundleWriter) Chunk(c Chunk) error {
	err := b.record(recordChunk, encode(chunkRecord{Start: c.Start, Count: len(c.Entries), Proof: c.Proof}))
	for _, e := range c.Entries {
		err = b.record(recordEntry, encode(e))
	}
	return err
}

// Close ends the bundle; the underlying writer stays open.
func (b *BundleWriter) Close() error {
	if err := b.record(recordEnd, nil); err != nil {
		return err
	}
	return b.w.Flush()
}

// BundleItem is one of a charter, a ledger's head or a chunk of the ledger
// whose head came last.
type BundleItem struct {
	Charter *SignedCharter
	Head    *BundleHead
	Chunk   *Chunk
}

// BundleHead is a head as it came, not yet verified: give it to [OpenHead].
type BundleHead struct {
	Author ed25519.PublicKey
	Note   []byte
}

// BundleReader reads a bundle in memory bounded by one chunk. It checks the
// form alone.
type BundleReader struct {
	r      *bufio.Reader
	ledger bool // a head was read
	done   bool
}

// NewBundleReader begins reading. Its errors wrap ErrBundle.
func NewBundleReader(r io.Reader) (*BundleReader, error) {
	b := &BundleReader{r: bufio.NewReader(r)}
	magic := make([]byte, len(bundleMagic))
	if _, err := io.ReadFull(b.r, magic); err != nil || string(magic) != bundleMagic {
		return nil, fmt.Errorf("%w: it does not begin with %q", ErrBundle, bundleMagic)
	}
	return b, nil
}

// Next returns the next item, io.EOF behind the end record, an error that wraps
// ErrBundle, or an *At that names the entry whose record is malformed.
func (b *BundleReader) Next() (BundleItem, error) {
	if b.done {
		return BundleItem{}, io.EOF
	}
	kind, payload, err := b.record()
	if err != nil {
		return BundleItem{}, err
	}
	switch kind {
	case recordCharter:
		s, err := ParseSignedCharter(payload)
		if err != nil {
			return BundleItem{}, fmt.Errorf("%w: %w", ErrBundle, err)
		}
		return BundleItem{Charter: &s}, nil
	case recordHead:
		var h headRecord
		if err := decodeWhole(payload, &h); err != nil {
			return BundleItem{}, fmt.Errorf("%w: head: %w", ErrBundle, err)
		}
		b.ledger = true
		return BundleItem{Head: &BundleHead{h.Author[:], h.Note}}, nil
	case recordChunk:
		if !b.ledger {
			return BundleItem{}, fmt.Errorf("%w: a chunk without a ledger's head before it", ErrBundle)
		}
		c, err := b.chunk(payload)
		if err != nil {
			return BundleItem{}, err
		}
		return BundleItem{Chunk: c}, nil
	case recordEnd:
		b.done = true
		if _, err := b.r.ReadByte(); err != io.EOF || len(payload) != 0 {
			return BundleItem{}, fmt.Errorf("%w: something stands behind its end", ErrBundle)
		}
		return BundleItem{}, io.EOF
	}
	return BundleItem{}, fmt.Errorf("%w: a record of unknown type %q", ErrBundle, kind)
}

func (b *BundleReader) record() (byte, []byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(b.r, head[:]); err != nil {
		return 0, nil, fmt.Errorf("%w: it ends early; copy it again", ErrBundle)
	}
	n := binary.BigEndian.Uint32(head[1:])
	if n > maxRecord {
		return 0, nil, fmt.Errorf("%w: a record of %d bytes", ErrBundle, n)
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(b.r, payload); err != nil {
		return 0, nil, fmt.Errorf("%w: it ends early; copy it again", ErrBundle)
	}
	return head[0], payload, nil
}

func (b *BundleReader) chunk(payload []byte) (*Chunk, error) {
	var k chunkRecord
	if err := decodeWhole(payload, &k); err != nil {
		return nil, fmt.Errorf("%w: chunk: %w", ErrBundle, err)
	}
	if k.Start < 0 || k.Start > maxSize || k.Count < 1 || k.Count > ChunkSize || len(k.Proof) > 64 {
		return nil, fmt.Errorf("%w: a chunk of %d entries at %d with %d hashes", ErrBundle, k.Count, k.Start, len(k.Proof))
	}
	c := &Chunk{Start: k.Start, Proof: k.Proof}
	for i := range k.Count {
		index := k.Start + int64(i)
		kind, payload, err := b.record()
		if err == nil && kind != recordEntry {
			err = fmt.Errorf("%w: a record of type %q where an entry should be", ErrBundle, kind)
		}
		var e Entry
		if err == nil {
			if err = decodeWhole(payload, &e); err != nil {
				err = fmt.Errorf("%w: %w", ErrBundle, err)
			}
		}
		if err != nil {
			return nil, &At{index, index, err}
		}
		c.Entries = append(c.Entries, e)
	}
	return c, nil
}
