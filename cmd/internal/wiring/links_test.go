package wiring

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"tombolo/edge/strict"
)

const networked = `data = "/var/lib/tombolo"
[broker]
listen = ":8883"
plain = "127.0.0.1:1883"
[links.node]
broker = "own"
own = true
[links.hub]
broker = "tls://hub.example.org:8884"
ca = "hub-ca.pem"
cert = "/etc/tombolo/gw1.pem"
[links.east]
broker = "tls://gw1.east.lan"
server = "8e4a 0000 1111 2222 3333 4444 5555 6666"
[metrics]
listen = "127.0.0.1:9464"
[retention]
door_log = "90d"
`

var networkMistakes = []mistake{
	{"no listener", "listen = \":8883\"\n", "", 2, 2, "broker.listen", "missing: say where the node's gateways", strict.ErrMissing},
	{"listener without a port", `":8883"`, `"gw1"`, 3, 10, "broker.listen", `want "ADDRESS:PORT"`, nil},
	{"listener's port too large", `":8883"`, `":65536"`, 3, 10, "broker.listen", `got ":65536"`, nil},
	{"listener's port in words", `":8883"`, `":mqtts"`, 3, 10, "broker.listen", `want "ADDRESS:PORT"`, nil},
	{"plain for everybody", `"127.0.0.1:1883"`, `":1883"`, 4, 9, "broker.plain", "a listener without TLS is for programs on this machine", nil},
	{"plain on the network", `"127.0.0.1:1883"`, `"10.0.0.1:1883"`, 4, 9, "broker.plain", `got "10.0.0.1:1883"`, nil},
	{"plain by a name", `"127.0.0.1:1883"`, `"gw1:1883"`, 4, 9, "broker.plain", "programs on this machine", nil},
	{"broker unknown key", "plain =", "cluster =", 4, 1, "broker.cluster", "unknown key", strict.ErrUnknown},
	{"own broker without one", "[broker]\nlisten = \":8883\"\nplain = \"127.0.0.1:1883\"\n", "", 3, 10, "links.node.broker", "this file has no broker", nil},
	{"own broker, not the node's own", "own = true\n", "", 5, 2, "links.node", "say own = true", nil},
	{"nobody at the own broker", `broker = "own"`, `broker = "tls://gw2.casa.lan"`, 2, 2, "broker", "no link leads to this broker", nil},
	{"two own links", `server = "8e4a`, "own = true\nserver = \"8e4a", 14, 7, "links.east.own", "links.node is the node's own already", nil},
	{"own broker with a key", "own = true\n", "own = true\nserver = \"8e4a 0000 1111 2222 3333 4444 5555 6667\"\n", 8, 10, "links.node.server", "the own broker: leave it out", nil},
	{"no broker", "broker = \"tls://gw1.east.lan\"\n", "", 12, 2, "links.east.broker", "missing: name the broker", strict.ErrMissing},
	{"broker as a number", `"tls://gw1.east.lan"`, `8883`, 13, 10, "links.east.broker", "want a string", strict.ErrValue},
	{"broker without a scheme", `"tls://gw1.east.lan"`, `"gw1.east.lan:8883"`, 13, 10, "links.east.broker", `want "tls://HOST"`, nil},
	{"broker with another scheme", `"tls://gw1.east.lan"`, `"mqtt://gw1.east.lan"`, 13, 10, "links.east.broker", `want "tls://HOST"`, nil},
	{"broker with a user", `"tls://gw1.east.lan"`, `"tls://me@gw1.east.lan"`, 13, 10, "links.east.broker", "want a host's name or address", nil},
	{"broker with a path", `"tls://gw1.east.lan"`, `"tls://gw1.east.lan/x"`, 13, 10, "links.east.broker", "want a host's name or address", nil},
	{"broker with port 0", `"tls://gw1.east.lan"`, `"tls://gw1.east.lan:0"`, 13, 10, "links.east.broker", "want a host's name or address", nil},
	{"broker without a host", `"tls://gw1.east.lan"`, `"tls://"`, 13, 10, "links.east.broker", "want a host's name or address", nil},
	{"plain to somebody else", `"tls://gw1.east.lan"`, `"tcp://gw1.east.lan"`, 13, 10, "links.east.broker", `use "tls://gw1.east.lan"`, nil},
	{"plain with a key", `"tls://gw1.east.lan"`, `"tcp://127.0.0.1"`, 14, 10, "links.east.server", "a plain listener: leave it out", nil},
	{"server too short", " 6666\"", "\"", 14, 10, "links.east.server", "eight groups of four hexadecimal digits", nil},
	{"server is no hex", "8e4a", "8e4g", 14, 10, "links.east.server", "eight groups of four", nil},
	{"server and authority", `ca = "hub-ca.pem"`, "ca = \"hub-ca.pem\"\nserver = \"8e4a 0000 1111 2222 3333 4444 5555 6667\"", 11, 10, "links.hub.server", "ca is there too", nil},
	{"authority without a certificate", "cert = \"/etc/tombolo/gw1.pem\"\n", "", 10, 6, "links.hub.ca", "cert is missing", nil},
	{"certificate without an authority", "ca = \"hub-ca.pem\"\n", "", 10, 8, "links.hub.cert", "ca is missing", nil},
	{"authority's path empty", `"hub-ca.pem"`, `""`, 10, 6, "links.hub.ca", "empty: want a path", nil},
	{"link is no slug", "[links.east]", "[links.East]", 12, 2, "links.East", "want a slug", strict.ErrSlug},
	{"too many links", "[metrics]", "[links.a]\nbroker = \"tls://a\"\n[links.b]\nbroker = \"tls://b\"\n[metrics]", 17, 2, "links.b", "at most 4 links", nil},
	{"no place for the figures", "listen = \"127.0.0.1:9464\"\n", "", 15, 2, "metrics.listen", "missing: say where the figures", strict.ErrMissing},
	{"figures without a port", `"127.0.0.1:9464"`, `"127.0.0.1"`, 16, 10, "metrics.listen", `want "ADDRESS:PORT"`, nil},
	{"retention too short", `"90d"`, `"1h"`, 18, 12, "retention.door_log", `from 1d up, got "1h"`, nil},
	{"retention as a number", `"90d"`, `90`, 18, 12, "retention.door_log", `want a duration`, strict.ErrValue},
	{"retention of another log", "door_log =", "node =", 18, 1, "retention.node", "unknown key", strict.ErrUnknown},
}

