package gateway_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tombolo/cmd/internal/folder"
	"tombolo/cmd/internal/linking"
	"tombolo/cmd/internal/wiring"
	"tombolo/sync/enroll"
	"tombolo/sync/ledger"
	"tombolo/sync/replica"
)

// shake has a client of that configuration meet a server, and returns what each
// says.
func shake(t *testing.T, client *tls.Config, server tls.Certificate, let func(tls.ConnectionState) error) (clientErr, serverErr error) {
	t.Helper()
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	defer l.Close()
	done := make(chan error, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		c := tls.Server(conn, &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAnyClientCert, VerifyConnection: let})
		if err = c.Handshake(); err == nil {
			_, err = c.Write([]byte{1})
		}
		done <- err
	}()
	conn := must(net.Dial("tcp", l.Addr().String()))
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	c := tls.Client(conn, client)
	clientErr = c.Handshake()
	if clientErr == nil {
		_, clientErr = c.Read(make([]byte, 1)) // TLS 1.3: a client hears only now that it was refused
	}
	conn.Close()
	return clientErr, <-done
}

func newKey() ed25519.PrivateKey {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	return key
}

// TestLinksTrust: which server's key a link takes, by the ledgers as they are at
// that moment.
func TestLinksTrust(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	enrolled, stranger := newKey(), newKey()
	keys := ledger.GatewayKeys{Signing: [32]byte{1}, Hold: [32]byte{2}, Witness: [32]byte{3}, Sealing: [32]byte{4}, TLS: [32]byte(enrolled.Public().(ed25519.PublicKey))}
	h.write(ledger.NodeLog, &ledger.GatewayEnrolled{Gateway: "gw1", Keys: keys})
	own := must(enroll.SelfSigned(newKey(), "desk"))
	config := func(more string) *tls.Config {
		links := must(wiring.ParseLinks("links.toml", []byte("[links.a]\nbroker = \"tls://gw1.casa.lan\"\n"+more)))
		all := must(linking.Participant{Folder: h.steward, Own: func() (tls.Certificate, error) { return own, nil }}.Configs(links, ""))
		return all[0].TLS
	}
	fingerprint := func(key []byte) string { return fmt.Sprintf("server = %q\n", ledger.KeyIDOf(key).String()) }
	for _, c := range []struct {
		name   string
		more   string
		server ed25519.PrivateKey
		ok     bool
	}{
		{"a gateway of the node", "", enrolled, true},
		{"a stranger", "", stranger, false},
		{"the one that is named, by its TLS key", fingerprint(stranger.Public().(ed25519.PublicKey)), stranger, true},
		{"the gateway that is named, by its fingerprint", fingerprint(keys.Signing[:]), enrolled, true},
		{"another than is named", fingerprint(stranger.Public().(ed25519.PublicKey)), enrolled, false},
	} {
		client, server := shake(t, config(c.more), must(enroll.SelfSigned(c.server, "gw1")), nil)
		if (client == nil) != c.ok || !c.ok && !errors.Is(client, linking.ErrServer) || c.ok && server != nil {
			t.Errorf("%s: %v, %v", c.name, client, server)
		}
	}
	held := config("")
	h.write(ledger.NodeLog, &ledger.GatewayRemoved{Gateway: "gw1", Signing: keys.Signing, Why: "stolen"})
	if client, _ := shake(t, held, must(enroll.SelfSigned(enrolled, "gw1")), nil); !errors.Is(client, linking.ErrServer) {
		t.Errorf("removed since: %v", client)
	}
	other := must(enroll.SelfSigned(enrolled, "gw1"))
	other.PrivateKey = stranger
	if client, _ := shake(t, held, other, nil); client == nil {
		t.Error("a server without the key that it shows was taken")
	}
}

