package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/mod/sumdb/tlog"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/store"
)

// updateFlags is what changes in a charter.
type updateFlags struct {
	add, retire       map[ledger.AuthorRole]*keys
	addKey, removeKey keys
	services          []string // requests of a hub or an evaluator
	successor         hex32
	count             int64 // of the entries of the retired key's last ledger; -1: all
	threshold         uint
	chain             uint64
	registry          address
	sign, out         string
	yes               bool
}

func (e *env) charterUpdate() *cobra.Command {
	d := updateFlags{add: map[ledger.AuthorRole]*keys{}, retire: map[ledger.AuthorRole]*keys{}}
	c := verb("update [community|node]", "Make the next version of a charter, or sign one that others made (--sign)", func(c *cobra.Command, args []string) error {
		if d.sign != "" {
			if len(args) > 0 || d.changes(c) {
				return usage("%s: --sign FILE says it all", c.CommandPath())
			}
			return e.change(false, func(f *folder.Folder) error { return e.cosign(f, &d) })
		}
		if len(args) == 0 || (args[0] != string(ledger.CommunityCharter) && args[0] != string(ledger.NodeCharter)) {
			return usage("%s: whose charter? community or node", c.CommandPath())
		}
		if !d.changes(c) {
			return usage("%s: nothing to change was given", c.CommandPath())
		}
		return e.change(false, func(f *folder.Folder) error { return e.update(f, c, ledger.CharterKind(args[0]), &d) })
	})
	for _, role := range charterRoles {
		d.add[role], d.retire[role] = new(keys), new(keys)
		c.Flags().Var(d.add[role], "add-"+string(role), "public key of a new "+string(role))
		c.Flags().Var(d.retire[role], "retire-"+string(role), "public key of a "+string(role)+" that writes no more; what is held here of its ledgers counts")
	}
	c.Flags().StringArrayVar(&d.services, "service", nil, "hub.request or evaluator.request of the machine that is to be the community's hub or evaluator, in the place of the one before")
	c.Flags().Var(&d.successor, "successor", "the key that follows the retired one; it is added")
	c.Flags().Int64Var(&d.count, "count", -1, "how many entries of the retired key's last ledger count, if a thief wrote those behind them (default: all that are held here)")
	c.Flags().Var(&d.addKey, "add-key", "public key of one more who signs charters")
	c.Flags().Var(&d.removeKey, "remove-key", "public key of one who signs charters no more")
	c.Flags().UintVar(&d.threshold, "threshold", 0, "how many of the charter keys have to sign the next version")
	c.Flags().Uint64Var(&d.chain, "chain-id", 0, "chain of the passport registry")
	c.Flags().Var(&d.registry, "registry", "contract address of the passport registry; delegations under the old one stay valid")
	c.Flags().StringVar(&d.sign, "sign", "", "sign the charter in this file, and store it once enough have")
	c.Flags().StringVar(&d.out, "out", "", "file for a charter that more have to sign (default SLUG-VERSION.charter)")
	c.Flags().BoolVar(&d.yes, "yes", false, "do not ask")
	return c
}

// charterRoles are what a charter gives keys.
var charterRoles = []ledger.AuthorRole{ledger.Issuer, ledger.Steward, ledger.Heartbeat, ledger.Hub, ledger.HubHold, ledger.HubWitness, ledger.Evaluator}

func (d *updateFlags) changes(c *cobra.Command) bool {
	changes := []string{"service", "successor", "add-key", "remove-key", "threshold", "chain-id", "registry"}
	for _, role := range charterRoles {
		changes = append(changes, "add-"+string(role), "retire-"+string(role))
	}
	return slices.ContainsFunc(changes, c.Flags().Changed)
}

func chainOf(f *folder.Folder, kind ledger.CharterKind) (ledger.Charters, error) {
	if kind == ledger.NodeCharter {
		return f.Node()
	}
	return f.Community()
}

