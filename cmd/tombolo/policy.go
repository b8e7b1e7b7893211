package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/wiring"
	"tombolo/edge/policy"
	"tombolo/edge/strict"
	"tombolo/sync/ledger"
)

func (e *env) policyCmd() *cobra.Command {
	return group("policy", "The node's policy: zones, doors, who may open which", e.policyCheck(), e.policySign(), e.policyShow())
}

// signedPolicy is the policy that wins in the node's ledgers.
type signedPolicy struct {
	version uint64
	file    []byte
	signed  time.Time
	steward ledger.KeyID
}

func (s *signedPolicy) parse() (*policy.Policy, error) {
	return policy.Parse(fmt.Sprintf("signed policy %d", s.version), s.file)
}

var errNoPolicy = errors.New("no policy is signed yet: `tombolo node policy sign FILE`")

// newestPolicy is nil before the first one was signed.
func newestPolicy(f *folder.Folder) (*signedPolicy, error) {
	var best *signedPolicy
	for r, err := range f.Counted(ledger.NodeLog) {
		if err != nil {
			return nil, err
		}
		b, ok := r.Body.(*ledger.Policy)
		if !ok || (best != nil && b.Version < best.version) {
			continue
		}
		if best != nil && b.Version == best.version {
			held, other := policy.Hash(best.file), policy.Hash(b.File)
			if bytes.Compare(other[:], held[:]) >= 0 {
				continue
			}
		}
		best = &signedPolicy{b.Version, b.File, r.Time, r.Ledger.Origin.Author}
	}
	return best, nil
}

// mistake is a strict.Error in JSON.
type mistake struct {
	File   string `json:"file"`
	Line   int    `json:"line"`
	Column int    `json:"column"`
	Key    string `json:"key,omitempty"`
	Msg    string `json:"msg"`
}

func mistakes(all []strict.Error) []mistake {
	out := []mistake{}
	for _, m := range all {
		out = append(out, mistake{m.File, m.Line, m.Column, m.Key, m.Msg})
	}
	return out
}

// policyReport is the answer of `policy check` in JSON.
type policyReport struct {
	Version     uint64    `json:"version,omitempty"`
	Node        string    `json:"node,omitempty"`
	Hash        hexBytes  `json:"hash,omitempty"`
	Errors      []mistake `json:"errors"`
	Warnings    []mistake `json:"warnings"`
	Wiring      []string  `json:"wiring,omitempty"`
	Explanation string    `json:"explanation,omitempty"`
}

// readPolicy parses a policy file and prints what is wrong with it.
func (e *env) readPolicy(path string) ([]byte, *policy.Policy, error) {
	data, err := folder.ReadStream(path, strict.MaxSize)
	if err != nil {
		return nil, nil, err
	}
	p, err := policy.Parse(path, data)
	if err != nil {
		return nil, nil, e.tellMistakes(err)
	}
	if len(data) > ledger.MaxPolicy {
		return nil, nil, fmt.Errorf("%s has %d bytes, and an entry holds %d: shorten it", path, len(data), ledger.MaxPolicy)
	}
	return data, p, nil
}

func (e *env) tellMistakes(err error) error {
	all, ok := errors.AsType[strict.Errors](err)
	if !ok {
		return err
	}
	if e.json {
		return errors.Join(e.printJSON(policyReport{Errors: mistakes(all), Warnings: []mistake{}}), errTold)
	}
	for _, m := range all {
		fmt.Fprintln(e.Err, m)
	}
	return errTold
}

func (e *env) policyCheck() *cobra.Command {
	var wired, gateway string
	var q question
	c := verb("check FILE", "Check a policy file and say in words what it does, or answer whether --who opens --door", func(c *cobra.Command, args []string) error {
		if err := q.check(c); err != nil {
			return err
		}
		if (wired == "") != (gateway == "") {
			return usage("--wiring and --gateway go together: the gateway's gateway.toml and its name")
		}
		data, p, err := e.readPolicy(args[0])
		if err != nil {
			return err
		}
		if q.who != 0 {
			if wired != "" {
				return usage("--who asks about the policy, and --wiring about a gateway: ask one at a time")
			}
			return e.open(false, func(f *folder.Folder) error {
				row, err := e.answer(f, p, &q)
				if err != nil {
					return err
				}
				return e.tellAnswer(row, p)
			})
		}
		var problems []wiring.Problem
		if wired != "" {
			text, err := folder.ReadFile(wired, strict.MaxSize)
			if err != nil {
				return err
			}
			w, err := wiring.Parse(wired, text)
			if err != nil {
				return e.tellMistakes(err)
			}
			problems = wiring.Check(w, p, gateway)
		}
		hash := policy.Hash(data)
		report := policyReport{Version: p.Version, Node: p.Node, Hash: hash[:], Errors: []mistake{}, Warnings: mistakes(p.Warnings), Explanation: policy.Explain(p)}
		stop := false
		for _, problem := range problems {
			report.Wiring = append(report.Wiring, problem.String())
			stop = stop || problem.Severity > wiring.Note
		}
		if e.json {
			err = e.printJSON(report)
		} else {
			for _, w := range p.Warnings {
				e.warn("%v", w)
			}
			fmt.Fprint(e.Err, wiring.Text(problems))
			_, err = fmt.Fprint(e.Out, report.Explanation)
		}
		if err == nil && stop {
			err = fmt.Errorf("the wiring of %q does not do what the policy says", gateway)
		}
		return err
	})
	q.flags(c)
	c.Flags().StringVar(&wired, "wiring", "", "hold it against this gateway.toml")
	c.Flags().StringVar(&gateway, "gateway", "", "the gateway whose wiring it is")
	return c
}

