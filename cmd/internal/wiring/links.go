package wiring

import (
	"encoding/hex"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"tombolo/edge/strict"
)

// What holds where the file does not say.
const (
	DefaultTLSPort   = 8883 // of a broker
	DefaultPlainPort = 1883
)

// MaxLinks bounds the links of one participant.
const MaxLinks = 4

// ownBroker stands in a link for the broker that this gateway runs.
const ownBroker = "own"

// Broker is the node's broker that this gateway runs.
type Broker struct {
	Listen string // host:port of the TLS listener; the host may be empty: every address
	Plain  string // loopback address:port of a listener without TLS; "" for none
}

// Link is a way to others: one broker, and what may travel over it.
type Link struct {
	Name string
	// Broker is "tls://host:port", or "tcp://address:port" within this machine;
	// "" is the broker that this gateway runs.
	Broker string
	// Own marks the node's own link: door logs and the node's ledgers travel over
	// it and over no other.
	Own bool
	// Server is the fingerprint of the server's key (ledger.KeyID); zero: any
	// active gateway of the node. Of an outside broker CA and Cert are there
	// instead: paths of PEM files.
	Server   [16]byte
	CA, Cert string
}

// Outside tells whether the broker is known by its authority's word.
func (l *Link) Outside() bool { return l.CA != "" }

// Metrics is where the gateway's figures can be read.
type Metrics struct {
	Listen string // host:port
}

// Retention is how long bodies are kept; zero is for good.
type Retention struct {
	DoorLog time.Duration
}

type fileBroker struct {
	Listen string  `toml:"listen" required:"say where the node's gateways and desks connect to, as in \":8883\""`
	Plain  *string `toml:"plain"`
}

type fileLink struct {
	Broker string  `toml:"broker" required:"name the broker, as in \"tls://gw1.casa.lan\", or \"own\" on the gateway that runs it"`
	Own    *bool   `toml:"own"`
	Server *string `toml:"server"`
	CA     *string `toml:"ca"`
	Cert   *string `toml:"cert"`
}

type fileMetrics struct {
	Listen string `toml:"listen" required:"say where the figures can be read, as in \"127.0.0.1:9464\""`
}

type fileRetention struct {
	DoorLog *strict.Duration `toml:"door_log" min:"1d" eg:"90d"`
}

// linksFile is a desk's links.toml.
type linksFile struct {
	Links map[strict.Slug]*fileLink `toml:"links"`
}

// ParseLinks reads a desk's links.toml, which has the tables [links.NAME] of a
// gateway's file and nothing else, by name. path is as in [Parse], and so is the
// error. A desk runs no broker.
func ParseLinks(path string, data []byte) (map[string]*Link, error) {
	var f linksFile
	doc, err := strict.Decode(path, data, &f)
	if doc == nil {
		return nil, err
	}
	b := &builder{doc: doc, dir: filepath.Dir(path)}
	links := b.links(f.Links, false)
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return links, nil
}

// network builds all that has to do with others.
func (b *builder) network(w *Wiring, f *file) {
	w.Broker = b.broker(f.Broker)
	w.Links = b.links(f.Links, b.doc.Has("broker"))
	if f.Metrics != nil {
		w.Metrics = &Metrics{Listen: b.listen(strict.Path{"metrics", "listen"}, f.Metrics.Listen)}
	}
	w.Census = readCensus(f.Census)
	if f.Retention != nil && f.Retention.DoorLog != nil {
		w.Retention.DoorLog = time.Duration(*f.Retention.DoorLog)
	}
}

func (b *builder) broker(f *fileBroker) *Broker {
	if f == nil {
		return nil
	}
	at := strict.Path{"broker"}
	out := &Broker{Listen: b.listen(at.With("listen"), f.Listen)}
	if f.Plain != nil {
		out.Plain = b.listen(at.With("plain"), *f.Plain)
		if host, _, err := net.SplitHostPort(out.Plain); err == nil && !loopback(host) {
			b.doc.Reject(at.With("plain"), "a listener without TLS is for programs on this machine: want an address such as \"127.0.0.1:1883\", got %q; others connect to listen", *f.Plain)
		}
	}
	return out
}

// links builds the table [links], in the file's order. running says that the
// file has a broker.
func (b *builder) links(f map[strict.Slug]*fileLink, running bool) map[string]*Link {
	if len(b.doc.Keys("links")) == 0 && !running {
		return nil
	}
	all := map[string]*Link{}
	own, here := "", ""
	for _, name := range b.doc.Keys("links") {
		fl := f[strict.Slug(name)]
		if fl == nil {
			continue
		}
		at := strict.Path{"links", name}
		if len(all) == MaxLinks {
			b.doc.RejectKey(at, "a participant has at most %d links", MaxLinks)
			break
		}
		l := b.link(at, name, fl, running)
		all[name] = l
		if fl.Broker == ownBroker {
			if here != "" {
				b.doc.Reject(at.With("broker"), "links.%s leads to the own broker already", here)
			}
			here = name
		}
		if l.Own {
			if own != "" {
				b.doc.Reject(at.With("own"), "links.%s is the node's own already: door logs travel over one link", own)
			}
			own = name
		}
	}
	if running && here == "" {
		b.doc.Reject(strict.Path{"broker"}, "no link leads to this broker: add [links.node] with broker = \"own\" and own = true")
	}
	return all
}