func (e *env) update(f *folder.Folder, c *cobra.Command, kind ledger.CharterKind, d *updateFlags) error {
	chain, err := chainOf(f, kind)
	if err != nil {
		return err
	}
	next := chain.Next()
	if err := d.apply(f, c, &next); err != nil {
		return err
	}
	b, err := next.Marshal()
	if err != nil {
		return err
	}
	if d.out == "" {
		d.out = fmt.Sprintf("%s-%d.charter", next.Slug, next.Version)
	}
	return e.settle(f, chain, next, ledger.SignedCharter{Charter: b}, d)
}

// apply changes the next version.
func (d *updateFlags) apply(f *folder.Folder, c *cobra.Command, next *ledger.Charter) error {
	for _, k := range d.removeKey {
		i := slices.Index(next.Keys, [32]byte(k))
		if i < 0 {
			return fmt.Errorf("%v signs no charter of %q; see `tombolo charter show`", &k, next.Slug)
		}
		next.Keys = slices.Delete(next.Keys, i, i+1)
	}
	for _, k := range d.addKey {
		if slices.Contains(next.Keys, [32]byte(k)) {
			return fmt.Errorf("%v signs charters of %q already", &k, next.Slug)
		}
		next.Keys = append(next.Keys, k)
	}
	slices.SortFunc(next.Keys, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
	if c.Flags().Changed("threshold") {
		next.Threshold = d.threshold
	}
	if c.Flags().Changed("chain-id") {
		next.ChainID = d.chain
	}
	if c.Flags().Changed("registry") {
		next.Registry = d.registry
	}
	return d.applyAuthors(f, next)
}

func (d *updateFlags) applyAuthors(f *folder.Folder, next *ledger.Charter) error {
	if n := len(*d.retire[ledger.Issuer]) + len(*d.retire[ledger.Steward]); n != 1 && d.count != -1 {
		return usage("--count is of one key: retire one, not %d", n)
	}
	if err := d.applyServices(f, next); err != nil {
		return err
	}
	retired, n := ledger.AuthorRole(""), 0
	for _, role := range charterRoles {
		for _, k := range *d.retire[role] {
			i := slices.IndexFunc(next.Authors, func(a ledger.Author) bool { return a.Role == role && a.Key == k })
			if i < 0 || next.Authors[i].Retired {
				return fmt.Errorf("%v is no %s in force of %q; see `tombolo charter show`", &k, role, next.Slug)
			}
			counted, err := countedOf(f, role, k, d.count)
			if err != nil {
				return err
			}
			next.Authors[i].Retired, next.Authors[i].Counted = true, counted
			if d.successor != (hex32{}) {
				next.Authors[i].Successor = d.successor[:]
			}
			retired = role
			n++
		}
	}
	if d.successor != (hex32{}) {
		if n != 1 {
			return usage("--successor follows one key: retire one, not %d", n)
		}
		if err := addAuthor(next, retired, d.successor, true); err != nil {
			return err
		}
	}
	for _, role := range charterRoles {
		for _, k := range *d.add[role] {
			if err := addAuthor(next, role, k, false); err != nil {
				return err
			}
		}
	}
	return nil
}

// applyServices names the keys of a hub or an evaluator, in the place of those that
// are in force.
func (d *updateFlags) applyServices(f *folder.Folder, next *ledger.Charter) error {
	if len(d.services) > 0 && next.Kind != ledger.CommunityCharter {
		return fmt.Errorf("a charter of a node names no hub: say community")
	}
	given := map[ledger.AuthorRole]bool{}
	for _, path := range d.services {
		data, err := folder.ReadFile(path, 1<<16)
		if err != nil {
			return err
		}
		s, err := folder.ParseService(data)
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if given[s.Role] {
			return usage("--service: two requests of a %s, of which there is one", s.Role)
		}
		given[s.Role] = true
		named := slices.ContainsFunc(next.Authors, func(a ledger.Author) bool { return a.Role == s.Role && a.Key == s.Keys[s.Role] && !a.Retired })
		if named {
			return fmt.Errorf("%s: the charter names this %s already", path, s.Role)
		}
		for role, key := range s.Keys {
			for i, a := range next.Authors {
				if a.Role != role || a.Retired || a.Key == key {
					continue
				}
				if next.Authors[i].Counted, err = countedOf(f, role, a.Key, -1); err != nil {
					return err
				}
				next.Authors[i].Retired = true
			}
			if err := addAuthor(next, role, key, true); err != nil {
				return err
			}
		}
	}
	return nil
}

func addAuthor(next *ledger.Charter, role ledger.AuthorRole, key hex32, mayBeThere bool) error {
	i, there := slices.BinarySearchFunc(next.Authors, key, func(a ledger.Author, k hex32) int { return bytes.Compare(a.Key[:], k[:]) })
	switch {
	case !there:
		next.Authors = slices.Insert(next.Authors, i, ledger.Author{Role: role, Key: key})
	case next.Authors[i].Retired:
		return fmt.Errorf("%v was retired; a key does not come back, make a new one", &key)
	case next.Authors[i].Role != role || !mayBeThere:
		return fmt.Errorf("%v is a %s of %q already; one key has one role", &key, next.Authors[i].Role, next.Slug)
	}
	return nil
}

// countedOf lists how far each ledger of an author is held here: that is what
// goes on to count once it is retired; of its last one at most so many entries,
// unless most is -1.
func countedOf(f *folder.Folder, role ledger.AuthorRole, key hex32, most int64) (out []ledger.Counted, err error) {
	kinds := map[ledger.AuthorRole][]ledger.LogKind{ledger.Issuer: {ledger.CommunityLog}, ledger.Steward: {ledger.NodeLog, ledger.DirectoryLog}, ledger.Hub: {ledger.CensusLog}}[role]
	all, err := f.Store().Ledgers()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(i store.Info) bool {
		return i.Origin.Author != ledger.KeyIDOf(key[:]) || !slices.Contains(kinds, i.Origin.Kind)
	})
	slices.SortFunc(all, func(a, b store.Info) int { // the one that a thief would write comes first
		return cmp.Or(cmp.Compare(slices.Index(kinds, a.Origin.Kind), slices.Index(kinds, b.Origin.Kind)), cmp.Compare(b.Generation, a.Generation))
	})
	for n, i := range all {
		if n == 0 && most != -1 {
			if most < 1 || most > i.Size {
				return nil, usage("--count %d: %s held of %v; see `tombolo ledger show`", most, count(i.Size, "entry is", "entries are"), i.Origin)
			}
			if i.Root, err = tlog.TreeHash(most, ledger.Hashes(f.Store().Reader(i))); err != nil {
				return nil, err
			}
			i.Size = most
		}
		out = append(out, ledger.Counted{Incarnation: i.Origin.Incarnation, Size: i.Size, Root: i.Root})
	}
	slices.SortFunc(out, func(a, b ledger.Counted) int { return bytes.Compare(a.Incarnation[:], b.Incarnation[:]) })
	return out, nil
}

