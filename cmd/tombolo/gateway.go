package main

import (
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
	"tombolo/sync/ledger"
)

func (e *env) gatewayCmd() *cobra.Command {
	return group("gateway", "A node's controllers", e.gatewayApprove(), e.gatewayList(), e.gatewayRemove())
}

const approvalFile = "gateway.approval"

func (e *env) gatewayApprove() *cobra.Command {
	var out string
	var yes bool
	c := verb("approve FILE", "Enrol the gateway whose gateway.request FILE is, and write the approval that it takes", func(_ *cobra.Command, args []string) error {
		data, err := folder.ReadFile(args[0], 1<<16)
		if err != nil {
			return err
		}
		request, err := folder.ParseRequest(data)
		if err != nil {
			return fmt.Errorf("%s: %w", args[0], err)
		}
		if out == "" {
			out = filepath.Join(filepath.Dir(args[0]), approvalFile)
		}
		return e.change(false, func(f *folder.Folder) error { return e.approve(f, request, out, yes) })
	})
	c.Flags().StringVar(&out, "out", "", "where the approval goes (default gateway.approval beside FILE)")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask: the fingerprint was compared")
	return c
}

func (e *env) approve(f *folder.Folder, r folder.Request, out string, yes bool) error {
	node, err := f.Node()
	if err != nil {
		return err
	}
	all, err := f.Gateways()
	if err != nil {
		return err
	}
	enrolled := false
	for _, g := range all {
		switch {
		case g.Keys == r.Keys && !g.Active():
			return fmt.Errorf("gateway %q was removed on %s (%s): it needs new keys, from `tombolod init` in an empty folder", g.Name, when(g.Removed), g.Why)
		case g.Keys == r.Keys && g.Name == r.Gateway:
			enrolled = true
		case g.Active() && g.Name == r.Gateway:
			return fmt.Errorf("another gateway is called %q: remove it first (`tombolo gateway remove %s`), or give this one another name", r.Gateway, r.Gateway)
		case g.Keys.Signing == r.Keys.Signing:
			return fmt.Errorf("this gateway's signing key was enrolled as %q with other keys or another name; it needs new keys, from `tombolod init` in an empty folder", g.Name)
		}
	}
	fingerprint := folder.Fingerprint(r.Keys.Signing)
	var bodies []ledger.Body
	if !enrolled {
		if err := e.confirm(yes, "Gateway %q asks to serve node %q. Compare its fingerprint with what the gateway shows:\n  %s", r.Gateway, node.Latest().Slug, fingerprint); err != nil {
			return err
		}
		bodies = append(bodies, &ledger.GatewayEnrolled{Gateway: r.Gateway, Keys: r.Keys})
	}
	vouched, err := f.VouchGateway(r.Keys.Signing, r.Reader)
	if err != nil {
		return err
	}
	if vouched != nil {
		bodies = append(bodies, vouched)
	}
	if len(bodies) > 0 {
		if err := e.write(f, ledger.NodeLog, bodies...); err != nil {
			return err
		}
	}
	err = folder.WriteTo(out, 0o644, func(w io.Writer) error {
		_, err := f.Export(w, []ledger.LogKind{ledger.CommunityLog, ledger.NodeLog}, e.progress())
		return err
	})
	if err != nil {
		return err
	}
	if err := e.tellPins(f, r.Keys.Signing, false, "this gateway has no PIN of the passports %s: doors of it that ask for one stay shut to them until `tombolo pin set` was done again"); err != nil {
		return err
	}
	return e.print(struct {
		Gateway     string `json:"gateway"`
		Fingerprint string `json:"fingerprint"`
		Signing     hex32  `json:"signing"`
		Approval    string `json:"approval"`
		Again       bool   `json:"again"`
	}{r.Gateway, fingerprint, r.Keys.Signing, out, enrolled},
		"gateway      %s\nfingerprint  %s\napproval     %s: take it to the gateway\n", r.Gateway, fingerprint, out)
}

type gatewayRow struct {
	Gateway     string `json:"gateway"`
	Fingerprint string `json:"fingerprint"`
	Signing     hex32  `json:"signing"`
	Enrolled    stamp  `json:"enrolled"`
	Removed     stamp  `json:"removed"`
	Why         string `json:"why,omitempty"`
}

func (e *env) gatewayList() *cobra.Command {
	return verb("list", "List the node's gateways", func(*cobra.Command, []string) error {
		return e.open(false, func(f *folder.Folder) error {
			all, err := f.Gateways()
			if err != nil {
				return err
			}
			var rows []gatewayRow
			for _, g := range all {
				rows = append(rows, gatewayRow{g.Name, folder.Fingerprint(g.Keys.Signing), g.Keys.Signing, stamp(g.Enrolled), stamp(g.Removed), g.Why})
			}
			return table(e, rows, "No gateway is enrolled.", []string{"GATEWAY", "FINGERPRINT", "ENROLLED", "REMOVED"}, func(r gatewayRow) []string {
				removed := when(asTime(r.Removed))
				if r.Why != "" {
					removed += " (" + r.Why + ")"
				}
				return []string{r.Gateway, r.Fingerprint, when(asTime(r.Enrolled)), removed}
			})
		})
	})
}

func (e *env) gatewayRemove() *cobra.Command {
	var why string
	var yes bool
	c := verb("remove NAME", "End a gateway's part in the node for good, as when it was stolen", func(_ *cobra.Command, args []string) error {
		return e.change(false, func(f *folder.Folder) error {
			all, err := f.Gateways()
			if err != nil {
				return err
			}
			for _, g := range all {
				if g.Name != args[0] || !g.Active() {
					continue
				}
				if err := e.confirm(yes, "Gateway %q, %s, will be removed; its keys never count again.", g.Name, folder.Fingerprint(g.Keys.Signing)); err != nil {
					return err
				}
				if err := e.write(f, ledger.NodeLog, &ledger.GatewayRemoved{Gateway: g.Name, Signing: g.Keys.Signing, Why: why}); err != nil {
					return err
				}
				if err := e.tellPins(f, g.Keys.Signing, true, "whoever has that gateway can find out the PINs of the passports %s: set others (`tombolo pin set`)"); err != nil {
					return err
				}
				return e.print(gatewayRow{Gateway: g.Name, Fingerprint: folder.Fingerprint(g.Keys.Signing), Signing: g.Keys.Signing, Enrolled: stamp(g.Enrolled), Removed: stamp(e.Now()), Why: why},
					"gateway %s is removed\n", g.Name)
			}
			return fmt.Errorf("no gateway %q is enrolled; see `tombolo gateway list`", args[0])
		})
	})
	c.Flags().StringVar(&why, "why", "", "the reason, at most 200 characters")
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return need(c, "why")
}