func TestNetworkMalformed(t *testing.T) {
	t.Parallel()
	testMistakes(t, networked, networkMistakes)
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	w, err := Parse("/etc/t/gateway.toml", []byte(networked))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]*Link{
		"node": {Name: "node", Own: true},
		"hub":  {Name: "hub", Broker: "tls://hub.example.org:8884", CA: "/etc/t/hub-ca.pem", Cert: "/etc/tombolo/gw1.pem"},
		"east": {Name: "east", Broker: "tls://gw1.east.lan:8883", Server: [16]byte{0x8e, 0x4a, 0, 0, 0x11, 0x11, 0x22, 0x22, 0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66}},
	}
	if !reflect.DeepEqual(w.Links, want) {
		t.Errorf("links %+v", w.Links)
	}
	if *w.Broker != (Broker{":8883", "127.0.0.1:1883"}) || *w.Metrics != (Metrics{"127.0.0.1:9464"}) || w.Retention.DoorLog != 90*24*time.Hour {
		t.Errorf("%+v %+v %+v", w.Broker, w.Metrics, w.Retention)
	}
	if w.OwnLink() != w.Links["node"] || !w.Links["hub"].Outside() || w.Links["east"].Outside() {
		t.Errorf("which is whose")
	}
	if got := Text(Check(w, nil, "")); got != "note: no door is wired: add [doors.NAME] to the wiring file\n" {
		t.Errorf("said of it:\n%s", got)
	}
}

// TestNetworkCheck: what somebody should know of links, before they are used.
func TestNetworkCheck(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"[links.a]\nbroker = \"tls://a\"\n":                                            "no link is the node's own: door logs stay here",
		"[links.a]\nbroker = \"tls://a\"\nown = true\nca = \"a\"\ncert = \"b\"\n":      "whoever runs that broker can read who went where",
		"[links.a]\nbroker = \"tls://a\"\nown = true\n[metrics]\nlisten = \":9464\"\n": "whoever reaches :9464 reads how busy the doors are",
	} {
		w, err := Parse("gateway.toml", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if got := Text(Check(w, nil, "")); !strings.Contains(got, "note: ") || !strings.Contains(got, want) {
			t.Errorf("%s:\n%s", text, got)
		}
	}
}

