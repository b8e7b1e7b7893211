package gateway

import (
	"crypto/ecdh"
	"crypto/rand"
)

// folderKey is an auditor's.
type folderKey struct{ *ecdh.PrivateKey }

func newAuditor(name string) *auditor {
	return &auditor{name, &folderKey{yes(ecdh.X25519().GenerateKey(rand.Reader))}}
}

func (k *folderKey) public() [32]byte { return [32]byte(k.PublicKey().Bytes()) }
