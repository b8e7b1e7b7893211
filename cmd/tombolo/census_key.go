package main

import (
	"crypto/ecdh"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
)

const maxAuditorKey = 4096 // bytes

var errAuditorKey = errors.New("not an auditor's key: one PEM block \"PRIVATE KEY\" of X25519, as `tombolo census auditor-key` makes it")

func (e *env) censusAuditorKey() *cobra.Command {
	return verb("auditor-key", "Show this folder's public key as an auditor, made if it is missing: what drawn tags are opened to, for `census open --auditor`", func(*cobra.Command, []string) error {
		return e.open(true, func(f *folder.Folder) error {
			if err := f.NewKey(folder.AuditorKey); err != nil && !errors.Is(err, folder.ErrKeyExists) {
				return err
			}
			key, err := f.Auditor()
			if err != nil {
				return err
			}
			pub := hex32(key.PublicKey().Bytes())
			return e.print(struct {
				Key hex32 `json:"key"`
			}{pub}, "%v\n", &pub)
		})
	})
}

// auditorKey is the key in a file, or this folder's; nil if there is none.
func (e *env) auditorKey(path string) (*ecdh.PrivateKey, error) {
	if path != "" {
		return readAuditorKey(path)
	}
	var key *ecdh.PrivateKey
	err := e.open(false, func(f *folder.Folder) (err error) {
		key, err = f.Auditor()
		return err
	})
	if errors.Is(err, folder.ErrNoFolder) || errors.Is(err, folder.ErrNoKey) {
		return nil, nil
	}
	return key, err
}

func readAuditorKey(path string) (*ecdh.PrivateKey, error) {
	text, err := folder.ReadStream(path, maxAuditorKey)
	if err != nil {
		return nil, err
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PRIVATE KEY" || len(rest) > 0 {
		return nil, fmt.Errorf("%s: %w", path, errAuditorKey)
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	key, ok := k.(*ecdh.PrivateKey)
	if err != nil || !ok || key.Curve() != ecdh.X25519() {
		return nil, fmt.Errorf("%s: %w", path, errAuditorKey)
	}
	return key, nil
}
