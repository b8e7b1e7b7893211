package folder

import (
	"bytes"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"tombolo/sync/ledger"
)

// Role says what a key of this folder is for. One key has one role.
type Role string

// The roles; a key lies in keys/<role>.pem.
const (
	CharterKey Role = "charter" // signs charters, the community's and the node's
	IssuerKey  Role = "issuer"  // writes a community ledger
	StewardKey Role = "steward" // writes a node ledger

	SigningKey Role = "signing" // a gateway's: writes its door log
	HoldKey    Role = "hold"    // a gateway's: "I hold this durably"
	WitnessKey Role = "witness" // a gateway's: "I have seen this"
	SealingKey Role = "sealing" // a gateway's: X25519, what is sealed for it
	TLSKey     Role = "tls"     // a gateway's: its links
	ReaderKey  Role = "reader"  // a gateway's: P-256, proves it to phones

	HubKey        Role = "hub"         // writes the census ledger
	HubHoldKey    Role = "hub-hold"    // "the hub holds this durably"
	HubWitnessKey Role = "hub-witness" // "the hub has seen this"
	EvaluatorKey  Role = "evaluator"   // offers the epochs' keys
	AuditorKey    Role = "auditor"     // X25519: what is opened to an auditor
)

var roles = []Role{CharterKey, IssuerKey, StewardKey, SigningKey, HoldKey, WitnessKey, SealingKey, TLSKey, ReaderKey,
	HubKey, HubHoldKey, HubWitnessKey, EvaluatorKey, AuditorKey}

// Errors of keys.
var (
	ErrNoKey     = errors.New("this folder holds no such key")
	ErrKeyExists = errors.New("this folder holds such a key already")
	ErrRole      = errors.New("unknown role of a key")
	ErrKeyPEM    = errors.New("not one PEM block \"PRIVATE KEY\" as it was written; put the backup of this file in its place")
	ErrKeyType   = errors.New("a private key of another type: use the file that belongs here")
	ErrKeyOpen   = errors.New("others may read this private key: chmod 600 it, and think about who did")
)

// maxKeyFile bounds a key file, in bytes; an Ed25519 or X25519 key has 119, one
// on P-256 has 241.
const maxKeyFile = 4096

func (f *Folder) keyPath(role Role) (string, error) {
	if !slices.Contains(roles, role) {
		return "", fmt.Errorf("%w: %q", ErrRole, role)
	}
	return filepath.Join(f.dir, "keys", string(role)+".pem"), nil
}

