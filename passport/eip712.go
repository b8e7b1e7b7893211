package passport

import (
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/ethereum/go-ethereum/crypto"
)

// ErrDomain is returned for a domain without chain id or registry: what is
// signed under it would count on every chain or for every community.
var ErrDomain = errors.New("a delegation needs the chain id and the registry's address")

// The type strings (EIP-712, encodeType). They are signed: see Delegation.
const (
	domainType     = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
	delegationType = "Delegation(uint256 passport,string keyKind,bytes key,uint64 notBefore,uint64 notAfter,bytes32 scope,string mode)"
	revocationType = "Revocation(uint256 passport,bytes key)"
	domainName     = "Tombolo"
	domainVersion  = "1"
)

// The hashes of everything that does not vary.
var (
	domainTypeHash     = keccak(domainType)
	domainNameHash     = keccak(domainName)
	domainVersionHash  = keccak(domainVersion)
	delegationTypeHash = keccak(delegationType)
	revocationTypeHash = keccak(revocationType)
	kindHashes         = keccakAll(kindNames[:])
	modeHashes         = keccakAll(modeNames[:])
)

func keccak(s string) [32]byte { return crypto.Keccak256Hash([]byte(s)) }

func keccakAll(names []string) [][32]byte {
	hashes := make([][32]byte, len(names))
	for i, s := range names {
		hashes[i] = keccak(s)
	}
	return hashes
}

// Domain is the EIP-712 domain of a community: the chain and address of its
// passport registry. Name "Tombolo" and version "1" are fixed; version "2"
// would be another type.
type Domain struct {
	ChainID  uint64
	Registry [20]byte
}

// Validate returns [ErrDomain] when a field is zero.
func (d Domain) Validate() error {
	if d.ChainID == 0 || d.Registry == [20]byte{} {
		return ErrDomain
	}
	return nil
}

// typedHash is one EIP-712 hash in the making: encodeData in one buffer, so that
// a digest costs two allocations.
type typedHash struct {
	state crypto.KeccakState
	buf   [256]byte
	n     int
}

func newTypedHash() *typedHash { return &typedHash{state: crypto.NewKeccakState()} }

func (h *typedHash) word(w *[32]byte) { h.n += copy(h.buf[h.n:], w[:]) }

func (h *typedHash) uint64(v uint64) {
	h.n += copy(h.buf[h.n:], zero32[:24])
	binary.BigEndian.PutUint64(h.buf[h.n:], v)
	h.n += 8
}

func (h *typedHash) address(a *[20]byte) {
	h.n += copy(h.buf[h.n:], zero32[:12])
	h.n += copy(h.buf[h.n:], a[:])
}

// bytes adds the hash of a dynamic value (EIP-712, encodeData). It is made in
// the buffer, so that b need not escape.
func (h *typedHash) bytes(b *[33]byte) {
	tail := h.buf[h.n : h.n+len(b)]
	copy(tail, b[:])
	h.state.Reset()
	h.state.Write(tail)
	h.state.Read(tail[:32])
	h.n += 32
}

// sum hashes what was added and empties the buffer.
func (h *typedHash) sum() (out [32]byte) {
	h.state.Reset()
	h.state.Write(h.buf[:h.n])
	h.state.Read(h.buf[:32])
	copy(out[:], h.buf[:32])
	h.n = 0
	return out
}

// separator is the domain's hashStruct.
func (h *typedHash) separator(d Domain) [32]byte {
	h.word(&domainTypeHash)
	h.word(&domainNameHash)
	h.word(&domainVersionHash)
	h.uint64(d.ChainID)
	h.address(&d.Registry)
	return h.sum()
}

// digest is keccak256(19 01 ‖ domainSeparator ‖ hashStruct).
func (h *typedHash) digest(separator, hashStruct *[32]byte) [32]byte {
	h.n = copy(h.buf[:], "\x19\x01")
	h.word(separator)
	h.word(hashStruct)
	return h.sum()
}

// Digest is the EIP-712 digest that the passport's wallet signs. It is that of
// [Delegation.TypedData] for every Delegation that passes Validate; an unknown
// kind or mode hashes as the empty string.
func (d Delegation) Digest(dom Domain) [32]byte {
	h := newTypedHash()
	separator := h.separator(dom)
	h.word(&delegationTypeHash)
	h.uint64(uint64(d.Passport))
	h.word(hashOf(kindHashes, uint8(d.Key.Kind)))
	h.bytes(&d.Key.Point)
	h.uint64(d.NotBefore)
	h.uint64(d.NotAfter)
	h.word((*[32]byte)(&d.Scope))
	h.word(hashOf(modeHashes, uint8(d.Mode)))
	hash := h.sum()
	return h.digest(&separator, &hash)
}

func hashOf(hashes [][32]byte, i uint8) *[32]byte {
	if int(i) >= len(hashes) {
		i = 0 // the hash of the empty name
	}
	return &hashes[i]
}

type typedField struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

type typedDomain struct {
	Name              string `json:"name"`
	Version           string `json:"version"`
	ChainID           string `json:"chainId"`
	VerifyingContract string `json:"verifyingContract"`
}

type typedData struct {
	Types       map[string][]typedField `json:"types"`
	PrimaryType string                  `json:"primaryType"`
	Domain      typedDomain             `json:"domain"`
	Message     any                     `json:"message"`
}

var domainFields = []typedField{
	{"name", "string"}, {"version", "string"}, {"chainId", "uint256"}, {"verifyingContract", "address"},
}

var delegationFields = []typedField{
	{"passport", "uint256"}, {"keyKind", "string"}, {"key", "bytes"}, {"notBefore", "uint64"},
	{"notAfter", "uint64"}, {"scope", "bytes32"}, {"mode", "string"},
}

type delegationMessage struct {
	Passport  string `json:"passport"`
	KeyKind   string `json:"keyKind"`
	Key       string `json:"key"`
	NotBefore string `json:"notBefore"`
	NotAfter  string `json:"notAfter"`
	Scope     string `json:"scope"`
	Mode      string `json:"mode"`
}

// TypedData is the JSON that any wallet takes as eth_signTypedData_v4; numbers
// are decimal strings, since JavaScript's own end at 53 bits. It returns what
// Validate returns of the domain and the delegation: nothing invalid is ever
// put before a wallet.
func (d Delegation) TypedData(dom Domain) ([]byte, error) {
	if err := d.Validate(); err != nil {
		return nil, err
	}
	return marshalTyped(dom, "Delegation", delegationFields, delegationMessage{
		Passport:  decimal(uint64(d.Passport)),
		KeyKind:   d.Key.Kind.String(),
		Key:       hex0x(d.Key.Point[:]),
		NotBefore: decimal(d.NotBefore),
		NotAfter:  decimal(d.NotAfter),
		Scope:     hex0x(d.Scope[:]),
		Mode:      d.Mode.String(),
	})
}

func marshalTyped(dom Domain, primary string, fields []typedField, message any) ([]byte, error) {
	if err := dom.Validate(); err != nil {
		return nil, err
	}
	b, err := json.MarshalIndent(typedData{
		Types:       map[string][]typedField{"EIP712Domain": domainFields, primary: fields},
		PrimaryType: primary,
		Domain:      typedDomain{domainName, domainVersion, decimal(dom.ChainID), hex0x(dom.Registry[:])},
		Message:     message,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("typed data: %w", err)
	}
	return b, nil
}

func decimal(v uint64) string { return strconv.FormatUint(v, 10) }

func hex0x(b []byte) string { return "0x" + hex.EncodeToString(b) }
