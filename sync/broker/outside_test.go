package broker_test

import (
	"strings"
	"testing"

	"tombolo/sync/broker"
)

var somewhere = broker.Files{Authority: "/etc/a.pem", Certificate: "/etc/c.pem", Key: "/etc/k.pem"}

func TestRefusedMosquitto(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*broker.Mosquitto){
		"community":               func(m *broker.Mosquitto) { m.Community = "+" },
		"node":                    func(m *broker.Mosquitto) { m.Node = "all" },
		"peer":                    func(m *broker.Mosquitto) { m.Peers = []broker.Identity{{Peer: "%u"}} },
		"a peer's node":           func(m *broker.Mosquitto) { m.Peers = []broker.Identity{{Peer: alice, Nodes: []string{"#"}}} },
		"removed":                 func(m *broker.Mosquitto) { m.Removed = []string{alice + "\ntopic readwrite #"} },
		"no port":                 func(m *broker.Mosquitto) { m.Listen = "broker.example" },
		"port 0":                  func(m *broker.Mosquitto) { m.Listen = "127.0.0.1:0" },
		"port 65536":              func(m *broker.Mosquitto) { m.Listen = "127.0.0.1:65536" },
		"a second line in a host": func(m *broker.Mosquitto) { m.Listen = "h\nallow_anonymous true:8883" },
		"no authority":            func(m *broker.Mosquitto) { m.Authority = "" },
		"relative certificate":    func(m *broker.Mosquitto) { m.Certificate = "c.pem" },
		"a second line in a path": func(m *broker.Mosquitto) { m.Key = "/etc/k.pem\nallow_anonymous true" },
		"relative acl":            func(m *broker.Mosquitto) { m.ACL = "acl" },
		"relative revoked":        func(m *broker.Mosquitto) { m.Revoked = "crl" },
		"relative folder":         func(m *broker.Mosquitto) { m.Dir = "var" },
		"a second line in a user": func(m *broker.Mosquitto) { m.User = "m\nallow_anonymous true" },
		"payload":                 func(m *broker.Mosquitto) { m.MaxPayload = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			m := broker.Mosquitto{Files: somewhere, Community: community, ACL: "/etc/acl", Listen: "0.0.0.0:8883"}
			if _, _, err := broker.MosquittoConfig(m); err != nil {
				t.Fatal(err)
			}
			change(&m)
			_, _, err := broker.MosquittoConfig(m)
			wantError(t, err, broker.ErrConfig)
		})
	}
}

func TestRefusedNATS(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*broker.NATS)
		want   error
	}{
		"community":           {func(n *broker.NATS) { n.Community = "*" }, broker.ErrConfig},
		"name":                {func(n *broker.NATS) { n.Name = "a b" }, broker.ErrConfig},
		"no name":             {func(n *broker.NATS) { n.Name = "" }, broker.ErrConfig},
		"cluster":             {func(n *broker.NATS) { n.Cluster = "x\"" }, broker.ErrConfig},
		"peer":                {func(n *broker.NATS) { n.Peers = []broker.Identity{{Peer: ">"}} }, broker.ErrConfig},
		"a peer's node":       {func(n *broker.NATS) { n.Peers = []broker.Identity{{Peer: alice, Nodes: []string{"*"}}} }, broker.ErrConfig},
		"listen":              {func(n *broker.NATS) { n.Listen = "8883" }, broker.ErrConfig},
		"route":               {func(n *broker.NATS) { n.Route = "h:x" }, broker.ErrConfig},
		"no routes":           {func(n *broker.NATS) { n.Routes = nil }, broker.ErrConfig},
		"routes":              {func(n *broker.NATS) { n.Routes = []string{"h"} }, broker.ErrConfig},
		"NATS for everybody":  {func(n *broker.NATS) { n.Client = "0.0.0.0:4222" }, broker.ErrLoopback},
		"relative folder":     {func(n *broker.NATS) { n.Dir = "var" }, broker.ErrConfig},
		"relative key":        {func(n *broker.NATS) { n.Key = "k" }, broker.ErrConfig},
		"store below payload": {func(n *broker.NATS) { n.MaxStore = 1 }, broker.ErrConfig},
	} {
		t.Run(name, func(t *testing.T) {
			n := broker.NATS{
				Files: somewhere, Community: community, Name: "broker-0", Cluster: "archipelago", Listen: "0.0.0.0:8883",
				Client: "127.0.0.1:4222", Route: "0.0.0.0:6222", Routes: []string{"10.0.0.1:6222"}, Dir: "/var/lib/nats",
			}
			if _, err := broker.NATSConfig(n); err != nil {
				t.Fatal(err)
			}
			c.change(&n)
			_, err := broker.NATSConfig(n)
			wantError(t, err, c.want)
		})
	}
}

// What stands in double quotes in nats-server's file stays one value.
func TestNATSQuotesPaths(t *testing.T) {
	t.Parallel()
	conf, err := broker.NATSConfig(broker.NATS{
		Files: somewhere, Community: community, Name: "broker-0", Cluster: "archipelago", Listen: "0.0.0.0:8883",
		Client: "127.0.0.1:4222", Route: "0.0.0.0:6222", Routes: []string{"10.0.0.1:6222"}, Dir: `/var/"; no_auth_user: x`,
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(conf), `store_dir: "/var/\"; no_auth_user: x"`) {
		t.Errorf("%s", conf)
	}
}
