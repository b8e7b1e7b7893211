package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"tombolo/cmd/internal/folder"
)

func (e *env) brokerCmd() *cobra.Command {
	return group("broker", "The files of a broker between nodes that is no gateway's: mosquitto, or a cluster of nats-server", e.brokerNew(), e.brokerAdmit())
}

func (e *env) brokerNew() *cobra.Command {
	site := brokerSite{}
	c := verb("new FOLDER", "Make the authority, certificate and configuration of a broker, in a new folder", func(c *cobra.Command, args []string) error {
		if site.Kind != mosquitto && site.Kind != nats {
			return usage("--kind %s: want %s or %s", site.Kind, mosquitto, nats)
		}
		if site.Kind == mosquitto && len(site.Hosts) > 1 {
			return usage("--host: mosquitto is one server; a cluster is of kind %s", nats)
		}
		for _, h := range site.Hosts {
			if !isHost(h) {
				return usage("--host %s: want a name or an address without a port", h)
			}
		}
		if !filepath.IsAbs(site.At) {
			return usage("--at %s: want an absolute path", site.At)
		}
		return e.open(false, func(f *folder.Folder) error {
			community, err := f.CommunityID()
			if err != nil {
				return err
			}
			if community.IsZero() {
				return folder.ErrUnpinned
			}
			site.Community = community.String()
			dir := args[0]
			if err := os.Mkdir(dir, 0o700); err != nil {
				return fmt.Errorf("a broker's folder begins empty: %w", err)
			}
			if err := newPEMKey(filepath.Join(dir, authorityFile)); err != nil {
				return err
			}
			if err := newPEMKey(filepath.Join(dir, serverKey)); err != nil {
				return err
			}
			return e.admit(f, dir, &site)
		})
	})
	c.Flags().StringVar(&site.Kind, "kind", mosquitto, "mosquitto, one server; or nats, a cluster")
	c.Flags().StringSliceVar(&site.Hosts, "host", nil, "the server's name as gateways reach it; of a cluster each server's")
	c.Flags().StringVar(&site.At, "at", "/etc/tombolo/broker", "where the folder's files will stand on the servers")
	return need(c, "host")
}

func (e *env) brokerAdmit() *cobra.Command {
	var as string
	c := verb("admit FOLDER [FILE]", "Certificates for this node's gateways and this desk, and for the gateway, hub or evaluator whose request FILE is; the removed are shut out", func(c *cobra.Command, args []string) error {
		if len(args) < 2 && as != "" {
			return usage("%s: --as is the name of FILE's certificate, and there is no FILE", c.CommandPath())
		}
		return e.open(false, func(f *folder.Folder) error {
			site, err := readSite(args[0])
			if err != nil {
				return err
			}
			if err := site.retire(f); err != nil {
				return err
			}
			if len(args) > 1 {
				client, err := requested(f, args[1], as)
				if err != nil {
					return err
				}
				if err := site.add(client); err != nil {
					return err
				}
			}
			return e.admit(f, args[0], site)
		})
	})
	c.Flags().StringVar(&as, "as", "", "name of FILE's certificate, as in gw1.mare (default of a hub's hub, of an evaluator's evaluator)")
	return c
}

// requested is whose request a file is: a gateway's, or that of a hub or an
// evaluator which the community's charter names.
func requested(f *folder.Folder, path, as string) (brokerClient, error) {
	data, err := folder.ReadFile(path, 1<<16)
	if err != nil {
		return brokerClient{}, err
	}
	s, err := folder.ParseService(data)
	if errors.Is(err, folder.ErrJSON) { // it has other fields
		r, err := folder.ParseRequest(data)
		if err != nil {
			return brokerClient{}, fmt.Errorf("%s: %w", path, err)
		}
		if as == "" {
			return brokerClient{}, usage("--as: a gateway's certificate needs a name, as in %s.mare", r.Gateway)
		}
		return newClient(as, r.Keys.Signing, r.Keys.TLS), nil
	}
	if err != nil {
		return brokerClient{}, fmt.Errorf("%s: %w", path, err)
	}
	c := newClient(cmp.Or(as, string(s.Role)), s.Keys[s.Role], s.TLS)
	c.Service = string(s.Role)
	named, err := serving(f)
	if err == nil && !named[c.Peer] {
		err = fmt.Errorf("%s: it is not this %s that the community's charter names: `tombolo charter update community --service %s`, or import the newest charter, before it", path, s.Role, path)
	}
	return c, err
}
