package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
	"tombolo/sync/peer"
	"tombolo/sync/replica"
)

// syncRow is a ledger and who has it.
type syncRow struct {
	peer.LedgerStatus
	Age       *int64   `json:"age"` // seconds since its head was signed
	Projected *int64   `json:"projected,omitempty"`
	HeldBy    []heldBy `json:"held_by,omitempty"`
	Witnesses []heldBy `json:"witnesses,omitempty"`
}

// heldBy is a peer's word for a ledger.
type heldBy struct {
	Peer string `json:"peer"`
	Name string `json:"name,omitempty"`
	Size int64  `json:"size"`
	Time stamp  `json:"time"`
}

func (e *env) syncStatus() *cobra.Command {
	var patience time.Duration
	var peers bool
	c := verb("status", "Show of each ledger how much is here, how old it is, who else holds it and who witnessed it", func(c *cobra.Command, _ []string) error {
		return e.open(false, func(f *folder.Folder) error {
			s, err := e.participation(c.Context(), f, patience)
			if err != nil {
				return err
			}
			for _, l := range downLinks(s.Links) {
				e.warn("link %s", l)
			}
			for _, p := range s.Problems {
				e.warn("%s", p)
			}
			if s.Census != nil && s.Census.Error != "" {
				e.warn("the census is not taken: %s", s.Census.Error)
			}
			if words := decidesBy(s); words != "" {
				fmt.Fprintln(e.Err, words)
			}
			if peers {
				return e.printPeers(s)
			}
			return e.printLedgers(f, s)
		})
	})
	c.Flags().DurationVar(&patience, "patience", 2*time.Second, "how long to listen")
	c.Flags().BoolVar(&peers, "peers", false, "show who takes part, and over which links, in place of the ledgers")
	return c
}

// participation is the daemon's on a gateway that runs, and otherwise this
// command's own, after it has listened for a while.
func (e *env) participation(ctx context.Context, f *folder.Folder, patience time.Duration) (s gatewayStatus, err error) {
	if s, err = askStatus(ctx, f.Dir()); err == nil || !errors.Is(err, errNoDaemon) {
		return s, err
	}
	silent := err
	d, err := e.participant(f)
	if errors.Is(err, errGateway) {
		return s, silent
	}
	if err != nil {
		return s, err
	}
	err = d.during(ctx, func(ctx context.Context) error {
		if err := e.Sleep(ctx, patience); err != nil {
			return nil // interrupted: what was heard is shown
		}
		s.Status = d.node.Status()
		return nil
	})
	return s, err
}

func (e *env) printLedgers(f *folder.Folder, s gatewayStatus) error {
	names, err := peerNames(f)
	if err != nil {
		return err
	}
	var rows []syncRow
	for _, l := range s.Ledgers {
		row := syncRow{LedgerStatus: l}
		if n, ok := s.Projected[l.Origin]; ok {
			row.Projected = &n
		}
		if l.Time > 0 {
			age := max(0, e.Now().Unix()-int64(l.Time))
			row.Age = &age
		}
		o, err := ledger.ParseOrigin(l.Origin)
		if err != nil {
			return err
		}
		by, err := f.Store().Held(o)
		if err != nil {
			return err
		}
		for _, h := range by {
			word := heldBy{h.Peer.String(), names[h.Peer], h.Size, stamp(unix(int64(h.Time)))}
			if h.Role == ledger.RoleWitness {
				row.Witnesses = append(row.Witnesses, word)
			} else {
				row.HeldBy = append(row.HeldBy, word)
			}
		}
		rows = append(rows, row)
	}
	return table(e, rows, "No ledger is here, and nobody announces one.", []string{"LEDGER", "AUTHOR", "ENTRIES", "PROJECTED", "AGE", "BEHIND", "HELD BY", "WITNESSES"}, func(r syncRow) []string {
		state := "-"
		switch {
		case r.Forked:
			state = "FORKED"
		case r.Refused != "":
			state = "REFUSED: " + r.Refused
		case r.Behind > 0:
			state = fmt.Sprint(r.Behind)
		}
		return []string{r.Kind, nameOr(r.Name, r.Author), fmt.Sprint(r.Held), orDash(r.Projected, func(n int64) string { return fmt.Sprint(n) }),
			orDash(r.Age, func(n int64) string { return ageWords(time.Duration(n) * time.Second) }), state, wordsOf(r.HeldBy, r.Held), wordsOf(r.Witnesses, r.Held)}
	})
}

func (e *env) printPeers(s gatewayStatus) error {
	return table(e, s.Peers, "Nobody else was heard.", []string{"PEER", "ID", "LINKS", "HEARD", "REFUSED"}, func(p peer.PeerStatus) []string {
		return []string{nameOr(p.Name, "-"), p.Peer, cmp.Or(strings.Join(p.Links, ", "), "-"), orDash(p.Heard, when), fmt.Sprint(p.Blames)}
	})
}

func orDash[T any](v *T, words func(T) string) string {
	if v == nil {
		return "-"
	}
	return words(*v)
}

func nameOr(name, id string) string {
	if name == "" {
		return id[:min(len(id), 8)]
	}
	return name
}

// wordsOf names who holds all of a ledger, and who how much of it.
func wordsOf(by []heldBy, size int64) string {
	var out []string
	for _, h := range by {
		name := nameOr(h.Name, h.Peer)
		if h.Size < size {
			name += fmt.Sprintf(" (%d)", h.Size)
		}
		out = append(out, name)
	}
	slices.Sort(out)
	if len(out) > 4 {
		return count(len(out), "peer", "peers")
	}
	return strings.Join(out, ", ")
}

// peerNames are those that the node's ledgers give.
func peerNames(f *folder.Folder) (map[replica.Peer]string, error) {
	names := map[replica.Peer]string{}
	all, err := f.Gateways()
	if errors.Is(err, folder.ErrNoNode) {
		return names, nil
	}
	for _, g := range all {
		names[ledger.KeyIDOf(g.Keys.Signing[:])] = g.Name
	}
	return names, err
}
