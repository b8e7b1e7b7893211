package broker

import (
	"fmt"
	"strings"

	"github.com/nats-io/nats-server/v2/server"
)

// Identity is who a connection speaks for, and whose topics it may use.
type Identity struct {
	Peer     string   // its name on topics, 32 lower-case hex digits
	Nodes    []string // charter ids, 64 lower-case hex digits, of the nodes whose place it may use beside "all" and "hub"
	Observer bool     // a desk or a hub: reads what everybody acknowledges to anybody
	Server   bool     // the community's hub: reads in the place "hub" what everybody tells it
}

// check keeps everything out of topics that could mean more than a name: a
// wildcard, a separator, a dot.
func (i Identity) check() error {
	if !isHex(i.Peer, 32) {
		return fmt.Errorf("broker: peer %q is not 32 lower-case hex digits", i.Peer)
	}
	for _, n := range i.Nodes {
		if !isHex(n, 64) {
			return fmt.Errorf("broker: node %q is not 64 lower-case hex digits", n)
		}
	}
	return nil
}

func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdef") == ""
}

// places are the levels below the community's that the identity may use, but for
// the hub's.
func (i Identity) places() []string { return append([]string{"all"}, i.Nodes...) }

// rights are MQTT topic filters.
type rights struct{ write, read []string }

// rightsAt is the table of topics as permissions, for one place. peer is a
// name or a pattern that stands for it.
func rightsAt(community, place, peer string, observer bool) rights {
	root := "tombolo/v1/" + community + "/" + place + "/"
	held := root + "from/+/held/" + peer + "/#"
	if observer {
		held = root + "from/+/held/#"
	}
	return rights{
		write: []string{
			root + "from/" + peer + "/#",
			root + "to/+/" + peer,
		},
		read: []string{
			root + "from/+/alive",
			root + "from/+/head/#",
			root + "from/+/fork/#",
			root + "from/+/charter/#",
			root + "to/" + peer + "/+",
			held,
		},
	}
}

// hubPlace is where each peer and the hub speak with each other.
const hubPlace = "hub"

// rightsAtHub is the same of the place hub. Nobody but the server reads there what
// others write, but for who is there.
func rightsAtHub(community, peer string, server, observer bool) rights {
	r := rightsAt(community, hubPlace, peer, server && observer)
	if !server {
		root := "tombolo/v1/" + community + "/" + hubPlace + "/"
		r.read = []string{root + "from/+/alive", root + "to/" + peer + "/+", root + "from/+/held/" + peer + "/#"}
	}
	return r
}

func (i Identity) rights(community string) rights {
	all := rightsAtHub(community, i.Peer, i.Server, i.Observer)
	for _, p := range i.places() {
		r := rightsAt(community, p, i.Peer, i.Observer)
		all.write = append(all.write, r.write...)
		all.read = append(all.read, r.read...)
	}
	return all
}

// subjects are the NATS subjects of MQTT filters without dots or empty levels.
// A filter x/# is two: nats-server subscribes to x as well as to x.>, since in
// MQTT it matches x itself (MQTT 3.1.1 §4.7.1.2), and wants both allowed.
func subjects(filters []string) []string {
	var out []string
	for _, f := range filters {
		s := strings.NewReplacer("/", ".", "+", "*", "#", ">").Replace(f)
		if parent, ok := strings.CutSuffix(s, ".>"); ok {
			out = append(out, parent)
		}
		out = append(out, s)
	}
	return out
}

func (r rights) permissions() *server.Permissions {
	return &server.Permissions{
		Publish: &server.SubjectPermission{Allow: subjects(r.write)},
		Subscribe: &server.SubjectPermission{
			Allow: subjects(r.read),
			// Without a delivery subject there is no consumer: QoS 1 and 2
			// subscriptions are refused.
			Deny: []string{"$MQTT.sub.>"},
		},
	}
}
