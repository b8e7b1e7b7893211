package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/console"
	"tombolo/cmd/internal/folder"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
)

const approvalFile = "gateway.approval"

// approval is `gateway approve`: of a request that came as a file, or of a gateway
// on the network that waits for a desk.
type approval struct {
	*env
	out, at, code string
	yes           bool
}

func (e *env) gatewayApprove() *cobra.Command {
	a := &approval{env: e}
	c := verb("approve [FILE]", "Enrol a gateway: the one that shows a code (--code), that waits at an address (--at), or whose gateway.request FILE is", func(c *cobra.Command, args []string) error {
		ways := 0
		for _, given := range []bool{len(args) > 0, a.at != "", a.code != ""} {
			if given {
				ways++
			}
		}
		switch {
		case ways != 1:
			return usage("%s: say which gateway: FILE, --at or --code", c.CommandPath())
		case len(args) == 0 && a.out != "":
			return usage("%s: --out is for FILE: the gateway takes its approval over the network", c.CommandPath())
		}
		return e.change(false, func(f *folder.Folder) error {
			if len(args) > 0 {
				return a.file(f, args[0])
			}
			return a.network(c.Context(), f)
		})
	})
	c.Flags().StringVar(&a.code, "code", "", "the code that the gateway shows, as text")
	c.Flags().StringVar(&a.at, "at", "", "its address, `HOST[:PORT]`: six digits are compared")
	c.Flags().StringVar(&a.out, "out", "", "where the approval of a FILE goes (default gateway.approval beside it)")
	c.Flags().BoolVar(&a.yes, "yes", false, "do not ask: the fingerprint was compared")
	return c
}

func (a *approval) file(f *folder.Folder, path string) error {
	data, err := folder.ReadFile(path, 1<<16)
	if err != nil {
		return err
	}
	request, err := folder.ParseRequest(data)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if a.out == "" {
		a.out = filepath.Join(filepath.Dir(path), approvalFile)
	}
	again, err := a.enrol(f, request, "asks to serve node %q. Compare its fingerprint with what the gateway shows:\n  %s")
	if err != nil {
		return err
	}
	if err := folder.WriteTo(a.out, 0o644, func(w io.Writer) error { return a.export(f, w) }); err != nil {
		return err
	}
	return a.told(f, request, again, a.out, "approval     "+a.out+": take it to the gateway\n")
}

// network approves a gateway that waits for a desk.
func (a *approval) network(ctx context.Context, f *folder.Folder) error {
	community, err := f.Community()
	if err != nil {
		return err
	}
	node, err := f.Node()
	if err != nil {
		return err
	}
	steward, err := f.Key(folder.StewardKey)
	if err != nil {
		return err
	}
	cfg := enroll.ApproveConfig{Address: a.at, Author: steward, Community: community.ID(), Node: node.ID(), Now: a.Now()}
	how := "asks to serve node %q. Its fingerprint is\n  %s"
	if a.code != "" {
		code, err := enroll.ParseCode(a.code)
		if err != nil {
			return usageError{Err: err}
		}
		cfg.Code = &code
	} else {
		cfg.Screen = console.Screen{In: a.In, Out: a.Err, Other: "gateway"}
	}
	if terminal(a.Err) {
		cfg.Progress = func(done, size int64) { fmt.Fprintf(a.Err, "\rapproval: %d of %d kB", done/1000, size/1000) }
	}
	var request folder.Request
	var again bool
	cfg.Decide = func(_ context.Context, g enroll.Gateway) (out enroll.Approval, err error) {
		if request, err = folder.ParseRequest(g.Request); err != nil {
			return out, err
		}
		if request.Keys.TLS != g.Key {
			return out, errors.New("the request names another TLS key than the gateway has")
		}
		if again, err = a.enrol(f, request, how); err != nil {
			return out, err
		}
		temp, err := os.CreateTemp("", "tombolo-approval-*")
		if err != nil {
			return out, err
		}
		if err := errors.Join(os.Remove(temp.Name()), a.export(f, temp)); err != nil { // it lives as long as it is open
			return out, errors.Join(err, temp.Close())
		}
		size, err := temp.Seek(0, io.SeekCurrent)
		if err == nil {
			_, err = temp.Seek(0, io.SeekStart)
		}
		return enroll.Approval{Size: size, Reader: temp}, err
	}
	if err := enroll.Approve(ctx, cfg); err != nil {
		return a.why(f, request, err)
	}
	return a.told(f, request, again, "", "the gateway has taken it in, and starts\n")
}

