package broker

import (
	"bytes"
	"embed"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/template"
)

//go:embed templates
var templateFiles embed.FS

var templates = template.Must(template.ParseFS(templateFiles, "templates/*"))

// Files are what a broker outside reads: PEM files, by absolute path.
type Files struct {
	Authority   string // whose certificates let a peer in (package enroll)
	Certificate string // the broker's own
	Key         string // of Certificate
}

// Mosquitto describes Debian's mosquitto 2.0 as a community's broker. A peer's
// certificate has the peer's name as its common name. A new gateway needs its
// certificate and nothing else.
//
// mosquitto accepts every SUBSCRIBE and delivers only what may be read. It
// looks at Revoked when a client connects, so a removed peer that is connected
// stays until then; named in Removed it can neither write nor read any more as
// soon as mosquitto has read its files again (SIGHUP).
type Mosquitto struct {
	Files
	Revoked string // PEM file with the authority's list of revoked certificates; "" for none. Once its next update is overdue mosquitto lets nobody in
	ACL     string // where the second file will stand, absolute
	Dir     string // folder for retained messages, absolute; "" keeps them in memory only
	User    string // whom mosquitto becomes when it is started as root; "" leaves it to mosquitto

	Community string
	Listen    string // host:port
	// Node is the charter id of the node whose own broker this is: everybody
	// with a certificate may use its place. "" when there is none.
	Node string
	// Peers are those with more than that: observers, the hub, and members of a
	// node that is not Node.
	Peers   []Identity
	Removed []string // names of removed peers

	MaxPayload, MaxClients int   // as in Config
	MaxStore               int64 // bytes queued for a client; at least what is retained; 8 MiB
}

type aclRule struct {
	Place, Peer       string
	Write, Read, Deny []string
}

// MosquittoConfig is mosquitto.conf and the file that it names as ACL.
func MosquittoConfig(m Mosquitto) (conf, acl []byte, err error) {
	host, port, err := outsideListen(m.Listen)
	if err != nil {
		return nil, nil, err
	}
	limits := Config{MaxPayload: m.MaxPayload, MaxClients: m.MaxClients, MaxStore: m.MaxStore}
	if err := outside(m.Community, &limits, m.Peers, m.Authority, m.Certificate, m.Key, m.ACL); err != nil {
		return nil, nil, err
	}
	for _, p := range []string{m.Revoked, m.Dir} {
		if p != "" {
			if err := checkPath(p); err != nil {
				return nil, nil, err
			}
		}
	}
	if strings.ContainsAny(m.User, " \t\r\n") {
		return nil, nil, fmt.Errorf("%w: user %q", ErrConfig, m.User)
	}
	conf, err = render("mosquitto.conf", struct {
		Mosquitto
		Host            string
		Port, MaxPacket int
		MaxClients      int
		MaxQueue        int64
	}{
		Mosquitto: m, Host: host, Port: port,
		MaxPacket:  limits.MaxPayload + 4<<10, // beside the payload, a topic
		MaxClients: limits.MaxClients, MaxQueue: 2*limits.MaxStore + 8<<20,
	})
	if err != nil {
		return nil, nil, err
	}
	acl, err = m.acl()
	return conf, acl, err
}

func (m Mosquitto) acl() ([]byte, error) {
	var data struct{ Patterns, Users []aclRule }
	places := []string{"all"}
	if m.Node != "" {
		if !isHex(m.Node, 64) {
			return nil, fmt.Errorf("%w: node %q is not 64 lower-case hex digits", ErrConfig, m.Node)
		}
		places = append(places, m.Node)
	}
	for _, p := range places {
		r := rightsAt(m.Community, p, "%u", false)
		data.Patterns = append(data.Patterns, aclRule{Place: p, Write: r.write, Read: r.read})
	}
	r := rightsAtHub(m.Community, "%u", false, false)
	data.Patterns = append(data.Patterns, aclRule{Place: hubPlace, Write: r.write, Read: r.read})
	for _, i := range m.Peers {
		if slices.Contains(m.Removed, i.Peer) {
			continue // mosquitto takes the first rule that matches
		}
		r := i.rights(m.Community)
		data.Users = append(data.Users, aclRule{Peer: i.Peer, Write: r.write, Read: r.read})
	}
	for _, p := range m.Removed {
		if err := (Identity{Peer: p}).check(); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		data.Users = append(data.Users, aclRule{Peer: p, Deny: []string{"#"}})
	}
	return render("mosquitto.acl", data)
}

