package ledger

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// MaxNote bounds a checkpoint with its signatures, in bytes.
const MaxNote = 8 << 10

// Role says what a key's signature under a checkpoint means; one key has one
// role, and the note's key name says which.
type Role string

// The roles. All sign the same bytes; only the author's and the heartbeat's
// count for freshness.
const (
	RoleAuthor    Role = "author"    // wrote the ledger
	RoleHold      Role = "hold"      // has stored it durably
	RoleWitness   Role = "witness"   // saw it, consistent with everything seen before
	RoleHeartbeat Role = "heartbeat" // may refresh, never write
)

// Errors of checkpoints and their signatures.
var (
	ErrCheckpoint = errors.New("malformed checkpoint")
	ErrSignature  = errors.New("no valid signature of the author")
	ErrAuthor     = errors.New("the key is not the author that the origin names")
)

// Checkpoint is the state of a ledger: the body of a C2SP tlog-checkpoint
// (https://c2sp.org/tlog-checkpoint), without extension lines. The format is
// fixed; an extension line would be refused by this version.
type Checkpoint struct {
	Origin Origin
	Size   int64 // entries
	Root   tlog.Hash
}

// Text is the three signed lines.
func (c Checkpoint) Text() string {
	return fmt.Sprintf("%v\n%d\n%v\n", c.Origin, c.Size, c.Root)
}

