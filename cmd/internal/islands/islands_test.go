package islands

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestIslands grows what the README shows: one flat, a house, an archipelago,
// each with its files, on hosts with the names that stand in them.
func TestIslands(t *testing.T) {
	l := newLAN(t, "gw1.casa.lan", "gw2.casa.lan", "gw1.mare.lan", "desk.casa.lan", "desk.mare.lan", "broker.isles.lan")
	casa1, casa2, mare1 := l.host("gw1.casa.lan"), l.host("gw2.casa.lan"), l.host("gw1.mare.lan")
	desk, other, broker := l.host("desk.casa.lan"), l.host("desk.mare.lan"), l.host("broker.isles.lan")

	t.Log("one flat")
	desk.run("tombolo", "community", "new", "aurora", "--chain-id", "100", "--registry", "0x00000000000000000000000000000000000a0701")
	desk.run("tombolo", "node", "new", "casa")
	desk.file("flat/policy.toml", "policy.toml")
	desk.run("tombolo", "node", "policy", "sign", "policy.toml")
	casa1.enrol("flat/gw1.toml", desk)
	desk.file("flat/links.toml", ".tombolo/links.toml")
	ada, ben := desk.admit("1"), desk.admit("2")
	casa1.opens("front", ada, true)
	desk.run("tombolo", "passport", "suspend", "2", "--why", "lost")
	casa1.opens("front", ben, false)
	desk.run("tombolo", "passport", "reinstate", "2", "--why", "found")
	casa1.opens("front", ben, true)

	t.Log("a house")
	desk.file("house/policy.toml", "policy.toml")
	desk.run("tombolo", "node", "policy", "sign", "policy.toml")
	casa1.file("house/gw1.toml", "etc/tombolo/gateway.toml")
	casa1.restart()
	casa2.enrol("house/gw2.toml", desk)
	casa2.opens("garden", ada, true)
	l.linked(casa1, casa2)
	desk.reaches(time.Second, []*host{casa1, casa2}, "passport", "suspend", "2", "--why", "lost")
	casa2.opens("garden", ben, false)
	desk.run("tombolo", "passport", "reinstate", "2", "--why", "found")

	t.Log("the cable of the house's second gateway is pulled; its doors decide as before")
	casa2.cable(false)
	casa2.opens("garden", ada, true)
	desk.run("tombolo", "passport", "suspend", "2", "--why", "again")
	casa1.opens("front", ben, false)
	casa2.opens("garden", ben, true) // nobody could tell it
	casa2.cable(true)
	took := l.until(90*time.Second, "the suspension arrives after the cable is back", func() bool { return !casa2.tap("garden", ben) })
	quick(t, "from the cable back to the refusal", took, 75*time.Second)

	t.Log("the gateway with the broker is killed under taps; the other decides, and catches up")
	casa1.stop(syscall.SIGKILL)
	casa2.opens("garden", ada, true)
	if out := desk.run("tombolo", "passport", "suspend", "1", "--why", "while the broker is away"); strings.Contains(out, "reached 2") {
		t.Errorf("a broker that is away reached somebody: %s", out)
	}
	casa1.restart()
	desk.run("tombolo", "sync", "run")
	l.until(90*time.Second, "the suspension arrives once the broker is back", func() bool { return !casa2.tap("garden", ada) })
	desk.run("tombolo", "passport", "reinstate", "1", "--why", "back")

	t.Log("an archipelago")
	const site = "/etc/tombolo/broker"
	desk.run("tombolo", "broker", "new", "isles", "--host", "broker.isles.lan", "--at", site)
	other.run("tombolo", "ledger", "import", carry(t, desk, other), "--pin=community")
	other.run("tombolo", "node", "new", "mare")
	other.file("archipelago/mare-policy.toml", "policy.toml")
	other.run("tombolo", "node", "policy", "sign", "policy.toml")
	mare1.enrol("archipelago/mare-gw1.toml", other) // its link to the broker waits for a certificate
	other.file("archipelago/mare-links.toml", ".tombolo/links.toml")
	other.run("tombolo", "ledger", "export", "--out", "node.tombolo")
	desk.run("tombolo", "node", "register", hand(t, other, "node.tombolo", desk, "mare.tombolo"), "--doors", "1")
	desk.run("tombolo", "broker", "admit", "isles", hand(t, mare1, "var/lib/tombolo/gateway.request", desk, "mare-gw1.request"), "--as", "gw1.mare")
	for _, name := range []string{"ca.pem", "server.pem", "server.key", "revoked.pem", "mosquitto.conf", "mosquitto.acl"} {
		hand(t, desk, "isles/"+name, broker, "etc/tombolo/broker/"+name)
	}
	broker.start("mosquitto", "-c", site+"/mosquitto.conf")
	hand(t, desk, "isles/ca.pem", mare1, "etc/tombolo/isles/ca.pem")
	hand(t, desk, "isles/gw1.mare.pem", mare1, "etc/tombolo/isles/gw1.mare.pem")
	hand(t, desk, "isles/ca.pem", casa1, "etc/tombolo/isles/ca.pem")
	hand(t, desk, "isles/gw1.casa.pem", casa1, "etc/tombolo/isles/gw1.casa.pem")
	casa1.file("archipelago/casa-gw1.toml", "etc/tombolo/gateway.toml")
	casa1.restart()
	l.until(60*time.Second, "a resident of one island opens a door of the other", func() bool { return mare1.tap("boathouse", ada) })
	l.linked(casa1, casa2, mare1)
	desk.reaches(time.Second, []*host{casa1, casa2, mare1}, "passport", "suspend", "1", "--why", "lost at sea")
	mare1.opens("boathouse", ada, false)

	t.Log("the sea is between them: the islands' broker loses its cable")
	broker.cable(false)
	desk.run("tombolo", "passport", "reinstate", "1", "--why", "found")
	casa1.opens("front", ada, true)
	mare1.opens("boathouse", ada, false)
	broker.cable(true)
	l.until(120*time.Second, "what was written in between arrives", func() bool { return mare1.tap("boathouse", ada) })

	t.Log("no movement of one island is found on the other")
	for _, row := range mare1.statusOf("/var/lib/tombolo") {
		if row["kind"] == "door" && row["own"] != true {
			t.Errorf("another's door log is on the other island: %v", row)
		}
	}
}

// carry exports what a new node's steward needs of the community, as on a stick.
func carry(t *testing.T, from, to *host) string {
	t.Helper()
	stick := filepath.Join(from.dir, "stick.tombolo")
	from.run("tombolo", "ledger", "export", "--kind", "community", "--out", stick)
	return hand(t, from, "stick.tombolo", to, "stick.tombolo")
}

// hand copies a file from one host to another, and says where it is there.
func hand(t *testing.T, from *host, name string, to *host, as string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(from.dir, name))
	if err != nil {
		t.Fatal(err)
	}
	at := filepath.Join(to.dir, as)
	if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(at, data, 0o644); err != nil {
		t.Fatal(err)
	}
	return at
}
