package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"tombolo/cmd/internal/folder"
)

func goodSite() brokerSite {
	return brokerSite{
		Kind: mosquitto, Community: strings.Repeat("ab", 32), Hosts: []string{"broker.isles.lan"}, At: "/etc/tombolo/broker",
		Clients: []brokerClient{
			{Name: "desk.casa", Peer: strings.Repeat("01", 16), TLS: strings.Repeat("02", 32), Desk: true},
			{Name: "gw1.casa", Peer: strings.Repeat("03", 16), TLS: strings.Repeat("04", 32)},
			{Name: "gw2.casa", Peer: strings.Repeat("05", 16), TLS: strings.Repeat("06", 32), Removed: true},
		},
	}
}

func TestParseSite(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(*brokerSite)
		want   string // "" for none
	}{
		"as it is":                      {func(*brokerSite) {}, ""},
		"an address":                    {func(s *brokerSite) { s.Hosts = []string{"2001:db8::1"} }, ""},
		"a cluster":                     {func(s *brokerSite) { s.Kind, s.Hosts = nats, []string{"a", "b", "c"} }, ""},
		"a name used again":             {func(s *brokerSite) { s.Clients[2].Name = "gw1.casa" }, ""},
		"no kind":                       {func(s *brokerSite) { s.Kind = "" }, `kind ""`},
		"another kind":                  {func(s *brokerSite) { s.Kind = "hivemq" }, `kind "hivemq"`},
		"no community":                  {func(s *brokerSite) { s.Community = "" }, `community ""`},
		"a community of zeros":          {func(s *brokerSite) { s.Community = strings.Repeat("0", 64) }, "community"},
		"a community in capitals":       {func(s *brokerSite) { s.Community = strings.ToUpper(s.Community) }, "community"},
		"no host":                       {func(s *brokerSite) { s.Hosts = nil }, "0 hosts"},
		"two hosts of mosquitto":        {func(s *brokerSite) { s.Hosts = []string{"a", "b"} }, "2 hosts"},
		"a host that is a path":         {func(s *brokerSite) { s.Hosts[0] = "../../etc/passwd" }, `host "../../etc/passwd"`},
		"a host with a port":            {func(s *brokerSite) { s.Hosts[0] = "a.lan:8883" }, `host "a.lan:8883"`},
		"a host of two lines":           {func(s *brokerSite) { s.Hosts[0] = "a.lan\nallow_anonymous true" }, "host"},
		"a host that is an option":      {func(s *brokerSite) { s.Hosts[0] = "-a" }, `host "-a"`},
		"a relative place":              {func(s *brokerSite) { s.At = "etc" }, `stand at "etc"`},
		"a client without a name":       {func(s *brokerSite) { s.Clients[1].Name = "" }, "name"},
		"a client whose name is a path": {func(s *brokerSite) { s.Clients[1].Name = "../ca" }, "name"},
		"a short peer":                  {func(s *brokerSite) { s.Clients[1].Peer = "03" }, `the keys of "gw1.casa" are damaged`},
		"a long key":                    {func(s *brokerSite) { s.Clients[1].TLS += "04" }, `the keys of "gw1.casa" are damaged`},
		"two of a name":                 {func(s *brokerSite) { s.Clients[1].Name = "desk.casa" }, `two clients are called "desk.casa"`},
		"a hub":                         {func(s *brokerSite) { s.Clients[1].Service = "hub" }, ""},
		"an evaluator":                  {func(s *brokerSite) { s.Clients[1].Service = "evaluator" }, ""},
		"another service":               {func(s *brokerSite) { s.Clients[1].Service = "issuer" }, `"gw1.casa" is a "issuer"`},
		"a desk that is a hub":          {func(s *brokerSite) { s.Clients[0].Service = "hub" }, `"desk.casa" is a "hub"`},
		"too many":                      {func(s *brokerSite) { s.Clients = make([]brokerClient, maxClients+1) }, "4097 clients"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := goodSite()
			c.change(&s)
			text, err := folder.EncodeJSON(s)
			if err != nil {
				t.Fatal(err)
			}
			got, err := parseSite(text)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want == "":
				if again, err := folder.EncodeJSON(got); err != nil || !bytes.Equal(again, text) {
					t.Errorf("%v: %s", err, again)
				}
			case !errors.Is(err, errSite) || !strings.Contains(err.Error(), c.want):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	text, err := folder.EncodeJSON(goodSite())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		text string
		want error
	}{
		"nothing":        {"", folder.ErrJSON},
		"cut":            {string(text[:len(text)/2]), folder.ErrJSON},
		"a key more":     {strings.Replace(string(text), "{", `{"port": 1,`, 1), folder.ErrJSON},
		"other spacing":  {strings.Replace(string(text), ": ", ":", 1), folder.ErrRewrote},
		"more behind it": {string(text) + "{}", folder.ErrRewrote},
	} {
		if _, err := parseSite([]byte(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
}

// FuzzParseSite: what is taken is written back as it was, and names nothing
// outside of its folder.
func FuzzParseSite(f *testing.F) {
	text, err := folder.EncodeJSON(goodSite())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(bytes.Replace(text, []byte("broker.isles.lan"), []byte("../x"), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := parseSite(data)
		if err != nil {
			return
		}
		again, err := folder.EncodeJSON(s)
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("%v: %q came back as %q", err, data, again)
		}
		for _, name := range append(s.Hosts, fmt.Sprint(s.Clients)) {
			if strings.ContainsAny(name, "/\\\n\x00") {
				t.Errorf("%q", name)
			}
		}
	})
}