// cosign signs what another machine made.
func (e *env) cosign(f *folder.Folder, d *updateFlags) error {
	data, err := folder.ReadFile(d.sign, ledger.MaxCharter)
	if err != nil {
		return err
	}
	signed, err := ledger.ParseSignedCharter(data)
	if err != nil {
		return fmt.Errorf("%s: %w", d.sign, err)
	}
	next, err := ledger.ParseCharter(signed.Charter)
	if err != nil {
		return fmt.Errorf("%s: %w", d.sign, err)
	}
	chain, err := chainOf(f, next.Kind)
	if err != nil {
		return err
	}
	if latest := chain.Latest(); next.Version != latest.Version+1 || next.Previous != hashOf(chain, chain.Len()) {
		return fmt.Errorf("%s: %w: it is version %d of %q, and the one in force here is version %d of %q; import what is missing, or make the change anew",
			d.sign, ledger.ErrCharterChain, next.Version, next.Slug, latest.Version, latest.Slug)
	}
	d.out = d.sign
	return e.settle(f, chain, next, signed, d)
}

// settle shows what changes, signs, and stores the charter if enough have signed,
// or else writes it to a file for the others.
func (e *env) settle(f *folder.Folder, chain ledger.Charters, next ledger.Charter, signed ledger.SignedCharter, d *updateFlags) error {
	key, err := f.Key(folder.CharterKey)
	if err != nil && !errors.Is(err, folder.ErrNoKey) {
		return err
	}
	may := false
	if err == nil {
		pub, err := f.Public(folder.CharterKey)
		if err != nil {
			return err
		}
		may = slices.Contains(next.Keys, pub) || slices.Contains(chain.Latest().Keys, pub)
	}
	if !may && d.sign == "" {
		return fmt.Errorf("this folder holds none of the charter keys of %q; see `tombolo charter show`", next.Slug)
	}
	if may {
		if err := e.confirm(d.yes, "Version %d of the charter of %s %q changes:\n%s", next.Version, next.Kind, next.Slug, changed(chain, next)); err != nil {
			return err
		}
		if err := signed.Merge(ledger.SignCharter(signed.Charter, key)); err != nil {
			return err
		}
	}
	named := newServices(chain.Latest(), next)
	_, err = ledger.CheckCharter(chain, signed)
	if errors.Is(err, ledger.ErrThreshold) {
		if werr := folder.WriteFile(d.out, signed.Marshal(), 0o644); werr != nil {
			return werr
		}
		return e.print(settled{string(next.Kind), next.Slug, next.Version, len(signed.Signatures), false, d.out, named},
			"%s: %s signed version %d, more have to (%v): take it to them, for `tombolo charter update --sign %s`\n%s", d.out, count(len(signed.Signatures), "has", "have"), next.Version, err, d.out, named)
	}
	if err != nil {
		return err
	}
	if _, _, err := f.Store().AddCharter(signed); err != nil {
		return err
	}
	e.wrote = true
	if d.sign != "" { // the others take it from the file
		if err := folder.WriteFile(d.out, signed.Marshal(), 0o644); err != nil {
			return err
		}
	}
	return e.print(settled{string(next.Kind), next.Slug, next.Version, len(signed.Signatures), true, "", named},
		"version %d of the charter of %s %s is in force here, and elsewhere once it arrives: over the network, or by `tombolo ledger export`\n%s", next.Version, next.Kind, next.Slug, named)
}

