package main

import (
	"crypto/ed25519"
	"fmt"

	"tombolo/edge/roster"
	"tombolo/sync/ledger"
)

// source has charters and no ledgers: those whom the roster has were filled in.
type source struct{ community, node ledger.Charters }

func newSource() (s source, err error) {
	author := func(r ledger.AuthorRole, seed byte) []ledger.Author {
		return []ledger.Author{{Role: r, Key: publicOf(signer(seed))}}
	}
	s.community, err = chartered(ledger.Charter{
		Kind: ledger.CommunityCharter, Slug: "isle", ChainID: 1, Registry: [20]byte{1}, Authors: author(ledger.Issuer, 1),
	})
	if err != nil {
		return s, err
	}
	s.node, err = chartered(ledger.Charter{
		Kind: ledger.NodeCharter, Slug: "casa", Community: s.community.ID(), Authors: author(ledger.Steward, 2),
	})
	return s, err
}

func chartered(c ledger.Charter) (ledger.Charters, error) {
	key := signer(3)
	c.Format, c.Version, c.Keys, c.Threshold = 1, 1, [][32]byte{publicOf(key)}, 1
	b, err := c.Marshal()
	if err != nil {
		return ledger.Charters{}, err
	}
	return ledger.CheckCharter(ledger.Charters{}, ledger.SignCharter(b, key))
}

func signer(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(append(make([]byte, ed25519.SeedSize-1), seed))
}

func publicOf(k ed25519.PrivateKey) [32]byte { return [32]byte(k.Public().(ed25519.PublicKey)) }

// Charters is one of roster.Source.
func (s source) Charters(id ledger.CharterID) (ledger.Charters, error) {
	switch id {
	case s.community.ID():
		return s.community, nil
	case s.node.ID():
		return s.node, nil
	}
	return ledger.Charters{}, fmt.Errorf("no charter %v", id)
}

// Ledgers is one of roster.Source.
func (source) Ledgers() ([]roster.Ledger, error) { return nil, nil }