// NATS describes one server of a nats-server cluster (tested: 2.15) as a
// community's broker. Three servers survive the loss of one: connects and
// acknowledgements wait up to ten seconds for its streams' new leaders, and
// until it is back the others may hand a new subscriber what was retained
// before the loss, while live messages pass. A peer's
// certificate has CN=<the peer's name> as its whole subject. Peers change by a new file for each server and SIGHUP (or
// nats-server --signal reload): who is no longer among them is disconnected,
// and what it left retained is deleted.
type NATS struct {
	Files
	Community string
	Name      string   // this server's, unique in the cluster
	Cluster   string   // the cluster's
	Listen    string   // host:port of MQTT
	Client    string   // host:port, on loopback, of NATS's own protocol, which nobody may use but nats-server insists on
	Route     string   // host:port for the other servers
	Routes    []string // host:port of all servers' Route
	Dir       string   // folder for the store, absolute
	Peers     []Identity

	MaxPayload, MaxClients int   // as in Config
	MaxStore               int64 // bytes of the store on each server; 64 MiB
}

type natsUser struct {
	Name               string
	Publish, Subscribe []string
}

// NATSConfig is one server's configuration file.
func NATSConfig(n NATS) ([]byte, error) {
	for _, a := range append([]string{n.Listen, n.Route}, n.Routes...) {
		if _, _, err := outsideListen(a); err != nil {
			return nil, err
		}
	}
	if err := loopback(n.Client); err != nil {
		return nil, err
	}
	if n.MaxStore == 0 {
		n.MaxStore = 64 << 20
	}
	limits := Config{MaxPayload: n.MaxPayload, MaxClients: n.MaxClients, MaxStore: n.MaxStore}
	if err := outside(n.Community, &limits, n.Peers, n.Authority, n.Certificate, n.Key, n.Dir); err != nil {
		return nil, err
	}
	for _, s := range []string{n.Name, n.Cluster} {
		if s == "" || strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return nil, fmt.Errorf("%w: name %q is not of a-z, 0-9 and -", ErrConfig, s)
		}
	}
	if len(n.Routes) == 0 {
		return nil, fmt.Errorf("%w: Routes is empty", ErrConfig)
	}
	var users []natsUser
	for _, i := range n.Peers {
		r := i.rights(n.Community)
		users = append(users, natsUser{"CN=" + i.Peer, subjects(r.write), subjects(r.read)})
	}
	var routes []string
	for _, r := range n.Routes {
		routes = append(routes, "tls://"+r)
	}
	n.Routes = routes
	return render("nats.conf", struct {
		NATS
		MaxPayload, MaxClients, MaxSubscriptions, Replicas int
		MaxPending                                         int64
		Users                                              []natsUser
	}{
		NATS: n, MaxPayload: limits.MaxPayload, MaxClients: limits.MaxClients, MaxSubscriptions: maxSubscriptions,
		Replicas: min(3, len(n.Routes)), MaxPending: 2*n.MaxStore + 8<<20, Users: users,
	})
}

// outside checks what both kinds share and fills in the bounds.
func outside(community string, limits *Config, peers []Identity, paths ...string) error {
	// Config's own check, with what it asks beside the bounds.
	limits.Dir, limits.Community, limits.Plain = "/", community, "127.0.0.1:0"
	limits.PlainIdentity = func(string) (Identity, error) { return Identity{}, nil }
	if err := limits.complete(); err != nil {
		return err
	}
	for _, p := range peers {
		if err := p.check(); err != nil {
			return fmt.Errorf("%w: %w", ErrConfig, err)
		}
	}
	for _, p := range paths {
		if err := checkPath(p); err != nil {
			return err
		}
	}
	return nil
}

func outsideListen(addr string) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 1 || port > 65535 || strings.ContainsAny(host, " \t\r\n\"") {
		return "", 0, fmt.Errorf("%w: %q is not a host and a port from 1 to 65535", ErrConfig, addr)
	}
	return host, port, nil
}

// checkPath keeps a path from being more than one value in a file.
func checkPath(p string) error {
	if !filepath.IsAbs(p) || strings.ContainsAny(p, "\r\n\x00") {
		return fmt.Errorf("%w: %q is not an absolute path on one line", ErrConfig, p)
	}
	return nil
}

func render(name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("broker: %s: %w", name, err)
	}
	return b.Bytes(), nil
}
