package hub

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdh"
	"crypto/hpke"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"tombolo/sync/census"
	"tombolo/sync/internal/cbor"
	"tombolo/sync/ledger"
)

// What an epoch's reports are sealed as, to one auditor:
//
//	"tombolo sealed reports v1\n" ‖ community[32] ‖ epoch[32] ‖ auditor[32] ‖ ephemeral X25519 key[32]
//	then blocks, sealed, of sealedBlock bytes each
//
// HPKE (RFC 9180 §5.2) in base mode with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and
// ChaCha20-Poly1305; its info is what stands before the ephemeral key. The blocks are
// sealed in one context, so that none is left out, repeated or moved. What is in them,
// one after the other, is records: type u8 ‖ length u32 ‖ so many bytes. Anybody may
// fetch the whole, so that neither where a record ends nor how many tags a node, or a
// list that is withheld, has may be seen from outside. The types:
//
//	'C'  a piece of what the close covers, as census.MarshalCovers writes it
//	'S'  the next covered report: CBOR of a census.Shown, its Reported against a head
//	'T'  tags of that report, ledger.TagSize bytes each
//	'Z'  the end; zeros fill up the last block
//
// It is fixed by version 1.
const (
	sealedMagic  = "tombolo sealed reports v1\n"
	sealedHeader = len(sealedMagic) + 3*32
	sealedPiece  = ledger.MaxTags * ledger.TagSize // of one record at most
	sealedBlock  = 64 << 10                        // of each, before it is sealed
	maxShown     = 64 << 10
	// maxCoversBytes bounds what a close covers: census.MaxCovers of them.
	maxCoversBytes = census.MaxCovers * 400
	aeadOverhead   = 16
)

// Errors of sealed reports.
var (
	ErrSealedReports = errors.New("not the reports that a hub seals to this auditor; fetch them again")
	ErrSealedEnd     = errors.New("the sealed reports break off; fetch them again")
)

// sealReports writes the reports that a close covers.
func (h *Hub) sealReports(ctx context.Context, w io.Writer, e *Epoch, auditor [32]byte, covers []census.Covered, marshalled []byte) error {
	if !h.indexed() {
		if _, err := h.freshView(nil); err != nil {
			return err
		}
	}
	chain, err := h.cfg.Community()
	if err != nil {
		return err
	}
	s, err := newSealer(w, chain.ID(), e.ID, auditor)
	if err != nil {
		return err
	}
	for piece := range pieces(marshalled) {
		if err := s.record('C', piece); err != nil {
			return err
		}
	}
	for _, c := range covers {
		if err := ctx.Err(); err != nil {
			return err
		}
		info, r, err := h.coveredReport(e.ID, c)
		if err != nil {
			return err
		}
		for entry, err := range h.cfg.Store.Entries(info, r.index, r.index+1) {
			if err != nil {
				return err
			}
			shown, err := census.Show(h.cfg.Store.Reader(info), info.Head, r.index, entry)
			if err != nil {
				return err
			}
			if err := s.record('S', codec.Encode(shown)); err != nil {
				return err
			}
		}
		tags, err := r.tags(h.cfg.Store, info, nil)
		if err != nil {
			return err
		}
		for piece := range pieces(tags) {
			if err := s.record('T', piece); err != nil {
				return err
			}
		}
	}
	return s.close()
}

// pieces cuts what is long.
func pieces(b []byte) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for len(b) > 0 {
			n := min(len(b), sealedPiece)
			if !yield(b[:n]) {
				return
			}
			b = b[n:]
		}
	}
}

var codec = cbor.New(64)

// must is for what cannot fail.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type sealer struct {
	w      io.Writer
	sender *hpke.Sender
	block  []byte // what is not sealed yet, less than a block
}