func (b *builder) link(at strict.Path, name string, f *fileLink, running bool) *Link {
	l := &Link{Name: name, Own: f.Own != nil && *f.Own}
	switch {
	case f.Broker == ownBroker && !running:
		b.doc.Reject(at.With("broker"), "this file has no broker: add [broker] on the gateway that runs it, or name it, as in \"tls://gw1.casa.lan\"")
	case f.Broker == ownBroker && !l.Own:
		b.doc.Reject(at, "the node's own broker is the node's own link: say own = true")
	case f.Broker == ownBroker:
	case b.doc.Has(at.With("broker")...):
		l.Broker = b.brokerURL(at.With("broker"), f.Broker)
	}
	plain := strings.HasPrefix(l.Broker, "tcp:")
	for _, k := range []struct {
		key  string
		have *string
	}{{"server", f.Server}, {"ca", f.CA}, {"cert", f.Cert}} {
		if k.have != nil && (f.Broker == ownBroker || plain) {
			b.doc.Reject(at.With(k.key), "nothing proves itself to %s: leave it out", map[bool]string{true: "a plain listener", false: "the own broker"}[plain])
		}
	}
	if f.Server != nil && f.CA != nil {
		b.doc.Reject(at.With("server"), "ca is there too: a broker is known by its key, or by its authority's word")
	}
	if f.Server != nil {
		l.Server = b.fingerprint(at.With("server"), *f.Server)
	}
	if (f.CA != nil) != (f.Cert != nil) {
		have, other := "ca", "cert"
		if f.Cert != nil {
			have, other = other, have
		}
		b.doc.Reject(at.With(have), "%s is missing: an outside broker has an authority (ca), and lets in whoever has its certificate (cert)", other)
	}
	if f.CA != nil {
		l.CA = b.path(at.With("ca"), *f.CA)
	}
	if f.Cert != nil {
		l.Cert = b.path(at.With("cert"), *f.Cert)
	}
	return l
}

// brokerURL is the URL with its port.
func (b *builder) brokerURL(at strict.Path, s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	port := map[string]int{"tls": DefaultTLSPort, "tcp": DefaultPlainPort}[scheme]
	if !ok || port == 0 {
		b.doc.Reject(at, "want \"tls://HOST\" or \"tls://HOST:PORT\", got %q", s)
		return ""
	}
	host, number, err := net.SplitHostPort(rest)
	if err != nil {
		host, number = strings.TrimSuffix(strings.TrimPrefix(rest, "["), "]"), strconv.Itoa(port)
	}
	if !isHost(host) || !isPort(number, 1) {
		b.doc.Reject(at, "want a host's name or address and at most a port, as in \"tls://gw1.casa.lan:8883\", got %q", s)
		return ""
	}
	if scheme == "tcp" && !loopback(host) {
		b.doc.Reject(at, "without TLS only within this machine, as in \"tcp://127.0.0.1:1883\": whoever is between would read and forge what crosses; use \"tls://%s\"", host)
		return ""
	}
	return scheme + "://" + net.JoinHostPort(host, number)
}

// listen is an address to listen at.
func (b *builder) listen(at strict.Path, s string) string {
	if !b.doc.Has(at...) {
		return ""
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || host != "" && !isHost(host) || !isPort(port, 0) {
		b.doc.Reject(at, "want \"ADDRESS:PORT\", or \":PORT\" for every address, got %q", s)
		return ""
	}
	return net.JoinHostPort(host, port)
}

// fingerprint is a key's id: 32 hexadecimal digits, in groups or not.
func (b *builder) fingerprint(at strict.Path, s string) (id [16]byte) {
	digits := strings.ReplaceAll(s, " ", "")
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != len(id) || len(s) > 64 {
		b.doc.Reject(at, "want the fingerprint of the server's key: eight groups of four hexadecimal digits, as `tombolo gateway list` shows it; got %s", strict.Quote(s[:min(len(s), 64)]))
		return id
	}
	return [16]byte(raw)
}

// isHost tells whether s is an IP address or looks like a name (RFC 1123 §2.1;
// underscores occur in practice).
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if len(s) == 0 || len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		if strings.Trim(strings.ToLower(label), "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return false
		}
	}
	return true
}

func isPort(s string, lowest int) bool {
	n, err := strconv.Atoi(s)
	return err == nil && n >= lowest && n <= 65535 && strconv.Itoa(n) == s
}

// loopback tells whether a host is this machine and nobody else can answer.
func loopback(host string) bool {
	if host == "localhost" {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}

// OwnLink is the node's own link, or nil.
func (w *Wiring) OwnLink() *Link {
	for _, l := range w.SortedLinks() {
		if l.Own {
			return l
		}
	}
	return nil
}

// SortedLinks are the links by name.
func (w *Wiring) SortedLinks() []*Link { return SortedLinks(w.Links) }

// SortedLinks puts links in the order of their names.
func SortedLinks(all map[string]*Link) []*Link {
	var out []*Link
	for _, l := range all {
		out = append(out, l)
	}
	slices.SortFunc(out, func(a, b *Link) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// links tells what of the ways to others somebody should know.
func (c *checker) links() {
	switch own := c.w.OwnLink(); {
	case len(c.w.Links) == 0:
		return
	case own == nil:
		c.add(Note, "", "no link is the node's own: door logs stay here, and nobody's revocations and policies for this node arrive; say own = true at the link to the node's broker")
	case own.Outside():
		c.add(Note, "", "links.%s: door logs travel over it, and whoever runs that broker can read who went where; have the node run it", own.Name)
	}
	if m := c.w.Metrics; m != nil {
		if host, _, err := net.SplitHostPort(m.Listen); err == nil && !loopback(host) {
			c.add(Note, "", "metrics: whoever reaches %s reads how busy the doors are; have the collector on this machine, or fence it in", m.Listen)
		}
	}
}