type settled struct {
	Kind       string `json:"kind"`
	Slug       string `json:"slug"`
	Version    uint64 `json:"version"`
	Signatures int    `json:"signatures"`
	InForce    bool   `json:"in_force"`
	File       string `json:"file,omitempty"`

	Services fingerprints `json:"services,omitempty"`
}

// fingerprints are those of a hub's and an evaluator's key that a charter newly names,
// by role.
type fingerprints map[ledger.AuthorRole]string

func newServices(was, is ledger.Charter) fingerprints {
	out := fingerprints{}
	for _, a := range is.Authors {
		if isService(a.Role) && !a.Retired && !slices.ContainsFunc(was.Authors, func(b ledger.Author) bool { return a.Key == b.Key }) {
			out[a.Role] = folder.Fingerprint(a.Key)
		}
	}
	return out
}

// String asks whoever signed to compare them, a line for each.
func (p fingerprints) String() string {
	var b strings.Builder
	for _, role := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "the %s it names has the fingerprint %s: is it what `tombolo-hub init` showed there?\n", role, p[role])
	}
	return b.String()
}

// changed is the difference between two charters, line by line.
func changed(chain ledger.Charters, next ledger.Charter) string {
	was, is := viewOf(chain.ID(), chain.Latest()).lines(), viewOf(chain.ID(), next).lines()
	var b strings.Builder
	for _, l := range was {
		if !slices.Contains(is, l) {
			fmt.Fprintf(&b, "  - %s\n", l)
		}
	}
	for _, l := range is {
		if !slices.Contains(was, l) {
			fmt.Fprintf(&b, "  + %s\n", l)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