func newSealer(w io.Writer, community ledger.CharterID, epoch ledger.EpochID, auditor [32]byte) (*sealer, error) {
	key, err := hpke.DHKEM(ecdh.X25519()).NewPublicKey(auditor[:])
	if err != nil {
		return nil, fmt.Errorf("%w: %w", census.ErrAuditorKey, err)
	}
	header := slices.Concat([]byte(sealedMagic), community[:], epoch[:], auditor[:])
	enc, sender, err := hpke.NewSender(key, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), header)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", census.ErrAuditorKey, err)
	}
	_, err = w.Write(append(header, enc...))
	return &sealer{w: w, sender: sender}, err
}

func (s *sealer) record(kind byte, payload []byte) error {
	s.block = append(s.block, kind)
	s.block = binary.BigEndian.AppendUint32(s.block, uint32(len(payload)))
	s.block = append(s.block, payload...)
	for len(s.block) >= sealedBlock {
		if err := s.seal(s.block[:sealedBlock]); err != nil {
			return err
		}
		s.block = append(s.block[:0], s.block[sealedBlock:]...)
	}
	return nil
}

func (s *sealer) seal(block []byte) error {
	sealed, err := s.sender.Seal(nil, block)
	if err != nil {
		return err
	}
	_, err = s.w.Write(sealed)
	return err
}

// fill ends the last block.
func (s *sealer) fill() error {
	if len(s.block) == 0 {
		return nil
	}
	return s.seal(append(s.block, make([]byte, sealedBlock-len(s.block))...))
}

func (s *sealer) close() error {
	if err := s.record('Z', nil); err != nil {
		return err
	}
	return s.fill()
}

// SealedReports are an epoch's reports as one auditor can read them.
type SealedReports struct {
	Community ledger.CharterID
	Epoch     ledger.EpochID
	Covers    []census.Covered // compare CoversHash of them with EpochClosed.Covers

	r         *bufio.Reader
	recipient *hpke.Recipient
	block     []byte // what was unsealed and not read yet
	next      int    // of Covers, whose report comes next
	kind      byte   // of the record that was read ahead
	payload   []byte // of it
}

// SealedReport is a covered report: what its Covered says, its Reported as it stands
// in the gateway's ledger, and its tags. Whose signature is under Shown is for the
// caller to verify; that Reported, the tags and Covered agree has been.
type SealedReport struct {
	census.Covered
	Shown census.Shown
	Tags  []byte
}

// OpenReports begins to read what a hub sealed to an auditor: [SealedReports.Next]
// reads on. It takes memory for what has come, and no more than one report at a
// time. That Community and Epoch are those that were asked for is for the caller to
// see. Errors: census.ErrAuditorKey, ErrSealedReports, ErrSealedEnd.
func OpenReports(key *ecdh.PrivateKey, r io.Reader) (*SealedReports, error) {
	if key == nil || key.Curve() != ecdh.X25519() {
		return nil, census.ErrAuditorKey
	}
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", census.ErrAuditorKey, err)
	}
	s := &SealedReports{r: bufio.NewReaderSize(r, 1<<16)}
	header := make([]byte, sealedHeader+32)
	if _, err := io.ReadFull(s.r, header); err != nil {
		return nil, sealedEnd(err)
	}
	rest, ok := bytes.CutPrefix(header[:sealedHeader], []byte(sealedMagic))
	if !ok {
		return nil, fmt.Errorf("%w: it does not begin with %q", ErrSealedReports, sealedMagic)
	}
	s.Community, s.Epoch = ledger.CharterID(rest[:32]), ledger.EpochID(rest[32:64])
	if !bytes.Equal(rest[64:96], key.PublicKey().Bytes()) {
		return nil, fmt.Errorf("%w: they are sealed to another auditor's key", ErrSealedReports)
	}
	if s.recipient, err = hpke.NewRecipient(header[sealedHeader:], private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), header[:sealedHeader]); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealedReports, err)
	}
	var covers []byte
	for {
		if err := s.advance(); err != nil {
			return nil, err
		}
		if s.kind != 'C' {
			break
		}
		if covers = append(covers, s.payload...); len(covers) > maxCoversBytes {
			return nil, fmt.Errorf("%w: they cover too much", ErrSealedReports)
		}
	}
	if s.Covers, err = census.ParseCovers(covers); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealedReports, err)
	}
	return s, nil
}

