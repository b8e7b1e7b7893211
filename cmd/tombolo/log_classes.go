package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"

	"tombolo/cmd/internal/folder"
	"tombolo/edge/roster"
	"tombolo/sync/ledger"
)

// classes are those of the passports in a log, by the folder's ledgers as they
// are now. They are read once somebody is asked for, and of all that the
// community's ledgers hold nothing else is kept.
type classes struct {
	folder     *folder.Folder
	warn       func(format string, args ...any) // that there are none
	read       bool
	successors roster.Successors
	issuers    []issuerClasses
}

// issuerClasses is what one issuer says.
type issuerClasses struct {
	issuer ledger.KeyID
	of     map[uint64]string
}

// of is the class of a passport; "" if none is known, and disputed if issuers
// disagree.
func (c *classes) of(n uint64) string {
	if n == 0 {
		return ""
	}
	if !c.read {
		c.read = true
		if err := c.load(); err != nil {
			c.warn("the passports' classes cannot be told: %v", err)
		}
	}
	var found []string
	for _, i := range c.issuers {
		class, ok := i.of[n]
		replaced := slices.ContainsFunc(c.issuers, func(later issuerClasses) bool {
			_, admits := later.of[n]
			return admits && c.successors.SpeakFor(later.issuer.String(), i.issuer.String())
		})
		if ok && !replaced && !slices.Contains(found, class) {
			found = append(found, class)
		}
	}
	if len(found) > 1 {
		return "disputed"
	}
	return cmp.Or(found...)
}

// who is a passport with its class, for people.
func (c *classes) who(n uint64) string {
	class := c.of(n)
	switch {
	case n == 0:
		return "-"
	case class == "":
		return fmt.Sprintf("passport %d", n)
	}
	return fmt.Sprintf("passport %d (%s)", n, class)
}

func (c *classes) load() error {
	community, err := c.folder.Community()
	if errors.Is(err, folder.ErrUnpinned) {
		return nil
	}
	if err != nil {
		return err
	}
	c.successors = roster.SuccessorsOf(community.Latest())
	names := map[string]string{} // one string for each class
	for r, err := range c.folder.Counted(ledger.CommunityLog) {
		if err != nil {
			return err
		}
		a, ok := r.Body.(*ledger.Admit)
		if !ok {
			continue
		}
		issuer := r.Ledger.Origin.Author
		at, ok := slices.BinarySearchFunc(c.issuers, issuer, func(i issuerClasses, id ledger.KeyID) int { return bytes.Compare(i.issuer[:], id[:]) })
		if !ok {
			c.issuers = slices.Insert(c.issuers, at, issuerClasses{issuer, map[uint64]string{}})
		}
		if _, ok := names[a.Class]; !ok {
			names[a.Class] = a.Class
		}
		c.issuers[at].of[a.Passport] = names[a.Class]
	}
	return nil
}