// TestLinksOutside: an outside broker is known by its authority's word, and gets
// the certificate that stands in the file now.
func TestLinksOutside(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	dir := t.TempDir()
	write := func(name string, ders ...[]byte) {
		var text []byte
		for _, der := range ders {
			text = append(text, enroll.CertificatePEM(der)...)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	authority, rogue := must(enroll.NewAuthority(newKey(), "isle")), must(enroll.NewAuthority(newKey(), "isle"))
	key, broker := newKey(), newKey()
	client := enroll.Client{Peer: ledger.KeyID{1}, Key: [32]byte(key.Public().(ed25519.PublicKey))}
	issue := func(a *enroll.Authority, host string) tls.Certificate {
		return must(enroll.WithKey(must(a.IssueServer(broker.Public().(ed25519.PublicKey), []string{host}, time.Now())), broker))
	}
	links := must(wiring.ParseLinks(filepath.Join(dir, "links.toml"), []byte("[links.a]\nbroker = \"tls://hub.lan\"\nca = \"ca.pem\"\ncert = \"own.pem\"\n")))
	now := time.Now()
	own := linking.Participant{Folder: h.steward, Key: key, Now: func() time.Time { return now }}
	all := must(own.Configs(links, ""))
	if len(all) != 1 || len(all[0].Scopes) != 1 || all[0].Scopes[0] != replica.All {
		t.Fatalf("%+v", all)
	}
	config := all[0].TLS
	saw := ledger.KeyID{}
	let := func(cs tls.ConnectionState) error {
		if cs.PeerCertificates[0].Subject.CommonName == client.Peer.String() {
			saw = client.Peer
		}
		return nil
	}
	if c, _ := shake(t, config, issue(authority, "hub.lan"), let); c == nil || !strings.Contains(c.Error(), "ca.pem") {
		t.Errorf("without files: %v", c)
	}
	write("ca.pem", authority.Certificate())
	write("own.pem", must(authority.Issue(client, now)))
	if c, s := shake(t, config, issue(authority, "hub.lan"), let); c != nil || s != nil || saw != client.Peer {
		t.Errorf("%v, %v, it saw %v", c, s, saw)
	}
	for name, server := range map[string]tls.Certificate{"another authority": issue(rogue, "hub.lan"), "another's name": issue(authority, "hub.example"), "self-signed": must(enroll.SelfSigned(broker, "hub.lan"))} {
		if c, _ := shake(t, config, server, let); c == nil {
			t.Errorf("%s was taken", name)
		}
	}
	server := issue(authority, "hub.lan")
	now = now.AddDate(10, 0, 0)
	if c, _ := shake(t, config, server, let); c == nil {
		t.Error("a certificate of ten years ago was taken")
	}
	now = time.Time{} // the clock is not known: ledgers have to arrive all the same
	if c, s := shake(t, config, server, let); c != nil || s != nil {
		t.Errorf("without a clock: %v, %v", c, s)
	}
	write("own.pem", must(authority.Issue(enroll.Client{Peer: client.Peer, Key: [32]byte(newKey().Public().(ed25519.PublicKey))}, time.Now())))
	if c, _ := shake(t, config, server, let); c == nil || !strings.Contains(c.Error(), "another key") {
		t.Errorf("another's certificate: %v", c)
	}
	write("own.pem")
	if c, _ := shake(t, config, server, let); !errors.Is(c, linking.ErrPEM) {
		t.Errorf("an empty file: %v", c)
	}
}

// TestCheckNetwork: what is wrong with links is found before anything runs.
func TestCheckNetwork(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.approve(h.init())
	taken := must(net.Listen("tcp", "127.0.0.1:0"))
	defer taken.Close()
	authority := must(enroll.NewAuthority(newKey(), "isle"))
	f := must(folder.Open(h.dir, false))
	own := must(f.Public(folder.TLSKey))
	f.Close()
	cert := func(key [32]byte, at time.Time) {
		der := must(authority.Issue(enroll.Client{Peer: ledger.KeyID{1}, Key: key}, at))
		if err := os.WriteFile(filepath.Join(h.dir, "own.pem"), enroll.CertificatePEM(der), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w := h.wiring(fmt.Sprintf("[broker]\nlisten = %q\n[links.node]\nbroker = \"own\"\nown = true\n[links.hub]\nbroker = \"tls://hub.lan\"\nca = \"ca.pem\"\ncert = \"own.pem\"\n[metrics]\nlisten = \"127.0.0.1:0\"", taken.Addr()))
	want := func(part, text string) {
		t.Helper()
		if got := h.check(w, time.Now()); !strings.Contains(got[part], text) {
			t.Errorf("of %s it says %q, not %q", part, got[part], text)
		}
	}
	want("links/hub", "fault: the authority of tls://hub.lan:8883 is not known")
	want("links/node", "ok: leads to the broker of this gateway")
	want("broker", "fault: nothing can listen at "+taken.Addr().String())
	want("metrics", "ok: 127.0.0.1:0 is free")
	if err := os.WriteFile(filepath.Join(h.dir, "ca.pem"), enroll.CertificatePEM(authority.Certificate()), 0o600); err != nil {
		t.Fatal(err)
	}
	want("links/hub", "fault: tls://hub.lan:8883 will not let this gateway in")
	cert(own, time.Now())
	want("links/hub", "ok: leads to tls://hub.lan:8883, with a certificate that is good until ")
	cert(own, time.Now().Add(-750*24*time.Hour)) // good for 780 days from the 30 that it was issued in
	want("links/hub", "note: ")
	cert(own, time.Now().AddDate(-4, 0, 0))
	want("links/hub", "fault: "+filepath.Join(h.dir, "own.pem")+" is none that the authority stands by now")
	cert([32]byte(newKey().Public().(ed25519.PublicKey)), time.Now())
	want("links/hub", "is for another key than this gateway's")
}