// sealedEnd is what the end of the stream means where more has to come.
func sealedEnd(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrSealedEnd
	}
	return err
}

// advance reads the next record.
func (s *SealedReports) advance() error {
	var head [5]byte
	if err := s.read(head[:]); err != nil {
		return err
	}
	size := binary.BigEndian.Uint32(head[1:])
	if size > max(sealedPiece, maxShown) {
		return fmt.Errorf("%w: a record of %d bytes", ErrSealedReports, size)
	}
	s.kind, s.payload = head[0], make([]byte, size)
	return s.read(s.payload)
}

// read fills b with what is in the blocks.
func (s *SealedReports) read(b []byte) error {
	for n := 0; n < len(b); {
		if len(s.block) == 0 {
			sealed := make([]byte, sealedBlock+aeadOverhead)
			if _, err := io.ReadFull(s.r, sealed); err != nil {
				return sealedEnd(err)
			}
			var err error
			if s.block, err = s.recipient.Open(sealed[:0], sealed); err != nil {
				return fmt.Errorf("%w: a block was altered, left out or moved", ErrSealedReports)
			}
		}
		taken := copy(b[n:], s.block)
		n, s.block = n+taken, s.block[taken:]
	}
	return nil
}

// Next reads the next covered report, in the order of Covers; io.EOF behind the last.
// Other errors: ErrSealedReports, ErrSealedEnd.
func (s *SealedReports) Next() (SealedReport, error) {
	if s.next == len(s.Covers) {
		if s.kind != 'Z' || len(s.payload) > 0 {
			return SealedReport{}, fmt.Errorf("%w: there is more than they cover", ErrSealedReports)
		}
		_, err := s.r.ReadByte()
		if err == nil || slices.ContainsFunc(s.block, func(c byte) bool { return c != 0 }) {
			return SealedReport{}, fmt.Errorf("%w: something stands behind the end", ErrSealedReports)
		} else if err != io.EOF {
			return SealedReport{}, err
		}
		return SealedReport{}, io.EOF
	}
	out := SealedReport{Covered: s.Covers[s.next]}
	if s.kind != 'S' {
		return out, fmt.Errorf("%w: a report is missing", ErrSealedReports)
	}
	if err := codec.Decode(s.payload, &out.Shown); err != nil {
		return out, fmt.Errorf("%w: %w", ErrSealedReports, err)
	}
	for {
		if err := s.advance(); err != nil {
			return out, err
		}
		if s.kind != 'T' {
			break
		}
		if out.Tags = append(out.Tags, s.payload...); uint64(len(out.Tags)/ledger.TagSize) > out.Count {
			return out, fmt.Errorf("%w: a report has more tags than it says", ErrSealedReports)
		}
	}
	s.next++
	return out, out.check(s.Epoch)
}

// check holds a report's parts against each other.
func (r *SealedReport) check(epoch ledger.EpochID) error {
	list, err := census.NewList(r.Tags)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSealedReports, err)
	}
	_, body, err := r.Shown.Entry.Open(ledger.ReportLog, r.Shown.Index)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSealedReports, err)
	}
	b, ok := body.(*ledger.Reported)
	switch {
	case !ok || b.Epoch != epoch || b.Node != r.Node || b.Count != r.Count || b.Root != r.TagsRoot:
		return fmt.Errorf("%w: a report is not what the close covers", ErrSealedReports)
	case uint64(list.Len()) != r.Count || list.Root(nil) != r.TagsRoot:
		return fmt.Errorf("%w: tags are not those of their report", ErrSealedReports)
	}
	return nil
}