// HasKey tells whether the folder holds a key of that role.
func (f *Folder) HasKey(role Role) (bool, error) {
	path, err := f.keyPath(role)
	if err != nil {
		return false, err
	}
	if _, err = os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// NewKey makes the key of a role and stores it, durably, mode 0600. It returns
// [ErrKeyExists] rather than replace one.
func (f *Folder) NewKey(role Role) error {
	path, err := f.keyPath(role)
	if err != nil {
		return err
	}
	if has, err := f.HasKey(role); err != nil {
		return err
	} else if has {
		return fmt.Errorf("%w: %s", ErrKeyExists, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	var key any
	switch role {
	case SealingKey, AuditorKey:
		key, err = ecdh.X25519().GenerateKey(rand.Reader)
	case ReaderKey:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	default:
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return err
	}
	text, err := marshalKey(key)
	if err != nil {
		return err
	}
	return WriteFile(path, text, 0o600)
}

// Key is the Ed25519 key of a role, or [ErrNoKey].
func (f *Folder) Key(role Role) (ed25519.PrivateKey, error) {
	k, err := f.key(role)
	if err != nil {
		return nil, err
	}
	key, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: %w: want Ed25519", role, ErrKeyType)
	}
	return key, nil
}

// EnsureKey is the Ed25519 key of a role, made if it is missing.
func (f *Folder) EnsureKey(role Role) (ed25519.PrivateKey, error) {
	if err := f.NewKey(role); err != nil && !errors.Is(err, ErrKeyExists) {
		return nil, err
	}
	return f.Key(role)
}

// Sealing is the X25519 key of a gateway, or [ErrNoKey].
func (f *Folder) Sealing() (*ecdh.PrivateKey, error) { return f.x25519(SealingKey) }

// Auditor is the X25519 key that this auditor reads openings with, or [ErrNoKey].
func (f *Folder) Auditor() (*ecdh.PrivateKey, error) { return f.x25519(AuditorKey) }

func (f *Folder) x25519(role Role) (*ecdh.PrivateKey, error) {
	k, err := f.key(role)
	if err != nil {
		return nil, err
	}
	key, ok := k.(*ecdh.PrivateKey)
	if !ok {
		return nil, fmt.Errorf("%s: %w: want X25519", role, ErrKeyType)
	}
	return key, nil
}

// Reader is the P-256 key by which a gateway proves itself to phones, with its
// public half, compressed; or [ErrNoKey].
func (f *Folder) Reader() (key *ecdsa.PrivateKey, public [33]byte, err error) {
	k, err := f.key(ReaderKey)
	if err != nil {
		return nil, public, err
	}
	key, ok := k.(*ecdsa.PrivateKey)
	if !ok {
		return nil, public, fmt.Errorf("%s: %w: want P-256", ReaderKey, ErrKeyType)
	}
	p, err := key.PublicKey.Bytes() // SEC 1 §2.3.3: 04 ‖ X ‖ Y
	if err != nil {
		return nil, public, err
	}
	public[0] = 2 | p[64]&1
	copy(public[1:], p[1:33])
	return key, public, nil
}

// Public is the public half of the Ed25519 key of a role.
func (f *Folder) Public(role Role) (pub [32]byte, err error) {
	key, err := f.Key(role)
	if err != nil {
		return pub, err
	}
	return [32]byte(key.Public().(ed25519.PublicKey)), nil
}

// GatewayKeys are the public halves of a gateway's five keys.
func (f *Folder) GatewayKeys() (k ledger.GatewayKeys, err error) {
	for role, at := range map[Role]*[32]byte{SigningKey: &k.Signing, HoldKey: &k.Hold, WitnessKey: &k.Witness, TLSKey: &k.TLS} {
		if *at, err = f.Public(role); err != nil {
			return k, err
		}
	}
	sealing, err := f.Sealing()
	if err != nil {
		return k, err
	}
	k.Sealing = [32]byte(sealing.PublicKey().Bytes())
	return k, nil
}

func (f *Folder) key(role Role) (any, error) {
	path, err := f.keyPath(role)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: no %s", ErrNoKey, path)
	}
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("%s: %w", path, ErrKeyOpen)
	}
	text, err := ReadFile(path, maxKeyFile)
	if err != nil {
		return nil, err
	}
	key, err := parseKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return key, nil
}

const pemType = "PRIVATE KEY" // RFC 7468 §10: PKCS #8

func marshalKey(key any) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// parseKey reads what marshalKey wrote, an ed25519.PrivateKey, an X25519
// *ecdh.PrivateKey or a P-256 *ecdsa.PrivateKey, and only in the bytes in which
// it wrote it. No error quotes the key.
func parseKey(text []byte) (any, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemType {
		return nil, ErrKeyPEM
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, ErrKeyPEM
	}
	switch k := key.(type) {
	case ed25519.PrivateKey:
	case *ecdh.PrivateKey:
		if k.Curve() != ecdh.X25519() {
			return nil, ErrKeyType
		}
	case *ecdsa.PrivateKey:
		if k.Curve != elliptic.P256() {
			return nil, ErrKeyType
		}
	default:
		return nil, ErrKeyType
	}
	again, err := marshalKey(key)
	if err != nil || !bytes.Equal(again, text) {
		return nil, ErrKeyPEM
	}
	return key, nil
}