func (e *env) policySign() *cobra.Command {
	return verb("sign FILE", "Sign a policy file into the node's ledger: gateways obey it once they have it", func(_ *cobra.Command, args []string) error {
		data, p, err := e.readPolicy(args[0])
		if err != nil {
			return err
		}
		return e.change(false, func(f *folder.Folder) error {
			node, err := f.Node()
			if err != nil {
				return err
			}
			if slug := node.Latest().Slug; p.Node != slug {
				return fmt.Errorf("%s is for the node %q, and this folder's node is %q", args[0], p.Node, slug)
			}
			old, err := newestPolicy(f)
			if err != nil {
				return err
			}
			if old != nil && p.Version <= old.version {
				return fmt.Errorf("version %d was signed on %s: write version = %d or higher into %s", old.version, when(old.signed), old.version+1, args[0])
			}
			for _, w := range p.Warnings {
				e.warn("%v", w)
			}
			if err := e.policyWarnings(f, p); err != nil {
				return err
			}
			if err := e.write(f, ledger.NodeLog, &ledger.Policy{Version: p.Version, File: data}); err != nil {
				return err
			}
			hash := policy.Hash(data)
			return e.print(policyReport{Version: p.Version, Node: p.Node, Hash: hash[:], Errors: []mistake{}, Warnings: mistakes(p.Warnings)},
				"policy version %d is signed, hash %x; gateways obey it once they have the node's ledger\n", p.Version, hash)
		})
	})
}

// policyWarnings says which doors nobody would drive, and which homes the policy
// leaves out.
func (e *env) policyWarnings(f *folder.Folder, p *policy.Policy) error {
	gateways, err := f.Gateways()
	if err != nil {
		return err
	}
	active := map[string]bool{}
	for _, g := range gateways {
		active[g.Name] = active[g.Name] || g.Active()
	}
	for _, name := range sortedKeys(p.Doors) {
		if g := p.Doors[name].Gateway; !active[g] {
			e.warn("door %q hangs on gateway %q, which is not enrolled: nothing opens it until it is", name, g)
		}
	}
	lived, err := homes(f)
	if err != nil {
		return err
	}
	for _, h := range lived {
		if d := p.Doors[h.Door]; !h.over(e.Now()) && (d == nil || !d.Home) {
			e.warn("passport %d has its home behind %q, which is no home in this policy", h.Passport, h.Door)
		}
	}
	return nil
}

func (e *env) policyShow() *cobra.Command {
	var explain bool
	c := verb("show", "Print the newest signed policy", func(*cobra.Command, []string) error {
		return e.open(false, func(f *folder.Folder) error {
			s, err := newestPolicy(f)
			if err != nil {
				return err
			}
			if s == nil {
				return errNoPolicy
			}
			if explain {
				p, err := s.parse()
				if err != nil {
					return err
				}
				return e.print(policyReport{Version: p.Version, Node: p.Node, Errors: []mistake{}, Warnings: mistakes(p.Warnings), Explanation: policy.Explain(p)}, "%s", policy.Explain(p))
			}
			hash := policy.Hash(s.file)
			return e.print(struct {
				Version uint64 `json:"version"`
				Hash    string `json:"hash"`
				Signed  stamp  `json:"signed"`
				Steward string `json:"steward"`
				File    string `json:"file"`
			}{s.version, hex.EncodeToString(hash[:]), stamp(s.signed), s.steward.String(), string(s.file)}, "%s", s.file)
		})
	})
	c.Flags().BoolVar(&explain, "explain", false, "say in words what it does")
	return c
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// checkDoor refuses a malformed door, and one that the newest signed policy does
// not know; without a policy every door may be.
func checkDoor(f *folder.Folder, door string) error {
	if err := ledger.CheckSlug("door", door); err != nil {
		return usageError{Err: err}
	}
	s, err := newestPolicy(f)
	if s == nil || err != nil {
		return err
	}
	p, err := s.parse()
	if err != nil {
		return err
	}
	return inPolicy(p, "door", p.Doors, door)
}
