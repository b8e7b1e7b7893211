package folder

import (
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"

	"tombolo/sync/ledger"
)

// Service is the wish of a hub or an evaluator to be named in the community's
// charter: its public keys, by what they are to be there, and the one that it shows to
// brokers that are not its own and go by an authority's word. Its file is JSON; the
// signature, by the key that names it, shows that whoever asks holds that key.
// Whoever signs the charter compares the key with what the machine shows.
type Service struct {
	Role ledger.AuthorRole // Hub or Evaluator
	Keys map[ledger.AuthorRole][32]byte
	TLS  [32]byte
}

// The services, with the keys of each and what these are in a charter.
var services = map[ledger.AuthorRole][]struct {
	role ledger.AuthorRole
	key  Role
}{
	ledger.Hub:       {{ledger.Hub, HubKey}, {ledger.HubHold, HubHoldKey}, {ledger.HubWitness, HubWitnessKey}},
	ledger.Evaluator: {{ledger.Evaluator, EvaluatorKey}},
}

const (
	serviceFormat    = "tombolo service request v1"
	serviceSeparator = "tombolo/v1/service-request\n"
)

type serviceFile struct {
	Format    string            `json:"format"`
	Role      string            `json:"role"`
	Keys      map[string]string `json:"keys"`
	TLS       string            `json:"tls"`
	Signature string            `json:"signature"`
}

// ErrService is wrapped by every error of [ParseService].
var ErrService = errors.New("not a hub's or an evaluator's request")

// preimage is what is signed: separator ‖ the role and a line end ‖ its keys in the
// order of services ‖ that of TLS.
func (s Service) preimage() []byte {
	b := []byte(serviceSeparator + string(s.Role) + "\n")
	for _, k := range services[s.Role] {
		key := s.Keys[k.role]
		b = append(b, key[:]...)
	}
	return append(b, s.TLS[:]...)
}

// ServiceFile is the name of a service's request in its folder.
func ServiceFile(role ledger.AuthorRole) string { return string(role) + ".request" }

// NewService makes this folder a hub's or an evaluator's: its keys, as far as they
// are missing, and the request, which lies in [ServiceFile] as well.
func (f *Folder) NewService(role ledger.AuthorRole) (Service, error) {
	all, ok := services[role]
	if !ok {
		return Service{}, fmt.Errorf("%w: %q is no service", ErrService, role)
	}
	s := Service{Role: role, Keys: map[ledger.AuthorRole][32]byte{}}
	file := serviceFile{Format: serviceFormat, Role: string(role), Keys: map[string]string{}}
	var signing ed25519.PrivateKey
	for i, k := range all {
		key, err := f.EnsureKey(k.key)
		if err != nil {
			return s, err
		}
		if i == 0 {
			signing = key
		}
		s.Keys[k.role] = [32]byte(key.Public().(ed25519.PublicKey))
		file.Keys[string(k.role)] = hex.EncodeToString(key.Public().(ed25519.PublicKey))
	}
	tls, err := f.EnsureKey(TLSKey)
	if err != nil {
		return s, err
	}
	s.TLS = [32]byte(tls.Public().(ed25519.PublicKey))
	file.TLS = hex.EncodeToString(s.TLS[:])
	file.Signature = hex.EncodeToString(ed25519.Sign(signing, s.preimage()))
	text, err := EncodeJSON(file)
	if err != nil {
		return s, err
	}
	return s, WriteFile(filepath.Join(f.dir, ServiceFile(role)), text, 0o644)
}

// ParseService reads a request's file, strictly, and verifies its signature.
func ParseService(data []byte) (Service, error) {
	var file serviceFile
	if len(data) > maxRequest {
		return Service{}, fmt.Errorf("%w: %w", ErrService, ErrRequestSize)
	}
	if err := DecodeJSON(data, &file); err != nil {
		return Service{}, fmt.Errorf("%w: %w", ErrService, err)
	}
	s := Service{Role: ledger.AuthorRole(file.Role), Keys: map[ledger.AuthorRole][32]byte{}}
	all := services[s.Role]
	switch {
	case file.Format != serviceFormat:
		return Service{}, fmt.Errorf("%w: want %q", ErrService, serviceFormat)
	case len(all) == 0:
		return Service{}, fmt.Errorf("%w: %q is no service", ErrService, file.Role)
	case len(file.Keys) != len(all):
		return Service{}, fmt.Errorf("%w: %d keys, want %d", ErrService, len(file.Keys), len(all))
	}
	seen := map[[32]byte]bool{}
	for _, k := range all {
		var key [32]byte
		if !fillHex(key[:], file.Keys[string(k.role)]) || key == [32]byte{} {
			return Service{}, fmt.Errorf("%w: %s: %w", ErrService, k.role, ErrRequestKey)
		}
		if seen[key] {
			return Service{}, fmt.Errorf("%w: %s: %w", ErrService, k.role, ErrRequestTwice)
		}
		seen[key], s.Keys[k.role] = true, key
	}
	if !fillHex(s.TLS[:], file.TLS) || s.TLS == [32]byte{} {
		return Service{}, fmt.Errorf("%w: tls: %w", ErrService, ErrRequestKey)
	}
	if seen[s.TLS] {
		return Service{}, fmt.Errorf("%w: tls: %w", ErrService, ErrRequestTwice)
	}
	author := s.Keys[s.Role]
	var sig [ed25519.SignatureSize]byte
	if !fillHex(sig[:], file.Signature) || !ed25519.Verify(author[:], s.preimage(), sig[:]) {
		return Service{}, fmt.Errorf("%w: %w", ErrService, ErrRequestSignature)
	}
	return s, nil
}