// ParseCheckpoint reads the three lines strictly. Its errors wrap
// ErrCheckpoint.
func ParseCheckpoint(s string) (Checkpoint, error) {
	var c Checkpoint
	lines := strings.Split(s, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return c, fmt.Errorf("%w: want origin, size and root, each on a line", ErrCheckpoint)
	}
	var err error
	if c.Origin, err = ParseOrigin(lines[0]); err != nil {
		return c, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	if c.Size, err = strconv.ParseInt(lines[1], 10, 64); err != nil || c.Size < 0 || c.Size > maxSize || strconv.FormatInt(c.Size, 10) != lines[1] {
		return c, fmt.Errorf("%w: size %q", ErrCheckpoint, lines[1])
	}
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != len(c.Root) || base64.StdEncoding.EncodeToString(root) != lines[2] {
		return c, fmt.Errorf("%w: root %q", ErrCheckpoint, lines[2])
	}
	c.Root = tlog.Hash(root)
	return c, nil
}

// cosigner signs and verifies timestamped cosignatures, cosignature/v1 of
// https://c2sp.org/tlog-cosignature, at a time that it is given. It is a
// note.Signer and a note.Verifier.
type cosigner struct {
	role Role
	pub  ed25519.PublicKey
	key  ed25519.PrivateKey // nil when it only verifies
	time uint64             // Unix seconds
}

func (c cosigner) Name() string { return originPrefix + string(c.role) + "/" + KeyIDOf(c.pub).String() }

const algCosignatureV1 = 0x04

func (c cosigner) KeyHash() uint32 {
	h := sha256.New()
	h.Write([]byte(c.Name() + "\n"))
	h.Write([]byte{algCosignatureV1})
	h.Write(c.pub)
	return binary.BigEndian.Uint32(h.Sum(nil))
}

func (c cosigner) Sign(msg []byte) ([]byte, error) {
	return append(binary.BigEndian.AppendUint64(nil, c.time), ed25519.Sign(c.key, cosigned(c.time, msg))...), nil
}

func (c cosigner) Verify(msg, sig []byte) bool {
	return len(sig) == 8+ed25519.SignatureSize && ed25519.Verify(c.pub, cosigned(binary.BigEndian.Uint64(sig), msg), sig[8:])
}

func cosigned(time uint64, msg []byte) []byte {
	return fmt.Appendf(nil, "cosignature/v1\ntime %d\n%s", time, msg)
}

// Sign makes the signed note of a checkpoint at a time in Unix seconds. Only
// the key that the origin names may be the author.
func Sign(c Checkpoint, author ed25519.PrivateKey, time uint64) ([]byte, error) {
	pub := author.Public().(ed25519.PublicKey)
	if KeyIDOf(pub) != c.Origin.Author {
		return nil, ErrAuthor
	}
	return note.Sign(&note.Note{Text: c.Text()}, cosigner{RoleAuthor, pub, author, time})
}

// Cosign adds a signature of another role to a signed note. It does not judge
// the note: whoever holds or witnesses has checked it before.
func Cosign(signed []byte, role Role, key ed25519.PrivateKey, time uint64) ([]byte, error) {
	if len(signed) > MaxNote {
		return nil, fmt.Errorf("%w: %d bytes", ErrCheckpoint, len(signed))
	}
	n, err := note.Open(signed, note.VerifierList())
	var unverified *note.UnverifiedNoteError
	if errors.As(err, &unverified) {
		n = unverified.Note
	} else if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	out, err := note.Sign(n, cosigner{role, key.Public().(ed25519.PublicKey), key, time})
	if len(out) > MaxNote {
		return nil, fmt.Errorf("%w: another signature would make it %d bytes long", ErrCheckpoint, len(out))
	}
	return out, err
}

// Cosigner is a key whose signature [OpenHead] looks for beside the author's.
type Cosigner struct {
	Role Role
	Key  ed25519.PublicKey
}

// Cosignature is one that was found and verified.
type Cosignature struct {
	Cosigner
	Time uint64 // Unix seconds
}

// Head is a checkpoint whose author's signature was verified.
type Head struct {
	Checkpoint
	Author  ed25519.PublicKey
	Time    uint64        // of the author's signature, Unix seconds
	Others  []Cosignature // verified, of the cosigners that were asked for
	Note    []byte        // the signed note as it was received
	Unknown int           // signatures by keys that were not asked for
}

// Fresh is the newest time of a signature that counts for freshness, in Unix
// seconds: the author's, or that of a heartbeat that was asked for.
func (h Head) Fresh() uint64 {
	t := h.Time
	for _, o := range h.Others {
		if o.Role == RoleHeartbeat {
			t = max(t, o.Time)
		}
	}
	return t
}

// OpenHead verifies a signed note: that it is a checkpoint, that the origin
// names the author's key, that the author signed it, and which of the
// cosigners did. Errors: ErrCheckpoint, ErrAuthor, ErrSignature.
func OpenHead(signed []byte, author ed25519.PublicKey, cosigners ...Cosigner) (Head, error) {
	h := Head{Author: author, Note: signed}
	if len(signed) > MaxNote {
		return h, fmt.Errorf("%w: %d bytes", ErrCheckpoint, len(signed))
	}
	if len(author) != ed25519.PublicKeySize {
		return h, fmt.Errorf("%w: %d bytes", ErrAuthor, len(author))
	}
	asked := map[string]Cosigner{}
	verifiers := []note.Verifier{cosigner{role: RoleAuthor, pub: author}}
	for _, c := range cosigners {
		v := cosigner{role: c.Role, pub: c.Key}
		if _, twice := asked[v.Name()]; !twice {
			asked[v.Name()] = c
			verifiers = append(verifiers, v)
		}
	}
	n, err := note.Open(signed, note.VerifierList(verifiers...))
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified):
		n = unverified.Note
	case errors.As(err, &invalid):
		return h, fmt.Errorf("%w: the signature of %s does not verify", ErrSignature, invalid.Name)
	case err != nil:
		return h, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	if h.Checkpoint, err = ParseCheckpoint(n.Text); err != nil {
		return h, err
	}
	if h.Origin.Author != KeyIDOf(author) {
		return h, fmt.Errorf("%w: origin says %v, the key is %v", ErrAuthor, h.Origin.Author, KeyIDOf(author))
	}
	h.Unknown = len(n.UnverifiedSigs)
	signedByAuthor := false
	for _, s := range n.Sigs {
		t := signatureTime(s)
		if c, ok := asked[s.Name]; ok {
			h.Others = append(h.Others, Cosignature{c, t})
		} else {
			h.Time, signedByAuthor = t, true
		}
	}
	if !signedByAuthor {
		return h, fmt.Errorf("%w: %d signatures, none by %v", ErrSignature, h.Unknown+len(n.Sigs), h.Origin.Author)
	}
	return h, nil
}

// signatureTime reads the time in a verified cosignature: 4 bytes of key hash,
// 8 of time, 64 of signature.
func signatureTime(s note.Signature) uint64 {
	b, err := base64.StdEncoding.DecodeString(s.Base64)
	if err != nil || len(b) < 12 {
		return 0
	}
	return binary.BigEndian.Uint64(b[4:])
}