// why says what an enrolment over the network that failed leaves behind, and what
// to do about it.
func (a *approval) why(f *folder.Folder, r folder.Request, err error) error {
	dial, dialled := errors.AsType[*net.OpError](err)
	switch {
	case r.Gateway != "":
		if is, bad := enrolled(f, r); bad == nil && is {
			return fmt.Errorf("gateway %q is enrolled in the ledger, and did not take its approval in; approve it again: %w", r.Gateway, err)
		}
	case a.at != "" && errors.Is(err, enroll.ErrWay):
		return errors.New("the gateway has no terminal to show digits on, as a service has none: take the code from its log (journalctl -u tombolod) and give it with --code")
	case dialled && dial.Op == "dial":
		return fmt.Errorf("no gateway answers: %w\nOne that is not enrolled yet waits while `tombolod run` runs, on port %s; one that is enrolled waits no more", err, enroll.DefaultPort)
	}
	return err
}

func (a *approval) export(f *folder.Folder, w io.Writer) error {
	_, err := f.Export(w, []ledger.LogKind{ledger.CommunityLog, ledger.NodeLog, ledger.DirectoryLog}, a.progress())
	return err
}

// enrol writes what makes a gateway the node's; again tells that it was before.
func (a *approval) enrol(f *folder.Folder, r folder.Request, ask string) (again bool, err error) {
	node, err := f.Node()
	if err != nil {
		return false, err
	}
	again, err = enrolled(f, r)
	if err != nil {
		return false, err
	}
	var bodies []ledger.Body
	if !again {
		if err := a.confirm(a.yes, "Gateway %q "+ask, r.Gateway, node.Latest().Slug, folder.Fingerprint(r.Keys.Signing)); err != nil {
			return false, err
		}
		bodies = append(bodies, &ledger.GatewayEnrolled{Gateway: r.Gateway, Keys: r.Keys})
	}
	vouched, err := f.VouchGateway(r.Keys.Signing, r.Reader)
	if err != nil {
		return false, err
	}
	if vouched != nil {
		bodies = append(bodies, vouched)
	}
	if len(bodies) > 0 {
		if err := a.write(f, ledger.NodeLog, bodies...); err != nil {
			return false, err
		}
	}
	listed, err := f.Listed(r.Keys.Signing)
	if err != nil || listed {
		return again, err
	}
	return again, a.write(f, ledger.DirectoryLog, &ledger.DirectoryKeys{Gateway: r.Gateway, Keys: r.Keys})
}

// enrolled tells whether a request's gateway is enrolled as it asks to be; an
// error says why it cannot be.
func enrolled(f *folder.Folder, r folder.Request) (bool, error) {
	all, err := f.Gateways()
	if err != nil {
		return false, err
	}
	return among(all, r)
}

// among is enrolled, of the gateways that there are and were.
func among(all []folder.Gateway, r folder.Request) (is bool, err error) {
	for _, g := range all {
		switch {
		case g.Keys == r.Keys && !g.Active():
			return false, fmt.Errorf("gateway %q was removed on %s (%s): it needs new keys, from `tombolod init` in an empty folder", g.Name, when(g.Removed), g.Why)
		case g.Keys == r.Keys && g.Name == r.Gateway:
			is = true
		case g.Active() && g.Name == r.Gateway:
			return false, fmt.Errorf("another gateway is called %q: remove it first (`tombolo gateway remove %s`), or give this one another name", r.Gateway, r.Gateway)
		case g.Keys.Signing == r.Keys.Signing:
			return false, fmt.Errorf("this gateway's signing key was enrolled as %q with other keys or another name; it needs new keys, from `tombolod init` in an empty folder", g.Name)
		case g.Keys.Signing != r.Keys.Signing && share(g.Keys, r.Keys):
			return false, fmt.Errorf("the request names a key of gateway %q as its own: whoever made it wants to take that one's place", g.Name)
		}
	}
	return is, nil
}

// share tells whether two gateways have a key in common. Only the signing key's
// possession is proved by a request.
func share(a, b ledger.GatewayKeys) bool {
	theirs := [][32]byte{b.Signing, b.Hold, b.Witness, b.Sealing, b.TLS}
	return slices.ContainsFunc([][32]byte{a.Signing, a.Hold, a.Witness, a.Sealing, a.TLS}, func(k [32]byte) bool { return slices.Contains(theirs, k) })
}

func (a *approval) told(f *folder.Folder, r folder.Request, again bool, file, then string) error {
	if err := a.tellPins(f, r.Keys.Signing, false, "this gateway has no PIN of the passports %s: doors of it that ask for one stay shut to them until `tombolo pin set` was done again"); err != nil {
		return err
	}
	fingerprint := folder.Fingerprint(r.Keys.Signing)
	return a.print(struct {
		Gateway     string `json:"gateway"`
		Fingerprint string `json:"fingerprint"`
		Signing     hex32  `json:"signing"`
		Approval    string `json:"approval,omitempty"`
		Again       bool   `json:"again"`
	}{r.Gateway, fingerprint, r.Keys.Signing, file, again},
		"gateway      %s\nfingerprint  %s\n%s", r.Gateway, fingerprint, then)
}