// TestBrokers are brokers as people write them.
func TestBrokers(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"tls://gw1":                "tls://gw1:8883",
		"tls://gw1.casa.lan.":      "tls://gw1.casa.lan.:8883",
		"tls://192.0.2.1":          "tls://192.0.2.1:8883",
		"tls://[2001:db8::1]":      "tls://[2001:db8::1]:8883",
		"tls://[2001:db8::1]:1234": "tls://[2001:db8::1]:1234",
		"tcp://127.0.0.1":          "tcp://127.0.0.1:1883",
		"tcp://localhost:2000":     "tcp://localhost:2000",
		"tcp://[::1]":              "tcp://[::1]:1883",
	} {
		links, err := ParseLinks("links.toml", []byte("[links.a]\nbroker = \""+given+"\"\n"))
		if err != nil || links["a"].Broker != want {
			t.Errorf("%s: %+v, %v; want %s", given, links["a"], err, want)
		}
	}
}

// TestParseLinks: a desk's file has links and nothing else, and no broker of its
// own.
func TestParseLinks(t *testing.T) {
	t.Parallel()
	if links, err := ParseLinks("links.toml", nil); len(links) != 0 || err != nil {
		t.Errorf("an empty file: %v, %v", links, err)
	}
	for text, want := range map[string]string{
		"data = \".\"\n":                       "unknown key",
		"[links.a]\nbroker = \"own\"\n":        "this file has no broker",
		"[broker]\nlisten = \":8883\"\n":       "unknown key",
		"[doors.front]\n":                      "unknown key",
		"[links]\na = \"tls://gw1.casa.lan\"":  "want a table",
		"[links.a]\nbroker = \"tls://a b\"":    "want a host's name",
		"[links.a]\nbroker = \"tls://-a\"":     "want a host's name",
		"[links.a]\nbroker = \"tls://a_b..c\"": "want a host's name",
		"[[links.a]]\nbroker = \"tls://a\"":    "want a table, got a list",
		"links = 1":                            "want a table, got 1",
	} {
		links, err := ParseLinks("links.toml", []byte(text))
		var errs strict.Errors
		if links != nil || !errors.As(err, &errs) || errs[0].Line == 0 || !strings.Contains(errs[0].Msg, want) {
			t.Errorf("%s: %v, %v; want …%s…", text, links, err, want)
		}
	}
}

// TestDeployed: the files that the README shows.
func TestDeployed(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../testdata/deploy/*/*.toml")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	seen := 0
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		base := filepath.Base(path)
		switch {
		case strings.HasSuffix(base, "links.toml"):
			links, err := ParseLinks(path, data)
			if err != nil || len(links) == 0 {
				t.Errorf("%d links, %v", len(links), err)
			}
		case strings.Contains(base, "gw"):
			w, err := Parse(path, data)
			if err != nil {
				t.Error(err)
				continue
			}
			seen++
			if w.OwnLink() == nil {
				t.Errorf("%s has no link of the node's own", path)
			}
		}
	}
	if seen < 3 {
		t.Errorf("%d gateways", seen)
	}
}

// checkNetwork derives again what Parse promises.
func checkNetwork(t *testing.T, w *Wiring) {
	t.Helper()
	here, own := 0, 0
	for name, l := range w.Links {
		if l.Name != name || new(strict.Slug).UnmarshalText([]byte(name)) != nil || (l.CA == "") != (l.Cert == "") || l.CA != "" && l.Server != [16]byte{} {
			t.Errorf("link %q: %+v", name, l)
		}
		if l.Own {
			own++
		}
		if l.Broker == "" {
			here++
			continue
		}
		scheme, rest, _ := strings.Cut(l.Broker, "://")
		host, _, err := net.SplitHostPort(rest)
		if err != nil || scheme != "tls" && !(scheme == "tcp" && loopback(host)) {
			t.Errorf("link %q leads to %q", name, l.Broker)
		}
	}
	if len(w.Links) > MaxLinks || own > 1 || here > 1 || (here == 1) != (w.Broker != nil) {
		t.Errorf("%d links, %d own, %d to the broker %+v", len(w.Links), own, here, w.Broker)
	}
	if w.Broker != nil && w.Broker.Plain != "" {
		if host, _, err := net.SplitHostPort(w.Broker.Plain); err != nil || !loopback(host) {
			t.Errorf("a plain listener at %q", w.Broker.Plain)
		}
	}
	if w.Retention.DoorLog != 0 && w.Retention.DoorLog < 24*time.Hour {
		t.Errorf("door logs are kept for %v", w.Retention.DoorLog)
	}
}
